"""Serving by the documented calls: FL-05 to FL-08, FL-11, T-009, T-018.

The hosts are serve.c, answers.c, reader.c, mailbox.c and busy.c.
"""
import poplib
import re
import smtplib
import socket
import struct
import subprocess
import threading
import time

from hosts import (BODY, ONE_MX, Host, NameServer, Sink, Skip, Wire,
                   is_windows, main, need, wait_for, way_out)

poplib._MAXLINE = 1 << 20  # the host of FL-08 writes a line of 70 000
CONNECT, SENDMSG, LOGIN, GETMSG, DELMSG, ALL = 1, 2, 4, 8, 16, 31


def test_fl05_by_itself(build):
    """No callback at all: what smtplib brings, POP3 shows."""
    with Host(build, "serve", "frida", "sesame", users=()) as host:
        with smtplib.SMTP("127.0.0.1", host.port("smtp"), timeout=120) as smtp:
            smtp.sendmail("a@c.test", ["frida@mail.test"], BODY)
        box = host.box("frida", "sesame")
        lines = box.retr(1)[1]
        box.dele(1)
        box.quit()
        assert lines[-4:] == [b"Subject: x", b"", b".dot", b"y" * 70], lines
        assert host.count(user="frida", password="sesame") == 0


def test_fl05_swaks(build):
    swaks = need("swaks")
    with Host(build, "serve", "frida", "sesame", users=()) as host:
        run = subprocess.run(
            [swaks, "--server", f"127.0.0.1:{host.port('smtp')}", "--from",
             "a@c.test", "--to", "frida@mail.test", "--body", "by swaks",
             "--helo", "c.test"], capture_output=True, text=True, timeout=120)
        assert run.returncode == 0, run.stdout
        box = host.box("frida", "sesame")
        assert b"by swaks" in box.retr(1)[1]
        box.quit()


def test_fl06_every_answer_of_smtp(build):
    with Host(build, "answers", ALL, ALL) as host:
        host.tell(f"{CONNECT} 550")
        with Wire(host.port("smtp")) as wire:
            assert wire.reply()[:3] == "550"
        host.tell(f"{CONNECT} 421")
        with Wire(host.port("smtp")) as wire:
            assert wire.reply()[:3] == "421" and wire.at_end()
        host.tell(f"{CONNECT} 7")
        with Wire(host.port("smtp")) as wire:
            assert wire.reply()[:3] == "554"
        for value in (0, -1):
            host.tell(f"{CONNECT} {value}")
            assert host.deliver().startswith("250"), value
        host.tell(f"{CONNECT} 0")
        assert host.count() == 2
        for value, code in ((550, "550"), (451, "451"), (1, "554"),
                            (600, "554"), (-1, "250"), (0, "250")):
            host.tell(f"{SENDMSG} {value}")
            assert host.deliver().startswith(code), (value, code)
        assert host.count() == 3
        assert host.end() == 0
        assert host.said(r"^asked 1 127\.0\.0\.1$")
        asked = host.said("^asked 2 (.*) from=(.*) to=(.*)$")
        assert asked[0][1] == asked[0][2] == "a@c.test", asked[0]
        assert asked[0][3] == "demo@mail.test"
        peers = host.said("^peer ")
        assert all("ip=127.0.0.1 family=2 size=16 short=-16 socket=1" in
                   peer.string for peer in peers), peers[0].string
        assert "user=- password=-" in peers[0].string


def test_t011_who_is_there(build):
    """IPv6 has no number for GetRemoteIP; AUTH has a name."""
    with Host(build, "answers", ALL, ALL, settings={
            "smtp.listen": "[::1]:0", "smtp.allows_clear_auth": True}) as host:
        with Wire(host.port("smtp"), host="::1") as wire:
            assert wire.reply()[:3] == "220"
        with host.smtp("submission", local_hostname="c.test") as smtp:
            smtp.login("demo", "secret")
            smtp.sendmail("demo@mail.test", ["demo@mail.test"], BODY)
        assert host.end() == 0
        family = 23 if is_windows(build) else 10  # AF_INET6
        assert host.said(f"^peer ip=0.0.0.0 family={family} size=28 short=-28 "
                         "socket=1 user=-"), host.lines
        assert host.said("^asked 1 ::1$"), host.lines
        after = host.lines.index(host.said("^asked 2 demo@mail.test")[0].string)
        assert "user=demo password=-" in host.lines[after - 1], host.lines


