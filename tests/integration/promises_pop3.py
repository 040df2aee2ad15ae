"""The promises of CAPA, one case a keyword, for test_promises.py; APOP, which
the greeting offers, is one beside them.

A case gets the state of a session that offers its keyword and the keyword's
parameters, and shows from outside that the promise is kept. A refusal gets a
state that does not offer it.
"""
import hashlib
import hmac
import re
import time

from harness import wait_for
from promises_smtp import NOT_ASCII, Session, b64, scram

# demo logs in, box is for what is deleted, three for what expires, late for
# LOGIN-DELAY.
USERS = ("demo", "box", "three", "late")
PASSWORD = "secret"
MECHANISMS = ("PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256")


class World:
    def __init__(self, daemon, sink=None):
        self.daemon = daemon

    def fill(self, count=3, user="box"):
        """Just so many messages, the first with a body of three lines."""
        with Stage(self, "pop3s", True, user).open() as box:
            for number in range(1, box.count() + 1):
                box.ok(f"DELE {number}")
            box.ok("QUIT")
        with self.daemon.smtp() as client:
            for number in range(count):
                client.sendmail(
                    "a@example.net", [f"{user}@mail.test"],
                    f"Subject: {number}\r\n\r\n.one\r\ntwo\r\n\r\n")


class Box(Session):
    """A POP3 session, by lines."""

    def say(self, text):
        self.send(text.encode() + b"\r\n")

    def ask(self, text):
        self.say(text)
        return self.line().decode("latin-1")

    def ok(self, text):
        """What stands behind +OK."""
        reply = self.ask(text)
        assert reply.startswith("+OK"), (text, reply)
        return reply[3:].strip()

    def no(self, text, code=""):
        reply = self.ask(text)
        assert reply.startswith("-ERR " + code), (text, reply)
        return reply

    def rest(self):
        """The lines of a reply of several, behind its first one."""
        lines = []
        while True:
            line = self.line()
            if line == b".\r\n":
                return lines
            lines.append(line[1:] if line.startswith(b".") else line)

    def several(self, text):
        self.ok(text)
        return self.rest()

    def words(self, text):
        return [line.decode().split() for line in self.several(text)]

    def count(self):
        return int(self.ok("STAT").split()[0])


class Stage:
    """A state of a session: its service, whether TLS stands, and who is in."""

    def __init__(self, world, service, is_tls, user):
        self.world = world
        self.service, self.is_tls, self.user = service, is_tls, user
        self.shared_by, self.uses = {}, {}

    def shared(self, way):
        """A session for refusals: a new one before there are too many. The
        lock of the one before must be free."""
        uses = self.uses.get(way, 0)
        self.uses[way] = uses + 1
        if uses % 4 == 0:
            self.leave(way)
            self.shared_by[way] = getattr(self, way)()
        return self.shared_by[way]

    def leave(self, way):
        box = self.shared_by.pop(way, None)
        if box is not None:
            box.ok("QUIT")
            box.close()

    def __str__(self):
        return (f"{self.service}{' TLS' if self.is_tls else ''}"
                f"{' as ' + self.user if self.user else ''}")

    def connect(self):
        box = Box(self.world.daemon.port(self.service))
        if self.service == "pop3s":
            box.tls()
        box.greeting = box.line().decode()
        assert box.greeting.startswith("+OK "), box.greeting
        if self.is_tls and self.service != "pop3s":
            box.ok("STLS")
            box.tls()
        return box

    def open(self):
        box = self.connect()
        if self.user:
            box.ok(f"USER {self.user}")
            reply = box.ask(f"PASS {PASSWORD}")
            while reply.startswith("-ERR [LOGIN-DELAY] "):
                time.sleep(0.05)
                box = self.connect()
                box.ok(f"USER {self.user}")
                reply = box.ask(f"PASS {PASSWORD}")
            assert reply.startswith("+OK"), reply
        return box

    def inside(self, user="box"):
        """As a client comes from here into a mailbox."""
        is_tls = self.is_tls or "USER" not in offers(self)
        return Stage(self.world, self.service, is_tls, user).open()


def stages(world):
    return [Stage(world, *row) for row in (
        ("pop3", False, None), ("pop3", True, None), ("pop3", True, "demo"),
        ("pop3s", True, None), ("pop3s", True, "demo"))]


