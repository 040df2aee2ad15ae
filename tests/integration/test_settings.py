"""Settings as a transaction: random edits under a load of sessions.

Each edit changes some keys at once, by the daemon's file and SIGHUP, or by the
calls of a host program (services.c). A right one counts for the next session,
all of it; a wrong one changes nothing, whatever else of it was right, and is
told once, by its key. No session ends by an edit, and neither memory nor
descriptors grow. The seed is printed; MAILMOD_SEED repeats a walk.
"""
import os
import poplib
import random
import re
import subprocess
import tempfile
import threading
import time

from harness import (SANITIZER, Daemon, Wire, insecure_tls, is_sanitized, main,
                     need_posix, program, wait_for)

TEXT = b"Subject: x\r\n\r\nx\r\n"
NONE = "/nonexistent/file"


def keyword(name):
    """A capability of POP3 that a flag offers."""
    return (["true", "false"], ["maybe", "2", ""],
            lambda value, seen: (value == "true") == (name in seen.capa))


def size_seen(value, seen):
    octets = int(value.rstrip("KM")) * {"K": 1024, "M": 1 << 20}.get(
        value[-1], 1)
    return f"SIZE {octets}" in seen.ehlo


# Key: right values, wrong values, and how a session shows the value.
KEYS = {
    "general.host_name": (["mail.test", "other.test", "third.test"],
                          ["-bad-", "a..b", "x" * 300],
                          lambda value, seen: f" {value} " in seen.greeting),
    "smtp.message_size_max": (["5000", "70000", "9K", "3M"],
                              ["1", "-5", "many", "9" * 30], size_seen),
    "smtp.etrn_from": (["127.0.0.0/8", "192.0.2.0/24"],
                       ["127.0.0.0/40", "here"],
                       lambda value, seen: ("127" in value) == (
                           "ETRN" in seen.ehlo)),
    "pop3.expire_days": (["0", "7", "36500"], ["-1", "36501", "soon"],
                         lambda value, seen: "EXPIRE " + (
                             "NEVER" if value == "0" else value)
                         in seen.capa),
    "pop3.deli": keyword("DELI"),
    "pop3.core": keyword("CORE"),
    "pop3.refr": keyword("REFR"),
    "pop3.qaut": keyword("QAUT"),
    "pop3.uid_param": keyword("UID-PARAM"),
    "smtp.bare_newline": (["reject", "normalize"], ["ask"], None),
    "smtp.recipients_max": (["100", "200"], ["0", "100001"], None),
    "smtp.command_timeout": (["5m", "6m"], ["0s", "2h", "5x"], None),
    "dns.tries": (["2", "3"], ["0", "-"], None),
    "delivery.tls": (["may", "must"], ["perhaps"], None),
}
# Right in form, and refused when they are taken: what they name is not there,
# or the key is fixed from the start on. The last is put with them, right.
REFUSED = {
    "tls.certificate_file": {"tls.certificate_file": NONE},
    "smarthost.authority_file": {"smarthost.authority_file": NONE,
                                 "smarthost.host": "far.test"},
    "pop3.backend_authority_file": {"pop3.backend_authority_file": NONE,
                                    "pop3.backends": "far=far.test"},
    "local.alias_files": {"local.alias_files": NONE},
    "general.loops": {"general.loops": "3"},
}


class Seen:
    """What a fresh session of each protocol shows of the settings."""

    def __init__(self, smtp, pop3):
        with Wire(smtp) as wire:
            self.greeting = wire.reply()
            self.ehlo = [line[4:] for line in
                         wire.ask("EHLO c.test").split("\r\n")]
        with Wire(pop3) as wire:
            wire.line()
            wire.send(b"CAPA\r\n")
            self.capa = []
            while self.capa[-1:] != ["."]:
                self.capa.append(wire.line().decode().strip())


