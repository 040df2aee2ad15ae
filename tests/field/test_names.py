"""Names and passwords in the letters of the world, row by row of
docs/field.md. Every door of one name must lead to one mailbox."""
import base64
import os
import sqlite3
import sys
import unicodedata

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "integration"))
from dnsserver import NameServer  # noqa: E402
from harness import Daemon, Wire, main, wait_for  # noqa: E402
from sink import Sink  # noqa: E402

BODY = b"From: a@client.test\r\nSubject: x\r\n\r\ntext\r\n"
PUNY = "xn--bcher-kva.example"
UMLAUT = "b\u00fccher.example"


def begin(daemon, service="smtp"):
    wire = Wire(daemon.port(service))
    assert wire.reply().startswith("220 ")
    assert wire.ask("EHLO client.test").startswith("250-")
    return wire


def rcpt(daemon, path):
    """The reply to RCPT under SMTPUTF8."""
    with begin(daemon) as wire:
        assert wire.ask("MAIL FROM:<a@client.test> SMTPUTF8")[:3] == "250"
        wire.send(f"RCPT TO:<{path}>\r\n".encode())
        return wire.reply()


def deliver(daemon, path):
    with begin(daemon) as wire:
        assert wire.ask("MAIL FROM:<a@client.test> SMTPUTF8")[:3] == "250"
        wire.send(f"RCPT TO:<{path}>\r\n".encode())
        assert wire.reply()[:3] == "250", path
        assert wire.ask("DATA")[:3] == "354"
        wire.send(BODY)
        assert wire.ask(".")[:3] == "250"


def pass_login(daemon, name, password):
    """The answer to USER and PASS under TLS."""
    with Wire(daemon.port("pop3s")) as wire:
        wire.tls()
        wire.line()
        wire.send(f"USER {name}\r\n".encode())
        assert wire.line().startswith(b"+OK")
        wire.send(f"PASS {password}\r\n".encode())
        return wire.line()


def plain_login(daemon, name, password):
    text = base64.b64encode(f"\0{name}\0{password}".encode()).decode()
    with Wire(daemon.port("submissions")) as wire:
        wire.tls()
        wire.reply()
        wire.ask("EHLO client.test")
        return wire.ask("AUTH PLAIN " + text)


def test_F04_local_domain_in_either_form(build):
    for configured in (PUNY, UMLAUT):
        with Daemon(build, users=("alice", "bob@" + UMLAUT), settings={
                "local.domains": configured}) as daemon:
            for domain in (PUNY, UMLAUT, "XN--BCHER-KVA.Example",
                           "B\u00dcCHER.example", "bu\u0308cher.example"):
                for user in ("alice", "bob"):
                    reply = rcpt(daemon, f"{user}@{domain}")
                    assert reply[:3] == "250", (configured, domain, reply)
            assert rcpt(daemon, "alice@bucher.example")[:3] == "550"
            for name in ("bob@" + UMLAUT, "BOB@" + PUNY, "alice@" + UMLAUT):
                assert plain_login(daemon, name, "secret")[:3] == "235", name
                assert pass_login(daemon, name, "secret")[:3] == b"+OK", name


def test_F15_user_names_in_utf8(build):
    composed = "\u00e9lan"
    with Daemon(build, users=(composed, "stra\u00dfe"),
                settings={"local.domains": "mail.test"}) as daemon:
        spellings = (composed, "\u00c9LAN",
                     unicodedata.normalize("NFD", composed))
        for name in spellings:
            deliver(daemon, name + "@mail.test")
            assert plain_login(daemon, name, "secret")[:3] == "235", name
            assert pass_login(daemon, name, "secret")[:3] == b"+OK", name
        assert rcpt(daemon, "elan@mail.test")[:3] == "550"
        assert rcpt(daemon, "STRASSE@mail.test")[:3] == "250"
        with Wire(daemon.port("pop3s")) as wire:
            wire.tls()
            wire.line()
            wire.send(b"CAPA\r\n")
            lines = []
            while lines[-1:] != [b".\r\n"]:
                lines.append(wire.line())
            assert b"UTF8 USER\r\n" in lines and b"LANG\r\n" in lines, lines
            wire.send(f"UTF8\r\nUSER {composed}\r\nPASS secret\r\n".encode())
            assert [wire.line()[:3] for _ in range(3)] == [b"+OK"] * 3
            wire.send(b"STAT\r\n")
            assert wire.line().startswith(b"+OK 3 ")
        again = daemon.ctl("user", "add", spellings[1], "--password-stdin",
                           stdin="x\n", check=False)
        assert again.returncode != 0
        for name in ("\ufb01n", "\uff41bc", "a\u200db", "\u202eabc", "x\u00b2"):
            run = daemon.ctl("user", "add", name, "--password-stdin",
                             stdin="x\n", check=False)
            assert run.returncode != 0 and "look" in run.stderr, (name, run)


