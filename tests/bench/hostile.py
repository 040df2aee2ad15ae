"""An ordinary client beside hostile ones, and what slow peers cost in memory.

usage: python3 hostile.py BUILD [CLIENTS [SECONDS [SENDERS]]]

First an ordinary client alone, then beside CLIENTS (800) hostile ones: an equal
share of each kind trickles octets, stalls TLS in four places, never reads,
reconnects in loops, and guesses passwords by AUTH, PASS and SASL from an
address that is new at each connection. Each client has an address of its own,
by the PROXY protocol, so that bans and delays count. Printed for SECONDS (20)
each: how long the ordinary client's mail in, submission and POP3 session take,
and a login from where nobody logged in before: median, 99th of 100, worst, and
how many failed. Then the memory of SENDERS (2000) that each are in the middle
of a large message, of silent TLS connections and of handshakes that stopped,
which stand beside those of OpenSSL alone. All of it is on the same cores. A
benchmark judges nothing: no exit code but for what failed to run.
"""
import base64
import heapq
import multiprocessing
import os
import selectors
import socket
import ssl
import statistics
import sys
import tempfile
import time

import peers  # noqa: F401  (puts integration/ on the path)
from harness import Daemon, insecure_tls
from slow_peers import (LINE, MANY, SlowSender, allow_descriptors, connect,
                        rss_kib, tls_context)
from test_delivery import make_certificate

MESSAGE = b"From: a@client.test\r\nSubject: x\r\n\r\n" + b"text\r\n" * 600
ORDINARY = "192.0.2.1"


def proxy_header(address, port):
    return f"PROXY TCP4 {address} 127.0.0.1 40000 {port}\r\n".encode()


def plain(user, password):
    return base64.b64encode(f"\0{user}\0{password}".encode())


def hello_of_client():
    outgoing = ssl.MemoryBIO()
    try:
        insecure_tls().wrap_bio(ssl.MemoryBIO(), outgoing,
                                server_hostname="x").do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()


HELLO = hello_of_client()


class Hostile:
    """One hostile client: a generator that yields seconds to sleep, or None
    to wait for a line, and that is begun anew when its connection ends."""

    def __init__(self, crowd, number, kind, service):
        self.crowd, self.number, self.kind = crowd, number, kind
        self.port = crowd.ports[service]
        self.connections = 0
        self.socket = None

    def address(self):
        times = self.connections if self.kind.startswith("guess") else 0
        value = self.number + 1000 * times
        return f"10.{value >> 16 & 255}.{value >> 8 & 255}.{value & 255}"

    def open(self):
        self.connections += 1
        self.lines = b""
        self.socket = socket.socket()
        self.socket.setblocking(False)
        self.socket.connect_ex(("127.0.0.1", self.port))
        self.steps = None
        self.crowd.selector.register(self.socket, selectors.EVENT_WRITE, self)

    def close(self, wait):
        self.crowd.selector.unregister(self.socket)
        self.socket.close()
        self.socket = None
        self.crowd.later(wait, self)

    def send(self, octets):
        try:
            self.socket.send(octets)
        except BlockingIOError:
            pass  # it never reads, and so we need not either

    def go_on(self, value=None):
        """A step; what it waits for is the crowd's to watch."""
        try:
            wait = self.steps.send(value)
            if wait is not None:
                self.crowd.later(wait, self)
        except (StopIteration, OSError):
            self.close(0 if self.kind == "reconnects" else 0.5)

    def ready(self, mask):
        try:
            if mask & selectors.EVENT_WRITE and self.steps is None:
                self.send(proxy_header(self.address(), self.port))
                if self.kind != "deaf":
                    self.crowd.selector.modify(self.socket,
                                               selectors.EVENT_READ, self)
                self.steps = getattr(self, self.kind)()
                self.go_on()
                return
            if self.kind == "deaf":
                self.send(b"CAPA\r\n" * 200)
                return
            more = self.socket.recv(4096)
            if not more:
                raise ConnectionError
            self.lines += more
            if self.kind.startswith("stalls"):
                self.lines = b""
            while self.socket is not None and b"\n" in self.lines:
                line, self.lines = self.lines.split(b"\n", 1)
                if line[3:4] != b"-":
                    self.go_on(line)
        except OSError:
            self.crowd.ended += 1
            self.close(0.5)

    def trickles(self):
        yield None
        while True:
            self.send(b"E")
            yield 0.5

    def stalls_silent(self):
        yield 3600

    def stalls_early(self):
        self.send(HELLO[:100])
        yield 3600

    def stalls_late(self):
        self.send(HELLO)
        yield 3600

    def stalls_after_starttls(self):
        self.send(b"EHLO x\r\nSTARTTLS\r\n")
        yield 3600

    def deaf(self):
        yield 3600

    def reconnects(self):
        yield None
        self.crowd.reconnected += 1

    def guesses_auth(self):
        yield None
        self.send(b"EHLO x\r\n")
        yield None
        while True:
            self.send(b"AUTH PLAIN " + plain("demo", "wrong") + b"\r\n")
            yield None
            self.crowd.guesses += 1

    def guesses_pass(self):
        yield None
        while True:
            self.send(b"USER demo\r\nPASS wrong\r\n")
            yield None
            yield None
            self.crowd.guesses += 1

    def guesses_sasl(self):
        yield None
        while True:
            self.send(b"AUTH PLAIN " + plain("demo", "wrong") + b"\r\n")
            yield None
            self.crowd.guesses += 1


