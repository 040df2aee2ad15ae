"""Outgoing mail at hosts that refuse, limit, stall and break off (S rows)."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "integration"))

from harness import free_port, main, wait_for  # noqa: E402
from listener import Listener  # noqa: E402
from sink import Sink  # noqa: E402
from test_delivery import Bench  # noqa: E402

ONE = {("x.test", "A"): ["127.0.0.1"]}
LARGE = b"Subject: large\r\n\r\n" + b"0123456789abcdef\r\n" * 200000


class Script(Listener):
    """A server whose every connection is a function of a socket file."""

    def __init__(self, script, port=0, host="127.0.0.1"):
        self.script = script
        super().__init__(host, port)

    def talk(self, peer):
        with peer.makefile("rwb", 0) as file:
            self.script(file)


def until_data(file):
    file.write(b"220 x\r\n")
    for line in iter(file.readline, b""):
        if line.startswith(b"DATA"):
            file.write(b"354 go\r\n")
            return
        file.write(b"250 ok\r\n")


def test_S04_verdict_in_the_body(build):
    def talk(file):
        until_data(file)
        file.read(100000)
        file.write(b"552 5.3.4 too large for us\r\n")
        # closes with octets unread: a reset follows the reply

    for _ in range(5):
        with Script(talk) as host, Bench(build, ONE, host.port) as bench:
            bench.submit("a@x.test", body=LARGE)
            line = bench.logged("failed", "a@x.test")
            assert "552 5.3.4 too large for us" in line, line
            assert host.connections == 1, host.connections


def test_S04_later_said_in_the_body(build):
    def talk(file):
        until_data(file)
        file.read(100000)
        file.write(b"451 4.3.0 not now\r\n")

    with Script(talk) as host, Bench(build, ONE, host.port) as bench:
        bench.submit("a@x.test", body=LARGE)
        line = bench.logged("deferred", "a@x.test")
        assert "451 4.3.0 not now" in line, line


def test_S18_next_host(build):
    """The first host puts off one of two, by RCPT or by its last word."""
    port = free_port()
    records = {("x.test", "MX"): ["10 a.x.test", "20 b.x.test"],
               ("a.x.test", "A"): ["127.0.0.31"],
               ("b.x.test", "A"): ["127.0.0.32"]}

    def rcpt(argument):
        return "451 4.3.0 busy" if "two@" in argument else "250 2.1.5 ok"

    for replies, first in (({"RCPT": rcpt}, 1), ({"END": "451 4.3.0 no"}, 0),
                           ({"MAIL": "450 4.3.2 no"}, 0)):
        with Sink("127.0.0.31", port, replies) as mx1, \
                Sink("127.0.0.32", port) as mx2, \
                Bench(build, records, port) as bench:
            bench.submit("one@x.test", "two@x.test")
            wait_for(lambda: "empty" in bench.queue(), what="an empty queue")
            assert len(mx1.messages) == first
            assert len(mx2.messages) == 1
            got = [r for m in mx1.messages + mx2.messages
                   for r in m.recipients]
            assert sorted(got) == ["one@x.test", "two@x.test"], got


def test_S05_starttls_unanswered(build):
    taken = []

    def talk(file):
        file.write(b"220 x\r\n")
        for line in iter(file.readline, b""):
            if line.startswith(b"EHLO"):
                file.write(b"250-x\r\n250 STARTTLS\r\n")
            elif line.startswith(b"STARTTLS"):
                file.readline()  # until the client gives up
                return
            elif line.startswith(b"DATA"):
                file.write(b"354 go\r\n")
                while file.readline() != b".\r\n":
                    pass
                taken.append(1)
                file.write(b"250 ok\r\n")
            else:
                file.write(b"250 ok\r\n")

    with Script(talk) as host, \
            Bench(build, ONE, host.port,
                  {"delivery.tls_timeout": "1s"}) as bench:
        bench.submit("a@x.test")
        line = bench.logged("delivered", "a@x.test")
        assert "tls=none" in line, line  # S27
        assert len(taken) == 1 and host.connections == 2


def test_D15_what_only_this_machine_reaches(build):
    """By a literal it is refused at RCPT, by a name the delivery refuses; the
    name of another mail host of the domain is still used."""
    records = {("in.test", "A"): ["127.0.0.1"],
               ("both.test", "MX"): ["10 mx.in.test", "20 mx.out.test"],
               ("mx.in.test", "A"): ["127.0.0.1"],
               ("mx.out.test", "A"): ["127.0.1.1"]}
    with Sink("127.0.1.1") as sink, Bench(build, records, sink.port, {
            "delivery.refuses": "127.0.0.0/24, ::1, 169.254.0.0/16"}) as bench:
        with bench.daemon.smtp("submissions", local_hostname="c.test") as smtp:
            smtp.login("demo", bench.daemon.password)
            smtp.mail("demo@mail.test")
            for literal in ("[127.0.0.7]", "[IPv6:::1]", "[169.254.169.254]"):
                code, text = smtp.rcpt(f"a@{literal}")
                assert (code, text[:5]) == (550, b"5.7.1"), (code, text)
            assert smtp.rcpt("a@[127.0.1.1]")[0] == 250
        bench.submit("a@in.test")
        line = bench.logged("failed", "a@in.test")
        assert "dsn=5.7.1" in line and "no mail goes to" in line, line
        bench.submit("a@both.test")
        bench.logged("delivered", "a@both.test")


def test_S25_long_reply_line(build):
    with Sink(replies={"RCPT": "550 5.1.1 no " + "x" * 5000}) as sink, \
            Bench(build, ONE, sink.port) as bench:
        bench.submit("a@x.test")
        line = bench.logged("failed", "a@x.test")
        assert "dsn=5.1.1" in line, line


if __name__ == "__main__":
    main(__name__, test_S04_verdict_in_the_body,
         test_S04_later_said_in_the_body, test_S18_next_host,
         test_S05_starttls_unanswered, test_S25_long_reply_line,
         test_D15_what_only_this_machine_reaches)