def refused(call, *arguments):
    try:
        call(*arguments)
    except poplib.error_proto as error:
        return error.args[0].decode()
    raise AssertionError(f"{call.__name__}{arguments} was not refused")


def test_t009_every_answer_of_pop3(build):
    with Host(build, "answers", ALL, ALL) as host:
        for _ in range(4):
            assert host.deliver().startswith("250")
        host.tell(f"{LOGIN} 550")
        text = refused(host.box)
        assert "[AUTH]" in text and "550" in text, text
        host.tell(f"{LOGIN} -1")
        box = host.box("stranger", "anything")
        assert box.stat() == (0, 0)
        box.quit()
        box = host.box(password="anything")
        assert box.stat()[0] == 4
        box.quit()
        host.tell(f"{LOGIN} 0")
        assert "[AUTH]" in refused(host.box, "demo", "anything")
        box = host.box()
        host.wait_log("^peer .*user=demo password=secret$")
        assert b".dot" in box.retr(1)[1]
        host.tell(f"{GETMSG} 550")
        assert "550" in refused(box.retr, 1)
        assert "550" in refused(box.top, 1, 3)
        host.tell(f"{GETMSG} -1")
        assert box.retr(2)[1] == []
        host.tell(f"{GETMSG} 0")
        host.tell(f"{DELMSG} 550")
        assert "550" in refused(box.dele, 1)
        host.tell(f"{DELMSG} -1")
        box.dele(2)
        host.tell(f"{DELMSG} 0")
        box.dele(3)
        box.quit()
        box = host.box()
        uids = [line.split()[1].decode() for line in box.uidl()[1]]
        box.quit()
        assert host.end() == 0
        numbers = [match[1] for match in host.said(r"^asked 16 \S+ number="
                                                   r"(\d+)")]
        assert numbers == ["1", "2", "3"], numbers
        # The host dealt with 2 by itself: only 3 is gone.
        assert len(uids) == 3, uids
        assert host.said(r"^asked 8 (\S+) number=1")[0][1] == uids[0]


def test_masks_ask_for_what_they_say(build):
    """Each action left out of the mask in turn."""
    for action in (CONNECT, SENDMSG, LOGIN, GETMSG, DELMSG):
        with Host(build, "answers", ALL & ~action, ALL & ~action) as host:
            host.deliver()
            box = host.box()
            box.retr(1)
            box.dele(1)
            box.quit()
            assert host.end() == 0
            asked = {int(match[1]) for match in host.said(r"^asked (\d+) ")}
            assert asked == {CONNECT, SENDMSG, LOGIN, GETMSG,
                             DELMSG} - {action}, (action, asked)
    # Each mask is its own server's: SMTP's bits do not ask for POP3's.
    with Host(build, "answers", SENDMSG | LOGIN, DELMSG | CONNECT) as host:
        host.deliver()
        box = host.box()
        box.retr(1)
        box.dele(1)
        box.quit()
        assert host.end() == 0
        asked = [match[1] for match in host.said(r"^asked (\d+) ")]
        assert asked == [str(SENDMSG), str(DELMSG)], asked


def test_fl07_reading(build):
    """What was read is stored or not, as the return value has it."""
    big = b"Subject: big\r\n\r\n" + (b"." + b"z" * 70 + b"\r\n") * 30000
    with Host(build, "reader") as host:
        stored = 0
        for body in (BODY, big):
            for how in ("all", "part"):
                for value, code in (("+0", "250"), ("-1", "250"),
                                    ("+554", "554")):
                    before = len(host.said("^read "))
                    reply = host.deliver(f"{how}{value}@c.test", body)
                    assert reply.startswith(code), (how, value, reply)
                    size = len(body) if how == "all" else min(
                        100, len(body))
                    wait_for(lambda: len(host.said("^read ")) > before,
                             what="the host's word")
                    told = host.said(r"^read (\d+) error=(-?\d+)")[before:]
                    assert [(t[1], t[2]) for t in told] == [
                        (str(size), "0")], (how, value, told)
                    stored += value == "+0"
                    assert host.count() == stored, (how, value)
        reply = host.deliver("reply-1@c.test")
        assert reply == f"250 2.6.0 {len(BODY)} octets read\r\n", reply
        box = host.box()
        for number, body in enumerate([BODY, BODY, big, big], 1):
            text = b"\r\n".join(box.retr(number)[1]) + b"\r\n"
            assert text.endswith(body), number
        box.quit()


