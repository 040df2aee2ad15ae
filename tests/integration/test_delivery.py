"""Outgoing mail against name servers and hosts of every manner.

Routes (RFC 5321 5.1, RFC 7505), outcomes for each recipient (AMB-10's table of
permanent and temporary), reports (RFC 3464), TLS and the smarthost.
"""
import os
import re
import ssl
import subprocess
import time

from dnsserver import NameServer
from harness import Daemon, Skip, free_port, main, need, wait_for
from sink import Sink

BODY = (b"From: demo@mail.test\r\nSubject: out\r\n\r\n.\r\n..dots\r\n"
        b"long " + b"y" * 990 + b"\r\n8-bit \xe9\r\n\r\nend\r\n")


class Bench:
    """A daemon that asks our name server and dials our port."""

    def __init__(self, build, records, port, settings=None):
        self.dns = NameServer(records)
        wanted = {"dns.servers": self.dns.address, "dns.timeout": "20s",
                  "dns.tries": 1, "delivery.port": port,
                  "queue.steps": "1s,1s,1s,2s", "queue.jitter": 0,
                  "smtp.relay_from": "127.0.0.0/8"}
        wanted.update(settings or {})
        self.daemon = Daemon(build, settings=wanted)

    def submit(self, *recipients, sender="demo@mail.test", body=BODY,
               options=()):
        with self.daemon.smtp("submission", local_hostname="c.test") as smtp:
            smtp.sendmail(sender, recipients, body, mail_options=options)

    def queue(self):
        return self.daemon.ctl("queue", "list").stdout

    def logged(self, outcome, recipient):
        return self.daemon.wait_log(
            rf"delivery: {outcome} .*recipient={recipient} .*")[0]

    def __enter__(self):
        self.daemon.__enter__()
        return self

    def __exit__(self, *rest):
        self.dns.close()
        self.daemon.__exit__(*rest)


def test_octet_for_octet(build):
    with Sink(extensions=["8BITMIME"]) as sink, Bench(build, {
            ("x.test", "MX"): ["10 mx.x.test"],
            ("mx.x.test", "A"): ["127.0.0.1"]}, sink.port) as bench:
        bench.submit("a@x.test", "b@x.test")
        wait_for(lambda: sink.messages, what="the message")
        message = sink.messages[0]
        assert message.recipients == ["a@x.test", "b@x.test"]
        assert message.reverse_path == "demo@mail.test"
        head, rest = message.data.split(b"From: demo", 1)
        assert head.startswith(b"Received: from c.test"), head
        assert b"From: demo" + rest == BODY
        bench.logged("delivered", "b@x.test")
        wait_for(lambda: "empty" in bench.queue(), what="an empty queue")


def test_preference_and_fallback(build):
    port = free_port()
    records = {("x.test", "MX"): ["30 c.x.test", "10 a.x.test", "20 b.x.test"],
               ("a.x.test", "A"): ["127.0.0.21"],  # nobody listens
               ("b.x.test", "A"): ["127.0.0.22"],  # greets with 421
               ("c.x.test", "A"): ["127.0.0.23"]}
    with Sink("127.0.0.22", port, {"GREETING": "421 4.3.2 not now"}) as busy, \
            Sink("127.0.0.23", port) as good, \
            Bench(build, records, port) as bench:
        bench.submit("a@x.test")
        wait_for(lambda: good.messages, what="delivery by the third host")
        assert busy.connections >= 1


def test_routes(build):
    """Domain by domain: who gets it, or how it is refused."""
    port = free_port()
    records = {
        ("null.test", "MX"): ["0 ."],
        ("only-a.test", "A"): ["127.0.0.1"],
        ("only-6.test", "AAAA"): ["::1"],
        ("alias.test", "CNAME"): ["only-a.test"],
        ("empty.test", "TXT"): [],
        ("self.test", "MX"): ["10 mail.test", "20 other.test"],
        ("other.test", "A"): ["127.0.0.1"],
        ("mail.test", "A"): ["127.0.0.1"],
        ("late-self.test", "MX"): ["10 only-a.test", "20 mail.test"],
        ("noaddr.test", "MX"): ["10 gone.noaddr.test", "20 only-a.test"],
    }
    good = ["only-a.test", "alias.test", "late-self.test", "noaddr.test",
            "[127.0.0.41]"]
    bad = {"null.test": "5.1.10", "self.test": "5.4.6",
           "nowhere.test": "5.1.2"}
    with Sink("127.0.0.1", port) as sink, Sink("127.0.0.41", port) as other, \
            Bench(build, records, port) as bench:
        for domain in good:
            bench.submit(f"u@{domain}")
            bench.logged("delivered", f".*{domain.strip('[]')}.*")
        for domain, status in bad.items():
            bench.submit(f"u@{domain}")
            line = bench.logged("failed", f"u@{domain}")
            assert f"dsn={status}" in line, line
        assert len(sink.messages) == len(good) - 1
        assert len(other.messages) == 1


