"""Mailboxes that are Maildirs: delivered to by the queue, served by POP3, while
another program (Python's mailbox module, mpop) works on the same folders."""
import mailbox
import os
import poplib
import smtplib
import subprocess
import tempfile

from harness import (SOURCE, Daemon, Skip, free_port, main, need, need_posix,
                     wait_for)

LABS = os.environ.get(
    "MAILMOD_LABS",
    os.path.join(os.path.dirname(SOURCE), "shared", "labs"))

BODY = b"Subject: octets\r\n\r\n.\r\n..\r\n.leading\r\n" + \
    b"x" * 990 + b"\r\nlast\r\n"


def boxes(daemon):
    return os.path.join(daemon.folder, "boxes")


def world(build, start=True, **settings):
    daemon = Daemon(build, users=("demo", "other"), start=False, settings={
        "pop3.allows_clear_login": True, "queue.steps": "1s", **settings})
    daemon.settings["local.maildirs"] = f"*:{boxes(daemon)}/%u/Maildir"
    os.mkdir(boxes(daemon))
    if start:
        daemon.start()
    return daemon


def send(daemon, *recipients, sender="a@client.test", options=()):
    with smtplib.SMTP("127.0.0.1", daemon.port("smtp"), timeout=120) as smtp:
        smtp.sendmail(sender, recipients, BODY, rcpt_options=options)


def files(daemon, user="demo", folders=("new", "cur")):
    found = []
    for folder in folders:
        path = os.path.join(boxes(daemon), user, "Maildir", folder)
        if os.path.isdir(path):
            found += [os.path.join(path, name) for name in os.listdir(path)]
    return sorted(found)


def login(daemon, user="demo"):
    box = poplib.POP3("127.0.0.1", daemon.port("pop3"), timeout=120)
    box.user(user)
    box.pass_("secret")
    return box


def test_delivered_and_served(build):
    need_posix(build, "Maildirs as other programs have them")
    with world(build) as daemon:
        send(daemon, "demo@mail.test", "other@mail.test")
        wait_for(lambda: files(daemon) and files(daemon, "other"),
                 what="the files")
        path = files(daemon)[0]
        assert os.stat(path).st_mode & 0o777 == 0o600
        with open(path, "rb") as file:
            raw = file.read()
        assert raw.startswith(b"Return-Path: <a@client.test>\n"
                              b"Delivered-To: demo@mail.test\nReceived:"), raw
        assert raw.endswith(BODY.replace(b"\r\n", b"\n")), raw[-80:]
        assert f",S={len(raw)},W={len(raw) + raw.count(10)}" in path
        box = login(daemon)
        count, octets = box.stat()
        message = b"\r\n".join(box.retr(1)[1]) + b"\r\n"
        assert (count, octets) == (1, len(message))
        assert message == raw.replace(b"\n", b"\r\n")
        assert len(box.top(1, 0)[1]) < len(box.retr(1)[1])
        uid = box.uidl()[1][0].split()[1].decode()
        assert uid == os.path.basename(path) or uid.startswith(":"), uid
        box.dele(1)
        box.quit()
        assert files(daemon) == []
        assert files(daemon, "other") != []
        assert "there are no" in daemon.ctl("queue", "list").stdout or \
            "demo@mail.test" not in daemon.ctl("queue", "list").stdout


