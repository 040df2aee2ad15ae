"""Mail fetched from mailboxes elsewhere: from another instance over STLS with a
verified name, from servers with faults, and killed at random meanwhile.

Nothing is lost and nothing comes twice; what cannot be fetched stays there.
MAILMOD_FETCH_ROUNDS sets the rounds of kills; the seed is printed.
"""
import base64
import hashlib
import hmac
import os
import random
import re
import shutil
import tempfile
import threading
import time

from harness import Daemon, main, token_giver, wait_for
from popserver import CUT, HANG, PopServer, stuffed
from sink import Sink

ROUNDS = int(os.environ.get("MAILMOD_FETCH_ROUNDS", "20"))


def mail(mark, size=0):
    return (f"From: a@b.example\r\nTo: demo@mail.test\r\n"
            f"Date: Mon, 30 Nov 2026 08:00:00 +0000\r\n"
            f"Message-ID: <{mark}@b.example>\r\nSubject: {mark}\r\n\r\n"
            f".dot\r\n..\r\n" + ("x" * 70 + "\r\n") * (size // 72)).encode()


def account(port, words="", host="127.0.0.1", user="joe", tls="off",
            name="work"):
    return (f"name={name} host={host} port={port} user={user} tls={tls} "
            f"to=demo interval=0 {words} password=secret")


# For servers that do not say all that they should.
WITH_HANGS = {"fetch.parallel": 64, "fetch.timeout": "6s"}


def target(build, accounts, users=("demo",), **settings):
    return Daemon(build, users=users,
                  settings={"fetch.accounts": accounts,
                            "fetch.timeout": "30s", **settings})


def visit(daemon, name="work", action="run"):
    """One visit, and its line of the list."""
    after = len(daemon.lines)
    daemon.ctl("fetch", action, name)
    daemon.wait_log(r"fetch: fetch(ed|ing failed).* account=" + name,
                    after=after)
    # What the visit came to is on disk a moment later.
    return wait_for(lambda: row_of(daemon, name), what="the visit's row")


def row_of(daemon, name):
    for line in daemon.ctl("fetch", "list").stdout.splitlines():
        if line.startswith(name + " ") and "to be visited" not in line:
            return line
    return None


def marks(daemon):
    """The subjects of the mailbox, in its order."""
    return [re.search(rb"(?m)^Subject: (\S+)\r$", m)[1].decode()
            for m in daemon.messages()]


def test_from_another_instance(build):
    """STLS, the certificate verified; dots, long ones; once; deleted there."""
    with Daemon(build, users=("joe",), host="localhost",
                settings={"local.domains": "localhost"}) as source:
        for i in range(30):
            with source.smtp() as smtp:
                smtp.sendmail("a@b.example", "joe@localhost",
                              mail(f"m{i}", 200000 if i == 7 else 0))
        authority = os.path.join(source.folder, "data", "self-signed.crt")
        words = account(source.port("pop3"), host="localhost", tls="must")
        with target(build, [words, words.replace("name=work", "name=away")
                            .replace("interval=0", "interval=0 delete")],
                    **{"fetch.authority_file": authority}) as daemon:
            line = visit(daemon)
            assert line.split()[3:8] == ["30", "30", "30", "0", "0"], line
            assert marks(daemon) == [f"m{i}" for i in range(30)]
            theirs = source.messages("joe")
            for ours, other in zip(daemon.messages(), theirs):
                # Ours begins with our Return-Path and Received.
                assert ours.endswith(other.split(b"\r\n", 1)[1]), ours[:400]
                assert b"with POP3 id" in ours[:300], ours[:300]
            line = visit(daemon)
            assert line.split()[3:8] == ["30", "0", "0", "0", "0"], line
            line = visit(daemon, "away")
            assert line.split()[3:8] == ["30", "30", "30", "30", "0"], line
            assert len(marks(daemon)) == 60
            assert source.messages("joe") == []


def test_certificate_of_another_name(build):
    """The name must be the certificate's: nothing of a login is said."""
    with Daemon(build, users=("joe",), host="localhost") as source:
        words = account(source.port("pop3"), tls="must")
        with target(build, [words]) as daemon:
            line = visit(daemon)
            assert "ok" not in line.split() and "certificate" in line, line
            assert marks(daemon) == []
            assert not any("USER" in l for l in source.lines), source.lines


FAULTS = {
    "greeting hangs": {"GREETING": HANG},
    "greeting cut": {"GREETING": CUT},
    "greeting refused": {"GREETING": b"-ERR [SYS/TEMP] no\r\n"},
    "greeting of another": {"GREETING": b"220 hi\r\n"},
    "greeting endless": {"GREETING": b"+OK " + b"x" * 1000000},
    "capa hangs": {"CAPA": HANG},
    "capa cut": {"CAPA": CUT},
    "capa endless": {"CAPA": b"+OK\r\n" + b"X\r\n" * 100000},
    "user hangs": {"USER": HANG},
    "user refused": {"USER": b"-ERR no\r\n"},
    "pass hangs": {"PASS": HANG},
    "pass refused": {"PASS": b"-ERR [AUTH] no\r\n"},
    "pass in use": {"PASS": b"-ERR [IN-USE] later\r\n"},
    "pass cut": {"PASS": CUT},
    "list hangs": {"LIST": HANG},
    "list refused": {"LIST": b"-ERR no\r\n"},
    "list cut": {"LIST": b"+OK\r\n1 10\r\n"},
    "list wrong": {"LIST": b"+OK\r\nx y\r\n.\r\n"},
    "list zero": {"LIST": b"+OK\r\n0 10\r\n.\r\n"},
    "list prose": {"LIST": b"hello\r\n"},
    "uidl hangs": {"UIDL": HANG},
    "uidl cut": {"UIDL": b"+OK\r\n1 a\r\n"},
    "uidl wrong": {"UIDL": b"+OK\r\nno number\r\n.\r\n"},
    "retr hangs": {"RETR": HANG},
    "retr cut": {"RETR": CUT},
    "retr without its end": {"RETR": b"+OK\r\nSubject: half\r\n\r\nhalf\r\n"},
    "retr prose": {"RETR": b"hello\r\n"},
    "retr endless": {"RETR": b"+OK\r\n" + b"x" * 3000000},
    "unasked": {"PASS": b"+OK\r\n+OK again\r\n"},
    "greeting empty": {"GREETING": b"\r\n"},
    "capa prose": {"CAPA": b"hello\r\n"},
    "user cut": {"USER": CUT},
    "pass prose": {"PASS": b"hello\r\n"},
    "list endless line": {"LIST": b"+OK\r\n" + b"1" * 1000000},
    "list of a quarter of a million": {"LIST": b"+OK\r\n" +
                                       b"".join(b"%d 1\r\n" % (n + 1)
                                                for n in range(250000))},
    "list answered twice": {"LIST": b"+OK\r\n.\r\n+OK again\r\n"},
    "uidl endless line": {"UIDL": b"+OK\r\n1 " + b"x" * 1000000},
}
# What goes wrong when messages are here already: they stay there once more,
# and do not come again.
LATE_FAULTS = {
    "dele hangs": {"DELE": HANG},
    "dele cut": {"DELE": CUT},
    "dele refused": {"DELE": b"-ERR no\r\n"},
    "dele prose": {"DELE": b"hello\r\n"},
    "quit prose": {"QUIT": b"hello\r\n"},
}


def visit_all(daemon, names):
    """A visit of each account; their lines of the list."""
    after = len(daemon.lines)
    daemon.ctl("fetch", "run", "all")
    for name in names:
        daemon.wait_log(r"fetch: fetch(ed|ing failed).* account=" + name +
                        r"\b", after=after)
    return wait_for(lambda: rows_of(daemon, names), what="the visits' rows")


def rows_of(daemon, names):
    rows = {name: row_of(daemon, name) for name in names}
    return rows if all(rows.values()) else None


def check_mended(fault, name, line, server, found):
    mine = sorted(m for m in found if m.startswith(name + "-"))
    if fault == "retr endless":
        # That one is not read again at once.
        assert line.split()[5:8] == ["2", "2", "1"], (fault, line)
        assert len(server.box) == 1 and len(mine) == 2, fault
        return
    assert line.rstrip().endswith(" ok"), (fault, line)
    assert mine == [f"{name}-m{i}" for i in range(3)], (fault, mine)
    assert server.box == [], fault


def test_faults(build):
    """Each is a failure in words; then the server is mended, and all is there
    once."""
    servers = {}
    for i, fault in enumerate(FAULTS):
        name = f"a{i:02}"
        box = [(b"u%d" % n, mail(f"{name}-m{n}")) for n in range(3)]
        servers[name] = fault, PopServer(box, FAULTS[fault])
    words = [account(server.port, "delete size_max=1M", name=name)
             for name, (_, server) in servers.items()]
    with target(build, words, **WITH_HANGS) as daemon:
        lines = visit_all(daemon, servers)
        assert marks(daemon) == []
        for name, (fault, server) in servers.items():
            assert not lines[name].rstrip().endswith(" ok"), (fault, lines[name])
            assert len(server.box) == 3, fault
            server.faults = {}
        lines = visit_all(daemon, servers)
        found = marks(daemon)
        for name, (fault, server) in servers.items():
            check_mended(fault, name, lines[name], server, found)
            server.close()


def test_late_faults(build):
    """With those above, and test_quit_without_an_answer: more than forty."""
    servers = {}
    for i, fault in enumerate(LATE_FAULTS):
        box = [(b"u%d" % n, mail(f"b{i}-m{n}")) for n in range(3)]
        servers[f"b{i}"] = PopServer(box, LATE_FAULTS[fault])
    words = [account(server.port, "delete", name=name)
             for name, server in servers.items()]
    with target(build, words, **WITH_HANGS) as daemon:
        visit_all(daemon, servers)
        for server in servers.values():
            assert len(server.box) == 3
            server.faults = {}
        lines = visit_all(daemon, servers)
        lines = visit_all(daemon, servers)
        for name, server in servers.items():
            assert server.box == [] and lines[name].rstrip().endswith(" ok")
            server.close()
        assert sorted(marks(daemon)) == sorted(
            f"{name}-m{n}" for name in servers for n in range(3))


def test_attack_97_lists_that_lie(build):
    """Sizes, gaps, numbers past 2^32; a CAPA that lies; a message that is cut
    behind what looks like its end: bounded, and kept on the server."""
    texts = [mail(f"m{i}", 3000) for i in range(3)]
    liar = PopServer([(b"u%d" % i, t) for i, t in enumerate(texts)], {
        "CAPA": b"+OK\r\nUSER\r\nTOP\r\nUIDL\r\nPIPELINING\r\n.\r\n",
        "UIDL": b"-ERR unknown\r\n", "TOP": b"-ERR unknown\r\n"})
    sizes = PopServer([(b"u%d" % i, t) for i, t in enumerate(texts)])
    sizes.sizes = {b"u0": 1, b"u1": 10 ** 30}
    gaps = PopServer([(b"u%d" % i, t) for i, t in enumerate(texts)], {
        "LIST": b"+OK\r\n1 10\r\n3 10\r\n4294967297 10\r\n"
                b"18446744073709551615 10\r\n.\r\n"})
    cut = PopServer([(b"u0", texts[0])], {
        "RETR": lambda peer: peer.sendall(b"+OK\r\nSubject: cut\r\n\r\nhi\r\n.") or
        peer.close()})
    peers = {"liar": liar, "sizes": sizes, "gaps": gaps, "cut": cut}
    words = [account(peer.port, name=name) for name, peer in peers.items()]
    with target(build, words, **WITH_HANGS) as daemon:
        lines = visit_all(daemon, peers)
        assert lines["liar"].split()[5] == "3", lines
        # What is told to be huge is not read; what is told small is.
        assert lines["sizes"].split()[5:8] == ["2", "0", "1"], lines
        assert lines["gaps"].split()[5:8] == ["2", "0", "2"], lines
        assert lines["cut"].split()[5] == "0", lines
        assert "cut" not in marks(daemon)
        lines = visit_all(daemon, peers)
        assert [lines[name].split()[5] for name in ("liar", "sizes", "gaps")
                ] == ["0", "0", "0"], lines
        for peer in peers.values():
            peer.close()


def test_injection_at_stls(build):
    """What a stranger says behind the +OK to STLS is not believed."""
    faults = {"CAPA": b"+OK\r\nSTLS\r\n.\r\n",
              "STLS": b"+OK\r\n+OK injected\r\n"}
    with PopServer([], faults) as server, \
            target(build, [account(server.port, tls="must")]) as daemon:
        line = visit(daemon)
        assert not line.rstrip().endswith(" ok"), line
        assert server.commands == ["CAPA", "STLS"], server.commands


STAMP = "<1896.697170952@dbc.mtview.ca.us>"


def test_logins(build):
    """APOP and CRAM-MD5 show no password; in clear only where TLS is off; a
    refused password is not said another way."""
    sasl = b"+OK\r\nUSER\r\nSASL CRAM-MD5 PLAIN LOGIN\r\n.\r\n"
    challenge = b"+ " + base64.b64encode(STAMP.encode()) + b"\r\n"
    digest = hashlib.md5((STAMP + "secret").encode()).hexdigest()
    keyed = hmac.new(b"secret", STAMP.encode(), "md5").hexdigest()
    greeting = {"GREETING": b"+OK " + STAMP.encode() + b"\r\n"}
    rows = [
        (greeting, "off", ["CAPA", "APOP joe " + digest, "LIST"]),
        ({"CAPA": sasl, "AUTH": challenge}, "off",
         ["CAPA", "AUTH CRAM-MD5",
          base64.b64encode(f"joe {keyed}".encode()).decode(), "LIST"]),
        ({"CAPA": sasl, "AUTH": b"-ERR [AUTH] no\r\n"}, "off",
         ["CAPA", "AUTH CRAM-MD5"]),
        ({"CAPA": sasl.replace(b"CRAM-MD5 ", b"")}, "off",
         ["CAPA", "AUTH PLAIN " + base64.b64encode(b"\0joe\0secret").decode(),
          "LIST"]),
        ({"CAPA": sasl}, "may", ["CAPA", "QUIT"]),
        (greeting, "must", ["CAPA", "QUIT"]),
        # attack 99: a stamp that is no message id, or far too long, is none
        ({"GREETING": b"+OK <no-stamp>\r\n"}, "off",
         ["CAPA", "USER joe", "PASS secret", "LIST"]),
        ({"GREETING": b"+OK <" + b"x" * 400 + b"@y.example>\r\n"}, "off",
         ["CAPA", "USER joe", "PASS secret", "LIST"]),
    ]
    servers = {f"a{i}": PopServer([], faults)
               for i, (faults, _, _) in enumerate(rows)}
    words = [account(servers[f"a{i}"].port, tls=row[1], name=f"a{i}")
             for i, row in enumerate(rows)]
    with target(build, words) as daemon:
        visit_all(daemon, servers)
        for name, row in zip(servers, rows):
            said = servers[name].commands[:len(row[2])]
            assert said == row[2], (row, servers[name].commands)
            servers[name].close()


def test_tokens(build):
    """XOAUTH2 and OAUTHBEARER by tokens of a command: one refresh after a
    refusal, no other mechanism, and no wait without an end (R23)."""
    folder = tempfile.mkdtemp(prefix="mailmod-token-")
    refusal = b"+ " + base64.b64encode(b'{"status":"401"}') + b"\r\n"

    def said(text):
        return base64.b64encode(text.encode()).decode()

    class Server(PopServer):
        """Takes the tokens that are good; tells why not, as Google does."""
        good = ()

        def answer(self, verb, words, deleted):
            if verb == "CAPA":
                return self.capa
            if verb == "AUTH":
                self.is_bad = not any(said(g) in words for g in self.good)
                return refusal if self.is_bad else b"+OK\r\n"
            if words[0] in ("AQ==",):
                return b"-ERR [AUTH] no\r\n"
            return super().answer(verb, words, deleted)

        def converse(self, peer, lines):
            server = self

            class Lines:
                """XOAUTH2's empty answer is a word for converse()."""
                @staticmethod
                def readline():
                    line = lines.readline()
                    return b"AQ==\r\n" if line == b"\r\n" else line
            super().converse(peer, Lines)

    def server(mechanisms, *good):
        made = Server([(b"u1", mail("m1"))])
        made.capa = (b"+OK\r\nUSER\r\nSASL PLAIN " + mechanisms +
                     b"\r\n.\r\n")
        made.good = good
        return made
    x = "user=joe\x01auth=Bearer {}\x01\x01"
    b = "n,a=joe,\x01auth=Bearer {}\x01\x01"
    peers = {"xoauth": server(b"XOAUTH2", x.format("t.0")),
             "bearer": server(b"XOAUTH2 OAUTHBEARER", b.format("t.0")),
             "old": server(b"XOAUTH2", x.format("t.1")),
             "bad": server(b"XOAUTH2"), "plain": server(b""),
             "slow": server(b"XOAUTH2"), "none": server(b"XOAUTH2"),
             "odd": server(b"XOAUTH2"), "long": server(b"XOAUTH2")}
    words = [account(peer.port, name=name).replace("password=secret", "token")
             for name, peer in peers.items()]
    with target(build, words, **{"fetch.token_command":
                                     token_giver(build, folder + "/asked"),
                                 **WITH_HANGS}) as daemon:
        lines = visit_all(daemon, peers)
        for name in ("xoauth", "bearer", "old"):
            assert lines[name].split()[5] == "1", (lines[name],
                                                   peers[name].commands)
        for name, words in (("bad", "[AUTH] no"), ("slow", "time"),
                            ("none", "no token"), ("odd", "no token"),
                            ("long", "no token")):
            assert words in lines[name], lines[name]
        assert lines["plain"].split()[5] == "0", lines["plain"]
        with open(folder + "/asked", encoding="ascii") as asked:
            told = asked.read().splitlines()
        for refresh in "01":
            assert told.count(f"old joe 127.0.0.1 {peers['old'].port} "
                              + refresh) == 1, told
        assert sum(t.startswith("bad ") for t in told) == 2, told
        assert len([c for c in peers["bad"].commands
                    if c.startswith("AUTH")]) == 2, peers["bad"].commands
        for peer in peers.values():
            assert not any(c.startswith(("USER", "AUTH PLAIN"))
                           for c in peer.commands), peer.commands
            peer.close()
        assert "t.0" not in "\n".join(daemon.lines)
    shutil.rmtree(folder)


def test_quit_without_an_answer(build):
    """Taken over, the deletion unsure: the next visit deletes, fetches none."""
    for quit_fault in (CUT, HANG, b"-ERR some not removed\r\n"):
        box = [(b"u%d" % i, mail(f"m{i}")) for i in range(3)]
        with PopServer(box, {"QUIT": quit_fault}) as server, \
                target(build, [account(server.port, "delete")],
                       **{"fetch.timeout": "4s"}) as daemon:
            visit(daemon)
            assert marks(daemon) == ["m0", "m1", "m2"]
            server.faults = {}
            line = visit(daemon)
            assert line.split()[3:8] == ["3", "0", "0", "3", "0"], line
            assert marks(daemon) == ["m0", "m1", "m2"]
            assert server.box == []


def test_unique_ids(build):
    """None, doubled, too long, renumbered, used again (attack 96)."""
    texts = [mail(f"m{i}", 100 * i) for i in range(4)]
    box = [(b"u%d" % i, text) for i, text in enumerate(texts)]
    with PopServer(box) as server, \
            target(build, [account(server.port)]) as daemon:
        visit(daemon)
        # All are other ones now: the same messages.
        server.box = [(b"v%d" % i, text) for i, text in enumerate(texts)]
        assert visit(daemon).split()[5] == "0"
        # None at all, then doubled ones, then far too long ones.
        server.uidl = False
        assert visit(daemon).split()[5] == "0"
        server.uidl = True
        server.box = [(b"same", text) for text in texts]
        assert visit(daemon).split()[5] == "0"
        server.box = [(b"x" * 2000 + b"%d" % i, text)
                      for i, text in enumerate(texts)]
        assert visit(daemon).split()[5] == "0"
        server.box = [(b"u%d" % i, text) for i, text in enumerate(texts)]
        assert visit(daemon).split()[5] == "0"
        # One is used again, for another message.
        server.box[2] = (b"u2", mail("new", 5000))
        assert visit(daemon).split()[5] == "1"
        # A second, identical mail is a mail.
        server.box.append((b"u9", texts[0]))
        assert visit(daemon).split()[5] == "1"
        assert marks(daemon) == ["m0", "m1", "m2", "m3", "new", "m0"]


def test_without_unique_ids_and_top(build):
    texts = [mail(f"m{i}") for i in range(3)] + [mail("m0")]
    for top in (True, False):
        with PopServer([(b"-", t) for t in texts], uidl=False,
                       top=top) as server, \
                target(build, [account(server.port, "delete")]) as daemon:
            assert visit(daemon).split()[5] == "4"
            assert server.box == []
            # The same header again is another mail now.
            server.box = [(b"-", texts[0])]
            assert visit(daemon).split()[5] == "1"
            assert marks(daemon) == ["m0", "m1", "m2", "m0", "m0"]


def test_what_stays_there(build):
    """Too large; gone round too often; nobody here who gets it (attacks 100,
    101): no report to the sender, and the others come."""
    loop = b"".join(b"Received: from a by b; x\r\n" for _ in range(200))
    box = [(b"large", mail("large", 2000000)), (b"loop", loop + mail("loop")),
           (b"good", mail("good"))]
    with PopServer(box) as server, \
            target(build, [account(server.port, "delete size_max=1M"),
                           account(server.port, "delete", name="nobody")
                           .replace("to=demo", "to=nobody")]) as daemon:
        line = visit(daemon, "nobody")
        assert "gets no mail here" in line and len(server.box) == 3, line
        line = visit(daemon)
        assert line.split()[5:8] == ["1", "1", "2"], line
        assert marks(daemon) == ["good"]
        assert [uid for uid, _ in server.box] == [b"large", b"loop"]
        assert "empty" in daemon.ctl("queue", "list").stdout
        assert "RETR 1" not in server.commands


def named(mark, *fields):
    return b"".join(f"{f}\r\n".encode() for f in fields) + mail(mark)


def users_marks(daemon, user):
    return sorted(re.search(rb"(?m)^Subject: (\S+)\r$", m)[1].decode()
                  for m in daemon.messages(user))


def test_multidrop(build):
    """By the first Delivered-To of an address here; never to anybody elsewhere
    (attack 100); unique ids that are kept (R3)."""
    crowd = ",\r\n ".join(f"u{i}@elsewhere.test" for i in range(1000))
    box = [(b"d1", named("d1", "Delivered-To: joe@mail.test")),
           (b"d2", named("d2", "Delivered-To: box@isp.test",
                         "Delivered-To: <amy@mail.test>",
                         "Delivered-To: joe@mail.test")),
           (b"d3", mail("d3")),
           (b"d4", named("d4", "Delivered-To: nobody@mail.test")),
           (b"d5", named("d5", "Received: from a by b; x",
                         "Return-Path: <forged@elsewhere.test>",
                         "X-Original-To: forged@elsewhere.test",
                         "Delivered-To: forged@elsewhere.test",
                         "To: " + crowd)),
           (b"d6", named("d6", "Delivered-To: Joe <joe@mail.test>,"
                         " amy@mail.test"))]
    with PopServer(box) as server, PopServer(box) as other, \
            target(build, [account(server.port, "delete keep_uidl "
                                   "multidrop=delivered-to"),
                           account(other.port, "multidrop=To", name="to")],
                   users=("demo", "joe", "amy")) as daemon:
        line = visit(daemon)
        assert line.split()[3:8] == ["6", "6", "6", "6", "0"], line
        assert users_marks(daemon, "joe") == ["d1", "d6"]
        assert users_marks(daemon, "amy") == ["d2", "d6"]
        assert users_marks(daemon, "demo") == ["d3", "d4", "d5"]
        assert "empty" in daemon.ctl("queue", "list").stdout
        with_ids = [daemon.pop3(user).uidl()[1] for user in ("joe", "amy")]
        assert with_ids == [[b"1 d1", b"2 d6"], [b"1 d2", b"2 d6"]], with_ids
        told = daemon.ctl("fetch", "list").stdout
        assert ("to=demo multidrop=delivered-to delete interval=0s size_max=50M"
                " timeout=30s refused=leave keep_uidl") in told, told
        # The header's To is demo@mail.test, a crowd elsewhere in d5.
        line = visit(daemon, "to")
        assert line.split()[5] == "6", line
        assert "empty" in daemon.ctl("queue", "list").stdout


def test_set_aside(build):
    """Attack 101: held where the operator sees it, brought back, once."""
    box = [(b"u%d" % i, mail(f"m{i}", 3000)) for i in range(3)]
    loop = b"".join(b"Received: from a by b; x\r\n" for _ in range(200))
    with PopServer(box) as server, PopServer([(b"l", loop + mail("l"))]) as \
            rounds, target(build, [
                account(server.port, "delete refused=aside")
                .replace("to=demo", "to=late"),
                account(rounds.port, "delete refused=aside", name="rounds")],
                **{"local.quota": "6K"}) as daemon:
        line = visit(daemon)
        assert line.split()[5:8] == ["3", "3", "0"] and server.box == [], line
        listed = daemon.ctl("queue", "list").stdout
        assert listed.count("aside:work") == 3, listed
        assert listed.count("held") >= 3 and "late@mail.test" in listed, listed
        daemon.ctl("queue", "release", "all")
        daemon.wait_log("delivery: set aside .*late@mail.test")
        daemon.add_user("late", "secret")
        wait_for(lambda: daemon.ctl("queue", "list").stdout.count("held") >= 3,
                 what="all to be held again")
        # One has room in the mailbox, the others wait for the quota: held, or
        # put off where the first was in before they were looked up.
        daemon.ctl("queue", "release", "all")
        wait_for(lambda: re.search("(?i)mailbox (is )?full",
                                   daemon.ctl("queue", "list").stdout),
                 what="a full mailbox")
        wait_for(lambda: len(daemon.messages("late")) == 1, what="the first")
        daemon.ctl("user", "quota", "late", "none")
        daemon.ctl("queue", "release", "all")
        daemon.ctl("queue", "flush")
        wait_for(lambda: "empty" in daemon.ctl("queue", "list").stdout,
                 what="the rest")
        assert users_marks(daemon, "late") == ["m0", "m1", "m2"]
        line = visit(daemon, "rounds")
        assert line.split()[5:8] == ["1", "1", "0"], line
        assert "gone round" in daemon.ctl("queue", "list").stdout


def test_requeued(build):
    """To an address elsewhere by the queue, with the null path; refused there
    it is held, and nobody is sent a report; one that was there is a loop."""
    box = [(b"u1", mail("m1")),
           (b"u2", named("m2", "Delivered-To: ann@there.test"))]
    replies = {"RCPT": "550 5.1.1 no"}
    with PopServer(box) as server, Sink(replies=replies) as sink, \
            target(build, [account(server.port, "delete")
                           .replace("to=demo", "to=ann@there.test")],
                   **{"smarthost.host": "127.0.0.1",
                      "smarthost.port": sink.port,
                      "smarthost.tls": "off"}) as daemon:
        line = visit(daemon)
        assert line.split()[5:8] == ["1", "1", "1"], line
        daemon.wait_log("delivery: set aside .*ann@there.test")
        listed = daemon.ctl("queue", "list").stdout
        assert "550 5.1.1 no" in listed and "held" in listed, listed
        assert sink.messages == [] and daemon.messages() == []
        replies.clear()
        daemon.ctl("queue", "release", "all")
        wait_for(lambda: sink.messages, what="the message")
        assert sink.messages[0].reverse_path == "", vars(sink.messages[0])
        assert b"Subject: m1" in sink.messages[0].data
        # It comes back to the mailbox elsewhere: that is a loop.
        server.box = [(b"u3", sink.messages[0].data)]
        line = visit(daemon)
        assert line.split()[5:8] == ["0", "0", "1"], line
        assert daemon.ctl("queue", "list").stdout.count("ann@") == 0


def test_check_and_forget(build):
    box = [(b"u%d" % i, mail(f"m{i}")) for i in range(3)]
    with PopServer(box) as server, \
            target(build, [account(server.port, "delete")]) as daemon:
        line = visit(daemon, action="check")
        assert line.split()[3:8] == ["3", "3", "0", "0", "0"], line
        assert marks(daemon) == [] and len(server.box) == 3
        server.keeps = True  # it says +OK to everything
        assert visit(daemon).split()[5] == "3"
        assert visit(daemon).split()[5] == "0"
        daemon.ctl("fetch", "forget", "work")
        assert visit(daemon).split()[5] == "3"
        assert marks(daemon) == ["m0", "m1", "m2"] * 2
        assert daemon.ctl("fetch", "run", "other", check=False).returncode == 1


def test_interval_and_back_off(build):
    """The first visit comes by itself, the next not before its time; a reload
    brings an account, takes one away, and counts anew."""
    with PopServer([(b"u1", mail("m1"))]) as server, \
            PopServer([(b"u2", mail("m2"))]) as other, \
            target(build, [account(server.port)
                           .replace("interval=0", "interval=1h")]) as daemon:
        daemon.wait_log("fetch: fetched .*account=work")
        assert marks(daemon) == ["m1"]
        daemon.settings["fetch.accounts"] = [
            account(other.port, name="other")
            .replace("interval=0", "interval=1h")]
        daemon.write_config()
        daemon.ask_reload()
        daemon.wait_log("fetch: fetched .*account=other")
        assert marks(daemon) == ["m1", "m2"]
        visits = len(server.ends) + len(other.ends)
        assert "not in the settings" in daemon.ctl("fetch", "list").stdout
        # A restart remembers when each was visited.
        assert daemon.stop() == 0
        daemon.start()
        line = visit(daemon, "other")
        assert line.split()[5] == "0", line
        assert len(server.ends) + len(other.ends) == visits + 1


def test_stop_in_a_visit(build):
    """A stop cuts a visit that hangs, and ends; the message stays there."""
    box = [(b"u%d" % i, mail(f"m{i}")) for i in range(3)]
    with PopServer(box, {"RETR": HANG}) as server, \
            target(build, [account(server.port, "delete")],
                   **{"fetch.timeout": "5m", "general.drain": "1s"}) as daemon:
        daemon.ctl("fetch", "run", "work")
        wait_for(lambda: "RETR 1" in server.commands, what="RETR")
        daemon.stop(30)
        server.faults = {}
        daemon.start()
        visit(daemon)
        assert marks(daemon) == ["m0", "m1", "m2"] and server.box == []


def test_another_mailbox_of_the_name(build):
    """Other user or host: what was seen of the former one says nothing."""
    with PopServer([(b"1", mail("mine"))]) as server, \
            PopServer([(b"1", mail("nine"))]) as other, \
            target(build, [account(server.port)]) as daemon:
        assert visit(daemon).split()[5] == "1"
        daemon.settings["fetch.accounts"] = [
            account(other.port, host="localhost")]
        daemon.write_config()
        daemon.ask_reload()
        daemon.wait_log("mailmodd: reloaded")
        assert visit(daemon).split()[5] == "1"
        assert marks(daemon) == ["mine", "nine"]


def test_attack_98_killed_at_each_step(build):
    """kill -9 when the server has each command, half a message, and QUIT with
    the deletions made: nothing lost, nothing twice."""
    steps = ["GREETING", "CAPA", "USER", "PASS", "LIST", "UIDL", "RETR", "half",
             "whole", "DELE", "QUIT", "deleted"]
    reached, dead = threading.Event(), threading.Event()
    with PopServer([]) as server, \
            target(build, [account(server.port, "delete")]) as daemon:

        def stop(peer, step):
            number = int((server.commands[-1].split() + ["1"])[1]) \
                if server.commands and step in ("half", "whole") else 1
            text = stuffed(server.box[number - 1][1])
            if step == "half":
                peer.sendall(b"+OK\r\n" + text[:50000])
            elif step == "whole":
                peer.sendall(b"+OK\r\n" + text + b".\r\n")
                time.sleep(0.05)
            elif step == "deleted":
                server.box = []
            reached.set()
            dead.wait(120)
            raise EOFError
        made = 0
        for step in steps:
            daemon.kill()
            dead.set()
            for _ in range(3):
                server.box.append((b"u%d" % made, mail(f"m{made}", 70000)))
                made += 1
            reached.clear()
            dead = threading.Event()
            server.faults = {{"half": "RETR", "whole": "RETR",
                              "deleted": "QUIT"}.get(step, step):
                             lambda peer, step=step: stop(peer, step)}
            daemon.ctl("fetch", "run", "work")
            daemon.start()
            assert reached.wait(120), step
        daemon.kill()
        dead.set()
        server.faults = {}
        daemon.start()
        visit(daemon)
        visit(daemon)
        found = marks(daemon)
        assert sorted(found) == sorted(f"m{i}" for i in range(made)), found
        assert server.box == []


def test_killed_at_random(build):
    """kill -9 during visits: nothing lost, nothing twice."""
    seed = random.randrange(1 << 30)
    print("seed", seed)
    rng = random.Random(seed)
    with PopServer([]) as server:
        daemon = target(build, [account(server.port, "delete")])
        with daemon:
            made = 0
            for _ in range(ROUNDS):
                daemon.kill()
                for _ in range(rng.randrange(6)):
                    size = rng.choice((0, 4000, 200000))
                    server.box.append((b"u%d" % made, mail(f"m{made}", size)))
                    made += 1
                daemon.ctl("fetch", "run", "work")
                daemon.start()
                time.sleep(rng.uniform(0, 0.15))
            visit(daemon)
            visit(daemon)
            found = marks(daemon)
            assert sorted(found) == sorted(f"m{i}" for i in range(made)), (
                seed, made, found)
            assert server.box == [], seed


main(__name__, test_from_another_instance, test_certificate_of_another_name,
     test_faults, test_injection_at_stls, test_logins, test_tokens,
     test_quit_without_an_answer,
     test_unique_ids, test_without_unique_ids_and_top, test_what_stays_there,
     test_multidrop, test_set_aside, test_requeued,
     test_check_and_forget, test_interval_and_back_off, test_stop_in_a_visit,
     test_another_mailbox_of_the_name, test_late_faults,
     test_attack_97_lists_that_lie, test_attack_98_killed_at_each_step,
     test_killed_at_random)
