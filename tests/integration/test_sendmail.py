"""mailmod-sendmail: what other programs call /usr/sbin/sendmail, with a daemon
and without one, as they call it."""
import email
import email.utils
import os
import pwd
import re
import shutil
import subprocess

from harness import (Daemon, Skip, is_sanitized, main, need, need_posix,
                     program, wait_for)
from sink import Sink

EX_USAGE, EX_DATAERR, EX_NOUSER, EX_NOPERM, EX_CONFIG = 64, 65, 67, 77, 78
ME = pwd.getpwuid(os.getuid()).pw_name


def config_of(daemon):
    return os.path.join(daemon.folder, "mailmod.cfg")


def sendmail(daemon, *words, text=b"", name=None, code=0):
    """Runs it; what it printed and said."""
    command = program(daemon.build, "mailmod-sendmail")
    run = subprocess.run(
        [name or command[0], *words], input=text, capture_output=True,
        timeout=120, check=False,
        env={**os.environ, "MAILMOD_CONFIG": config_of(daemon)})
    assert run.returncode == code, (words, run.returncode, run.stderr)
    return run.stdout.decode(), run.stderr.decode()


def one(daemon):
    """The one message of demo's mailbox, and the mailbox is empty again."""
    texts = wait_for(daemon.messages, what="a message")
    assert len(texts) == 1, texts
    with_pop = daemon.pop3()
    with_pop.dele(1)
    with_pop.quit()
    return texts[0]


def header(text):
    return text.split(b"\r\n\r\n", 1)[0]


def body(text):
    return text.split(b"\r\n\r\n", 1)[1]


def test_cron(build):
    """As Debian's cron calls it: bare names, no Date, no Message-ID."""
    need_posix(build, "sendmail")
    with Daemon(build) as daemon:
        daemon.ctl("alias", "add", "root", "demo")
        sendmail(daemon, "-i", "-FCronDaemon", "-B8BITMIME", "-oem", "root",
                 text=b"From: root (Cron Daemon)\nTo: root\n"
                      b"Subject: Cron <root@h> true\n"
                      b"MIME-Version: 1.0\n\nnothing\n")
        text = one(daemon)
        parsed = email.message_from_bytes(text)
        assert parsed["From"] == "root@mail.test (Cron Daemon)", text
        assert parsed["To"] == "root@mail.test", text
        assert email.utils.parsedate_tz(parsed["Date"]) is not None, text
        assert re.fullmatch(r"<[^@ ]+@mail\.test>", parsed["Message-ID"]), text
        assert body(text) == b"nothing\r\n", text
        assert f"Return-Path: <{ME}@mail.test>".encode() in header(text), text


def test_header_recipients(build):
    """PHP's -t -i: To, Cc and Bcc in all their forms; Bcc goes, in each copy;
    Resent- fields count alone where there are some."""
    need_posix(build, "sendmail")
    with Daemon(build, users=("demo", "two", "three", "four")) as daemon:
        text = (b"To: \"Doe, John\" <demo@mail.test>, (a, comment) two\n"
                b"Cc: friends: three@mail.test (Three),\n\tfour; \n"
                b"bcc: undisclosed <demo@mail.test>,\n nobody:;\n"
                b"Subject: x\n\nbody\n")
        out, _ = sendmail(daemon, "-t", "-i", "-v", text=text)
        assert out.count("delivered") == 4, out
        for user in ("demo", "two", "three", "four"):
            copy, = daemon.messages(user)
            parsed = email.message_from_bytes(copy)
            assert "bcc" not in copy.decode().lower(), copy
            assert "undisclosed" not in copy.decode(), copy
            assert parsed["To"] == \
                '"Doe, John" <demo@mail.test>, (a, comment) two@mail.test'
            assert "four@mail.test;" in parsed["Cc"], parsed["Cc"]
        sendmail(daemon, "-t", text=b"To: two\nResent-Bcc: three\n"
                                    b"Subject: again\n\n")
        assert len(daemon.messages("two")) == 1
        assert len(daemon.messages("three")) == 2
        # Those of the command line come in addition.
        sendmail(daemon, "-t", "two", text=b"To: four\n\n")
        assert len(daemon.messages("two")) == 2
        assert len(daemon.messages("four")) == 2