class Load:
    """Sessions that are held and sessions that come and go."""

    def __init__(self, smtp, pop3, users):
        self.smtp, self.pop3, self.users = smtp, pop3, users
        self.done = threading.Event()
        self.failures, self.counts = [], {}
        self.threads = [threading.Thread(target=self.run, args=(work,))
                        for work in (self.hold_smtp, self.hold_pop3,
                                     self.hold_body, self.come_and_send,
                                     self.come_and_read)]

    def run(self, work):
        try:
            for _ in work():
                self.counts[work.__name__] = self.counts.get(
                    work.__name__, 0) + 1
                if self.done.wait(0.02):
                    return
        except Exception as error:
            self.failures.append(f"{work.__name__}: {error!r}")

    def begin(self):
        wire = Wire(self.smtp)
        assert wire.reply()[:3] == "220"
        assert wire.ask("EHLO c.test")[:3] == "250"
        return wire

    def send(self, wire, user):
        for command in ("MAIL FROM:<a@b.example>", f"RCPT TO:<{user}@mail.test>",
                        "DATA"):
            reply = wire.ask(command)
            assert reply[0] in "23", (command, reply)

    def end(self, wire, text):
        wire.send(text + b".\r\n")
        reply = wire.reply()
        assert reply[:3] == "250", reply

    def hold_smtp(self):
        with self.begin() as wire:
            while True:
                self.send(wire, self.users[1])
                self.end(wire, TEXT)
                yield

    def hold_pop3(self):
        """In a mailbox, and listed anew now and then."""
        box = self.log_in(self.users[0])
        while not self.done.is_set():
            assert box.stat()[0] == 0
            yield
        box.quit()

    def hold_body(self):
        """In the middle of a message, all the time."""
        with self.begin() as wire:
            self.send(wire, self.users[1])
            while not self.done.is_set():
                wire.send(b"x\r\n")
                for _ in range(10):
                    yield
            self.end(wire, b"")

    def come_and_send(self):
        while True:
            with self.begin() as wire:
                self.send(wire, self.users[1])
                self.end(wire, TEXT)
                assert wire.ask("QUIT")[:3] == "221"
            yield

    def log_in(self, user):
        box = poplib.POP3("127.0.0.1", self.pop3, timeout=120)
        box.user(user)
        box.pass_("secret")
        return box

    def come_and_read(self):
        while True:
            box = self.log_in(self.users[1])
            for number in range(box.stat()[0]):
                box.dele(number + 1)
            box.quit()
            yield

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        wait_for(lambda: len(self.counts) == len(self.threads) or
                 self.failures, what="all kinds of sessions")
        return self

    def __exit__(self, kind, *rest):
        self.done.set()
        for thread in self.threads:
            thread.join(120)
        assert kind is not None or not self.failures, self.failures


class Walk:
    """Random edits of one running system, and what it must show."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.values = {key: row[0][0] for key, row in KEYS.items()}
        self.password = "secret0"
        self.edits = 0
        self.wrong = 0

    def step(self):
        """One edit: right, wrong in a value, or wrong in what it leads to."""
        kind = self.random.choice(("right", "right", "value", "refused"))
        names = self.random.sample(list(KEYS), self.random.randint(1, 4))
        edit = {name: self.random.choice(KEYS[name][0]) for name in names}
        blamed = None
        if kind == "value":
            blamed = self.random.choice(names)
            edit[blamed] = self.random.choice(KEYS[blamed][1])
        elif kind == "refused":
            blamed = self.random.choice(list(REFUSED))
            edit.update(REFUSED[blamed])
        password = f"secret{self.random.randint(1, 9)}"
        self.edit(edit, password, blamed)
        if blamed is None:
            self.values.update(edit)
            self.password = password
        self.edits += 1
        self.wrong += blamed is not None
        if self.random.random() < 0.3:
            self.look()

    def look(self):
        seen = Seen(self.smtp, self.pop3)
        for name, value in self.values.items():
            shows = KEYS[name][2]
            assert shows is None or shows(value, seen), (
                name, value, vars(seen))
        box = poplib.POP3("127.0.0.1", self.pop3, timeout=120)
        box.user("listed")
        box.pass_(self.password)
        box.quit()

    def size(self):
        with open(f"/proc/{self.pid}/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * 4096

    def descriptors(self):
        """Sockets, and all others."""
        folder = f"/proc/{self.pid}/fd"
        kinds = []
        for name in os.listdir(folder):
            try:
                kinds.append(os.readlink(os.path.join(folder, name)))
            except FileNotFoundError:
                pass  # closed meanwhile
        sockets = sum(kind.startswith("socket:") for kind in kinds)
        return sockets, len(kinds) - sockets

    def go(self, build, count, users):
        """A part of the walk to get warm, then the rest; each with its load."""
        figures = []
        self.sockets = self.descriptors()[0]
        for part in (count // 4, count - count // 4):
            with Load(self.smtp, self.pop3, users) as load:
                for _ in range(part):
                    self.step()
                assert not load.failures, load.failures
            self.look()
            # The last sessions may not have ended yet.
            wait_for(lambda: self.descriptors()[0] <= self.sockets,
                     what=f"{self.sockets} sockets, as at first")
            figures.append((self.size(), self.descriptors()))
            print(f"{self.edits} edits, {self.wrong} wrong, {load.counts}, "
                  f"{figures[-1][0] >> 10} KiB, descriptors "
                  f"{figures[-1][1]}", flush=True)
        # The store's readers open when the first of their worker reads.
        assert figures[1][1][1] <= figures[0][1][1] + 10, figures
        assert is_sanitized(build) or \
            figures[1][0] < figures[0][0] + (8 << 20), figures


class OfFile(Walk):
    """The daemon's: the file, and a signal."""

    def __init__(self, daemon, seed):
        super().__init__(seed)
        self.daemon = daemon
        self.smtp, self.pop3 = daemon.port("smtp"), daemon.port("pop3")
        self.pid = daemon.process.pid
        self.base = dict(daemon.settings)
        self.edit({}, self.password, None)

    def edit(self, edit, password, blamed):
        self.daemon.settings = {
            **self.base, **{name: self.quoted(name, value) for name, value in
                            {**self.values, **edit}.items()},
            "local.users": ["held:secret", f"listed:{password}"]}
        path = self.daemon.write_config()
        breaks = blamed is not None and self.random.random() < 0.2
        if breaks:  # a file that says nothing as a whole
            with open(path, "a", encoding="ascii") as file:
                file.write("smtp: { recipients_max = 7;\n")
        start = len(self.daemon.lines)
        self.daemon.ask_reload()
        told = self.daemon.wait_log("mailmodd: (not )?reloaded", after=start)
        lines = self.daemon.lines[start:]
        assert (told[1] is None) == (blamed is None), lines
        if blamed and not breaks:
            # Before its end: the log is one stream.
            assert [line for line in lines if blamed in line and
                    " error" in line.lower()], (blamed, lines)

    @staticmethod
    def quoted(name, value):
        """As the file has it: numbers and flags stand bare."""
        if re.fullmatch(r"-?\d{1,18}", value) and KEYS.get(name):
            return int(value)
        if value in ("true", "false"):
            return value == "true"
        return int(value) if name == "general.loops" else value


