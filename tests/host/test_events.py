"""A host that hears what became of mail: each outcome once, after it is on
disk, with what belongs to it; none is lost for a slow callback or a stop.

The host program is events.c.
"""
import os
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "integration"))
from dnsserver import NameServer  # noqa: E402
from harness import SANITIZER, Wire, free_port, main, wait_for  # noqa: E402
from sink import Sink  # noqa: E402

DELIVERED, BOUNCED, DEFERRED, EXPIRED, REMOVED = 1, 2, 4, 8, 16
RECORDS = {("one.test", "MX"): ["10 mx.one.test"],
           ("mx.one.test", "A"): ["127.0.0.31"],
           ("null.test", "MX"): ["0 ."]}
FIELDS = ("who", "kind", "connection", "message", "sender", "recipient",
          "error", "code", "enhanced", "attempts", "host", "text")


class Host:
    def __init__(self, build, port=0, more=None):
        self.dns = NameServer(RECORDS)
        self.folder = tempfile.TemporaryDirectory(prefix="mailmod-events-")
        settings = {
            "general.data_folder": self.folder.name,
            "general.host_name": "mail.test", "local.domains": "mail.test",
            "smtp.listen": "", "smtp.relay_from": "127.0.0.1/32",
            "submission.listen": "127.0.0.1:0", "submissions.listen": "",
            "pop3.listen": "", "pop3s.listen": "",
            "dns.servers": self.dns.address,
            "delivery.port": str(port or free_port()), "queue.steps": "1s",
            "delivery.refuses": "",
            "queue.jitter": "0", **(more or {})}
        self.process = subprocess.Popen(
            [os.path.join(build, "tests", "host", "events"),
             *(f"{key}={value}" for key, value in settings.items())],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True)
        self.lines = []
        self.reader = threading.Thread(
            target=lambda: self.lines.extend(self.process.stdout))
        self.reader.start()
        self.smtp = int(self.line("port\t").split("\t")[1])

    def line(self, start):
        def find():
            return [line for line in list(self.lines)
                    if line.startswith(start)]
        wait_for(find, what=start)
        return find()[0]

    def tell(self, line):
        before = len(self.lines)
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        wait_for(lambda: f"told\t{line}\n" in self.lines[before:], what=line)

    def events(self):
        found = [line.rstrip("\n").split("\t")[1:]
                 for line in list(self.lines) if line.startswith("event\t")]
        return [dict(zip(FIELDS, words)) for words in found]

    def of(self, recipient):
        return [event for event in self.events()
                if event["recipient"] == recipient]

    def deliver(self, *recipients, sender="me@one.test"):
        with Wire(self.smtp) as wire:
            wire.reply()
            wire.ask("EHLO c.test")
            assert wire.ask(f"MAIL FROM:<{sender}>")[:3] == "250"
            for recipient in recipients:
                assert wire.ask(f"RCPT TO:<{recipient}>")[:3] == "250"
            assert wire.ask("DATA")[:3] == "354"
            wire.send(b"Subject: x\r\n\r\nx\r\n.\r\n")
            reply = wire.reply()
            wire.ask("QUIT")
            return reply.split(" as ")[1].strip()

    def stop(self):
        self.process.stdin.close()
        self.reader.join(60)
        return self.process.wait(120)

    def __enter__(self):
        return self

    def __exit__(self, kind, *rest):
        if kind is not None:
            self.process.kill()
        code = self.stop() if not self.process.stdin.closed else 0
        err = self.process.stderr.read()
        self.folder.cleanup()
        self.dns.close()
        print("".join(self.lines)[-4000:], err[-4000:])
        assert kind is not None or (code == 0 and not SANITIZER.search(err))


