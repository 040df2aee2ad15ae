"""Mail out of files and into files, as an operator moves it: mailmodctl mailbox
import and export, with Python's mailbox module as the other hand."""
import mailbox
import os
import poplib
import signal
import subprocess
import time

from harness import Daemon, main, need_posix

TEXTS = [
    b"Return-Path: <a@x.test>\nSubject: one\n\nFrom here\n>From there\n\n.dot\n",
    b"Subject: two\n\n" + b"x" * 1900 + b"\nFrom\n\n\nend\n",
    b"Subject: three\n\nlast line without end",
]
SERVED = [
    b"Return-Path: <a@x.test>\r\nSubject: one\r\n\r\nFrom here\r\n"
    b">From there\r\n\r\n.dot\r\n",
    b"Return-Path: <>\r\nSubject: two\r\n\r\n" + b"x" * 1900 +
    b"\r\nFrom\r\n\r\n\r\nend\r\n",
    b"Return-Path: <>\r\nSubject: three\r\n\r\nlast line without end\r\n",
]


def login(daemon, user):
    box = poplib.POP3("127.0.0.1", daemon.port("pop3"), timeout=120)
    box.user(user)
    box.pass_("secret")
    return box


def served(daemon, user):
    """The texts, and the unique-ids."""
    box = login(daemon, user)
    texts = [b"".join(line + b"\r\n" for line in box.retr(number + 1)[1])
             for number in range(box.stat()[0])]
    ids = [row.split()[1].decode() for row in box.uidl()[1]]
    sizes = [int(row.split()[1]) for row in box.list()[1]]
    assert sizes == [len(text) for text in texts]
    box.quit()
    return texts, ids


def quoted(text):
    """As mboxrd has it."""
    lines = text.split(b"\n")
    return b"\n".join(b">" + line if line.lstrip(b">").startswith(b"From ")
                      else line for line in lines)


def write_mbox(path):
    with open(path, "wb") as file:
        for number, text in enumerate(TEXTS):
            file.write(b"From a@x.test Thu Nov 24 18:22:4%d 1986\n" % number)
            file.write(quoted(text) + (b"" if text.endswith(b"\n") else b"\n"))
            file.write(b"\n")


def write_maildir(path):
    for name in ("cur", "new", "tmp"):
        os.makedirs(os.path.join(path, name))
    names = ["1000000001.M1P1.host,S=1:2,FRSac", "1000000002.M2P1.host",
             "1000000003.M3P1.host:2,PT"]
    for name, text in zip(names, TEXTS):
        folder = "cur" if ":2," in name else "new"
        with open(os.path.join(path, folder, name), "wb") as file:
            file.write(text)
    with open(os.path.join(path, "dovecot-uidlist"), "wb") as file:
        file.write(b"3 V1275660208 N4 Gabc\n"
                   b"1 W10 :1000000001.M1P1.host,S=1\n"
                   b"2 PUIDL-of-old :1000000002.M2P1.host\n")


def world(build):
    return Daemon(build, users=("demo", "other", "third"),
                  settings={"pop3.allows_clear_login": True})


def test_import(build):
    need_posix(build, "Maildirs as other programs have them")
    with world(build) as daemon:
        path = os.path.join(daemon.folder, "Maildir")
        write_maildir(path)
        mbox = os.path.join(daemon.folder, "mail.mbox")
        write_mbox(mbox)
        for user, form, source in (("demo", "maildir", path),
                                   ("other", "mbox", mbox)):
            words = ("mailbox", "import", user, form, source)
            assert daemon.ctl(*words).stdout == "3 copied, 0 were there\n"
            assert daemon.ctl(*words).stdout == "0 copied, 3 were there\n"
        texts, ids = served(daemon, "demo")
        assert texts == SERVED, texts
        assert ids == ["00000001" + f"{1275660208:08x}", "UIDL-of-old",
                       "1000000003.M3P1.host"], ids
        texts, ids = served(daemon, "other")
        wanted = [text.replace(b"<>", b"<a@x.test>") for text in SERVED]
        assert texts == wanted, texts
        assert len(set(ids)) == 3
        for words, cause in ((("nobody", "mbox", mbox), "does not exist"),
                             (("demo", "mbox", mbox + "x"), "does not exist"),
                             (("demo", "mbox", __file__), "no mbox"),
                             (("demo", "zip", mbox), "maildir or mbox")):
            run = daemon.ctl("mailbox", "import", *words, check=False)
            assert run.returncode != 0 and cause in run.stderr, run.stderr


