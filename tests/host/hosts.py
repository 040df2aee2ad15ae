"""A host program of this folder as a test's peer: what it says, what it serves.

Host is the integration tests' Daemon, with another program: it is given a
mailmod.cfg, serves the ports it names in a line "ports smtp=N pop3=N" and ends
when its standard input does.
"""
import os
import poplib
import re
import subprocess
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "integration"))
from harness import (PATIENCE, SKIP, SOURCE, Daemon, Skip, Wire,  # noqa: E402,F401
                     free_port, is_sanitized, is_windows, main, need,
                     program, wait_for)
from dnsserver import NameServer  # noqa: E402,F401
from sink import Sink  # noqa: E402,F401

ONE_MX = {("x.test", "MX"): ["10 mx.x.test"],
          ("mx.x.test", "A"): ["127.0.0.1"]}
BODY = b"Subject: x\r\n\r\n.dot\r\n" + b"y" * 70 + b"\r\n"


def way_out(dns, port, **more):
    """The settings of a host that sends to `port` of who `dns` tells."""
    settings = {"dns.servers": dns.address, "dns.timeout": "20s",
                "dns.tries": 1, "delivery.port": port, "delivery.tls": "off",
                "queue.steps": "1s", "queue.jitter": 0}
    settings.update({key.replace("__", "."): value
                     for key, value in more.items()})
    return settings


def kept_loaded(build):
    """The environment of a host that unloads us: the thread sanitizer ends a
    process in which a library goes that tests/tsan.supp names."""
    with open(os.path.join(build, "CMakeCache.txt"), encoding="utf-8") as file:
        is_thread = re.search(r"(?m)^MAILMOD_SANITIZE:\w+=thread", file.read())
    return {"LD_PRELOAD": "libuv.so.1"} if is_thread else {}


class Host(Daemon):
    def __init__(self, build, name, *words, settings=None, env=None,
                 stdin=None, **options):
        self.program = program(build, name)
        self.words = [str(word) for word in words]
        self.env = env
        self.stdin = stdin
        wanted = {"pop3.allows_clear_login": True,
                  "smtp.connections_per_address_max": 500,
                  "pop3.connections_per_address_max": 500}
        wanted.update(settings or {})
        super().__init__(build, settings=wanted, **options)

    def start(self, wait=None, words=None):
        """`wait`: a line to wait for."""
        config = self.write_config()
        self.lines = []
        self.ports = {}
        self.process = subprocess.Popen(
            [*self.program, config, *(words or self.words)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, cwd=self.folder,
            env={**os.environ, **(self.env or {})})
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        if self.stdin is not None:
            self.process.stdin.write(self.stdin)
            self.process.stdin.close()
        if wait:
            self.wait_log(wait)
        return self

    def _read(self):
        for raw in self.process.stdout:
            line = raw.decode("utf-8", "replace").rstrip()
            if line.startswith("ports "):
                self.ports = {service: int(port) for service, port
                              in re.findall(r"(\w+)=(\d+)", line)}
            self.lines.append(line)

    def said(self, pattern):
        """All lines that match so far, as match objects."""
        found = [re.search(pattern, line) for line in list(self.lines)]
        return [match for match in found if match]

    def port(self, service):
        wait_for(lambda: self.ports.get(service) or
                 self.process.poll() is not None, what="the ports")
        assert service in self.ports, self.lines
        return self.ports[service]

    def tell(self, line):
        """A line on its standard input, which it confirms."""
        after = len(self.lines)
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()
        self.wait_log("^told " + re.escape(line) + "$", after=after)

    def end(self, seconds=PATIENCE):
        """Its input ends, it does; the exit code."""
        if self.process is None:
            return 0
        if not self.process.stdin.closed:
            self.process.stdin.close()
        code = self.process.wait(seconds)
        self.reader.join(PATIENCE)
        self.process = None
        return code

    def stop(self, seconds=PATIENCE):
        code = self.end(seconds)
        assert code == 0, (code, self.lines[-20:])
        return code

    # ---- its peers -------------------------------------------------------

    def begin(self, sender="a@c.test", recipient="demo@mail.test"):
        """A conversation up to and without DATA."""
        wire = Wire(self.port("smtp"), timeout=120)
        assert wire.reply()[:3] == "220"
        wire.ask("EHLO c.test")
        assert wire.ask(f"MAIL FROM:<{sender}>")[:3] == "250"
        assert wire.ask(f"RCPT TO:<{recipient}>")[:3] == "250"
        return wire

    def deliver(self, sender="a@c.test", body=BODY):
        """The reply to DATA when that refuses, else the one to the message."""
        with self.begin(sender) as wire:
            reply = wire.ask("DATA")
            if reply[:3] != "354":
                return reply
            wire.send(re.sub(rb"(?m)^\.", b"..", body) + b".\r\n")
            reply = wire.reply()
            assert wire.ask("QUIT")[:3] == "221"
            return reply

    def box(self, user="demo", password="secret"):
        box = poplib.POP3("127.0.0.1", self.port("pop3"), timeout=120)
        box.user(user)
        box.pass_(password)
        return box

    def count(self, **login):
        box = self.box(**login)
        count = box.stat()[0]
        box.quit()
        return count


class Recorder(Sink):
    """A sink that keeps the verbs of all conversations in their order."""

    def __init__(self, *arguments, **options):
        self.verbs = []
        super().__init__(*arguments, **options)

    def reply(self, verb, argument, default):
        self.verbs.append(verb)
        return super().reply(verb, argument, default)


def octets_in(folder, marker):
    """The files below `folder` that hold `marker`."""
    found = []
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                with open(os.path.join(place, name), "rb") as file:
                    if marker in file.read():
                        found.append(name)
            except FileNotFoundError:
                pass
    return found
