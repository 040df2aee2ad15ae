"""Forward files of the original engine, from outside: the user's file in the
home says into which folder a message goes, to whom else, or that it goes."""
import os
import poplib

from harness import Daemon, main, wait_for
from sink import Sink
from test_aliases import fields, send

USERS = ("demo", "other", "third")

# The example of the original engine's manual, with addresses of the test.
MANUAL = """# Here is the example of forward file.

#if  $text =~ /\\nFrom: .*?boss@address/i
!d:\\perl\\bin\\perl.exe check.pl
#endif

#if $in_text(100% FREE)
#mv c:\\probably\\spam
#elif $size_kb < 100 && ( $text =~ /\\nSubject: private/i || \\
 $in_text(do not redirect) )
#cp c:\\probably\\important
far@elsewhere.test third@mail.test
#else
!d:\\perl\\bin\\perl.exe autoreply.pl $msgfile $1
#endif

# End of forward file
"""


def folder(daemon, name):
    box = poplib.POP3("127.0.0.1", daemon.port("pop3"), timeout=120)
    box.user(name)
    box.pass_("secret")
    count = box.stat()[0]
    texts = [b"\r\n".join(box.retr(i + 1)[1]) + b"\r\n" for i in range(count)]
    box.quit()
    return texts


def write(daemon, user, text):
    path = os.path.join(daemon.folder, "homes", user)
    os.makedirs(path, exist_ok=True)
    with open(os.path.join(path, "forward"), "w", encoding="utf-8") as f:
        f.write(text)


def world(build, sink):
    daemon = Daemon(build, users=USERS, settings={
        "pop3.allows_clear_login": True, "local.plus_folders": True,
        "queue.steps": "1s", "smarthost.host": "127.0.0.1",
        "smarthost.port": sink.port, "smarthost.tls": "off",
        "local.forward_file": "forward", "local.srs_domain": "mail.test"}, start=False)
    daemon.settings["local.homes"] = \
        f"*:{os.path.join(daemon.folder, 'homes')}/%u, third:"
    daemon.start()
    return daemon


def wait_for_mail(daemon, name, count=1):
    return wait_for(lambda: len(folder(daemon, name)) >= count
                    and folder(daemon, name), what=f"mail for {name}")


def test_forward_file(build):
    with Sink() as sink, world(build, sink) as daemon:
        # No file: the mailbox.
        send(daemon, "demo@mail.test")
        wait_for_mail(daemon, "demo")
        write(daemon, "demo", MANUAL)
        send(daemon, "Demo@localhost", text=b"Subject: Now 100% free\r\n\r\nx\r\n")
        spam = wait_for_mail(daemon, "demo/spam")
        assert len(spam) == 1 and b"100% free" in spam[0], spam
        assert fields(spam[0], "Delivered-To") == ["demo+spam@localhost"], spam
        assert fields(spam[0], "X-Original-To") == ["Demo@localhost"], spam
        send(daemon, "demo@mail.test", text=b"From: x@y.test\r\n"
             b"Subject: Private\r\n\r\nx\r\n")
        assert len(wait_for_mail(daemon, "demo/important")) == 1
        assert len(wait_for_mail(daemon, "demo", 2)) == 2
        third = wait_for_mail(daemon, "third")
        assert fields(third[0], "X-Original-To") == ["demo@mail.test"], third
        wait_for(lambda: len(sink.messages) == 1, what="the far one's copy")
        far = sink.messages[0]
        assert far.recipients == ["far@elsewhere.test"], far.recipients
        assert "SRS0=" in far.mail_line, far.mail_line
        assert far.data.startswith(b"Delivered-To: demo@mail.test\r\n"), far.data
        # Each line that is left out was told once, with file and line.
        path = os.path.join(daemon.folder, "homes", "demo", "forward")
        lines = daemon.wait_lines("line left out", 4)
        assert all(path in line for line in lines), lines
        told = {int(line.split(" line=")[1].split()[0]) for line in lines}
        assert told == {4, 8, 11, 14}, lines
        assert any("commands are not run" in line for line in lines), lines
        # What came back from there does not go on once more.
        send(daemon, "demo@mail.test", text=far.data)
        assert len(wait_for_mail(daemon, "demo", 3)) == 3
        daemon.wait_log("it was sent on before")
        # A file in the mailbox's stead, and one that leads to another's.
        write(daemon, "demo", "#mv other@mail.test\n")
        write(daemon, "other", "#if $body =~ /^discard/\n#rm\n#endif\n")
        send(daemon, "demo@mail.test", text=b"Subject: a\r\n\r\ndiscard\r\n")
        daemon.wait_log("message removed")
        send(daemon, "demo@mail.test", text=b"Subject: a\r\n\r\nkeep\r\n")
        other = wait_for_mail(daemon, "other")
        assert len(other) == 1 and b"keep" in other[0], other
        assert len(folder(daemon, "demo")) == 3
        wait_for(lambda: "forward:" not in daemon.ctl("queue", "list").stdout,
                 what="an empty queue")
        assert len(sink.messages) == 1


main(__name__, test_forward_file)
