"""Messages accepted a second, mailmod and Postfix by turns on the same disk.

usage: python3 accept.py BUILD [ROUNDS]      as root, for Postfix's sake

Ten senders, 4 KiB messages, every one durable before its 250. Prints each
round, the ratio of each pair, their median, mailmod's syncs a message (where
strace is there) and memory. A benchmark judges nothing: no exit code but for
what failed to run.
"""
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "integration"))
from harness import Daemon, Skip  # noqa: E402
from test_labs import Postfix  # noqa: E402

SENDERS, MESSAGES, OCTETS = 10, 4000, 4096


def load(build, port, recipient):
    done = subprocess.run(
        [os.path.join(build, "tests", "bench", "smtp_load"), "127.0.0.1",
         str(port), recipient, str(SENDERS), str(MESSAGES), str(OCTETS)],
        capture_output=True, text=True, check=True, timeout=600)
    print(f"  {done.stdout.strip()}", flush=True)
    return float(re.search(r"([\d.]+) messages/s", done.stdout)[1])


def syncs(build, daemon):
    """fsync and fdatasync calls of one run, by strace."""
    if shutil.which("strace") is None:
        return None
    with tempfile.NamedTemporaryFile("r") as out:
        trace = subprocess.Popen(
            ["strace", "-f", "-e", "trace=fsync,fdatasync", "-o", out.name,
             "-p", str(daemon.process.pid)], stderr=subprocess.DEVNULL)
        time.sleep(0.5)
        load(build, daemon.port("smtp"), "demo@mail.test")
        trace.terminate()
        trace.wait()
        return len(re.findall(r"f(?:data)?sync\(\d", out.read())) / MESSAGES


def rss(daemon):
    with open(f"/proc/{daemon.process.pid}/status", encoding="ascii") as f:
        return re.search(r"VmHWM:\s+(\d+)", f.read())[1]


def main(build, rounds):
    settings = {"general.log_level": "warning",
                "smtp.messages_per_connection_max": 1000000}
    with Daemon(build, settings=settings) as daemon:
        try:
            postfix = Postfix()
        except Skip as reason:
            print(f"Postfix is left out: {reason}")
            postfix = None
        ratios = []
        for _ in range(rounds):
            print("mailmod", flush=True)
            ours = load(build, daemon.port("smtp"), "demo@mail.test")
            if postfix:
                print("Postfix", flush=True)
                theirs = load(build, postfix.port, "alice@dest.test")
                ratios.append(ours / theirs)
                print(f"  ratio {ratios[-1]:.1f}", flush=True)
        if ratios:
            print(f"median ratio {statistics.median(ratios):.1f}")
            postfix.__exit__()
        print(f"peak memory of mailmod {rss(daemon)} KiB")
        count = syncs(build, daemon)
        if count is not None:
            print(f"syncs a message (traced, so slowed down) {count:.2f}")


if __name__ == "__main__":
    main(os.path.abspath(sys.argv[1]),
         int(sys.argv[2]) if len(sys.argv) > 2 else 3)
