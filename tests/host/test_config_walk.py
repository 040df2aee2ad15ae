"""Every setting and every old name, through the public header alone.

The host program is config_walk.c; what the names are stands in docs/config.md.
"""
import os
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "integration"))
from harness import SANITIZER, SOURCE, main  # noqa: E402


def page():
    with open(os.path.join(SOURCE, "docs", "config.md"),
              encoding="utf-8") as file:
        return file.read()


def old_names():
    """Those with a meaning here, those without."""
    tables = page().split("## Old names")[1].split("why not supported")
    rows = [re.findall(r"(?m)^\| ((?:`\w+`(?:, )?)+) \|", table)
            for table in tables]
    return [sum((re.findall(r"\w+", cell) for cell in cells), [])
            for cells in rows]


def test_walk(build):
    """Attack 108: every key at and beyond its limits."""
    supported, gone = old_names()
    assert len(supported) + len(gone) > 95, (supported, gone)
    keys = re.findall(r"(?m)^\| `(\w+\.\w+)`", page())
    with tempfile.TemporaryDirectory(prefix="mailmod-walk-") as folder:
        # The files that it writes hold a secret.
        os.umask(0o077)
        run = subprocess.run(
            [os.path.join(build, "tests", "host", "config_walk"),
             os.path.join(SOURCE, "mailmod.cfg"), folder, *supported, *gone],
            capture_output=True, text=True, timeout=120, cwd=folder)
    print(run.stdout[-4000:], run.stderr[-4000:])
    assert run.returncode == 0 and not SANITIZER.search(run.stderr)
    last = run.stdout.splitlines()[-1]
    assert last == (f"{len(keys)} keys, {len(supported) + len(gone)} old "
                    f"names, {len(supported)} supported, 0 mistakes"), last


main(__name__, test_walk)
