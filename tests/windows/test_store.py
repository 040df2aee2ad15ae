"""A data folder moves between Linux and Windows: what one of the builds wrote
the other one serves, octet for octet, with its users."""
import glob
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "integration"))

from harness import Daemon, Skip, Wire, SOURCE, is_windows, main  # noqa: E402

SENDER = b"gr\xc3\xbc\xc3\x9fe@client.test"
BODY = (b"From: a@client.test\r\nSubject: \xc3\xbcber alle Grenzen\r\n\r\n"
        b"8-bit \xe4\xf6\xfc \x00\xff\r\n.\r\n" + b"long " * 180 + b"\r\n")
BIG = b"Subject: big\r\n\r\n" + b"0123456789abcdef" * 60 * 300 + b"\r\n"


def lines_of(body):
    """Lines of at most 998 octets, as mail has them."""
    head, rest = body.split(b"\r\n\r\n", 1)
    rest = rest.replace(b"\r\n", b"")
    cut = [rest[i:i + 900] for i in range(0, len(rest), 900)]
    return head + b"\r\n\r\n" + b"\r\n".join(cut) + b"\r\n"


def linux_build():
    """A build of this tree for Linux."""
    named = os.environ.get("MAILMOD_LINUX_BUILD")
    candidates = [named] if named else [
        os.path.join(SOURCE, "build", name)
        for name in ("dev", "release", "asan")]
    for build in candidates:
        if glob.glob(os.path.join(build, "tools", "mailmodd")) and \
                not is_windows(build):
            return build
    raise Skip("there is no Linux build: cmake --preset dev and ninja -C "
               "build/dev mailmodd mailmodctl, or MAILMOD_LINUX_BUILD")


def send(daemon, sender, rcpt, body):
    with Wire(daemon.port("smtp")) as wire:
        wire.reply()
        assert "SMTPUTF8" in wire.ask("EHLO client.test")
        extra = b" SMTPUTF8" if any(c > 127 for c in sender + rcpt) else b""
        wire.send(b"MAIL FROM:<" + sender + b"> BODY=8BITMIME" + extra +
                  b"\r\n")
        reply = wire.reply()
        assert reply.startswith("250"), reply
        wire.send(b"RCPT TO:<" + rcpt + b">\r\n")
        reply = wire.reply()
        assert reply.startswith("250"), reply
        assert wire.ask("DATA").startswith("354")
        wire.send(body.replace(b"\r\n.", b"\r\n..") + b".\r\n")
        reply = wire.reply()
        assert reply.startswith("250"), reply


def move(first, second):
    """Written by `first`, read and gone on with by `second`, and back."""
    with Daemon(first, start=False) as one:
        one.start()
        send(one, SENDER, b"demo@mail.test", BODY)
        send(one, b"a@client.test", b"demo@mail.test", lines_of(BIG))
        before = one.messages()
        assert one.stop() == 0
        with Daemon(second, folder=one.folder, users=()) as other:
            assert other.messages() == before
            assert before[0].startswith(b"Return-Path: <" + SENDER + b">"), \
                before[0][:100]
            assert BODY in before[0] and lines_of(BIG) in before[1]
            send(other, SENDER, b"demo@mail.test", BODY)
            after = other.messages()
            assert after[:2] == before and BODY in after[2]
            assert other.stop() == 0
        one.start()
        assert one.messages() == after
        assert "damaged" not in one.ctl("store", "verify").stdout


def test_linux_to_windows(build):
    move(linux_build(), build)


def test_windows_to_linux(build):
    move(build, linux_build())


def test_killed_on_one_read_on_the_other(build):
    """The write-ahead log of a killed daemon is the other one's to read."""
    linux = linux_build()
    for first, second in ((linux, build), (build, linux)):
        with Daemon(first) as one:
            send(one, SENDER, b"demo@mail.test", BODY)
            one.kill()
            with Daemon(second, folder=one.folder, users=()) as other:
                messages = other.messages()
                assert len(messages) == 1 and BODY in messages[0]
                assert other.stop() == 0


main(__name__, test_linux_to_windows, test_windows_to_linux,
     test_killed_on_one_read_on_the_other)
