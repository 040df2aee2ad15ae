"""A proxy that does as it is told: SOCKS5, SOCKS4a and HTTP CONNECT on one
port, told apart by the first octet.

`login` is (user, password) or None. `names` maps a name that clients ask for to
an address; other names and all addresses are dialled as they come. `faults`
changes one step ("method", "login", "request"): octets said instead, then the
end; HANG says nothing and waits; CUT closes. `manner` is how the last answer
goes out: "whole", "octets" (one by one) or "glued" (with the host's first words
behind it). Everything asked for is kept in `asked`.
"""
import base64
import socket
import struct
import threading
import time

from listener import Listener, end_listening

HANG = object()
CUT = object()
GRANTED = {5: b"\5\0\0\1\0\0\0\0\0\0", 4: b"\0\x5a\0\0\0\0\0\0",
           0: b"HTTP/1.1 200 Connection established\r\nVia: test\r\n\r\n"}
NO_HOST = {5: b"\5\5\0\1\0\0\0\0\0\0", 4: b"\0\x5b\0\0\0\0\0\0",
           0: b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n"}


class Proxy(Listener):
    def __init__(self, login=None, names=None, faults=None, manner="whole"):
        self.login = login
        self.names = names or {}
        self.faults = faults or {}
        self.manner = manner
        self.asked = []  # (kind, host, port, user)
        super().__init__()

    @staticmethod
    def read(peer, size):
        data = b""
        while len(data) < size:
            more = peer.recv(size - len(data))
            if not more:
                raise EOFError
            data += more
        return data

    def until(self, peer, end):
        data = b""
        while not data.endswith(end):
            data += self.read(peer, 1)
        return data

    def fault(self, peer, step):
        """True: the step is as usual."""
        what = self.faults.get(step)
        if what is None:
            return
        if what is HANG:
            while peer.recv(65536):
                pass
        elif what is not CUT:
            peer.sendall(what)
            peer.shutdown(socket.SHUT_WR)
            while peer.recv(65536):
                pass
        raise EOFError

    def talk(self, peer):
        first = peer.recv(1, socket.MSG_PEEK)
        kind = first[0] if first in (b"\4", b"\5") else 0
        host, port, user = {5: self.socks5, 4: self.socks4,
                            0: self.http}[kind](peer)
        self.asked.append((kind, host, port, user))
        self.fault(peer, "request")
        host, port = self.names.get(host, (host, port))
        try:
            target = socket.create_connection((host, port), 20)
        except OSError:
            peer.sendall(NO_HOST[kind])
            return
        self.ends.append(target)
        self.say(peer, target, GRANTED[kind])
        self.carry(peer, target)

    def say(self, peer, target, reply):
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.manner == "glued":
            peer.sendall(reply + target.recv(65536))
            return
        size = 1 if self.manner == "octets" else len(reply)
        for at in range(0, len(reply), size):
            peer.sendall(reply[at:at + size])
            if self.manner == "octets":
                time.sleep(0.002)

    def carry(self, peer, target):
        def pump(source, sink):
            try:
                while True:
                    data = source.recv(65536)
                    if not data:
                        break
                    sink.sendall(data)
                sink.shutdown(socket.SHUT_WR)
            except OSError:
                pass
        back = threading.Thread(target=pump, args=(target, peer), daemon=True)
        back.start()
        pump(peer, target)
        back.join(20)
        target.close()

    # ---- the kinds --------------------------------------------------------

    def socks5(self, peer):
        _, count = self.read(peer, 2)
        methods = self.read(peer, count)
        self.fault(peer, "method")
        user = None
        if self.login is None:
            peer.sendall(b"\5\0")
        elif 2 not in methods:
            peer.sendall(b"\5\xff")
            raise EOFError
        else:
            peer.sendall(b"\5\2")
            user = self.socks5_login(peer)
        _, command, _, form = self.read(peer, 4)
        if form == 3:
            host = self.read(peer, self.read(peer, 1)[0]).decode()
        else:
            family = socket.AF_INET if form == 1 else socket.AF_INET6
            host = socket.inet_ntop(family,
                                    self.read(peer, 4 if form == 1 else 16))
        assert command == 1
        return host, struct.unpack(">H", self.read(peer, 2))[0], user

    def socks5_login(self, peer):
        _, size = self.read(peer, 2)
        user = self.read(peer, size).decode()
        password = self.read(peer, self.read(peer, 1)[0]).decode()
        self.fault(peer, "login")
        if (user, password) != self.login:
            peer.sendall(b"\1\1")
            raise EOFError
        peer.sendall(b"\1\0")
        return user

    def socks4(self, peer):
        _, command, port = struct.unpack(">BBH", self.read(peer, 4))
        address = self.read(peer, 4)
        user = self.until(peer, b"\0")[:-1].decode()
        assert command == 1
        if address[:3] == b"\0\0\0" and address[3]:
            return self.until(peer, b"\0")[:-1].decode(), port, user
        return socket.inet_ntoa(address), port, user

    def http(self, peer):
        head = self.until(peer, b"\r\n\r\n").decode().split("\r\n")
        verb, place, version = head[0].split(" ")
        assert verb == "CONNECT" and version == "HTTP/1.1"
        assert f"Host: {place}" in head
        user = None
        if self.login is not None:
            words = [l.split(" ")[2] for l in head
                     if l.startswith("Proxy-Authorization: Basic ")]
            pair = base64.b64decode(words[0]).decode() if words else ""
            if pair != ":".join(self.login):
                peer.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\n"
                             b"Proxy-Authenticate: Basic realm=\"x\"\r\n\r\n")
                raise EOFError
            user = self.login[0]
        host, port = place.rsplit(":", 1)
        return host.strip("[]"), int(port), user

    # ---- its life ---------------------------------------------------------

    def down(self):
        """Nobody listens any more; what is open is cut."""
        end_listening(self.listener)
        for each in self.ends:
            each.close()
        self.ends = []

    def up(self):
        self.listen("127.0.0.1", self.port)

    def close(self):
        self.down()