def test_export(build):
    """What goes out comes in again as it was; twice is once."""
    need_posix(build, "Maildirs as other programs have them")
    with world(build) as daemon:
        source = os.path.join(daemon.folder, "source.mbox")
        write_mbox(source)
        daemon.ctl("mailbox", "import", "demo", "mbox", source)
        before, _ = served(daemon, "demo")
        mbox = os.path.join(daemon.folder, "out.mbox")
        run = daemon.ctl("mailbox", "export", "demo", "mbox", mbox)
        assert run.stdout == "3 copied, 0 were there\n"
        run = daemon.ctl("mailbox", "export", "demo", "mbox", mbox, check=False)
        assert run.returncode != 0 and "exists already" in run.stderr
        assert not os.path.exists(mbox + ".part")
        with open(mbox, "rb") as file:
            text = file.read()
        assert text.startswith(b"From a@x.test Mon Nov 24 18:22:40 1986\n")
        assert b"\n>From here\n>>From there\n" in text
        assert len(mailbox.mbox(mbox)) == 3
        daemon.ctl("mailbox", "import", "other", "mbox", mbox)
        assert served(daemon, "other")[0] == before
        path = os.path.join(daemon.folder, "Maildir")
        words = ("mailbox", "export", "demo", "maildir", path)
        assert daemon.ctl(*words).stdout == "3 copied, 0 were there\n"
        box = mailbox.Maildir(path)
        key = sorted(box.keys())[0]
        message = box.get_message(key)
        message.set_subdir("cur")
        message.set_flags("S")
        box[key] = message
        name, = os.listdir(os.path.join(path, "cur"))
        assert ",S=" in name and ",W=" in name, name
        assert daemon.ctl(*words).stdout == "0 copied, 3 were there\n"
        daemon.ctl("mailbox", "import", "third", "maildir", path)
        assert sorted(served(daemon, "third")[0]) == sorted(before)


def maildir_flags(path):
    """Of each message, by the folder that it is in and its subject."""
    found = {}
    for place in ("new", "cur"):
        for name in os.listdir(os.path.join(path, place)):
            with open(os.path.join(path, place, name), "rb") as file:
                subject = file.read().split(b"Subject: ")[1].split(b"\n")[0]
            found[subject.decode()] = place + ":" + name.partition(":")[2]
    return found


def test_flags(build):
    """What readers have said of a message goes with it: a Maildir, the store,
    an mbox, the store, a Maildir. An mbox has no letter for "passed"."""
    need_posix(build, "Maildirs as other programs have them")
    with world(build) as daemon:
        def path(name):
            return os.path.join(daemon.folder, name)

        def export(user, form, name):
            daemon.ctl("mailbox", "export", user, form, path(name))
            return path(name)

        write_maildir(path("Maildir"))
        daemon.ctl("mailbox", "import", "demo", "maildir", path("Maildir"))
        first = maildir_flags(export("demo", "maildir", "first"))
        assert first == {"one": "cur:2,FRS", "two": "new:",
                         "three": "cur:2,PT"}, first
        box = mailbox.mbox(export("demo", "mbox", "one.mbox"))
        flags = [message.get_flags() for message in box]
        assert flags == ["ROAF", "", "D"], flags
        assert [message["Status"] for message in box] == ["RO", None, None]
        # Another program's hand, and a field that a sender wrote.
        message = box[1]
        message.set_flags("ROT")
        box[1] = message
        box.flush()
        box.close()
        daemon.ctl("mailbox", "import", "other", "mbox", path("one.mbox"))
        assert served(daemon, "other")[0] == served(daemon, "demo")[0]
        second = maildir_flags(export("other", "maildir", "second"))
        assert second == {"one": "cur:2,FRS", "two": "cur:2,DS",
                          "three": "cur:2,T"}, second
        assert b"Status:" not in b"".join(served(daemon, "other")[0])


def test_killed(build):
    """A copy that is killed again and again: nothing twice, nothing lost."""
    need_posix(build, "signals")
    with world(build) as daemon:
        path = os.path.join(daemon.folder, "Maildir")
        for name in ("cur", "new", "tmp"):
            os.makedirs(os.path.join(path, name))
        for number in range(400):
            with open(os.path.join(path, "new", f"{number + 1}.M.host"),
                      "w", encoding="ascii") as file:
                file.write(f"Subject: {number}\n\n" + "x" * 300 + "\n")
        words = ("mailbox", "import", "demo", "maildir", path)
        for wait in (0.02, 0.05, 0.1, 0.2):
            copy = subprocess.Popen(
                [*daemon.control, "-c", daemon.write_config(), *words],
                stdout=subprocess.DEVNULL)
            time.sleep(wait)
            copy.send_signal(signal.SIGKILL)
            copy.wait()
        out = daemon.ctl(*words).stdout.split()
        assert int(out[0]) + int(out[2]) == 400, out
        texts, _ = served(daemon, "demo")
        assert sorted(int(text.split(b"\r\n")[1].split()[1])
                      for text in texts) == list(range(400))


main(__name__, test_import, test_export, test_flags, test_killed)
