"""Automatic replies from outside: what is answered and what is not, once a
sender a period, with aliases, forwards and lists, and over kills."""
import os
import re
import smtplib

from harness import Daemon, main, need_posix, wait_for
from sink import Sink

TEXT = "I am away.\nWrite to other@mail.test.\n"


def world(build, sink=None, start=True, **settings):
    wanted = {"pop3.allows_clear_login": True, "smtp.allows_clear_auth": True,
              "queue.steps": "1s", **settings}
    if sink is not None:
        wanted.update({"smarthost.host": "127.0.0.1",
                       "smarthost.port": sink.port, "smarthost.tls": "off"})
    return Daemon(build, users=("demo", "other", "third"), settings=wanted,
                  start=start)


def away(daemon, name="demo", *words, text=TEXT):
    daemon.ctl("reply", "set", name, "-", *words, stdin=text)


def send(daemon, *to, sender="a@client.test", header_to=None, extra="",
         subject="hello"):
    named = header_to or ", ".join(to)
    text = (f"From: <{sender}>\r\nTo: {named}\r\nSubject: {subject}\r\n"
            f"Message-ID: <{subject}@client.test>\r\n{extra}\r\nbody\r\n")
    with smtplib.SMTP("127.0.0.1", daemon.port("smtp"), timeout=120) as smtp:
        smtp.ehlo("client.test")
        return smtp.sendmail(sender, to, text.encode())


def settled(daemon, count):
    """So many messages were looked at, answered or not."""
    return wait_for(
        lambda: sum(" automatic reply" in line and "message=" in line
                    for line in list(daemon.lines)) >= count or None,
        what=f"{count} decisions")


def reasons(daemon):
    return [m.group(1) for line in list(daemon.lines)
            if (m := re.search(r"no automatic reply.*reason=\"?([^\"]*)", line))]


def test_answer(build):
    with Sink() as sink, world(build, sink, start=False) as daemon:
        away(daemon, "demo", "subject", "Verreist – bis Montag",
             text="Grüße\n.\nEnde\n")
        assert "demo  once in 7 days, subject Verreist" in \
            daemon.ctl("reply", "list").stdout
        assert "    Grüße\n    .\n    Ende\n" in \
            daemon.ctl("reply", "list", "demo").stdout
        daemon.start()
        send(daemon, "demo@mail.test", subject="s1",
             extra="References: <a@b.test>\r\n")
        wait_for(lambda: len(sink.messages) == 1, what="the answer")
        answer = sink.messages[0]
        assert answer.reverse_path == "", answer.reverse_path
        assert answer.recipients == ["a@client.test"]
        for line in (b"From: <demo@mail.test>", b"To: <a@client.test>",
                     b"In-Reply-To: <s1@client.test>",
                     b"References: <a@b.test> <s1@client.test>",
                     b"Auto-Submitted: auto-replied",
                     b"Subject: Verreist =?utf-8?B?4oCT?= bis Montag",
                     b"Content-Transfer-Encoding: base64"):
            assert b"\r\n" + line + b"\r\n" in b"\r\n" + answer.data, \
                (line, answer.data)
        import email
        body = email.message_from_bytes(answer.data).get_payload(decode=True)
        assert body.decode() == "Grüße\r\n.\r\nEnde\r\n", body
        # Once in the period, however often; another sender gets his own.
        send(daemon, "demo@mail.test", subject="s2")
        send(daemon, "demo@mail.test", sender="A@client.test", subject="s3")
        send(daemon, "demo@mail.test", sender="b@client.test", subject="s4")
        settled(daemon, 4)
        wait_for(lambda: len(sink.messages) == 2, what="the second answer")
        assert sink.messages[1].recipients == ["b@client.test"]
        assert reasons(daemon).count("the sender has one already") == 2
        assert len(daemon.messages("demo")) == 4
        wait_for(lambda: "reply:" not in daemon.ctl("queue", "list").stdout,
                 what="an empty queue")
        # No line of a delivery for it.
        assert not any("delivered" in l and "reply:demo" in l
                       for l in daemon.lines)
        # A restart remembers; a new text is for all.
        daemon.stop()
        daemon.start()
        send(daemon, "demo@mail.test", subject="s5")
        settled(daemon, 1)
        assert len(sink.messages) == 2
        away(daemon)
        send(daemon, "demo@mail.test", subject="s6")
        wait_for(lambda: len(sink.messages) == 3, what="the new answer")
        # Removed, renamed, removed with the user.
        daemon.ctl("user", "rename", "demo", "newname")
        assert daemon.ctl("reply", "list").stdout.startswith("newname ")
        daemon.ctl("reply", "remove", "newname")
        assert daemon.ctl("reply", "list").stdout == "there is none\n"
        again = daemon.ctl("reply", "remove", "newname", check=False)
        assert again.returncode != 0 and "there is no reply" in again.stderr


