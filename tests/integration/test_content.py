"""Rules about content, as docs/content.md has them, in a daemon: T-100."""
import base64
import os
import re
import tempfile

from harness import (SOURCE, Daemon, Wire, insecure_tls, main, program,
                     wait_for)
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


def test_command(build):
    """Each exit code and each way to fail; what the program is told; how its
    words are said. A reload changes what the codes mean."""
    with tempfile.TemporaryDirectory() as folder:
        told = os.path.join(folder, "told")
        judge = program(build, "content_judge")[-1]
        with Daemon(build, settings={
                "content.command": f"{judge} {told}",
                "content.commands_max": 1,
                "content.exempts_logins": True,
                "content.command_size_max": "64K",
                "smtp.allows_clear_auth": True}) as daemon:
            for text, wanted in (
                    (b"fine\r\n", "250"),
                    (b"verdict=77\r\n", "550 5.7.1 This message is not taken"),
                    (b"verdict=77 say=no \x01\xc3\xa4 \x1b[31m\r\n",
                     "550 5.7.1 no ??? ?[31m"),
                    (b"verdict=77 say=" + 5000 * b"x" + b"\r\n",
                     "550 5.7.1 " + 400 * "x"),
                    (b"verdict=75 say=later\r\n", "451 4.7.1 later"),
                    (b"verdict=80 say=9 points\r\n", "250"),
                    (b"verdict=81 say=a look\r\n", "250"),
                    (b"verdict=82\r\n", "250"),
                    (b"loud verdict=77 say=loud\r\n", "550 5.7.1 loud"),
                    (b"verdict=9\r\n", "451 4.7.1 A filter of mail cannot"),
                    (b"verdict=77\r\n" + 2000 * (60 * b"x" + b"\r\n"),
                     "250")):
                got = send(daemon, b"\r\n" + text)
                assert got.startswith(wanted), (text[:40], got)
                assert len(got) < 512, len(got)
            fine, marked, large = daemon.messages()
            assert b"\r\nX-Spam-Flag: YES\r\n" in marked
            assert b"\r\nX-Spam-Report: 9 points" in marked
            assert b"X-Spam" not in fine + large
            held = daemon.ctl("queue", "list", "--state", "held").stdout
            assert held.count("a look") == 1, held
            with open(told, encoding="utf-8") as file:
                first = file.readline()
            assert re.fullmatch(r"a@c.test\|demo@mail.test\|\|127\.0\.0\.1\S*"
                                r"\|8\n", first), first
            with daemon.smtp("submission") as client:
                client.starttls(context=insecure_tls())
                client.login("demo", daemon.password)
                client.sendmail("demo@mail.test", ["demo@mail.test"],
                                "\r\nverdict=77\r\n")
            daemon.settings["content.exit_codes"] = "77=discard 9=refuse"
            daemon.settings["content.command_timeout"] = "1s"
            daemon.settings["content.command_away"] = "accept"
            daemon.write_config()
            daemon.ask_reload()
            daemon.wait_log("mailmodd: reloaded")
            got = send(daemon, b"\r\nverdict=9\r\n")
            assert got[:3] == "550", got
            before = len(daemon.messages())
            for text in (b"slow\r\n", b"verdict=75\r\n", b"verdict=77\r\n"):
                got = send(daemon, b"\r\n" + text)
                assert got[:3] == "250", (text, got)
            assert len(daemon.messages()) == before + 2
            daemon.wait_log(r'cannot be asked .*it took too long.*'
                            r'mail passes without it')
            left = os.listdir(os.path.join(daemon.folder, "data"))
            assert not [name for name in left if "sp" in name[:3]], left


main(__name__, test_rules, test_command)