def test_beside_another_program(build):
    need_posix(build, "Maildirs as other programs have them")
    with world(build) as daemon:
        send(daemon, "demo@mail.test")
        wait_for(lambda: files(daemon), what="the file")
        other = mailbox.Maildir(os.path.join(boxes(daemon), "demo", "Maildir"))
        other.add(b"Subject: by another\n\nhello\n")
        box = login(daemon)
        uids = [line.split()[1] for line in box.uidl()[1]]
        assert len(uids) == 2
        # It reads ours, moves it to cur and sets flags; and removes its own.
        for key, message in other.items():
            if message["Subject"] == "by another":
                other.remove(key)
            else:
                message.set_subdir("cur")
                message.set_flags("RS")
                other[key] = message
        numbers = {}
        for number in (1, 2):
            try:
                numbers[number] = box.retr(number)[1]
            except poplib.error_proto as error:
                assert "no longer there" in str(error), error
        assert len(numbers) == 1
        box.quit()
        box = login(daemon)
        assert [line.split()[1] for line in box.uidl()[1]] == \
            [uids[min(numbers) - 1]]
        box.dele(1)
        box.rset()
        box.quit()
        assert len(files(daemon, folders=("cur",))) == 1
        mpop = need("mpop")
        target = os.path.join(daemon.folder, "fetched")
        for part in ("cur", "new", "tmp"):
            os.makedirs(os.path.join(target, part))
        subprocess.run(
            [mpop, "--file=", "--host=127.0.0.1",
             f"--port={daemon.port('pop3')}", "--user=demo", "--auth=user",
             "--passwordeval=echo secret", "--tls=off", "--keep=off",
             f"--delivery=maildir,{target}",
             f"--uidls-file={daemon.folder}/uidls"],
            check=True, timeout=120, stdout=subprocess.DEVNULL)
        assert len(os.listdir(os.path.join(target, "new"))) == 1
        assert files(daemon) == []


def flags_of(daemon, user="demo"):
    """(place, flags) by the beginning of the file's name."""
    found = {}
    for path in files(daemon, user):
        name = os.path.basename(path)
        found[name[:name.index(".")]] = \
            os.path.basename(os.path.dirname(path)) + name.partition(":")[2]
    return found