KINDS = [("trickles", "smtp"), ("stalls_silent", "submissions"),
         ("stalls_early", "submissions"), ("stalls_late", "pop3s"),
         ("stalls_after_starttls", "smtp"), ("deaf", "pop3"),
         ("reconnects", "smtp"), ("guesses_auth", "submission"),
         ("guesses_pass", "pop3"), ("guesses_sasl", "pop3")]


class Crowd:
    """All hostile clients, on one thread of a process of their own."""

    def __init__(self, ports, count):
        self.ports = ports
        self.selector = selectors.DefaultSelector()
        self.timers = []
        self.ticket = 0
        self.guesses = self.reconnected = self.ended = 0
        for number in range(count):
            kind, service = KINDS[number % len(KINDS)]
            self.later(number / 1000,
                       Hostile(self, number, kind, service))

    def later(self, seconds, client):
        self.ticket += 1
        heapq.heappush(self.timers, (time.monotonic() + seconds, self.ticket,
                                     client, client.connections))

    def run(self, has_begun, is_over, result):
        while not is_over.is_set():
            for key, mask in self.selector.select(0.02):
                if key.data.socket is not None:
                    key.data.ready(mask)
            while self.timers and self.timers[0][0] <= time.monotonic():
                _, _, client, connection = heapq.heappop(self.timers)
                if client.socket is None:
                    client.open()
                elif client.connections == connection:
                    client.go_on()
            if not any(c[2].connections == 0 for c in self.timers[:50]):
                has_begun.set()
        result.put({"guesses": self.guesses, "reconnected": self.reconnected,
                    "ended": self.ended})


class Talk:
    """One session of the ordinary client."""

    def __init__(self, port, address):
        self.socket = socket.create_connection(("127.0.0.1", port), 60)
        self.socket.sendall(proxy_header(address, port))
        self.file = self.socket.makefile("rb")

    def ask(self, octets, good, until=None):
        if octets:
            self.socket.sendall(octets)
        while True:
            line = self.file.readline()
            if not line.startswith(good):
                raise ValueError(line)
            if line[3:4] != b"-":
                break
        while until and line != until:
            line = self.file.readline()
            if not line:
                raise ValueError("the line dropped")

    def __enter__(self):
        return self

    def __exit__(self, *rest):
        self.file.close()
        self.socket.close()


def send_message(talk, login, rcpt):
    talk.ask(b"", b"220")
    talk.ask(b"EHLO client.test\r\n", b"250")
    if login:
        talk.ask(b"AUTH PLAIN " + plain("demo", "secret") + b"\r\n", b"235")
    talk.ask(b"MAIL FROM:<demo@mail.test>\r\n", b"250")
    talk.ask(f"RCPT TO:<{rcpt}>\r\n".encode(), b"250")
    talk.ask(b"DATA\r\n", b"354")
    talk.ask(MESSAGE + b".\r\n", b"250")
    talk.ask(b"QUIT\r\n", b"221")


def read_message(talk):
    talk.ask(b"", b"+OK")
    talk.ask(b"USER demo\r\n", b"+OK")
    talk.ask(b"PASS secret\r\n", b"+OK")
    talk.ask(b"RETR 1\r\n", b"+OK", b".\r\n")
    talk.ask(b"QUIT\r\n", b"+OK")


def be_ordinary(ports, seconds, strangers, result):
    """Does in turn what users do, with a pause between; its times in ms."""
    works = {
        "mail in": ("smtp", lambda t: send_message(t, False,
                                                   "other@mail.test")),
        "submission with a login": (
            "submission", lambda t: send_message(t, True, "other@mail.test")),
        "POP3 login and RETR": ("pop3", read_message),
        "the same from a new address": ("pop3", read_message)}
    times = {name: [] for name in works}
    failed = dict.fromkeys(works, 0)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for name, (service, work) in works.items():
            address = ORDINARY
            if "new" in name:
                strangers += 1
                address = f"198.{18 + (strangers >> 16 & 1)}." \
                    f"{strangers >> 8 & 255}.{strangers & 255}"
            start = time.monotonic()
            try:
                with Talk(ports[service], address) as talk:
                    work(talk)
                times[name].append((time.monotonic() - start) * 1e3)
            except (OSError, ValueError) as error:
                failed[name] += 1
                print(f"    {name}: {error!r}")
            time.sleep(0.01)
    result.put((times, failed, strangers))


