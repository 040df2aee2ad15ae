"""What real clients send over SMTP and POP3, row by row of docs/field.md."""
import poplib

from harness import Daemon, Wire, main

BODY = b"From: a@client.test\r\nTo: demo@mail.test\r\nSubject: x\r\n\r\ntext\r\n"
CAF = "demo+caf_=" + "a" * 90 + "=example.org"


def begin(daemon, service="smtp", hello="client.test"):
    wire = Wire(daemon.port(service))
    assert wire.reply().startswith("220 ")
    assert wire.ask("EHLO " + hello).startswith("250-")
    return wire


def expect(wire, text, code):
    reply = wire.ask(text)
    assert reply.startswith(code), (text, reply)


def test_F02_long_local_parts(build):
    sender = "bounces+" + "f" * 240
    with Daemon(build) as daemon:
        with begin(daemon) as wire:
            expect(wire, f"MAIL FROM:<{sender}@client.test>", "250 2.1.0")
            expect(wire, f"RCPT TO:<demo+confirm-{'0f' * 32}@mail.test>",
                   "250 2.1.5")
            expect(wire, f"RCPT TO:<{CAF}@mail.test>", "250 2.1.5")
            expect(wire, "DATA", "354")
            wire.send(BODY)
            expect(wire, ".", "250 2.6.0")
        message = daemon.messages()[0]
        assert message.startswith(
            f"Return-Path: <{sender}@client.test>\r\n".encode()), message


def test_F02_long_local_parts_wait_in_the_queue(build):
    to = "list-return-" + "e" * 200 + "@far.test"
    with Daemon(build, settings={"queue.holds": True}) as daemon:
        with daemon.smtp("submissions") as client:
            client.login("demo", "secret")
            client.sendmail("demo@mail.test", [to], BODY)
        text = daemon.ctl("queue", "list").stdout
        assert to in text.replace("\n", ""), text


def test_F03_empty_password_line(build):
    with Daemon(build) as daemon:
        with Wire(daemon.port("submissions")) as wire:
            wire.tls()
            assert wire.reply().startswith("220 ")
            assert wire.ask("EHLO client.test").startswith("250-")
            expect(wire, "AUTH LOGIN", "334")
            expect(wire, "ZGVtbw==", "334")
            expect(wire, "", "535 5.7.8")
            expect(wire, "AUTH LOGIN ZGVtbw==", "334")
            expect(wire, "c2VjcmV0", "235 2.7.0")


def test_F13_nothing_runs_behind_a_bare_lf(build):
    with Daemon(build) as daemon:
        with begin(daemon) as wire:
            wire.send(b"RSET\nMAIL FROM:<a@b.c>\r\nRCPT TO:<demo@mail.test>\r\n")
            assert wire.reply().startswith("500 5.5.2")
            assert wire.reply().startswith("503 5.5.1")
        with Wire(daemon.port("pop3")) as wire:
            assert wire.line().startswith(b"+OK")
            wire.send(b"NOOP\nUSER demo\r\nQUIT\r\n")
            assert wire.line().startswith(b"-ERR")
            assert wire.line().startswith(b"+OK")
            assert wire.at_end()


def test_F08_cr_cr_lf(build):
    text = BODY.replace(b"\r\n", b"\r\r\n")
    with Daemon(build, settings={"smtp.bare_newline": "normalize"}) as daemon:
        for ask in ("DATA", f"BDAT {len(text)} LAST"):
            with begin(daemon) as wire:
                expect(wire, "MAIL FROM:<a@client.test>", "250 2.1.0")
                expect(wire, "RCPT TO:<demo@mail.test>", "250 2.1.5")
                if ask == "DATA":
                    expect(wire, ask, "354")
                    wire.send(text)
                    expect(wire, ".", "250 2.6.0")
                else:
                    wire.send(ask.encode() + b"\r\n" + text)
                    assert wire.reply().startswith("250 2.6.0")
        messages = daemon.messages()
        assert len(messages) == 2
        for message in messages:
            assert message.endswith(b"\r\n" + BODY), message


