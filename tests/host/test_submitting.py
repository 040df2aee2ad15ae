"""A host that talks to a submission server itself (mailmod/client.h): several
messages in one session, texts from memory, files and callbacks, header fields,
what came of each part, sending what is left, servers that fail.

The host program is submit.c; this test tells it what to do, and is the servers
that it meets.
"""
import email
import os
import re
import ssl
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "integration"))
from dnsserver import NameServer  # noqa: E402
from harness import Daemon, SANITIZER, SOURCE, free_port, main  # noqa: E402
from listener import Listener  # noqa: E402
from sink import Sink  # noqa: E402
from test_delivery import make_certificate  # noqa: E402

with open(os.path.join(SOURCE, "include", "mailmod", "error.h"),
          encoding="utf-8") as header:
    ERRORS = {int(code): name for name, code in re.findall(
        r"X\((\w+), (-\d+),", header.read())}
ERRORS[0] = "OK"
PENDING, DELIVERED, DEFERRED, FAILED = 0, 1, 2, 3
OFF, MUST, IMPLICIT = 1, 2, 3
CONNECT, GREETING, ENVELOPE, DATA, TRANSFER, END, TLS = range(7)
OVERRIDE, PROHIBIT = 1, 2
HEADER = ("From: me@mail.test\r\nDate: Thu, 01 Jan 1970 00:00:00 +0000\r\n"
          "Message-ID: <1@mail.test>\r\nSubject: x\r\n")
TEXT = HEADER + "\r\n.dot\r\nbody\r\n"
OFFERED = ("PIPELINING", "SIZE 9000000", "8BITMIME", "DSN",
           "ENHANCEDSTATUSCODES")


