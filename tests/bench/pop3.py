"""Mailboxes served, mailmod and Dovecot by turns, the same mail in them.

usage: python3 pop3.py BUILD [ROUNDS]        as root, for Dovecot's sake

Mailboxes of a thousand 4 KiB messages each. For one reader and for ten, each
with a mailbox of its own: sessions that log in and leave (login), that list
(LIST, UIDL) and that retrieve all (retr). Both servers have seen each mailbox
once before, so that Dovecot's indexes are made; the one that begins changes
with each round. Prints each run, the ratio of each pair and their median, and
memory. A benchmark judges nothing.
"""
import os
import subprocess
import sys
import tempfile

from peers import family, generate, memory_kib, summary
from harness import Daemon, Skip, free_port, wait_for
from test_labs import lab

READERS, MESSAGES, OCTETS = 10, 1000, 4096
PASSWORD = "sesame1"
# Sessions of one run: enough for a second or so.
SESSIONS = {"login": 400, "list": 200, "retr": 10}


class Dovecot:
    """The lab's Dovecot with Maildirs of ours."""

    name = "Dovecot"

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
        path = f"{self.folder}/dovecot/run/master.pid"
        wait_for(lambda: os.path.exists(path) and os.path.getsize(path),
                 what="Dovecot's process id")
        with open(path, encoding="ascii") as f:
            self.pid = int(f.read())
        with open(f"{self.folder}/dovecot/users", "a",
                  encoding="ascii") as f:
            for i in range(READERS):
                f.write(f"u{i}:{{PLAIN}}{PASSWORD}:::::\n")
        text = b"From: a@b.test\nSubject: load\n\n"
        text += (b"x" * 70 + b"\n") * (OCTETS // 72)
        for i in range(READERS):
            self.fill(f"{self.folder}/dovecot/mail/u{i}", text)

    def fill(self, box, text):
        for name in ("cur", "new", "tmp"):
            os.makedirs(f"{box}/{name}", exist_ok=True)
        for i in range(MESSAGES):
            with open(f"{box}/cur/{1700000000 + i}.M{i}.bench:2,",
                      "wb") as f:
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


class Ours:
    name = "mailmod"

    def __init__(self, build, daemon):
        self.port = daemon.port("pop3")
        self.pid = daemon.process.pid
        for i in range(READERS):
            generate(build, "smtp_load", "127.0.0.1", daemon.port("smtp"),
                     f"u{i}@mail.test", 10, MESSAGES, OCTETS, 1)


def run(build, server, readers, mode, sessions):
    figures = generate(build, "pop3_load", "127.0.0.1", server.port, "u%",
                       PASSWORD, readers, sessions, mode)
    print(f"  {server.name:8} {figures['session_rate']:7.1f} sessions/s "
          f"{figures['message_rate']:7.0f} messages/s "
          f"{figures['octets'] / figures['seconds'] / 1e6:6.1f} MB/s, login "
          f"{figures['login_median_ms']:.2f} ms median "
          f"{figures['login_p99_ms']:.2f} ms 99th, "
          f"{memory_kib(family(server.pid))} KiB", flush=True)
    return figures["message_rate" if mode == "retr" else "session_rate"]


def measure(build, servers, rounds):
    for server in servers:
        generate(build, "pop3_load", "127.0.0.1", server.port, "u%",
                 PASSWORD, READERS, READERS, "retr")
    for readers in (1, READERS):
        for mode, sessions in SESSIONS.items():
            print(f"{mode}, {readers} reader(s)")
            pairs = []
            for turn in range(rounds):
                order = servers if turn % 2 == 0 else servers[::-1]
                rates = {s.name: run(build, s, readers, mode, sessions)
                         for s in order}
                pairs.append((rates["mailmod"], rates.get("Dovecot")))
            summary("messages" if mode == "retr" else "sessions", pairs)


def main(build, rounds):
    with Daemon(build, users=[f"u{i}" for i in range(READERS)],
                password=PASSWORD,
                settings={"general.log_level": "warning",
                          "pop3.allows_clear_login": True}) as daemon:
        servers = [Ours(build, daemon)]
        dovecot = None
        try:
            dovecot = Dovecot()
            servers.append(dovecot)
        except Skip as reason:
            print(f"Dovecot is left out: {reason}")
        try:
            measure(build, servers, rounds)
        finally:
            if dovecot:
                dovecot.close()


if __name__ == "__main__":
    main(os.path.abspath(sys.argv[1]),
         int(sys.argv[2]) if len(sys.argv) > 2 else 4)
