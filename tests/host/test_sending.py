"""A host that sends: three modes, sync and async, results, progress, ends.

The host program is sender.c; this test tells it what to do, and is the name
server and the mail hosts that it meets.
"""
import base64
import os
import poplib
import re
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "integration"))
from dnsserver import NameServer  # noqa: E402
from harness import (PATIENCE, SANITIZER, SOURCE, free_port,  # noqa: E402
                     is_sanitized, main, wait_for)
from listener import Listener  # noqa: E402
from sink import Sink  # noqa: E402
from test_delivery import make_certificate  # noqa: E402

with open(os.path.join(SOURCE, "include", "mailmod", "error.h"),
          encoding="utf-8") as header:
    ERRORS = {int(code): name for name, code in re.findall(
        r"X\((\w+), (-\d+),", header.read())}
ERRORS[0] = "OK"
QUEUE, NOW, RELAY = 0, 1, 2
OFF, MUST, IMPLICIT = 1, 2, 3
FINDING, CONNECTING, DIALOG, SENDING, DONE = 1, 2, 3, 4, 5
PENDING, DELIVERED, DEFERRED, FAILED = 0, 1, 2, 3

HEADER = (b"From: me@mail.test\r\nDate: Thu, 01 Jan 1970 00:00:00 +0000\r\n"
          b"Message-ID: <1@mail.test>\r\nSubject: x\r\n\r\n")
TEXT = HEADER + b".dot\r\nbody\r\n"
RECORDS = {
    ("one.test", "MX"): ["10 mx.one.test"],
    ("mx.one.test", "A"): ["127.0.0.31"],
    ("two.test", "MX"): ["10 mx.two.test"],
    ("mx.two.test", "A"): ["127.0.0.32"],
    ("null.test", "MX"): ["0 ."],
    ("dark.test", "MX"): ["10 mx.dark.test"],
    ("mx.dark.test", "A"): ["127.0.0.39"],
    ("slow.test", "MX"): "servfail",
}


