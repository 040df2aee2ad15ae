"""Sending by the documented calls: FL-01 to FL-04, T-006, T-018.

The hosts are send_now.c, send_relay.c, send_queued.c and plain.cpp; the mail
hosts and the name server are ours.
"""
import os
import socket
import threading
import time

from hosts import (BODY, ONE_MX, Host, NameServer, Recorder, Sink, Skip,
                   free_port, main, octets_in, wait_for, way_out)
from listener import Listener

STATES = ["1", "2", "3", "4", "5"]


def big_body():
    lines = []
    for i in range(16384):
        line = (b"." if i % 10 == 0 else b" ") + b"%06d" % i
        lines.append(line + bytes([97 + i % 26]) * (62 - len(line)) + b"\r\n")
    return b"".join(lines)


def states_of(host):
    """(states in order, each once; the counts of octets)."""
    found = [(m[1], int(m[2])) for m in host.said(r"^state (\d) (\d+)$")]
    order = []
    for state, _ in found:
        if not order or order[-1] != state:
            order.append(state)
    return order, [sent for _, sent in found]


def as_written(dns, port):
    return way_out(dns, port, sending__adds_headers=False)


def test_fl01_immediately(build):
    """Five states in order, `sent` to the last octet, nothing left on disk."""
    on_disk = []
    expected = big_body()
    with NameServer(ONE_MX) as dns, Sink() as sink:
        host = Host(build, "send_now", "a@mail.test", "b@x.test", users=(),
                    settings={**as_written(dns, sink.port),
                              "general.secure_delete": "on"}, start=False)
        data = host.settings["general.data_folder"]
        # What memory holds; of the rest, that is in the store meanwhile.
        first, last = expected[64:128], expected[-640000:-639936]

        def end(_):
            on_disk.extend(octets_in(data, first))
            return "250 2.0.0 ok"
        sink.replies["END"] = end
        with host:
            host.start("^result ")
            message = wait_for(lambda: sink.messages, what="the message")[0]
            assert host.end() == 0, host.lines
            head, body = message.data.split(b"\r\n\r\n", 1)
            assert body == expected
            assert head.split(b"\r\n") == [
                b"From: <a@mail.test>", b"To: <b@x.test>",
                b"Subject: 1048576 octets"], head
            assert message.reverse_path == "a@mail.test"
            assert message.recipients == ["b@x.test"]
            order, sent = states_of(host)
            assert order == STATES, order
            assert sent == sorted(sent), "sent fell"
            assert sent[-1] == len(message.data), (sent[-1], len(message.data))
            assert len(host.said("^state 5")) == 1
            assert host.said("^result b@x.test outcome=1 code=250 2.0.0")
            assert on_disk == [] and octets_in(data, first) == []
            assert octets_in(data, last) == []
            assert octets_in(data, b"b@x.test") == []


def test_fields_that_are_missing(build):
    """AMB-33: added in front, and counted, unless the settings say no."""
    with NameServer(ONE_MX) as dns, Sink() as sink, \
            Host(build, "send_now", "a@mail.test", "b@x.test", users=(),
                 settings=way_out(dns, sink.port)) as host:
        host.wait_log("^result b@x.test outcome=1")
        head, body = sink.messages[0].data.split(b"\r\n\r\n", 1)
        assert body == big_body()
        names = [line.split(b":")[0] for line in head.split(b"\r\n")
                 if line[:1] not in b" \t"]
        assert sorted(names) == [b"Date", b"From", b"Message-ID", b"Subject",
                                 b"To"], names
        assert states_of(host)[1][-1] == len(sink.messages[0].data)
        assert host.end() == 0