def test_fl08_the_mailbox_is_the_hosts(build):
    with Host(build, "mailbox", users=("demo", "banned")) as host:
        for _ in range(4):
            host.deliver()
        box = host.box("guest7", "whatever")
        assert box.stat() == (0, 0)
        box.quit()
        assert "[AUTH]" in refused(host.box, "banned", "secret")
        assert "[AUTH]" in refused(host.box, "demo", "wrong")
        host.wait_log("^login guest7 with whatever$")
        box = host.box()
        lines = box.retr(1)[1]
        assert lines[:3] == [b"Subject: message 1", b"", b".a line with a dot"]
        assert lines[3:] == [b"0" * 69999 + b"7"], len(lines)
        assert b".dot" in box.retr(2)[1]
        refused(box.dele, 2)
        box.dele(3)
        box.dele(4)
        box.quit()
        host.wait_log("^deleting is up to the host")
        box = host.box()
        assert b".dot" in box.retr(2)[1]
        box.quit()


def test_peers_that_hang_up(build):
    """T-018: in a greeting, while the host reads, while a message goes out."""
    big = b"Subject: big\r\n\r\n" + (b"z" * 70 + b"\r\n") * 100000
    with Host(build, "reader") as host:
        assert host.deliver("all+0@c.test", big).startswith("250")
        for _ in range(10):
            for port in ("smtp", "pop3"):
                with Wire(host.port(port)) as wire:
                    wire.socket.setsockopt(socket.SOL_SOCKET,
                                           socket.SO_LINGER,
                                           struct.pack("ii", 1, 0))
            wire = host.begin("all+0@c.test")
            wire.ask("DATA")
            wire.send(big[:100000])
            wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                   struct.pack("ii", 1, 0))
            wire.close()
            wire = Wire(host.port("pop3"))
            for line in (b"USER demo\r\n", b"PASS secret\r\n",
                         b"RETR 1\r\n" * 5):
                wire.send(line)
            wire.line()
            wire.socket.recv(1000)
            wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                   struct.pack("ii", 1, 0))
            wire.close()
        assert host.deliver("all+0@c.test").startswith("250")
        wait_for(lambda: len(host.said("^read ")) >= 12, what="all callbacks")
        assert host.count() == 2


def test_200_who_wait(build):
    """They wait in a callback for ten seconds; the others do not notice."""
    with Host(build, "answers", ALL, ALL) as host:
        start = time.monotonic()
        for _ in range(50):
            assert host.deliver().startswith("250")
        alone = time.monotonic() - start
        host.tell(f"{SENDMSG} hold")
        waiting = [host.begin(f"w{i}@c.test") for i in range(200)]
        for wire in waiting:
            wire.send(b"DATA\r\n")
        host.wait_log("^holding 200$", 120)
        since = time.monotonic()
        host.tell(f"{SENDMSG} 0")
        start = time.monotonic()
        for _ in range(50):
            assert host.deliver().startswith("250")
        beside = time.monotonic() - start
        assert host.count() == 100
        time.sleep(max(0, 10 - (time.monotonic() - since)))
        for wire in waiting:
            wire.socket.setblocking(False)
            try:
                raise AssertionError(f"an early {wire.socket.recv(100)!r}")
            except BlockingIOError:
                wire.socket.settimeout(120)
        host.tell("go")
        for wire in waiting:
            assert wire.reply()[:3] == "354"
            wire.send(BODY + b".\r\n")
        for wire in waiting:
            assert wire.reply()[:3] == "250"
            wire.close()
        assert host.count() == 300
        print(f"50 messages in {alone:.2f} s alone, in {beside:.2f} s beside "
              f"200 who wait")


