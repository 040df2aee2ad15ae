"""Mailing lists from outside: posting rules, requests by mail, what comes back,
a kill while a list is expanded.

MAILMOD_LIST_MEMBERS=1000 makes the list of members large (with a twentieth of
them dead), for the run that is not for every day.
"""
import email
import os
import re
import smtplib

from harness import Daemon, Wire, main, need_posix, wait_for
from sink import Sink

LIST = "news@mail.test"
MEMBERS = int(os.environ.get("MAILMOD_LIST_MEMBERS", "120"))


def world(build, sink=None, start=True, **settings):
    wanted = {"pop3.allows_clear_login": True, "smtp.allows_clear_auth": True,
              "queue.steps": "1s", **settings}
    if sink is not None:
        wanted.update({"smarthost.host": "127.0.0.1",
                       "smarthost.port": sink.port, "smarthost.tls": "off"})
    return Daemon(build, users=("demo", "other", "boss"), settings=wanted,
                  start=start)


def make(daemon, rule="members", *words, members=("demo@mail.test",)):
    daemon.ctl("maillist", "set", LIST, rule, "owner", "boss@mail.test", *words)
    if members:
        daemon.ctl("maillist", "join", LIST, *members)


def wait_known(daemon):
    """A tool's change counts within a second."""
    def is_known():
        with Wire(daemon.port("smtp")) as wire:
            wire.reply()
            wire.ask("EHLO client.test")
            wire.ask("MAIL FROM:<a@client.test>")
            return wire.ask(f"RCPT TO:<{LIST}>").startswith("250")
    wait_for(is_known, what="the list")


def send(daemon, to, sender="demo@mail.test", text=None, extra=""):
    text = text or f"From: <{sender}>\r\nSubject: hello\r\n{extra}\r\nbody\r\n"
    with smtplib.SMTP("127.0.0.1", daemon.port("smtp"), timeout=120) as smtp:
        smtp.ehlo("client.test")
        smtp.sendmail(sender, [to], text)


def inbox(daemon, user, count):
    return wait_for(lambda: (lambda m: m if len(m) >= count else None)(
        daemon.messages(user)), what=f"{count} messages of {user}")


def members(daemon):
    return daemon.ctl("maillist", "members", LIST).stdout


def test_rules_and_fields(build):
    with Sink() as sink, world(build, sink) as daemon:
        make(daemon, members=("demo@mail.test", "Far@Elsewhere.test"))
        outside = daemon.ctl("maillist", "set", "x@elsewhere.test", "open",
                             check=False)
        assert outside.returncode != 0 and "local.domains" in outside.stderr
        assert "news@mail.test  post members, owner boss@mail.test" in \
            daemon.ctl("maillist", "list").stdout
        wait_known(daemon)
        send(daemon, LIST,
             extra="Return-Receipt-To: <x@y.test>\r\n")
        post = inbox(daemon, "demo", 1)[0]
        for line in (b"List-Id: <news.mail.test>",
                     b"List-Post: <mailto:news@mail.test>",
                     b"List-Unsubscribe: <mailto:news-unsubscribe@mail.test>",
                     b"List-Owner: <mailto:news-owner@mail.test>",
                     b"Precedence: list", b"From: <demo@mail.test>",
                     b"Return-Path: <news-bounces@mail.test>"):
            assert b"\r\n" + line + b"\r\n" in b"\r\n" + post, (line, post)
        assert b"Return-Receipt" not in post
        assert b"List-Unsubscribe-Post" not in post  # nothing here speaks HTTP
        wait_for(lambda: len(sink.messages) == 1, what="the far one's")
        far = sink.messages[0]
        assert far.recipients == ["far@elsewhere.test"], far.recipients
        assert re.match(r"news-bounces\+[0-9a-f]{8}=far=elsewhere\.test@mail\."
                        r"test$", far.reverse_path), far.reverse_path
        # Somebody else is told; a circle and a program are not passed on.
        send(daemon, LIST, sender="other@mail.test")
        refusal = inbox(daemon, "other", 1)[0]
        assert b"only members may post" in refusal, refusal
        send(daemon, LIST, extra="Auto-Submitted: auto-replied\r\n")
        send(daemon, LIST, extra="List-Id: <news.mail.test>\r\n")
        daemon.wait_log("automatic mail is no post")
        daemon.wait_log("this list passed the message on before")
        assert len(sink.messages) == 1


