"""T-004: pointers of the host's own, and their release: once, when nothing has
them any more, on the thread that the header says. The host is contexts.c.
"""
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "integration"))
from harness import SANITIZER, main  # noqa: E402


def test_contexts(build):
    with tempfile.TemporaryDirectory(prefix="mailmod-contexts-") as folder:
        run = subprocess.run(
            [os.path.join(build, "tests", "host", "contexts"), folder],
            capture_output=True, text=True, timeout=120, check=False)
    print(run.stdout[-4000:], run.stderr[-4000:])
    assert run.returncode == 0 and not SANITIZER.search(run.stderr)
    assert run.stdout.endswith("done\n")


main(__name__, test_contexts)
