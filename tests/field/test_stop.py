"""F28: a stop tells the sessions that wait for their peers, at once.

An idle session has nothing that a drain must wait for: SMTP hears 421 after
EHLO, MAIL and RCPT alike, POP3 hears -ERR [SYS/TEMP] also when it is logged
in, and what it marked stays. A message that is coming in is taken to its end.
"""
import os
import sys

sys.path.insert(0, os.path.join(
    os.path.dirname(os.path.abspath(__file__)), "..", "integration"))
from harness import Daemon, Wire, main  # noqa: E402

# The drain of a daemon that waits for idle sessions would be cut by this.
SETTINGS = {"pop3.allows_clear_login": True, "general.drain": "5m"}
TALK = ("EHLO c.test", "MAIL FROM:<a@b.test>", "RCPT TO:<demo@mail.test>")


def box(daemon):
    wire = Wire(daemon.port("pop3"))
    assert wire.line().startswith(b"+OK")
    for text in ("USER demo", "PASS secret", "DELE 1"):
        wire.send(text.encode() + b"\r\n")
        assert wire.line().startswith(b"+OK"), text
    return wire


def session(daemon, commands):
    wire = Wire(daemon.port("smtp"))
    assert wire.reply().startswith("220")
    for text in TALK[:commands]:
        assert wire.ask(text).startswith("250"), text
    return wire


def test_F28_idle_sessions_are_told(build):
    with Daemon(build, settings=SETTINGS) as daemon:
        with daemon.smtp() as smtp:
            smtp.sendmail("a@b.test", ["demo@mail.test"], b"Subject: x\r\n\r\n")
        idle = [session(daemon, count) for count in range(4)]
        popper = box(daemon)
        daemon.ask_stop()
        for wire in idle:
            assert wire.reply().startswith("421 4.3.2")
            assert wire.at_end()
        assert popper.line().startswith(b"-ERR [SYS/TEMP]")
        assert popper.at_end()
        assert daemon.process.wait(120) == 0
        daemon.start()
        assert len(daemon.messages()) == 1


def test_F28_a_message_is_taken_to_its_end(build):
    with Daemon(build, settings=SETTINGS) as daemon:
        wire = session(daemon, 3)
        assert wire.ask("DATA").startswith("354")
        daemon.ask_stop()
        daemon.wait_log("listening no more")
        wire.send(b"Subject: late\r\n\r\nbody\r\n.\r\n")
        assert wire.reply().startswith("250")
        assert wire.reply().startswith("421")
        assert wire.at_end()
        assert daemon.process.wait(120) == 0
        daemon.start()
        assert len(daemon.messages()) == 1


def test_nothing_is_waited_for(build):
    """Where nothing is open the log says of no wait."""
    with Daemon(build, settings=SETTINGS) as daemon:
        assert daemon.stop() == 0
        assert any("mailmodd: stopped" in line for line in daemon.lines)
        assert not any("waiting for open" in line for line in daemon.lines)


main(__name__, test_nothing_is_waited_for, test_F28_idle_sessions_are_told,
     test_F28_a_message_is_taken_to_its_end)