def test_digests(build):
    """RFC 2046 5.1.5: who wants them gets all posts of a time in one."""
    with world(build) as daemon:
        make(daemon, members=("demo@mail.test",))
        daemon.ctl("maillist", "digests", LIST, "24")
        daemon.ctl("maillist", "digest", LIST, "other@mail.test")
        daemon.ctl("maillist", "set", LIST, "open", "owner", "boss@mail.test")
        assert "digest every 24 h or 256 KiB" in \
            daemon.ctl("maillist", "list").stdout
        assert "other@mail.test, digest\n" in members(daemon)
        # One mark does not take the other away; joining anew takes both.
        daemon.ctl("maillist", "moderator", LIST, "other@MAIL.test")
        daemon.ctl("maillist", "resume", LIST, "other@mail.test")
        assert "other@mail.test, moderator, digest\n" in members(daemon)
        none = daemon.ctl("maillist", "resume", LIST, "no@mail.test",
                          check=False)
        assert none.returncode == 1 and "is no member of" in none.stderr
        daemon.ctl("maillist", "join", LIST, "other@mail.test")
        assert "other@mail.test\n" in members(daemon)
        daemon.ctl("maillist", "digest", LIST, "other@mail.test")
        many = daemon.ctl("maillist", "digests", LIST, "1", "5000", check=False)
        assert many.returncode == 1 and "4096" in many.stderr, many
        wait_known(daemon)
        for n, body in enumerate(("one", "--=_posts-\r\n\r\n.two", "dr\u00fcben")):
            send(daemon, LIST, text=(
                f"From: d{n} <demo@mail.test>\r\nSubject: post {n}\r\n"
                "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8"
                f"\r\nX-Private: x\r\n\r\n{body}\r\n").encode())
            inbox(daemon, "demo", n + 1)  # one after the other
        assert not daemon.messages("other")
        listed = daemon.ctl("queue", "list").stdout
        assert listed.count("maillist-digest:") == 3, listed
        daemon.ctl("queue", "flush")  # not before the time is over
        daemon.ctl("maillist", "digests", LIST, "off")
        wait_for(lambda: (daemon.ctl("queue", "flush"),
                          daemon.messages("other"))[1], what="the digest")
        digest = email.message_from_bytes(inbox(daemon, "other", 1)[0])
        assert digest["Subject"] == f"Digest of {LIST}: 3 messages", digest
        assert digest["List-Id"] == "<news.mail.test>"
        index, posts = digest.get_payload()
        assert digest.get_content_type() == "multipart/mixed"
        assert posts.get_content_type() == "multipart/digest"
        for n in range(3):
            assert f"post {n}" in index.get_payload(), index.get_payload()
        inner = [part.get_payload()[0] for part in posts.get_payload()]
        assert [m["Subject"] for m in inner] == ["post 0", "post 1", "post 2"]
        assert inner[1].get_payload() == "--=_posts-\r\n\r\n.two\r\n" or \
            inner[1].get_payload() == "--=_posts-\n\n.two\n", inner[1]
        assert inner[2].get_payload(decode=True).strip() == \
            "dr\u00fcben".encode(), inner[2]
        assert inner[0]["X-Private"] is None and inner[0]["List-Id"] is None
        # By size, and one at a time: no post comes twice.
        daemon.ctl("maillist", "digests", LIST, "24", "1")
        send(daemon, LIST)
        wait_for(lambda: "maillist-digest:" in
                 daemon.ctl("queue", "list").stdout, what="a post that waits")
        send(daemon, LIST, extra="Comments: " + "x" * 900 + "\r\n")
        second = email.message_from_bytes(inbox(daemon, "other", 2)[1])
        assert second["Subject"] == f"Digest of {LIST}: 2 messages", second
        wait_for(lambda: "maillist-digest" not in
                 daemon.ctl("queue", "list").stdout, what="an empty queue")
        assert len(daemon.messages("other")) == 2
        assert len(inbox(daemon, "demo", 5)) == 5