def test_F07_passwords_at_every_door(build):
    passwords = {"umlaut": "gr\u00fcn w\u00f6rd", "long": "x" * 512,
                 "wide": "\u00fc" * 256, "young": "\U0001f600secret",
                 "blank": "no\u00a0break"}
    with Daemon(build, users=()) as daemon:
        for name, password in passwords.items():
            daemon.add_user(name, password)
        for name, password in passwords.items():
            typed = {password, unicodedata.normalize("NFD", password),
                     unicodedata.normalize("NFKC", password)}
            for text in typed:
                if len(text.encode()) > 512:
                    continue
                assert plain_login(daemon, name, text)[:3] == "235", name
                assert pass_login(daemon, name, text)[:3] == b"+OK", name
            assert pass_login(daemon, name, password[:-1])[:4] == b"-ERR"
        for bad in ("x" * 513, "bell\a", "\ue000private", "\u0627x"):
            run = daemon.ctl("user", "add", "bad", "--password-stdin",
                             stdin=bad + "\n", check=False)
            assert run.returncode != 0 and "password" in run.stderr, run
            assert "octets" in run.stderr or "characters" in run.stderr, run


def test_S07_route_by_the_a_label(build):
    records = {("xn--bcher-kva.test", "MX"): ["10 mx.test"],
               ("mx.test", "A"): ["127.0.0.1"]}
    with Sink(extensions=("SMTPUTF8", "8BITMIME")) as sink, \
            NameServer(records) as dns, Daemon(build, settings={
                "dns.servers": dns.address, "delivery.port": sink.port,
                "smtp.relay_from": "127.0.0.0/8"}) as daemon:
        with daemon.smtp("submission", local_hostname="c.test") as smtp:
            smtp.sendmail("demo@mail.test", ["bob@b\u00fccher.test"], BODY,
                          mail_options=["SMTPUTF8"])
        wait_for(lambda: sink.messages, what="the message")
        assert ("xn--bcher-kva.test", "MX") in dns.asked, dns.asked


def test_F04_one_destination_for_both_spellings(build):
    with Daemon(build, settings={"queue.holds": True,
                                 "smtp.relay_from": "127.0.0.0/8"}) as daemon:
        with daemon.smtp("submission", local_hostname="c.test") as smtp:
            for domain in ("B\u00fccher.test", "xn--bcher-kva.test"):
                smtp.sendmail("demo@mail.test", ["bob@" + domain], BODY,
                              mail_options=["SMTPUTF8"])
        config = os.path.join(daemon.folder, "data", "mailmod.db")
        with sqlite3.connect(f"file:{config}?mode=ro", uri=True) as db:
            rows = db.execute("SELECT destination FROM recipient").fetchall()
        assert rows == [("xn--bcher-kva.test",)] * 2, rows


def test_S07_what_can_be_no_name_is_permanent(build):
    with Daemon(build, settings={"smtp.relay_from": "127.0.0.0/8"}) as daemon:
        with daemon.smtp("submission", local_hostname="c.test") as smtp:
            smtp.sendmail("demo@mail.test", ["bob@" + "\u00fc" * 60 + ".test"],
                          BODY, mail_options=["SMTPUTF8"])
        line = daemon.wait_log(r"delivery: failed .*")[0]
        assert "5.1.2" in line, line


main(__name__, test_F04_local_domain_in_either_form,
     test_F04_one_destination_for_both_spellings,
     test_F15_user_names_in_utf8, test_F07_passwords_at_every_door,
     test_S07_route_by_the_a_label,
     test_S07_what_can_be_no_name_is_permanent)
