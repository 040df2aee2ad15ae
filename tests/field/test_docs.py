"""O20: what the pages tell operators to use is tried as it stands there."""
import os
import poplib
import re
import smtplib
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "integration"))
from harness import (SOURCE, Daemon, Skip, Wire, main,  # noqa: E402
                     need, need_posix)

ADDRESS = r"(?P<address>[0-9A-Fa-f:.]+)"
DATE = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z ")


def page(name):
    with open(os.path.join(SOURCE, "docs", name), encoding="utf-8") as file:
        return file.read()


def filter_text():
    return re.search(r"<!-- test: fail2ban -->\n```ini\n(.*?)```",
                     page("operations.md"), re.S)[1]


def expressions():
    """The filter's, with fail2ban's tag for an address as it is replaced."""
    text = re.search(r"failregex = (.*?)\nignoreregex", filter_text(), re.S)[1]
    return [re.compile(line.strip().replace("<ADDR>", ADDRESS))
            for line in text.split("\n")]


def fail(daemon, source, user, service):
    """One refused login; the name is the peer's to choose."""
    with Wire(daemon.port(service), source=source) as wire:
        if service == "pop3":
            wire.line()
            wire.send(f"USER {user}\r\nPASS wrong\r\n".encode())
            wire.line()
            assert wire.line().startswith(b"-ERR")
        else:
            import base64
            wire.reply()
            wire.ask("EHLO c.test")
            word = base64.b64encode(f"\0{user}\0wrong".encode()).decode()
            assert wire.ask("AUTH PLAIN " + word)[0] in "45"


def provoke(daemon):
    """From addresses of the loopback net; the lines that say so."""
    names = ("demo", "nobody", 'x" peer=192.0.2.9:25', "x peer=192.0.2.9:25",
             "a\\")
    for at, user in enumerate(names):
        fail(daemon, f"127.0.0.{10 + at}", user, "submission")
    fail(daemon, "127.0.0.20", "demo", "pop3")
    with Wire(daemon.port("smtp"), source="127.0.0.21") as wire:
        wire.reply()
        wire.ask("EHLO c.test")
        wire.ask("MAIL FROM:<a@b.test>")
        assert wire.ask("RCPT TO:<x@far.test>").startswith("550 5.7.1")
        # Not the last words of a command, whatever they are.
        wire.ask('RCPT TO:<x@far.test> X=" peer=192.0.2.9:25 reply="550 5.7.1 '
                 'Relaying denied"')
    daemon.wait_log(r'smtp: refused .*peer=127\.0\.0\.21:.*X=.*reply="5(01|55) ')
    return {f"127.0.0.{10 + at}" for at in range(len(names))} | {
        "127.0.0.20", "127.0.0.21"}


SETTINGS = {"smtp.allows_clear_auth": True, "pop3.allows_clear_login": True}


def test_O20_fail2ban_filter(build):
    """It finds each address that did it in lines of ours, and no other one;
    in a file and in the journal's form."""
    need_posix(build, "other loopback addresses")
    with Daemon(build, settings=SETTINGS) as daemon:
        with daemon.smtp() as smtp:  # no fault at all
            smtp.sendmail("a@b.test", ["demo@mail.test"], b"Subject: x\r\n\r\n")
        guilty = provoke(daemon)
        lines = list(daemon.lines)
    for head in ("", "Nov 30 07:15:02 mail mailmodd[4711]: "):
        found = set()
        for line in lines:
            text = DATE.sub("", line)
            if head:
                text = head + text.split(" ", 1)[1]
            for expression in expressions():
                match = expression.search(text)
                if match:
                    found.add(match["address"])
        assert found == guilty, (found, guilty)
    # IPv6 has brackets.
    line = "warning smtp: login refused session=1 user=a peer=[2001:db8::1]:25"
    assert expressions()[0].search(line)["address"] == "2001:db8::1"


def test_O20_fail2ban_itself(build):
    """fail2ban's own reader agrees, where it is installed."""
    program = need("fail2ban-regex")
    need_posix(build, "fail2ban")
    with Daemon(build, settings=SETTINGS) as daemon:
        provoke(daemon)
        log = os.path.join(daemon.folder, "log")
        rules = os.path.join(daemon.folder, "mailmod.conf")
        with open(log, "w", encoding="utf-8") as file:
            file.write("\n".join(daemon.lines) + "\n")
        with open(rules, "w", encoding="utf-8") as file:
            file.write(filter_text())
        run = subprocess.run([program, log, rules], capture_output=True,
                             text=True, timeout=120)
        matched = re.search(r"Lines: .*, (\d+) matched", run.stdout)
        assert matched and int(matched[1]) == 7, run.stdout


def test_O20_messages_handed_in(build):
    """The loop of the page about moving, as it is printed."""
    need("curl")
    need_posix(build, "a shell")
    loop = re.search(r"```\n(for file in \*\.eml.*?)```",
                     page("operations.md"), re.S)[1]
    with Daemon(build, users=("alice",), settings={
            "local.domains": "example.org"}) as daemon:
        for name, end in (("a.eml", "\r\n"), ("b.eml", "\n")):
            with open(os.path.join(daemon.folder, name), "w", newline="",
                      encoding="ascii") as file:
                file.write(f"Subject: {name}{end}{end}.{end}one{end}")
        loop = loop.replace("127.0.0.1:25", f"127.0.0.1:{daemon.port('smtp')}")
        run = subprocess.run(["sh", "-c", loop], cwd=daemon.folder,
                             capture_output=True, text=True, timeout=120)
        assert run.returncode == 0 and run.stdout == "", run
        texts = daemon.messages("alice")
        assert len(texts) == 2, run
        for name, text in zip(("a.eml", "b.eml"), texts):
            assert text.endswith(f"Subject: {name}\r\n\r\n.\r\none\r\n"
                                 .encode()), text


def test_every_row_has_its_peers(_):
    """docs/field.md: each row has what Postfix or Dovecot did, or why there is
    nothing to compare, and peers.py can try it again."""
    import peers
    rows = re.findall(r"(?m)^\| ([A-Z]\d+) \| (.*) \|$", page("field.md"))
    assert len(rows) > 100
    assert {row for row, _ in rows} == set(peers.ROWS)
    for row, rest in rows:
        cells = rest.split(" | ")
        assert len(cells) == 5, row
        if isinstance(peers.ROWS[row], str):
            assert cells[4] == "\u2013 " + peers.ROWS[row], row
        else:
            assert re.match("Postfix: .|Dovecot", cells[4]), (row, cells[4])


main(__name__, test_O20_fail2ban_filter, test_O20_fail2ban_itself,
     test_O20_messages_handed_in, test_every_row_has_its_peers)