def test_each_once(build):
    """Delivered here and elsewhere, bounced, deferred and then delivered."""
    tries = []

    def answer(argument):
        if "bad" in argument:
            return "550 5.1.1 no such one"
        if "later" in argument:
            tries.append(1)
            return "451 4.2.1 later" if len(tries) == 1 else "250 2.1.5 ok"
        return "250 2.1.5 ok"

    port = free_port()
    with Sink("127.0.0.31", port, {"RCPT": answer}) as sink, \
            Host(build, port) as host:
        sent = host.deliver("demo@mail.test", "x@one.test", "bad@one.test",
                            "later@one.test", "y@null.test")
        wait_for(lambda: len(host.events()) >= 6, what="the events")
        assert host.stop() == 0
        assert len(host.events()) == 6, host.events()
        for event in host.events():
            assert event["message"] == sent and event["who"] == "first"
            assert event["sender"] == "me@one.test", event
        here, = host.of("demo@mail.test")
        assert (here["kind"], here["host"], here["attempts"]) == ("1", "", "1")
        accepted = [line for line in host.lines if "message accepted" in line]
        assert f"session={here['connection']}" in accepted[0]
        there, = host.of("x@one.test")
        assert (there["kind"], there["host"], there["code"], there["error"]
                ) == ("1", "mx.one.test", "250", "0"), there
        delivered = [line for line in host.lines if "delivery: delivered" in
                     line and "recipient=x@one.test" in line]
        assert f"session={there['connection']}" in delivered[0], delivered
        bad, = host.of("bad@one.test")
        assert (bad["kind"], bad["code"], bad["enhanced"], bad["text"]) == (
            "2", "550", "5.1.1", "no such one")
        null, = host.of("y@null.test")
        assert (null["kind"], null["code"], null["error"],
                null["connection"]) == ("2", "0", "-703", "0" * 16), null
        first, second = host.of("later@one.test")
        assert (first["kind"], first["attempts"]) == ("4", "1"), first
        assert (second["kind"], second["attempts"]) == ("1", "2"), second
        taken = [path for message in sink.messages
                 for path in message.recipients if path != "me@one.test"]
        assert sorted(taken) == ["later@one.test", "x@one.test"], taken
        assert host.lines[-2:] == ["released\tfirst\n", "freed\n"]


def test_unsure(build):
    """A host that says nothing to the whole message: the cause tells it."""
    port = free_port()
    answers = {"END": None}
    with Sink("127.0.0.31", port, answers) as sink, \
            Host(build, port, {"delivery.unsure_wait": "1s"}) as host:
        host.deliver("x@one.test")
        first = wait_for(lambda: host.of("x@one.test"), what="an attempt")[0]
        assert (first["kind"], first["error"], first["host"],
                first["enhanced"]) == (str(DEFERRED), "-904", "mx.one.test",
                                       "4.4.2"), first
        assert "may have been taken" in first["text"]
        assert first["connection"] != "0" * 16
        del answers["END"]
        last = wait_for(lambda: [e for e in host.of("x@one.test")
                                 if e["kind"] == str(DELIVERED)],
                        what="the delivery")[0]
        assert last["error"] == "0" and len(sink.messages) == 1
        assert host.stop() == 0


def test_a_slow_callback_and_a_stop(build):
    """All is told before the drain is over; a former callback gets its own."""
    with Host(build) as host:
        host.tell("hold")
        for _ in range(20):
            host.deliver("demo@mail.test")
        host.tell("other")
        host.deliver("demo@mail.test")
        assert not host.events()
        host.tell("go")
        wait_for(lambda: len(host.events()) == 21, what="all of them")
        assert [event["who"] for event in host.events()] == (
            ["first"] * 20 + ["second"])
        assert "released\tfirst\n" in host.lines
        host.tell("hold")
        host.deliver("demo@mail.test")
        host.tell("go")
        assert host.stop() == 0
        assert len(host.events()) == 22


def test_removed(build):
    with Host(build) as host:
        host.tell("send me@mail.test x@one.test")
        wait_for(lambda: host.of("x@one.test"), what="an attempt")
        host.tell("delete")
        wait_for(lambda: host.of("x@one.test")[-1]["kind"] == str(REMOVED),
                 what="the removal")
        assert host.stop() == 0
        kinds = [int(event["kind"]) for event in host.of("x@one.test")]
        assert kinds.count(REMOVED) == 1 and set(kinds) <= {DEFERRED, REMOVED}


main(__name__, test_each_once, test_unsure, test_a_slow_callback_and_a_stop, test_removed)
