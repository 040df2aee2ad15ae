"""Aliases, forwards, catch-all and copies of all mail, from outside: as files, by
mailmodctl while the daemon runs, told by what mailboxes and another host get."""
import os
import smtplib

from harness import PATIENCE, Daemon, Wire, main, need_posix, wait_for
from sink import Sink

USERS = ("demo", "other", "third")


def world(build, sink=None, **settings):
    wanted = {"pop3.allows_clear_login": True, "smtp.allows_clear_auth": True,
              "queue.steps": "1s", **settings}
    if sink is not None:
        wanted.update({"smarthost.host": "127.0.0.1",
                       "smarthost.port": sink.port, "smarthost.tls": "off"})
    return Daemon(build, users=USERS, settings=wanted)


def send(daemon, *recipients, sender="a@client.test", options=(),
         text=b"Subject: x\r\n\r\nbody\r\n", mail_options=()):
    with smtplib.SMTP("127.0.0.1", daemon.port("smtp"), timeout=120) as smtp:
        smtp.ehlo("client.test")
        return smtp.sendmail(sender, recipients, text, mail_options, options)


def answer(daemon, recipient, sender="a@client.test"):
    with Wire(daemon.port("smtp")) as wire:
        wire.reply()
        wire.ask("EHLO client.test")
        wire.ask(f"MAIL FROM:<{sender}>")
        return wire.ask(f"RCPT TO:<{recipient}>")


def wait_known(daemon, recipient, code="250"):
    """A tool's change counts within a second."""
    wait_for(lambda: answer(daemon, recipient).startswith(code),
             what=f"{code} for {recipient}")


def fields(message, name):
    head = message.split(b"\r\n\r\n", 1)[0].decode().split("\r\n")
    return [line.partition(": ")[2] for line in head
            if line.lower().startswith(name.lower() + ":")]


def test_aliases_of_the_store(build):
    """Attack 87: one copy each, whatever the ways."""
    with Sink(extensions=["DSN"]) as sink, world(build, sink) as daemon:
        ctl = daemon.ctl
        assert answer(daemon, "team@mail.test").startswith("550 5.1.1")
        ctl("alias", "add", "Team@mail.test", "demo", "other@mail.test",
            "far@elsewhere.test")
        ctl("alias", "add", "sales", "team@mail.test", "demo")
        ctl("alias", "add", "a", "b@mail.test")
        ctl("alias", "add", "b", "a@mail.test")
        listed = ctl("alias", "list").stdout
        assert "team@mail.test: demo\n" in listed, listed
        assert ctl("alias", "list", "sales").stdout == \
            "sales: demo\nsales: team@mail.test\n"
        again = ctl("alias", "add", "sales", "demo", check=False)
        assert again.returncode != 0 and "sales" in again.stderr, again
        wait_known(daemon, "team@mail.test")
        # A circle without anybody is refused.
        assert answer(daemon, "a@mail.test").startswith("550 5.4.6")
        # Paths that meet give one copy, told as the first was meant.
        send(daemon, "sales+x@localhost", "demo@mail.test")
        demo, other = daemon.messages("demo"), daemon.messages("other")
        assert len(demo) == 1 and len(other) == 1, (demo, other)
        assert fields(other[0], "X-Original-To") == ["sales+x@localhost"]
        assert fields(other[0], "Delivered-To") == ["other@mail.test"]
        assert demo[0].startswith(b"Return-Path: <a@client.test>\r\n")
        wait_for(lambda: len(sink.messages) == 1, what="the far one's copy")
        far = sink.messages[0]
        assert far.recipients == ["far@elsewhere.test"], far.recipients
        assert far.data.startswith(b"Delivered-To: team@mail.test\r\n"), far.data
        assert b"demo@mail.test" not in far.data  # nobody of the others
        # F24: two addresses of one user that the sender wrote: a copy each.
        send(daemon, "demo@mail.test", "demo+one@mail.test", "demo@localhost",
             "demo+one@mail.test")
        told = [fields(m, "Delivered-To") for m in daemon.messages("demo")[1:]]
        assert told == [[], ["demo+one@mail.test"], ["demo@localhost"]], told
        ctl("alias", "remove", "team@mail.test", "far@elsewhere.test")
        ctl("alias", "remove", "sales")
        wait_known(daemon, "sales@mail.test", "550")
        missing = ctl("alias", "remove", "sales", check=False)
        assert missing.returncode != 0


