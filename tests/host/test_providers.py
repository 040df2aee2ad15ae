"""Mailboxes that the host supplies to POP3: good ones, and hosts that err.

The host program is provided.c; the name of a user says what it does.
"""
import os
import poplib
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "integration"))
from harness import Wire, main  # noqa: E402


class Host:
    def __init__(self, build):
        self.folder = tempfile.TemporaryDirectory(prefix="mailmod-provided-")
        self.process = subprocess.Popen(
            [os.path.join(build, "tests", "host", "provided"),
             self.folder.name],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.lines = []
        self.port = int(self.wait("port ").split()[1])

    def wait(self, start):
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))
            if line.startswith(start):
                return line
        raise AssertionError((start, self.lines))

    def tell(self, letter):
        self.process.stdin.write(letter)
        self.process.stdin.flush()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.lines += self.process.stdout.read().splitlines()
        code = self.process.wait(120)
        self.folder.cleanup()
        assert code == 0 and not [line for line in self.lines
                                  if "FAULT" in line], self.lines

    def box(self, user, password="secret"):
        box = poplib.POP3("127.0.0.1", self.port, timeout=120)
        box.user(user)
        box.pass_(password)
        return box

    def refusal(self, user, password="secret"):
        """What PASS gets, and whether the connection goes on."""
        with Wire(self.port, timeout=120) as wire:
            wire.reply()
            wire.ask(f"USER {user}")
            reply = wire.ask(f"PASS {password}").rstrip()
            return reply, goes_on(wire)


def goes_on(wire):
    """Whether the peer is still there."""
    try:
        wire.send(b"CAPA\r\n")
        return wire.line().startswith(b"+OK")
    except (EOFError, ConnectionError):
        return False


def refused(call):
    try:
        call()
    except poplib.error_proto as error:
        return error.args[0].decode()
    raise AssertionError("it was not refused")


def good(host):
    box = host.box("good")
    assert b"mail of the host ready" in box.getwelcome(), box.getwelcome()
    capabilities = box.capa()
    assert capabilities["IMPLEMENTATION"] == ["mail", "of", "the", "host"]
    assert host.wait("login ") == \
        "login good 127.0.0.1 tls=0 connection=1 later=1\n"
    assert box.stat()[0] == 3
    assert box.uidl()[1] == [b"1 id-0", b"2 id-1", b"3 id-2"]
    sizes = [int(line.split()[1]) for line in box.list()[1]]
    texts = [b"".join(line + b"\r\n" for line in box.retr(number)[1])
             for number in (1, 2, 3)]
    assert texts == [b"Subject: one\r\n\r\nbare line ends\r\n.dot\r\n", b"",
                     b"Subject: three\r\n\r\n"], texts
    assert sizes == [len(text) for text in texts]
    assert box.top(1, 1)[1] == [b"Subject: one", b"", b"bare line ends"]
    # RFC 1939 4: the lock is ours, though the mailbox is the host's.
    assert "[IN-USE]" in refused(lambda: host.box("good"))
    box.dele(1)
    box.close()  # and nothing is removed
    box = host.box("good")
    box.dele(1)
    box.dele(3)
    box.quit()
    box = host.box("good")
    assert box.uidl()[1] == [b"1 id-1"]
    box.quit()


def late(host):
    """What came after the login is asked for by its unique-id, once."""
    def enter(wire):
        wire.reply()
        for line in ("USER good", "PASS secret"):
            assert wire.ask(line).startswith("+OK"), line

    with Wire(host.port, timeout=60) as wire:
        enter(wire)
        for line, wanted in (
                ("UIDL UID:late-0", "+OK 0 late-0"),
                ("LIST UID:late-0", "+OK 0 38"),
                ("LIST uid:late-2", "+OK 0 18"),
                ("LIST UID:id-1", "+OK 1 0"),
                ("RETR UID:made-up", "-ERR [UID/NOT-FOUND] no such UID"),
                ("RETR UID:moved", "-ERR [SYS/PERM] elsewhere"),
                ("STAT", "+OK 1 0")):
            assert wire.ask(line).rstrip() == wanted, line
        assert wire.ask("RETR UID:late-0").startswith("+OK")
        lines = []
        while not lines or lines[-1] != b".\r\n":
            lines.append(wire.line())
        assert lines[:2] == [b"Subject: one\r\n", b"\r\n"], lines
        for line in ("DELE UID:late-0", "DELI UID:late-2"):
            assert wire.ask(line).startswith("+OK"), line
        assert wire.ask("TOP UID:late-0 1").startswith("-ERR that message is")
        assert wire.ask("QUIT").startswith("+OK 1 message deleted")
    with Wire(host.port, timeout=60) as wire:
        enter(wire)
        reply = wire.ask("LIST UID:broken")
        assert reply.startswith("-ERR [SYS/TEMP]") and not goes_on(wire), reply
    host.wait("find broken")
    asked = [line.split()[1] for line in host.lines if line[:5] == "find "]
    assert asked == ["late-0", "late-2", "made-up", "moved", "broken"], asked
    assert {"removed late-0", "removed late-2"} < set(host.lines)


