"""Programs for libESMTP over libmailmod-esmtp: sessions with servers that do
as they are told.

The program is letters.c, which knows libESMTP's headers alone; this test tells
it what to call, and is the servers that it meets.
"""
import base64
import os
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "integration"))
from harness import SANITIZER, free_port, main  # noqa: E402
from sink import Sink  # noqa: E402
from test_delivery import make_certificate  # noqa: E402

(CONNECT, MAIL, RCPT, DATA, SENT, DISCONNECT) = range(6)
EXTNA_DSN, EXTNA_8BITMIME, EXTNA_STARTTLS, EXTNA_ETRN = range(2000, 2004)
EXTNA_BINARYMIME = 2005
ETRNSTATUS, DELIVERBY_EXPIRED = 1000, 3000
INVALID_CERTIFICATE = 3102
NOTHING, DROPPED, REFUSED, INVAL, EXTNA = 2, 3, 6, 7, 8
DISABLED, ENABLED, REQUIRED = range(3)
PLAIN = 2
OVERRIDE, PROHIBIT = 0, 1
HEADER = ("From: me@mail.test\r\nDate: Thu, 01 Jan 1970 00:00:00 +0000\r\n"
          "Message-ID: <1@mail.test>\r\nSubject: x\r\n")
TEXT = HEADER + "\r\n.dot\r\nbody\r\n"
OFFERED = ("PIPELINING", "SIZE 9000000", "8BITMIME", "DSN",
           "ENHANCEDSTATUSCODES")