def test_name_server_trouble_defers(build):
    records = {("fail.test", "MX"): "servfail", ("slow.test", "MX"): "timeout",
               ("half.test", "MX"): ["10 mx.half.test"],
               ("mx.half.test", "A"): "servfail",
               ("mx.half.test", "AAAA"): "servfail"}
    with Sink() as sink, Bench(build, records, sink.port,
                               {"dns.timeout": "2s"}) as bench:
        for domain in ("fail.test", "slow.test", "half.test"):
            bench.submit(f"u@{domain}")
            line = bench.logged("deferred", f"u@{domain}")
            assert "dsn=4.4" in line, line
        # The trouble ends: what waited is delivered.
        records[("fail.test", "MX")] = ["10 ok.test"]
        records[("ok.test", "A")] = ["127.0.0.1"]
        bench.logged("delivered", "u@fail.test")


def test_each_recipient_its_outcome(build):
    """T-063: one message, three outcomes, one report, one retry."""
    tries = []

    def rcpt(argument):
        if "good@" in argument:
            return "250 2.1.5 ok"
        if "never@" in argument:
            return "550 5.1.1 nobody of that name\x1b[31m"
        tries.append(argument)
        return "450 4.2.0 come back" if len(tries) < 2 else "250 2.1.5 ok"

    with Sink(replies={"RCPT": rcpt},
              extensions=["PIPELINING", "ENHANCEDSTATUSCODES"]) as sink, \
            Bench(build, {("x.test", "A"): ["127.0.0.1"]},
                  sink.port) as bench:
        bench.submit("good@x.test", "later@x.test", "never@x.test")
        wait_for(lambda: len(sink.messages) == 2, what="the retry")
        got = sorted(r for m in sink.messages for r in m.recipients)
        assert got == ["good@x.test", "later@x.test"], got
        report = wait_for(lambda: bench.daemon.messages(), what="the report")
        assert len(report) == 1
        text = report[0]
        assert text.startswith(b"Return-Path: <>\r\n")
        assert b"Content-Type: multipart/report" in text
        assert b"Final-Recipient: rfc822; never@x.test" in text
        assert b"Status: 5.1.1" in text
        assert b"later@x.test" not in text
        assert b"\x1b" not in text


def test_greylisting_host(build):
    seen = []

    def rcpt(argument):
        seen.append(argument)
        return "451 4.7.1 greylisted" if len(seen) == 1 else "250 2.1.5 ok"

    with Sink(replies={"RCPT": rcpt}) as sink, \
            Bench(build, {("x.test", "A"): ["127.0.0.1"]},
                  sink.port) as bench:
        bench.submit("a@x.test")
        wait_for(lambda: sink.messages, what="the second try")
        assert len(seen) == 2


def test_greylisting_with_a_time(build):
    """The host says when; who comes before would only be told it again."""
    came = []

    def rcpt(_):
        came.append(time.monotonic())
        return ("451 4.7.1 Greylisted, try again in 3 seconds"
                if len(came) == 1 else "250 2.1.5 ok")
    with Sink(replies={"RCPT": rcpt}) as sink, \
            Bench(build, {("x.test", "A"): ["127.0.0.1"]}, sink.port,
                  {"queue.steps": "1s"}) as bench:
        bench.submit("a@x.test")
        wait_for(lambda: sink.messages, what="the message")
        assert len(came) == 2 and came[1] - came[0] >= 3, came


def test_limits(build):
    """RFC 9422: two recipients a message, one message a connection."""
    with Sink(extensions=["LIMITS RCPTMAX=2 MAILMAX=1"]) as sink, \
            Bench(build, {("x.test", "A"): ["127.0.0.1"]},
                  sink.port) as bench:
        bench.submit(*[f"{c}@x.test" for c in "abcde"])
        wait_for(lambda: len(sink.messages) == 3, what="three messages")
        assert sorted(len(m.recipients) for m in sink.messages) == [1, 2, 2]
        assert sink.connections == 3, sink.connections


def test_no_report_for_a_report(build):
    with Sink(replies={"RCPT": "550 5.1.1 no"}) as sink, \
            Bench(build, {("x.test", "A"): ["127.0.0.1"]},
                  sink.port) as bench:
        bench.submit("a@x.test", sender="")
        bench.logged("failed", "a@x.test")
        wait_for(lambda: "empty" in bench.queue(), what="an empty queue")
        assert bench.daemon.messages() == []


