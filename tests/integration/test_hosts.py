"""Outgoing mail to hosts of every temper: old, broken, silent, slow, gone.

What must come of it is in docs/operations.md, "For good or for now": each test
takes rows of that table to a real socket. Also the queue over kill -9, and
mailmod as its own smarthost, by every kind of TLS and login.
"""
import os
import random
import socket
import sqlite3
import tempfile
import threading
import time

from dnsserver import NameServer
from harness import PATIENCE, Daemon, free_port, main, wait_for
from sink import Sink
from test_delivery import Bench, make_certificate

ONE = {("x.test", "A"): ["127.0.0.1"]}
EIGHT = b"Subject: octets\r\n\r\n\xe4\xf6\xfc\r\n"


def test_old_host_without_ehlo(build):
    def hello(argument):
        return "502 5.5.1 what is that" if hello.verb == "EHLO" \
            else "250 old.test"

    class OldSink(Sink):
        def reply(self, verb, argument, default):
            hello.verb = verb
            return super().reply(verb, argument, default)
    with OldSink(replies={"EHLO": hello, "HELO": hello}) as sink, \
            Bench(build, ONE, sink.port) as bench:
        bench.submit("a@x.test", body=EIGHT)
        message = wait_for(lambda: sink.messages, what="the message")[0]
        # RFC 5321 3.2; parameters are only for hosts that offered them, and
        # 8-bit text goes as quoted-printable (RFC 6152 3).
        assert message.mail_line.strip().endswith(">"), message.mail_line
        assert message.data.endswith(b"\r\n\r\n=E4=F6=FC\r\n"), message.data
        assert b"quoted-printable" in message.data


def test_extensions_are_used_when_offered(build):
    with Sink(extensions=["8BITMIME", "SIZE 100000", "SMTPUTF8",
                          "PIPELINING"]) as sink, \
            Bench(build, ONE, sink.port) as bench:
        bench.submit("a@x.test", body=EIGHT, options=["BODY=8BITMIME"])
        message = wait_for(lambda: sink.messages, what="the message")[0]
        assert "BODY=8BITMIME" in message.mail_line
        assert f"SIZE={len(message.data)}" in message.mail_line, (
            message.mail_line, len(message.data))
        assert "SMTPUTF8" not in message.mail_line


def submit_utf8(bench, recipient):
    with bench.daemon.smtp("submission", local_hostname="c.test") as smtp:
        smtp.ehlo()
        code, reply = smtp.docmd("MAIL FROM:<demo@mail.test> SMTPUTF8")
        assert code == 250, reply
        smtp.send(f"RCPT TO:<{recipient}>\r\n".encode())
        assert smtp.getreply()[0] == 250
        assert smtp.data(b"Subject: x\r\n\r\nx\r\n")[0] == 250


def test_utf8_addresses(build):
    with Sink(extensions=["SMTPUTF8", "8BITMIME"]) as sink, \
            Bench(build, ONE, sink.port) as bench:
        submit_utf8(bench, "jörg@x.test")
        message = wait_for(lambda: sink.messages, what="the message")[0]
        assert "SMTPUTF8" in message.mail_line
        assert message.recipients == ["jörg@x.test".encode().decode("latin-1")]
    with Sink(extensions=["8BITMIME"]) as sink, \
            Bench(build, ONE, sink.port) as bench:
        submit_utf8(bench, "jörg@x.test")
        bench.daemon.wait_log(r"delivery: failed .*dsn=5\.6\.7")
        report = wait_for(bench.daemon.messages, what="the report")[0]
        assert b"Status: 5.6.7" in report
        assert sink.messages == []


def test_message_larger_than_announced(build):
    with Sink(extensions=["SIZE 1000"]) as sink, \
            Bench(build, ONE, sink.port) as bench:
        bench.submit("a@x.test", body=b"Subject: x\r\n\r\n" + b"y\r\n" * 1000)
        line = bench.logged("failed", "a@x.test")
        assert "dsn=5.3.4" in line, line
        assert sink.messages == []


def test_cut_after_the_final_dot(build):
    """Nobody knows whether it was taken: again later, at no other host now."""
    port = free_port()
    ends = []

    def end(_):
        ends.append(time.monotonic())
        return None if len(ends) == 1 else "250 2.0.0 queued"
    records = {("x.test", "MX"): ["10 a.x.test", "20 b.x.test"],
               ("a.x.test", "A"): ["127.0.0.61"],
               ("b.x.test", "A"): ["127.0.0.62"]}
    with Sink("127.0.0.61", port, {"END": end}) as first, \
            Sink("127.0.0.62", port) as second, \
            Bench(build, records, port,
                  {"delivery.unsure_wait": 0}) as bench:
        bench.submit("a@x.test")
        line = bench.logged("deferred", "a@x.test")
        assert "dsn=4.4.2" in line and "may have been taken" in line, line
        assert "cause=UNSURE" in line, line
        bench.daemon.wait_log("unsure whether the message was taken")
        wait_for(lambda: first.messages, what="the second try")
        assert second.connections == 0


