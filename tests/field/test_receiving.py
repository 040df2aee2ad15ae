"""What real clients send over SMTP and POP3, row by row of docs/field.md."""
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


main(__name__, test_F02_long_local_parts,
     test_F02_long_local_parts_wait_in_the_queue)
