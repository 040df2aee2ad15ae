"""ETRN (RFC 1985): a host that is connected now and then asks for its mail."""
from dnsserver import NameServer
from harness import Daemon, Wire, main, wait_for
from sink import Sink

RECORDS = {("node.test", "MX"): ["10 mx.node.test"],
           ("below.node.test", "MX"): ["10 mx.node.test"],
           ("mx.node.test", "A"): ["127.0.0.41"]}


def settings_of(dns, sink):
    return {"dns.servers": f"127.0.0.1:{dns.port}",
            "delivery.port": sink.port, "smtp.etrn_from": "127.0.0.0/8"}


def ask(daemon, *commands):
    """The replies to the commands of one session, behind EHLO."""
    with Wire(daemon.port("smtp")) as wire:
        wire.reply()
        extensions = wire.ask("EHLO node.test")
        return extensions, [wire.ask(command) for command in commands]


def send(daemon, *recipients):
    with daemon.smtp("submissions") as client:
        client.login("demo", "secret")
        client.sendmail("demo@mail.test", recipients, b"Subject: x\r\n\r\nx\r\n")


def waiting(daemon, count):
    """So many recipients were put off."""
    wait_for(lambda: daemon.ctl("queue", "list", "--state", "tried")
             .stdout.count("not now") == count, what="failed attempts")


def test_mail_is_tried_at_once(build):
    with NameServer(RECORDS) as dns, Sink(host="127.0.0.41") as sink, \
            Daemon(build, settings=settings_of(dns, sink)) as daemon:
        sink.replies = {"RCPT": "451 4.3.0 not now"}
        send(daemon, "a@node.test", "b@below.node.test")
        waiting(daemon, 2)
        extensions, replies = ask(daemon, "ETRN other.test", "ETRN de.test",
                                  "ETRN @test.node.test")
        assert "ETRN" in extensions, extensions
        assert all(r.startswith("251 ") for r in replies), replies
        assert not sink.messages
        sink.replies = {}
        _, (reply,) = ask(daemon, "ETRN node.test")
        assert reply.startswith("250 "), reply
        wait_for(lambda: len(sink.messages) == 1, what="the node's mail")
        assert sink.messages[0].recipients == ["a@node.test"]
        _, (reply,) = ask(daemon, "ETRN @node.test")
        assert reply.startswith("250 "), reply
        wait_for(lambda: len(sink.messages) == 2, what="that below it")
        daemon.wait_log("queue started by ETRN.*domain=node.test.*recipients=1")


def test_many(build):
    """More than one step of the store's, and what is held stays held."""
    with NameServer(RECORDS) as dns, Sink(host="127.0.0.41") as sink, \
            Daemon(build, settings={**settings_of(dns, sink),
                                    "rates.user_messages_max": 0}) as daemon:
        sink.replies = {"RCPT": "451 4.3.0 not now"}
        for part in range(4):
            send(daemon, *[f"u{part}-{i}@node.test" for i in range(90)])
        waiting(daemon, 360)
        daemon.ctl("queue", "hold", "--recipient", "u0-0@node.test")
        sink.replies = {}
        _, (reply,) = ask(daemon, "ETRN node.test")
        assert reply.startswith("250 "), reply
        wait_for(lambda: sum(len(m.recipients) for m in sink.messages) == 359,
                 what="359 recipients")
        left = daemon.ctl("queue", "list").stdout
        assert "u0-0@node.test" in left and "1 recipient" in left, left


def test_not_allowed(build):
    """Who is in none of the networks has no such command."""
    with Daemon(build, settings={"smtp.etrn_from": "192.0.2.0/24"}) as daemon:
        extensions, (reply,) = ask(daemon, "ETRN mail.test")
        assert "ETRN" not in extensions, extensions
        assert reply.startswith("502 "), reply


main(__name__, test_mail_is_tried_at_once, test_many, test_not_allowed)
