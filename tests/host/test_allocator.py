"""The host's own memory: for mailmod, for the libraries below, too late. The
host is allocator.c.
"""
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "integration"))
from harness import SANITIZER, main  # noqa: E402


def run(build, mode):
    with tempfile.TemporaryDirectory(prefix="mailmod-memory-") as folder:
        result = subprocess.run(
            [os.path.join(build, "tests", "host", "allocator"), folder, mode],
            capture_output=True, text=True, timeout=120, check=False)
    print(result.stdout[-4000:], result.stderr[-4000:])
    assert result.returncode == 0 and not SANITIZER.search(result.stderr)
    assert result.stdout.endswith("done\n")


def test_own(build):
    """Every piece is given back at the end."""
    run(build, "own")


def test_all(build):
    """OpenSSL, SQLite, libuv and c-ares take it too."""
    run(build, "all")


def test_late(build):
    run(build, "late")


main(__name__, test_own, test_all, test_late)