class OfHost(Walk):
    """A host's: calls for each key, and the reload."""

    def __init__(self, build, folder, seed):
        super().__init__(seed)
        self.process = subprocess.Popen(
            [*program(build, "services"), folder, "0"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True)
        assert self.line() == "ports 0 0"
        self.pid = self.process.pid
        self.smtp = self.do("start smtp 0")[0]
        self.pop3 = self.do("start pop3 0")[0]
        for key, value in (("smtp.messages_per_connection_max", "1000000"),
                           ("general.log_level", "error"),
                           ("local.users", "held:secret")):
            self.do(f"set {key} {value}")
        self.do("reload")  # a user who is no longer listed stays
        self.edit({}, self.password, None)
        self.set_all(self.values)
        self.do("reload")

    def line(self):
        line = self.process.stdout.readline()
        assert line, self.process.stderr.read()
        return line.rstrip("\n")

    def say(self, words):
        self.process.stdin.write(words + "\n")
        self.process.stdin.flush()
        lines = []
        while not lines or not lines[-1].startswith("result "):
            lines.append(self.line())
        match = re.match(r"result (-?\d+) (\d+) ?(.*)", lines.pop())
        return int(match[1]), int(match[2]), match[3], lines

    def do(self, words):
        code, port, text, lines = self.say(words)
        assert code == 0, (words, text)
        return port, lines

    def set_all(self, values):
        for name, value in values.items():
            self.do(f"set {name} {value}")

    def edit(self, edit, password, blamed):
        """What is wrong by itself is refused at once, what is wrong in what it
        leads to by the reload; the key is told, and the host takes it back."""
        before = self.do("list")[1]
        former = {line.split("=", 1)[0]: line.split("=", 1)[1]
                  for line in before}
        for name, value in edit.items():
            if name == blamed and value in KEYS.get(name, ([], []))[1]:
                mine = self.do("list")[1]
                code, _, words, _ = self.say(f"set {name} {value}")
                assert code != 0 and name in words, (name, value, words)
                assert self.do("list")[1] == mine
            else:
                self.do(f"set {name} {value}")
        self.do(f"set local.users listed:{password}")
        if blamed is None:
            self.do("reload")
            return
        if blamed in REFUSED:
            code, _, words, _ = self.say("reload")
            assert code != 0 and blamed in words, (blamed, words)
        for name in edit:
            self.do(f"set {name} {former[name]}")
        self.do(f"set local.users listed:{self.password}")
        assert self.do("list")[1] == before

    def close(self):
        self.process.stdin.close()
        text = self.process.stderr.read()
        code = self.process.wait(120)
        assert code == 0 and not SANITIZER.search(text), (code, text)


def seed_of():
    seed = int(os.environ.get("MAILMOD_SEED", time.time_ns() % 1000000))
    print("MAILMOD_SEED =", seed, flush=True)
    return seed


def rounds(build, count):
    return count // 10 if is_sanitized(build) else count


def test_edits_of_the_file(build):
    """The daemon, 100 edits."""
    need_posix(build, "SIGHUP")
    count = rounds(build, 100)
    with Daemon(build, settings={
            "general.log_level": "info", "pop3.allows_clear_login": True,
            "smtp.messages_per_connection_max": 1000000}) as daemon:
        walk = OfFile(daemon, seed_of())
        walk.go(build, count, ("held", "demo"))
        told = daemon.wait_lines("mailmodd: (not )?reloaded", walk.edits + 1)
        assert len(told) == walk.edits + 1
        assert sum("not reloaded" in line for line in told) == walk.wrong > 0


def test_edits_by_calls(build):
    """A host program, 900 edits."""
    need_posix(build, "what /proc says")
    with tempfile.TemporaryDirectory(prefix="mailmod-walk-") as folder:
        walk = OfHost(build, folder, seed_of())
        walk.go(build, rounds(build, 900), ("held", "demo"))
        assert walk.wrong > 0
        walk.close()


main(__name__, test_edits_of_the_file, test_edits_by_calls)
