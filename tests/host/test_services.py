"""Services that a host (services.c) opens and closes while it runs, seen from
their clients.
"""
import os
import re
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "integration"))
from harness import SANITIZER, Wire, free_port, main  # noqa: E402

OK = 0
HEADER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..",
                      "include", "mailmod", "error.h")


def code(name):
    """An error's number, as the public header has it."""
    with open(HEADER, encoding="utf-8") as f:
        return int(re.search(rf"X\({name},\s*(-?\d+)", f.read())[1])


class Host:
    def __init__(self, build):
        self.folder = tempfile.TemporaryDirectory(prefix="mailmod-services-")
        self.configured = free_port()
        self.process = subprocess.Popen(
            [os.path.join(build, "tests", "host", "services"),
             self.folder.name, str(self.configured)], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.expect("ports 0 0")

    def line(self):
        line = self.process.stdout.readline()
        assert line, self.process.stderr.read()
        return line.rstrip("\n")

    def expect(self, wanted):
        line = self.line()
        assert line == wanted, line

    def say(self, line):
        """The error, the port of the service that was named, the words."""
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        match = re.match(r"result (-?\d+) (\d+) ?(.*)", self.line())
        return int(match[1]), int(match[2]), match[3]

    def do(self, line):
        error, port, words = self.say(line)
        assert error == OK, (line, words)
        return port

    def refuses(self, line, name, words=""):
        error, _, text = self.say(line)
        assert error == code(name), (line, error, text)
        assert re.search(words, text), (line, text)

    def __enter__(self):
        return self

    def __exit__(self, kind, *rest):
        out, err = self.process.communicate(timeout=120)
        self.folder.cleanup()
        print(out[-2000:], err[-4000:])
        assert kind is not None or (self.process.returncode == 0 and
                                    not SANITIZER.search(err))


def is_open(port, host="127.0.0.1"):
    try:
        socket.create_connection((host, port), timeout=10).close()
        return True
    except ConnectionRefusedError:
        return False


def test_each_by_itself(build):
    with Host(build) as host:
        assert not is_open(host.configured)
        assert host.do("start smtp 0") == host.configured
        host.refuses("start smtp 0", "EXISTS", "smtp")
        with Wire(host.configured) as wire:
            assert wire.reply()[:3] == "220"
        port = host.do("start pop3 -1")
        assert port > 0 and is_open(port) and is_open(port, "::1")
        assert host.do("stop smtp") == 0
        assert not is_open(host.configured) and is_open(port)
        other = free_port()
        assert host.do(f"start smtp {other}") == other
        assert is_open(other) and not is_open(host.configured)
        host.do("stop pop3")
        host.refuses("stop pop3", "NOT_FOUND", "pop3")
        host.refuses("start submission 0", "CONFIG", "submission.listen")
        host.refuses("start imap 0", "UNKNOWN_NAME", "imap")
        host.refuses("stop imap", "UNKNOWN_NAME", "imap")
        host.refuses("start pop3 65536", "ARGUMENT", "65536")
        host.refuses("wait", "STATE")


def test_a_port_that_is_taken(build):
    with Host(build) as host, socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        host.do("start pop3 -1")
        host.refuses(f"start smtp {port}", "ADDRESS_IN_USE",
                     f"smtp.*127.0.0.1:{port}")
        assert host.do("port pop3") > 0 and host.do("port smtp") == 0
        assert host.do("start smtp 0") == host.configured
    # All addresses or none: the second one of pop3 is taken.
    with Host(build) as host, \
            socket.create_server(("::1", 0), family=socket.AF_INET6) as taken:
        port = taken.getsockname()[1]
        host.refuses(f"start pop3 {port}", "ADDRESS_IN_USE",
                     rf"pop3.*\[::1\]:{port}")
        assert host.do("port pop3") == 0 and not is_open(port)


def test_clients_of_a_closed_service(build):
    """They are told between two commands; nobody else is, and the service may
    open again while they end."""
    with Host(build) as host:
        smtp = host.do("start smtp 0")
        pop3 = host.do("start pop3 -1")
        with Wire(smtp) as idle, Wire(smtp) as busy, Wire(pop3) as reader:
            idle.reply()
            busy.reply()
            reader.line()
            idle.ask("EHLO c.test")
            busy.ask("EHLO c.test")
            busy.ask("MAIL FROM:<a@c.test>")
            busy.ask("RCPT TO:<demo@mail.test>")
            assert busy.ask("DATA")[:3] == "354"
            host.do("stop smtp")
            assert idle.reply().startswith("421 4.3.2")
            assert idle.at_end()
            assert host.do("start smtp 0") == smtp
            with Wire(smtp) as fresh:
                assert fresh.reply()[:3] == "220"
                busy.send(b"Subject: x\r\n\r\nx\r\n.\r\n")
                assert busy.reply().startswith("250 2.6.0")
                assert busy.reply().startswith("421 4.3.2")
                assert busy.at_end()
                reader.send(b"USER demo\r\n")
                assert reader.line().startswith(b"+OK")
                reader.send(b"PASS secret\r\n")
                assert reader.line().startswith(b"+OK")
                assert fresh.ask("NOOP")[:3] == "250"
                host.do("stop pop3")
                assert fresh.ask("NOOP")[:3] == "250"
            reader.send(b"QUIT\r\n")
            assert reader.line().startswith((b"+OK", b"-ERR [SYS/TEMP]"))


def test_again_and_again(build):
    """With clients that come and go meanwhile."""
    with Host(build) as host:
        for _ in range(50):
            port = host.do("start smtp 0")
            wires = [Wire(port) for _ in range(4)]
            wires[0].reply()
            host.do("stop smtp")
            for wire in wires:
                wire.close()
        host.do("start smtp 0")
        with Wire(host.configured) as wire:
            assert wire.reply()[:3] == "220"


def test_a_reload(build):
    with Host(build) as host:
        host.do("start smtp 0")
        other = free_port()
        host.do("set general.host_name other.test")
        host.do("reload")
        with Wire(host.configured) as wire:
            assert "other.test" in wire.reply()
        host.do(f"set smtp.listen 127.0.0.1:{other}")
        host.refuses("reload", "CONFIG", "smtp.listen")
        host.do("stop smtp")
        assert host.do("start smtp 0") == host.configured
        host.do("halt")
        host.refuses("start pop3 0", "STATE")
        host.refuses("stop smtp", "STATE")
        host.do("drain")
        host.do("again")
        assert host.do("port smtp") == 0
        assert host.do("start smtp 0") == other


def test_another_callback(build):
    """A question that is open goes to whom it was put; the next to the new
    one."""
    with Host(build) as host:
        port = host.do("start smtp 0")
        with Wire(port) as wire:
            assert wire.reply()[:3] == "220"
        host.do("ask first")
        with Wire(port) as wire:
            assert wire.reply().strip() == "554 first"
        host.do("ask slow-one")
        with Wire(port) as waiting:
            host.expect("asked")
            host.do("ask second")
            with Wire(port) as wire:
                start = time.monotonic()
                assert wire.reply().strip() == "554 second"
                assert time.monotonic() - start < 0.9
            host.do("ask nobody")
            with Wire(port) as wire:
                assert wire.reply()[:3] == "220"
            assert waiting.reply().strip() == "554 slow-one"


main(__name__, test_each_by_itself, test_a_port_that_is_taken,
     test_clients_of_a_closed_service, test_again_and_again, test_a_reload,
     test_another_callback)
