"""A host that changes messages and their envelopes, seen from outside.

The host program is changes.c; what it changes stands in the sender's or the
recipient's name.
"""
import os
import poplib
import re
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "integration"))
from harness import Wire, main, wait_for  # noqa: E402
from sink import Sink  # noqa: E402

HEADER = (b"Received: from x\r\nSubject: one\r\n two\r\nX-Secret: s\r\n"
          b"From: a@c.test\r\n")
BODY = HEADER + b"\r\nSubject: in the body\r\n"


class Host:
    def __init__(self, build, sink=None):
        self.folder = tempfile.TemporaryDirectory(prefix="mailmod-changes-")
        self.process = subprocess.Popen(
            [os.path.join(build, "tests", "host", "changes"),
             self.folder.name, str(sink.port if sink else 1)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        match = None
        while match is None:
            line = self.process.stdout.readline()
            assert line, "no ports"
            match = re.match(r"ports (\d+) (\d+)", line)
        self.smtp, self.pop3 = map(int, match.groups())
        self.lines = []
        self.reader = threading.Thread(
            target=lambda: [self.lines.append(x) for x in self.process.stdout])
        self.reader.start()

    def order(self, letter):
        self.process.stdin.write(letter)
        self.process.stdin.flush()

    def deliver(self, sender, recipients=("demo@mail.test",), body=BODY,
                more=""):
        with Wire(self.smtp) as wire:
            wire.reply()
            wire.ask("EHLO c.test")
            assert wire.ask(f"MAIL FROM:<{sender}@c.test>")[:3] == "250"
            for recipient in recipients:
                got = wire.ask(f"RCPT TO:<{recipient}>{more}")
                assert got[:3] == "250", got
            assert wire.ask("DATA")[:3] == "354"
            wire.send(re.sub(rb"(?m)^\.", b"..", body) + b".\r\n")
            return wire.reply()

    def mail(self, user="demo"):
        box = poplib.POP3("127.0.0.1", self.pop3, timeout=120)
        box.user(user)
        box.pass_("secret")
        count = box.stat()[0]
        sizes = [int(x.split()[1]) for x in box.list()[1]]
        texts = [b"\r\n".join(box.retr(i + 1)[1]) + b"\r\n"
                 for i in range(count)]
        assert sizes == [len(x) for x in texts], (sizes, texts)
        for i in range(count):
            box.dele(i + 1)
        box.quit()
        return texts

    def says(self, pattern):
        return [x for x in self.lines if re.search(pattern, x)]

    def __enter__(self):
        return self

    def __exit__(self, kind, *rest):
        self.process.stdin.close()
        self.reader.join(60)
        self.process.wait(120)
        self.folder.cleanup()
        print("".join(self.lines)[-4000:])
        assert kind is not None or (self.process.returncode == 0 and
                                    not self.says("^WRONG"))


def own(text):
    """What stands behind the fields of ours."""
    return text[text.index(b"X-First") if b"X-First" in text else
                text.index(b"Received: from x"):]


def test_fields(build):
    with Host(build) as host:
        assert host.deliver("fields")[:3] == "250"
        text, = host.mail()
        assert own(text) == (
            b"X-First: here\r\nReceived: from x\r\n"
            b"Subject: [spam] changed\r\nFrom: a@c.test\r\n"
            b"X-Score: 12\r\n\tof 15\r\n\r\nSubject: in the body\r\n"), text
        assert text.startswith(b"Return-Path:"), text
        # No body, and no header.
        assert host.deliver("add-field", body=b"Subject: x\r\n")[:3] == "250"
        text, = host.mail()
        assert text.endswith(b"Subject: x\r\nX-Added: yes\r\n"), text
        assert host.deliver("add-field", body=b"\r\nbody\r\n")[:3] == "250"
        text, = host.mail()
        assert text.endswith(b"X-Added: yes\r\n\r\nbody\r\n"), text


def test_large_messages(build):
    """A message of several pieces; a header of several pieces."""
    body = HEADER + b"\r\n" + b"z" * 70 + b"\r\n" + b"y" * 900 + b"\r\n"
    body += (b"x" * 998 + b"\r\n") * 300
    long = b"".join(b"X-Long-%d: %s\r\n" % (i, b"v" * 500) for i in range(200))
    with Host(build) as host:
        assert host.deliver("fields", body=body)[:3] == "250"
        text, = host.mail()
        assert text.endswith(body[len(HEADER):]), "the body"
        assert b"[spam] changed" in text and b"X-Secret" not in text
        # Fields can be added, above all others.
        assert host.deliver("add-field", body=long + BODY)[:3] == "250"
        text, = host.mail()
        assert text.endswith(long + BODY), text[-300:]
        assert b"X-Added: yes\r\n" in text
        reply = host.deliver("one-field", body=long + BODY)
        assert reply.startswith("552 5.3.4"), reply
        assert host.mail() == []
        assert host.deliver("many")[:3] == "250"
        assert host.mail()[0].count(b"X-Many: v\r\n") == 256
        assert host.says("^changes 256")


def test_recipients(build):
    with Host(build) as host:
        assert host.deliver("add")[:3] == "250"
        assert len(host.mail("demo")) == 1 and len(host.mail("other")) == 1
        wait_for(lambda: host.says("nobody has the address.*nobody@mail.test"),
                 what="the line")
        # Who gets it already gets one.
        assert host.deliver("add", ("other@mail.test",))[:3] == "250"
        assert len(host.mail("other/Junk")) + len(host.mail("other")) == 1
        # The second of two paths to the same mailbox loses its first.
        assert host.deliver("remove", ("demo@mail.test", "other@mail.test",
                                       "DEMO@mail.test"))[:3] == "250"
        assert host.mail("demo") == [] and len(host.mail("other/Junk")) == 1
        # Nobody is left: it is taken, and not kept.
        big = BODY + (b"x" * 998 + b"\r\n") * 300
        assert host.deliver("remove", body=big)[:3] == "250"
        assert host.mail("demo") == []
        wait_for(lambda: host.says("taken from all recipients"),
                 what="the line")
        # A refused message changes nothing.
        assert host.deliver("refused")[:3] == "550"
        assert host.mail("other") == []


def test_redirect(build):
    with Sink(extensions=["DSN"]) as sink, Host(build, sink) as host:
        # RFC 3461 5.2.7: the wishes hold on.
        dsn = " NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;first@x.test"
        assert host.deliver("redirect", more=dsn)[:3] == "250"
        wait_for(lambda: sink.messages, what="the mail elsewhere")
        message = sink.messages[0]
        assert message.recipients == ["far@away.test"]
        line, = message.rcpt_lines
        assert "NOTIFY=SUCCESS,FAILURE" in line, line
        assert "ORCPT=rfc822;first@x.test" in line, line
        assert host.mail() == []
        # At RCPT, where the address need not be known.
        assert host.deliver("x", ("moved@mail.test",))[:3] == "250"
        text, = host.mail("other")
        assert b"X-Original-To: moved@mail.test\r\n" in text, text
        assert host.deliver("x", ("far@mail.test",), more=dsn)[:3] == "250"
        wait_for(lambda: len(sink.messages) == 2, what="the mail elsewhere")
        assert sink.messages[1].recipients == ["far@away.test"]
        assert "ORCPT=rfc822;first@x.test" in sink.messages[1].rcpt_lines[0]
        # To nobody: the recipient keeps it.
        assert host.deliver("lost")[:3] == "250"
        assert len(host.mail()) == 1
        wait_for(lambda: host.says("nobody has the address"), what="the line")


def test_quarantine(build):
    with Sink(extensions=["DSN"]) as sink, Host(build, sink) as host:
        got = host.deliver("quarantine",
                           ("demo@mail.test", "far@mail.test"),
                           more=" NOTIFY=SUCCESS ORCPT=rfc822;o@x.test")
        assert got[:3] == "250", got
        assert host.mail() == []
        host.order("l")
        wait_for(lambda: host.says("^listed"), what="the list")
        held = host.says("^held")
        assert held == ["held 1 quarantine:host looks like a virus\n"] * 2
        assert sink.messages == []  # and no report to the sender
        host.order("r")
        wait_for(lambda: host.says("^released 2"), what="the release")
        wait_for(host.mail, what="the released mail")
        wait_for(lambda: len(sink.messages) == 2, what="mail elsewhere")
        by = {x.recipients[0]: x for x in sink.messages}
        assert "ORCPT=rfc822;o@x.test" in by["far@away.test"].rcpt_lines[0]
        assert "NOTIFY=SUCCESS" in by["far@away.test"].rcpt_lines[0]
        # The one here is told of as delivered; the other one by its host.
        report = by["quarantine@c.test"].data
        assert b"Action: delivered" in report and b"far@" not in \
            report.split(b"message/rfc822")[0].split(b"delivery-status")[1]


def test_folder(build):
    with Host(build) as host:
        assert host.deliver("junk")[:3] == "250"
        assert host.mail("demo") == []
        text, = host.mail("demo/Junk")
        assert b"Delivered-To: demo+Junk@mail.test\r\n" in text, text
        assert b"X-Original-To: demo@mail.test\r\n" in text, text
        # At RCPT it is that recipient's alone, and its reply waits.
        assert host.deliver("x", ("other@mail.test",
                                  "demo@mail.test"))[:3] == "250"
        assert host.mail("other") == [] and len(host.mail("demo")) == 1
        assert len(host.mail("other/Junk")) == 1
        # In a Maildir the folder is made, and no address tells of it.
        assert host.deliver("junk", ("boxed@mail.test",))[:3] == "250"
        text, = wait_for(lambda: host.mail("boxed/Junk"),
                         what="the Maildir's folder")
        assert b"Delivered-To: boxed@mail.test\r\n" in text, text
        assert host.mail("boxed") == []
        assert os.path.isfile(os.path.join(
            host.folder.name, "Maildir", ".Junk", "maildirfolder"))


main(__name__, test_fields, test_large_messages, test_recipients,
     test_redirect, test_quarantine, test_folder)
