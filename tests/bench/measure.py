"""What all benchmarks share: counters of processes, pairs by turns, reports.

A benchmark is one command,

    python3 NAME.py BUILD [--small] [--rounds N] [--only SECTION,...]

that prints what it finds, with the machine and the versions, and keeps it in
BUILD/bench/NAME-DATE.json. --small runs all of it with so little that it ends
in seconds: its figures mean nothing, it shows that the command works. Nothing
passes or fails by a figure; what cannot run here is left out, aloud.
"""
import argparse
import glob
import json
import os
import platform
import re
import shutil
import signal
import statistics
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "integration"))
ROUNDS = 5
# Of perf stat: the name in a report, and how many make one unit of it.
TIMES = {"task-clock": ("cpu_us", 1e3),  # perf prints milliseconds
         "context-switches": ("switches", 1)}
# To count these costs each call of the whole system half a microsecond.
CALLS = {"raw_syscalls:sys_enter": ("calls", 1),
         "syscalls:sys_enter_fsync": ("syncs", 1),
         "syscalls:sys_enter_fdatasync": ("syncs", 1)}


def program(build, name):
    return os.path.join(build, "tests", "bench", name)


class Failed(Exception):
    """A load was not taken whole."""


def generate(build, name, *words):
    """Runs a load generator; its figures. What was refused is an error."""
    done = subprocess.run([program(build, name), *map(str, words)],
                          capture_output=True, text=True, timeout=3600,
                          check=False)
    if done.returncode != 0:
        raise Failed(f"{name} {words}: {done.stdout}{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


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


def memory_kib(pids, key="Pss"):
    """Memory of processes together. Pss: shared pages count once."""
    total = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
                total += int(re.search(rf"(?m)^{key}:\s+(\d+)", f.read())[1])
        except (OSError, TypeError):
            pass
    return total


def peak_kib(pid):
    """The most that was resident since `forget_peak`."""
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return int(re.search(r"VmHWM:\s+(\d+)", f.read())[1])


def forget_peak(pid):
    with open(f"/proc/{pid}/clear_refs", "w", encoding="ascii") as f:
        f.write("5")


def folder_octets(folder):
    """What the files below a folder take on the disk."""
    return sum(os.stat(os.path.join(place, name)).st_blocks * 512
               for place, _, files in os.walk(folder) for name in files)


class Counted:
    """Counts for some processes and all that they start, from entering to
    leaving: microseconds of CPU, context switches and, where `calls`, system
    calls and syncs, in `figures`; empty where there is no perf, or it may
    not."""

    calls = True  # Report.pairs turns them off where times count
    can = bool(shutil.which("perf")) and os.geteuid() == 0

    def __init__(self, pids):
        self.pids = pids
        self.events = {**TIMES, **(CALLS if self.calls else {})}
        self.figures = {}
        self.perf = None

    def __enter__(self):
        if not self.can:
            return self
        # perf counts until its command ends, which is when our end closes.
        self.perf = subprocess.Popen(
            ["perf", "stat", "-x,", "-e", ",".join(self.events), "-p",
             ",".join(map(str, self.pids)), "--", "sh", "-c",
             "echo ready; exec cat"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True)
        if self.perf.stdout.readline() != "ready\n":
            raise SystemExit("perf stat: " + self.perf.stderr.read())
        return self

    def __exit__(self, *rest):
        if self.perf is None:
            return
        said = self.perf.communicate()[1]
        for line in said.splitlines():
            words = line.split(",")
            event = next((e for e in self.events if len(words) > 2
                          and words[2].split(":u")[0] == e), None)
            if event and words[0] not in ("<not counted>", "<not supported>"):
                name, scale = self.events[event]
                self.figures[name] = (self.figures.get(name, 0)
                                      + float(words[0]) * scale)

    def each(self, count):
        """The same for one of `count`."""
        return {name: value / (count or 1)
                for name, value in self.figures.items()}


class BareSyncs:
    """Writes and syncs 4 KiB again and again in a folder, with pauses, for it
    must not be what the others wait for; the times in milliseconds."""

    def __init__(self, folder):
        self.path = os.path.join(folder, "bare")
        self.times_ms = []
        self.is_over = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self):
        file = os.open(self.path, os.O_WRONLY | os.O_CREAT, 0o600)
        while not self.is_over.is_set():
            start = time.monotonic()
            os.pwrite(file, b"\0" * 4096, 4096 * (len(self.times_ms) % 256))
            os.fdatasync(file)
            self.times_ms.append((time.monotonic() - start) * 1e3)
            time.sleep(0.02)
        os.close(file)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *rest):
        self.is_over.set()
        self.thread.join()
        os.unlink(self.path)


def medians(runs):
    return {key: statistics.median(run[key] for run in runs)
            for key in runs[0] if all(key in run for run in runs)}


def ratio(ours, theirs, key):
    """The median of the ratios of each pair; 0 where there is none."""
    found = [a[key] / b[key] for a, b in zip(ours, theirs) if b[key]]
    return statistics.median(found) if found else 0


def text_of(figures):
    return "  ".join(f"{key} {value:.4g}" if abs(value) < 1000
                     else f"{key} {value:.0f}"
                     for key, value in figures.items())