def test_fl01_failures(build):
    """DONE once also when nothing went out, and what the host said."""
    port = free_port()
    records = {**ONE_MX, ("null.test", "MX"): ["0 ."]}
    cases = [("b@null.test", {}, "outcome=3 code=0 5.1.10"),
             ("b@nowhere.test", {}, "outcome=3 code=0 5.1.2"),
             ("b@x.test", {"RCPT": "550 5.1.1 nobody of that name"},
              "outcome=3 code=550 5.1.1 .*nobody of that name"),
             ("b@x.test", {"END": "451 4.3.0 not today"},
              "outcome=2 code=451 4.3.0 .*not today"),
             ("b@x.test", {"GREETING": None}, "outcome=2 code=0 4.")]
    with NameServer(records) as dns, Sink(port=port) as sink:
        for recipient, replies, expected in cases:
            sink.replies = replies
            with Host(build, "send_now", "a@mail.test", recipient, users=(),
                      settings=way_out(dns, port)) as host:
                assert host.end() == 0, host.lines
                assert len(host.said("^state 5 ")) == 1, host.lines
                order, sent = states_of(host)
                assert order == sorted(order) and sent == sorted(sent)
                assert host.said(f"^result {recipient} {expected}"), (
                    expected, host.lines)
        assert sink.messages == []


def send_by_relay(build, sink, to, body=BODY, dns="127.0.0.1:1", port=None):
    host = Host(build, "send_relay", "a@mail.test", to, "127.0.0.1",
                port or sink.port, users=(), stdin=body, settings={
                    "dns.servers": dns, "dns.timeout": "20s",
                    "sending.adds_headers": False})
    with host:
        code = host.end()
    return code, host


def test_fl02_external_server(build):
    """One MAIL, one RCPT a recipient, one DATA; no look-up of MX records."""
    everyone = [f"u{i}@d{i}.test" for i in range(5)]
    with NameServer({}) as dns, Recorder() as sink:
        code, host = send_by_relay(
            build, sink, f"<{everyone[0]}>, {everyone[1]};{everyone[2]} "
            f"{everyone[3]},{everyone[4]}, {everyone[0]}", dns=dns.address)
        assert code == 0, host.lines
        verbs = [verb for verb in sink.verbs if verb in
                 ("MAIL", "RCPT", "DATA", "END")]
        assert verbs == ["MAIL"] + ["RCPT"] * 5 + ["DATA", "END"], verbs
        assert sink.connections == 1
        assert sink.messages[0].recipients == everyone
        assert sink.messages[0].data == BODY
        assert [m[1] for m in host.said(r"^result (\S+) outcome=1 code=250")
                ] == everyone
        assert not [name for name, kind in dns.asked if kind == "MX"]


def test_fl02_some_are_refused(build):
    def rcpt(argument):
        return "550 5.1.1 unknown" if "bad" in argument else "250 2.1.5 ok"
    with Sink(replies={"RCPT": rcpt}) as sink:
        code, host = send_by_relay(build, sink, "good@x.test,bad@x.test")
        assert code == 3
        assert host.said(r"^ended -902")
        assert host.said("^result good@x.test outcome=1 code=250")
        assert host.said("^result bad@x.test outcome=3 code=550 5.1.1 "
                         ".*unknown")
        assert sink.messages[0].recipients == ["good@x.test"]
        code, host = send_by_relay(build, None, "a@x.test", port=free_port())
        assert code == 3 and host.said(r"^ended -60[12]"), host.lines


def test_line_ends(build):
    """AMB-34: a bare LF is CRLF on the wire, the last line gets its own."""
    with Sink() as sink:
        code, host = send_by_relay(build, sink, "a@x.test",
                                   b"Subject: x\n\n.one\n\n..two\nthree")
        assert code == 0, host.lines
        assert sink.messages[0].data == (
            b"Subject: x\r\n\r\n.one\r\n\r\n..two\r\nthree\r\n")


def test_with_a_callback_it_does_not_wait(build):
    """T-006: SRVEndOfMsg is back while the mail host is still silent."""
    open_up = threading.Event()

    def greeting(_):
        open_up.wait(120)
        return "220 at last"
    with NameServer(ONE_MX) as dns, \
            Sink(replies={"GREETING": greeting}) as sink, \
            Host(build, "send_now", "a@mail.test", "b@x.test", users=(),
                 settings=way_out(dns, sink.port)) as host:
        host.wait_log("^ended 0")
        wait_for(lambda: sink.connections, what="a connection")
        assert not host.said("^state [45]") and sink.messages == []
        open_up.set()
        host.wait_log("^result b@x.test outcome=1")
        assert host.end() == 0


