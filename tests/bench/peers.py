"""Who is measured: mailmodd, and those beside it on the same disk.

Each has a name and `pids`, all its processes. Postfix and Dovecot are the
lab's (tests/integration/test_labs.py), tuned as their own pages say; Discard is
ours and keeps nothing, so that it is the floor of the same traffic.
"""
import mmap
import os
import struct
import subprocess
import tempfile

from measure import family, generate, program
from harness import Daemon, Skip, free_port, need, wait_for
import test_labs

# TUNING_README: reuse of processes, no brake before the queue; all that the
# generators open at a time. The lab has the rest: no DNS, no limits a client.
POSTFIX_TUNED = (
    "in_flow_delay=0", "max_use=1000", "default_process_limit=200",
    "default_destination_concurrency_limit=50", "virtual_mailbox_limit=0",
    "mynetworks=127.0.0.0/8", "smtp_tls_security_level=none",
    "smtpd_tls_security_level=none")
# Its pages on performance: login processes that serve many, processes that
# wait ahead and are used again, what auth found kept for an hour.
DOVECOT_TUNED = """
auth_cache_size = 10M
auth_cache_ttl = 1 hour
auth_verbose = no
mail_max_userip_connections = 100
service pop3-login {
  service_count = 0
  process_min_avail = 2
}
service pop3 {
  service_count = 1000
  process_min_avail = 16
}
"""


class Ours(Daemon):
    """mailmodd that logs as a server does, with the limits of one address out
    of the way: all clients have the same here."""

    name = "mailmod"

    def __init__(self, build, settings=None, **options):
        super().__init__(build, settings={
            "general.log_level": "warning",
            "general.drain": "0s",  # what hangs is not waited for at the end
            "smtp.connections_max": 100000,
            "smtp.connections_per_address_max": 100000,
            "pop3.connections_max": 100000,
            "pop3.connections_per_address_max": 100000,
            "pop3.allows_clear_login": True, **(settings or {})}, **options)

    recipient = "demo@mail.test"
    share = 1  # of a benchmark's messages

    @property
    def pid(self):
        return self.process.pid

    @property
    def pids(self):
        return [self.process.pid]

    @property
    def smtp_port(self):
        return self.port("smtp")

    @property
    def pop3_port(self):
        return self.port("pop3")

    @property
    def data(self):
        return self.settings["general.data_folder"]

    def drain(self):
        """Accepted is delivered: nothing is left to do."""

    def fill_mailbox(self, user, count, octets):
        return generate(self.build, "smtp_load", "-m", "group", "127.0.0.1",
                        self.smtp_port, f"{user}@mail.test", min(10, count),
                        count, octets)

    def fill_queue(self, count, destinations, each=100):
        """`count` recipients, elsewhere."""
        return generate(self.build, "smtp_load", "-m", "group", "-n", each,
                        "-d", destinations, "127.0.0.1",
                        self.port("submission"), "x@[127.%]", 10,
                        count // each, 1024)

    def empty_mailbox(self, user):
        """All of it, by POP3."""
        box = self.pop3(user)
        for number in range(box.stat()[0]):
            box.dele(number + 1)
        box.quit()


class Discard:
    """A server that keeps nothing; `count` of what it took."""

    share = 1
    recipient = "demo@mail.test"

    def __init__(self, build, kind, first="127.0.0.1", count=1, port=0,
                 octets=4096):
        self.name = {"write": "bare write"}.get(kind, "discard")
        self.folder = tempfile.TemporaryDirectory(prefix="mmdiscard")
        path = os.path.join(self.folder.name, "count")
        self.process = subprocess.Popen(
            [program(build, "discard"), kind, first, str(count), str(port),
             path, str(octets)], stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"discard {kind} {first} {count} did not start")
        self.smtp_port = self.pop3_port = int(line)
        self.pids = [self.process.pid]
        with open(path, "rb") as f:
            self.map = mmap.mmap(f.fileno(), 8, prot=mmap.PROT_READ)

    @property
    def count(self):
        return struct.unpack("=Q", self.map[:8])[0]

    def drain(self):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *rest):
        self.process.kill()
        self.process.wait()
        self.map.close()
        self.folder.cleanup()


