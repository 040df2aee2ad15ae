"""Killed at random under load: what was acknowledged is there, once.

Each round starts the daemon, lets several senders deliver to a mailbox and to
the queue, kills it with SIGKILL after a random time, and remembers which
messages were answered 250. At the end every acknowledged message is in the
mailbox or the queue exactly once, and no other more than once (one that was on
disk when the answer was cut off may be there: RFC 5321 6.1).
MAILMOD_CRASH_ROUNDS sets the rounds; the seed is printed. The same with all
that turns one message into several: aliases, forwards, a list, replies; and
while everything runs at once: mail is accepted, relayed, deleted by POP3 and
fetched. tests/fault/kill_soak makes more rounds of that.
"""
import os
import poplib
import random
import re
import threading
import time

from harness import PATIENCE, Daemon, Wire, main, wait_for
from popserver import PopServer
from sink import Sink
from test_delivery import Bench

ROUNDS = int(os.environ.get("MAILMOD_CRASH_ROUNDS", "200"))
SENDERS = 4


class Sender(threading.Thread):
    """Delivers until the daemon is gone; keeps what was acknowledged."""

    SIZES = (10, 4000, 70000)

    def __init__(self, daemon, name):
        super().__init__(daemon=True)
        self.port = daemon.port("smtp")
        self.submission = daemon.port("submission")
        self.key = name
        self.tried = []
        self.acknowledged = []

    def run(self):
        try:
            self.deliver_all()
        except (OSError, EOFError, ValueError):
            pass

    def deliver_all(self):
        # Every second sender submits for elsewhere, so that the queue is hit.
        remote = self.key.endswith(("1", "3"))
        rcpt = "x@elsewhere.test" if remote else "demo@mail.test"
        with Wire(self.submission if remote else self.port) as wire:
            wire.reply()
            wire.ask("EHLO client.test")
            for i in range(10000):
                mark = f"{self.key}-{i}"
                self.tried.append(mark)
                size = random.choice(self.SIZES)
                wire.send(f"MAIL FROM:<{mark}@client.test>\r\n"
                          f"RCPT TO:<{rcpt}>\r\nDATA\r\n".encode())
                replies = [wire.reply() for _ in range(3)]
                if not replies[2].startswith("354"):
                    raise ValueError(replies)
                body = f"Subject: {mark}\r\n\r\n".encode()
                body += (b"x" * 70 + b"\r\n") * (size // 72)
                wire.send(body + b".\r\n")
                if wire.reply().startswith("250"):
                    self.acknowledged.append(mark)


def wait_to_kill(rng, number, acknowledged):
    """Longer where the machine is so slow that few were acknowledged."""
    time.sleep(rng.uniform(
        0.01, 0.25 if len(acknowledged) >= 2 * number else 3))


def run_round(daemon, number, rng, acknowledged):
    senders = [Sender(daemon, f"r{number}s{i}") for i in range(SENDERS)]
    for sender in senders:
        sender.start()
    wait_to_kill(rng, number, acknowledged)
    daemon.kill()
    for sender in senders:
        sender.join(PATIENCE)
    tried = [mark for s in senders for mark in s.tried]
    return tried, [mark for s in senders for mark in s.acknowledged]


def found_marks(daemon):
    marks = []
    for message in daemon.messages():
        marks.append(re.search(rb"Return-Path: <(\S+)@client", message)[1]
                     .decode())
    for line in daemon.ctl("queue", "list").stdout.splitlines():
        marks += re.findall(r"(r\d+s\d+-\d+)@client\.test", line)
    return marks


def test_kills(build):
    """Attack 77: kill -9 under load."""
    seed = random.randrange(1 << 32)
    rng = random.Random(seed)
    print(f"seed {seed}, {ROUNDS} rounds", flush=True)
    settings = {"queue.holds": True, "smtp.relay_from": "127.0.0.0/8",
                "smtp.messages_per_connection_max": 100000,
                "general.log_level": "warning"}
    tried, acknowledged = [], []
    with Daemon(build, settings=settings, start=False) as daemon:
        for number in range(ROUNDS):
            daemon.start(wait=False)
            daemon.wait_log(r"mailmodd: started")
            more, kept = run_round(daemon, number, rng, acknowledged)
            tried += more
            acknowledged += kept
        daemon.start()
        marks = found_marks(daemon)
    print(f"{len(tried)} tried, {len(acknowledged)} acknowledged, "
          f"{len(marks)} found")
    assert acknowledged  # how many is the machine's affair
    assert len(marks) == len(set(marks)), "a message is there twice"
    lost = set(acknowledged) - set(marks)
    assert not lost, f"lost: {sorted(lost)[:10]}"
    assert set(marks) <= set(tried)


class Writer(Sender):
    """Delivers to what stands for others."""

    TARGETS = ("team@mail.test", "third@mail.test", "news@mail.test")

    def deliver_all(self):
        with Wire(self.port) as wire:
            wire.reply()
            wire.ask("EHLO client.test")
            for i in range(10000):
                mark = f"{self.key}-{i}"
                target = self.TARGETS[i % 3]
                self.tried.append((mark, target))
                wire.send(f"MAIL FROM:<collector+{mark}@mail.test>\r\n"
                          f"RCPT TO:<{target}>\r\nDATA\r\n".encode())
                replies = [wire.reply() for _ in range(3)]
                if not replies[2].startswith("354"):
                    raise ValueError(replies)
                size = random.choice((10, 4000, 70000))
                wire.send(f"From: <collector+{mark}@mail.test>\r\n"
                          f"To: <{target}>\r\nSubject: {mark}\r\n\r\n".encode()
                          + (b"x" * 70 + b"\r\n") * (size // 72) + b".\r\n")
                if wire.reply().startswith("250"):
                    self.acknowledged.append((mark, target))


# Who has a copy of what was sent to whom; the answer goes to the collector.
COPIES = {"team@mail.test": ("demo", "other", "collector"),
          "third@mail.test": ("fourth",),
          "news@mail.test": ("demo", "other")}


def test_kills_with_aliases_lists_forwards_and_replies(build):
    """What is acknowledged reaches each whom an alias, a forward or a list
    stands for, once, and is answered once."""
    seed = random.randrange(1 << 32)
    rng = random.Random(seed)
    rounds = max(ROUNDS // 5, 4)
    print(f"seed {seed}, {rounds} rounds", flush=True)
    settings = {"smtp.messages_per_connection_max": 100000,
                "queue.steps": "1s", "general.log_level": "warning"}
    users = ("demo", "other", "third", "fourth", "collector")
    tried, acknowledged = [], []
    with Daemon(build, settings=settings, users=users, start=False) as daemon:
        daemon.ctl("alias", "add", "team", "demo", "other")
        daemon.ctl("forward", "add", "third", "fourth")
        daemon.ctl("maillist", "set", "news@mail.test", "open")
        daemon.ctl("maillist", "join", "news@mail.test", "demo@mail.test",
                   "other@mail.test")
        daemon.ctl("reply", "set", "other", "-", stdin="I am away.\n")
        for number in range(rounds):
            daemon.start(wait=False)
            daemon.wait_log(r"mailmodd: started")
            writers = [Writer(daemon, f"r{number}s{i}") for i in range(SENDERS)]
            for writer in writers:
                writer.start()
            wait_to_kill(rng, number, acknowledged)
            daemon.kill()
            for writer in writers:
                writer.join(PATIENCE)
                tried += writer.tried
                acknowledged += writer.acknowledged
        daemon.start()
        wait_for(lambda: "queue is empty" in daemon.ctl("queue", "list").stdout,
                 what="an empty queue")
        found = [(user, mark.decode()) for user in users
                 for message in daemon.messages(user)
                 for mark in re.findall(
                     rb"^Subject: (?:Auto: )?(r\d+s\d+-\d+)\r", message, re.M)]
    print(f"{len(tried)} tried, {len(acknowledged)} acknowledged, "
          f"{len(found)} copies and answers found")
    assert acknowledged
    assert len(found) == len(set(found)), "something is there twice"
    wanted = {(user, mark) for mark, target in acknowledged
              for user in COPIES[target]}
    lost = wanted - set(found)
    assert not lost, f"lost: {sorted(lost)[:10]}"
    may_be = {(user, mark) for mark, target in tried for user in COPIES[target]}
    assert set(found) <= may_be, sorted(set(found) - may_be)[:10]


class Deleter(threading.Thread):
    """Deletes by POP3 until the daemon is gone. `marks` are those of all
    messages that it has seen, by unique id; `deleted` are the ids that an +OK
    to QUIT deleted, `unsure` those of a QUIT without an answer."""

    def __init__(self, marks, deleted, unsure):
        super().__init__(daemon=True)
        self.marks, self.deleted, self.unsure = marks, deleted, unsure
        self.port = 0
        self.wrong = None

    def run(self):
        try:
            while True:
                self.visit()
        except AssertionError as error:
            self.wrong = error
        except poplib.error_proto as error:
            # What poplib says when the line drops; no other -ERR may come.
            self.wrong = None if "EOF" in str(error) else error
        except (OSError, EOFError):
            pass

    def look(self, uids):
        """What the mailbox has now agrees with what was answered before."""
        back = self.deleted & set(uids)
        assert not back, f"deleted and there again: {sorted(back)[:5]}"
        kept = self.unsure & set(uids)
        assert kept in (set(), self.unsure), "half of a QUIT was kept"
        self.deleted |= self.unsure - kept
        self.unsure.clear()

    def visit(self):
        box = poplib.POP3("127.0.0.1", self.port, timeout=PATIENCE)
        box.user("demo")
        box.pass_("secret")
        uids = [line.split()[1].decode() for line in box.uidl()[1]]
        self.look(uids)
        doomed = uids[:len(uids) // 2]
        for number, uid in enumerate(doomed, 1):
            if uid not in self.marks:
                self.marks[uid] = mark_of(b"\r\n".join(box.top(number, 0)[1]))
            box.dele(number)
        self.unsure |= set(doomed)
        box.quit()
        self.deleted |= self.unsure
        self.unsure.clear()


class SmallSender(Sender):
    """The large ones are test_kills'; a soak keeps what it sends in memory."""

    SIZES = (10, 1000, 4000)


def mark_of(message):
    return re.search(rb"Return-Path: <(\S+)@client", message)[1].decode()


class Services:
    """What was said and done over all rounds in which everything runs."""

    def __init__(self, rng):
        self.rng = rng
        self.tried, self.acknowledged = [], []
        self.marks, self.deleted, self.unsure = {}, set(), set()
        self.relayed = {}  # by mark: how often it arrived
        self.fetched = 0  # messages that the other mailbox had
        self.deleters = 0

    def run_round(self, daemon, number, sink, server):
        for _ in range(self.rng.randrange(4)):
            text = f"Subject: f{self.fetched}\r\n\r\n" + \
                "x\r\n" * self.rng.choice((1, 1000))
            server.box.append((b"u%d" % self.fetched, text.encode()))
            self.fetched += 1
        daemon.ctl("fetch", "run", "work")
        daemon.start(wait=False)
        daemon.wait_log(r"mailmodd: started")
        senders = [SmallSender(daemon, f"r{number}s{i}")
                   for i in range(SENDERS)]
        deleter = Deleter(self.marks, self.deleted, self.unsure)
        deleter.port = daemon.port("pop3")
        for thread in (*senders, deleter):
            thread.start()
        if number == 0:  # each part works at all
            wait_for(lambda: self.deleted or deleter.wrong, what="deletions")
        wait_to_kill(self.rng, number, self.acknowledged)
        daemon.kill()
        for thread in (*senders, deleter):
            thread.join(PATIENCE)
        if deleter.wrong is not None:
            raise deleter.wrong
        self.tried += [mark for s in senders for mark in s.tried]
        self.acknowledged += [m for s in senders for m in s.acknowledged]
        self.harvest(sink)

    def harvest(self, sink):
        """The texts go: a soak has many."""
        got, sink.messages[:] = list(sink.messages), []
        for message in got:
            mark = message.reverse_path.split("@")[0]
            self.relayed[mark] = self.relayed.get(mark, 0) + 1

    def judge(self, daemon, rounds):
        box = daemon.pop3()
        Deleter(self.marks, self.deleted, self.unsure).look(
            [line.split()[1].decode() for line in box.uidl()[1]])
        box.quit()
        there = [mark_of(message) for message in daemon.messages()]
        gone = {self.marks[uid] for uid in self.deleted}
        print(f"{len(self.tried)} tried, {len(self.acknowledged)} "
              f"acknowledged: {len(there)} in the mailbox, "
              f"{len(gone)} deleted, {len(self.relayed)} relayed")
        assert self.acknowledged and self.relayed
        assert len(there) == len(set(there)), "a message is there twice"
        assert len(gone) == len(self.deleted), "a message was there twice"
        back = set(there) & gone
        assert not back, f"deleted and there: {sorted(back)[:10]}"
        found = set(there) | gone | set(self.relayed)
        lost = set(self.acknowledged) - found
        assert not lost, f"lost: {sorted(lost)[:10]}"
        assert found <= set(self.tried)
        again = sum(self.relayed.values()) - len(self.relayed)
        print(f"{again} relayed more than once: killed between the host's "
              "answer and its note")
        # Each kill cuts as many deliveries as a destination may have.
        assert again <= rounds * 5, again
        subjects = [re.search(rb"(?m)^Subject: (\S+)\r$", m)[1].decode()
                    for m in daemon.messages("keeper")]
        print(f"{self.fetched} to fetch, {len(subjects)} fetched")
        assert sorted(subjects) == sorted(
            f"f{i}" for i in range(self.fetched)), "fetched other than once"


def drain(bench):
    """However long it takes, as long as the queue gets shorter."""
    listing = bench.queue()
    while "empty" not in listing:
        size = len(listing.splitlines())
        listing = wait_for(
            lambda: next((now for now in [bench.queue()] if "empty" in now or
                          len(now.splitlines()) < size), None),
            what="a shorter queue")


def kill_all_services(build, rounds, seed):
    """Kills while mail is accepted, relayed, deleted by POP3 and fetched."""
    print(f"seed {seed}, {rounds} rounds", flush=True)
    services = Services(random.Random(seed))
    with PopServer([]) as server, Sink(extensions=["PIPELINING"]) as sink, \
            Bench(build, {("elsewhere.test", "A"): ["127.0.0.1"]}, sink.port, {
                "fetch.accounts": [
                    f"name=work host=127.0.0.1 port={server.port} user=joe "
                    "tls=off to=keeper interval=0 delete password=secret"],
                "queue.destination_max": 5,
                "pop3.allows_clear_login": True,
                "smtp.messages_per_connection_max": 100000,
                "general.log_level": "info"}) as bench:
        daemon = bench.daemon
        daemon.add_user("keeper", "secret")
        daemon.stop()
        for number in range(rounds):
            services.run_round(daemon, number, sink, server)
            if number % 100 == 99:
                print(f"{number + 1} rounds, {len(services.acknowledged)} "
                      "acknowledged", flush=True)
        daemon.start()
        for _ in range(2):
            after = len(daemon.lines)
            daemon.ctl("fetch", "run", "work")
            daemon.wait_log("fetch: fetched", after=after)
        drain(bench)
        services.harvest(sink)
        services.judge(daemon, rounds)


def test_kills_of_all_services(build):
    kill_all_services(build, max(ROUNDS // 10, 4), random.randrange(1 << 32))


main(__name__, test_kills, test_kills_with_aliases_lists_forwards_and_replies,
     test_kills_of_all_services)