def test_sizes_are_those_served(build):
    """What LIST tells has the fields that RETR makes."""
    with world(build) as daemon:
        daemon.ctl("alias", "add", "info", "demo")
        wait_known(daemon, "info@mail.test")
        send(daemon, "info@mail.test")
        box = daemon.pop3("demo")
        size = int(box.list(1).split()[2])
        assert size == box.retr(1)[2], (size, box.retr(1))
        assert box.stat()[1] == size
        box.quit()


def test_one_of_several_gets_no_mail(build):
    """The others do, and the sender is told of that one."""
    with world(build) as daemon:
        daemon.ctl("alias", "add", "team", "demo", "nobody@mail.test")
        daemon.ctl("alias", "add", "dead", "nobody@mail.test")
        wait_known(daemon, "team@mail.test")
        assert answer(daemon, "dead@mail.test").startswith("550 5.1.1")
        send(daemon, "team@mail.test", sender="other@mail.test")
        assert len(daemon.messages("demo")) == 1
        report = daemon.messages("other")
        assert len(report) == 1 and b"nobody@mail.test" in report[0], report
        assert b"Action: failed" in report[0]
        assert b"5.1.1" in report[0]


def test_expanded_is_told(build):
    """RFC 3461 5.2.7: an alias of many says "expanded" and asks no further; one
    of one hands the wishes on."""
    with Sink(extensions=["DSN"]) as sink, world(build, sink) as daemon:
        daemon.ctl("alias", "add", "many", "demo", "far@elsewhere.test")
        daemon.ctl("alias", "add", "one", "single@elsewhere.test")
        wait_known(daemon, "many@mail.test")
        send(daemon, "many@mail.test", sender="other@mail.test",
             options=["NOTIFY=SUCCESS,FAILURE"], mail_options=["ENVID=e1"])
        report = wait_for(lambda: daemon.messages("other"), what="the report")
        assert len(report) == 1, report
        assert b"Action: expanded" in report[0], report[0]
        assert b"Original-Envelope-Id: e1" in report[0]
        assert b"many@mail.test" in report[0]
        send(daemon, "one@mail.test", sender="other@mail.test",
             options=["NOTIFY=SUCCESS,FAILURE", "ORCPT=rfc822;x@y.test"],
             mail_options=["ENVID=e2"])
        wait_for(lambda: len(sink.messages) == 2, what="both copies")
        lines = {m.recipients[0]: m.rcpt_lines[0] for m in sink.messages}
        assert "NOTIFY=FAILURE" in lines["far@elsewhere.test"], lines
        assert "NOTIFY=SUCCESS,FAILURE" in lines["single@elsewhere.test"], lines
        assert "ORCPT=rfc822;x@y.test" in lines["single@elsewhere.test"]


def test_forwards(build):
    with Sink() as sink, world(build, sink) as daemon:
        ctl = daemon.ctl
        nobody = ctl("forward", "add", "nobody", "x@y.test", check=False)
        assert nobody.returncode != 0 and "no such user" in nobody.stderr
        ctl("forward", "add", "demo", "away@elsewhere.test")
        ctl("forward", "add", "other", "keep", "away@elsewhere.test")
        assert ctl("forward", "list", "other").stdout == \
            "other: keep\nother: away@elsewhere.test\n"

        def deliver(user):
            before = len(sink.messages)
            send(daemon, f"{user}@mail.test")
            wait_for(lambda: len(sink.messages) > before, what="the forward")

        wait_for(lambda: answer(daemon, "demo@mail.test"))
        # The tool's change counts within a second.
        def is_forwarded():
            send(daemon, "demo@mail.test")
            return not daemon.messages("demo") or len(sink.messages) > 0
        wait_for(is_forwarded, what="the forward")
        kept = len(daemon.messages("demo"))
        deliver("demo")
        assert len(daemon.messages("demo")) == kept
        deliver("other")
        assert len(daemon.messages("other")) == 1
        last = sink.messages[-1]
        assert last.recipients == ["away@elsewhere.test"]
        assert last.data.startswith(b"Delivered-To: other@mail.test\r\n")
        # What comes back is not sent on again: attack case 40.
        count = len(sink.messages)
        try:
            send(daemon, "other@mail.test", text=last.data)
            raise AssertionError("a circle was taken")
        except smtplib.SMTPDataError as error:
            assert error.smtp_code == 554 or error.smtp_code == 550, error
        assert len(daemon.messages("other")) == 1
        assert len(sink.messages) == count
        # A user's forwards go with the user.
        ctl("user", "rename", "other", "another")
        assert "another: keep" in ctl("forward", "list").stdout
        ctl("user", "del", "another", "--yes")
        assert "another" not in ctl("forward", "list").stdout


