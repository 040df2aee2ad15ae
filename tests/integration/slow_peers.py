"""Peers that are slow on purpose, many at once, and what they cost the daemon.

Each is one socket of this thread's, from an address of its own, so that no
limit of an address stands in the way.
"""
import re
import resource
import socket
import ssl

from harness import PATIENCE, insecure_tls

MANY = {"smtp.connections_max": 100000, "pop3.connections_max": 100000,
        "smtp.connections_per_address_max": 100000,
        "pop3.connections_per_address_max": 100000}
LINE = b"x" * 70 + b"\r\n"


def allow_descriptors(count):
    """Raises this process's limit; what it starts inherits it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count if hard == resource.RLIM_INFINITY else min(count, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    return soft == resource.RLIM_INFINITY or soft >= count


def rss_kib(pid):
    """Memory of the process's own; the files that it maps are left out."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
        return int(re.search(r"(?m)^Anonymous:\s+(\d+)", f.read())[1])


def connect(port, number=0):
    """From 127.1.0.1 on, an address a number."""
    source = f"127.{1 + number // 62500}.{number // 250 % 250}." \
        f"{1 + number % 250}"
    return socket.create_connection(("127.0.0.1", port), PATIENCE,
                                    (source, 0))


class SlowSender:
    """Sends one message, a piece whenever it is told to."""

    def __init__(self, port, number, rcpt="demo@mail.test", tls=None,
                 chunk=None):
        self.socket = connect(port, number)
        self.data = b""
        self.sent = 0
        self.reply()
        self.ask(b"EHLO client.test\r\n")
        if tls is not None:
            self.ask(b"STARTTLS\r\n")
            self.socket = tls.wrap_socket(self.socket)
            self.ask(b"EHLO client.test\r\n")
        self.rcpt = rcpt
        self.chunk = chunk

    def begin(self):
        self.ask(b"MAIL FROM:<slow@client.test>\r\n")
        self.ask(f"RCPT TO:<{self.rcpt}>\r\n".encode())
        if self.chunk is None:
            self.ask(b"DATA\r\n", b"354")
        else:
            self.socket.sendall(b"BDAT %d LAST\r\n" % self.chunk)
        self.send(b"From: <slow@client.test>\r\nSubject: slow\r\n\r\n")

    def reply(self, code=b"2"):
        while True:
            while b"\n" not in self.data:
                more = self.socket.recv(4096)
                if not more:
                    raise EOFError(self.data)
                self.data += more
            line, self.data = self.data.split(b"\n", 1)
            if line[3:4] != b"-":
                assert line.startswith(code), line
                return line

    def ask(self, text, code=b"2"):
        self.socket.sendall(text)
        return self.reply(code)

    def send(self, data):
        self.socket.sendall(data)
        self.sent += len(data)

    def end(self):
        return self.ask(b".\r\n", b"250")

    def close(self):
        self.socket.close()


def tls_context():
    context = insecure_tls()
    context.options |= getattr(ssl, "OP_IGNORE_UNEXPECTED_EOF", 0)
    return context