def offers(stage):
    with stage.open() as box:
        words = box.words("CAPA")
        assert box.words("CAPA") == words  # and it stays so
        if box.greeting.rstrip().endswith(">") and not stage.user:
            words.append(["APOP"])
        if stage.user:
            box.ok("QUIT")
    assert len({w[0] for w in words}) == len(words), words
    return {w[0]: w[1:] for w in words}


def names_of(keyword, parameters):
    if keyword == "SASL":
        assert parameters
        return ["SASL " + mechanism for mechanism in parameters]
    if keyword == "EXPIRE":
        kind, = parameters
        return ["EXPIRE " + (kind if kind in ("NEVER", "0") else "n")]
    return [keyword]


def is_of_state(name):
    """Does what it promises depend on TLS or a login?"""
    return name.startswith("SASL ") or name in ("USER", "XLOG", "APOP", "STLS")


# ---- the cases ---------------------------------------------------------------

def case_top(stage, parameters):
    """RFC 1939 7: the header, the blank line, so many lines of the body."""
    assert not parameters
    stage.world.fill()
    with stage.inside() as box:
        whole = box.several("RETR 1")
        head = whole[:whole.index(b"\r\n") + 1]
        assert whole[len(head):] == [b".one\r\n", b"two\r\n", b"\r\n"], whole
        for count in (0, 1, 3, 4, 10 ** 9):
            lines = box.several(f"TOP 1 {count}")
            assert lines == whole[:len(head) + count], (count, lines)
        for bad in ("TOP 1", "TOP 1 -1", "TOP 4 0", "TOP 0 0"):
            box.no(bad)
        box.ok("QUIT")


def case_uidl(stage, parameters):
    """RFC 1939 7: one printable word a message, the same at the next visit."""
    assert not parameters
    stage.world.fill()
    seen = []
    for _ in range(2):
        with stage.inside() as box:
            rows = box.words("UIDL")
            assert [row[0] for row in rows] == ["1", "2", "3"], rows
            assert all(re.fullmatch(r"[!-~]{1,70}", row[1]) for row in rows)
            assert box.ok("UIDL 2").split()[:2] == rows[1]
            box.no("UIDL 4")
            box.ok("QUIT")
            seen.append(rows)
    assert seen[0] == seen[1] and len({row[1] for row in seen[0]}) == 3


def case_resp_codes(stage, parameters):
    """RFC 2449 8: [IN-USE] for who comes second; a text that begins with a
    bracket is none of the user's."""
    assert not parameters
    with stage.inside() as box:
        with Stage(stage.world, "pop3s", True, None).open() as other:
            other.ok("USER box")
            other.no(f"PASS {PASSWORD}", "[IN-USE] ")
        box.ok("QUIT")


def case_auth_resp_code(stage, parameters):
    """RFC 3206: [AUTH] where the name or the password is wrong."""
    assert not parameters
    kind = Stage(stage.world, stage.service, True, None)
    for user in ("demo", "nobody"):
        with kind.open() as box:
            box.ok(f"USER {user}")
            box.no("PASS wrong", "[AUTH] ")


def case_pipelining(stage, parameters):
    """RFC 2449 6.6: many commands in one segment, answered in their order."""
    assert not parameters
    stage.world.fill()
    with stage.inside() as box:
        box.send(b"STAT\r\nLIST 2\r\nRETR 1\r\nNOOP\r\nDELE 3\r\nLIST\r\n"
                 b"DELE 3\r\nRSET\r\nQUIT\r\n")
        assert box.line().startswith(b"+OK 3 ")
        assert box.line().startswith(b"+OK 2 ")
        assert box.line().startswith(b"+OK")
        assert box.rest()[-3:] == [b".one\r\n", b"two\r\n", b"\r\n"]
        assert [box.line()[:3] for _ in range(3)] == [b"+OK"] * 3
        assert len(box.rest()) == 2
        assert [box.line()[:4] for _ in range(3)] == [b"-ERR", b"+OK ",
                                                      b"+OK "]
        assert box.at_end()


