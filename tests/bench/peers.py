"""What both benchmarks share: the generators, processes' memory, medians."""
import glob
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "integration"))
# Names of Postfix's processes, as the kernel keeps them.
POSTFIX = ("smtpd", "cleanup", "qmgr", "virtual", "master", "pickup",
           "trivial-rewrite", "bounce")


def generate(build, program, *words, wrap=()):
    """Runs a load generator; its figures. What it refused is an error."""
    done = subprocess.run(
        [*wrap, os.path.join(build, "tests", "bench", program),
         *map(str, words)], capture_output=True, text=True, timeout=900)
    if done.returncode != 0:
        raise SystemExit(f"{program} {words}: {done.stdout}{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


class Syncs:
    """Counts fsync and fdatasync of the whole system while a command runs,
    where perf is there; `count` picks the processes that matter."""

    def __init__(self):
        self.wrap = ()
        self.folder = tempfile.TemporaryDirectory()
        self.path = os.path.join(self.folder.name, "perf.data")
        if shutil.which("perf") and os.geteuid() == 0:
            self.wrap = ("perf", "record", "-q", "-a", "-o", self.path, "-e",
                         "syscalls:sys_enter_fsync,"
                         "syscalls:sys_enter_fdatasync", "--")

    def count(self, is_ours):
        """None where nothing was counted."""
        if not os.path.exists(self.path):
            return None
        text = subprocess.run(
            ["perf", "script", "-i", self.path, "-F", "comm,pid"],
            capture_output=True, text=True, check=True).stdout
        found = re.findall(r"(?m)^\s*(\S.*?)\s+(\d+)\s*$", text)
        return sum(is_ours(name, int(pid)) for name, pid in found)

    def __enter__(self):
        return self

    def __exit__(self, *rest):
        self.folder.cleanup()


def memory_kib(pids):
    """Proportional memory of processes together: shared pages count once."""
    total = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
                total += int(re.search(r"(?m)^Pss:\s+(\d+)", f.read())[1])
        except (OSError, TypeError):
            pass
    return total


def family(pid):
    """A process and those below it."""
    children = {}
    for path in glob.glob("/proc/[0-9]*/stat"):
        try:
            with open(path, encoding="ascii") as f:
                words = f.read().rsplit(")", 1)[1].split()
            children.setdefault(int(words[1]), []).append(
                int(path.split("/")[2]))
        except (OSError, IndexError):
            pass
    found = [pid]
    for one in found:
        found += children.get(one, [])
    return found


def summary(title, pairs):
    """Medians of both sides, and the ratio of each pair (ours, theirs)."""
    ours = [a for a, _ in pairs]
    theirs = [b for _, b in pairs if b]
    text = f"{title}: mailmod {statistics.median(ours):.0f}/s"
    if theirs:
        ratios = [a / b for a, b in pairs]
        text += (f", the other {statistics.median(theirs):.0f}/s, ratios "
                 + " ".join(f"{r:.2f}" for r in ratios)
                 + f", median {statistics.median(ratios):.2f}")
    print(text, flush=True)