def mistakes(host):
    reply, is_open = host.refusal("good", "wrong")
    assert reply.startswith("-ERR [AUTH]") and is_open, reply
    reply, is_open = host.refusal("busy")
    assert reply == "-ERR [IN-USE] not twice" and is_open, reply
    reply, is_open = host.refusal("banned")
    assert reply == "-ERR [AUTH] go away" and not is_open, reply
    reply, is_open = host.refusal("silent")
    assert reply.startswith("-ERR ") and "[" not in reply and is_open, reply
    for user in ("broken", "twice", "blank", "strange"):
        reply, is_open = host.refusal(user)
        assert reply.startswith("-ERR [SYS/TEMP]"), (user, reply)
        assert not is_open, user


def readings(host):
    box = host.box("mute")
    assert refused(lambda: box.retr(1)) == "-ERR this mailbox cannot do that"
    box.quit()
    box = host.box("gone")
    assert refused(lambda: box.retr(1)) == "-ERR it went"
    box.quit()
    box = host.box("endless")
    assert box.top(1, 3)[1] == [b"", b"line", b"line", b"line"]
    box.quit()
    box = host.box("endless")
    box.sock.sendall(b"RETR 1\r\n")
    assert box.file.readline().startswith(b"+OK")
    box.sock.close()
    box.file.close()
    # Half of a message is not the whole one: no terminator comes.
    with Wire(host.port, timeout=120) as wire:
        wire.reply()
        for line in ("USER cut", "PASS secret"):
            assert wire.ask(line).startswith("+OK"), line
        wire.send(b"RETR 1\r\n")
        lines = []
        try:
            while True:
                lines.append(wire.line())
        except (EOFError, ConnectionError):
            pass
        assert b".\r\n" not in lines, lines
    box = host.box("cut")
    box.dele(1)
    assert refused(box.quit) == "-ERR [SYS/PERM] never"


def read_only(host):
    for user in ("frozen", "good@ODD.test"):
        box = host.box(user)
        assert "[READ-ONLY]" in refused(lambda: box.dele(1)), user
        box.quit()


def mechanisms(host):
    """What is offered: nothing by which a password is not shown."""
    box = poplib.POP3("127.0.0.1", host.port, timeout=120)
    capabilities = box.capa()
    box.quit()
    assert "<" not in box.getwelcome().decode()
    return set(capabilities["SASL"])


def test_providers(build):
    with Host(build) as host:
        good(host)
        late(host)
        mistakes(host)
        readings(host)
        read_only(host)
        # The users of the store are nobody's here, until it is taken away.
        assert not mechanisms(host) - {"PLAIN", "LOGIN"}
        host.box("demo", "secret").quit()
        host.tell("t")
        assert host.wait("taken ") == "taken 0\n"
        assert not mechanisms(host) - {"PLAIN", "LOGIN"}  # the other one is there
        box = host.box("demo")
        assert b"POP3 ready" in box.getwelcome()
        assert box.stat() == (0, 0)
        box.quit()
        left = host.box("endless@odd.test")  # that one is still there
        left.quit()
    assert host.lines[-1] == "left logins=0 readings=0", host.lines[-5:]
    assert host.lines.count("released all") == 1
    assert host.lines.count("released odd") == 1
    logged = [line for line in host.lines if line.startswith("log ")]
    assert any("one unique-id" in line and "unique_id=same" in line
               for line in logged), logged


main(__name__, test_providers)
