"""Rules about content, as docs/content.md has them, in a daemon: T-100."""
import base64
import os
import re
import tempfile

from harness import SOURCE, Daemon, Wire, main, wait_for
from milterserver import Milter, texts

HEADER = b"Date: Mon, 30 Nov 2026 12:00:00 +0000\r\nFrom: a@c.test\r\n"


def sample():
    """The rules of docs/content.md."""
    path = os.path.join(SOURCE, "docs", "content.md")
    with open(path, encoding="utf-8") as page:
        block, = re.findall(r"<!-- test: content -->\n\n((?: {4}.*\n)+)",
                            page.read())
    return re.sub(r"(?m)^ {4}", "", block)


def send(daemon, message, sender="a@c.test", recipients=("demo@mail.test",)):
    """The reply to the message."""
    with Wire(daemon.port("smtp")) as wire:
        wire.reply()
        wire.ask("EHLO c.test")
        wire.ask(f"MAIL FROM:<{sender}>")
        for recipient in recipients:
            got = wire.ask(f"RCPT TO:<{recipient}>")
            assert got[:1] == "2", got
        got = wire.ask("DATA")
        assert got[:3] == "354", got
        wire.send(message + b".\r\n")
        return wire.reply().rstrip()


def test_rules(build):
    """Each rule of the page; a filter's field is seen by the rule that looks
    for it; a new file counts soon."""
    coded = base64.encodebytes(
        b"MZ This program cannot be run in DOS mode").replace(b"\n", b"\r\n")
    marks = {"E": [("h", texts("X-Spam-Flag", "Yes")), ("c", b"")]}
    with tempfile.TemporaryDirectory() as folder, Milter(marks) as milter:
        path = os.path.join(folder, "content.rules")
        with open(path, "w", encoding="ascii") as file:
            file.write(sample())
        with Daemon(build, users=("demo", "abuse", "fraud"), settings={
                "milters.filters": [f"name=f at={milter.at}"],
                "local.plus_folders": True,
                "content.rules_file": path}) as daemon:
            got = send(daemon, HEADER + b"Content-Transfer-Encoding: base64"
                       b"\r\n\r\n" + coded)
            assert got == "550 5.7.1 Programs are not taken here", got
            got = send(daemon, b"From: a@c.test\r\n\r\nx\r\n")
            assert got == "550 5.7.1 No date, no message", got
            got = send(daemon, HEADER + b"Subject: =?utf-8?B?TE9UVEVSWQ==?="
                       b"\r\n\r\nx\r\n")
            assert got[:3] == "250", got
            wait_for(lambda: "quarantine:content: lottery" in
                     daemon.ctl("queue", "list").stdout, what="the quarantine")
            got = send(daemon, HEADER + b"Received: from unknown\r\n\r\nx\r\n")
            assert got[:3] == "250", got
            mail, = daemon.messages("demo/Spam")
            assert mail.count(b"\r\nX-Spam-Flag: Yes\r\n") == 1
            assert mail.count(b"\r\nX-Spam-Flag: YES\r\n") == 1
            got = send(daemon, HEADER + b"\r\nx\r\n", "",
                       ("fraud@mail.test",))
            assert got[:3] == "250", got
            assert not any("rule left out" in line for line in daemon.lines)
            with open(path, "w", encoding="ascii") as file:
                file.write("refuse 'nothing today'\nreject\n")
            wait_for(lambda: send(daemon, HEADER + b"\r\nx\r\n") ==
                     "550 5.7.1 nothing today", what="the new rules")
            daemon.wait_log(r'rule left out place=\S*content.rules:2')


main(__name__, test_rules)