def observe(title, ports, seconds, strangers):
    result = multiprocessing.Queue()
    process = multiprocessing.Process(
        target=be_ordinary, args=(ports, seconds, strangers, result))
    process.start()
    times, failed, strangers = result.get()
    process.join()
    print(title)
    for name, values in times.items():
        values.sort()
        if values:
            print(f"  {name:28} {len(values):5} times: median "
                  f"{statistics.median(values):7.1f} ms, 99th "
                  f"{values[int(len(values) * 0.99)]:7.1f} ms, worst "
                  f"{values[-1]:7.1f} ms, failed {failed[name]}", flush=True)
        else:
            print(f"  {name:28} all {failed[name]} failed", flush=True)
    return strangers


def be_hostile(ports, count, has_begun, is_over, result):
    Crowd(ports, count).run(has_begun, is_over, result)


def beside_hostile_clients(build, count, seconds):
    settings = {**MANY, "general.log_level": "error",
                "general.proxy_from": "127.0.0.0/8",
                "smtp.allows_clear_auth": True, "pop3.allows_clear_login": True}
    with Daemon(build, settings=settings, users=("demo", "other")) as daemon:
        with Talk(daemon.port("smtp"), ORDINARY) as talk:
            send_message(talk, False, "demo@mail.test")
        strangers = observe("an ordinary client alone", daemon.ports, seconds,
                            0)
        before = rss_kib(daemon.process.pid)
        has_begun, is_over = multiprocessing.Event(), multiprocessing.Event()
        result = multiprocessing.Queue()
        crowd = multiprocessing.Process(
            target=be_hostile, args=(daemon.ports, count, has_begun, is_over,
                                     result))
        crowd.start()
        has_begun.wait(60)
        time.sleep(2)
        observe(f"beside {count} hostile ones", daemon.ports, seconds,
                strangers)
        grown = rss_kib(daemon.process.pid) - before
        is_over.set()
        done = result.get()
        crowd.join()
        print(f"  meanwhile {done['guesses']} guesses were answered, "
              f"{done['reconnected']} connections opened anew, "
              f"{done['ended']} ended by the server; memory +{grown} KiB",
              flush=True)


def hold(daemon, title, count, make, rounds=0):
    """The memory of `count` peers at most, while each goes on in rounds."""
    pid = daemon.process.pid
    idle = most = rss_kib(pid)
    held = [make(i) for i in range(count)]
    time.sleep(2)
    most = max(most, rss_kib(pid))
    for number in range(rounds):
        for peer in held:
            peer.send(LINE * 20)
        if number % 8 == 0:
            most = max(most, rss_kib(pid))
    each = (most - idle) / count
    print(f"  {title:34} {each:6.1f} KiB each, {(most - idle) / 1024:6.1f} MiB "
          f"for {count}", flush=True)
    for peer in held:
        peer.close()
    time.sleep(2)


def bare_openssl(context, count):
    """What OpenSSL takes for a handshake that stopped at the client's turn."""
    held = []

    def more():
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(incoming, outgoing, server_side=True)
        incoming.write(HELLO)
        try:
            tls.do_handshake()
        except ssl.SSLWantReadError:
            outgoing.read()
        held.append(tls)
    more()
    before = rss_kib("self")
    for _ in range(count):
        more()
    print(f"  {'the same by OpenSSL alone':34} "
          f"{(rss_kib('self') - before) / count:6.1f} KiB each", flush=True)


def memory_of_slow_peers(build, count):
    tls = tls_context()
    settings = {**MANY, "general.log_level": "error", "smtp.tls_timeout": "10m",
                "smtp.message_size_max": "60M"}

    def sender(daemon, tls):
        def make(number):
            peer = SlowSender(daemon.port("smtp"), number, tls=tls)
            peer.begin()
            return peer
        return make

    def stopped(daemon, octets):
        def make(number):
            peer = connect(daemon.port("submissions"), number)
            peer.sendall(octets)
            return peer
        return make

    print("memory beyond that of an idle daemon which has worked")
    for title, make, rounds in (
            ("in the middle of DATA", lambda d: sender(d, None), 120),
            ("in the middle of DATA under TLS", lambda d: sender(d, tls), 120),
            ("TLS, silent", lambda d: stopped(d, b""), 0),
            ("TLS, stopped behind the ClientHello",
             lambda d: stopped(d, HELLO), 0)):
        with Daemon(build, settings=settings) as daemon:
            for way in (None, tls):
                peer = SlowSender(daemon.port("smtp"), 0, tls=way)
                peer.begin()
                peer.send(LINE * 300000)
                peer.end()
                peer.close()
            hold(daemon, title, count, make(daemon), rounds)
    with tempfile.TemporaryDirectory() as folder:
        bare_openssl(make_certificate(folder, "mail.test"), count)


def main(build, count, seconds, senders):
    if not allow_descriptors(max(count, senders) * 2 + 500):
        raise SystemExit("too few descriptors: ulimit -n")
    beside_hostile_clients(build, count, seconds)
    memory_of_slow_peers(build, senders)


if __name__ == "__main__":
    WORDS = [int(word) for word in sys.argv[2:]] + [800, 20, 2000][
        len(sys.argv) - 2:]
    main(os.path.abspath(sys.argv[1]), *WORDS)