def test_dots_and_lines(build):
    need_posix(build, "sendmail")
    lines = b"one\n.\n..\n.two\n"
    with Daemon(build) as daemon:
        for words in (("-i",), ("-oi",), ("-O", "IgnoreDots=true"),
                      ("-oitrue",)):
            sendmail(daemon, *words, "demo", text=b"Subject: x\n\n" + lines)
            assert body(one(daemon)) == lines.replace(b"\n", b"\r\n"), words
        for end in (b".\nlost\n", b".\r\nlost\n", b"."):
            sendmail(daemon, "demo",
                     text=b"Subject: x\n\none\n..\n.two\n" + end)
            assert body(one(daemon)) == b"one\r\n..\r\n.two\r\n", end
        # CRLF as it is, a last line without its end, a bare CR.
        sendmail(daemon, "-i", "demo", text=b"Subject: x\r\n\r\na\r\nb\rc")
        assert body(one(daemon)) == b"a\r\nb\r\nc\r\n"
        # No header; the line of an mbox in front; nothing at all.
        sendmail(daemon, "demo", text=b"just words\nand more\n")
        text = one(daemon)
        assert body(text) == b"just words\r\nand more\r\n", text
        assert b"\r\nFrom: " in header(text), text
        sendmail(daemon, "demo", text=b"From me Mon Nov 30 10:00:00 2026\n"
                                      b"Subject: y\n\nz\n")
        text = one(daemon)
        assert b"\r\nSubject: y" in header(text) and body(text) == b"z\r\n"
        assert b"From me" not in text, text
        sendmail(daemon, "demo", text=b"")
        assert body(one(daemon)) == b""
        sendmail(daemon, "-i", "demo", text=b"\n" + b"%900d\n" % 7 * 2000)
        assert body(one(daemon)) == b"%900d\r\n" % 7 * 2000


def test_sender(build):
    need_posix(build, "sendmail")
    with Daemon(build) as daemon:
        for words, path, field in (
                (("-f", "a@x.test"), "a@x.test", "a@x.test"),
                (("-ra@x.test",), "a@x.test", "a@x.test"),
                (("-f", "A B <a@x.test>"), "a@x.test", "a@x.test"),
                (("-fnews",), "news@mail.test", "news@mail.test"),
                (("-f", "<>"), "", ME + "@mail.test"),
                (("-f", ""), "", ME + "@mail.test"),
                ((), ME + "@mail.test", ME + "@mail.test")):
            sendmail(daemon, *words, "-F", 'A. "B" C', "demo", text=b"x\n")
            text = one(daemon)
            assert f"Return-Path: <{path}>\r\n".encode() in text, text
            parsed = email.message_from_bytes(text)
            assert email.utils.parseaddr(parsed["From"]) == \
                ('A. "B" C', field), parsed["From"]
        sendmail(daemon, "-F", "J\u00fcrgen M.", "demo", text=b"x\n")
        text = one(daemon)
        assert b"=?utf-8?" in header(text).lower(), text
        assert b"X-Authentication-Warning" not in text
        # A message's own From stays.
        sendmail(daemon, "-FNobody", "demo", text=b"From: b@x.test\n\nx\n")
        assert email.message_from_bytes(one(daemon)).get_all("From") == \
            ["b@x.test"]