def case_utf8(stage, parameters):
    """RFC 6856 2: the mode, and, by USER, names and passwords in UTF-8."""
    assert parameters == ["USER"]
    with Stage(stage.world, stage.service, True, None).open() as box:
        box.no("UTF8 1")
        box.ok("UTF8")
        box.ok(f"USER {NOT_ASCII}")
        box.ok(f"PASS {PASSWORD}")
        box.no("UTF8")
        box.ok("QUIT")


def case_lang(stage, parameters):
    """RFC 6856 3: the languages are listed, and each can be chosen."""
    assert not parameters
    with stage.open() as box:
        tags = [row[0] for row in box.words("LANG")]
        assert tags
        for tag in tags + ["*"]:
            assert box.ok(f"LANG {tag}").split()[0] in tags
        box.no("LANG xx-none")


def uids_of(box):
    return [row[1] for row in box.words("UIDL")]


def case_uid_param(stage, parameters):
    """pop3svc: a unique-id where a number may stand."""
    assert not parameters
    stage.world.fill()
    with stage.inside() as box:
        uids = uids_of(box)
        assert box.ok(f"LIST UID:{uids[1]}").split()[0] == "2"
        lines = box.several(f"RETR UID:{uids[0]}")
        assert box.several(f"TOP UID:{uids[0]} 0") == lines[:-3]
        box.ok(f"DELE UID:{uids[2]}")
        box.no(f"RETR UID:{uids[2]}")
        box.no("RETR UID:none", "[UID/NOT-FOUND]")
        box.ok("QUIT")
    with stage.inside() as box:
        assert uids_of(box) == uids[:2]
        box.ok("QUIT")


def case_deli(stage, parameters):
    """pop3svc: gone at once; neither RSET nor a dropped line brings it back."""
    assert not parameters
    stage.world.fill()
    with stage.inside() as box:
        uids = uids_of(box)
        box.ok("DELI 2")
        box.no("DELI 2")
        box.ok("RSET")
        box.no("RETR 2")
    with wait_for(lambda: after_a_drop(stage), what="the lock") as box:
        assert uids_of(box) == [uids[0], uids[2]]
        box.ok("QUIT")


def after_a_drop(stage):
    """The daemon may not have seen yet that the other one is gone."""
    try:
        return stage.inside()
    except AssertionError as error:
        assert "IN-USE" in str(error), error
        return None


def case_sleep(stage, parameters):
    """pop3svc: what is marked goes, the mailbox is free meanwhile, and is
    listed anew."""
    assert not parameters
    stage.world.fill()
    with stage.inside() as box:
        box.ok("DELE 1")
        box.ok("SLEE")
        box.no("STAT")
        box.ok("NOOP")
        with Stage(stage.world, "pop3s", True, "box").open() as other:
            assert other.count() == 2
            other.ok("QUIT")
        assert "[ACTIVITY/NONE]" in box.ok("WAKE")
        assert box.count() == 2
        box.ok("SLEE")
        with stage.world.daemon.smtp() as client:
            client.sendmail("a@example.net", ["box@mail.test"],
                            "Subject: new\r\n\r\nx\r\n")
        assert "[ACTIVITY/NEW]" in box.ok("WAKE")
        assert box.count() == 3
        box.ok("QUIT")


def case_qaut(stage, parameters):
    """POP3Listener: QUIT, and another login over the same connection."""
    assert not parameters
    stage.world.fill()
    with stage.inside() as box:
        box.ok("DELE 2")
        box.ok("QAUT")
        box.no("STAT")

        def again():
            box.ok("USER box")
            return box.ask(f"PASS {PASSWORD}").startswith("+OK")
        wait_for(again, what="the next login")
        assert box.count() == 2
        box.ok("QUIT")


def case_multi_line_ind(stage, parameters):
    """pop3svc: " _" ends the first line of each reply of several, and of no
    other."""
    assert not parameters
    stage.world.fill()
    with stage.inside() as box:
        for command in ("CAPA", "LIST", "UIDL", "RETR 1", "TOP 1 0", "LANG"):
            reply = box.ask(command)
            assert reply.endswith(" _\r\n"), (command, reply)
            box.rest()
        for command in ("STAT", "LIST 1", "UIDL 1", "NOOP", "DELE 1", "RSET",
                        "LANG en", "QUIT"):
            reply = box.ask(command)
            assert not reply.endswith(" _\r\n"), (command, reply)


