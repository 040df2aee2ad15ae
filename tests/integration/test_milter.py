"""Filters of mail by the milter protocol: every answer, every change and every
fault of a scripted filter (milterserver.py), over TCP and a local socket."""
import os
import re
import struct
import tempfile

from harness import Daemon, Wire, main, need_posix, wait_for
from milterserver import ALL, CONTINUE, Milter, reply, texts

MESSAGE = (b"Received: from x\r\nSubject: one\r\n two\r\nX-Secret: s\r\n"
           b"From: a@c.test\r\n\r\nbody\r\n.dot\r\n")


def serve(build, *filters, users=("demo", "other"), **settings):
    """Each filter is a Milter or (Milter, words)."""
    lines = []
    for i, one in enumerate(filters):
        milter, words = one if isinstance(one, tuple) else (one, "")
        lines.append(f"name=f{i} at={milter.at} {words}".strip())
    return Daemon(build, users=users, settings={
        "milters.filters": lines, "smtp.allows_clear_auth": True,
        **{key.replace("__", "."): value for key, value in settings.items()}})


def begin(daemon):
    wire = Wire(daemon.port("smtp"))
    wire.reply()
    wire.ask("EHLO c.test")
    return wire


def send(wire, sender="a@c.test", recipients=("demo@mail.test",),
         body=MESSAGE):
    """The replies to each command; the last one is the message's."""
    replies = [wire.ask(f"MAIL FROM:<{sender}>")]
    replies += [wire.ask(f"RCPT TO:<{r}>") for r in recipients]
    if not any(r[:1] == "2" for r in replies[1:]):
        wire.ask("RSET")
        return replies
    replies.append(wire.ask("DATA"))
    if replies[-1][:3] == "354":
        wire.send(body.replace(b"\n.", b"\n..") + b".\r\n")
        replies.append(wire.reply())
    return replies


def one(daemon, **options):
    with begin(daemon) as wire:
        replies = send(wire, **options)
        wire.ask("QUIT")
        return replies


def own(text):
    return text[text.index(b"Received: from x"):]


def test_what_it_hears(build):
    """The steps in order, over two messages of one connection."""
    with Milter() as milter, serve(build, milter) as daemon:
        with begin(daemon) as wire:
            assert send(wire)[-1][:3] == "250"
            assert send(wire, body=b"\r\nx\r\n")[-1][:3] == "250"
            assert wire.ask("MAIL FROM:<>")[:3] == "250"
            assert wire.ask("RCPT TO:<demo@mail.test>")[:3] == "250"
            # A recipient who is unknown is none that the filter hears of.
            assert wire.ask("RCPT TO:<nobody@mail.test>")[:3] == "550"
            wire.ask("RSET")
            wire.ask("QUIT")
        wait_for(lambda: milter.letters().endswith("Q"), what="QUIT")
        letters = re.sub("B+", "B", milter.letters())
        assert letters == "OCHMRTLLLLNBE" "MRTNBE" "MRAQ", letters
        assert milter.data("C") == [b"[127.0.0.1]\x004" +
                                    milter.data("C")[0][13:15] +
                                    b"127.0.0.1\0"]
        assert milter.data("H") == [b"c.test\0"]
        assert milter.data("M") == [b"<a@c.test>\0"] * 2 + [b"<>\0"]
        assert milter.data("R") == [b"<demo@mail.test>\0"] * 3
        assert milter.data("L") == [b"Received\0from x\0",
                                    b"Subject\0one\n two\0",
                                    b"X-Secret\0s\0", b"From\0a@c.test\0"]
        assert b"".join(milter.data("B")) == b"body\r\n.dot\r\nx\r\n"
        assert milter.macros("C")[b"j"] == b"mail.test"
        assert len(milter.macros("E")[b"i"]) > 8
        assert own(daemon.messages()[0]) == MESSAGE