def test_without_daemon(build):
    """Queued when nobody runs, delivered when the daemon starts; then with the
    daemon at work; the queue is seen and run meanwhile."""
    need_posix(build, "sendmail")
    with Sink() as sink, Daemon(build, start=False, settings={
            "smarthost.host": "127.0.0.1",
            "smarthost.port": sink.port,
            "smarthost.tls": "off"}) as daemon:
        daemon.write_config()
        assert sendmail(daemon, "-bp")[0] == "Mail queue is empty\n"
        out, _ = sendmail(daemon, "-v", "-N", "success,delay", "-R", "hdrs",
                          "-V", "id77", "-f", "me@mail.test", "a@far.test",
                          "demo", text=b"Subject: later\n\nbody\n")
        assert "<a@far.test> queued" in out, out
        assert "<demo@mail.test> delivered" in out, out
        shown, _ = sendmail(daemon, "-bp")
        assert "a@far.test" in shown and "me@mail.test" in shown, shown
        assert "in 1 Request." in shown, shown
        link = os.path.join(daemon.folder, "mailq")
        os.symlink(program(build, "mailmod-sendmail")[0], link)
        assert sendmail(daemon, name=link)[0] == shown
        assert not sink.messages
        daemon.start()
        wait_for(lambda: len(sink.messages) == 1, what="a delivery")
        assert sink.messages[0].recipients == ["a@far.test"]
        sendmail(daemon, "b@far.test", text=b"Subject: now\n\nbody\n")
        wait_for(lambda: len(sink.messages) == 2, what="a delivery")
        wait_for(lambda: "empty" in sendmail(daemon, "-bp")[0],
                 what="an empty queue")
        assert len(daemon.messages()) == 1


def test_queue_run(build):
    need_posix(build, "sendmail")
    with Sink() as sink, Daemon(build, settings={
            "smarthost.host": "127.0.0.1",
            "smarthost.port": sink.port,
            "smarthost.tls": "off"}) as daemon:
        sink.replies["RCPT"] = "451 4.3.0 not now"
        out, _ = sendmail(daemon, "-v", "a@far.test", text=b"x\n")
        identifier = out.split(":")[0]
        wait_for(lambda: "not now" in sendmail(daemon, "-bp")[0],
                 what="a failed attempt")
        del sink.replies["RCPT"]
        out, _ = sendmail(daemon, "-qRother.test", "-v")
        assert out == "0 recipients due now\n", out
        sendmail(daemon, "-qI", code=EX_USAGE)
        out, _ = sendmail(daemon, "-qI" + identifier, "-v")
        assert out == "1 recipient due now\n", out
        wait_for(lambda: len(sink.messages) == 1, what="a delivery")
        sendmail(daemon, "-q")
        sendmail(daemon, "-q30m")


def test_refusals(build):
    """The codes of sysexits.h; what is somebody gets it all the same."""
    need_posix(build, "sendmail")
    with Daemon(build, start=False) as daemon:
        daemon.write_config()
        for words, code, told in (
                ((), EX_USAGE, "no recipient"),
                (("-t",), EX_USAGE, "names no recipient"),
                (("-bs",), EX_USAGE, "-bs"),
                (("-bd",), EX_USAGE, "mailmodd"),
                (("-Y", "demo"), EX_USAGE, "no option -Y"),
                (("demo", "-f"), EX_USAGE, "a value is missing"),
                (("-N", "now", "demo"), EX_USAGE, "-N"),
                (("-N", "never,delay", "demo"), EX_USAGE, "alone"),
                (("-R", "half", "demo"), EX_USAGE, "-R"),
                (("-f", "a@b c@d", "demo"), EX_DATAERR, "no mail address"),
                (("a b@x.test",), EX_DATAERR, "no mail address"),
                (("-V", "x y", "demo"), EX_DATAERR, "envelope_id"),
                (("nobody",), EX_NOUSER, "5.1.1"),
                (("-C", "/nonexistent/x.cfg", "demo"), EX_CONFIG, "x.cfg")):
            _, said = sendmail(daemon, *words, text=b"Subject: x\n\nx\n",
                               code=code)
            assert told in said, (words, said)
        sendmail(daemon, "nobody", "demo", text=b"x\n", code=EX_NOUSER)
        # What sendmail has and means nothing here.
        sendmail(daemon, "-Am", "-G", "-U", "-n", "-m", "-om", "-oem", "-odb",
                 "-o7", "-O", "Timeout.queuereturn=1d", "-L", "tag", "-h5",
                 "-p", "ESMTP:host", "-X/dev/null", "-d0.1", "-ep", "-bm",
                 "--", "demo", text=b"x\n")
        assert sendmail(daemon, "-bi") == ("", "")
        assert "usage" in sendmail(daemon, "--help")[0]
        daemon.start()
        assert len(daemon.messages()) == 2
    with Daemon(build, start=False, users=()) as daemon:
        daemon.write_config()
        _, said = sendmail(daemon, "demo", text=b"x\n", code=EX_CONFIG)
        assert "no store" in said, said


