"""Random walks over whole sessions: the daemon, its sockets, TLS, its store.

The engines' own walks (unit.wire.smtp_server_walk, unit.wire.pop3_walk) have no
host; here a small model of what a client may see goes beside several sessions
at once: SMTP's states with TLS and a login, and POP3 with what lies in each
mailbox, what is marked, what a session saw when it began, and what a dropped
line must not delete. The seed is printed; MAILMOD_SEED repeats a walk.
"""
import base64
import os
import random
import time

from harness import (Daemon, Wire, insecure_tls, is_sanitized, main, wait_for)

STEPS = 10000
PLAIN = base64.b64encode(b"\0demo\0secret").decode()
TEXT = "Subject: x\r\n\r\n.dot\r\n..\r\n"
CONTEXT = insecure_tls()


def seeded():
    seed = int(os.environ.get("MAILMOD_SEED", time.time_ns() % 1000000))
    print("MAILMOD_SEED =", seed, flush=True)
    return random.Random(seed)


def steps(build):
    return STEPS // 10 if is_sanitized(build) else STEPS


class Smtp:
    """One session of "smtp" or "submission", and what must be answered."""

    def __init__(self, daemon, dice):
        self.daemon, self.dice = daemon, dice
        self.begin()

    def begin(self):
        self.service = self.dice.choice(("smtp", "submission"))
        self.wire = Wire(self.daemon.port(self.service))
        assert self.wire.reply()[:3] == "220"
        self.is_tls = self.is_in = False
        self.state = "hello"

    def expect(self, command, code, state=None):
        reply = self.wire.ask(command)
        assert reply.startswith(code), (self.service, self.state, self.is_tls,
                                        self.is_in, command, reply)
        self.state = state or self.state

    @property
    def needs_login(self):
        return self.service == "submission" and not self.is_in

    def step(self):
        """Each second one goes on towards a message, so that walks come
        deep."""
        ways = {"hello": "ehlo", "mail": "rcpt",
                "ready": "mail" if not self.needs_login else
                "auth" if self.is_tls else "starttls",
                "rcpt": self.dice.choice(("data", "bdat", "last")),
                "bdat": self.dice.choice(("bdat", "last"))}
        name = self.dice.choice(("ehlo", "mail", "rcpt", "stranger", "data",
                                 "bdat", "last", "rset", "noop", "vrfy",
                                 "auth", "starttls", "unknown", "quit",
                                 "wrong") + ("cut",) * (
                                     self.dice.random() < 0.3))
        getattr(self, self.dice.choice((name, ways[self.state])))()

    def ehlo(self):
        self.expect("EHLO c.test", "250", "ready")

    def mail(self):
        if self.state != "ready":
            self.expect("MAIL FROM:<demo@mail.test>", "503")
        elif self.needs_login:
            self.expect("MAIL FROM:<demo@mail.test>", "530")
        else:
            self.expect("MAIL FROM:<demo@mail.test>", "250 2.1.0", "mail")

    def rcpt(self):
        if self.state in ("mail", "rcpt"):
            self.expect("RCPT TO:<demo@mail.test>", "250 2.1.5", "rcpt")
        else:
            self.expect("RCPT TO:<demo@mail.test>", "503")

    def stranger(self):
        """Nobody relays for a stranger, nor finds one who is not there."""
        if self.state in ("mail", "rcpt"):
            self.expect("RCPT TO:<nobody@mail.test>", "550 5.1.1")
            if self.service == "smtp":
                self.expect("RCPT TO:<x@far.test>", "550 5.7.1")

    def data(self):
        if self.state == "rcpt":
            self.expect("DATA", "354")
            if self.dice.random() < 0.1:  # and no message comes of it
                self.wire.send(TEXT.encode())
                self.cut()
                return
            text = TEXT.replace("\r\n.", "\r\n..")
            self.expect(text + ".", "250 2.6.0", "ready")
            self.daemon.taken += 1
        elif self.state == "mail":
            self.expect("DATA", "554")
        else:
            self.expect("DATA", "503")

    def chunk(self, end):
        self.wire.send(b"BDAT 6%s\r\nQUIT\r\n" % end)
        return self.wire.reply()

    def bdat(self):
        reply = self.chunk(b"")
        if self.state in ("rcpt", "bdat"):
            assert reply[:3] == "250", (self.state, reply)
            self.state = "bdat"
        else:
            self.refused(reply)

    def last(self):
        reply = self.chunk(b" LAST")
        if self.state in ("rcpt", "bdat"):
            assert reply[:3] == "250", (self.state, reply)
            self.state = "ready"
            self.daemon.taken += 1
        else:
            self.refused(reply)

    def refused(self, reply):
        assert reply[:3] == ("554" if self.state == "mail" else "503"), reply
        self.state = "hello" if self.state == "hello" else "ready"

    def rset(self):
        self.expect("RSET", "250",
                    "hello" if self.state == "hello" else "ready")

    def noop(self):
        self.expect("NOOP", "250")

    def vrfy(self):
        self.expect("VRFY demo", "252" if self.service == "smtp" or
                    self.is_tls else ("252", "530"))

    def auth(self):
        if self.state != "ready":
            code = "503"
        elif self.service == "smtp":
            code = "502"
        else:
            code = ("503" if self.is_in else "235" if self.is_tls else "538")
        self.expect("AUTH PLAIN " + PLAIN, code)
        self.is_in = self.is_in or code == "235"

    def wrong(self):
        """A wrong password logs nobody in."""
        if self.state == "ready" and self.service == "submission" and \
                self.is_tls and not self.is_in:
            self.expect("AUTH PLAIN AGRlbW8AeA==", "535")
            self.cut()  # before there are too many

    def starttls(self):
        if self.state != "ready" or self.is_tls:
            self.expect("STARTTLS", "503")
            return
        self.expect("STARTTLS", "220", "hello")
        self.wire.socket = CONTEXT.wrap_socket(self.wire.socket)
        self.is_tls = True
        self.is_in = False

    def unknown(self):
        if self.dice.random() < 0.2:  # errors are counted
            self.expect("FROB", "500")

    def quit(self):
        if self.dice.random() < 0.3:
            self.expect("QUIT", "221")
            assert self.wire.at_end()
            self.wire.close()
            self.begin()

    def cut(self):
        self.wire.close()
        self.begin()