def test_lifetime_ends_with_a_report(build):
    with Sink(replies={"MAIL": "451 4.3.0 not today"}) as sink, \
            Bench(build, {("x.test", "A"): ["127.0.0.1"]}, sink.port,
                  {"queue.lifetime": "60s", "queue.warn_after": "2s",
                   "queue.steps": "1s"}) as bench:
        bench.submit("a@x.test")
        report = wait_for(lambda: bench.daemon.messages(), what="the notice")
        assert b"Action: delayed" in report[0], report[0]
        bench.daemon.ctl("queue", "hold", "all")
        assert "a@x.test" in bench.queue()
        bench.daemon.ctl("queue", "delete", "all")
        assert "empty" in bench.queue()


def test_dead_destination_holds_up_nobody(build):
    with Sink() as sink, Bench(build, {
            ("dead.test", "A"): ["127.0.0.31"],
            ("live.test", "A"): ["127.0.0.1"]}, sink.port) as bench:
        for i in range(50):
            bench.submit(f"u{i}@dead.test")
        bench.submit("a@live.test")
        wait_for(lambda: sink.messages, what="the other destination's mail")
        tried = sum("delivery: deferred" in l and "dead.test" in l
                    for l in bench.daemon.lines)
        assert tried < 50, tried


def make_certificate(folder, name, *more):
    """A CA of our own and a certificate for the names from it."""
    openssl = need("openssl")

    def run(*words, **more):
        subprocess.run([openssl, *words], check=True, capture_output=True,
                       cwd=folder, **more)
    run("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key",
        "-out", "ca.pem", "-days", "2", "-subj", "/CN=test CA")
    run("req", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem", "-out",
        "csr.pem", "-subj", f"/CN={name}")
    with open(os.path.join(folder, "ext"), "w", encoding="ascii") as f:
        names = ",".join("DNS:" + each for each in (name, *more))
        f.write(f"subjectAltName={names}\n")
    run("x509", "-req", "-in", "csr.pem", "-CA", "ca.pem", "-CAkey", "ca.key",
        "-CAcreateserial", "-days", "2", "-extfile", "ext", "-out",
        "cert.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(os.path.join(folder, "cert.pem"),
                            os.path.join(folder, "key.pem"))
    return context


def test_opportunistic_tls(build):
    import tempfile
    with tempfile.TemporaryDirectory() as folder:
        context = make_certificate(folder, "whoever.test")
        with Sink(extensions=["STARTTLS"], tls=context) as sink, \
                Bench(build, {("x.test", "A"): ["127.0.0.1"]},
                      sink.port) as bench:
            bench.submit("a@x.test")
            wait_for(lambda: sink.messages, what="the message")
            assert sink.messages[0].tls


def smarthost(sink, folder, **more):
    settings = {"smarthost.host": "smart.test", "smarthost.port": sink.port,
                "smarthost.tls": "must", "smarthost.verifies": True,
                "smarthost.authority_file": os.path.join(folder, "ca.pem"),
                "smarthost.user": "u", "smarthost.password": "p"}
    settings.update(more)
    return settings


def test_smarthost(build):
    import tempfile
    with tempfile.TemporaryDirectory() as folder:
        context = make_certificate(folder, "smart.test")
        with Sink(extensions=["STARTTLS", "AUTH PLAIN"], tls=context) as sink:
            with Bench(build, {("smart.test", "A"): ["127.0.0.1"]}, 1,
                       smarthost(sink, folder)) as bench:
                bench.submit("a@anywhere.test", "b@else.test")
                wait_for(lambda: sink.messages, what="the message")
                got = sink.messages[0]
                assert got.tls and got.user.startswith("PLAIN")
                assert got.recipients == ["a@anywhere.test", "b@else.test"]
                bench.submit("demo@mail.test")  # local stays local
                wait_for(bench.daemon.messages, what="the local message")


def test_smarthost_of_another_name_is_refused(build):
    import tempfile
    with tempfile.TemporaryDirectory() as folder:
        context = make_certificate(folder, "impostor.test")
        with Sink(extensions=["STARTTLS", "AUTH PLAIN"], tls=context) as sink:
            with Bench(build, {("smart.test", "A"): ["127.0.0.1"]}, 1,
                       smarthost(sink, folder)) as bench:
                bench.submit("a@anywhere.test")
                bench.logged("deferred", "a@anywhere.test")
                assert sink.messages == []


