"""A damaged store made serviceable: what can be read is served again, what is
lost is named, and nothing is changed before the new database is whole.

Pages are filled with what is no page: of a text, of an index, of roots, of the
header. Which page is what SQLite itself says beforehand.
"""
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import time

from harness import Daemon, main

PAGE = 4096
COUNT = 24


def text_of(number):
    """Every third one is larger than a page."""
    lines = "".join(f"line {i} of message {number}\r\n"
                    for i in range(400 if number % 3 == 0 else 3))
    return (f"From: someone@far.test\r\nSubject: number {number}\r\n\r\n"
            f"{lines}").encode()


def fill(build, folder):
    """Two users with mail, one message for elsewhere that is held."""
    with Daemon(build, folder=folder, users=("demo", "anna"), settings={
            "smtp.relay_from": "127.0.0.0/8", "queue.holds": True}) as daemon:
        with daemon.smtp("submission", local_hostname="c.test") as client:
            for i in range(COUNT):
                client.sendmail(f"sender{i}@far.test",
                                ["demo@mail.test"] +
                                (["anna@mail.test"] if i % 2 else []),
                                text_of(i))
            client.sendmail("demo@mail.test", ["x@far.test"], text_of(99))


class Store:
    """A copy of a whole store, to be damaged."""

    def __init__(self, build, whole, name):
        self.build = build
        self.folder = os.path.join(os.path.dirname(whole), name)
        shutil.copytree(whole, self.folder)
        self.daemon = Daemon(build, folder=self.folder, users=(), start=False,
                             settings={"queue.holds": True})
        self.data = self.daemon.settings["general.data_folder"]
        self.path = os.path.join(self.data, "mailmod.db")
        db = sqlite3.connect(self.path)
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self.roots = dict(db.execute("SELECT name,rootpage FROM sqlite_schema "
                                     "WHERE rootpage>0"))
        self.ids = [row[0] for row in db.execute("SELECT id FROM message "
                                                 "ORDER BY id")]
        db.close()

    def pages_with(self, octets):
        with open(self.path, "rb") as file:
            data = file.read()
        return sorted({at.start() // PAGE + 1
                       for at in re.finditer(re.escape(octets), data)})

    def damage(self, *pages):
        with open(self.path, "r+b") as file:
            for page in pages:
                file.seek((page - 1) * PAGE)
                file.write(bytes((i * 7 + 255) % 256 for i in range(PAGE)))

    def repair(self, check=True):
        run = self.daemon.ctl("store", "repair", check=check)
        return run.stdout if check else run

    def kept(self):
        return [name for name in os.listdir(self.data)
                if "damaged-" in name and not name.endswith("-wal")]

    def read(self, *users):
        """{user: set of numbers}, by POP3; each text is compared."""
        found = {}
        self.daemon.settings["pop3.allows_clear_login"] = True
        self.daemon.start()
        for user in users:
            found[user] = set()
            for message in self.daemon.messages(user):
                number = int(re.search(rb"Subject: number (\d+)", message)[1])
                assert message.endswith(text_of(number)), message[:200]
                found[user].add(number)
        self.daemon.stop()
        return found

    def check(self, *users):
        """Sound, repaired for good, and kept beside."""
        assert "sound" in self.daemon.ctl("store", "verify").stdout
        assert "nothing to do" in self.repair()
        assert len(self.kept()) == 1, os.listdir(self.data)
        return self.read(*users)


ALL = {"demo": set(range(COUNT)), "anna": set(range(1, COUNT, 2))}


class Fixture:
    def __init__(self, build):
        self.build = build
        self.top = tempfile.TemporaryDirectory(prefix="mailmod-repair-")
        self.whole = os.path.join(self.top.name, "whole")
        os.mkdir(self.whole)
        fill(build, self.whole)

    def store(self, name):
        return Store(self.build, self.whole, name)

    def __enter__(self):
        return self

    def __exit__(self, *rest):
        self.top.cleanup()


def test_pages_of_texts(build):
    """A piece of one text is lost: that message is named, all others stay."""
    with Fixture(build) as fixture:
        store = fixture.store("text")
        pages = [page for page in
                 store.pages_with(b"line 200 of message 9\r\n")]
        store.damage(pages[0])
        run = store.daemon.ctl("store", "verify", check=False)
        assert run.returncode != 0
        said = store.repair()
        line, = [l for l in said.splitlines() if l.startswith("message ")]
        assert "sender: <sender9@far.test>" in line, said
        assert "mailbox: " in line and "demo" in line and "anna" in line, said
        found = store.check("demo", "anna")
        assert found == {user: all_of - {9} for user, all_of in ALL.items()}


def test_indexes_and_roots(build):
    """Their pages hold nothing that is not found elsewhere, or in a tree whose
    leaves are whole."""
    with Fixture(build) as fixture:
        for name in ("recipient_due", "recipient_destination", "chunk_key",
                     "body"):
            store = fixture.store(name)
            store.damage(store.roots[name])
            said = store.repair()
            assert store.check("demo", "anna") == ALL, (name, said)
            assert "repaired" in said, said
            assert "x@far.test" in store.daemon.ctl("queue", "list").stdout


