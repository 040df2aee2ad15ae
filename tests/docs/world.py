"""The world that a program of the pages runs in: names, mail hosts, a peer.

Each program gets a folder, a name server that knows the names of the pages,
the mail host of example.org (`mx`), the relay smtp.example.net (`relay`, with
TLS and a certificate of that name), the mailbox pop.example.net (`box`, the
same) and free ports in the place of those that
stand in its text. `run` starts the program; what it says is read a line at a
time.
"""
import os
import poplib
import re
import smtplib
import subprocess
import sys
import tempfile
import threading

for neighbour in ("integration", "host"):
    sys.path.insert(0, os.path.join(
        os.path.dirname(os.path.abspath(__file__)), "..", neighbour))
from blocks import ALONE, PORTS, Compiler  # noqa: E402
from dnsserver import NameServer  # noqa: E402
from harness import (SANITIZER, Skip, free_port,  # noqa: E402,F401
                     insecure_tls, is_windows, need, run_tests, wait_for)
from hosts import kept_loaded  # noqa: E402
from popserver import PopServer  # noqa: E402
from sink import Sink  # noqa: E402
from test_delivery import make_certificate  # noqa: E402

NAMES = {
    ("example.org", "MX"): ["20 backup.example.org", "10 mx.example.org"],
    ("mx.example.org", "A"): ["127.0.0.1"],
    ("backup.example.org", "A"): ["127.0.0.2"],
    ("smtp.example.net", "A"): ["127.0.0.1"],
    ("pop.example.net", "A"): ["127.0.0.1"],
}
# What the pages take for granted is not set here: local.domains, users.
CONFIGURATION = """
general: {{ host_name = "mail.example.com"; }};
smtp: {{ listen = "127.0.0.1:0"; }};
submission: {{ listen = "127.0.0.1:0"; }};
submissions: {{ listen = "127.0.0.1:0"; }};
pop3: {{ listen = "127.0.0.1:0"; }};
pop3s: {{ listen = "127.0.0.1:0"; }};
smarthost: {{ authority_file = "{folder}/ca.pem"; }};
fetch: {{ authority_file = "{folder}/ca.pem"; }};
delivery: {{ port = {mx}; tls = "off"; refuses = ""; }};
dns: {{ servers = "{dns}"; timeout = "1s"; tries = 2; }};
queue: {{ steps = "1h"; }};
"""
TEXT = (b"From: you@example.net\r\nTo: alice@example.com\r\n"
        b"Subject: a letter\r\n\r\n.dot\r\nbye\r\n")


class Certificate:
    """Of both hosts at example.net; one for all programs, made when it is
    wanted."""
    folder = tempfile.TemporaryDirectory(prefix="mailmod-docs-")
    context = None

    @classmethod
    def get(cls):
        if cls.context is None:
            cls.context = make_certificate(cls.folder.name,
                                           "smtp.example.net",
                                           "pop.example.net")
        return cls.context


class World:
    def __init__(self, build, program):
        self.build = build
        self.program = program

    def __enter__(self):
        self.own = tempfile.TemporaryDirectory(prefix="mailmod-docs-")
        self.folder = self.own.name
        self.dns = NameServer(NAMES)
        self.mx = Sink()
        self.relay = Sink(extensions=["STARTTLS", "AUTH PLAIN"],
                          tls=Certificate.get())
        self.box = PopServer([], tls=Certificate.get())
        self.ports = {known: free_port() for known in PORTS}
        self.ports["587"] = self.relay.port
        self.ports["110"] = self.box.port
        self.configuration = os.path.join(self.folder, "world.cfg")
        with open(self.configuration, "w", encoding="utf-8") as file:
            file.write(CONFIGURATION.format(
                folder=Certificate.folder.name, mx=self.mx.port,
                dns=self.dns.address))
        self.path = Compiler(self.build).build(self.program, self.folder,
                                               self.ports)
        self.runs = []
        return self

    def __exit__(self, kind, value, trace):
        for run in self.runs:
            if run.process.poll() is None:
                run.process.kill()
            run.process.wait()
            run.reader.join(10)
            if kind is not None:
                print("--- what it said ---\n" + "\n".join(run.lines))
        for server in (self.dns, self.mx, self.relay, self.box):
            server.close()
        self.own.cleanup()

    def run(self, *words):
        self.runs.append(Run(self, words))
        return self.runs[-1]

    # ---- the peers of its servers ----------------------------------------

    def smtp(self, source=""):
        return smtplib.SMTP("127.0.0.1", self.ports["2525"], timeout=120,
                            source_address=(source, 0) if source else None)

    def deliver(self, recipient="alice@example.com", text=TEXT,
                sender="you@example.net"):
        """The code and the words that a message is answered with."""
        with self.smtp() as smtp:
            smtp.ehlo("client.example.net")
            assert smtp.mail(sender)[0] == 250
            code, words = smtp.rcpt(recipient)
            assert code == 250, words
            try:
                return smtp.data(text)
            except smtplib.SMTPDataError as error:
                return error.smtp_code, error.smtp_error

    def pop3(self, user="alice", password="wonderland"):
        box = poplib.POP3("127.0.0.1", self.ports["2110"], timeout=120)
        box.stls(insecure_tls())
        box.user(user)
        box.pass_(password)
        return box


class Run:
    def __init__(self, world, words):
        self.lines = []
        environment = dict(os.environ,
                           MAILMOD_DOCS_WORLD=world.configuration,
                           LD_LIBRARY_PATH=os.path.join(world.build, "src"))
        if world.program.name in ALONE:  # those that unload the library
            environment.update(kept_loaded(world.build))
        self.process = subprocess.Popen(
            [world.path, *words], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            cwd=world.folder, env=environment)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for raw in self.process.stdout:
            self.lines.append(raw.decode("utf-8", "replace").rstrip("\n"))

    def said(self, pattern):
        """All lines that match so far, as match objects."""
        found = [re.search(pattern, line) for line in list(self.lines)]
        return [match for match in found if match]

    def wait(self, pattern, count=1):
        """Until that many lines match."""
        wait_for(lambda: len(self.said(pattern)) >= count or
                 self.process.poll() is not None, 60, pattern)
        self.process.poll() is None or self.reader.join(10)
        assert len(self.said(pattern)) >= count, (pattern, self.lines)

    def wait_served(self, world, port="2525"):
        """Until the program's server greets."""
        def greets():
            import socket
            assert self.process.poll() is None, self.lines
            try:
                with socket.create_connection(
                        ("127.0.0.1", world.ports[port]), 5) as peer:
                    return peer.recv(4)
            except OSError:
                return None
        wait_for(greets, what="a greeting")

    def tell(self, text):
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def end(self, code=0):
        """Its input ends, it does; all it said."""
        self.process.stdin.close()
        result = self.process.wait(120)
        self.reader.join(10)
        assert not self.said(SANITIZER.pattern), "\n".join(self.lines)
        assert result == code, (result, self.lines)
        return "".join(line + "\n" for line in self.lines)