def test_files_are_read_anew(build):
    need_posix(build, "the file is written beside the daemon")
    with Daemon(build, users=USERS, start=False) as daemon:
        path = os.path.join(daemon.folder, "Aliases")
        members = os.path.join(daemon.folder, "members")
        with open(members, "w", encoding="utf-8") as file:
            file.write("# who\ndemo\nother@mail.test\n")
        with open(path, "w", encoding="utf-8") as file:
            file.write("# aliases\n"
                       'info: demo,\n  "other@mail.test"\n'
                       f"crew: :include:{members}\n"
                       "robot: |/bin/false, demo\n"
                       "box: /var/mail/box\n"
                       "demo: demo, third\n"
                       "no colon here\n")
        daemon.settings["local.alias_files"] = [path]
        daemon.settings["pop3.allows_clear_login"] = True
        daemon.start()
        left_out = [l for l in daemon.lines if "alias left out" in l]
        assert len(left_out) == 3, left_out
        assert any("line=5" in l and "commands" in l for l in left_out)
        send(daemon, "info@mail.test")
        send(daemon, "crew@mail.test")
        send(daemon, "robot@mail.test")
        assert answer(daemon, "box@mail.test").startswith("550 5.1.1")
        # demo: demo, third: in the mailbox and to the other.
        assert len(daemon.messages("demo")) == 3
        assert len(daemon.messages("other")) == 2
        assert len(daemon.messages("third")) == 3
        with open(path, "a", encoding="utf-8") as file:
            file.write("later: third\n")
        wait_known(daemon, "later@mail.test")
        daemon.wait_log("aliases read anew")
        os.remove(path)
        wait_for(lambda: answer(daemon, "later@mail.test").startswith("250")
                 and any("the former aliases stay" in l for l in daemon.lines),
                 what="the word about the file")
        assert answer(daemon, "later@mail.test").startswith("250")


def test_a_missing_file_is_told(build):
    with Daemon(build, users=(), start=False, settings={
            "local.alias_files": ["/nowhere/aliases"]}) as daemon:
        daemon.start(wait=False)
        assert daemon.process.wait(120) == 78
        daemon.reader.join(PATIENCE)
        assert any("/nowhere/aliases" in l for l in daemon.lines), daemon.lines
        daemon.process = None


def test_catch_all(build):
    with world(build) as daemon:
        daemon.ctl("alias", "add", "@mail.test", "other")
        wait_known(daemon, "anybody@mail.test")
        send(daemon, "anybody@mail.test", "any.body@mail.test")
        send(daemon, "demo@mail.test")
        other = daemon.messages("other")
        # F24: a copy for each address, with the address as given.
        assert [fields(m, "X-Original-To") for m in other] == \
            [["anybody@mail.test"], ["any.body@mail.test"]], other
        assert len(daemon.messages("demo")) == 1
        assert answer(daemon, "anybody@localhost").startswith("550")
        assert answer(daemon, "postmaster@mail.test").startswith("250")


