"""Messages served a second, mailmod and Dovecot by turns, the same mailbox.

usage: python3 pop3.py BUILD [ROUNDS]        as root, for Dovecot's sake

A thousand 4 KiB messages, retrieved whole in each session. Prints each round,
the ratio of each pair and their median. A benchmark judges nothing.
"""
import os
import re
import statistics
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "integration"))
from harness import Daemon, Skip, free_port  # noqa: E402
from test_labs import lab  # noqa: E402

MESSAGES, OCTETS, SESSIONS = 1000, 4096, 4


class Dovecot:
    """The lab's Dovecot with a Maildir of ours."""

    def __init__(self):
        if not os.path.exists("/usr/sbin/dovecot"):
            raise Skip("dovecot is not installed")
        self.script = lab("ref_dovecot.sh")
        self.folder = tempfile.mkdtemp(prefix="mmdove", dir="/tmp")
        os.chmod(self.folder, 0o755)
        self.port = free_port()
        self.environment = dict(os.environ, LAB_RUN=self.folder,
                                POP3_PORT=str(self.port),
                                POP3S_PORT=str(free_port()))
        self.run("start")
        box = f"{self.folder}/dovecot/mail/alice"
        for name in ("cur", "new", "tmp"):
            os.makedirs(f"{box}/{name}", exist_ok=True)
        text = b"From: a@b.test\nSubject: load\n\n"
        text += (b"x" * 70 + b"\n") * (OCTETS // 71)
        for i in range(MESSAGES):
            with open(f"{box}/new/{1700000000 + i}.M{i}.bench", "wb") as f:
                f.write(text)
        subprocess.run(["chown", "-R", "labmail", box], check=True)

    def run(self, word):
        done = subprocess.run(["bash", self.script, word],
                              env=self.environment, capture_output=True,
                              text=True, timeout=120)
        if done.returncode != 0:
            raise Skip(f"Dovecot did not {word}: {done.stderr[-300:]}")

    def close(self):
        self.run("stop")
        subprocess.run(["rm", "-rf", self.folder], check=False)


def tool(build, name, *words):
    done = subprocess.run([os.path.join(build, "tests", "bench", name),
                           *map(str, words)], capture_output=True, text=True,
                          check=True, timeout=600)
    return done.stdout.strip()


def load(build, port, user, password):
    line = tool(build, "pop3_load", "127.0.0.1", port, user, password,
                SESSIONS)
    print(f"  {line}", flush=True)
    return float(re.search(r"([\d.]+) messages/s", line)[1])


def main(build, rounds):
    with Daemon(build, settings={
            "general.log_level": "warning", "pop3.allows_clear_login": True,
            "smtp.messages_per_connection_max": 1000000}) as daemon:
        tool(build, "smtp_load", "127.0.0.1", daemon.port("smtp"),
             "demo@mail.test", 10, MESSAGES, OCTETS)
        try:
            dovecot = Dovecot()
        except Skip as reason:
            print(f"Dovecot is left out: {reason}")
            dovecot = None
        ratios = []
        for _ in range(rounds):
            print("mailmod", flush=True)
            ours = load(build, daemon.port("pop3"), "demo", "secret")
            if dovecot:
                print("Dovecot", flush=True)
                theirs = load(build, dovecot.port, "alice", "sesame1")
                ratios.append(ours / theirs)
                print(f"  ratio {ratios[-1]:.2f}", flush=True)
        if ratios:
            print(f"median ratio {statistics.median(ratios):.2f}")
            dovecot.close()


if __name__ == "__main__":
    main(os.path.abspath(sys.argv[1]),
         int(sys.argv[2]) if len(sys.argv) > 2 else 3)