def test_moderated(build):
    with world(build) as daemon:
        make(daemon, "moderated", "rewrites-from", members=("demo@mail.test",))
        wait_known(daemon)
        send(daemon, LIST, sender="demo@mail.test")
        notice = inbox(daemon, "boss", 1)[0]
        assert b"waits for a moderator" in notice, notice
        identifier = re.search(rb"queue release (\w+)", notice).group(1).decode()
        waiting = daemon.ctl("queue", "list").stdout
        assert identifier in waiting and "moderator" in waiting, waiting
        assert daemon.messages("demo") == []
        daemon.ctl("queue", "release", identifier)
        post = inbox(daemon, "demo", 1)[0]
        assert b"From: <news@mail.test>\r\n" in post, post
        assert b"Reply-To: <demo@mail.test>\r\n" in post
        send(daemon, LIST, sender="boss@mail.test")  # the owner at once
        inbox(daemon, "demo", 2)


def test_moderated_by_mail(build):
    """An answer lets a post pass; mail to the other address drops it."""
    with world(build) as daemon:
        make(daemon, "moderated", members=("demo@mail.test",))
        wait_known(daemon)
        for number in range(2):
            send(daemon, LIST, sender="demo@mail.test", text=(
                f"From: <demo@mail.test>\r\nSubject: post {number}\r\n\r\n"
                f"\x1b[31mtext {number}\r\n"))
        notices = sorted(inbox(daemon, "boss", 2),
                         key=lambda m: b"post 1" in m)
        assert b"> Subject: post 0\r\n" in notices[0], notices[0]
        assert b"> ?[31mtext 0\r\n" in notices[0]
        approve = re.search(rb"From: <(\S+)>", notices[0]).group(1).decode()
        reject = re.search(rb"    <(\S+)>", notices[1]).group(1).decode()
        assert approve.startswith("news-confirm+a")
        assert reject.startswith("news-confirm+r")
        # A program decides nothing; nor does another signature.
        send(daemon, approve, sender="boss@mail.test",
             extra="Auto-Submitted: auto-replied\r\n")
        daemon.wait_log("automatic answer dropped")
        send(daemon, approve.replace("+a", "+r"), sender="boss@mail.test")
        daemon.wait_log("that confirms nothing")
        assert daemon.ctl("queue", "list").stdout.count("moderator") == 2
        send(daemon, approve, sender="boss@mail.test")
        send(daemon, reject, sender="boss@mail.test")
        post = inbox(daemon, "demo", 1)[0]
        assert b"Subject: post 0\r\n" in post, post
        daemon.wait_log("a moderator dropped a post")
        wait_for(lambda: "queue is empty" in daemon.ctl("queue", "list").stdout,
                 what="an empty queue")
        # Once is enough, and too late is too late.
        for path in (approve, reject):
            send(daemon, path, sender="boss@mail.test")
        wait_for(lambda: sum("decided about already" in l
                             for l in daemon.lines) == 2, what="both")
        assert len(daemon.messages("demo")) == 1


def test_requests_by_mail(build):
    with world(build) as daemon:
        make(daemon, members=())
        wait_known(daemon)
        # What a program sends is not answered.
        send(daemon, "news-subscribe@mail.test", sender="other@mail.test",
             extra="Auto-Submitted: auto-generated\r\n")
        daemon.wait_log("automatic request dropped")
        send(daemon, "news-subscribe@mail.test", sender="other@mail.test")
        asked = inbox(daemon, "other", 1)[0]
        assert b"Auto-Submitted: auto-replied" in asked, asked
        assert asked.startswith(b"Return-Path: <>\r\n")
        confirm = re.search(rb"From: <(\S+)>", asked).group(1).decode()
        assert confirm.startswith("news-confirm+s"), confirm
        assert "there is none" in members(daemon)
        # Another's signature confirms nothing.
        forged = confirm.replace("=other=", "=demo=")
        send(daemon, forged, sender="demo@mail.test")
        assert b"confirms nothing" in inbox(daemon, "demo", 1)[0]
        send(daemon, confirm, sender="other@mail.test")
        assert b"is now a member" in inbox(daemon, "other", 2)[1]
        assert members(daemon) == "other@mail.test\n"
        send(daemon, "news-unsubscribe@mail.test", sender="other@mail.test")
        asked = inbox(daemon, "other", 3)[2]
        confirm = re.search(rb"From: <(\S+)>", asked).group(1).decode()
        send(daemon, confirm, sender="other@mail.test")
        inbox(daemon, "other", 4)
        assert "there is none" in members(daemon)
        send(daemon, "news-owner@mail.test", sender="other@mail.test")
        assert b"Subject: hello" in inbox(daemon, "boss", 1)[0]