def test_F17_names_of_clients(build):
    with Daemon(build) as daemon:
        for name in ("localhost.", "-bad-", "my_host"):
            with begin(daemon, hello=name) as wire:
                expect(wire, "MAIL FROM:<a@client.test>", "250 2.1.0")
                expect(wire, "RCPT TO:<demo@mail.test>", "250 2.1.5")
                expect(wire, "DATA", "354")
                wire.send(BODY)
                expect(wire, ".", "250 2.6.0")
        first, second, third = daemon.messages()
        assert b"Received: from localhost ([127.0.0.1])" in first, first
        assert b"Received: from [127.0.0.1] ([127.0.0.1])" in second, second
        assert b"\r\n\t(helo -bad-);" in second, second
        assert b"\r\n\t(helo my_host);" in third, third


def test_F26_long_lines(build):
    text = BODY + b"y" * 3000000 + b"\r\n"
    poplib._MAXLINE = 1 << 23  # its own limit
    with Daemon(build) as daemon:
        with daemon.smtp() as client:
            client.sendmail("a@client.test", ["demo@mail.test"], text)
        assert daemon.messages()[0].endswith(text)
    settings = {"smtp.line_size_max": "2000"}
    with Daemon(build, settings=settings) as daemon, begin(daemon) as wire:
        for size, code in ((2000, "250 2.6.0"), (2001, "500 5.5.6")):
            expect(wire, "MAIL FROM:<a@client.test>", "250 2.1.0")
            expect(wire, "RCPT TO:<demo@mail.test>", "250 2.1.5")
            expect(wire, "DATA", "354")
            wire.send(BODY + b"y" * size + b"\r\n")
            expect(wire, ".", code)


DEVICE = (b"HELO\nMAIL FROM:scan@my_host.test\nRCPT TO:demo@mail.test\n"
          b"DATA\nSubject: x\n\n..page\n.\nQUIT\n")


def test_F25_lenient_networks(build):
    settings = {"smtp.lenient_from": "127.0.0.0/8"}
    with Daemon(build, settings=settings) as daemon:
        with Wire(daemon.port("smtp")) as wire:
            wire.send(DEVICE)
            for code in ("220", "250", "250", "250", "354", "250", "221"):
                reply = wire.reply()
                assert reply.startswith(code), reply
        message = daemon.messages()[0]
        assert message.startswith(b"Return-Path: <scan@my_host.test>\r\n")
        assert message.endswith(b"\r\n\r\n.page\r\n"), message
        assert b"\n" not in message.replace(b"\r\n", b"")
        with begin(daemon) as wire:  # it gives no leave to relay
            expect(wire, "MAIL FROM:<a@client.test>", "250 2.1.0")
            expect(wire, "RCPT TO:x@far.test", "550 5.7.1")


def test_F25_strict_for_others(build):
    settings = {"smtp.lenient_from": "192.0.2.0/24"}
    with Daemon(build, settings=settings) as daemon:
        with Wire(daemon.port("smtp")) as wire:
            wire.send(DEVICE)
            assert wire.reply().startswith("220")
            assert wire.reply().startswith("500 5.5.2")
        with begin(daemon) as wire:
            expect(wire, "MAIL FROM:scan@client.test", "501 5.1.7")
            expect(wire, "MAIL FROM:<scan@my_host.test>", "501 5.1.7")
            expect(wire, "MAIL FROM:<a..b@client.test>", "501 5.1.7")
            expect(wire, "MAIL FROM:<a@client.test>", "250 2.1.0")
            expect(wire, "RCPT TO:<demo@mail.test>", "250 2.1.5")
            expect(wire, "DATA", "354")
            wire.send(b"a\n.\nMAIL FROM:<b@client.test>\r\n.\r\n")
            assert wire.reply().startswith("550")
            expect(wire, "NOOP", "250")


main(__name__, test_F02_long_local_parts,
     test_F02_long_local_parts_wait_in_the_queue,
     test_F03_empty_password_line, test_F08_cr_cr_lf,
     test_F13_nothing_runs_behind_a_bare_lf, test_F17_names_of_clients,
     test_F26_long_lines,
     test_F25_lenient_networks, test_F25_strict_for_others)