def test_mistakes(build):
    with world(build, start=False) as daemon:
        for words, stdin, told in (
                (("set", "nobody", "-"), TEXT, "no such user or alias"),
                (("set", "demo", "-"), "", "the text must be"),
                (("set", "demo", "-"), "x" * 32769, "the text must be"),
                (("set", "demo", "-", "subject", "a\nb"), TEXT, "one line"),
                (("set", "demo", "-", "days", "0"), TEXT, "reply list"),
                (("set", "demo", "-", "days", "366"), TEXT, "reply list"),
                (("set", "demo", "-", "from", "2026-13-01"), TEXT, "TIME"),
                (("set", "demo", "-", "until", "soon"), TEXT, "TIME"),
                (("set", "demo", "-", "from", "2026-02-02", "until",
                  "2026-02-01"), TEXT, "must end after"),
                (("set", "demo", "/nowhere/x"), TEXT, "/nowhere/x"),
                (("set", "demo"), TEXT, "reply set")):
            run = daemon.ctl("reply", *words, check=False, stdin=stdin)
            assert run.returncode != 0 and told in run.stderr, (words, run)
        assert daemon.ctl("reply", "list").stdout == "there is none\n"
        away(daemon, "Demo", "from", "2026-02-01", "until", "2026-02-01",
             "days", "1")
        assert "demo  once in 1 days, from 2026-02-01T00:00, until " \
            "2026-02-02T00:00\n" == daemon.ctl("reply", "list").stdout


def test_not_answered(build):
    """RFC 3834 2, each from outside; the mail itself comes."""
    with Sink() as sink, world(build, sink, start=False) as daemon:
        away(daemon)
        daemon.start()
        cases = (
            dict(sender=""),
            dict(sender="owner-x@client.test"),
            dict(sender="x-request@client.test"),
            dict(sender="noreply@client.test"),
            dict(extra="Auto-Submitted: auto-generated\r\n"),
            dict(extra="List-Id: <x.client.test>\r\n"),
            dict(extra="Precedence: junk\r\n"),
            dict(extra="X-Auto-Response-Suppress: All\r\n"),
            dict(header_to="undisclosed-recipients:;"),
            dict(sender="demo@mail.test"),
            dict(sender="demo+x@mail.test"),
        )
        for case in cases:
            send(daemon, "demo@mail.test", **case)
        # The null path asks for nothing at all.
        settled(daemon, len(cases) - 1)
        assert len(daemon.messages("demo")) == len(cases)
        assert len(set(reasons(daemon))) == 7, reasons(daemon)
        assert sink.messages == []
        # What is far away at RCPT only, and a plus address, is answered.
        send(daemon, "demo+list@mail.test", sender="c@client.test")
        wait_for(lambda: len(sink.messages) == 1, what="the answer")
        assert b"From: <demo+list@mail.test>" in sink.messages[0].data
        # Its time is over.
        away(daemon, "demo", "until", "2020-01-01")
        send(daemon, "demo@mail.test", sender="d@client.test")
        wait_for(lambda: len(daemon.messages("demo")) == len(cases) + 2,
                 what="the mail")
        assert "reply:" not in daemon.ctl("queue", "list").stdout
        assert len(sink.messages) == 1


def test_bcc_with_the_setting(build):
    with Sink() as sink, world(build, sink, start=False,
                               **{"local.replies_to_named": False}) as daemon:
        away(daemon)
        daemon.start()
        send(daemon, "demo@mail.test", header_to="x@client.test")
        wait_for(lambda: len(sink.messages) == 1, what="the answer")


def test_two_answer_each_other(build):
    """Each gets the other's answer once, and that is the end."""
    with world(build, start=False) as daemon:
        away(daemon, "demo")
        away(daemon, "other")
        daemon.start()
        send(daemon, "demo@mail.test", sender="other@mail.test")
        send(daemon, "other@mail.test", sender="demo@mail.test")
        settled(daemon, 2)
        # The answers came, and were themselves not answered.
        wait_for(lambda: len(daemon.messages("other")) == 2 and
                 len(daemon.messages("demo")) == 2, what="the answers")
        assert "reply:" not in daemon.ctl("queue", "list").stdout
        assert reasons(daemon) == []
        told = daemon.messages("other")
        assert any(m.startswith(b"Return-Path: <>\r\n") and
                   b"Auto-Submitted: auto-replied" in m for m in told), told