def output_of(*words):
    try:
        done = subprocess.run(words, capture_output=True, text=True,
                              timeout=60, check=False)
        return (done.stdout or done.stderr).strip().split("\n")[0]
    except OSError:
        return "not installed"


def machine(build):
    """What the figures are of."""
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        model = re.search(r"model name\s*: (.*)", f.read())
    cache = os.path.join(build, "CMakeCache.txt")
    with open(cache, encoding="utf-8") as f:
        kind = re.search(r"(?m)^CMAKE_BUILD_TYPE:\w+=(.*)", f.read())
    return {
        "processor": model[1] if model else platform.machine(),
        "cores": os.cpu_count(),
        "memory_mib": os.sysconf("SC_PAGE_SIZE")
        * os.sysconf("SC_PHYS_PAGES") >> 20,
        "kernel": platform.release(),
        "file_system": output_of("stat", "-f", "-c", "%T", "/tmp"),
        "build": kind[1] if kind else "",
        "commit": output_of("git", "-C", HERE, "rev-parse", "--short",
                            "HEAD"),
        "mailmod": output_of(os.path.join(build, "tools", "mailmodd"),
                             "--version"),
        "postfix": output_of("postconf", "-h", "mail_version"),
        "dovecot": output_of("dovecot", "--version"),
        "openssl": output_of("openssl", "version"),
    }


class Report:
    """A benchmark's command line, and what it found."""

    def __init__(self, name, sections):
        parser = argparse.ArgumentParser(description=name)
        parser.add_argument("build", type=os.path.abspath)
        parser.add_argument("--small", action="store_true")
        parser.add_argument("--rounds", type=int)
        parser.add_argument("--only", default=",".join(sections))
        words = parser.parse_args()
        self.name = name
        self.build = words.build
        self.is_small = words.small
        self.rounds = words.rounds or (1 if words.small else ROUNDS)
        self.sections = words.only.split(",")
        unknown = set(self.sections) - set(sections)
        if unknown:
            parser.error(f"no section {unknown}; there are {sections}")
        self.found = {"name": name, "small": self.is_small,
                      "rounds": self.rounds, "began": time.strftime("%F %T"),
                      "sections": self.sections,
                      "load_before": os.getloadavg(),
                      "machine": machine(self.build), "left_out": [],
                      "rows": []}
        for key, value in self.found["machine"].items():
            print(f"  {key}: {value}")
        print(f"  load: {os.getloadavg()[0]:.1f}", flush=True)
        if not Counted.can:
            self.leave_out("CPU, system calls, switches and syncs",
                           "perf is missing, or this is not root")

    def amount(self, full, small):
        """How many: of the whole benchmark, or of a small run."""
        return small if self.is_small else full

    def leave_out(self, what, why):
        print(f"LEFT OUT: {what}: {why}", flush=True)
        self.found["left_out"].append(f"{what}: {why}")

    def row(self, section, server, figures, what="", **details):
        self.found["rows"].append({"section": section, "what": what,
                                   "server": server,
                                   "load": os.getloadavg()[0],
                                   "figures": figures, **details})
        print(f"{section}{what and ' ' + what}: {server}: {text_of(figures)}",
              flush=True)

    def run_each(self, section, servers, run, found):
        """One run of each server, into `found`. A peer that fails is left out
        of the section, aloud; a failure of ours is one."""
        for server in servers:
            if server.name not in found:
                continue
            try:
                found[server.name].append(run(server))
            except (Failed, AssertionError, subprocess.SubprocessError) as e:
                if server.name == "mailmod":
                    raise
                self.leave_out(f"{server.name} in {section}", str(e)[:300])
                del found[server.name]

    def pairs(self, section, servers, run, key, what=""):
        """Runs `run(server)` for each, by turns; the one that begins changes
        with each round. Reports the medians, and the ratio of `key` to each
        other server. One round more goes before: it makes what the first use
        makes, and counts system calls, which would cost the others time."""
        first = {server.name: [] for server in servers}
        self.run_each(section, servers, run, first)
        found = {name: [] for name in first}
        Counted.calls = False
        for turn in range(0 if self.is_small else self.rounds):
            self.run_each(section, servers if turn % 2 == 0 else servers[::-1],
                          run, found)
        Counted.calls = True
        if self.is_small:
            found = first
        ours = found[servers[0].name]
        for name, runs in found.items():
            figures = {**first[name][0], **medians(runs)}
            if runs is not ours:
                figures["ratio"] = ratio(ours, runs, key)
            self.row(section, name, figures, what, runs=runs)

    def save(self):
        self.found["ended"] = time.strftime("%F %T")
        self.found["load_after"] = os.getloadavg()
        folder = os.path.join(self.build, "bench")
        os.makedirs(folder, exist_ok=True)
        path = os.path.join(folder, "%s%s-%s.json" % (
            self.name, "-small" if self.is_small else "",
            time.strftime("%Y%m%d-%H%M%S")))
        with open(path, "w", encoding="utf-8") as f:
            json.dump(self.found, f, indent=1)
        print(f"kept in {path}")

    def __enter__(self):
        # Who ends it early has what it found until then.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended early"))
        return self

    def __exit__(self, kind, *rest):
        self.found["is_whole"] = kind is None
        self.save()