def test_an_alias_counts_as_own_address(build):
    """O07: what comes to the login's mailbox by an alias is its address; another
    user's mail that is forwarded there is not."""
    with world(build) as daemon:
        daemon.ctl("alias", "add", "team", "demo", "other")
        daemon.ctl("forward", "add", "third", "demo@mail.test")
        wait_known(daemon, "team@mail.test")
        with smtplib.SMTP("127.0.0.1", daemon.port("submission")) as smtp:
            smtp.ehlo("client.test")
            smtp.login("demo", "secret")
            assert smtp.mail("team@mail.test")[0] == 250
            smtp.rset()
            assert smtp.mail("demo+x@mail.test")[0] == 250
            smtp.rset()
            for wrong in ("third@mail.test", "other@mail.test",
                          "nobody@mail.test"):
                code, words = smtp.mail(wrong)
                assert code == 550 and b"not the login's" in words, words


def test_copies_of_all_mail(build):
    with Sink() as sink, world(build, sink, **{
            "local.copy_incoming_to": "third",
            "local.copy_outgoing_to": "vault@elsewhere.test"}) as daemon:
        send(daemon, "demo@mail.test", "other@mail.test")
        assert len(daemon.messages("third")) == 1
        with smtplib.SMTP("127.0.0.1", daemon.port("submission")) as smtp:
            smtp.ehlo("client.test")
            smtp.login("demo", "secret")
            smtp.sendmail("demo@mail.test", "x@far.test",
                          b"Subject: out\r\n\r\nout\r\n")
        wait_for(lambda: sum(len(m.recipients) for m in sink.messages) == 2,
                 what="both")
        to = sorted(r for m in sink.messages for r in m.recipients)
        assert to == ["vault@elsewhere.test", "x@far.test"], to
        assert len(daemon.messages("third")) == 1
        send(daemon, "third@mail.test")  # gets it anyway: once
        assert len(daemon.messages("third")) == 2


def test_targets_are_hidden(build):
    """R12: reports and answers name the address that was written to alone."""
    def rcpt(argument):
        return "550 5.1.1 <far@elsewhere.test> unknown" \
            if "far@" in argument else "250 ok"

    with Sink(replies={"RCPT": rcpt}) as sink, \
            world(build, sink, **{"local.hides_targets": True}) as daemon:
        daemon.ctl("alias", "add", "secret", "far@elsewhere.test", "demo",
                   "nobody@mail.test")
        daemon.ctl("forward", "add", "other", "far@elsewhere.test")
        daemon.ctl("reply", "set", "demo", "-", stdin="away\n")
        # Marks go before the setting.
        daemon.ctl("alias", "add", "open", "far@elsewhere.test")
        daemon.ctl("alias", "show", "open")
        daemon.ctl("alias", "add", "open", "far@elsewhere2.test")
        assert daemon.ctl("alias", "list", "open").stdout == \
            "open: far@elsewhere.test (shown)\n" \
            "open: far@elsewhere2.test (shown)\n"
        daemon.ctl("alias", "remove", "open", "far@elsewhere2.test")
        daemon.ctl("alias", "hide", "secret")
        nobody = daemon.ctl("forward", "hide", "third", check=False)
        assert nobody.returncode != 0 and "third" in nobody.stderr, nobody
        wait_known(daemon, "secret@mail.test")
        send(daemon, "open@mail.test")
        shown = wait_for(lambda: sink.messages and sink.messages.pop(),
                         what="a report that tells")
        assert b"Final-Recipient: rfc822; far@elsewhere.test" in shown.data
        send(daemon, "secret@mail.test", text=(
            b"To: secret@mail.test\r\nSubject: x\r\n\r\nbody\r\n"))
        send(daemon, "other@mail.test")
        found = wait_for(lambda: sink.messages if len(sink.messages) == 4
                         else None, what="three reports and an answer")
        answers = [m.data for m in found if b"Content-Type: text/plain" in
                   m.data.split(b"\r\n\r\n")[0]]
        reports = [m.data for m in found if b"multipart/report" in m.data]
        assert len(answers) == 1 and len(reports) == 3, found
        assert b"From: <secret@mail.test>\r\n" in answers[0], answers[0]
        for name in (b"secret@mail.test", b"other@mail.test"):
            assert any(b"Final-Recipient: rfc822; " + name in r
                       for r in reports), reports
        for text in answers + reports:
            for hidden in (b"elsewhere", b"demo", b"nobody@", b"Remote-MTA"):
                assert hidden not in text, (hidden, text)