def test_without_a_callback_it_waits(build):
    """T-006: SRVEndOfMsg is not back before the mail host took the message."""
    open_up = threading.Event()

    def end(_):
        open_up.wait(120)
        return "250 2.0.0 at last"
    with Sink(replies={"END": end}) as sink, \
            Host(build, "send_relay", "a@mail.test", "b@x.test", "127.0.0.1",
                 sink.port, users=(), stdin=BODY) as host:
        wait_for(lambda: sink.connections, what="a connection")
        time.sleep(1)
        assert not host.said("^ended")
        open_up.set()
        host.wait_log("^ended 0")
        assert host.end() == 0


def queue_settings(dns, port, **more):
    return way_out(dns, port, delivery__connect_timeout="2s", **more)


def test_fl03_killed_and_started_again(build):
    """What SRVEndOfMsg took is delivered by the next run, and once."""
    port = free_port()
    with NameServer(ONE_MX) as dns, \
            Host(build, "send_queued", "a@y.test", "b@x.test", users=(),
                 settings=queue_settings(dns, port)) as host:
        host.wait_log("^queued")
        host.kill()
        assert not host.said("^state 5"), host.lines
        host.words = []
        host.start("^running")
        time.sleep(1)
        with Sink(port=port) as sink:
            message = wait_for(lambda: sink.messages, what="delivery")[0]
            assert message.reverse_path == "a@y.test"
            assert message.recipients == ["b@x.test"]
            assert b"Subject: no hurry\r\n\r\nWhen you can.\r\n" in message.data
            assert host.end() == 0, host.lines
            assert len(sink.messages) == 1


def test_fl04_put_off_then_taken(build):
    tries = []

    def rcpt(_):
        tries.append(time.monotonic())
        return "450 4.2.0 later" if len(tries) < 3 else "250 2.1.5 ok"
    with NameServer(ONE_MX) as dns, Sink(replies={"RCPT": rcpt}) as sink, \
            Host(build, "send_queued", "a@y.test", "b@x.test", users=(),
                 settings=queue_settings(dns, sink.port)) as host:
        host.wait_log("^result b@x.test outcome=1 code=250")
        assert len(tries) == 3 and len(sink.messages) == 1
        assert len(host.said("^state 5 ")) == 1
        assert host.end() == 0


def test_fl04_refused(build):
    """A 550 is final: the sender's mail host gets the report at once."""
    records = {**ONE_MX, ("y.test", "A"): ["127.0.0.1"]}

    def rcpt(argument):
        return "550 5.1.1 no b here" if "b@x" in argument else "250 2.1.5 ok"
    with NameServer(records) as dns, \
            Recorder(replies={"RCPT": rcpt}) as sink, \
            Host(build, "send_queued", "a@y.test", "b@x.test", users=(),
                 settings=queue_settings(dns, sink.port,
                                         queue__steps="1h")) as host:
        host.wait_log("^result b@x.test outcome=3 code=550 5.1.1 "
                      ".*no b here")
        report = wait_for(lambda: sink.messages, what="the report")[0]
        assert report.reverse_path == "" and report.recipients == ["a@y.test"]
        assert b"Status: 5.1.1" in report.data, report.data
        assert b"no b here" in report.data
        assert host.end() == 0


def test_data_folder_that_cannot_be(build):
    """API-03: no stream when the queue cannot be had."""
    with Host(build, "send_queued", "a@y.test", "b@x.test", users=(),
              settings={"general.data_folder": "/dev/null/data"}) as host:
        assert host.end() == 1
        assert host.said(r"failed: -\d+ \S+"), host.lines