def test_smtp(build):
    """10 000 steps of five sessions; each 250 is a message in the mailbox."""
    dice = seeded()
    with Daemon(build, settings={
            "smtp.errors_max": 10000, "smtp.refusal_delay": "0s",
            "general.log_level": "warning",
            "smtp.messages_per_connection_max": 1000000}) as daemon:
        daemon.taken = 0
        sessions = [Smtp(daemon, dice) for _ in range(5)]
        for _ in range(steps(build)):
            dice.choice(sessions).step()
        for session in sessions:
            session.wire.close()
        assert daemon.taken > 0
        box = daemon.pop3()
        assert box.stat()[0] == daemon.taken, (box.stat(), daemon.taken)
        box.quit()
        print(f"{daemon.taken} messages")


class Pop3:
    """One user's sessions, one after the other, and the mailbox."""

    def __init__(self, daemon, dice, user):
        self.daemon, self.dice, self.user = daemon, dice, user
        self.kept = []     # subjects that lie there
        self.seen = None   # those of the session, None where DELI took one
        self.marked = set()
        self.wire = None
        self.count = 0

    def ask(self, text):
        self.wire.send(text.encode() + b"\r\n")
        return self.wire.line().decode()

    def rest(self):
        lines = []
        while True:
            line = self.wire.line().decode()
            if line == ".\r\n":
                return lines
            lines.append(line)

    def arrive(self):
        """New mail, which no session sees that was there before."""
        subject = f"{self.user}-{self.count}"
        self.count += 1
        with self.daemon.smtp() as client:
            client.sendmail("a@b.example", [f"{self.user}@mail.test"],
                            f"Subject: {subject}\r\n\r\n.x\r\n")
        self.kept.append(subject)

    def begin(self):
        def log_in():
            self.wire = Wire(self.daemon.port("pop3"))
            self.wire.line()
            self.ask(f"USER {self.user}")
            reply = self.ask("PASS secret")
            if reply.startswith("+OK"):
                return True
            # The daemon has not seen yet that the one before is gone.
            assert "[IN-USE]" in reply, reply
            self.wire.close()
            return False
        wait_for(log_in, what="the mailbox")
        self.list_anew()

    def list_anew(self):
        self.seen = list(self.kept)
        self.marked = set()

    def there(self):
        return [i for i, subject in enumerate(self.seen)
                if subject is not None and i not in self.marked]

    def commit(self):
        gone = {self.seen[i] for i in self.marked}
        self.kept = [s for s in self.kept if s not in gone]

    def any_number(self):
        return self.dice.randint(0, len(self.seen) + 1)

    def is_there(self, number):
        return number - 1 in self.there()

    def step(self):
        if self.wire is None:
            self.begin()
            return
        getattr(self, self.dice.choice((
            "stat", "list", "uidl", "retr", "top", "dele", "dele", "deli",
            "rset", "arrive", "sleep", "qaut", "quit", "cut")))()

    def stat(self):
        assert int(self.ask("STAT").split()[1]) == len(self.there())

    def list(self):
        for command in ("LIST", "UIDL"):
            assert self.ask(command).startswith("+OK")
            numbers = [int(line.split()[0]) - 1 for line in self.rest()]
            assert numbers == self.there(), (numbers, self.there())

    def uidl(self):
        number = self.any_number()
        reply = self.ask(f"UIDL {number}")
        assert reply.startswith("+OK") == self.is_there(number), reply

    def retr(self, command="RETR {}"):
        number = self.any_number()
        reply = self.ask(command.format(number))
        assert reply.startswith("+OK") == self.is_there(number), (
            command, number, self.there(), reply)
        if self.is_there(number):
            lines = self.rest()
            assert f"Subject: {self.seen[number - 1]}\r\n" in lines, lines

    def top(self):
        self.retr("TOP {} 0")

    def dele(self):
        number = self.any_number()
        reply = self.ask(f"DELE {number}")
        assert reply.startswith("+OK") == self.is_there(number), reply
        if self.is_there(number):
            self.marked.add(number - 1)

    def deli(self):
        if self.dice.random() < 0.7:
            return
        number = self.any_number()
        reply = self.ask(f"DELI {number}")
        assert reply.startswith("+OK") == self.is_there(number), reply
        if self.is_there(number):
            self.kept.remove(self.seen[number - 1])
            self.seen[number - 1] = None

    def rset(self):
        assert self.ask("RSET").startswith("+OK")
        self.marked = set()

    def sleep(self):
        assert self.ask("SLEE").startswith("+OK")
        self.commit()
        assert self.ask("STAT").startswith("-ERR")
        if self.dice.random() < 0.5:
            self.arrive()
        assert self.ask("WAKE").startswith("+OK")
        self.list_anew()

    def qaut(self):
        assert self.ask("QAUT").startswith("+OK")
        self.commit()
        assert self.ask("STAT").startswith("-ERR")

        def again():
            self.ask(f"USER {self.user}")
            return self.ask("PASS secret").startswith("+OK")
        wait_for(again, what="the next login")
        self.list_anew()

    def quit(self):
        assert self.ask("QUIT").startswith("+OK")
        assert self.wire.at_end()
        self.commit()
        self.leave()

    def cut(self):
        """What was marked stays."""
        self.leave()

    def leave(self):
        self.wire.close()
        self.wire = None


def test_pop3(build):
    """10 000 steps over four mailboxes, and what lies there in the end."""
    dice = seeded()
    users = [f"user{i}" for i in range(4)]
    with Daemon(build, users=users, settings={
            "pop3.allows_clear_login": True, "pop3.errors_max": 10000,
            "smtp.messages_per_connection_max": 1000000,
            "general.log_level": "warning"}) as daemon:
        boxes = [Pop3(daemon, dice, user) for user in users]
        for _ in range(steps(build)):
            dice.choice(boxes).step()
        for box in boxes:
            if box.wire is not None:
                box.quit()
            box.begin()
            box.stat()
            for number in range(1, len(box.seen) + 1):
                assert box.ask(f"RETR {number}").startswith("+OK")
                assert f"Subject: {box.seen[number - 1]}\r\n" in box.rest()
            box.quit()
        print(f"{sum(box.count for box in boxes)} messages,",
              f"{sum(len(box.kept) for box in boxes)} are left")


main(__name__, test_smtp, test_pop3)