def test_srs(build):
    """What goes on elsewhere has a path back of ours; reports go by it to who
    wrote; nobody else makes one."""
    refused = []

    def rcpt(argument):
        return "550 5.1.1 nobody" if any(r in argument for r in refused) \
            else "250 ok"

    with Sink(replies={"RCPT": rcpt}) as sink, \
            world(build, sink, **{"local.srs_domain": "mail.test"}) as daemon:
        daemon.ctl("alias", "add", "team", "demo", "far@elsewhere.test")
        daemon.ctl("forward", "add", "other", "far2@elsewhere.test")
        wait_known(daemon, "team@mail.test")
        send(daemon, "team@mail.test", "other@mail.test",
             sender="Alice@client.test")
        wait_for(lambda: len(sink.messages) == 2, what="both")
        paths = {m.reverse_path for m in sink.messages}
        assert len(paths) == 1, paths
        path = paths.pop()
        assert path.startswith("SRS0=") and path.endswith(
            "=client.test=Alice@mail.test"), path
        # The copy here has the path as it came.
        assert daemon.messages("demo")[0].startswith(
            b"Return-Path: <Alice@client.test>")
        # A report comes back, and goes on to who wrote.
        send(daemon, path, sender="", text=b"Subject: failed\r\n\r\nx\r\n")
        wait_for(lambda: len(sink.messages) == 3, what="the report")
        assert sink.messages[2].recipients == ["Alice@client.test"]
        assert sink.messages[2].reverse_path == ""
        # Ours, null and mail that is not sent on keep their path.
        send(daemon, "other@mail.test", sender="third@mail.test")
        wait_for(lambda: len(sink.messages) == 4, what="ours")
        assert sink.messages[3].reverse_path == "third@mail.test"
        # A chain has the first host, not the second.
        send(daemon, "other@mail.test",
             sender="SRS0=abcd=xy=far.test=bob@client.test")
        wait_for(lambda: len(sink.messages) == 5, what="the chain")
        chained = sink.messages[4].reverse_path
        assert chained.startswith("SRS1=") and \
            "=client.test==abcd=xy=far.test=bob@mail.test" in chained, chained
        assert answer(daemon, chained).startswith("250")
        forged = path.replace("Alice", "Bob")
        assert answer(daemon, forged).startswith(
            "550 5.1.1 This return address was not made here"), forged
        # A refusal there is reported by our own report, straight to who wrote.
        refused.append("far2@")
        send(daemon, "other@mail.test", sender="third@client.test")
        daemon.wait_log("delivery: failed")
        report = wait_for(lambda: [m for m in sink.messages if m.recipients ==
                                   ["third@client.test"]], what="the report")
        assert b"far2@elsewhere.test" in report[0].data
        assert b"To: <third@client.test>" in report[0].data, report[0].data
        # Switched off, what was made still leads back; a forgery is nobody.
        daemon.stop()
        daemon.settings["local.srs_domain"] = ""
        daemon.start()
        assert answer(daemon, path).startswith("250")
        assert answer(daemon, forged).startswith("550 5.1.1")
        assert "made here" not in answer(daemon, forged)
        bad = daemon.ctl("config", "check", check=False)
        assert bad.returncode == 0, bad
        daemon.settings["local.srs_domain"] = "elsewhere.test"
        bad = daemon.ctl("config", "check", check=False)
        assert bad.returncode != 0 and "local.srs_domain" in bad.stderr, bad


main(__name__, test_srs, test_targets_are_hidden, test_aliases_of_the_store, test_sizes_are_those_served,
     test_one_of_several_gets_no_mail, test_expanded_is_told, test_forwards,
     test_files_are_read_anew, test_a_missing_file_is_told, test_catch_all,
     test_an_alias_counts_as_own_address, test_copies_of_all_mail)