def waits_of(bench):
    """[(seconds until the next attempt, unsure host)] of the queue."""
    folder = bench.daemon.settings["general.data_folder"]
    db = sqlite3.connect(f"file:{folder}/mailmod.db?mode=ro", uri=True)
    try:
        return [((next_ms - arrival_ms) / 1000, host) for
                next_ms, arrival_ms, host in db.execute(
                    "SELECT next_attempt_ms,arrival_ms,unsure_host FROM "
                    "recipient JOIN message ON id=message_id "
                    "WHERE path='a@x.test'")]
    finally:
        db.close()


TWO_HOSTS = {("x.test", "MX"): ["10 a.x.test", "20 b.x.test"],
             ("a.x.test", "A"): ["127.0.0.61"],
             ("b.x.test", "A"): ["127.0.0.62"]}


def test_who_may_have_it_is_asked_first(build):
    """The second host got all of it and said nothing. After a restart it is
    asked before the first one, which is back, to which a connection stands; not
    before the longer wait."""
    port = free_port()
    answers = {"END": None}
    is_due = threading.Event()

    def end(_):
        is_due.wait(PATIENCE)
        return "250 2.0.0 queued"
    with Sink("127.0.0.62", port, answers) as second, \
            Bench(build, TWO_HOSTS, port, {
                "delivery.unsure_wait": "6h",
                "queue.destination_max": 1}) as bench:
        bench.submit("a@x.test")
        bench.logged("deferred", "a@x.test")
        (wait, host), = waits_of(bench)
        assert wait >= 6 * 3600 and host == "b.x.test", (wait, host)
        assert "unsure, may be there already: b.x.test" in bench.queue()
        bench.daemon.stop()
        with Sink("127.0.0.61", port, {"END": end}) as first:
            bench.daemon.start()
            bench.submit("c@x.test")
            wait_for(lambda: first.connections, what="another's mail")
            assert not second.messages
            del answers["END"]
            bench.daemon.ctl("queue", "flush")
            is_due.set()  # the next one for this very connection
            message = wait_for(lambda: second.messages, what="the mail")[0]
            assert message.recipients == ["a@x.test"]
            wait_for(lambda: "empty" in bench.queue(), what="an empty queue")
            assert [m.recipients for m in first.messages] == [["c@x.test"]]


def test_who_may_have_it_is_gone(build):
    """He cannot be reached: another host gets it. The sender, who is told that
    it is late, hears that it may have arrived."""
    port = free_port()
    with Bench(build, TWO_HOSTS, port, {
            "delivery.unsure_wait": 0, "queue.steps": "1h"}) as bench:
        with Sink("127.0.0.61", port, {"END": None}):
            bench.submit("a@x.test")
            bench.logged("deferred", "a@x.test")
        assert waits_of(bench)[0][1] == "a.x.test"
        bench.daemon.settings["queue.warn_after"] = "1s"
        bench.daemon.stop()
        bench.daemon.start()
        bench.daemon.ctl("queue", "flush")
        report = wait_for(bench.daemon.messages, what="the notice")[0]
        assert b"Action: delayed" in report, report
        text = b" ".join(report.split())
        assert b"It may have arrived: no answer came when all of it had " \
            b"been sent to a.x.test" in text, report
        assert waits_of(bench)[0][1] == "a.x.test"
        with Sink("127.0.0.62", port) as second:
            bench.daemon.ctl("queue", "flush")
            wait_for(lambda: second.messages, what="the mail")


def test_unsure_when_it_stops(build):
    """A host that is slow to answer while this system stops may have it."""
    arrived = threading.Event()
    goes = threading.Event()

    def end(_):
        arrived.set()
        goes.wait(PATIENCE)
        return None
    with Sink("127.0.0.61", replies={"END": end}) as sink, Bench(
            build, TWO_HOSTS, sink.port,
            {"general.drain": "1s", "delivery.unsure_wait": "6h"}) as bench:
        try:
            bench.submit("a@x.test")
            assert arrived.wait(PATIENCE)
            bench.daemon.stop()
        finally:
            goes.set()
        (wait, host), = waits_of(bench)
        assert wait >= 6 * 3600 and host == "a.x.test", (wait, host)
        bench.daemon.start()