def test_answers(build):
    """Each answer at each step; {step: (MAIL, RCPT, end)}."""
    rows = []
    for step in "CHMRTLNBE":
        at_rcpt = step in "CHMR"
        for packets, code in (([("r", b"")], "550"), ([("t", b"")], "451"),
                              (reply("554 5.6.0 own words"), "554"),
                              (reply("452-4.2.2 a\r\n452 4.2.2 b"), "452")):
            rows.append((step, packets, code, at_rcpt))
    with Milter() as milter, serve(build, milter) as daemon:
        for step, packets, code, at_rcpt in rows:
            milter.answers = {step: packets}
            got = one(daemon)
            what = (step, packets, got)
            assert got[0][:3] == "250", what
            if at_rcpt:
                assert len(got) == 2 and got[1][:3] == code, what
            else:
                assert got[1][:3] == "250" and got[-1][:3] == code, what
            if code == "554":
                assert "5.6.0 own words" in got[-1], what
            assert daemon.messages() == [], what
        for count, step in enumerate("CHMRTLNBE"):
            milter.answers, milter.heard = {step: [("a", b"")]}, []
            assert one(daemon)[-1][:3] == "250", step
            assert own(daemon.messages()[count]) == MESSAGE
            # It is asked no more about the message.
            assert milter.letters().rstrip("AQ")[-1] == step, step
            milter.answers = {step: [("d", b"")]}
            assert one(daemon)[-1][:3] == "250", step
            assert len(daemon.messages()) == count + 1, step
        wait_for(lambda: len([line for line in daemon.lines if
                              "taken from all recipients" in line]) == 9,
                 what="the lines")
    with Milter({"B": [("s", b"")]}) as milter, serve(build, milter) as daemon:
        assert one(daemon, body=MESSAGE + b"x" * 70 + b"\r\n" +
                   (b"y" * 998 + b"\r\n") * 300)[-1][:3] == "250"
        assert milter.letters().count("B") == 1 and "E" in milter.letters()


def test_postmaster(build):
    """RFC 5321 4.5.1: a refusal of MAIL is said at RCPT, but not to him."""
    with Milter({"M": [("r", b"")]}) as milter, \
            serve(build, milter, local__postmaster="demo") as daemon:
        got = one(daemon, recipients=("demo@mail.test", "postmaster"))
        assert [g[:3] for g in got] == ["250", "550", "250", "354", "250"], got
        assert len(daemon.messages()) == 1


def test_one_recipient(build):
    def judge(data):
        return [("r", b"")] if b"other" in data else CONTINUE

    with Milter({"R": judge}) as milter, serve(build, milter) as daemon:
        got = one(daemon, recipients=("other@mail.test", "demo@mail.test"))
        assert [g[:3] for g in got] == ["250", "550", "250", "354", "250"], got
        assert len(daemon.messages("demo")) == 1
        assert daemon.messages("other") == []


def changes(*packets):
    return {"E": [*packets, ("p", b""), ("c", b"")]}


def test_fields(build):
    answers = changes(
        ("h", texts("X-Spam", "yes\n\tvery")),
        ("i", struct.pack(">I", 0) + texts("X-First", "1")),
        ("m", struct.pack(">I", 1) + texts("subject", "changed")),
        ("m", struct.pack(">I", 1) + texts("X-Secret", "")),
        ("h", texts("X-Bad", "a\nBcc: b")))
    with Milter(answers) as milter, serve(build, milter) as daemon:
        assert one(daemon)[-1][:3] == "250"
        text = daemon.messages()[0]
        assert text[text.index(b"X-First"):] == (
            b"X-First: 1\r\nReceived: from x\r\nsubject: changed\r\n"
            b"From: a@c.test\r\nX-Spam: yes\r\n\tvery\r\n\r\n"
            b"body\r\n.dot\r\n"), text
        daemon.wait_log("a change that can be none is left out")


def test_envelope(build):
    answers = changes(("e", texts("<new@c.test>")),
                      ("+", texts("<other@mail.test>")),
                      ("2", texts("<nobody@mail.test>", "NOTIFY=NEVER")),
                      ("-", texts("<demo@mail.test>")))
    with Milter(answers) as milter, serve(build, milter) as daemon:
        assert one(daemon)[-1][:3] == "250"
        assert daemon.messages("demo") == []
        text = daemon.messages("other")[0]
        assert text.startswith(b"Return-Path: <new@c.test>\r\n"), text
        daemon.wait_log("nobody has the address.*nobody@mail.test")