class Host:
    """sender.c with a name server of ours and a folder of its own."""

    def __init__(self, build, port=0, settings=None, start=True):
        self.build = build
        self.dns = NameServer(RECORDS)
        self.folder = tempfile.TemporaryDirectory(prefix="mailmod-sender-")
        self.files = 0
        self.settings = {
            "general.host_name": "mail.test", "local.domains": "mail.test",
            "general.data_folder": os.path.join(self.folder.name, "data"),
            "smtp.listen": "", "submission.listen": "",
            "submissions.listen": "", "pop3.listen": "127.0.0.1:0",
            "pop3s.listen": "", "pop3.allows_clear_login": "true",
            "dns.servers": self.dns.address, "dns.timeout": "5s",
            "dns.tries": "1",
            "delivery.port": str(port or free_port()),
            "delivery.refuses": "",
            "queue.steps": "1s,1s,1s", "queue.jitter": "0"}
        self.settings.update(settings or {})
        if start:
            self.start()

    def start(self):
        self.process = subprocess.Popen(
            [os.path.join(self.build, "tests", "host", "sender")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE)
        self.lines = []
        self.changed = threading.Condition()
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()
        self.begin()

    def begin(self):
        for key, value in self.settings.items():
            assert self.ask("set", key, value)[2] == "OK", key
        assert self.ask("user", "demo")[2] in ("OK", "EXISTS")
        assert self.ask("start")[2] == "OK", self.lines[-1]

    def read(self):
        for raw in self.process.stdout:
            words = raw.decode("utf-8", "replace").rstrip("\n").split("\t")
            if words[0] not in ("event", "event-end", "result", "id",
                                "token"):
                words[2] = ERRORS[int(words[2])]
            with self.changed:
                self.lines.append(words)
                self.changed.notify_all()

    def wait_line(self, what, name, after=0, seconds=PATIENCE):
        end = time.monotonic() + seconds
        with self.changed:
            while True:
                for line in self.lines[after:]:
                    if line[0] == what and (name is None or line[1] == name):
                        return line
                left = end - time.monotonic()
                assert left > 0, f"no {what} {name}: {self.lines[-20:]}"
                self.changed.wait(left)

    def tell(self, *words):
        text = "\t".join(str(w) for w in words) + "\n"
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def ask(self, *words, answer=None, name=None, seconds=PATIENCE):
        """The line that answers, with the error by its name."""
        after = len(self.lines)
        self.tell(*words)
        what = answer or {"submit-away": "submit"}.get(words[0], words[0])
        return self.wait_line(what, name, after, seconds)

    def file(self, octets):
        self.files += 1
        path = os.path.join(self.folder.name, f"text{self.files}")
        with open(path, "wb") as f:
            f.write(octets)
        return path

    def send(self, name, mode, recipients, manner="none", relay=(), text=TEXT,
             sender="me@mail.test", piece=100000):
        """new, write, send: the line of the first that failed, or of send."""
        for words in (("new", name, mode, sender, recipients, manner, *relay),
                      ("write", name, self.file(text), piece),
                      ("send", name)):
            line = self.ask(*words)
            if line[2] != "OK":
                break
        return line

    def results(self, name):
        """{recipient: (outcome, code, enhanced, text, host)}"""
        after = len(self.lines)
        assert self.ask("results", name)[2] == "OK"
        return {line[2]: (int(line[3]), int(line[4]), *line[5:])
                for line in self.lines[after:]
                if line[0] == "result" and line[1] == name}

    def causes(self, name):
        """{recipient: error}, of the results asked for before."""
        return {line[3]: line[2] for line in self.lines
                if line[0] == "cause" and line[1] == name}

    def events(self, name):
        return [(int(line[2]), int(line[3])) for line in self.lines
                if line[0] == "event" and line[1] == name]

    def await_done(self, name, seconds=PATIENCE):
        def done():
            return any(e[0] == DONE for e in self.events(name))
        wait_for(done, seconds, f"DONE of {name}")
        return self.events(name)

    def control(self, *words):
        config = os.path.join(self.folder.name, "control.cfg")
        with open(config, "w", encoding="utf-8") as f:
            f.write('general: { data_folder = "%s"; };\n' %
                    self.settings["general.data_folder"])
        return subprocess.run(
            [os.path.join(self.build, "tools", "mailmodctl"), "-c", config,
             *words], capture_output=True, text=True, timeout=120).stdout

    def mailbox(self, user="demo"):
        """What POP3 shows: (octets, size as listed) of each message."""
        box = poplib.POP3("127.0.0.1", int(self.ask("port", "pop3")[3]),
                          timeout=120)
        box.user(user)
        box.pass_("secret")
        sizes = [int(line.split()[1]) for line in box.list()[1]]
        bodies = [b"\r\n".join(box.retr(i + 1)[1]) + b"\r\n"
                  for i in range(len(sizes))]
        box.quit()
        return list(zip(bodies, sizes))

    def leftovers(self):
        """Rows of messages and chunks in the store."""
        path = os.path.join(self.settings["general.data_folder"],
                            "mailmod.db")
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as base:
            return tuple(base.execute(f"SELECT COUNT(*) FROM {table}")
                         .fetchone()[0] for table in ("message", "chunk"))

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.reader.join(PATIENCE)
        self.process.stderr.close()

    def __enter__(self):
        return self

    def __exit__(self, kind, *rest):
        self.process.stdin.close()
        try:
            code = self.process.wait(120)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = "hangs at its end"
        self.reader.join(PATIENCE)
        err = self.process.stderr.read().decode("utf-8", "replace")
        self.dns.close()
        self.folder.cleanup()
        if kind is not None or err:
            print("\n".join("\t".join(l) for l in self.lines[-30:]))
            print(err[-6000:])
        assert kind is not None or (code == 0 and
                                    not SANITIZER.search(err)), (code, err)


def sinks(port, one=None, two=None, **options):
    return (Sink("127.0.0.31", port, one, **options),
            Sink("127.0.0.32", port, two, **options))


def take(sink):
    """The oldest message: the sink keeps it after its reply."""
    wait_for(lambda: sink.messages, what="a message")
    return sink.messages.pop(0)


def check_order(events, size=None):
    """One attempt: rising steps, `sent` never less, DONE once and last."""
    steps = [e[0] for e in events]
    sent = [e[1] for e in events]
    assert steps == sorted(steps) and steps.count(DONE) == 1, events
    assert steps[-1] == DONE and sent == sorted(sent), events
    if size is not None:
        assert sent[-1] == size, events


def test_now_and_waiting(build):
    """Several domains, one refusal; the call waits and says the first error."""
    port = free_port()
    one, two = sinks(port, {"RCPT": lambda a: "550 5.1.1 no such one"
                            if "bad" in a else "250 2.1.5 ok"})
    with one, two, Host(build, port) as host:
        line = host.send("a", NOW, "<x@one.test>,y@one.test;z@two.test "
                         "X@ONE.TEST x@one.test")
        assert line[2] == "OK", line
        wait_for(lambda: one.messages and two.messages, what="both")
        assert sorted(one.messages[0].recipients) == [
            "X@one.test", "x@one.test", "y@one.test"]
        assert two.messages[0].recipients == ["z@two.test"]
        for sink in (one, two):
            assert len(sink.messages) == 1
            assert sink.messages[0].data == TEXT
            assert sink.messages[0].reverse_path == "me@mail.test"
        assert host.ask("wait", "a", 0)[2] == "OK"
        assert host.results("a")["z@two.test"] == (
            DELIVERED, 250, "2.0.0", "queued", "mx.two.test")
        line = host.send("b", NOW, "z@two.test, bad@one.test")
        assert line[2] == "REFUSED", line
        assert line[3] == ("bad@one.test: mx.one.test: "
                           "550 5.1.1 no such one"), line
        results = host.results("b")
        assert results["z@two.test"][0] == DELIVERED
        assert results["bad@one.test"] == (
            FAILED, 550, "5.1.1", "no such one", "mx.one.test")
        assert host.leftovers() == (0, 0)


def test_now_by_events(build):
    port = free_port()
    one, two = sinks(port, {"END": "451 4.3.0 later"})
    with one, two, Host(build, port) as host:
        assert host.send("a", NOW, "z@two.test", "tell")[2] == "OK"
        check_order(host.await_done("a"), len(TEXT))
        steps = [e[0] for e in host.events("a")]
        assert set(steps) == {FINDING, CONNECTING, DIALOG, SENDING, DONE}
        assert host.results("a")["z@two.test"][0] == DELIVERED
        assert host.send("b", NOW, "x@one.test z@two.test", "slow")[2] == "OK"
        check_order(host.await_done("b"), len(TEXT))
        assert host.ask("wait", "b", 10000)[2] == "OK"
        ends = [l for l in host.lines if l[0] == "event-end" and l[1] == "b"]
        assert ends[-1][2] == str(DONE), "wait came back before the callback"
        results = host.results("b")
        assert results["x@one.test"] == (DEFERRED, 451, "4.3.0", "later",
                                         "mx.one.test")
        assert host.causes("b") == {"x@one.test": "REFUSED",
                                    "z@two.test": "OK"}
        assert results["z@two.test"][0] == DELIVERED
        assert host.send("c", NOW, "z@two.test", "wait")[2] == "OK"
        host.await_done("c")
        host.wait_line("event-end", "c")
        for what in ("inner-wait", "inner-send", "inner-drain"):
            assert host.wait_line(what, "c")[2] == "STATE", what


def test_now_without_an_answer(build):
    with Host(build) as host:
        for domain, error, outcome in (
                ("null.test", "DNS_NULL_MX", FAILED),
                ("none.test", "DNS_NO_NAME", FAILED),
                ("slow.test", "DNS_SERVFAIL", DEFERRED),
                ("dark.test", "CONNECTION_REFUSED", DEFERRED)):
            line = host.send(domain, NOW, f"a@{domain}")
            assert line[2] == error, line
            result = host.results(domain)[f"a@{domain}"]
            assert result[0] == outcome and result[1] == 0, result
            assert host.causes(domain) == {f"a@{domain}": error}
            assert result[2].startswith("54"[outcome == DEFERRED]), result
            assert line[3].startswith(f"a@{domain}: "), line


def test_unsure(build):
    """The whole text went out, and no answer came, at once and by a relay: the
    cause says so, and whoever sent it decides."""
    port = free_port()
    one, two = sinks(port, {"END": None})
    with one, two, Host(build, port) as host:
        for name, mode, relay in (("a", NOW, ()),
                                  ("b", RELAY, ("127.0.0.31", port))):
            line = host.send(name, mode, "x@one.test", relay=relay)
            assert line[2] == "UNSURE", line
            result = host.results(name)["x@one.test"]
            assert result[:3] == (DEFERRED, 0, "4.4.2"), result
            assert "may have been taken" in result[3], result
            assert host.causes(name) == {"x@one.test": "UNSURE"}
        assert one.messages == []


def test_here(build):
    """Recipients of this host: into the mailbox in QUEUE and NOW."""
    port = free_port()
    one, two = sinks(port)
    with one, two, Host(build, port) as host:
        for count, mode in ((1, QUEUE), (2, NOW)):
            name = f"m{mode}"
            line = host.send(name, mode, "demo@mail.test x@one.test "
                             "demo+tag@mail.test nobody@mail.test", "tell")
            assert line[2] == "OK", line
            assert host.results(name)["demo@mail.test"][:3] == (
                DELIVERED, 0, "2.1.5")
            host.await_done(name)
            results = host.results(name)
            assert results["nobody@mail.test"][:3] == (FAILED, 550, "5.1.1")
            assert results["demo+tag@mail.test"][0] == DELIVERED
            assert results["x@one.test"][0] == DELIVERED
            boxes = host.mailbox()
            path = b"Return-Path: <me@mail.test>\r\n"
            copies = [path + TEXT,  # F24: a copy for each of the addresses
                      path + b"Delivered-To: demo+tag@mail.test\r\n" + TEXT]
            assert boxes == [(copy, len(copy)) for copy in copies] * count, \
                boxes
            wait_for(lambda: len(one.messages) == count, what="the other's")
        before = host.leftovers()
        line = host.send("n", QUEUE, "nobody@mail.test", "tell",
                         text=HEADER + b"y" * 200000)
        assert line[2] == "OK", line
        assert host.events("n") == [(DONE, 0)] or host.await_done("n")
        assert host.results("n")["nobody@mail.test"][0] == FAILED
        assert host.leftovers() == before
        line = host.send("s", NOW, "nobody@mail.test")
        assert line[2] == "REFUSED" and "5.1.1" in line[3], line


def test_relay(build):
    with Sink() as sink, Host(build) as host:
        relay = ("127.0.0.1", sink.port)
        line = host.send("a", RELAY, "x@one.test demo@mail.test", relay=relay)
        assert line[2] == "OK", line
        message = take(sink)
        assert message.recipients == ["x@one.test", "demo@mail.test"]
        assert message.data == TEXT and sink.connections == 1
        assert host.mailbox() == []
        assert not host.dns.asked, host.dns.asked
        line = host.send("b", RELAY, "x@one.test", "tell", relay=relay)
        assert line[2] == "OK", line
        check_order(host.await_done("b"), len(TEXT))
        line = host.send("c", RELAY, "x@one.test",
                         relay=("127.0.0.1", free_port()))
        assert line[2] == "CONNECTION_REFUSED", line
        line = host.send("d", RELAY, "x@one.test",
                         relay=("127.0.0.1", sink.port, "me", "pw", MUST))
        assert line[2] == "TLS_UNAVAILABLE", line
        take(sink)
        assert not sink.messages


def test_relay_is_kept(build):
    """One connection for all; all or nothing."""
    with Sink(replies={"RCPT": lambda a: "550 5.1.1 no" if "bad" in a
                       else "250 2.1.5 ok"}) as sink, Host(build) as host:
        relay = ("127.0.0.1", sink.port)
        for i in range(5):
            line = host.send(f"m{i}", RELAY, "x@one.test", relay=relay)
            assert line[2] == "OK", line
            take(sink)
        assert sink.connections == 1
        for name, mode in (("now", NOW), ("queue", QUEUE)):
            host.ask("new", name, mode, "me@mail.test", "x@one.test", "none")
            assert host.ask("all", name)[2] == "ARGUMENT"
        host.ask("new", "a", RELAY, "me@mail.test", "x@one.test bad@one.test",
                 "none", *relay)
        assert host.ask("all", "a")[2] == "OK"
        host.ask("write", "a", host.file(TEXT), 1000)
        assert host.ask("send", "a")[2] == "CANCELLED"
        assert host.ask("all", "a")[2] == "STATE"
        results = host.results("a")
        assert results["x@one.test"][0] == DEFERRED
        assert results["bad@one.test"][:2] == (FAILED, 550)
        assert not sink.messages and sink.connections == 1
        line = host.send("b", RELAY, "x@one.test bad@one.test", relay=relay)
        assert line[2] == "REFUSED", line
        assert take(sink).recipients == ["x@one.test"]
        assert sink.connections == 1


def test_relay_with_a_login(build):
    with Sink(extensions=["AUTH PLAIN"],
              replies={"AUTH": lambda a: "235 2.7.0 ok" if a.startswith("PLAIN "
                       "AG1lAHB3") else "535 5.7.8 no"}) as sink, \
            Host(build, settings={"smarthost.host": "127.0.0.1",
                                  "smarthost.port": str(sink.port),
                                  "smarthost.tls": "off",
                                  "smarthost.user": "me",
                                  "smarthost.password": "pw"}) as host:
        line = host.send("a", RELAY, "x@one.test",
                         relay=("127.0.0.1", sink.port, "me", "pw", OFF))
        assert line[2] == "OK", line
        assert take(sink).user is not None
        line = host.send("b", RELAY, "x@one.test",
                         relay=("127.0.0.1", sink.port, "me", "bad", OFF))
        assert line[2] == "AUTHENTICATION", line
        # The smarthost by its name alone is talked to as configured.
        line = host.send("c", RELAY, "x@one.test",
                         relay=("127.0.0.1", sink.port))
        assert line[2] == "OK", line
        assert take(sink).user is not None


def test_relay_with_a_token(build):
    """The callback gives it, and a new one when it was refused (R23)."""
    def said(number):
        return base64.b64encode(
            f"user=me\x01auth=Bearer host.{number}\x01\x01".encode()).decode()
    good = ["1"]
    with Sink(extensions=["AUTH PLAIN XOAUTH2"], replies={
            "AUTH": lambda a: "235 2.7.0 ok"
                if a in ["XOAUTH2 " + said(n) for n in good] else "334 e30=",
            "AUTH_DATA": lambda a: "535 5.7.8 no"}) as sink, \
            Host(build) as host:
        words = ("127.0.0.1", sink.port, "me", "", OFF, "token")
        line = host.send("a", RELAY, "x@one.test", relay=words)
        assert line[2] == "OK", line
        assert take(sink).user == "XOAUTH2 " + said(1)
        asked = [line[1:] for line in host.lines if line[0] == "token"]
        assert asked == [["1", "token", "me", "127.0.0.1", str(sink.port), n]
                         for n in "01"], asked
        # A login that stands is good for the next message.
        line = host.send("kept", RELAY, "x@one.test", relay=words)
        assert line[2] == "OK" and sink.connections == 1, line
        take(sink)
        good.clear()
        words = (*words[:5], "other")
        line = host.send("b", RELAY, "x@one.test", relay=words)
        assert line[2] == "AUTHENTICATION", line
        assert "(to AUTH XOAUTH2)" in host.results("b")["x@one.test"][3]
        assert host.results("b")["x@one.test"][1] == 535
        line = host.send("c", RELAY, "x@one.test",
                         relay=("127.0.0.1", sink.port, "", "", OFF, "token"))
        assert line[2] == "ARGUMENT", line


def test_relay_under_tls(build):
    """A must is verified; what may be had is not; a name that we trust."""
    with tempfile.TemporaryDirectory() as folder:
        context = make_certificate(folder, "mx.one.test")
        with Sink("127.0.0.31", extensions=["STARTTLS"], tls=context) as sink:
            relay = ("mx.one.test", sink.port, "", "")
            with Host(build) as host:
                line = host.send("a", RELAY, "x@one.test", relay=(*relay, 0))
                assert line[2] == "OK" and take(sink).tls, line
                line = host.send("b", RELAY, "x@one.test",
                                 relay=(*relay, MUST))
                assert line[2] == "TLS_CERTIFICATE", line
                assert "x@one.test: mx.one.test: " in line[3], line
                line = host.send("c", RELAY, "x@one.test",
                                 relay=(*relay, OFF))
                assert line[2] == "OK" and not take(sink).tls, line
            with Host(build, settings={"smarthost.authority_file":
                                       os.path.join(folder, "ca.pem")}
                      ) as host:
                line = host.send("d", RELAY, "x@one.test",
                                 relay=(*relay, MUST))
                assert line[2] == "OK" and take(sink).tls, line
            assert not sink.messages


def test_queue(build):
    """Deferred, then delivered; the sender's report of a failure."""
    port = free_port()
    tries = []

    def reply(argument):
        if "bad" in argument:
            return "550 5.1.1 no"
        tries.append(argument)
        return "450 4.2.1 busy" if len(tries) < 3 else "250 2.1.5 ok"

    one, two = sinks(port, {"RCPT": reply})
    with one, two, Host(build, port) as host:
        line = host.send("a", QUEUE, "x@one.test bad@one.test z@two.test",
                         "tell", sender="demo@mail.test")
        assert line[2] == "OK", line
        assert host.ask("wait", "a", 1)[2] == "TIMEOUT"
        wait_for(lambda: host.results("a")["x@one.test"][0] == DEFERRED,
                 what="a deferral")
        assert host.results("a")["x@one.test"][1:] == (
            450, "4.2.1", "busy", "mx.one.test")
        assert host.ask("wait", "a", 30000)[2] == "OK"
        events = host.events("a")
        assert events[-1] == (DONE, len(TEXT)), events
        assert [e[1] for e in events] == sorted(e[1] for e in events)
        # each attempt begins anew; the connection may have been kept
        assert [e[0] for e in events].count(DIALOG) >= 3, events
        results = host.results("a")
        assert results["x@one.test"][:3] == (DELIVERED, 250, "2.0.0")
        assert results["bad@one.test"] == (FAILED, 550, "5.1.1", "no",
                                           "mx.one.test")
        assert results["z@two.test"][0] == DELIVERED
        boxes = wait_for(host.mailbox, what="the report")
        assert len(boxes) == 1 and b"bad@one.test" in boxes[0][0]
        assert take(one).data == TEXT
        host.ask("free", "a")


def test_reports_are_asked_for(build):
    """NOTIFY, RET, ENVID and ORCPT of the envelope (RFC 3461), here and
    elsewhere; wishes that cannot be are told by name."""
    port = free_port()
    one, two = sinks(port)
    with one, two, Host(build, port) as host:
        def send(name, to, notify, what=0, envid="", original=""):
            line = host.ask("new-dsn", name, "demo@mail.test", to, notify,
                            what, envid, original)
            if line[2] == "OK":
                host.ask("write", name, host.file(TEXT), 1000)
                line = host.ask("send", name)
            return line[2], line[3:]

        assert send("a", "demo+tag@mail.test", 2, 2, "id-77",
                    "rfc822;Demo@else.test")[0] == "OK"
        boxes = wait_for(
            lambda: (lambda found: found if len(found) == 2 else None)(
                host.mailbox()), what="the message and its report")
        report = [text for text, _ in boxes if b"multipart/report" in text]
        assert len(report) == 1, boxes
        for line in (b"\r\nAction: delivered\r\n",
                     b"\r\nOriginal-Envelope-Id: id-77\r\n",
                     b"\r\nOriginal-Recipient: rfc822;Demo@else.test\r\n",
                     b"\r\nFinal-Recipient: rfc822; demo+tag@mail.test\r\n"):
            assert line in report[0], report[0]
        # a host without DSN took it: relayed (RFC 3461 5.2.2)
        assert send("b", "x@one.test", 2, 0, "id-78")[0] == "OK"
        boxes = wait_for(
            lambda: (lambda found: found if len(found) == 3 else None)(
                host.mailbox()), what="the report of a relay")
        assert b"\r\nAction: relayed\r\n" in boxes[2][0], boxes[2][0]
        assert b"\r\nOriginal-Envelope-Id: id-78\r\n" in boxes[2][0]
        for bad, field in (((3,), "dsn_notify"), ((16,), "dsn_notify"),
                           ((2, 3), "dsn_return"),
                           ((2, 0, "a b"), "dsn_envelope_id"),
                           ((2, 0, "x" * 101), "dsn_envelope_id"),
                           ((2, 0, "", "no type"), "dsn_original_recipient"),
                           ((2, 0, "", ";x"), "dsn_original_recipient")):
            name = f"bad{field}{len(host.lines)}"[:30]
            error, words = send(name, "x@one.test", *bad)
            assert error == "ARGUMENT", (bad, error)
            assert field in "".join(words), (bad, words)


def test_queue_survives(build):
    """kill -9 after send said OK: another process delivers it."""
    port = free_port()
    host = Host(build, port)
    big = HEADER + b"z" * 78 * 1000
    line = host.send("a", QUEUE, "x@one.test", text=big)
    host.kill()
    assert line[2] == "OK", line
    one, two = sinks(port)
    host.start()
    with one, two, host:
        wait_for(lambda: one.messages, what="the message")
        assert one.messages[0].data == big + b"\r\n"


def test_odd_pieces(build):
    """1 MiB of every line end in pieces of 1, 2, 3 ... octets."""
    port = free_port()
    one, two = sinks(port, extensions=["8BITMIME"])
    lines = [bytes([97 + i % 26]) * (i % 90) for i in range(23000)]
    body = b"".join(line + (b"\r\n", b"\n", b"\r", b"\r\n")[i % 4]
                    if line else b"." + b"\r\n"
                    for i, line in enumerate(lines))
    wire = b"".join((line or b".") + b"\r\n" for line in lines)
    assert len(body) > 1 << 20
    with one, two, Host(build, port) as host:
        for mode, piece in ((QUEUE, 1), (NOW, 7)):
            name = f"m{mode}"
            line = host.send(name, mode, "x@one.test", "tell",
                             text=HEADER + body + b"\0\xff", piece=piece)
            assert line[2] == "OK", line
            check_order(host.await_done(name),
                        len(HEADER + wire) + len(b"\0\xff\r\n"))
            assert host.ask("wait", name, 10000)[2] == "OK"
            message = take(one)
            assert message.data == HEADER + wire + b"\0\xff\r\n"
            host.ask("free", name)


def test_fields_are_added(build):
    with Sink() as sink, Host(build) as host:
        relay = ("127.0.0.1", sink.port)
        line = host.send("a", RELAY, "x@one.test", relay=relay,
                         text=b"Subject: y\n\nz")
        assert line[2] == "OK", line
        name = host.ask("id", "a")[3]
        data = take(sink).data
        assert re.fullmatch(
            rb"Date: [^\r]+ \+0000\r\nFrom: <me@mail.test>\r\nMessage-ID: <" +
            name.encode() + rb"@mail.test>\r\nSubject: y\r\n\r\nz\r\n",
            data), data
    with Sink() as sink, Host(build, settings={
            "sending.adds_headers": "false"}) as host:
        host.send("a", RELAY, "x@one.test", relay=("127.0.0.1", sink.port),
                  text=b"Subject: y\n\nz")
        assert take(sink).data == b"Subject: y\r\n\r\nz\r\n"


def test_header_fields(build):
    """Fields of the envelope: in front of the text's, by every way, one each;
    attack 59: neither a value nor the text behind makes another one."""
    port = free_port()
    one, two = sinks(port)
    fields = ("X-Order", "17", "Subject", "Grüße an 日本", "Message-ID", "<1@me>",
              "X-Long", "word " * 30)
    wanted = (b"X-Order: 17\r\nSubject: =?utf-8?B?R3LDvMOfZQ==?= an "
              b"=?utf-8?B?5pel5pys?=\r\nMessage-ID: <1@me>\r\nX-Long: "
              + b"word " * 13 + b"word\r\n" + b" word" * 15 + b"\r\n"
              + b" word\r\n")
    with one, two, Host(build, port) as host:
        for mode, text, rest in (
                (NOW, b"To: x\n\nbody\n", b"To: x\r\n\r\nbody\r\n"),
                (QUEUE, b"\nbody\n", b"\r\nbody\r\n"),
                (QUEUE, b" folded\nX: y\n", b"\r\n folded\r\nX: y\r\n"),
                (NOW, b"body", b"\r\nbody\r\n"),
                (NOW, b"", b"")):
            name = f"m{mode}{len(text)}"
            line = host.ask("new-fields", name, mode, "x@one.test", *fields)
            assert line[2] == "OK", line
            assert host.ask("write", name, host.file(text), 3)[2] == "OK"
            assert host.ask("send", name)[2] == "OK"
            data = take(one).data
            head, _, found = data.partition(b"From: <me@mail.test>\r\n")
            assert re.fullmatch(rb"Date: [^\r]+\r\n", head), head
            assert found == wanted + rest, found
        for number, (pair, words) in enumerate((
                (("X", "a\\nBcc: b@x.test"), "line ends"),
                (("X: y\\n", "a"), "name"), (("X Y", "a"), "name"),
                (("bcc", "a"), "recipients"),
                (("Return-Path", "a"), "reverse_path"),
                (("To", "jörg@x.test"), "ASCII"),
                (("X", "x" * 1000), "line"))):
            line = host.ask("new-fields", f"bad{number}", NOW, "x@one.test",
                            "X-First", "1", *pair)
            assert line[2] == "ARGUMENT" and words in line[3], line
        line = host.ask("new-fields", "long", NOW, "x@one.test", "X", "y " * 40000)
        assert line[2] == "LIMIT" and "65536" in line[3], line
        assert host.leftovers() == (0, 0)


def test_utf8_addresses(build):
    with Sink(extensions=["SMTPUTF8", "8BITMIME"]) as sink, \
            Sink() as old, Host(build) as host:
        line = host.send("a", RELAY, "jos\u00e9@one.test",
                         relay=("127.0.0.1", sink.port))
        assert line[2] == "OK", line
        assert "SMTPUTF8" in take(sink).mail_line
        line = host.send("b", RELAY, "jos\u00e9@one.test",
                         relay=("127.0.0.1", old.port))
        assert line[2] == "UNSUPPORTED" and "5.6.7" in line[3], line


def test_submit(build):
    with Sink() as sink, Host(build) as host:
        relay = ("127.0.0.1", sink.port)
        path = host.file(TEXT)
        line = host.ask("submit", "a", RELAY, "", "x@one.test", "none", *relay,
                        path)
        assert line[2] == "OK", line
        assert take(sink).data == TEXT
        assert host.results("a")["x@one.test"][0] == DELIVERED
        line = host.ask("reader", "b", RELAY, "<>", "x@one.test", "none",
                        *relay, path)
        assert line[2] == "OK", line
        assert take(sink).data == TEXT
        line = host.ask("reader", "c", QUEUE, "", "x@one.test", "none",
                        "give-up")
        assert line[2] == "CANCELLED", line
        for manner in ("none", "tell", "free-done", "free-first"):
            name = "d-" + manner
            line = host.ask("submit-away", name, RELAY, "", "x@one.test",
                            manner, *relay, path)
            assert line[2] == "OK", line
            assert take(sink).data == TEXT
            if manner in ("tell", "free-done"):
                host.await_done(name)
        line = host.ask("submit", "e", RELAY, "", "x@one.test", "none",
                        "127.0.0.1", free_port(), path)
        assert line[2] == "CONNECTION_REFUSED" and "x@one.test: " in line[3], line
        wait_for(lambda: host.leftovers() == (0, 0), what="an empty store")


def test_handles(build):
    with Host(build) as host:
        assert host.ask("new", "a", QUEUE, "", "x@one.test", "none")[2] == "OK"
        after = len(host.lines)
        assert host.ask("strangers", "a")[2] == "OK"
        for line in host.lines[after:]:
            if line[0].startswith("strange-"):
                want = {"null": "ARGUMENT"}.get(line[1], "HANDLE")
                if line[0] == "strange-identifier":
                    want = "HANDLE"
                if line[:2] == ["strange-free", "null"]:
                    want = "OK"
                assert line[2] == want, line
        for what, want in (("free-null", "OK"), ("new-message", "HANDLE"),
                           ("new-null", "ARGUMENT"), ("new-out", "ARGUMENT"),
                           ("new-envelope", "ARGUMENT"),
                           ("write-null", "ARGUMENT")):
            assert host.wait_line(what, None, after)[2] == want, what


def test_states(build):
    with Sink() as sink, Host(build) as host:
        relay = ("127.0.0.1", sink.port)
        path = host.file(TEXT)
        host.ask("new", "a", RELAY, "", "x@one.test", "none", *relay)
        assert host.ask("wait", "a", 0)[2] == "STATE"
        assert host.results("a")["x@one.test"] == (PENDING, 0, "", "", "")
        assert host.ask("write", "a", path, 9)[2] == "OK"
        assert host.ask("send", "a")[2] == "OK"
        assert host.ask("send", "a")[2] == "STATE"
        assert host.ask("write", "a", path, 9)[2] == "STATE"
        take(sink)
        assert not sink.messages
        for words in (("", "none"), ("x@one.test nobody", "nobody"),
                      (" ".join(f"x{i}@one.test" for i in range(101)),
                       "x100@one.test")):
            line = host.ask("new", "b", QUEUE, "", words[0], "none")
            assert line[2] in ("ARGUMENT", "LIMIT") and words[1] in line[3]
        assert host.ask("stop")[2] == "OK"
        assert host.ask("new", "b", QUEUE, "", "x@one.test",
                        "none")[2] == "STATE"
        assert host.ask("drain", 10000)[2] == "OK"
        assert host.ask("wait", "a", 0)[2] == "OK"
        assert host.results("a")["x@one.test"][0] == DELIVERED


def test_a_text_that_is_too_large(build):
    with Sink() as sink, Host(build, settings={
            "smtp.message_size_max": "100000"}) as host:
        for mode in (QUEUE, RELAY):
            line = host.send(f"m{mode}", mode, "x@one.test",
                             relay=("127.0.0.1", sink.port),
                             text=HEADER + b"x" * 100000, piece=9000)
            assert line[:3] == ["write", f"m{mode}", "TOO_LARGE"], line
            assert host.ask("send", f"m{mode}")[2] == "TOO_LARGE"
            assert host.ask("free", f"m{mode}")[2] == "OK"
        assert host.leftovers() == (0, 0)
        assert not sink.connections


def test_a_store_that_is_full(build):
    """No room: an error at once, and no chunk stays."""
    with Host(build, settings={"general.free_space_min": "1T"}) as host:
        line = host.send("a", QUEUE, "x@one.test", "tell")
        assert line[:3] == ["send", "a", "STORAGE_FULL"], line
        assert host.ask("send", "a")[2] == "STORAGE_FULL"
        assert host.ask("wait", "a", 0)[2] == "STATE"
        line = host.send("b", QUEUE, "x@one.test", text=HEADER + b"x" * 200000)
        assert line[:3] == ["write", "b", "STORAGE_FULL"], line
        line = host.send("n", NOW, "x@one.test", text=HEADER + b"x" * 200000)
        assert line[:3] == ["write", "n", "STORAGE_FULL"], line
        line = host.send("c", NOW, "demo@mail.test")
        assert line[:3] == ["send", "c", "STORAGE_FULL"], line
        assert host.results("c")["demo@mail.test"][0] == DEFERRED
        host.ask("free", "a")
        host.ask("free", "b")
        assert host.leftovers() == (0, 0)
        assert host.events("a") == []
        # room again: the same host goes on
        host.ask("stop")
        host.ask("drain", 10000)
        host.ask("set", "general.free_space_min", "0")
        assert host.ask("start")[2] == "OK"
        assert host.send("d", QUEUE, "demo@mail.test")[2] == "OK"


class Swallower(Listener):
    """A mail host that counts a text and keeps none of it."""

    def __init__(self, address="127.0.0.1", port=0):
        self.sizes = []
        self.may_answer = threading.Event()
        self.may_answer.set()
        super().__init__(address, port)

    def talk(self, peer):
        with peer.makefile("rb") as lines:
            peer.sendall(b"220 swallower.test ESMTP\r\n")
            for line in lines:
                verb = line[:4].upper()
                if verb == b"DATA":
                    peer.sendall(b"354 go ahead\r\n")
                    size = 0
                    for text in lines:
                        if text == b".\r\n":
                            break
                        size += len(text) - text.startswith(b".")
                    self.sizes.append(size)
                    self.may_answer.wait()
                peer.sendall(b"221 bye\r\n" if verb == b"QUIT"
                             else b"250 ok\r\n")


def peak_mib(host, anew=False):
    """The most memory that the host had, since it was asked anew."""
    pid = host.process.pid
    if anew:
        with open(f"/proc/{pid}/clear_refs", "w", encoding="ascii") as f:
            f.write("5")
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return int(re.search(r"VmHWM:\s+(\d+)", f.read())[1]) / 1024


def test_S17_large_texts(build):
    """S17: 30 MB need no 30 MB, whichever way they go; nothing of a text that
    goes out at once is left, not after a kill either."""
    port = free_port()
    one = Swallower("127.0.0.31", port)
    line = b".%098d\r\n" % 7
    text = HEADER + line * (30_000_000 // len(line))
    ways = {"warm": (QUEUE, "x@one.test"),  # fills the store's page cache
            "queue": (QUEUE, "x@one.test"), "now": (NOW, "x@one.test"),
            "relay": (RELAY, "x@one.test"), "here": (NOW, "demo@mail.test"),
            "both": (NOW, "demo@mail.test x@one.test")}
    host = Host(build, port, settings={"smtp.message_size_max": "100M"})
    with host:
        path = host.file(text)
        for name, (mode, recipients) in ways.items():
            relay = ("127.0.0.31", port) if mode == RELAY else ()
            before = peak_mib(host, anew=True)
            assert host.ask("reader", name, mode, "me@mail.test", recipients,
                            "none", *relay, path, seconds=120)[2] == "OK"
            assert host.ask("wait", name, 120000, seconds=130)[2] == "OK"
            grown = peak_mib(host) - before
            print(f"{name}: {len(text) / 1e6:.0f} MB, memory grows from "
                  f"{before:.1f} MiB by {grown:.1f} MiB")
            assert name == "warm" or is_sanitized(build) or grown < 8, name
        assert one.sizes == [len(text)] * 5, one.sizes
        wait_for(lambda: host.leftovers()[0] == 2, what="the mailbox's two")
        assert [size > len(text) for _, size in host.mailbox()] == [True] * 2
        one.may_answer.clear()  # what memory holds is not on disk
        before = host.leftovers()
        host.tell("+submit", "s", NOW, "me@mail.test", "x@one.test", "none",
                  host.file(text[:100_000]))
        wait_for(lambda: len(one.sizes) == 6, what="the text")
        assert host.leftovers() == before
        host.tell("+submit", "k", NOW, "me@mail.test", "x@one.test", "none",
                  host.file(text[:1_000_000]))
        wait_for(lambda: len(one.sizes) == 7, what="the text")
        assert host.leftovers()[1] > before[1]
        host.kill()
        one.close()
        host.start()
        wait_for(lambda: host.leftovers() == before, what="the sweep")


def test_free_in_work(build):
    """Given back while it is written, sent, waited for, told."""
    gate = threading.Event()

    def slow(argument):
        gate.wait(20)
        return "250 2.0.0 queued"

    with Sink(replies={"END": slow}) as sink, Host(build) as host:
        relay = ("127.0.0.1", sink.port)
        # unsent, with chunks in the store
        host.ask("new", "w", QUEUE, "", "x@one.test", "none")
        host.ask("write", "w", host.file(HEADER + b"x" * 300000), 5000)
        assert host.leftovers()[1] > 0
        assert host.ask("free", "w")[2] == "OK"
        assert host.leftovers() == (0, 0)
        # a call waits in send, another in wait: both are woken
        host.ask("new", "s", RELAY, "", "x@one.test", "none", *relay)
        host.tell("+send", "s")
        wait_for(lambda: sink.connections, what="a connection")
        assert host.ask("wait", "s", 100)[2] == "TIMEOUT"
        after = len(host.lines)
        host.tell("+wait", "s", 20000)
        time.sleep(0.3)
        assert host.ask("free", "s")[2] == "OK"
        assert host.wait_line("send", "s", after)[2] == "HANDLE"
        assert host.wait_line("wait", "s", after)[2] == "HANDLE"
        # without the host it goes on; no event comes any more
        assert host.send("e", RELAY, "y@one.test", "tell",
                         relay=relay)[2] == "OK"
        wait_for(lambda: any(e[0] == DIALOG for e in host.events("e")),
                 what="the dialogue")
        assert host.ask("free", "e")[2] == "OK"
        count = len(host.events("e"))
        gate.set()
        wait_for(lambda: len(sink.messages) == 2, what="both messages")
        assert len(host.events("e")) == count
        # from inside its own callback, at the first event and at the last
        for manner in ("free-first", "free-done"):
            assert host.send(manner, RELAY, "z@one.test", manner,
                             relay=relay)[2] == "OK"
            assert host.wait_line("inner-free", manner)[2] == "OK"
        wait_for(lambda: len(sink.messages) == 4, what="all four")
        time.sleep(0.2)
        assert len(host.events("free-first")) == 1


def test_stop_in_work(build):
    """Stop and drain with all kinds open: DONE comes, waiters are woken, what
    is queued stays so."""
    gate = threading.Event()

    def slow(argument):
        gate.wait(20)
        return "250 2.0.0 queued"

    with Sink(replies={"END": slow}) as sink, Host(build, settings={
            "queue.holds": "true"}) as host:
        relay = ("127.0.0.1", sink.port)
        host.ask("new", "sync", RELAY, "", "x@one.test", "none", *relay)
        host.tell("+send", "sync")
        assert host.send("async", RELAY, "y@one.test", "slow",
                         relay=relay)[2] == "OK"
        assert host.send("queued", QUEUE, "x@one.test", "slow")[2] == "OK"
        host.ask("new", "open", QUEUE, "", "x@one.test", "none")
        host.ask("write", "open", host.file(HEADER + b"x" * 300000), 5000)
        host.tell("+wait", "queued", 60000)
        wait_for(lambda: sink.connections == 2, what="two connections")
        assert host.ask("stop")[2] == "OK"
        after = len(host.lines)
        line = host.ask("drain", 300)
        assert line[2] == "TIMEOUT", line
        at = host.lines.index(line)
        for name in ("async", "queued"):
            ends = [i for i, l in enumerate(host.lines) if l[:3] ==
                    ["event-end", name, str(DONE)]]
            assert len(ends) == 1 and ends[0] < at, host.lines
        gate.set()
        assert host.wait_line("wait", "queued", after)[2] == "STOPPED"
        assert host.wait_line("send", "sync", after)[2] != "OK"
        assert host.results("queued")["x@one.test"][:3] == (
            DEFERRED, 0, "4.3.2")
        assert host.results("async")["y@one.test"][0] == DEFERRED
        assert host.ask("send", "open")[2] == "STOPPED"
        assert host.ask("wait", "queued", 0)[2] == "STOPPED"
        # the handles outlive the instance
        assert host.ask("destroy")[2] == "OK"
        assert host.results("queued")["x@one.test"][0] == DEFERRED
        for name in ("sync", "async", "queued", "open"):
            assert host.ask("free", name)[2] == "OK"
        assert "x@one.test" in host.control("queue", "list")


def test_stop_after_sending(build):
    """What was handed in before a stop is still sent."""
    with Sink() as sink, Host(build) as host:
        relay = ("127.0.0.1", sink.port)
        for i in range(20):
            assert host.send(f"m{i}", RELAY, "x@one.test", "tell",
                             relay=relay)[2] == "OK"
        assert host.ask("stop")[2] == "OK"
        assert host.ask("drain", 20000)[2] == "OK"
        assert len(sink.messages) == 20
        for i in range(20):
            assert host.results(f"m{i}")["x@one.test"][0] == DELIVERED


def test_restart(build):
    """What was queued goes out in the next life of the instance."""
    port = free_port()
    one, two = sinks(port)
    with one, two, Host(build, port, settings={"queue.holds": "true"}) as host:
        assert host.send("a", QUEUE, "x@one.test")[2] == "OK"
        host.ask("stop")
        host.ask("drain", 10000)
        host.ask("set", "queue.holds", "false")
        assert host.ask("start")[2] == "OK"
        wait_for(lambda: one.messages, what="the message")
        assert host.ask("wait", "a", 0)[2] == "STOPPED"
        assert host.send("b", NOW, "x@one.test")[2] == "OK"


def test_an_operator_takes_it_out(build):
    """mailmod_queue_act DELETE: who waits for the message learns of it."""
    with Host(build, settings={"queue.holds": "true"}) as host:
        for name in ("a", "b"):
            line = host.send(name, QUEUE, "x@one.test y@two.test", "tell")
            assert line[2] == "OK", line
        after = len(host.lines)
        host.tell("+wait", "a", 30000)
        assert host.ask("delete", "a")[2] == "OK"
        assert host.wait_line("wait", "a", after)[2] == "OK"
        assert host.events("a") == [(DONE, 0)]
        for result in host.results("a").values():
            assert result[:3] == (FAILED, 0, "5.0.0"), result
        assert host.ask("wait", "b", 100)[2] == "TIMEOUT"


def test_waits(build):
    with Sink() as sink, Host(build) as host:
        relay = ("127.0.0.1", sink.port)
        host.ask("set", "sending.waits", "always")
        assert host.ask("reload")[2] == "OK"
        assert host.send("a", RELAY, "x@one.test", "slow",
                         relay=relay)[2] == "OK"
        check_order(host.events("a"), len(TEXT))
        # freed by the callback that the call waits for
        assert host.send("b", RELAY, "x@one.test", "free-done",
                         relay=relay)[2] == "HANDLE"
        host.ask("set", "sending.waits", "never")
        assert host.ask("reload")[2] == "OK"
        line = host.send("c", RELAY, "x@one.test",
                         relay=("127.0.0.1", free_port()))
        assert line[2] == "OK", line
        assert host.ask("wait", "c", 20000)[2] == "OK"
        assert host.results("c")["x@one.test"][0] == DEFERRED


def test_many_at_once(build):
    """More messages than attempts; every callback comes."""
    with Sink() as sink, Host(build, settings={
            "queue.attempts_max": "5"}) as host:
        relay = ("127.0.0.1", sink.port)
        path = host.file(TEXT)
        names = [f"m{i}" for i in range(100)]
        for i, name in enumerate(names):
            host.tell("submit-away" if i % 2 else "submit", name, RELAY, "",
                      f"x{i}@one.test", "tell", *relay, path)
        for name in names:
            check_order(host.await_done(name), len(TEXT))
        wait_for(lambda: len(sink.messages) == 100, what="all of them")


def test_a_storm_and_a_stop(build):
    """Many threads send, free and wait while the instance stops under them."""
    manners = ("tell", "none", "free-first", "free-done", "slow")
    with Sink() as sink, Host(build) as host:
        relay = ("127.0.0.1", sink.port)
        path = host.file(TEXT)
        names = [f"m{i}" for i in range(200)]
        for i, name in enumerate(names):
            manner = manners[i % len(manners)]
            verb = "+submit-away" if i % 3 == 0 else "+submit"
            host.tell(verb, name, (RELAY, QUEUE)[i // 5 % 2], "",
                      f"x{i}@one.test demo@mail.test", manner, *relay, path)
            if i == 120:
                host.tell("+stop")
        assert host.wait_line("stop", None)[2] == "OK"
        assert host.ask("drain", 2000)[2] in ("OK", "TIMEOUT")
        for name in names:
            line = host.wait_line("submit", name)
            manner = manners[int(name[1:]) % len(manners)]
            if line[2] == "OK" and manner in ("tell", "slow"):
                steps = [e[0] for e in host.events(name)]
                assert steps.count(DONE) == 1 and steps[-1] == DONE, steps
        assert host.ask("destroy")[2] == "OK"


main(__name__, test_now_and_waiting, test_now_by_events,
     test_now_without_an_answer, test_unsure, test_here, test_relay,
     test_relay_is_kept,
     test_relay_with_a_login, test_relay_with_a_token, test_relay_under_tls,
     test_queue,
     test_queue_survives, test_odd_pieces, test_fields_are_added,
     test_header_fields,
     test_utf8_addresses, test_submit, test_handles, test_states,
     test_a_text_that_is_too_large, test_a_store_that_is_full,
     test_S17_large_texts,
     test_free_in_work, test_stop_in_work,
     test_stop_after_sending, test_restart,
     test_an_operator_takes_it_out, test_waits, test_many_at_once,
     test_a_storm_and_a_stop)