def test_cut_before_the_final_dot(build):
    """The next host gets it at once."""
    port = free_port()
    records = {("x.test", "MX"): ["10 a.x.test", "20 b.x.test"],
               ("a.x.test", "A"): ["127.0.0.61"],
               ("b.x.test", "A"): ["127.0.0.62"]}
    for replies in ({"GREETING": None}, {"EHLO": None, "HELO": None},
                    {"MAIL": None}, {"RCPT": None}, {"DATA": None},
                    {"GREETING": "554 5.3.2 go away"},
                    {"MAIL": "421 4.3.2 closing"},
                    {"RCPT": "421 4.3.2 closing"}):
        with Sink("127.0.0.61", port, replies), \
                Sink("127.0.0.62", port) as second, \
                Bench(build, records, port,
                      {"queue.steps": "1h"}) as bench:
            bench.submit("a@x.test")
            wait_for(lambda: second.messages, what=f"a way round {replies}")


def test_replies_that_are_none(build):
    """Garbage, endless lines and endless replies end the try, no more."""
    for greeting in ("what?", "220", "2x0 hello", "220 " + "x" * 100000,
                     "220-\r\n" * 5000 + "220 done"):
        with Sink(replies={"GREETING": greeting}) as sink, \
                Bench(build, ONE, sink.port, {
                    "queue.steps": "1s", "delivery.greeting_timeout": "2s",
                    "delivery.command_timeout": "2s"}) as bench:
            bench.submit("a@x.test")

            def settled():
                return sink.messages or any(
                    "delivery: deferred" in l for l in bench.daemon.lines)
            wait_for(settled, what=f"an end of {greeting[:20]!r}")
            sink.replies.clear()
            wait_for(lambda: sink.messages, what="delivery in the end")


def test_silent_and_trickling_hosts(build):
    """Each wait ends, and octets that trickle extend none of them."""
    port = free_port()
    records = {("x.test", "MX"): ["10 a.x.test", "20 b.x.test"],
               ("a.x.test", "A"): ["127.0.0.61"],
               ("b.x.test", "A"): ["127.0.0.62"]}
    silent = socket.create_server(("127.0.0.61", port))
    done = threading.Event()

    def trickle():
        silent.settimeout(0.2)
        peers = []
        while not done.is_set():
            try:
                peers.append(silent.accept()[0])
            except OSError:
                pass
            for peer in peers:
                try:
                    peer.send(b"2")
                except OSError:
                    pass
        for peer in peers:
            peer.close()
    thread = threading.Thread(target=trickle)
    thread.start()
    try:
        with Sink("127.0.0.62", port) as second, Bench(build, records, port, {
                "delivery.greeting_timeout": "1s"}) as bench:
            bench.submit("a@x.test")
            wait_for(lambda: second.messages, what="delivery by the second")
    finally:
        done.set()
        thread.join()
        silent.close()


class BrokenTls:
    """A host whose handshake is a lie."""

    def __init__(self):
        self.tried = 0

    def wrap_socket(self, peer, server_side):
        assert server_side
        self.tried += 1
        peer.sendall(b"this is no handshake\r\n" * 10)
        raise OSError("no handshake")


def test_broken_handshake(build):
    tls = BrokenTls()
    with Sink(extensions=["STARTTLS"], tls=tls) as sink, \
            Bench(build, ONE, sink.port, {"queue.steps": "1h"}) as bench:
        bench.submit("a@x.test")
        message = wait_for(lambda: sink.messages, what="delivery in clear")[0]
        assert not message.tls and tls.tried == 1


def test_tls_that_must_be(build):
    for extensions, tls, status in ((["STARTTLS"], BrokenTls(), "4.7.5"),
                                    ([], None, "4.7.4")):
        with Sink(extensions=extensions, tls=tls) as sink, \
                Bench(build, ONE, sink.port,
                      {"delivery.tls": "must"}) as bench:
            bench.submit("a@x.test")
            line = bench.logged("deferred", "a@x.test")
            assert f"dsn={status}" in line, line
            assert sink.messages == []
    with tempfile.TemporaryDirectory() as folder:
        context = make_certificate(folder, "whoever.test")
        with Sink(extensions=["STARTTLS"], tls=context) as sink, \
                Bench(build, ONE, sink.port,
                      {"delivery.tls": "must"}) as bench:
            bench.submit("a@x.test")
            wait_for(lambda: sink.messages, what="the message")
            assert sink.messages[0].tls