def test_body(build):
    """A new body, shorter and longer, of messages of one piece and of many."""
    long = b"".join(b"%d %s\n" % (i, b"z" * 900) for i in range(400))
    many = MESSAGE + (b"y" * 998 + b"\r\n") * 400
    for body, new in ((MESSAGE, b"new\n.x\r\n"), (MESSAGE, long),
                      (many, b"new\r\nb"), (many, long), (many, b"")):
        pieces = [("b", new[i:i + 60000])
                  for i in range(0, max(len(new), 1), 60000)]
        with Milter(changes(*pieces, ("h", texts("X-New", "1")))) as milter, \
                serve(build, milter) as daemon:
            assert one(daemon, body=body)[-1][:3] == "250"
            head, _, text = own(daemon.messages()[0]).partition(b"\r\n\r\n")
            wanted = new.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
            if wanted and not wanted.endswith(b"\r\n"):
                wanted += b"\r\n"
            assert text == wanted, (len(text), len(wanted))
            assert head.endswith(b"From: a@c.test\r\nX-New: 1"), head


def test_quarantine(build):
    with Milter(changes(("q", texts("a virus")))) as milter, \
            serve(build, milter) as daemon:
        daemon.ctl("reply", "set", "demo", "-", stdin="I am away.\n")
        assert one(daemon)[-1][:3] == "250"
        assert daemon.messages() == []
        listed = daemon.ctl("queue", "list", "--state", "held").stdout
        assert "quarantine:f0: a virus" in listed, listed
        message = listed.splitlines()[1].split()[0]
        daemon.ctl("queue", "release", message)
        wait_for(lambda: daemon.messages(), what="the released mail")
        assert own(daemon.messages()[0]) == MESSAGE
        assert one(daemon)[-1][:3] == "250"
        message = daemon.ctl("queue", "list").stdout.splitlines()[1].split()[0]
        daemon.ctl("queue", "delete", message)
        assert "empty" in daemon.ctl("queue", "list").stdout
        assert len(daemon.messages()) == 1
        # The sender hears nothing of it, nor from who is away.
        assert not [l for l in daemon.lines if "automatic reply" in l]


def test_several(build):
    """In order; who comes behind a refusal is not asked, changes add up."""
    first = Milter(changes(("h", texts("X-One", "1"))))
    second = Milter(changes(("h", texts("X-Two", "2"))), steps=0x7f | 0x200)
    with first, second, serve(build, first, second) as daemon:
        assert one(daemon)[-1][:3] == "250"
        assert daemon.messages()[0].index(b"X-One: 1\r\nX-Two: 2\r\n")
        # What it does not want to hear it does not hear.
        assert second.letters().rstrip("Q") == "OE"
    with Milter({"R": [("r", b"")]}) as first, Milter() as second, \
            serve(build, first, second) as daemon:
        assert one(daemon)[1][:3] == "550"
        assert "R" not in second.letters()


def test_no_replies(build):
    """Steps that are not answered, up to the end."""
    quiet = 0x80 | 0xff000 | 0x100000
    answers = {letter: [] for letter in "CHMRTLNB"}
    body = MESSAGE + (b"y" * 998 + b"\r\n") * 2000
    with Milter(answers, steps=quiet) as milter, \
            serve(build, milter) as daemon:
        assert one(daemon, body=body)[-1][:3] == "250"
        assert b"".join(milter.data("B")) == body.partition(b"\r\n\r\n")[2]
        assert b"Subject\0 one\n two\0" in milter.data("L")


def test_faults(build):
    """Whatever it does, mail gets what `away` says, and the next is asked."""
    faults = {"hang": ["hang"], "cut": ["cut"],
              "garbage": [b"HTTP/1.1 400 Bad Request\r\n\r\n"],
              "oversize": [struct.pack(">I", 1 << 30) + b"c"],
              "empty": [struct.pack(">I", 0)],
              "half": [struct.pack(">I", 9) + b"h", "cut"],
              "unknown": [("!", b"")],
              "wrong code": reply("250 fine"),
              "no NUL": [("y", b"550 no")],
              "change": [("h", texts("a", "b"))] * 300 + [("c", b"")]}
    rows = [("O", name) for name in faults if name not in
            ("wrong code", "no NUL", "change")]
    for step in "CHMRTLNBE":
        rows += [(step, name) for name in ("hang", "cut")]
    rows += [("E", name) for name in faults] + [("M", "change")]
    for away, code in (("tempfail", "451"), ("accept", "250")):
        with Milter() as milter, \
                serve(build, (milter, f"away={away} timeout=300ms "
                                      f"end_timeout=300ms")) as daemon:
            for count, (step, name) in enumerate(rows):
                packets = faults[name]
                milter.answers = {} if step == "O" else {step: packets}
                milter.offer = packets if step == "O" else None
                before = len(daemon.lines)
                got = one(daemon)
                assert got[-1][:3] == code, (step, name, away, got)
                daemon.wait_log("filter cannot be asked", after=before)
            milter.answers, milter.offer = {}, None
            assert one(daemon)[-1][:3] == "250"
            kept = len(rows) if away == "accept" else 0
            assert len(daemon.messages()) == kept + 1