def test_aliases_and_forwards(build):
    with Sink() as sink, world(build, sink, start=False) as daemon:
        daemon.ctl("alias", "add", "info@mail.test", "other", "third")
        daemon.ctl("forward", "add", "demo", "far@elsewhere.test")
        away(daemon, "info@mail.test", "subject", "info")
        away(daemon, "demo", "subject", "demo")
        away(daemon, "third", "subject", "third")
        daemon.start()

        def subjects():
            return sorted(
                re.search(rb"Subject: (\S+)", m.data).group(1).decode()
                for m in sink.messages if m.reverse_path == "")
        # An alias's own answer, and that of one of its targets.
        send(daemon, "info@mail.test", sender="x@client.test")
        wait_for(lambda: len(subjects()) == 2, what="two answers")
        assert subjects() == ["info", "third"]
        froms = {re.search(rb"From: <(\S+)>", m.data).group(1)
                 for m in sink.messages}
        assert froms == {b"info@mail.test", b"third@mail.test"}, froms
        # Who forwards all answers, too.
        send(daemon, "demo@mail.test", sender="x@client.test")
        wait_for(lambda: subjects() == ["demo", "info", "third"],
                 what="the third answer")
        assert daemon.messages("demo") == []
        # Two addresses of one name in one message: one answer.
        send(daemon, "third@mail.test", "third+a@mail.test",
             sender="y@client.test")
        wait_for(lambda: len(subjects()) == 4, what="the fourth answer")
        settled(daemon, 4)
        assert subjects() == ["demo", "info", "third", "third"]


def test_list_with_a_member_who_answers(build):
    """No circle, and no answer to the list."""
    with world(build, start=False) as daemon:
        daemon.ctl("maillist", "set", "news@mail.test", "open", "owner",
                   "other@mail.test")
        daemon.ctl("maillist", "join", "news@mail.test", "demo@mail.test",
                   "third@mail.test")
        away(daemon, "demo")
        daemon.start()
        for number in range(3):
            send(daemon, "news@mail.test", sender="other@mail.test",
                 subject=f"n{number}")
        for user in ("demo", "third"):
            wait_for(lambda: len(daemon.messages(user)) == 3, what=user)
        wait_for(lambda: "maillist" not in daemon.ctl("queue", "list").stdout,
                 what="an empty queue")
        # To the member himself there is an answer.
        send(daemon, "demo@mail.test", sender="other@mail.test")
        wait_for(lambda: len(daemon.messages("other")) == 1, what="the answer")
        assert len(daemon.messages("demo")) == 4
        assert len(daemon.messages("third")) == 3
        assert "queue is empty" in daemon.ctl("queue", "list").stdout.lower() \
            or "reply:" not in daemon.ctl("queue", "list").stdout


def test_killed(build):
    """A kill at any moment loses no answer and repeats none: each sender of an
    acknowledged message has one, at most."""
    need_posix(build, "a kill")
    rounds = int(os.environ.get("MAILMOD_CRASH_ROUNDS", "200")) // 20
    with world(build, start=False) as daemon:
        away(daemon)
        senders = []
        for number in range(max(rounds, 4)):
            daemon.start()
            with smtplib.SMTP("127.0.0.1", daemon.port("smtp"),
                              timeout=120) as smtp:
                smtp.ehlo("client.test")
                for i in range(1 + number % 4):
                    sender = f"other+{number}x{i}@mail.test"
                    smtp.sendmail(
                        sender, ["demo@mail.test"],
                        f"From: <{sender}>\r\nTo: demo@mail.test\r\n"
                        f"Subject: x\r\n\r\nbody\r\n")
                    senders.append(sender)
                daemon.kill()
        daemon.start()
        wait_for(lambda: "reply:" not in daemon.ctl("queue", "list").stdout,
                 60, "an empty queue")
        got = sorted(re.search(rb"To: <(\S+)>", m).group(1).decode()
                     for m in daemon.messages("other"))
        assert got == sorted(senders), (len(got), len(senders))
        assert len(daemon.messages("demo")) == len(senders)


main(__name__, test_answer, test_mistakes, test_not_answered,
     test_bcc_with_the_setting, test_two_answer_each_other,
     test_aliases_and_forwards, test_list_with_a_member_who_answers,
     test_killed)