class SmtpSink:
    """Postfix's server that discards."""

    name = "smtp-sink"
    share = 1
    recipient = "demo@mail.test"

    def __init__(self):
        need("smtp-sink")
        self.smtp_port = free_port()
        self.process = subprocess.Popen(
            ["smtp-sink", *(["-u", "nobody"] if os.geteuid() == 0 else []),
             f"127.0.0.1:{self.smtp_port}", "1000"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.pids = [self.process.pid]
        wait_for(self.listens, what="smtp-sink")

    def listens(self):
        with open("/proc/net/tcp", encoding="ascii") as f:
            return any(line.split()[1].endswith(f":{self.smtp_port:04X}")
                       for line in f.readlines()[1:])

    def drain(self):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *rest):
        self.process.kill()
        self.process.wait()


class Postfix(test_labs.Postfix):
    """The lab's Postfix, tuned; `drain` waits until all is delivered."""

    name = "Postfix"
    share = 0.15
    recipient = "alice@dest.test"

    def __init__(self, *settings, **environment):
        super().__init__(SIZE="67108864", **environment)
        self.etc = f"{self.folder}/postfix/etc"
        self.queue = f"{self.folder}/postfix/queue"
        self.smtp_port = self.port
        self.run("stop")
        subprocess.run(["postconf", "-c", self.etc, "-e", *POSTFIX_TUNED,
                        *settings], check=True, timeout=120)
        done = subprocess.run(["postfix", "-c", self.etc, "start"],
                              capture_output=True, text=True, timeout=120,
                              check=False)
        if done.returncode != 0:
            raise Skip(f"Postfix did not start tuned: {done.stderr[-500:]}")
        wait_for(lambda: os.path.exists(f"{self.queue}/pid/master.pid"),
                 what="Postfix's process id")

    @property
    def pids(self):
        with open(f"{self.queue}/pid/master.pid", encoding="ascii") as f:
            return family(int(f.read()))

    def drain(self):
        wait_for(lambda: not any(
            files for place in ("incoming", "active", "maildrop", "deferred")
            for _, _, files in os.walk(f"{self.queue}/{place}")), 600,
            what="Postfix's queue empty")


class Dovecot(test_labs.Pop):
    """The lab's Dovecot, tuned, with Maildirs for users u0, u1, ..."""

    name = "Dovecot"

    def __init__(self, users, password, messages, octets):
        super().__init__("ref_dovecot.sh", "/usr/lib/dovecot/pop3")
        self.pop3_port = self.port
        folder = f"{self.folder}/dovecot"
        self.pid_file = f"{folder}/run/master.pid"
        self.run("stop")
        wait_for(lambda: not os.path.exists(self.pid_file),
                 what="Dovecot's end")
        with open(f"{folder}/users", "a", encoding="ascii") as f:
            for user in range(users):
                f.write(f"u{user}:{{PLAIN}}{password}:::::\n")
        with open(f"{folder}/dovecot.conf", "a", encoding="ascii") as f:
            f.write(DOVECOT_TUNED)
        text = b"From: a@b.test\nSubject: load\n\n"
        text += (b"x" * 70 + b"\n") * (octets // 72)
        for user in range(users):
            self.fill(f"{folder}/mail/u{user}", messages, text)
        done = subprocess.run(
            ["dovecot", "-c", f"{folder}/dovecot.conf"], timeout=120,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, check=False)
        if done.returncode != 0:
            raise Skip("Dovecot did not start tuned")
        wait_for(lambda: os.path.exists(self.pid_file)
                 and os.path.getsize(self.pid_file),
                 what="Dovecot's process id")

    @property
    def pids(self):
        with open(self.pid_file, encoding="ascii") as f:
            return family(int(f.read()))

    @staticmethod
    def fill(box, messages, text):
        for name in ("cur", "new", "tmp"):
            os.makedirs(f"{box}/{name}", exist_ok=True)
        for i in range(messages):
            with open(f"{box}/cur/{1700000000 + i}.M{i}.bench:2,",
                      "wb") as f:
                f.write(text)
        subprocess.run(["chown", "-R", "labmail", box], check=True)


def with_peers(report, stack, *makers):
    """Those that can run here, entered into the stack; the others are left
    out, aloud."""
    found = []
    for maker in makers:
        try:
            found.append(stack.enter_context(maker()))
        except Skip as reason:
            report.leave_out("a peer", str(reason))
    return found