def test_offers(build):
    for options in ({"version": 7}, {"version": 1}, {"actions": 0x200},
                    {"steps": 0x800}, {"steps": 0x10000000}):
        with Milter(**options) as milter, serve(build, milter) as daemon:
            assert one(daemon)[1].startswith("451 4.3.2"), options
    with Milter(version=2, actions=0x3f, steps=0) as milter, \
            serve(build, milter) as daemon:
        assert one(daemon)[-1][:3] == "250"
        assert "T" not in milter.letters()


def test_away(build):
    """Nobody is there; then somebody is, in the same session."""
    with Milter() as gone:
        pass
    for away, code in (("tempfail", "451"), ("reject", "550")):
        with serve(build, (gone, f"away={away}")) as daemon:
            assert one(daemon)[1][:3] == code
    with serve(build, (gone, "away=accept")) as daemon:
        assert one(daemon)[-1][:3] == "250"
    cut = [True]

    def once(data):
        return ["cut"] if cut and cut.pop() else CONTINUE

    with Milter({"M": once}) as milter, serve(build, milter) as daemon:
        with begin(daemon) as wire:
            assert send(wire)[1][:3] == "451"
            assert send(wire)[-1][:3] == "250"
        assert milter.connections == 2


def test_exempt(build):
    with Milter({"R": [("r", b"")]}) as milter:
        with serve(build, milter, milters__exempt="127.0.0.0/8") as daemon:
            assert one(daemon)[-1][:3] == "250"
        with serve(build, milter, milters__exempts_logins=True) as daemon:
            box = daemon.smtp("submission")
            box.starttls()
            box.login("demo", "secret")
            box.sendmail("demo@mail.test", "demo@mail.test", MESSAGE)
            box.quit()
            assert milter.connections == 0
            assert one(daemon)[1][:3] == "550"
        with serve(build, milter) as daemon:
            box = daemon.smtp("submission")
            box.starttls()
            box.login("demo", "secret")
            assert box.mail("demo@mail.test")[0] == 250
            assert box.rcpt("demo@mail.test")[0] == 550
            box.close()
            assert milter.macros("M")[b"{auth_authen}"] == b"demo"
            assert milter.macros("H")[b"{tls_version}"].startswith(b"TLSv1")
    large = MESSAGE + (b"y" * 998 + b"\r\n") * 300
    with Milter({"E": [("r", b"")]}) as milter, \
            serve(build, (milter, "size_max=100K")) as daemon:
        assert one(daemon)[-1][:3] == "550"
        assert one(daemon, body=large)[-1][:3] == "250"
        daemon.wait_log("larger than the filter's size_max")


def test_local_socket(build):
    need_posix(build, "local sockets")
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "milter.sock")
        with Milter({"E": [("r", b"")]}, path=path) as milter, \
                serve(build, milter) as daemon:
            assert one(daemon)[-1][:3] == "550"
        os.unlink(path)
        with serve(build, milter) as daemon:
            assert one(daemon)[1][:3] == "451"


def test_peer_goes(build):
    """A client that hangs up in the middle leaves the filter nothing open."""
    with Milter() as milter, serve(build, milter) as daemon:
        for lines in (["MAIL FROM:<a@c.test>"],
                      ["MAIL FROM:<a@c.test>", "RCPT TO:<demo@mail.test>"],
                      ["MAIL FROM:<a@c.test>", "RCPT TO:<demo@mail.test>",
                       "DATA"]):
            with begin(daemon) as wire:
                for line in lines:
                    wire.ask(line)
                wire.send(b"Subject: x\r\n")
        assert one(daemon)[-1][:3] == "250"
        assert len(daemon.messages()) == 1
    with Milter({"E": ["hang"]}) as milter, \
            serve(build, (milter, "end_timeout=2s")) as daemon:
        with begin(daemon) as wire:
            wire.ask("MAIL FROM:<a@c.test>")
            wire.ask("RCPT TO:<demo@mail.test>")
            wire.ask("DATA")
            wire.send(MESSAGE + b".\r\n")
            wait_for(lambda: "E" in milter.letters(), what="the end")
        assert daemon.messages() == []