def write_mail(daemon, *names, user="demo"):
    for name in names:
        path = os.path.join(boxes(daemon), user, "Maildir", name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(b"Subject: x\n\nbody\n")


def test_marked_as_seen(build):
    """What RETR gave is read, once QUIT was said; TOP and a line that drops mark
    nothing, and no other flag moves. As Dovecot's POP3: see below."""
    need_posix(build, "Maildirs as other programs have them")
    with world(build, start=False) as daemon:
        daemon.settings["pop3.read_only_users"] = "other"
        daemon.start()
        for user in ("demo", "other"):
            write_mail(daemon, "tmp/0.x", "new/1.a", "new/2.b", "cur/3.c:2,T",
                       "cur/4.d:2,RSac", "cur/5.e:2,Fac", user=user)
        before = flags_of(daemon)
        box = login(daemon)
        assert box.stat()[0] == 5
        for number in range(1, 6):
            box.retr(number)
        box.close()
        assert flags_of(daemon) == before
        box = login(daemon)
        box.top(1, 1)
        for number in (2, 3, 4, 5):
            box.retr(number)
        assert flags_of(daemon) == before
        box.dele(4)
        box.quit()
        assert flags_of(daemon) == {"1": "new", "2": "cur2,S", "3": "cur2,ST",
                                    "5": "cur2,FSac"}, flags_of(daemon)
        box = login(daemon, "other")
        box.retr(1)
        box.quit()
        assert flags_of(daemon, "other") == before
        daemon.settings["pop3.marks_seen"] = False
        daemon.write_config()
        before = len(daemon.lines)
        daemon.ask_reload()
        daemon.wait_log("mailmodd: reloaded", after=before)
        box = login(daemon)
        box.retr(1)
        box.quit()
        assert flags_of(daemon)["1"] == "new"


def test_folders(build):
    """Mail for user+name is in the folder .name of the Maildir where there is
    one, and POP3 shows it to user/name."""
    need_posix(build, "Maildirs as other programs have them")
    with world(build, **{"local.plus_folders": True}) as daemon:
        path = os.path.join(boxes(daemon), "demo", "Maildir")
        os.mkdir(os.path.dirname(path))
        mailbox.Maildir(path).add_folder("Lists")
        send(daemon, "demo@mail.test", "demo+lists@mail.test",
             "demo+other@mail.test", "demo+a/b@mail.test")
        wait_for(lambda: len(files(daemon)) == 3, what="mail in no folder")
        wait_for(lambda: len(os.listdir(path + "/.Lists/new")) == 1,
                 what="mail in the folder")
        assert sorted(name for name in os.listdir(path)
                      if name[0] == ".") == [".Lists"]
        for user, count in (("demo", 3), ("demo/lists", 1), ("demo/none", 0)):
            box = login(daemon, user)
            assert box.stat()[0] == count, user
            box.quit()
        box = login(daemon, "demo/LISTS")
        assert b"Delivered-To: demo+lists@mail.test" in box.retr(1)[1]
        box.quit()
        name, = os.listdir(path + "/.Lists/cur")
        assert name.endswith(":2,S"), name
        box = login(daemon, "demo/lists")
        box.dele(1)
        box.quit()
        assert os.listdir(path + "/.Lists/cur") == []
        assert len(files(daemon)) == 3


class Dovecot:
    """The lab's, on ports of its own."""

    def __init__(self):
        if not os.path.exists("/usr/sbin/dovecot"):
            raise Skip("dovecot is not installed")
        self.script = os.path.join(LABS, "ref_dovecot.sh")
        if not os.path.isfile(self.script):
            raise Skip(f"no lab scripts in {LABS}")
        if os.geteuid() != 0:
            raise Skip("the lab's servers need root")
        self.folder = tempfile.mkdtemp(prefix="mmlab", dir="/tmp")
        os.chmod(self.folder, 0o755)
        self.port = free_port()
        self.environment = dict(
            os.environ, LAB_RUN=self.folder, POP3_PORT=str(self.port),
            POP3S_PORT=str(free_port()))
        self.boxes = os.path.join(self.folder, "dovecot", "mail")
        self.run("start")

    def run(self, word):
        done = subprocess.run(["bash", self.script, word],
                              env=self.environment, capture_output=True,
                              text=True, timeout=120)
        if done.returncode != 0:
            raise Skip(f"Dovecot did not {word}: {done.stderr[-500:]}")

    def login(self):
        box = poplib.POP3("127.0.0.1", self.port, timeout=120)
        box.user("alice")
        box.pass_("sesame1")
        return box

    def __enter__(self):
        return self

    def __exit__(self, *rest):
        self.run("stop")
        subprocess.run(["rm", "-rf", self.folder], check=False)


def session(box):
    """What both servers are told; the sizes of the listing."""
    sizes = [line.split()[1] for line in box.list()[1]]
    box.top(1, 1)
    for number in (2, 3, 5):
        box.retr(number)
    box.dele(4)
    box.quit()
    return sizes


def test_as_dovecot(build):
    """The same session on the same mail, at Dovecot and at us: the same sizes
    and flags; and then both on one Maildir."""
    need_posix(build, "Maildirs as other programs have them")
    with Dovecot() as dovecot, world(build, start=False) as daemon:
        daemon.settings["local.maildirs"] = \
            f"alice:{dovecot.boxes}/alice, *:{boxes(daemon)}/%u/Maildir"
        daemon.start()
        daemon.add_user("alice", "secret")
        theirs = os.path.join(dovecot.boxes, "alice")
        subprocess.run(["rm", "-rf", theirs], check=True)
        mail = ("tmp/0.x", "new/1.a", "cur/2.b:2,FRab", "cur/3.c:2,T",
                "cur/4.d:2,S", "new/5.e")
        write_mail(daemon, *mail)
        subprocess.run(["cp", "-r",
                        os.path.join(boxes(daemon), "demo", "Maildir"),
                        theirs], check=True)
        subprocess.run(["chown", "-R", "labmail", theirs], check=True)
        assert session(login(daemon)) == session(dovecot.login())

        def flags(path):
            return {name[0]: name.partition(":2,")[2]
                    for place in ("new", "cur")
                    for name in os.listdir(os.path.join(path, place))}

        ours = os.path.join(boxes(daemon), "demo", "Maildir")
        wait_for(lambda: flags(theirs).get("5") == "S", what="Dovecot's marks")
        assert flags(ours) == flags(theirs), (flags(ours), flags(theirs))
        # One that Dovecot has open, and its names move under neither.
        write_mail(daemon, "new/6.f", "new/7.g")
        for name in ("6.f", "7.g"):
            os.rename(os.path.join(ours, "new", name),
                      os.path.join(theirs, "new", name))
        box, other = login(daemon, "alice"), dovecot.login()
        count = box.stat()[0]
        assert count == other.stat()[0] == 6
        box.retr(count)
        other.retr(count - 1)
        box.quit()
        other.quit()
        wait_for(lambda: flags(theirs)["6"] == flags(theirs)["7"] == "S",
                 what="both marks")


def test_tried_again(build):
    """What cannot be delivered waits in the queue, also over a kill."""
    need_posix(build, "rights and kills")
    with world(build) as daemon:
        os.rmdir(boxes(daemon))
        send(daemon, "demo@mail.test")
        wait_for(lambda: any("folder in which the Maildir should lie" in line
                             for line in daemon.lines), what="the reason")
        assert "demo@mail.test" in daemon.ctl("queue", "list").stdout
        daemon.kill()
        os.mkdir(boxes(daemon))
        daemon.start()
        wait_for(lambda: files(daemon), what="the file")
        wait_for(lambda: "demo@mail.test" not in
                 daemon.ctl("queue", "list").stdout, what="an empty queue")
        # A link in the Maildir's place leads nowhere.
        os.rename(os.path.join(boxes(daemon), "demo"),
                  os.path.join(daemon.folder, "away"))
        os.symlink(os.path.join(daemon.folder, "away"),
                   os.path.join(boxes(daemon), "demo"))
        send(daemon, "demo@mail.test")
        wait_for(lambda: any("a link is in its place" in line
                             for line in daemon.lines), what="the reason")
        try:
            login(daemon)
            raise AssertionError("the mailbox was opened by a link")
        except poplib.error_proto as error:
            assert b"SYS/TEMP" in error.args[0], error
        assert len(os.listdir(os.path.join(daemon.folder, "away", "Maildir",
                                           "new"))) == 1
        os.unlink(os.path.join(boxes(daemon), "demo"))
        os.rename(os.path.join(daemon.folder, "away"),
                  os.path.join(boxes(daemon), "demo"))
        wait_for(lambda: len(files(daemon)) == 2, what="the second file")


def test_narrower_settings_and_reports(build):
    """A user's own place, the store's mailbox beside it, and a report that
    comes into a Maildir."""
    need_posix(build, "Maildirs as other programs have them")
    with world(build, start=False) as daemon:
        daemon.settings["local.maildirs"] += \
            f", other:, postmaster:, demo:{boxes(daemon)}/elsewhere"
        daemon.start()
        send(daemon, "demo@mail.test", sender="demo@mail.test",
             options=["NOTIFY=SUCCESS"])
        place = os.path.join(boxes(daemon), "elsewhere", "new")
        wait_for(lambda: os.path.isdir(place) and len(os.listdir(place)) == 2,
                 what="the message and its report")
        send(daemon, "other@mail.test")
        box = login(daemon, "other")
        assert box.stat()[0] == 1
        box.quit()
        run = daemon.ctl("config", "check", check=False)
        assert run.returncode == 0, run.stderr
        daemon.settings["local.maildirs"] = "*:relative/%u"
        run = daemon.ctl("config", "check", check=False)
        assert run.returncode == 78 and "local.maildirs" in run.stderr


main(__name__, test_delivered_and_served, test_beside_another_program,
     test_marked_as_seen, test_folders, test_as_dovecot,
     test_tried_again, test_narrower_settings_and_reports)