def test_the_dead_are_suspended(build):
    """One copy each; those whose mail came back three times, and nobody else,
    get no more; a member that answers by itself makes no circle."""
    dead = {f"m{i}@elsewhere.test" for i in range(0, MEMBERS, 20)}

    def rcpt(argument):
        path = re.search(r"<(.*?)>", argument).group(1)
        return "550 5.1.1 nobody" if path in dead else "250 ok"

    with Sink(replies={"RCPT": rcpt}) as sink, world(build, sink) as daemon:
        make(daemon, "open", members=["demo@mail.test"] + [
            f"m{i}@elsewhere.test" for i in range(MEMBERS)])
        wait_known(daemon)
        for round_number in range(1, 4):
            send(daemon, LIST, sender="boss@mail.test")
            alive = (MEMBERS - len(dead)) * round_number
            wait_for(lambda: len(sink.messages) >= alive, 120, "the copies")
            wait_for(lambda: members(daemon).count(
                f"bounces {round_number}\n") == len(dead), 120,
                "the bounces")
        listed = members(daemon).splitlines()
        assert {l.split(",")[0] for l in listed if "suspended" in l} == dead
        got = [r for m in sink.messages for r in m.recipients]
        assert sorted(set(got)) == sorted(
            {f"m{i}@elsewhere.test" for i in range(MEMBERS)} - dead)
        assert len(got) == 3 * (MEMBERS - len(dead)), len(got)
        before = len(got)
        # An answer by a program goes to the path back, and counts for nothing.
        back = next(m.reverse_path for m in sink.messages
                    if m.recipients == ["m1@elsewhere.test"])
        send(daemon, back, sender="", text="From: <m1@elsewhere.test>\r\n"
             "Auto-Submitted: auto-replied\r\nSubject: away\r\n\r\naway\r\n")
        daemon.wait_log("no report of a failure: dropped")
        send(daemon, LIST, sender="m1@elsewhere.test",
             extra="Auto-Submitted: auto-replied\r\n")
        send(daemon, LIST, sender="boss@mail.test")
        alive = MEMBERS - len(dead)
        wait_for(lambda: sum(len(m.recipients) for m in sink.messages) >=
                 before + alive, 120, "the fourth")
        inbox(daemon, "demo", 4)
        wait_for(lambda: "maillist" not in daemon.ctl("queue", "list").stdout,
                 what="an empty queue")
        assert sum(len(m.recipients) for m in sink.messages) <= \
            before + alive + 1  # and the refusal to m1
        daemon.ctl("maillist", "resume", LIST, "m0@elsewhere.test")
        assert "m0@elsewhere.test\n" in members(daemon)
        assert members(daemon).count("suspended") == len(dead) - 1


def test_killed_while_it_is_expanded(build):
    """R11: a kill repeats nobody and skips nobody: one mailbox here tells, whose
    user is a member under many addresses."""
    need_posix(build, "a kill")
    addresses = [f"demo+{i}@mail.test" for i in range(170)]
    with world(build, start=False) as daemon:
        make(daemon, "open", members=addresses)
        daemon.start()
        wait_known(daemon)
        for number in range(4):
            send(daemon, LIST, sender="boss@mail.test",
                 text=f"From: <boss@mail.test>\r\nSubject: {number}\r\n\r\nx\r\n")
            daemon.kill()
            daemon.start()
        wanted = sorted((a.encode(), str(n).encode())
                        for a in addresses for n in range(4))
        # The list is as long as the queue was when each of its pages was read.
        wait_for(lambda: f" {len(wanted)} " in daemon.ctl("user", "list").stdout,
                 120, "all copies")
        wait_for(lambda: "maillist" not in daemon.ctl("queue", "list").stdout,
                 60, "an empty queue")
        told = sorted(
            re.search(rb"Delivered-To: (\S+).*Subject: (\d)", m, re.S).groups()
            for m in daemon.messages("demo"))
        assert told == wanted, (len(told), len(wanted))


main(__name__, test_rules_and_fields, test_digests, test_moderated, test_moderated_by_mail,
     test_requests_by_mail,
     test_the_dead_are_suspended, test_killed_while_it_is_expanded)
