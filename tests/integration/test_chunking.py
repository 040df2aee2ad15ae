"""RFC 3030 on the way out: BDAT where it is offered, the same octets as by
DATA, and hosts that offer it and cannot do it."""
import os
import re
import smtplib

from dnsserver import NameServer
from harness import Daemon, main, wait_for
from sink import Sink

BODY = (b"Subject: x\r\nMessage-ID: <1@x.test>\r\n"
        b"Date: Thu, 01 Jan 1970 00:00:00 +0000\r\nFrom: demo@mail.test\r\n"
        b"\r\n.\r\n..dots\r\n.end")
OFFERS = ["PIPELINING", "CHUNKING", "8BITMIME"]


def settings_of(sink):
    return {"smarthost.host": "127.0.0.1", "smarthost.port": sink.port,
            "smarthost.tls": "off"}


def send(daemon, text, to="a@far.test"):
    with daemon.smtp("submissions") as client:
        client.login("demo", "secret")
        client.sendmail("demo@mail.test", [to], text)


def arrived(sink, count=1):
    wait_for(lambda: len(sink.messages) == count,
             what=f"{count} messages")
    return sink.messages[-1]


def stripped(message):
    """Without the fields that name the transaction."""
    return re.sub(rb"^Received:.*?\r\n(?=\S)", b"", message.data,
                  flags=re.S | re.M)


def test_same_octets(build):
    """Small and large, by BDAT and by DATA."""
    large = BODY + b"\r\n" + (b".line of text %64d\r\n" % 7) * 4000
    for text, chunks in ((BODY, 1), (large, 5)):
        got = []
        for offers in (OFFERS, ["PIPELINING", "8BITMIME"]):
            with Sink(extensions=offers) as sink, \
                    Daemon(build, settings=settings_of(sink)) as daemon:
                send(daemon, text)
                got.append(arrived(sink))
        by_chunks, by_data = got
        assert stripped(by_chunks) == stripped(by_data)
        assert stripped(by_data).endswith(
            text if text.endswith(b"\r\n") else text + b"\r\n")
        assert len(by_chunks.chunks) >= chunks, by_chunks.chunks
        assert by_chunks.chunks[-1] > 0 and not by_data.chunks


def test_off_and_without_pipelining(build):
    with Sink(extensions=OFFERS) as sink, \
            Daemon(build, settings={**settings_of(sink),
                                    "delivery.chunks": False}) as daemon:
        send(daemon, BODY)
        assert not arrived(sink).chunks
    with Sink(extensions=["CHUNKING"]) as sink, \
            Daemon(build, settings=settings_of(sink)) as daemon:
        send(daemon, BODY)
        assert len(arrived(sink).chunks) == 1
        send(daemon, BODY + b"\r\n" + b"x" * 70 * 1024)
        assert not arrived(sink, 2).chunks


def test_bdat_is_not_known(build):
    """Offered, and 502: the same attempt brings it by DATA over another
    connection, and the next message does not try again."""
    for reply in ("502 5.5.1 what", "500 what", "503 5.5.1 sequence"):
        with Sink(extensions=OFFERS, replies={"BDAT": reply}) as sink, \
                Daemon(build, settings=settings_of(sink)) as daemon:
            send(daemon, BODY)
            message = arrived(sink)
            assert not message.chunks and message.recipients == ["a@far.test"]
            assert sink.connections == 2, sink.connections
            daemon.wait_log("offers CHUNKING and refuses BDAT")
            send(daemon, BODY)
            arrived(sink, 2)
            assert sink.connections <= 3, sink.connections
            assert sum("refuses BDAT" in line for line in daemon.lines) == 1


def test_bdat_ends_the_connection(build):
    """Whoever hangs up at BDAT gets the next attempt by DATA."""
    with Sink(extensions=OFFERS, replies={"BDAT": None}) as sink, \
            Daemon(build, settings=settings_of(sink)) as daemon:
        send(daemon, BODY)
        wait_for(lambda: sink.connections > 0, what="an attempt")
        wait_for(lambda: "no reply after" in
                 daemon.ctl("queue", "list").stdout, what="an unsure attempt")
        daemon.ctl("queue", "flush")
        assert not arrived(sink).chunks


def test_refusals(build):
    """A verdict about the message is one, whatever way it comes."""
    with Sink(extensions=OFFERS, replies={"END": "554 5.7.1 spam"}) as sink, \
            Daemon(build, settings=settings_of(sink)) as daemon:
        send(daemon, BODY)
        report, = wait_for(daemon.messages, what="a report")
        assert b"5.7.1 spam" in report and sink.connections == 1
        sink.replies = {"RCPT": "550 5.1.1 nobody"}
        send(daemon, BODY)
        wait_for(lambda: len(daemon.messages()) == 2, what="a report")
        sink.replies = {}
        send(daemon, BODY)
        assert len(arrived(sink).chunks) == 1


def test_to_mailmod(build):
    """From one mailmod to another, many messages over few connections."""
    with Daemon(build) as there:
        with Daemon(build, host="other.test", settings={
                "local.domains": "other.test",
                "smarthost.host": "127.0.0.1",
                "smarthost.port": there.port("smtp"),
                "smarthost.tls": "may",
                "smarthost.verifies": False,
                "general.log_level": "wire"}) as daemon:
            for i in range(20):
                with daemon.smtp("submissions") as client:
                    client.login("demo", "secret")
                    client.sendmail("demo@other.test", ["demo@mail.test"],
                                    BODY + b"\r\n%d\r\n" % i)
            texts = wait_for(
                lambda: (lambda m: m if len(m) == 20 else None)(
                    there.messages()), what="20 messages")
            assert all(b"\r\n\r\n.\r\n..dots\r\n.end\r\n" in t for t in texts)
            daemon.wait_log("BDAT.*LAST")


main(__name__, test_same_octets, test_off_and_without_pipelining,
     test_bdat_is_not_known, test_bdat_ends_the_connection, test_refusals,
     test_to_mailmod)