def test_a_host_that_does_not_read(build):
    """It holds one session up, whose peer sends and sends."""
    with Host(build, "answers", SENDMSG, 0) as host:
        host.tell(f"{SENDMSG} hold")
        stuck = host.begin("stuck@c.test")
        stuck.send(b"DATA\r\n")
        host.wait_log("^holding 1$")
        stuck.socket.settimeout(2)
        try:  # more than all buffers on the way hold
            for _ in range(2000):
                stuck.send(b"z" * 70 + b"\r\n")
        except TimeoutError:
            pass
        host.tell(f"{SENDMSG} 0")
        for _ in range(20):
            assert host.deliver().startswith("250")
        stuck.close()
        host.tell("go")
        assert host.deliver().startswith("250")
        assert host.count() == 21


def deliver_and_read(host, number, wrong):
    """One of a hundred clients: brings, then looks, or only looks."""
    try:
        if number % 2 == 0:
            assert host.deliver(f"c{number}@c.test").startswith("250")
        box = host.box()
        for line in box.list()[1][:3]:
            assert b".dot" in box.retr(int(line.split()[0]))[1]
        box.quit()
    except poplib.error_proto as error:
        # RFC 1939 3: one session at a time has the mailbox.
        if b"IN-USE" not in error.args[0]:
            wrong.append(error)
    except Exception as error:  # told by the main thread
        wrong.append(error)


def test_fl11_a_hundred_clients(build):
    """Both servers and the queue, all at once."""
    count = 50
    wrong = []
    with NameServer(ONE_MX) as dns, Sink() as sink, \
            Host(build, "busy", count, "b@x.test",
                 settings=way_out(dns, sink.port)) as host:
        clients = [threading.Thread(target=deliver_and_read,
                                    args=(host, i, wrong))
                   for i in range(100)]
        for client in clients:
            client.start()
        for client in clients:
            client.join(240)
        assert not wrong, wrong[:3]
        wait_for(lambda: len(host.said("^through outcome=1")) == count, 120,
                 "all messages through")
        assert len(sink.messages) == count
        assert host.count() == 50


def bring(wire, users, mark, wait=None):
    """One message to these users; `wait` is called in the midst of it."""
    assert wire.ask("EHLO c.test")[:3] == "250"
    assert wire.ask("MAIL FROM:<a@c.test>")[:3] == "250"
    for user in users:
        assert wire.ask(f"RCPT TO:<{user}@mail.test>")[:3] == "250"
    assert wire.ask("DATA")[:3] == "354"
    text = BODY.replace(b"x", mark.encode(), 1).replace(b"\r\n.", b"\r\n..")
    wire.send(text[:30])
    if wait:
        wait()
    wire.send(text[30:] + b".\r\n")
    assert wire.reply()[:3] == "250"
    assert wire.ask("QUIT")[:3] == "221"


class Crowd:
    """A hundred clients of two hosts, all connected before the first speaks.

    A quarter each brings to `far`, whose mail is fetched; reads there; brings
    to `near`, which fetches; reads there. The slow ones end only when mail was
    fetched: the fetcher has worked beside them.
    """

    def __init__(self, near, far):
        self.near = near
        self.far = far
        self.wrong = []
        self.connected = threading.Barrier(101)
        self.has_fetched = threading.Event()
        self.clients = [threading.Thread(target=self.converse, args=(i,))
                        for i in range(100)]
        for client in self.clients:
            client.start()
        self.connected.wait(240)

    def converse(self, number):
        try:
            if number % 4 == 0:
                self.write(self.far, ("joe", "ann"), f"far-{number}", number)
            elif number % 4 == 1:
                self.write(self.near, ("demo",), f"near-{number}", number)
            elif number % 4 == 2:
                self.read(self.near, "demo", number)
            else:
                # Whoever stays in this mailbox keeps the fetcher out.
                self.read(self.far, "joe", 100)
        except Exception as error:  # told by the main thread
            self.wrong.append((number, error))

    def wait_if_slow(self, number):
        if number < 20:
            assert self.has_fetched.wait(240), "nothing was fetched"

    def write(self, host, users, mark, number):
        with Wire(host.port("smtp"), timeout=240) as wire:
            assert wire.reply()[:3] == "220"
            self.connected.wait(240)
            bring(wire, users, mark, lambda: self.wait_if_slow(number))

    def read(self, host, user, number):
        """Again until it is in: one session at a time has the mailbox, and a
        visit of the fetcher is one (RFC 1939 3)."""
        opened = [poplib.POP3("127.0.0.1", host.port("pop3"), timeout=240)]
        self.connected.wait(240)

        def enter():
            box = opened.pop() if opened else poplib.POP3(
                "127.0.0.1", host.port("pop3"), timeout=240)
            try:
                box.user(user)
                box.pass_("secret")
                return box
            except poplib.error_proto as error:
                assert b"IN-USE" in error.args[0], error
                box.close()
                return None
        box = wait_for(enter, 240, "a mailbox that is not in use")
        self.wait_if_slow(number)
        for line in box.list()[1][:3]:
            assert b".dot" in box.retr(int(line.split()[0]))[1]
        box.quit()

    def end(self):
        for client in self.clients:
            client.join(240)
        assert not self.wrong, self.wrong[:3]