def test_smarthost_without_tls_gets_nothing(build):
    import tempfile
    with tempfile.TemporaryDirectory() as folder:
        make_certificate(folder, "smart.test")
        with Sink(extensions=["AUTH PLAIN"]) as sink:
            with Bench(build, {("smart.test", "A"): ["127.0.0.1"]}, 1,
                       smarthost(sink, folder)) as bench:
                bench.submit("a@anywhere.test")
                bench.logged("deferred", "a@anywhere.test")
                assert sink.messages == []


def test_unknown_smarthost_defers(build):
    with Bench(build, {}, 1, {"smarthost.host": "gone.test"}) as bench:
        bench.submit("a@anywhere.test")
        bench.logged("deferred", "a@anywhere.test")
        assert "a@anywhere.test" in bench.queue()


def test_dsn_parameters_are_passed_on(build):
    with Sink(extensions=["DSN", "SIZE 1000000"]) as sink, \
            Bench(build, {("x.test", "A"): ["127.0.0.1"]},
                  sink.port) as bench:
        with bench.daemon.smtp("submission", local_hostname="c.test") as smtp:
            smtp.ehlo()
            smtp.mail("demo@mail.test", ["RET=HDRS", "ENVID=id+2Bone"])
            smtp.rcpt("a@x.test", ["NOTIFY=FAILURE", "ORCPT=rfc822;o@x.test"])
            smtp.data(BODY)
        wait_for(lambda: sink.messages, what="the message")
        got = sink.messages[0]
        assert "RET=HDRS" in got.mail_line and "ENVID=id+2Bone" in got.mail_line
        assert "NOTIFY=FAILURE" in got.rcpt_lines[0], got.rcpt_lines
        assert "ORCPT=rfc822;o@x.test" in got.rcpt_lines[0]


DOMAINS = 40
EACH = 5


def loops_used(daemon):
    return {found[1] for line in daemon.lines
            if (found := re.search(r"attempt begins .*loop=(\d+)", line))}


def send_all(bench, sink, wanted):
    """They go all at once; each arrives once, and the queue is empty."""
    for recipient in wanted:
        bench.submit(recipient, body=b"Subject: loops\r\n\r\nx\r\n")
    bench.daemon.settings["queue.holds"] = False
    bench.daemon.write_config()
    bench.daemon.ask_reload()
    wait_for(lambda: len(sink.messages) >= len(wanted), 60,
             what="all messages")
    wait_for(lambda: "@" not in bench.queue(), what="an empty queue")
    got = sorted(r for m in sink.messages for r in m.recipients)
    assert got == sorted(wanted), set(wanted) ^ set(got)


def slow(_):
    time.sleep(0.01)
    return "250 2.0.0 queued"


def test_every_loop(build):
    """Four loops, many domains with one host: its limit holds for all loops
    together, nothing is lost and nothing goes twice."""
    records = {("mx.x.test", "A"): ["127.0.0.1"]}
    for i in range(DOMAINS):
        records[(f"d{i}.test", "MX")] = ["10 mx.x.test"]
    with Sink(replies={"END": slow}) as sink, Bench(build, records, sink.port, {
            "general.loops": 4, "queue.host_max": 6, "queue.holds": True,
            "queue.destination_max": 2, "queue.attempts_max": 60}) as bench:
        send_all(bench, sink, [f"u{n}@d{i}.test" for n in range(EACH)
                               for i in range(DOMAINS)])
        assert sink.open_max <= 6, sink.open_max
        assert loops_used(bench.daemon) == {"0", "1", "2", "3"}


def test_every_loop_to_one_host(build):
    """A smarthost is one destination: its attempts side by side are on loops
    side by side."""
    with Sink(replies={"END": slow}) as sink, \
            Bench(build, {}, sink.port, {
                "general.loops": 4, "queue.destination_max": 8,
                "queue.host_max": 8, "queue.holds": True,
                "smarthost.host": "127.0.0.1", "smarthost.port": sink.port,
                "smarthost.tls": "off"}) as bench:
        send_all(bench, sink, [f"u{n}@far.test" for n in range(60)])
        assert sink.open_max <= 8, sink.open_max
        assert len(loops_used(bench.daemon)) > 1


main(__name__, test_octet_for_octet, test_preference_and_fallback,
     test_routes, test_name_server_trouble_defers,
     test_each_recipient_its_outcome, test_greylisting_host,
     test_greylisting_with_a_time, test_limits,
     test_no_report_for_a_report, test_lifetime_ends_with_a_report,
     test_dead_destination_holds_up_nobody, test_opportunistic_tls,
     test_smarthost, test_smarthost_of_another_name_is_refused,
     test_smarthost_without_tls_gets_nothing, test_unknown_smarthost_defers,
     test_dsn_parameters_are_passed_on, test_every_loop,
     test_every_loop_to_one_host)