def test_the_first_page(build):
    """The header and the schema: the tables lie where every store has them."""
    with Fixture(build) as fixture:
        store = fixture.store("first")
        store.damage(1)
        run = store.daemon.ctl("user", "list", check=False)
        assert run.returncode != 0 and "damaged" in run.stderr, run
        store.repair()
        assert store.check("demo", "anna") == ALL


def test_envelopes_and_places(build):
    """The rows of messages, of entries, of mailboxes, of users: whole texts
    stay, and the words say where."""
    with Fixture(build) as fixture:
        store = fixture.store("envelopes")
        store.damage(*store.pages_with(b"sender3@far.test"))
        said = store.repair()
        assert "its envelope was lost" in said, said
        assert store.check("demo", "anna") == ALL
        store = fixture.store("entries")
        store.damage(store.roots["entry"])
        said = store.repair()
        assert "whose it is was lost" in said and "number 5" in said, said
        store.daemon.ctl("user", "passwd", "recovered", "--password-stdin",
                         stdin="secret\n")
        store.daemon.ctl("user", "enable", "recovered")
        assert store.check("demo", "recovered") == {
            "demo": set(), "recovered": set(range(COUNT))}
        store = fixture.store("users")
        store.damage(store.roots["user"], store.roots["mailbox"])
        said = store.repair()
        names = sorted(set(re.findall(r"recovered-\d+", said)))
        assert len(names) == 2, said
        for name in names:
            store.daemon.ctl("user", "passwd", name, "--password-stdin",
                             stdin="secret\n")
            store.daemon.ctl("user", "enable", name)
        found = store.check(*names)
        assert sorted(map(len, found.values())) == [COUNT // 2, COUNT], found


def test_with_a_log(build):
    """What is in the log alone is saved with the rest."""
    with Fixture(build) as fixture:
        store = fixture.store("log")
        store.daemon.settings["queue.holds"] = True
        store.daemon.start()
        with store.daemon.smtp() as client:
            client.sendmail("late@far.test", ["demo@mail.test"], text_of(50))
        store.daemon.kill()
        store.daemon.process = None
        assert os.path.getsize(store.path + "-wal") > 0
        store.damage(store.roots["record"])  # which the log has not
        said = store.repair()
        assert "repaired" in said, said
        # The log went aside with its database.
        assert os.path.exists(os.path.join(store.data,
                                           store.kept()[0] + "-wal"))
        assert store.read("demo")["demo"] == ALL["demo"] | {50}, said
        assert "sound" in store.daemon.ctl("store", "verify").stdout


def test_refusals_and_a_sound_store(build):
    with Fixture(build) as fixture:
        store = fixture.store("sound")
        before = sorted(os.listdir(store.data))
        assert "nothing to do" in store.repair()
        assert not store.kept() and "mailmod.db" in before
        store.daemon.start()
        run = store.repair(check=False)
        assert run.returncode != 0 and "stop it first" in run.stderr, run
        store.daemon.stop()
        with open(store.path, "wb") as file:
            file.write(b"no database at all\n" * 1000)
        run = store.repair(check=False)
        assert run.returncode != 0, run
        assert "nothing of a store can be read" in run.stderr, run
        assert not store.kept()


def test_killed_while_it_works(build):
    """At any moment: the old one is as it was, or the repair is ended by the
    next one, and nobody opens what lies between."""
    with Fixture(build) as fixture:
        for delay_ms in (0, 10, 30, 90):
            store = fixture.store(f"killed{delay_ms}")
            store.damage(store.roots["body"])
            process = subprocess.Popen(
                [*store.daemon.control, "-c", store.daemon.write_config(),
                 "store", "repair"],
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(delay_ms / 1000)
            process.send_signal(signal.SIGKILL)
            process.wait()
            store.repair()
            assert store.check("demo", "anna") == ALL
        store = fixture.store("renamed")
        store.damage(store.roots["body"])
        store.repair()
        # As a kill between the renames leaves it.
        os.rename(store.path, store.path + ".repaired")
        run = store.daemon.ctl("user", "list", check=False)
        assert run.returncode != 0 and "store repair once more" in run.stderr
        store.repair()
        assert store.check("demo", "anna") == ALL


def test_any_page(build):
    """Whatever page it is: the store is sound afterwards, and each message is
    in it or named."""
    step = int(os.environ.get("MAILMOD_REPAIR_STEP", "5"))
    with Fixture(build) as fixture:
        store = fixture.store("any")
        count = os.path.getsize(store.path) // PAGE
        whole = store.path + ".whole"
        shutil.copy(store.path, whole)
        for page in range(1, count + 1, step):
            for name in os.listdir(store.data):
                if name.startswith("mailmod.db") and \
                        not name.endswith(".whole"):
                    os.remove(os.path.join(store.data, name))
            shutil.copy(whole, store.path)
            store.damage(page)
            said = store.repair()
            db = sqlite3.connect(store.path)
            left = {row[0] for row in db.execute("SELECT id FROM message")}
            db.close()
            named = [line for line in said.splitlines()
                     if line.startswith("message ")]
            missing = set(store.ids) - left
            assert left <= set(store.ids), (page, said)
            assert len(missing) <= len(named), (page, missing, said)
            assert "sound" in store.daemon.ctl("store", "verify").stdout, page


main(__name__, test_pages_of_texts, test_indexes_and_roots,
     test_the_first_page, test_envelopes_and_places, test_with_a_log,
     test_refusals_and_a_sound_store, test_any_page,
     test_killed_while_it_works)
