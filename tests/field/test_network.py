"""The way in: proxies in front of us and TLS, row by row of docs/field.md."""
import os
import signal
import socket
import ssl
import subprocess
import tempfile

from harness import (Daemon, Wire, free_port, insecure_tls, main, need,
                     need_posix, wait_for)

CLIENT = "198.51.100.7"
V1 = f"PROXY TCP4 {CLIENT} 127.0.0.1 4000 25\r\n".encode()
V2 = (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x10" + socket.inet_aton(CLIENT) +
      socket.inet_aton("127.0.0.1") + b"\x0f\xa0\0\x19" + b"\x04\0\x01x")
LOCAL = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"
BODY = b"From: a@client.test\r\nTo: demo@mail.test\r\nSubject: x\r\n\r\ntext\r\n"


def behind_proxies(build, **settings):
    return Daemon(build, settings={"general.proxy_from": "127.0.0.1",
                                   "general.proxy_timeout": "20s",
                                   **settings})


def send_one(daemon, wire):
    assert wire.reply().startswith("220 ")
    assert wire.ask("EHLO client.test").startswith("250-")
    assert wire.ask("MAIL FROM:<a@client.test>").startswith("250")
    assert wire.ask("RCPT TO:<demo@mail.test>").startswith("250")
    assert wire.ask("DATA").startswith("354")
    wire.send(BODY)
    assert wire.ask(".").startswith("250")
    assert wire.ask("QUIT").startswith("221")


def read_pop3(wire):
    assert wire.line().startswith(b"+OK")
    wire.send(b"USER demo\r\nPASS secret\r\nRETR 1\r\nQUIT\r\n")
    text = b""
    while not text.endswith(b"\r\n.\r\n"):
        text += wire.line()
    return text


def test_R15_both_versions_on_each_door(build):
    with behind_proxies(build) as daemon:
        for header in V1, V2:
            with Wire(daemon.port("smtp")) as wire:
                wire.send(header)
                send_one(daemon, wire)
            # Header and client's hello in one piece: the rest is the TLS's.
            with Wire(daemon.port("pop3s")) as wire:
                wire.socket = first_with(wire.socket, header)
                text = read_pop3(wire)
            assert f"([{CLIENT}])".encode() in text, text
        daemon.wait_log(r"peer=\S*198\.51\.100\.7")


class first_with:
    """A TLS client whose first octets have others in front of them."""

    def __init__(self, sock, header):
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = insecure_tls().wrap_bio(self.incoming, self.outgoing)
        self.socket, self.header = sock, header

    def flush(self):
        octets = self.header + self.outgoing.read()
        self.header = b""
        if octets:
            self.socket.sendall(octets)

    def run(self, call, *arguments):
        while True:
            try:
                result = call(*arguments)
                self.flush()
                return result
            except ssl.SSLWantReadError:
                self.flush()
                more = self.socket.recv(65536)
                if not more:
                    raise EOFError
                self.incoming.write(more)

    def recv(self, size):
        return self.run(self.tls.read, size)

    def sendall(self, octets):
        self.run(self.tls.write, octets)

    def close(self):
        self.socket.close()


def test_R15_cut_at_each_octet(build):
    """Attack 42: cut anywhere it waits or ends, and no word is said."""
    with behind_proxies(build, **{"general.proxy_timeout": "1s"}) as daemon:
        for header in V1, V2, LOCAL:
            cut = [Wire(daemon.port("smtp")) for _ in header]
            for size, wire in enumerate(cut):
                wire.send(header[:size])
                wire.socket.shutdown(socket.SHUT_WR)
            for wire in cut:
                assert wire.at_end()
                wire.close()
        for broken in (b"PROXY TCP9 1 2 3 4\r\n", b"EHLO client.test\r\n",
                       b"PROXY " + b"x" * 600, V2[:14] + b"\xff\xff",
                       b"\x16\x03\x01\x02\x00\x01\x00", V1[1:]):
            with Wire(daemon.port("smtp")) as wire:
                wire.send(broken)
                assert wire.at_end(), broken
        with Wire(daemon.port("smtp")) as wire:
            wire.send(V1)
            send_one(daemon, wire)


def test_R15_refused_elsewhere(build):
    with Daemon(build) as daemon:
        for header in V1, V2:
            for service in "smtp", "submission", "pop3":
                with Wire(daemon.port(service)) as wire:
                    wire.line()
                    wire.send(header)
                    end = b""
                    try:
                        while True:
                            end = wire.line()
                    except (EOFError, ConnectionError):
                        pass
                    assert b"250" not in end, end
        assert not [l for l in daemon.lines if CLIENT in l]


def test_R15_reload(build):
    need_posix(build, "reload")
    with Daemon(build) as daemon:
        daemon.settings["general.proxy_from"] = "127.0.0.0/8"
        daemon.write_config()
        daemon.ask_reload()
        daemon.wait_log("reloaded")
        with Wire(daemon.port("smtp")) as wire:
            wire.send(V1)
            send_one(daemon, wire)


HAPROXY = """
global
    maxconn 100
defaults
    mode tcp
    timeout connect 5s
    timeout client 60s
    timeout server 60s
"""


def haproxy_config(rows):
    text = HAPROXY
    for name, port, target, option in rows:
        text += (f"listen {name}\n    bind 127.0.0.1:{port}\n"
                 f"    server mail 127.0.0.1:{target} {option} check\n")
    return text


def test_R15_haproxy(build):
    """A real proxy: its checks are LOCAL, its clients carried."""
    need_posix(build, "haproxy")
    haproxy = need("haproxy")
    with behind_proxies(build) as daemon, tempfile.TemporaryDirectory() as f:
        ports = [free_port() for _ in range(3)]
        path = os.path.join(f, "haproxy.cfg")
        with open(path, "w", encoding="utf-8") as out:
            out.write(haproxy_config([
                ("smtp", ports[0], daemon.port("smtp"), "send-proxy"),
                ("smtp2", ports[1], daemon.port("smtp"), "send-proxy-v2"),
                ("pop3s", ports[2], daemon.port("pop3s"), "send-proxy-v2")]))
        process = subprocess.Popen([haproxy, "-db", "-f", path],
                                   stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        try:
            wait_for(lambda: answers(ports[0]), what="haproxy")
            for port in ports[:2]:
                with Wire(port, source="127.0.0.2") as wire:
                    send_one(daemon, wire)
            with Wire(ports[2], source="127.0.0.2") as wire:
                wire.tls()
                text = read_pop3(wire)
            assert b"([127.0.0.2])" in text, text
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(20)


def answers(port):
    try:
        with Wire(port) as wire:
            return wire.line().startswith(b"220")
    except (OSError, EOFError):
        return False


main(__name__, test_R15_both_versions_on_each_door,
     test_R15_cut_at_each_octet, test_R15_refused_elsewhere,
     test_R15_reload, test_R15_haproxy)