class HangUp(Listener):
    """A mail host that takes some of the text and then resets."""

    def __init__(self, taken):
        self.taken = taken
        super().__init__()

    def talk(self, peer):
        # A reset, not an end: the next write there is the fatal one.
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                        b"\1\0\0\0\0\0\0\0")
        file = peer.makefile("rb", 0)
        peer.sendall(b"220 hello\r\n")
        for line in iter(file.readline, b""):
            if line.upper().startswith(b"DATA"):
                peer.sendall(b"354 go\r\n")
                file.read(self.taken)
                return
            peer.sendall(b"250 ok\r\n")


def test_a_reset_does_not_kill(build):
    """T-018: SIGPIPE has its default action in these hosts."""
    for taken in (0, 1, 1000, 300000):
        peer = HangUp(taken)
        records = {("x.test", "A"): ["127.0.0.1"]}
        with NameServer(records) as dns, \
                Host(build, "send_now", "a@mail.test", "b@x.test", users=(),
                     settings=way_out(dns, peer.port)) as host:
            host.wait_log("^result b@x.test outcome=2")
            assert host.end() == 0, host.lines
        peer.close()


def test_find_mx(build):
    """API-15: order, addresses, the room there is, and why there is none."""
    long_name = "l" * 60 + ".mx.x.test"
    records = {("x.test", "MX"): ["30 c.x.test", "10 a.x.test", "20 b.x.test",
                                  f"5 {long_name}"],
               ("a.x.test", "A"): ["127.0.0.21", "127.0.0.22"],
               ("b.x.test", "A"): ["127.0.0.23"],
               ("c.x.test", "AAAA"): ["::1"],
               (long_name, "A"): ["127.0.0.24"],
               ("null.test", "MX"): ["0 ."],
               ("own.test", "A"): ["127.0.0.25"],
               ("mute.test", "MX"): "servfail"}
    cases = [("x.test", 10, ["10 a.x.test 127.0.0.21 127.0.0.22",
                             "20 b.x.test 127.0.0.23", "30 c.x.test"]),
             ("x.test", 1, ["10 a.x.test 127.0.0.21 127.0.0.22"]),
             ("own.test", 10, ["0 own.test 127.0.0.25"]),
             ("null.test", 10, ["none -703"]),
             ("nowhere.test", 10, ["none -701"]),
             ("mute.test", 10, ["none -704"])]
    with NameServer(records) as dns:
        for domain, size, expected in cases:
            with Host(build, "find_mx", domain, size, users=(),
                      settings=way_out(dns, 25)) as host:
                assert host.end() == 0, host.lines
                got = [m[1] for m in host.said("^host (.*)$")]
                # Addresses of one host come in any order.
                assert [set(line.split()) for line in got] == [
                    set(line.split()) for line in expected], (domain, got)
                full = [m[1] for m in host.said("^full (.*)$")]
                if (domain, size) == ("x.test", 10):
                    assert full[0] == f"5 {long_name} 127.0.0.24", full
                    assert full[-1] == "30 c.x.test ::1", full


def test_cplusplus(build):
    """Default arguments and overloads; then it serves."""
    if not os.path.isfile(os.path.join(build, "tests", "host", "plain")):
        raise Skip("there is no C++ compiler: plain.cpp was NOT built or run")
    with Sink() as sink, \
            Host(build, "plain", "a@mail.test", "b@x.test", "127.0.0.1",
                 sink.port, settings={"sending.adds_headers": False}) as host:
        host.wait_log("^sent")
        assert sink.messages[0].data == b"Subject: from C++\r\n\r\nhello\r\n"
        # The settings name it plus.test; demo is there by mailmodctl.
        with host.begin(recipient="demo@mail.test") as wire:
            assert wire.ask("QUIT")[:3] == "221"
        assert host.count() == 0
        assert host.end() == 0, host.lines


main(__name__, test_fl01_immediately,
     test_fields_that_are_missing, test_fl01_failures,
     test_fl02_external_server, test_fl02_some_are_refused, test_line_ends,
     test_with_a_callback_it_does_not_wait, test_without_a_callback_it_waits,
     test_fl03_killed_and_started_again, test_fl04_put_off_then_taken,
     test_fl04_refused, test_data_folder_that_cannot_be,
     test_a_reset_does_not_kill, test_find_mx, test_cplusplus)