def case_core(command):
    def case(stage, parameters):
        """pop3svc: what is marked goes, and what came meanwhile is listed."""
        assert not parameters
        stage.world.fill()
        with stage.inside() as box:
            uids = uids_of(box)
            box.ok("DELE 1")
            box.ok(command)
            assert uids_of(box) == uids[1:]
            box.ok("QUIT")
    return case


def log_in_by(command):
    def case(stage, parameters):
        assert not parameters and not stage.user

        with stage.open() as box:
            reply = command(box, "wrong")
            assert reply.startswith("-ERR [AUTH]"), reply
        with stage.open() as box:
            reply = command(box, PASSWORD)
            assert reply.startswith("+OK"), reply
            box.count()
            box.ok("QUIT")
    return case


def by_user(box, password):
    """RFC 1939 7."""
    box.ok("USER demo")
    return box.ask(f"PASS {password}")


def by_xlog(box, password):
    """pop3svc: a login in one command."""
    return box.ask(f"XLOG demo {password}")


def by_apop(box, password):
    """RFC 1939 7: the greeting's stamp and the password."""
    stamp = re.search(r"<[!-~]+@[!-~]+>", box.greeting)[0]
    digest = hashlib.md5((stamp + password).encode()).hexdigest()
    return box.ask(f"APOP demo {digest}")


def by_sasl(mechanism):
    """RFC 5034."""
    def command(box, password):
        if mechanism == "PLAIN":
            return box.ask("AUTH PLAIN " + b64(f"\0demo\0{password}".encode()))
        if mechanism == "LOGIN":
            assert box.ask("AUTH LOGIN").startswith("+ ")
            assert box.ask(b64(b"demo")).startswith("+ ")
            return box.ask(b64(password.encode()))
        if mechanism == "CRAM-MD5":
            import base64
            challenge = base64.b64decode(box.ask("AUTH CRAM-MD5")[2:])
            digest = hmac.new(password.encode(), challenge, "md5").hexdigest()
            return box.ask(b64(f"demo {digest}".encode()))
        return scram(box.ask, "+ ", password)
    return command


def unless_in(case):
    """What is announced before a login is announced after it too (RFC 2449 5)
    and refused there."""
    def look(stage, parameters):
        if stage.user:
            with stage.open() as box:
                box.no("USER demo")
                box.no("XLOG demo x")
                box.no("AUTH PLAIN")
                box.ok("QUIT")
        else:
            case(stage, parameters)
    return look


def case_sasl(mechanism):
    case = log_in_by(by_sasl(mechanism))
    return unless_in(lambda stage, parameters: case(stage, []))


def case_stls(stage, parameters):
    """RFC 2595 4: TLS begins; a name that was given before is forgotten, and
    TLS is not offered again."""
    assert not parameters and not stage.is_tls and not stage.user
    with stage.open() as box:
        box.no("STLS now")
        box.ask("USER demo")
        box.ok("STLS")
        box.tls()
        box.no(f"PASS {PASSWORD}")
        assert ["STLS"] not in box.words("CAPA")
        box.no("STLS")


def visit(stage, user):
    """The subjects of a mailbox; each is retrieved, and the session ends."""
    with Stage(stage.world, "pop3s", True, user).open() as box:
        found = [next(line for line in box.several(f"RETR {number + 1}")
                      if line.startswith(b"Subject: "))
                 for number in range(box.count())]
        box.ok("QUIT")
    return [line.decode().split()[1] for line in found]


def case_expire_never(stage, parameters):
    """RFC 2449 6.7: what was retrieved stays."""
    stage.world.fill()
    assert visit(stage, "box") == visit(stage, "box") == ["0", "1", "2"]


def case_expire_0(stage, parameters):
    """RFC 2449 6.7: what was retrieved goes with the session, the rest stays;
    a session that is dropped takes nothing."""
    stage.world.fill()
    with stage.inside() as box:
        box.several("RETR 2")
        box.several("TOP 3 99")
        box.ok("QUIT")
    assert visit(stage, "box") == ["0", "2"]
    assert visit(stage, "box") == []


def case_expire_n(stage, parameters):
    """RFC 2449 6.7: the day before its last a message stays, after it it goes,
    with the session that saw it."""
    assert parameters == ["3"]
    first = visit(stage, "three")
    assert first in (["old", "young", "today"], ["young", "today"]), first
    assert visit(stage, "three") == ["young", "today"]