def test_equal_preference_is_spread(build):
    port = free_port()
    hosts = {f"127.0.0.{n}": f"{n}.x.test" for n in (71, 72, 73)}
    records = {("x.test", "MX"): [f"10 {n}" for n in hosts.values()]}
    records.update({(name, "A"): [address]
                    for address, name in hosts.items()})
    sinks = [Sink(address, port) for address in hosts]
    try:
        with Bench(build, records, port,
                   {"delivery.idle_timeout": 0}) as bench:
            for i in range(24):
                bench.submit(f"a{i}@x.test")
                bench.logged("delivered", f"a{i}@x.test")
        # 24 in a row by one host of three: once in 3 to the 23rd.
        assert sum(1 for sink in sinks if sink.messages) > 1
        assert sum(len(sink.messages) for sink in sinks) == 24
    finally:
        for sink in sinks:
            sink.close()


def test_other_family_when_one_is_dead(build):
    port = free_port()
    records = {("x.test", "MX"): ["10 mx.x.test"],
               ("mx.x.test", "AAAA"): ["::1"],
               ("mx.x.test", "A"): ["127.0.0.1"]}
    with Sink("127.0.0.1", port) as sink, Bench(build, records, port) as bench:
        bench.submit("a@x.test")
        wait_for(lambda: sink.messages, what="delivery by IPv4")


def test_connections_are_kept_and_bounded(build):
    """Thirty waiting messages, two lanes at most, few connections."""
    open_now, most = [0], [0]
    lock = threading.Lock()

    def data(_):
        with lock:
            open_now[0] += 1
            most[0] = max(most[0], open_now[0])
        time.sleep(0.05)
        return "354 go ahead"

    def end(_):
        with lock:
            open_now[0] -= 1
        return "250 2.0.0 queued"
    with Sink(replies={"DATA": data, "END": end}) as sink, \
            Bench(build, ONE, sink.port,
                  {"queue.destination_max": 2, "queue.holds": True}) as bench:
        for i in range(30):
            bench.submit(f"u{i}@x.test")
        assert sink.connections == 0
        bench.daemon.stop()
        bench.daemon.settings["queue.holds"] = False
        bench.daemon.start()
        wait_for(lambda: len(sink.messages) == 30, what="all messages")
        assert most[0] <= 2, most
        assert sink.connections <= 4, sink.connections


def test_expired_mail_comes_back(build):
    with Sink(replies={"RCPT": "451 4.2.1 full today"}) as sink, \
            Bench(build, ONE, sink.port, {"queue.steps": "1h"}) as bench:
        bench.submit("a@x.test", "b@x.test")
        bench.logged("deferred", "b@x.test")
        bench.daemon.stop()
        folder = bench.daemon.settings["general.data_folder"]
        db = sqlite3.connect(folder + "/mailmod.db")
        db.execute("UPDATE recipient SET next_attempt_ms=1,expires_ms=1")
        db.commit()
        db.close()
        bench.daemon.start()
        report = wait_for(bench.daemon.messages, what="the report")[0]
        assert b"Action: failed" in report and b"Status: 4.4.7" in report, \
            report
        assert b"full today" in report
        assert b"a@x.test" in report and b"b@x.test" in report
        wait_for(lambda: "empty" in bench.queue(), what="an empty queue")


def test_notify_is_honoured(build):
    def rcpt(argument):
        return "550 5.1.1 no" if "bad" in argument else "250 2.1.5 ok"
    with Sink(replies={"RCPT": rcpt}) as sink, \
            Bench(build, ONE, sink.port) as bench:
        with bench.daemon.smtp("submission", local_hostname="c.test") as smtp:
            smtp.ehlo()
            for name, notify in (("bad1", "NEVER"), ("bad2", "SUCCESS"),
                                 ("good", "SUCCESS,FAILURE")):
                smtp.mail("demo@mail.test", ["ENVID=one"])
                assert smtp.rcpt(f"{name}@x.test",
                                 [f"NOTIFY={notify}"])[0] == 250
                assert smtp.data(b"Subject: x\r\n\r\nx\r\n")[0] == 250
        # The host offers no DSN: a success is ours to report, as relayed.
        report = wait_for(bench.daemon.messages, what="the report")
        bench.logged("failed", "bad1@x.test")
        bench.logged("failed", "bad2@x.test")
        wait_for(lambda: "empty" in bench.queue(), what="an empty queue")
        assert len(bench.daemon.messages()) == 1
        assert b"Action: relayed" in report[0], report[0]
        assert b"good@x.test" in report[0] and b"bad" not in report[0]
        assert b"Original-Envelope-Id: one" in report[0]


