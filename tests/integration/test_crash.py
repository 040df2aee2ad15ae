"""Killed at random under load: what was acknowledged is there, once.

Each round starts the daemon, lets several senders deliver to a mailbox and to
the queue, kills it with SIGKILL after a random time, and remembers which
messages were answered 250. At the end every acknowledged message is in the
mailbox or the queue exactly once, and no other more than once (one that was on
disk when the answer was cut off may be there: RFC 5321 6.1).
MAILMOD_CRASH_ROUNDS sets the rounds; the seed is printed. The same with all
that turns one message into several: aliases, forwards, a list, replies.
"""
import os
import random
import re
import threading
import time

from harness import PATIENCE, Daemon, Wire, main, wait_for

ROUNDS = int(os.environ.get("MAILMOD_CRASH_ROUNDS", "200"))
SENDERS = 4


class Sender(threading.Thread):
    """Delivers until the daemon is gone; keeps what was acknowledged."""

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
                size = random.choice((10, 4000, 70000))
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


main(__name__, test_kills, test_kills_with_aliases_lists_forwards_and_replies)
