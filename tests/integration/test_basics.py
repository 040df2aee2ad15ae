"""Receive, serve, restart: the daemon's first duties, seen from outside."""
import os
import re

from harness import Daemon, Wire, main, wait_for

BODY = (b"From: a@client.test\r\nTo: demo@mail.test\r\nSubject: octets\r\n\r\n"
        b".\r\n..\r\n.leading\r\nlong " + b"x" * 990 + b"\r\n"
        b"8-bit \xe4\xf6\xfc\r\n\r\nlast line\r\n")


def deliver(daemon, body, rcpt="demo@mail.test"):
    with Wire(daemon.port("smtp")) as wire:
        assert wire.reply().startswith("220 ")
        assert wire.ask("EHLO client.test").startswith("250-")
        assert wire.ask("MAIL FROM:<a@client.test>").startswith("250 2.1.0")
        assert wire.ask(f"RCPT TO:<{rcpt}>").startswith("250 2.1.5")
        assert wire.ask("DATA").startswith("354")
        stuffed = re.sub(rb"(?m)^\.", b"..", body)
        wire.send(stuffed + b".\r\n")
        reply = wire.reply()
        assert reply.startswith("250 2.6.0"), reply
        assert wire.ask("QUIT").startswith("221")
        return reply.split()[-1]


def strip_trace(message):
    """The message without the fields that we added in front."""
    assert message.startswith(b"Return-Path: <a@client.test>\r\n"), message
    rest = message.split(b"\r\n", 1)[1]
    assert rest.startswith(b"Received: from client.test"), rest[:200]
    lines = rest.split(b"\r\n")
    i = 1
    while lines[i][:1] in (b" ", b"\t"):
        i += 1
    return b"\r\n".join(lines[i:])


def test_octet_for_octet(build):
    with Daemon(build) as daemon:
        deliver(daemon, BODY)
        messages = daemon.messages()
        assert len(messages) == 1
        assert strip_trace(messages[0]) == BODY


def test_sizes_are_exact(build):
    with Daemon(build) as daemon:
        deliver(daemon, BODY)
        box = daemon.pop3()
        size = int(box.list()[1][0].split()[1])
        message = b"\r\n".join(box.retr(1)[1]) + b"\r\n"
        assert size == len(message), (size, len(message))
        assert box.stat() == (1, size)
        box.quit()


def test_unknown_user_and_relay(build):
    with Daemon(build) as daemon, Wire(daemon.port("smtp")) as wire:
        wire.reply()
        wire.ask("EHLO client.test")
        wire.ask("MAIL FROM:<a@client.test>")
        assert wire.ask("RCPT TO:<nobody@mail.test>").startswith("550 5.1.1")
        assert wire.ask("RCPT TO:<x@elsewhere.test>").startswith("550 5.7.1")
        assert wire.ask("RCPT TO:<Postmaster>").startswith("250 2.1.5")
        assert wire.ask("RCPT TO:<demo+tag@mail.test>").startswith("250 2.1.5")


def test_kept_over_kill(build):
    with Daemon(build) as daemon:
        deliver(daemon, BODY)
        daemon.kill()
        daemon.start()
        assert strip_trace(daemon.messages()[0]) == BODY


def test_delete_only_at_quit(build):
    with Daemon(build) as daemon:
        deliver(daemon, BODY)
        box = daemon.pop3()
        box.dele(1)
        box.close()
        wait_for(lambda: try_count(daemon) == 1, what="the message's stay")
        box = daemon.pop3()
        box.dele(1)
        box.quit()
        assert len(daemon.messages()) == 0


def try_count(daemon):
    import poplib
    try:
        return len(daemon.messages())
    except poplib.error_proto:
        return -1


def test_second_daemon_is_refused(build):
    """Attack 82: two on one folder."""
    with Daemon(build) as daemon:
        second = Daemon(build, folder=daemon.folder, users=(), start=False)
        second.start(wait=False)
        assert second.process.wait(120) != 0
        assert os.path.exists(daemon.folder)
        deliver(daemon, BODY)


def test_stop_is_clean(build):
    with Daemon(build) as daemon:
        deliver(daemon, BODY)
        assert daemon.stop() == 0


main(__name__, test_octet_for_octet, test_sizes_are_exact,
     test_unknown_user_and_relay, test_kept_over_kill,
     test_delete_only_at_quit, test_second_daemon_is_refused,
     test_stop_is_clean)
