"""What a session costs that does nothing.

usage: python3 idle.py BUILD [--small] [--rounds N] [--only SECTION,...]

Holds 50 000 sessions, or as many as descriptors allow, and prints memory a
session, what the process keeps when they have left, and its CPU while they
are there. Sections: plain, SMTP after EHLO; tls, the same under TLS; silent,
connections to the port of implicit TLS that say nothing; half_open, those that
sent their hello and then nothing. Each has a daemon of its own. The generator
keeps no state of a session but its socket.
"""
import contextlib
import os
import resource
import socket
import ssl
import time

from measure import Counted, Report, memory_kib
from harness import PATIENCE, insecure_tls, wait_for
from peers import Ours

SESSIONS = 50000
# One address has 28 000 ports to come from; the clients have several.
A_SOURCE = 20000
OBSERVED_S = 10
LEFT_S = 30


def raise_descriptors(wanted):
    """Ours and, as they inherit them, the daemon's; how many there are."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE,
                           (max(hard, wanted), max(hard, wanted)))
    except (ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


class Tls:
    """TLS over a socket that outlives it: only the octets count."""

    def __init__(self, peer):
        self.peer = peer
        self.input, self.output = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.object = CONTEXT.wrap_bio(self.input, self.output)

    def pump(self, act):
        while True:
            try:
                result = act()
            except ssl.SSLWantReadError:
                result = None
            if self.output.pending:
                self.peer.sendall(self.output.read())
            if result is not None:
                return result
            got = self.peer.recv(65536)
            if not got:
                raise EOFError("the server left in the handshake")
            self.input.write(got)

    def hello(self):
        with contextlib.suppress(ssl.SSLWantReadError):
            self.object.do_handshake()
        self.peer.sendall(self.output.read())

    def handshake(self):
        self.pump(lambda: self.object.do_handshake() or True)

    def recv(self, size):
        return self.pump(lambda: self.object.read(size))

    def sendall(self, octets):
        self.pump(lambda: self.object.write(octets))


CONTEXT = insecure_tls()


def read_reply(peer):
    said = b""
    while not (said.endswith(b"\r\n")
               and said.split(b"\r\n")[-2][3:4] == b" "):
        more = peer.recv(4096)
        if not more:
            raise EOFError(said)
        said += more
    return said


def greet(peer):
    read_reply(peer)
    peer.sendall(b"EHLO client.test\r\n")
    read_reply(peer)


def open_plain(peer):
    greet(peer)


def open_tls(peer):
    tls = Tls(peer)
    tls.handshake()
    greet(tls)


def open_silent(_peer):
    """Connected is all."""


def open_half(peer):
    Tls(peer).hello()
    peer.recv(65536)  # the server's side of the handshake has begun


# How a session begins, and at which service.
SECTIONS = {"plain": (open_plain, "smtp"), "tls": (open_tls, "submissions"),
            "silent": (open_silent, "submissions"),
            "half_open": (open_half, "submissions")}


def hold(port, count, begin):
    sockets = []
    for i in range(count):
        peer = socket.socket()
        peer.settimeout(PATIENCE)
        peer.bind((f"127.0.0.{2 + i // A_SOURCE}", 0))
        peer.connect(("127.0.0.1", port))
        begin(peer)
        sockets.append(peer)
    return sockets


def settled_kib(pids, seconds):
    """Resident memory once it has not become less for a while."""
    end = time.monotonic() + seconds
    least = memory_kib(pids, "Rss")
    while time.monotonic() < end:
        time.sleep(seconds / 10)
        least = min(least, memory_kib(pids, "Rss"))
    return least


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def measure(report, name, count):
    begin, service = SECTIONS[name]
    # Nobody is dropped for being silent meanwhile.
    with Ours(report.build, settings={
            "smtp.tls_timeout": "1h", "smtp.greeting_timeout": "1h",
            "smtp.command_timeout": "1h"}) as ours:
        for peer in hold(ours.port(service), 1, begin):
            peer.close()
        settle = report.amount(LEFT_S, 0.2)
        before = settled_kib(ours.pids, report.amount(3, 0.2))
        start = time.monotonic()
        sockets = hold(ours.port(service), count, begin)
        wait_for(lambda: descriptors(ours.pid) >= count,
                 what="all sessions accepted")
        took = time.monotonic() - start
        seconds = report.amount(OBSERVED_S, 0.2)
        with Counted(ours.pids) as counted:
            time.sleep(seconds)
        held = memory_kib(ours.pids, "Rss")
        for peer in sockets:
            peer.close()
        wait_for(lambda: descriptors(ours.pid) < count,
                 what="all sessions gone")
        after = settled_kib(ours.pids, settle)
        report.row(name, "mailmod", {
            "sessions": count, "kib_each": (held - before) / count,
            "before_kib": before, "held_kib": held, "left_kib": after,
            "opened_rate": count / took,
            **{f"idle_{key}_second": value
               for key, value in counted.each(seconds).items()}})


def main():
    with Report("idle", [*SECTIONS]) as report:
        wanted = report.amount(SESSIONS, 100)
        count = min(wanted, raise_descriptors(wanted + 1000) - 1000)
        if count < wanted:
            report.leave_out(f"{wanted - count} of {wanted} sessions",
                             "there are no more descriptors")
        for name in report.sections:
            measure(report, name, count)


if __name__ == "__main__":
    main()
