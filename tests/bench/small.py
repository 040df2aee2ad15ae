"""Every benchmark once, with so little that it takes a moment.

usage: python3 small.py BUILD

Shows that the commands run and keep what they found, and nothing about speed.
What a command leaves out (no perf, a peer that is not installed) it says
itself. Ends with "N passed, N failed, N skipped".
"""
import glob
import json
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
COMMANDS = ("accept", "relay", "pop3", "idle", "latency", "large", "growth")
PATIENCE = 300


def kept(build):
    return set(glob.glob(os.path.join(build, "bench", "*-small-*.json")))


def run(build, name):
    """None, or what is wrong."""
    before = kept(build)
    done = subprocess.run(
        [sys.executable, "-B", os.path.join(HERE, name + ".py"), build,
         "--small"], timeout=PATIENCE, check=False)
    if done.returncode != 0:
        return f"it ended with {done.returncode}"
    paths = kept(build) - before
    if len(paths) != 1:
        return f"it kept {sorted(paths)}"
    path = paths.pop()
    with open(path, encoding="utf-8") as f:
        found = json.load(f)
    seen = {row["section"] for row in found["rows"]}
    missing = set(found["sections"]) - seen
    return f"no figures of {sorted(missing)}" if missing else None


def plot(build):
    """Pictures of what was kept."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-B", os.path.join(HERE, "plot.py"), folder,
             *sorted(kept(build))], timeout=PATIENCE, check=False)
        pictures = os.listdir(folder)
    if done.returncode != 0 or len(pictures) != 2:
        return f"plot.py ended with {done.returncode} and made {pictures}"
    return None


def main(build):
    failed = 0
    for path in kept(build):
        os.unlink(path)
    for name in (*COMMANDS, "plot"):
        print(f"== {name}", flush=True)
        wrong = plot(build) if name == "plot" else run(build, name)
        if wrong:
            print(f"FAILED: {name}: {wrong}")
            failed += 1
    print(f"{len(COMMANDS) + 1 - failed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(os.path.abspath(sys.argv[1])))