def test_queue_survives_kills(build):
    """Killed while it delivers: all arrives, and only what was under way at a
    kill may arrive again."""
    rng = random.Random()
    count, kills = 300, 8
    with Sink(extensions=["PIPELINING"]) as sink, \
            Bench(build, ONE, sink.port, {"queue.holds": True}) as bench:
        daemon = bench.daemon
        with daemon.smtp("submission", local_hostname="c.test") as smtp:
            for i in range(count):
                smtp.sendmail("demo@mail.test", [f"u{i}@x.test"],
                              f"Subject: {i}\r\n\r\n" + "x\r\n" * 500)
        daemon.stop()
        daemon.settings["queue.holds"] = False
        for _ in range(kills):
            daemon.start()
            before = len(sink.messages)
            wait_for(lambda: len(sink.messages) > before or
                     "empty" in bench.queue(), what="some deliveries")
            time.sleep(rng.uniform(0, 0.05))
            daemon.kill()
        daemon.start()
        wait_for(lambda: "empty" in bench.queue(), what="an empty queue")
        got = [r for m in sink.messages for r in m.recipients]
        assert set(got) == {f"u{i}@x.test" for i in range(count)}
        again = len(got) - count
        print(f"{again} of {count} came twice after {kills} kills")
        assert again <= kills * 5, again  # 5 lanes, queue.destination_max
        assert daemon.messages() == []


def test_mailmod_as_smarthost(build):
    with tempfile.TemporaryDirectory() as folder, \
            NameServer({("relay.test", "A"): ["127.0.0.1"]}) as dns:
        make_certificate(folder, "relay.test")
        relay = Daemon(build, host="relay.test", users=("u",), password="p w",
                       settings={
                           "local.domains": "relay.test",
                           # The login is a system's, not a person's.
                           "smtp.sender_must_match": False,
                           "tls.certificate_file": f"{folder}/cert.pem",
                           "tls.key_file": f"{folder}/key.pem"})
        with relay:
            for service, tls in (("submission", "must"),
                                 ("submissions", "implicit")):
                use_relay(build, relay, dns, folder, service, tls)


def use_relay(build, relay, dns, folder, service, tls):
    settings = {"dns.servers": dns.address, "smarthost.host": "relay.test",
                "smarthost.port": relay.port(service), "smarthost.tls": tls,
                "smarthost.authority_file": os.path.join(folder, "ca.pem"),
                "smarthost.user": "u", "smarthost.password": "p w",
                "smtp.relay_from": "127.0.0.0/8", "queue.steps": "1s"}
    with Daemon(build, settings=settings) as daemon:
        def send():
            with daemon.smtp("submission", local_hostname="c.test") as smtp:
                smtp.sendmail("demo@mail.test", ["u@relay.test"], EIGHT,
                              mail_options=["BODY=8BITMIME"])
        before = len(relay.messages("u"))
        send()
        wait_for(lambda: len(relay.messages("u")) == before + 1,
                 what="mail at the relay")
        message = relay.messages("u")[-1]
        assert message.endswith(EIGHT)
        # RFC 3848: it came by ESMTP, under TLS, logged in.
        assert b"with ESMTPSA" in message, message
        assert "p w" not in "\n".join(daemon.lines + relay.lines)
        # A login that fails is our own mistake: the mail waits.
        daemon.stop()
        daemon.settings["smarthost.password"] = "wrong"
        daemon.start()
        send()
        line = daemon.wait_log("delivery: deferred .*u@relay.test.*")[0]
        # The first refusal is told, not the 421 that ends such a session.
        assert "dsn=4.7.8" in line and "535" in line, line
        assert "u@relay.test" in daemon.ctl("queue", "list").stdout


main(__name__, test_old_host_without_ehlo,
     test_extensions_are_used_when_offered, test_utf8_addresses,
     test_message_larger_than_announced, test_cut_after_the_final_dot,
     test_who_may_have_it_is_asked_first, test_who_may_have_it_is_gone,
     test_unsure_when_it_stops,
     test_cut_before_the_final_dot, test_replies_that_are_none,
     test_silent_and_trickling_hosts, test_broken_handshake,
     test_tls_that_must_be, test_equal_preference_is_spread,
     test_other_family_when_one_is_dead,
     test_connections_are_kept_and_bounded, test_expired_mail_comes_back,
     test_notify_is_honoured, test_queue_survives_kills,
     test_mailmod_as_smarthost)