def case_login_delay(stage, parameters):
    """RFC 2449 6.5: who comes sooner is told so, by [LOGIN-DELAY]; who comes
    after so many seconds is let in, and nobody before."""
    seconds, = map(int, parameters)
    kind = Stage(stage.world, stage.service, True, "late")
    for _ in range(3):
        start = time.monotonic()
        with kind.open() as box:
            first = time.monotonic()
            box.ok("QUIT")
        refused = 0
        while True:
            before = time.monotonic()
            with kind.connect() as box:
                box.ok("USER late")
                reply = box.ask(f"PASS {PASSWORD}")
                after = time.monotonic()
                if reply.startswith("+OK"):
                    box.ok("QUIT")
                    break
                assert reply.startswith("-ERR [LOGIN-DELAY] "), reply
                # A tick is a tenth of a second.
                assert before - first < seconds + 0.2, (before, first)
                refused += 1
            time.sleep(0.05)
        assert after - start >= seconds - 0.2, (after, start)
        if refused:
            return
    # A machine that slow never came too soon.


def case_implementation(stage, parameters):
    """RFC 2449 6.9: words that name the server."""
    assert parameters and all(re.fullmatch(r"[!-~]+", p) for p in parameters)


CASES = {
    "TOP": case_top,
    "UIDL": case_uidl,
    "RESP-CODES": case_resp_codes,
    "AUTH-RESP-CODE": case_auth_resp_code,
    "PIPELINING": case_pipelining,
    "UTF8": case_utf8,
    "LANG": case_lang,
    "UID-PARAM": case_uid_param,
    "DELI": case_deli,
    "SLEE-WAKE": case_sleep,
    "SLEEPING": case_sleep,
    "QAUT": case_qaut,
    "MULTI-LINE-IND": case_multi_line_ind,
    "CORE": case_core("CORE"),
    "REFR": case_core("REFR"),
    "USER": unless_in(log_in_by(by_user)),
    "XLOG": unless_in(log_in_by(by_xlog)),
    "APOP": log_in_by(by_apop),
    "STLS": case_stls,
    "EXPIRE NEVER": case_expire_never,
    "EXPIRE 0": case_expire_0,
    "EXPIRE n": case_expire_n,
    "LOGIN-DELAY": case_login_delay,
    "IMPLEMENTATION": case_implementation,
}
CASES.update({f"SASL {name}": case_sasl(name) for name in MECHANISMS})


# ---- what is not offered -----------------------------------------------------

def refuse(command, words=""):
    """In the state itself."""
    def look(stage, promised):
        stage.shared("open").no(command, words)
    return look


def refuse_inside(command):
    """An unknown command, in a mailbox."""
    def look(stage, promised):
        stage.shared("inside").no(command, "Unknown command.")
    return look


def refuse_uid(stage, promised):
    """Where it is off it is no number, whatever messages there are."""
    stage.shared("inside").no("RETR UID:x", "Not a number")


def refuse_mark(stage, promised):
    box = stage.shared("inside")
    assert not box.ask("LIST").endswith(" _\r\n")
    box.rest()


def refuse_delay(stage, promised):
    for _ in range(2):
        with stage.inside("late") as box:
            box.ok("QUIT")


REFUSALS = {
    "UID-PARAM": refuse_uid,
    "MULTI-LINE-IND": refuse_mark,
    "LOGIN-DELAY": refuse_delay,
    "APOP": refuse("APOP demo " + 32 * "0"),
    "STLS": refuse("STLS"),
    "XLOG": refuse("XLOG demo secret"),
    "USER": refuse("USER demo"),
    "XTND": refuse_inside("XTND XMIT"),
}
REFUSALS.update({name: refuse_inside(command) for name, command in (
    ("DELI", "DELI 1"), ("SLEE-WAKE", "SLEE"), ("SLEEPING", "WAKE"),
    ("QAUT", "QAUT"), ("CORE", "CORE"), ("REFR", "REFR"))})
REFUSALS.update({f"SASL {name}": refuse(f"AUTH {name}") for name in
                 MECHANISMS + ("OAUTHBEARER", "XOAUTH2", "EXTERNAL",
                               "NO-SUCH")})