def marks_of(host, user):
    """The subjects of a mailbox, sorted; the rest of each message is whole."""
    box = host.box(user)
    found = []
    for line in box.list()[1]:
        text = box.retr(int(line.split()[0]))[1]
        assert text[-3:] == BODY.split(b"\r\n")[1:4], text
        found += [l[9:].decode() for l in text if l.startswith(b"Subject: ")]
    box.quit()
    return sorted(found)


def visits(host):
    """Asks for a visit of each account. What the last ones came to: messages
    there, new, fetched, deleted there and left."""
    host.ctl("fetch", "run", "all")
    rows = [line.split() for line in
            host.ctl("fetch", "list").stdout.splitlines()]
    return {row[0]: row[3:8] for row in rows if row[0] in ("joe", "ann")}


def test_fl11_fetcher(build):
    """Both servers, the queue and the fetcher of a host, all at once, and the
    host that it fetches from. What joe has comes to demo and is deleted there;
    what ann has comes to copy and stays."""
    words = "host=127.0.0.1 tls=off interval=0"
    with NameServer(ONE_MX) as dns, Sink() as sink, \
            Host(build, "busy", 0, "b@x.test", users=("joe", "ann")) as far:
        fetched = [f"before-{i}" for i in range(20)]
        for mark in fetched:
            with Wire(far.port("smtp"), timeout=120) as wire:
                assert wire.reply()[:3] == "220"
                bring(wire, ("joe", "ann"), mark)
        words += f" port={far.port('pop3')}"
        settings = way_out(dns, sink.port)
        settings["fetch.accounts"] = [
            f"name=joe user=joe to=demo delete {words} password=secret",
            f"name=ann user=ann to=copy {words} password=secret"]
        with Host(build, "busy", 50, "b@x.test", users=("demo", "copy"),
                  settings=settings) as near:
            crowd = Crowd(near, far)
            # Only the fetcher brings to copy.
            wait_for(lambda: visits(near) and near.count(
                user="copy", password="secret") >= 20, 240, "what was there")
            crowd.has_fetched.set()
            crowd.end()
            # A visit finds nothing new: the ones before had everything.
            wait_for(lambda: visits(near) == {
                "joe": ["0"] * 5, "ann": ["45"] + ["0"] * 4}, 240,
                "visits with nothing new")
            fetched += [f"far-{i}" for i in range(0, 100, 4)]
            brought = [f"near-{i}" for i in range(1, 100, 4)]
            assert marks_of(near, "copy") == sorted(fetched)
            assert marks_of(near, "demo") == sorted(fetched + brought)
            wait_for(lambda: len(near.said("^through outcome=1")) == 50, 240,
                     "all messages through")
        assert sorted(re.search(rb"(?m)^Subject: (.+)\r$", m.data)[1]
                      for m in sink.messages) == sorted(
                          b"number %d" % i for i in range(50))
        assert marks_of(far, "ann") == sorted(fetched)
        assert far.count(user="joe", password="secret") == 0


main(__name__, test_fl05_by_itself, test_fl05_swaks,
     test_fl06_every_answer_of_smtp, test_t011_who_is_there,
     test_t009_every_answer_of_pop3,
     test_masks_ask_for_what_they_say, test_fl07_reading,
     test_fl08_the_mailbox_is_the_hosts, test_peers_that_hang_up,
     test_200_who_wait, test_a_host_that_does_not_read,
     test_fl11_a_hundred_clients, test_fl11_fetcher)