class Host:
    def __init__(self, build, servers=None, more=None):
        self.folder = tempfile.TemporaryDirectory(prefix="mailmod-submit-")
        self.files = 0
        self.told = []
        self.process = subprocess.Popen(
            [os.path.join(build, "tests", "host", "submit")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE)
        self.errors = []
        threading.Thread(target=lambda: self.errors.append(
            self.process.stderr.read()), daemon=True).start()
        for key, value in {
                "general.host_name": "mail.test",
                "general.data_folder": os.path.join(self.folder.name, "data"),
                "local.domains": "mail.test", "smtp.listen": "",
                "submission.listen": "", "submissions.listen": "",
                "pop3.listen": "", "pop3s.listen": "",
                "dns.servers": "127.0.0.1:9", "dns.timeout": "1s",
                "dns.tries": "1", **(more or {})}.items():
            self.ok("set", key, value)
        self.ok("start")
        self.ok("new")
        if servers:
            self.ok("servers", servers)
            self.ok("tls", OFF, "")

    def ask(self, *words):
        """(error, words); what is said besides is in `told`."""
        text = "\t".join(str(word) for word in words) + "\n"
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()
        self.told = []
        while True:
            line = self.process.stdout.readline().decode("utf-8", "replace")
            assert line, (words, self.process.wait(120), self.errors)
            got = line.rstrip("\n").split("\t")
            if got[0] == str(words[0]):
                return ERRORS[int(got[1])], got[2]
            self.told.append(got)

    def ok(self, *words):
        answer = self.ask(*words)
        assert answer[0] == "OK", (words, answer)

    def fails(self, error, pattern, *words):
        answer = self.ask(*words)
        assert re.fullmatch(error, answer[0]) and \
            re.search(pattern, answer[1]), \
            (words, answer)

    def file(self, text):
        self.files += 1
        path = os.path.join(self.folder.name, f"text{self.files}")
        with open(path, "wb") as file:
            file.write(text if isinstance(text, bytes) else text.encode())
        return path

    def message(self, name, *recipients, text=TEXT, sender="me@mail.test",
                source="text", manner=""):
        self.ok("message", name)
        self.ok("from", name, sender)
        self.ok(source, name, self.file(text), manner)
        for recipient in recipients:
            self.ok("rcpt", name, recipient)

    def status(self, name):
        """{part or address: (outcome, code, enhanced, text, error, final)}"""
        self.ok("status", name)
        found = {}
        for (_, part, who, asked, outcome, code, enhanced, text, host, error,
             final) in self.told:
            assert asked == "0", self.told
            found[who or part] = (int(outcome), int(code), enhanced, text,
                                  ERRORS[int(error)], int(final))
            found[(who or part) + " host"] = host
        return found

    def close(self):
        self.process.stdin.close()
        rest = self.process.stdout.read().decode()
        assert self.process.wait(120) == 0, (rest, self.errors)
        self.folder.cleanup()
        assert not SANITIZER.search((b"".join(self.errors)).decode())
        return rest

    def __enter__(self):
        return self

    def __exit__(self, kind, *rest):
        if kind is None:
            self.close()
        else:
            self.process.kill()


def at(server):
    return f"127.0.0.1:{server.port}"


def test_one_connection(build):
    """Messages in their order, each transaction by itself, one QUIT."""
    replies = {"RCPT": lambda line: "550 5.1.1 nobody" if "bad" in line
               else "503 5.5.1 no MAIL" if "b@x.test" in line
               else "250 2.1.5 fine",
               "MAIL": lambda line: "550 5.7.1 not you" if "evil" in line
               else "250 2.1.0 sender ok"}
    with Sink(replies=replies, extensions=OFFERED) as sink, \
            Host(build, at(sink)) as host:
        host.message("one", "a@x.test", "bad@x.test")
        host.message("two", "b@x.test", sender="evil@mail.test")
        host.message("three", "c@x.test", "d@x.test", sender="")
        host.message("four", "bad2@x.test")
        host.message("five", "<e@x.test>", sender="<me@mail.test>")
        host.fails("REFUSED", r"^bad@x.test: 127.0.0.1: 5.1.1 nobody$", "send")
        assert sink.connections == 1
        assert [m.recipients for m in sink.messages] == \
            [["a@x.test"], ["c@x.test", "d@x.test"], ["e@x.test"]]
        assert sink.messages[0].data.decode() == TEXT
        assert f"SIZE={len(TEXT)}" in sink.messages[0].mail_line
        assert sink.messages[1].reverse_path == ""
        one, two = host.status("one"), host.status("two")
        assert one["mail"][:4] == (DELIVERED, 250, "2.1.0", "sender ok")
        assert one["text"] == (DELIVERED, 250, "2.0.0", "queued", "OK", 1)
        assert one["a@x.test"] == (DELIVERED, 250, "2.1.5", "fine", "OK", 1)
        assert one["bad@x.test"] == (FAILED, 550, "5.1.1", "nobody",
                                     "REFUSED", 1)
        assert one["a@x.test host"] == "127.0.0.1"
        assert two["mail"] == (FAILED, 550, "5.7.1", "not you", "REFUSED", 1)
        assert two["b@x.test"] == two["text"] == two["mail"]
        assert host.status("four")["text"][:2] == (FAILED, 550)
        # Nothing is left that may be sent.
        host.fails("NOT_FOUND", "no recipient is left", "send")
        assert sink.connections == 1


def test_what_is_left(build):
    """A further send takes those who were put off, or reset, alone."""
    moods = {"late@x.test": "451 4.2.1 later", "": "250 2.1.5 ok"}
    with Sink(replies={"RCPT": lambda line: moods.get(
            re.search("<(.*?)>", line)[1], moods[""])},
            extensions=OFFERED) as sink, Host(build, at(sink)) as host:
        host.message("one", "a@x.test", "late@x.test")
        host.fails("REFUSED", "4.2.1 later", "send")
        assert host.status("one")["late@x.test"] == \
            (DEFERRED, 451, "4.2.1", "later", "REFUSED", 0)
        moods.clear()
        moods[""] = "250 2.1.5 ok"
        host.message("two", "b@x.test")
        host.ok("send")
        assert [m.recipients for m in sink.messages] == \
            [["a@x.test"], ["late@x.test"], ["b@x.test"]]
        host.ok("rcpt-reset", "one", "0")
        assert host.status("one")["a@x.test"][:2] == (PENDING, 0)
        host.ok("send")
        host.ok("reset", "one")
        host.ok("send")
        assert [m.recipients for m in sink.messages[3:]] == \
            [["a@x.test"], ["a@x.test", "late@x.test"]]
        host.ok("remove", "one")
        host.fails("NOT_FOUND", "", "send")


def test_all_or_nothing(build):
    refused = {"bad@x.test": "550 5.1.1 no", "late@x.test": "450 4.2.0 wait"}
    with Sink(replies={"RCPT": lambda line: refused.get(
            re.search("<(.*?)>", line)[1], "250 2.1.5 ok")},
            extensions=OFFERED) as sink, Host(build, at(sink)) as host:
        host.ok("all", 1)
        host.message("one", "a@x.test", "bad@x.test", "b@x.test")
        host.message("two", "c@x.test", "late@x.test")
        host.message("three", "d@x.test", "e@x.test")
        host.fails("CANCELLED", "^a@x.test: 4.5.0 not sent: another", "send")
        assert [m.recipients for m in sink.messages] == \
            [["d@x.test", "e@x.test"]] and sink.connections == 1
        one, two = host.status("one"), host.status("two")
        assert one["a@x.test"] == one["b@x.test"] == (
            DEFERRED, 0, "4.5.0", "not sent: another recipient was refused",
            "CANCELLED", 0)
        assert one["bad@x.test"][:2] == (FAILED, 550)
        assert two["c@x.test"][0] == two["late@x.test"][0] == DEFERRED
        assert two["late@x.test"][1] == 450
        # Without it the rest goes.
        host.ok("all", 0)
        host.fails("REFUSED", "4.2.0 wait", "send")
        assert [m.recipients for m in sink.messages[1:]] == \
            [["a@x.test", "b@x.test"], ["c@x.test"]]


def test_texts(build):
    """Memory, files and callbacks; line ends mended; read anew each time."""
    big = HEADER + "\r\n" + ("y" * 70 + "\r\n") * 40000
    with Sink(extensions=OFFERED) as sink, Host(build, at(sink)) as host:
        host.message("one", "a@x.test", text=TEXT.replace("\r\n", "\n"))
        host.message("two", "a@x.test", text=TEXT[:-2].replace("\r\n", "\r"),
                     source="file")
        host.message("three", "a@x.test", text=TEXT, source="callback",
                     manner="calls")
        host.message("four", "a@x.test", text=big, source="callback")
        host.message("five", "a@x.test", text=HEADER + "\r\nä\r\n")
        host.message("six", "a@x.test", text="")
        host.ok("send")
        # What may not be called from inside was not done.
        inner = [line for line in host.told if line[0] == "inner"]
        assert len(inner) == 2 and all(
            ERRORS[int(code)] == "STATE" for line in inner
            for code in line[1:]), inner
        found = [m.data.decode() for m in sink.messages]
        assert found[:3] == [TEXT] * 3 and found[3] == big
        assert f"SIZE={len(big)}" in sink.messages[3].mail_line
        assert "BODY=8BITMIME" in sink.messages[4].mail_line
        assert "BODY=8BITMIME" not in sink.messages[0].mail_line
        assert re.fullmatch(r"Date: .*\r\nFrom: <me@mail.test>\r\n"
                            r"Message-ID: <\w+@mail.test>\r\n\r\n", found[5])
        assert sink.connections == 1
        host.ok("remove", "three")
        assert host.told == [["released", "2"]]


def test_texts_that_fail(build):
    """What cannot be read whole is not sent; the others are."""
    with Sink(extensions=OFFERED) as sink, Host(build, at(sink)) as host:
        long = HEADER + "\r\n" + ("y" * 70 + "\r\n") * 4000
        for manner in ("fails", "fixed", "fails-later", "shrinks"):
            host.message(manner, "a@x.test", text=long, source="callback",
                         manner=manner)
        host.message("good", "b@x.test")
        host.message("long", "b@x.test",
                     text="A: b\r\n" * 200000 + "\r\n")
        host.fails("CANCELLED", "a@x.test: ", "send")
        assert [m.recipients for m in sink.messages] == [["b@x.test"]]
        for manner, error in (("fails", "CANCELLED"), ("fixed", "CANCELLED"),
                              ("fails-later", "CANCELLED"),
                              ("shrinks", "STORAGE_DAMAGED")):
            status = host.status(manner)["a@x.test"]
            assert (status[0], status[4]) == (DEFERRED, error), status
        assert host.status("long")["b@x.test"][4] == "TOO_LARGE"
        host.ok("message", "none")
        host.ok("rcpt", "none", "a@x.test")
        host.fails("STATE", "has no text", "send")


def test_header(build):
    """The table of header fields, from the outside."""
    with Sink(extensions=OFFERED) as sink, Host(build, at(sink)) as host:
        host.message("one", "a@x.test", "b@x.test", text=(
            "Received: from a\r\nReceived: from b\r\nReturn-Path: <x@y>\r\n"
            "Subject: first\r\nSubject: second\r\nBcc: secret@x.test\r\n"
            " , more@x.test\r\nMIME-Version: 1.0\r\n"
            "Content-Type: text/plain;\r\n\tcharset=utf-8\r\nX-A: 1\r\n"
            "Resent-From: r@x.test\r\nX-Mailer: old\r\nX-B: 2\r\n\r\nbody\r\n"))
        host.ok("header", "one", "Subject", "mine")
        host.ok("header", "one", "x-a", "Grüße")
        host.ok("option", "one", "X-A", OVERRIDE, 1)
        host.ok("option", "one", "X-Mailer", PROHIBIT, 1)
        host.ok("mailbox", "one", "To", "", "")
        host.ok("mailbox", "one", "Cc", "Doe, Jane", "jane@x.test")
        host.ok("mailbox", "one", "Cc", "Jörg", "j@x.test")
        host.ok("mailbox", "one", "Sender", "", "s@x.test")
        host.ok("date", "one", "0", "60")
        host.ok("send")
        assert re.fullmatch(
            "Received: from a\r\nReceived: from b\r\nSubject: first\r\n"
            "MIME-Version: 1.0\r\n"
            "Content-Type: text/plain;\r\n\tcharset=utf-8\r\n"
            r"x-a: =\?utf-8\?B\?R3LDvMOfZQ==\?=" "\r\n"
            "Resent-From: r@x.test\r\nX-B: 2\r\n"
            "To: <a@x.test>, <b@x.test>\r\n"
            r'Cc: "Doe," Jane <jane@x.test>, =\?utf-8\?B\?SsO2cmc=\?= '
            "<j@x.test>\r\n"
            "Sender: <s@x.test>\r\n"
            r"Date: Thu, 01 Jan 1970 01:00:00 \+0100" "\r\n"
            "From: <me@mail.test>\r\n"
            r"Message-ID: <\w+@mail.test>" "\r\n\r\nbody\r\n",
            sink.messages[0].data.decode()), sink.messages[0].data.decode()
        for error, words, *call in (
                ("ARGUMENT", "Bcc: such a field does not go out", "header",
                 "Bcc", "x"),
                ("ARGUMENT", "the text alone", "header", "Content-Type", "x"),
                ("ARGUMENT", "the text alone", "option", "Resent-To", PROHIBIT,
                 1),
                ("ARGUMENT", "no message is without it", "option", "Date",
                 PROHIBIT, 1),
                ("ARGUMENT", "1 to 76", "header", "a b", "x"),
                ("ARGUMENT", "takes no mailboxes", "mailbox", "Subject", "",
                 "a@x.test"),
                ("ARGUMENT", "is no mailbox", "mailbox", "To", "x", "a x@y"),
                ("EXISTS", "one mailbox", "mailbox", "Sender", "", "t@x.test"),
                ("ARGUMENT", "no such value", "option", "X-A", 7, 1),
                ("ARGUMENT", "no zone", "date", "0", "9999")):
            host.fails(error, words, call[0], "one", *call[1:])


def test_envelope(build):
    with Sink(extensions=OFFERED) as sink, Host(build, at(sink)) as host:
        host.message("one", "a@x.test", "b@x.test")
        host.ok("dsn", "one", 2, "id+1")
        host.ok("rcpt-dsn", "one", 0, 6, "rfc822;orig@x.test")
        host.ok("rcpt-dsn", "one", 1, 1, "")
        host.ok("name", "client.example.org")
        heard = []
        sink.replies["EHLO"] = lambda name: heard.append(name) or "250 sink"
        host.ok("send")
        assert heard == ["client.example.org"]
        message, = sink.messages
        assert "RET=HDRS" in message.mail_line
        assert "ENVID=id+2B1" in message.mail_line
        assert "NOTIFY=SUCCESS,FAILURE" in message.rcpt_lines[0]
        assert "ORCPT=rfc822;orig@x.test" in message.rcpt_lines[0]
        assert "NOTIFY=NEVER" in message.rcpt_lines[1]
        for words, *call in (
                ("is no mail address", "from", "one", "a b@"),
                ("is no mail address", "rcpt", "one", ""),
                ("1 to 100 printable", "dsn", "one", 0, "a b"),
                ("no such value", "dsn", "one", 9, ""),
                ("not MAILMOD_DSN_NEVER", "rcpt-dsn", "one", 0, 3, ""),
                ("not \"type;address\"", "rcpt-dsn", "one", 0, 0, "x"),
                ("neither a name", "servers", "a b"),
                ("there is none", "servers", ""),
                ("more than 8", "servers", ",".join("abcdefghi")),
                ("no such time", "time", 7, 1000),
                ("not from 100", "time", GREETING, 99),
                ("no whole domain name", "name", "x"),
                ("no such value", "tls", 9, "")):
            host.fails("ARGUMENT", words, *call)


class Silent(Listener):
    """Says what it is told to, then nothing."""

    def __init__(self, *said):
        self.said = said
        super().__init__()

    def talk(self, peer):
        file = peer.makefile("rwb", 0)
        for line in self.said:
            file.write(line)
            if line is not self.said[-1] and not file.readline():
                return
        while peer.recv(65536):
            pass


def test_times(build):
    """A server that is silent at each step, by the time of that step."""
    steps = (b"220 x\r\n", b"250-x\r\n250 SIZE\r\n", b"250 ok\r\n",
             b"250 ok\r\n", b"354 go\r\n")
    for which, count in ((GREETING, 0), (ENVELOPE, 1), (ENVELOPE, 2),
                         (ENVELOPE, 3), (DATA, 4), (END, 5)):
        server = Silent(*(steps[:count] or (b"",)))
        with server, Host(build, at(server)) as host:
            host.message("one", "a@x.test")
            host.message("two", "a@x.test")
            host.ok("time", which, 200)
            # Behind the final dot it may have been taken.
            error = "UNSURE" if which == END else "TIMEOUT"
            host.fails(error, "", "send")
            for name in ("one", "two"):
                found = host.status(name)["a@x.test"]
                assert (found[0], found[4]) == (DEFERRED, error), found
            # Who does not talk at all is not asked again for each message;
            # behind EHLO each has a connection, where the machine is quick.
            assert 1 <= server.connections <= (1 if count < 2 else 2), count


def test_servers(build):
    """The first that talks; what one puts off is the next one's."""
    dead = free_port()
    slow = {"RCPT": "451 4.3.0 busy"}
    with Sink(replies=slow) as first, Sink() as second, \
            Sink(replies={"GREETING": "554 no"}) as closed, \
            Host(build, f"127.0.0.1:{dead}, {at(closed)}, {at(first)}, "
                 f"{at(second)}") as host:
        host.message("one", "a@x.test")
        host.ok("send")
        assert closed.connections == first.connections == 1
        assert [m.recipients for m in second.messages] == [["a@x.test"]]
        host.ok("servers", f"127.0.0.1:{dead}")
        host.message("two", "a@x.test")
        host.fails("CONNECTION_REFUSED", "connecting", "send")
        assert host.status("two")["text"][4] == "CONNECTION_REFUSED"
        host.ok("servers", at(second))
        host.ok("send")
        assert len(second.messages) == 2


def test_lost_connection(build):
    """What is left goes over another connection; what may have been taken is
    not sent again by itself."""
    ends = ["250 2.0.0 ok", None, "250 2.0.0 ok"]
    with Sink(replies={"END": lambda _: ends.pop(0)},
              extensions=OFFERED) as sink, Host(build, at(sink)) as host:
        for name in ("one", "two", "three"):
            host.message(name, f"{name}@x.test")
        host.fails("UNSURE", "may have been taken", "send")
        assert sink.connections == 2
        assert [m.recipients for m in sink.messages] == \
            [["one@x.test"], ["three@x.test"]]
        assert host.status("two")["two@x.test"][0] == DEFERRED


def test_login_and_tls(build):
    with tempfile.TemporaryDirectory() as folder:
        tls = make_certificate(folder, "localhost")
        authority = os.path.join(folder, "ca.pem")
        with Sink(extensions=("STARTTLS", "AUTH PLAIN"), tls=tls) as sink, \
                Host(build, f"localhost:{sink.port}") as host:
            host.message("one", "a@x.test")
            host.ok("login", "me", "secret")
            host.ok("tls", MUST, authority)
            host.ok("send")
            message, = sink.messages
            assert message.tls and message.user == "PLAIN AG1lAHNlY3JldA=="
            host.ok("tls", MUST, "")
            host.ok("reset", "one")
            host.fails("TLS_CERTIFICATE", "certificate", "send")
            host.ok("tls", MUST, "/no/such/file")
            host.fails("CONFIG", "/no/such/file", "send")
            sink.replies["AUTH"] = "535 5.7.8 wrong"
            host.ok("tls", MUST, authority)
            host.message("two", "a@x.test")
            host.fails("AUTHENTICATION", "7.8 wrong", "send")
            assert host.status("two")["a@x.test"][4] == "AUTHENTICATION"
            assert len(sink.messages) == 1


def test_mechanisms(build):
    """A login uses those that are named, whatever else is offered."""
    with Sink(extensions=("AUTH PLAIN LOGIN",),
              replies={"AUTH": lambda said: "334 VXNlcm5hbWU6"
                       if said == "LOGIN" else "235 ok"}) as sink, \
            Host(build, at(sink)) as host:
        host.message("one", "a@x.test")
        host.ok("login", "me", "secret")
        host.fails("ARGUMENT", "must be names", "mechanisms", "MAGIC")
        host.ok("mechanisms", "SCRAM-SHA-256, CRAM-MD5")
        host.fails("UNSUPPORTED", "none of the mechanisms that are set", "send")
        host.ok("mechanisms", "LOGIN")
        host.ok("send")
        assert sink.messages[0].user == "LOGIN"
        host.ok("mechanisms", "")
        host.ok("reset", "one")
        host.ok("send")
        assert sink.messages[1].user.startswith("PLAIN ")


PROGRESS, REVERSE_PATH, RECIPIENT, TRANSFERRED, MISSING, CERTIFICATE, \
    EXPIRED = range(7)
AS_SET, GO_ON, STOP = range(3)


def events_of(host):
    return [(int(t[1]), int(t[2]), int(t[3]), int(t[4]), t[6], int(t[7]))
            for t in host.told if t[0] == "event"]


def test_events(build):
    """Replies in their order, with the status there already; progress."""
    big = TEXT + "y\r\n" * 100000
    with Sink(replies={"RCPT": lambda line: "550 5.1.1 no" if "bad" in line
                       else "251 2.1.5 ok"},
              extensions=OFFERED) as sink, Host(build, at(sink)) as host:
        host.ok("events", "on", AS_SET)
        host.message("one", "a@x.test", "bad@x.test", text=big)
        host.fails("REFUSED", "", "send")
        events = events_of(host)
        # From inside nothing is sent.
        assert {ERRORS[int(t[8])] for t in host.told if t[0] == "event"} == \
            {"STATE"}
        assert [(e[0], e[5]) for e in events if e[0] != PROGRESS] == \
            [(REVERSE_PATH, 250), (RECIPIENT, 251), (RECIPIENT, 550),
             (TRANSFERRED, 250)], events
        sent = [e[2] for e in events if e[:2] == (PROGRESS, 4)]
        assert sent and sent == sorted(sent) and sent[-1] == len(big)
        assert {e[1] for e in events if e[0] == PROGRESS} <= {1, 2, 3, 4}


def test_missing_extensions(build):
    """The host decides, before MAIL; another server may have them."""
    with Sink() as sink, Host(build, at(sink)) as host:
        host.ok("tls", 0, "")
        host.message("one", "a@x.test", text=HEADER + "\r\n\u00e4\r\n")
        host.ok("dsn", "one", 1, "id")
        host.ok("events", "on", STOP)
        host.fails("UNSUPPORTED", "4.3.3 not sent: the host does not offer",
                   "send")
        assert [e[3] for e in events_of(host) if e[0] == MISSING] == [1 + 2 + 4]
        assert sink.messages == [] and sink.connections == 1
        assert host.status("one")["a@x.test"][0] == DEFERRED
        host.ok("events", "on", AS_SET)
        host.ok("send")
        message, = sink.messages
        assert b"\xc3" not in message.data and "RET" not in message.mail_line
        # What is there is not asked about.
        sink.extensions = ["8BITMIME", "DSN"]
        host.ok("tls", OFF, "")
        host.ok("reset", "one")
        host.ok("events", "on", STOP)
        host.ok("send")
        assert MISSING not in [e[0] for e in events_of(host)]


def test_deliver_by(build):
    """RFC 2852: said where it is offered; what may not be late is not sent to
    a server that knows nothing of it, or that wants more time."""
    with Sink(extensions=("DELIVERBY 1000",)) as sink, \
            Host(build, at(sink)) as host:
        host.message("one", "a@x.test")
        for mode, seconds, pattern in ((2, 0, "1 to 999999999"),
                                       (1, -5, "1 to 999999999"),
                                       (2, 1000000000, "1 to 999999999"),
                                       (7, 1, "no mailmod_deliver_by")):
            host.fails("ARGUMENT", pattern, "by", "one", mode, seconds, 0)
        host.ok("by", "one", 2, 5000, 1)
        host.ok("send")
        said = re.search(r" BY=(\d+);(\w+)$", sink.messages[-1].mail_line)
        assert 1000 <= int(said[1]) <= 5000 and said[2] == "RT"
        # Too little for this server, with nobody to ask.
        host.ok("reset", "one")
        host.ok("by", "one", 2, 100, 0)
        host.fails("TIMEOUT", "5.4.7 not sent: the host would need more time",
                   "send")
        assert host.status("one")["a@x.test"][0] == FAILED
        for decision in (AS_SET, STOP):
            host.ok("reset", "one")
            host.ok("events", "on", decision)
            host.fails("TIMEOUT", "5.4.7", "send")
            seconds, = [int(t[9]) for t in host.told
                        if t[0] == "event" and int(t[1]) == EXPIRED]
            assert 900 <= seconds < 1000
        assert len(sink.messages) == 1
        host.ok("reset", "one")
        host.ok("events", "on", GO_ON)
        host.ok("send")
        assert sink.messages[-1].mail_line.endswith(" BY=1000;R")
        # A notice has no minimum.
        host.ok("reset", "one")
        host.ok("events", "on", STOP)
        host.ok("by", "one", 1, 999999999, 0)
        host.ok("send")
        assert re.search(r" BY=99999\d+;N$", sink.messages[-1].mail_line)
        host.ok("reset", "one")
        host.ok("by", "one", 0, 0, 0)
        host.ok("send")
        assert " BY=" not in sink.messages[-1].mail_line


def test_deliver_by_not_offered(build):
    with Sink() as sink, Host(build, at(sink)) as host:
        host.message("one", "a@x.test")
        host.ok("by", "one", 2, 5000, 0)
        host.fails("UNSUPPORTED", "4.3.3", "send")
        host.ok("events", "on", AS_SET)
        host.fails("UNSUPPORTED", "4.3.3", "send")
        assert [e[3] for e in events_of(host) if e[0] == MISSING] == [8]
        assert sink.messages == []
        host.ok("by", "one", 1, 5000, 0)
        host.ok("send")
        host.ok("reset", "one")
        host.ok("by", "one", 2, 5000, 0)
        host.ok("events", "on", GO_ON)
        host.ok("send")
        assert [" BY=" in m.mail_line for m in sink.messages] == [False] * 2


def test_etrn(build):
    """RFC 1985: before the messages, over the same connection; a status each;
    what has its answer is not asked again."""
    said = []

    def etrn(argument):
        said.append(argument)
        return {"example.org": "250 2.0.0 started", "@example.org": "251 none",
                "sub.example.org": "252 pending", "#q-1": "253 5 pending",
                "later.test": "458 4.3.0 not now",
                "other.test": "459 4.7.1 not yours",
                "odd.test": "501 5.5.4 what"}[argument]

    with Sink(replies={"ETRN": etrn}, extensions=("ETRN", "XUSR")) as sink, \
            Host(build, at(sink)) as host:
        for bad in ("a b", "@", "#", "#a b", "x\u00e4.test", "-x.test"):
            host.fails("ARGUMENT", "is none", "etrn", bad)
        names = ("Example.org", "@example.org", "sub.example.org", "#q-1",
                 "later.test", "other.test", "odd.test")
        for name in names:
            host.ok("etrn", name)
        host.message("one", "a@x.test")
        host.fails("REFUSED", "later.test: 127.0.0.1: 4.3.0 not now", "send")
        assert said == ["example.org", *names[1:]]
        assert len(sink.messages) == 1 and sink.connections == 1
        host.ok("etrns")
        assert [(t[2], int(t[4]), int(t[5]), int(t[10])) for t in host.told] == [
            ("example.org", DELIVERED, 250, 1),
            ("@example.org", DELIVERED, 251, 1),
            ("sub.example.org", DELIVERED, 252, 1),
            ("#q-1", DELIVERED, 253, 1), ("later.test", DEFERRED, 458, 0),
            ("other.test", DEFERRED, 459, 0), ("odd.test", FAILED, 501, 1)]
        said.clear()
        host.fails("REFUSED", "", "send")
        assert said == ["later.test", "other.test"]
        assert len(sink.messages) == 1
        host.ok("etrn", "")
        host.fails("NOT_FOUND", "nobody|no recipient", "send")


def test_etrn_is_not_offered(build):
    with Sink() as sink, Host(build, at(sink)) as host:
        host.ok("etrn", "example.org")
        host.fails("UNSUPPORTED", "does not offer ETRN", "send")
        host.ok("etrns")
        assert [(int(t[4]), int(t[10])) for t in host.told] == [(FAILED, 1)]
    with Host(build, f"127.0.0.1:{free_port()}") as host:
        host.ok("etrn", "example.org")
        host.fails("CONNECTION_REFUSED", "", "send")
        host.ok("etrns")
        assert [(int(t[4]), int(t[10])) for t in host.told] == [(DEFERRED, 0)]


def test_binary(build):
    """RFC 3030: octets as they are, or not at all."""
    text = (HEADER + "MIME-Version: 1.0\r\nContent-Type: a/b\r\n"
            "Content-Transfer-Encoding: binary\r\n\r\n").encode() + \
        bytes(range(256)) * 1000 + b"\r\n.\r\n\n\r"
    with Sink(extensions=("CHUNKING", "BINARYMIME", "PIPELINING", "8BITMIME")) \
            as sink, Host(build, at(sink)) as host:
        for source in ("text", "callback"):
            host.message(source, "a@x.test", text=text, source=source)
            host.ok("binary", source, 1)
            host.ok("send")
            message = sink.messages[-1]
            assert message.data == text and sum(message.chunks) == len(text)
            assert " BODY=BINARYMIME" in message.mail_line
        host.message("lf", "a@x.test", text=text.replace(b"\r\n", b"\n", 1))
        host.ok("binary", "lf", 1)
        host.fails("SYNTAX", "", "send")
        host.ok("remove", "lf")
        sink.extensions = ["CHUNKING", "8BITMIME"]
        for decision in (None, AS_SET, GO_ON, STOP):
            host.ok("reset", "text")
            if decision is not None:
                host.ok("events", "on", decision)
            host.fails("UNSUPPORTED", "5.6.3 the message is binary", "send")
            assert host.status("text")["a@x.test"][0] == FAILED
        assert len(sink.messages) == 2


def test_binary_to_mailmod(build):
    """The converted form is what a mailbox has; its octets come back."""
    octets = bytes(range(256)) * 300 + b"\r\n--b\r\n\r"
    text = (HEADER + "MIME-Version: 1.0\r\n"
            "Content-Transfer-Encoding: binary\r\n"
            "Content-Type: multipart/mixed; boundary=bb\r\n\r\n--bb\r\n"
            "Content-Type: text/plain\r\n\r\nhello\r\n--bb\r\n"
            "Content-Type: a/b\r\nContent-Transfer-Encoding: binary\r\n\r\n"
            ).encode() + octets + b"\r\n--bb--\r\n"
    with Daemon(build, users=("demo",)) as daemon, \
            Host(build, f"127.0.0.1:{daemon.port('smtp')}") as host:
        host.message("one", "demo@mail.test", text=text)
        host.ok("binary", "one", 1)
        host.ok("send")
        got = email.message_from_bytes(daemon.messages()[0])
        plain, binary = got.get_payload()
        assert plain.get_payload() == "hello"
        assert binary["Content-Transfer-Encoding"] == "base64"
        assert binary.get_payload(decode=True) == octets


def test_certificates(build):
    with tempfile.TemporaryDirectory() as folder:
        tls = make_certificate(folder, "localhost")
        with Sink(extensions=("STARTTLS", "AUTH PLAIN"), tls=tls) as sink, \
                Host(build, f"localhost:{sink.port}") as host:
            host.message("one", "a@x.test")
            host.ok("tls", 0, "")
            host.ok("ask-login", "me", "secret")
            for decision in (AS_SET, STOP):
                host.ok("events", "on", decision)
                host.fails("TLS_CERTIFICATE", "", "send")
                assert any(e[0] == CERTIFICATE and "certificate" in e[4]
                           for e in events_of(host)), host.told
                assert ["login", "localhost"] in host.told
            assert sink.messages == []
            host.ok("events", "on", GO_ON)
            host.ok("send")
            message, = sink.messages
            assert message.tls and message.user == "PLAIN AG1lAHNlY3JldA=="


def test_own_certificate(build):
    """It is shown to who asks; without a password it is the login."""
    with tempfile.TemporaryDirectory() as folder:
        tls = make_certificate(folder, "localhost")
        tls.load_verify_locations(os.path.join(folder, "ca.pem"))
        tls.verify_mode = ssl.CERT_REQUIRED
        with Sink(extensions=("STARTTLS", "AUTH PLAIN EXTERNAL"),
                  tls=tls) as sink, \
                Host(build, f"localhost:{sink.port}") as host:
            own = [os.path.join(folder, name) for name in ("cert.pem",
                                                           "key.pem")]
            host.ok("tls", MUST, os.path.join(folder, "ca.pem"))
            host.message("one", "a@x.test")
            host.fails("ARGUMENT", "missing", "login-external", "me")
            host.fails("TLS|CLOSED|NETWORK", "", "send")
            host.fails("ARGUMENT", "none for the key", "certificate", "",
                       own[1])
            host.ok("certificate", *own)
            host.ok("login-external", "me")
            host.ok("send")
            assert sink.messages[0].user == "EXTERNAL bWU=", \
                sink.messages[0].user
            host.ok("login", "me", "secret")
            host.ok("reset", "one")
            host.ok("send")
            assert sink.messages[1].user.startswith("PLAIN ")
            host.ok("certificate", own[0], own[0])
            host.ok("reset", "one")
            host.fails("CONFIG", "cert.pem", "send")


def test_monitor(build):
    with Sink(extensions=("AUTH PLAIN", *OFFERED)) as sink, \
            Host(build, at(sink)) as host:
        host.message("one", "a@x.test")
        host.ok("login", "me", "secret")
        host.ok("monitor", 0)
        host.ok("send")
        lines = [(int(t[1]), int(t[2]), t[3]) for t in host.told
                 if t[0] == "line"]
        said = [line for way, _, line in lines if way == 1]
        assert said[0] == "EHLO mail.test" and said[-1] == "QUIT", said
        assert (1, 1, "AUTH PLAIN") in lines, lines
        assert f"MAIL FROM:<me@mail.test> SIZE={len(TEXT)}" in said
        assert (0, 0, "220 sink.test ESMTP") == lines[0]
        assert (0, 0, "250 2.0.0 queued") in lines
        assert not any("AG1l" in t[-1] or "body" in t[-1]
                       for t in host.told), host.told
        host.ok("login", "", "")
        host.ok("monitor", 1)
        assert host.told == [["context", "lines"]]
        host.ok("reset", "one")
        host.ok("send")
        assert sum(int(t[1]) for t in host.told if t[0] == "octets") == \
            len(TEXT)


def test_slow_host(build):
    """Who decides slowly is not taken for a silent server."""
    with Sink() as sink, Host(build, at(sink)) as host:
        host.ok("time", TRANSFER, 400)
        host.message("one", "a@x.test", source="callback", manner="slow")
        host.ok("send")
        assert sink.connections == 1


def test_contexts_and_ends(build):
    with Sink() as sink, Host(build, at(sink)) as host:
        host.message("none")
        host.ok("sizes", "none")
        host.message("one", "a@x.test", source="callback", manner="")
        host.ok("contexts", "one")
        host.ok("contexts", "one")
        assert [t[1] for t in host.told] == ["client", "message", "recipient"]
        host.ok("stop")
        host.fails("STATE", "not running", "send")
        host.ok("start")
        host.ok("send")
        host.ok("free")
        assert [t[0] + " " + t[1] for t in host.told] == \
            ["context recipient", "released 2", "context message",
             "context client"]


def test_services(build):
    """Servers that SRV records of a domain name, by priority, with their ports;
    the name in EHLO is the setting for all, or the client's own."""
    with Sink() as sink, NameServer({
            ("_submission._tcp.corp.test", "SRV"):
                [f"2 0 {sink.port} a.corp.test",
                 f"1 0 {free_port()} a.corp.test"],
            ("a.corp.test", "A"): ["127.0.0.1"]}) as dns, \
            Host(build, "srv:corp.test", {
                "dns.servers": dns.address, "delivery.refuses": "",
                "delivery.ehlo_name": "all.example"}) as host:
        host.message("m", "a@x.test")
        host.ok("send")
        assert sink.messages[-1].hello == "all.example"
        host.ok("name", "own.example")
        host.message("n", "b@x.test")
        host.ok("send")
        assert sink.messages[-1].hello == "own.example"
        for text in ("srv:", "srv:a.test,b.test", "srv:a.test:25",
                     "srv:192.0.2.1"):
            host.fails("ARGUMENT", "^servers: ", "servers", text)
        host.ok("servers", "srv:none.test")
        host.message("o", "c@x.test")
        host.fails("DNS.*", "_submission._tcp.none.test", "send")
        assert len(sink.messages) == 2


main(__name__, test_one_connection, test_what_is_left, test_all_or_nothing,
     test_texts, test_texts_that_fail, test_header, test_envelope, test_times,
     test_servers, test_lost_connection, test_login_and_tls,
     test_mechanisms, test_events,
     test_missing_extensions, test_deliver_by, test_deliver_by_not_offered,
     test_etrn, test_etrn_is_not_offered, test_binary,
     test_binary_to_mailmod, test_certificates,
     test_own_certificate, test_monitor, test_slow_host,
     test_contexts_and_ends, test_services)