class Program:
    def __init__(self, build, sink=None, headers=0):
        self.folder = tempfile.TemporaryDirectory(prefix="mailmod-dropin-")
        self.place = os.path.join(self.folder.name, "here")
        self.home = os.path.join(self.folder.name, "home")
        self.count = 0
        os.mkdir(self.place)
        os.makedirs(os.path.join(self.home, "libesmtp", "private"))
        self.process = subprocess.Popen(
            [os.path.join(build, "tests", "dropin", "letters")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=open(os.path.join(self.folder.name, "errors"), "wb"),
            cwd=self.place, env=dict(os.environ, XDG_CONFIG_HOME=self.home))
        self.told = []
        self.ok("make", headers)
        self.ok("hostname", "me.test")
        if sink:
            self.ok("server", f"127.0.0.1:{sink.port}")

    def ask(self, *words):
        """(value, error, words); what is said besides is in `told`."""
        text = "\t".join(str(word) for word in words) + "\n"
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()
        self.told = []
        while True:
            line = self.process.stdout.readline().decode("utf-8", "replace")
            assert line, (words, self.process.wait(10), self.errors())
            got = line.rstrip("\n").split("\t")
            if got[0] == str(words[0]):
                return int(got[1]), int(got[2]), got[3]
            self.told.append(got)

    def ok(self, *words):
        answer = self.ask(*words)
        assert answer[0] != 0, (words, answer, self.told)

    def fails(self, error, *words):
        value, got, text = self.ask(*words)
        assert (value, got) == (0, error) and text, (words, value, got, text)
        return text

    def message(self, number, *recipients, text=TEXT, way="str",
                sender="me@mail.test"):
        self.ok("message", number, f"data {number}")
        self.ok("from", number, sender)
        self.count += 1
        path = os.path.join(self.folder.name, f"text{self.count}")
        with open(path, "wb") as file:
            file.write(text if isinstance(text, bytes) else text.encode())
        self.ok("text", number, way, path)
        for at, recipient in enumerate(recipients):
            self.ok("rcpt", number, at, recipient)

    def events(self, *but):
        """[(event, mailbox, number, code)] of the last call."""
        return [(int(e), m, int(n), int(c)) for w, e, m, n, c in
                (t for t in self.told if t[0] == "event") if int(e) not in but]

    def lines(self, way):
        return [t[1] for t in self.told if t[0] == way]

    def status(self):
        """[("mail"|"text"|address, code, ...)]"""
        self.ok("status")
        return [tuple(t[1:]) if t[0] == "rcpt" else tuple(t)
                for t in self.told if t[0] in ("mail", "text", "rcpt")]

    def errors(self):
        with open(os.path.join(self.folder.name, "errors"), "rb") as file:
            return file.read().decode("utf-8", "replace")

    def close(self):
        self.ok("destroy")
        self.process.stdin.close()
        self.process.stdout.read()
        assert self.process.wait(60) == 0, self.errors()
        assert not SANITIZER.search(self.errors()), self.errors()
        assert os.listdir(self.place) == []
        self.folder.cleanup()

    def __enter__(self):
        return self

    def __exit__(self, kind, *rest):
        if kind is None:
            self.close()
        else:
            self.process.kill()


def test_two_messages(build):
    """One connection; events and statuses; then what is left, alone."""
    replies = {"RCPT": lambda line: "550 5.1.1 nobody" if "bad" in line
               else "451 4.3.0 later" if "late" in line else "250 2.1.5 fine"}
    with Sink(replies=replies, extensions=OFFERED) as sink, \
            Program(build, sink) as program:
        program.message(1, "a@x.test", "bad@x.test", "late@x.test")
        program.message(2, "c@x.test", way="fp", sender="")
        program.ok("start")
        assert sink.connections == 1
        assert [m.recipients for m in sink.messages] == [
            ["a@x.test"], ["c@x.test"]]
        assert sink.messages[0].data.decode() == TEXT
        assert sink.messages[1].reverse_path == ""
        assert program.events(DATA) == [
            (CONNECT, "", 0, 0),
            (MAIL, "me@mail.test", 0, 250), (RCPT, "a@x.test", 0, 250),
            (RCPT, "bad@x.test", 0, 550), (RCPT, "late@x.test", 0, 451),
            (SENT, "", 0, 250),
            (MAIL, "", 0, 250), (RCPT, "c@x.test", 0, 250),
            (SENT, "", 0, 250), (DISCONNECT, "", 0, 0)], program.told
        assert program.status() == [
            ("mail", "250"), ("text", "250", "2.0.0"),
            ("a@x.test", "250", "2.1.5", "1"),
            ("bad@x.test", "550", "5.1.1", "1"),
            ("late@x.test", "451", "4.3.0", "0"),
            ("mail", "250"), ("text", "250", "2.0.0"),
            ("c@x.test", "250", "2.1.5", "1")], program.told
        replies["RCPT"] = "250 2.1.5 fine"
        program.ok("start")
        assert [m.recipients for m in sink.messages[2:]] == [["late@x.test"]]
        program.fails(NOTHING, "start")
        program.ok("reset", 2)
        program.ok("start")
        assert [m.recipients for m in sink.messages[3:]] == [["c@x.test"]]


def test_text_once(build):
    """A text of a pipe: asked for once, kept in memory or in a file."""
    long = HEADER + "\r\n" + "line of a text\r\n" * 100000
    with Sink(extensions=OFFERED + ("CHUNKING",)) as sink, \
            Program(build, sink) as program:
        program.message(1, "a@x.test", way="once")
        program.message(2, "b@x.test", way="once", text=long)
        program.message(3, "c@x.test", text="no header\nline", way="once")
        program.ok("start")
        assert program.told.count(["begun"]) == 3
        assert sink.messages[0].data.decode() == TEXT
        assert sink.messages[1].data.decode() == long
        assert sink.messages[2].data.decode().endswith(
            "\r\n\r\nno header\r\nline\r\n")
        told = [n for e, _, n, _ in program.events() if e == DATA]
        assert sum(told) >= len(long), told


def test_monitor(build):
    """Lines both ways, headers when asked, no body and no password."""
    with Sink(extensions=OFFERED + ("AUTH PLAIN",)) as sink, \
            Program(build, sink, headers=1) as program:
        program.ok("auth", "alice", "wonderland", PLAIN, 0)
        program.message(1, "a@x.test")
        program.message(2, "b@x.test")
        program.ok("start")
        sent, received = program.lines("C"), program.lines("S")
        assert received[0] == "220 sink.test ESMTP\\r\\n"
        assert sent[0] == "EHLO me.test\\r\\n" and \
            sent[-1] == "QUIT\\r\\n", sent
        everything = "".join(sent + received + program.lines("H"))
        secret = base64.b64encode(b"\0alice\0wonderland").decode()
        assert secret[:8] not in everything and "AUTH PLAIN ***" in everything
        assert "body" not in everything and "dot" not in everything
        assert "".join(program.lines("H")) == \
            2 * HEADER.replace("\r\n", "\\r\\n"), program.lines("H")
        assert sink.messages[0].user.endswith(secret)


def test_login(build):
    """After a 535 nothing else gets the password (S23); no AUTH: no login."""
    said = []

    def refuse(argument):
        said.append(argument)
        return "535 5.7.8 no"

    with Sink(replies={"AUTH": refuse},
              extensions=("AUTH PLAIN LOGIN CRAM-MD5",)) as sink, \
            Program(build, sink) as program:
        program.ok("auth", "alice", "wrong", PLAIN, 0)
        program.message(1, "a@x.test")
        text = program.fails(REFUSED, "start")
        assert "no" in text and len(said) == 1, (text, said)
        assert program.told.count(["asked", "user", "9"]) == 1
        assert sink.messages == [] and sink.connections == 1
        sink.extensions = ["AUTH PLAIN LOGIN"]
        program.ok("auth", "alice", "right", 0, 0)
        program.fails(EXTNA, "start")
        assert len(said) == 1, said
    with Sink() as sink, Program(build, sink) as program:
        program.ok("auth", "alice", "right", PLAIN, 0)
        program.message(1, "a@x.test")
        program.ok("start")
        assert sink.messages[0].user is None
        assert [e[0] for e in program.events(DATA, MAIL, RCPT)] == [
            CONNECT, DISCONNECT, CONNECT, SENT, DISCONNECT], program.told
        program.ok("auth", "", "", PLAIN, 0)
        program.ok("reset", 1)
        program.ok("start")
        assert sink.connections == 3


def test_tls(build):
    """Required and not there; a certificate that nobody knows; one that the
    user knows; a login that wants strength."""
    with Sink() as sink, Program(build, sink) as program:
        program.ok("tls", REQUIRED)
        program.message(1, "a@x.test")
        program.fails(EXTNA, "start")
        assert (EXTNA_STARTTLS, "", 0, 0) in program.events()
        program.ok("tls", ENABLED)
        program.ok("start")
        assert not sink.messages[0].tls
        program.ok("auth", "alice", "right", PLAIN, 56)
        program.ok("reset", 1)
        program.fails(EXTNA, "start")
        assert len(sink.messages) == 1
    with tempfile.TemporaryDirectory() as folder:
        context = make_certificate(folder, "localhost")
        with Sink(extensions=("STARTTLS",), tls=context) as sink, \
                Program(build) as program:
            program.ok("server", f"localhost:{sink.port}")
            program.ok("tls", REQUIRED)
            program.message(1, "a@x.test")
            assert program.ask("start")[0] == 0
            assert (INVALID_CERTIFICATE, "", 1, 0) in program.events()
            assert sink.messages == []
            program.ok("answer", 0, 1)
            program.ok("start")
            assert sink.messages[0].tls
            shutil.copy(os.path.join(folder, "ca.pem"),
                        os.path.join(program.home, "libesmtp"))
            program.ok("answer", 0, 0)
            program.ok("reset", 1)
            program.ok("start")
            assert sink.messages[1].tls
            assert INVALID_CERTIFICATE not in [
                e[0] for e in program.events()]


def test_extensions(build):
    with Sink(extensions=OFFERED) as sink, Program(build, sink) as program:
        program.message(1, "a@x.test", "b@x.test", text=TEXT + "ü\r\n")
        program.ok("ret", 1, 1)
        program.ok("envid", 1, "id=1")
        program.ok("notify", 0, 5)
        program.ok("orcpt", 0, "rfc822", "c+d@x.test")
        program.ok("notify", 1, -1)
        program.ok("body", 1, 2)
        program.ok("start")
        message = sink.messages[0]
        assert "RET=FULL" in message.mail_line and \
            "ENVID=id+3D1" in message.mail_line and \
            "BODY=8BITMIME" in message.mail_line, message.mail_line
        assert message.rcpt_lines[0].endswith(
            " NOTIFY=SUCCESS,DELAY ORCPT=rfc822;c+2Bd@x.test"), \
            message.rcpt_lines
        assert message.rcpt_lines[1].endswith(" NOTIFY=NEVER")
    with Sink(extensions=("SIZE",)) as sink, Program(build, sink) as program:
        program.message(1, "a@x.test", text=TEXT + "ü\r\n")
        program.message(2, "b@x.test")
        program.ok("body", 1, 2)
        program.ok("ret", 2, 1)
        program.ok("notify", 0, 1)
        program.ok("answer", 1, 0)
        program.ask("start")
        asked = [e[0] for e in program.events()]
        assert EXTNA_8BITMIME in asked and EXTNA_DSN in asked, program.told
        assert sink.messages == []
        program.ok("answer", 0, 0)
        program.ok("body", 1, 0)
        program.ok("start")
        assert [m.recipients for m in sink.messages] == [
            ["a@x.test"], ["b@x.test"]]
        assert b"=C3=BC" in sink.messages[0].data


def test_deliver_by(build):
    """A time, and a server that wants more of it."""
    with Sink(extensions=("DELIVERBY 100",)) as sink, \
            Program(build, sink) as program:
        program.message(1, "a@x.test")
        program.ok("by", 1, 200, 2, 1)
        program.ok("start")
        assert "BY=" in sink.messages[0].mail_line and \
            ";RT" in sink.messages[0].mail_line, sink.messages[0].mail_line
        program.ok("reset", 1)
        program.ok("by", 1, 50, 2, 0)
        program.ask("start")
        assert [(e, 49 <= n <= 99) for e, _, n, _ in program.events()
                if e == DELIVERBY_EXPIRED] == [(DELIVERBY_EXPIRED, True)]
        assert len(sink.messages) == 1
        program.ok("answer", 1, 0)
        program.ok("reset", 1)
        program.ok("start")
        assert len(sink.messages) == 2


def test_binary(build):
    """Octets that are no lines go by BDAT, or not at all."""
    text = (HEADER + "MIME-Version: 1.0\r\nContent-Type: image/x\r\n"
            "Content-Transfer-Encoding: binary\r\n\r\n").encode() + \
        b"\x00\n\r\xff.\r\n.\r\nend"
    with Sink(extensions=OFFERED + ("CHUNKING", "BINARYMIME")) as sink, \
            Program(build, sink) as program:
        program.message(1, "a@x.test", text=text, way="fp")
        program.ok("body", 1, 3)
        program.ok("start")
        assert sink.messages[0].data == text, sink.messages[0].data
        assert "BODY=BINARYMIME" in sink.messages[0].mail_line
        sink.extensions = list(OFFERED)
        program.ok("reset", 1)
        program.ask("start")
        assert EXTNA_BINARYMIME in [e[0] for e in program.events()]
        assert len(sink.messages) == 1


def test_etrn(build):
    """Nodes alone are a session; each has what was said to it."""
    with Sink(extensions=("ETRN",)) as sink, Program(build, sink) as program:
        program.ok("etrn", "@", "a.test")
        program.ok("etrn", "", "b.test")
        program.ok("start")
        assert "ETRN @a.test\\r\\n" in program.lines("C"), program.told
        assert program.events() == [
            (CONNECT, "", 0, 0), (DISCONNECT, "", 0, 0),
            (ETRNSTATUS, "a.test", 64, 0), (ETRNSTATUS, "b.test", 0, 0)]
        program.ok("nodes")
        assert program.told == [["node", "64", "a.test", "250"],
                                ["node", "0", "b.test", "250"]]
    with Sink() as sink, Program(build, sink) as program:
        program.ok("etrn", "", "a.test")
        program.message(1, "a@x.test")
        program.ask("start")
        assert EXTNA_ETRN in [e[0] for e in program.events()], program.told
        assert len(sink.messages) == 1


def test_headers(build):
    with Sink(extensions=OFFERED) as sink, Program(build, sink) as program:
        program.message(1, "a@x.test", "b@x.test",
                        text="Subject: old\r\nBcc: s@x.test\r\nX-A: 1\r\n"
                        "MIME-Version: 1.0\r\n\r\nx\r\n")
        program.ok("header", 1, "Subject", "new")
        program.ok("option", 1, "Subject", OVERRIDE, 1)
        program.ok("option", 1, "X-A", PROHIBIT, 1)
        program.ok("header", 1, "To")
        program.ok("header", 1, "Cc", "Bob, jr.", "bob@x.test")
        program.ok("header", 1, "Cc", "", "eve@x.test")
        program.ok("header", 1, "Bcc", "", "secret@x.test")
        program.ok("header", 1, "Date", "86400")
        program.ok("header", 1, "Disposition-Notification-To")
        program.ok("header", 1, "X-Mailer", "=?UTF-8?Q?x?=")
        program.ok("start")
        text = sink.messages[0].data.decode()
        for field in ("Subject: new\r\n", "To: <a@x.test>, <b@x.test>\r\n",
                      'Cc: "Bob," "jr." <bob@x.test>, <eve@x.test>\r\n',
                      "Date: Fri, 02 Jan 1970 00:00:00 +0000\r\n",
                      "Disposition-Notification-To: ", "MIME-Version: 1.0\r\n",
                      "X-Mailer: =?UTF-8?Q?x?=\r\n"):
            assert field in text, (field, text)
        for field in ("old", "Bcc", "s@x.test", "secret", "X-A"):
            assert field not in text, (field, text)


def test_all_or_none(build):
    replies = {"RCPT": lambda line: "550 5.1.1 nobody" if "bad" in line
               else "250 2.1.5 fine"}
    with Sink(replies=replies, extensions=OFFERED) as sink, \
            Program(build, sink) as program:
        program.ok("all", 1)
        program.message(1, "a@x.test", "bad@x.test")
        program.message(2, "b@x.test")
        program.ok("start")
        assert [m.recipients for m in sink.messages] == [["b@x.test"]]


def test_failures(build):
    """Nobody there; a server that goes away; one that is a number too far."""
    with Program(build) as program:
        program.ok("server", f"127.0.0.1:{free_port()}")
        program.message(1, "a@x.test")
        program.fails(-111, "start")
        assert program.events() == []
    with Sink(replies={"DATA": None}) as sink, \
            Program(build, sink) as program:
        program.message(1, "a@x.test")
        program.ok("start")
        assert program.status()[2][1:] == ("0", "4.4.2", "0"), program.told
        assert program.events(DATA, MAIL, RCPT) == []
    with Sink(replies={"DATA": "554 5.7.1 no"}) as sink, \
            Program(build, sink) as program:
        program.message(1, "a@x.test")
        program.ok("start")
        assert program.events(DATA)[-2:] == [(SENT, "", 0, 554),
                                             (DISCONNECT, "", 0, 0)]


def test_several_servers(build):
    """By name, by /etc/hosts, and the next one when one is not there."""
    with Sink(extensions=OFFERED) as sink, Program(build) as program:
        program.ok("server",
                   f"127.0.0.1:{free_port()}, localhost:{sink.port}")
        program.message(1, "a@x.test")
        program.ok("data")
        program.ok("start")
        assert len(sink.messages) == 1


main(__name__, test_two_messages, test_text_once, test_monitor, test_login,
     test_tls, test_extensions, test_deliver_by, test_binary, test_etrn, test_headers, test_all_or_none, test_failures,
     test_several_servers)