def test_mistakes(build):
    with Daemon(build, start=False) as daemon:
        for lines, words in ((["name=a"], "at is missing"),
                             (["name=a at=mail"], "at of a filter"),
                             (["name=a at=127.0.0.1:0"], "at of a filter"),
                             (["name=a at=unix:x"], "at of a filter"),
                             (["name=a at=127.0.0.1:1 away=no"],
                              "tempfail, accept or reject"),
                             (["name=a at=127.0.0.1:1"] * 2, "twice")):
            daemon.settings["milters.filters"] = lines
            run = daemon.ctl("config", "check", check=False)
            assert run.returncode != 0 and words in run.stderr + run.stdout, \
                (lines, run.stderr, run.stdout)


def look_at_memory(daemon):
    """One body is remembered; it is listed, forgotten, and cleared."""
    lines = daemon.ctl("spam", "list").stdout.splitlines()
    assert lines[0].startswith("BODY") and lines[-1] == "remembered: 1", lines
    body, *_, refusals = lines[1].split()
    assert re.fullmatch("[0-9a-f]{64}", body) and refusals == "1", lines
    for words in (("forget", body[1:]), ("forget", "0" * 64)):
        assert daemon.ctl("spam", *words, check=False).returncode == 1
    daemon.ctl("spam", "forget", body.upper())
    got = daemon.ctl("spam", "list").stdout
    assert got == "no body is remembered\n", got
    assert daemon.ctl("spam", "clear").stdout == "forgotten: 0\n"


def test_spam_memory(build):
    """T-117: a body that a filter refused as spam is known from elsewhere,
    after a restart too; one refused for other reasons is not."""
    text = b"Subject: %s\r\n\r\n" + b"buy now, buy here\r\n" * 40
    known = "550 5.7.1 This text"

    def from_peer(daemon, source):
        with Wire(daemon.port("smtp"), source=source) as wire:
            wire.reply()
            wire.ask("EHLO c.test")
            return send(wire, body=text % b"x")[-1]

    with tempfile.TemporaryDirectory() as folder, Milter() as milter:
        white = os.path.join(folder, "white")
        with open(white, "w", encoding="ascii") as file:
            file.write("127.0.0.8\n")
        with serve(build, milter, spam__memory="refuse",
                   spam__exempt="127.0.0.7/32",
                   lists__white_file=white) as daemon:
            for packets, code in ((reply("552 5.3.4 large"), "552"),
                                  (reply("451 4.7.1 later"), "451"),
                                  (CONTINUE, "250"),
                                  (reply("554 5.7.1 Spam message"), "554")):
                milter.answers = {"E": packets}
                assert one(daemon, body=text % b"a")[-1][:3] == code, code
            daemon.wait_log("smtp: spam remembered")
            milter.answers, milter.heard = {}, []
            wait_for(lambda: one(daemon, body=text % b"b")[-1].startswith(
                known), what="the memory")
            got = from_peer(daemon, "127.0.0.9")
            assert got.startswith(known), got
            for source in ("127.0.0.7", "127.0.0.8"):
                assert from_peer(daemon, source)[:3] == "250", source
            assert one(daemon, body=text % b"b" + b"!\r\n")[-1][:3] == "250"
            daemon.stop()
            daemon.start()
            milter.heard = []
            got = one(daemon, body=text % b"c")[-1]
            assert got.startswith(known), got
            assert "E" not in milter.letters(), milter.letters()
            look_at_memory(daemon)
            got = one(daemon, body=text % b"e")[-1]
            assert got[:3] == "250", got
            milter.answers = {"E": reply("554 5.7.1 Spam message")}
            assert one(daemon, body=text % b"f")[-1][:3] == "554"
            wait_for(lambda: "remembered: 1" in
                     daemon.ctl("spam", "list").stdout, what="the memory")
            milter.answers = {}
            daemon.stop()
            daemon.settings["spam.memory"] = "tag"
            daemon.start()
            assert one(daemon, body=text % b"d")[-1][:3] == "250"
            assert b"\r\nX-Blocklist: known spam\r\n" in \
                daemon.messages()[-1]


main(__name__, test_what_it_hears, test_answers, test_postmaster,
     test_one_recipient, test_fields, test_envelope, test_body,
     test_quarantine, test_several, test_no_replies, test_faults, test_offers,
     test_away, test_exempt, test_local_socket, test_peer_goes, test_mistakes,
     test_spam_memory)