def as_user(daemon, name, *words, text=b"x\n"):
    """Runs the program at `name` as nobody."""
    return subprocess.run(
        [name, *words], input=text, capture_output=True, timeout=120,
        check=False, user="nobody", group="nogroup", extra_groups=[],
        env={"MAILMOD_CONFIG": config_of(daemon)})


def test_rights(build):
    """Root's files are the owner's; others are told; with a program that lends
    its owner's rights they may send, and their configuration gets none."""
    need_posix(build, "sendmail")
    if os.getuid() != 0:
        raise Skip("rights are tried as root")
    if is_sanitized(build):
        raise Skip("a sanitizer's program lends no rights")
    owner = pwd.getpwnam("mail")
    with Daemon(build, start=False) as daemon:
        daemon.write_config()
        data = daemon.settings["general.data_folder"]
        os.chmod(daemon.folder, 0o755)
        os.chmod(config_of(daemon), 0o644)
        for folder, _, files in os.walk(data):
            for path in (folder, *(os.path.join(folder, f) for f in files)):
                os.chown(path, owner.pw_uid, owner.pw_gid)
        sendmail(daemon, "demo", text=b"x\n")
        for folder, _, files in os.walk(data):
            for path in files:
                made = os.stat(os.path.join(folder, path))
                assert made.st_uid == owner.pw_uid, path
        place = os.path.join(daemon.folder, "sendmail")
        shutil.copy(program(build, "mailmod-sendmail")[0], place)
        run = as_user(daemon, place, "demo")
        if run.returncode == 127:
            raise Skip("the library's folder is closed to nobody")
        assert run.returncode == EX_NOPERM, run
        assert b"belongs to mail" in run.stderr, run
        os.chown(place, owner.pw_uid, owner.pw_gid)
        os.chmod(place, 0o6755)
        # The variable is not heard; the installed configuration is none of
        # ours, so that is as far as it goes here.
        run = as_user(daemon, place, "demo")
        assert b"/etc/mailmod/mailmod.cfg" in run.stderr, run
        run = as_user(daemon, place, "-C", config_of(daemon), "demo")
        assert run.returncode == EX_NOPERM, run


def test_git(build):
    """git send-email with sendmail.command as its way out."""
    need_posix(build, "sendmail")
    git = need("git")
    if subprocess.run([git, "send-email", "--help-all"], capture_output=True,
                      check=False).returncode == 1:
        raise Skip("git send-email is not installed")
    with Daemon(build) as daemon:
        work = os.path.join(daemon.folder, "repository")

        def run(*words):
            subprocess.run([git, "-c", "user.name=A", "-c",
                            "user.email=demo@mail.test", *words], cwd=work,
                           check=True, timeout=120, capture_output=True,
                           env={**os.environ, "HOME": daemon.folder,
                                "MAILMOD_CONFIG": config_of(daemon)})
        os.mkdir(work)
        run("init")
        run("commit", "--allow-empty", "-m", "first")
        with open(os.path.join(work, "x"), "w", encoding="ascii") as file:
            file.write(".\nline\n")
        run("add", "x")
        run("commit", "-m", "second")
        run("send-email", "--to=demo@mail.test", "--confirm=never",
            "--smtp-server=" + program(build, "mailmod-sendmail")[0], "HEAD^")
        assert b"+.\r\n+line" in one(daemon)


def test_mailx(build):
    """s-nail or mailx, whichever is installed."""
    need_posix(build, "sendmail")
    mailx = shutil.which("s-nail") or need("mailx")
    with Daemon(build) as daemon:
        subprocess.run(
            [mailx, "-s", "subject", "-S", "mta=" +
             program(build, "mailmod-sendmail")[0], "-S", "sendmail=" +
             program(build, "mailmod-sendmail")[0], "demo@mail.test"],
            input=b"words\n", check=True, timeout=120,
            env={**os.environ, "MAILMOD_CONFIG": config_of(daemon)})
        assert b"Subject: subject" in one(daemon)


main(__name__, test_cron, test_header_recipients, test_dots_and_lines,
     test_sender, test_without_daemon, test_queue_run, test_refusals,
     test_rights, test_git, test_mailx)
