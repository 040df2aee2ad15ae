"""F29 and O06: what the log tells of a dialogue.

At level wire each protocol line, both ways, server and client, with every
secret masked and bodies left out. At level info one line for each refusal,
whoever refuses, with the command and the whole reply.
"""
import base64
import os
import sys

sys.path.insert(0, os.path.join(
    os.path.dirname(os.path.abspath(__file__)), "..", "integration"))
from harness import Daemon, Wire, main  # noqa: E402
from sink import Sink  # noqa: E402


def b64(text):
    return base64.b64encode(text.encode()).decode()


def test_F29_smtp_lines(build):
    settings = {"general.log_level": "wire", "smtp.allows_clear_auth": True}
    secrets = [b64("\0demo\0secret"), b64("demo"), b64("secret")]
    with Daemon(build, settings=settings) as daemon, \
            Wire(daemon.port("submission")) as wire:
        wire.reply()
        wire.ask("EHLO c.test")
        wire.ask("AUTH PLAIN " + b64("\0demo\0wrong-secret"))
        wire.ask("AUTH LOGIN")
        wire.ask(secrets[1])
        wire.ask(secrets[2])
        # Responses that come out of turn are no commands.
        wire.ask(b64("pass-out-of-turn"))
        wire.ask("MAIL FROM:<demo@mail.test>")
        wire.ask("RCPT TO:<demo@mail.test>")
        wire.ask("DATA")
        wire.send(b"Subject: hidden words\r\n\r\nhidden body\r\n.\r\n")
        assert wire.reply().startswith("250")
        wire.ask("QUIT")
        daemon.wait_log("wire smtp: sent .*221")
        text = "\n".join(daemon.lines)
        for line in ('received .*line="EHLO c.test"',
                     r'received .*line="AUTH PLAIN \*\*\*"',
                     r'received .*line="AUTH LOGIN"',
                     r'sent .*line="334 \*\*\*"',
                     'received .*line="RCPT TO:<demo@mail.test>"',
                     'sent .*line="354 ', "received .*octets=38",
                     'sent .*line="250 2.6.0'):
            daemon.wait_log("wire smtp: " + line)
        for secret in secrets + [b64("\0demo\0wrong-secret"), "hidden",
                                 b64("pass-out-of-turn")]:
            assert secret not in text, secret


def test_F29_pop3_lines(build):
    settings = {"general.log_level": "wire", "pop3.allows_clear_login": True}
    with Daemon(build, settings=settings) as daemon:
        with daemon.smtp() as smtp:
            smtp.sendmail("a@b.test", ["demo@mail.test"],
                          b"Subject: hidden words\r\n\r\nhidden\r\n")
        with Wire(daemon.port("pop3")) as wire:
            wire.line()
            for text in ("USER demo", "PASS wrong one", "USER demo",
                         "PASS secret", "APOP demo " + "0123456789abcdef" * 2,
                         "STAT"):
                wire.send(text.encode() + b"\r\n")
                wire.line()
            wire.send(b"RETR 1\r\n")
            while wire.line() != b".\r\n":
                pass
            wire.send(b"QUIT\r\n")
            wire.line()
        for line in ("received .*line=\"USER demo\"",
                     r"received .*line=\"PASS \*\*\*\"",
                     r"received .*line=\"APOP demo \*\*\*\"",
                     "received .*line=\"RETR 1\"", "sent .*octets="):
            daemon.wait_log("wire pop3: " + line)
        text = "\n".join(l for l in daemon.lines if "pop3" in l)
        for secret in ("wrong one", "secret", "0123456789abcdef", "hidden"):
            assert secret not in text, secret


def test_F29_client_lines(build):
    with Sink() as sink, Daemon(build, settings={
            "general.log_level": "wire", "smarthost.host": "127.0.0.1",
            "smarthost.port": sink.port, "smarthost.tls": "off",
            "smtp.relay_from": "127.0.0.1"}) as daemon:
        with daemon.smtp("submission") as smtp:
            smtp.sendmail("a@b.test", ["x@far.test"],
                          b"Subject: hidden words\r\n\r\nhidden\r\n")
        daemon.wait_log("wire delivery: received .*host=127.0.0.1 line=\"220")
        daemon.wait_log("wire delivery: sent .*line=\"MAIL FROM:<a@b.test>")
        daemon.wait_log("wire delivery: sent .*octets=")
        daemon.wait_log("delivered")
        assert "hidden" not in "\n".join(daemon.lines)


def test_O06_each_refusal_is_one_line(build):
    settings = {"pop3.allows_clear_login": True,
                "smtp.allows_clear_auth": True,
                "smtp.message_size_max": 1000000}
    talk = (
        ("smtp", "BAD", "500 5.5.1"),
        ("smtp", "MAIL FROM:<a@b.test> SIZE=2000000", "552 5.3.4"),
        ("smtp", "MAIL FROM:a@b.test", "501 5.1.7"),
        ("smtp", "RCPT TO:<demo@mail.test>", "503 5.5.1"),
        ("submission", "AUTH PLAIN " + b64("\0demo\0wrong"), "535 5.7.8"),
        ("submission", "MAIL FROM:<a@b.test>", "530 5.7.0"),
    )
    with Daemon(build, settings=settings) as daemon:
        for service, command, reply in talk:
            with Wire(daemon.port(service)) as wire:
                wire.reply()
                wire.ask("EHLO c.test")
                assert wire.ask(command).startswith(reply), command
            shown = command if not command.startswith("AUTH") else \
                "AUTH PLAIN ***"
            quoted = f'command="{shown}"' if " " in shown else \
                f"command={shown}"
            daemon.wait_log("info smtp: refused .*" + "".join(
                "\\" + c if c in '*."' else c for c in quoted) +
                f' reply="{reply}')
        with Wire(daemon.port("pop3")) as wire:
            wire.line()
            for command in ("USER demo", "PASS no"):
                wire.send(command.encode() + b"\r\n")
                wire.line()
            daemon.wait_log(r'info pop3: refused .*command="PASS \*\*\*" '
                            r'reply="-ERR \[AUTH\] user name or password')
        with Wire(daemon.port("smtp")) as wire:
            wire.reply()
            for command in ("EHLO c.test", "MAIL FROM:<a@b.test>",
                            "RCPT TO:<demo@mail.test>", "DATA"):
                wire.ask(command)
            wire.send(b"Subject: x\r\n\r\nbare\nnewline\r\n.\r\n")
            reply = wire.reply().strip()
            assert reply.startswith("55"), reply
            daemon.wait_log(f'info smtp: refused .*command=DATA '
                            f'reply="{reply[:9]}')


main(__name__, test_F29_smtp_lines, test_F29_pop3_lines,
     test_F29_client_lines, test_O06_each_refusal_is_one_line)
