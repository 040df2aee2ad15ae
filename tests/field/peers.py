#!/usr/bin/env python3
"""The rows of docs/field.md at Postfix and Dovecot: what they do here.

    python3 tests/field/peers.py [ROW ...]       tries and prints
    python3 tests/field/peers.py --write         writes the column, too

No test: nothing is right or wrong here, and no machine need have these
servers. The lab's scripts start them (MAILMOD_LABS, as in
tests/integration/test_labs.py); root and Debian's packages postfix,
dovecot-core and dovecot-pop3d are needed. Each row has a function that does
there what the row's test does with mailmod and says in words what was seen,
or, in quotes, why there is nothing to compare. field.docs holds that every row
of the page has its cell and stands here.
"""
import base64
import os
import re
import smtplib
import socket
import ssl
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(
    os.path.dirname(os.path.abspath(__file__)), "..", "integration"))
from harness import SOURCE, Skip, Wire, free_port, insecure_tls, wait_for  # noqa: E402
from listener import end_listening  # noqa: E402
from sink import Sink  # noqa: E402
from test_labs import Postfix, lab  # noqa: E402
from test_receiving import DEVICE  # noqa: E402

PAGE = os.path.join(SOURCE, "docs", "field.md")
HEAD = (b"From: alice@dest.test\r\nTo: x@far.test\r\nSubject: x\r\n"
        b"Date: Sat, 21 Nov 2026 08:22:23 +0000\r\nMessage-ID: <1@c.test>\r\n\r\n")
PASSWORD = "p\u00e4ss-1"

OTHER_STORE = "another store: files, no database"
NO_LIBRARY = "no library to embed"
OTHER_TOOLS = "other tools and settings"
NO_DNS = "the lab's Postfix asks no DNS"


class Peers:
    """Postfix that receives and sends, and Dovecot, whose logins it takes."""

    def __init__(self):
        os.environ["LAB_PASS"] = PASSWORD
        self.postfix = Postfix()
        self.pop3_port, self.pop3s_port = free_port(), free_port()
        self.dovecot_script = lab("ref_dovecot.sh")
        self.dovecot("start")
        self.etc = f"{self.postfix.folder}/postfix/etc"
        self.set("maximal_queue_lifetime=1d")

    def dovecot(self, word):
        environment = dict(self.postfix.environment,
                           POP3_PORT=str(self.pop3_port),
                           POP3S_PORT=str(self.pop3s_port))
        subprocess.run(["bash", self.dovecot_script, word], env=environment,
                       capture_output=True, timeout=120, check=False)

    def set(self, *settings):
        subprocess.run(["postconf", "-c", self.etc, "-e", *settings],
                       check=True, capture_output=True)
        subprocess.run(["postfix", "-c", self.etc, "reload"], check=False,
                       capture_output=True)
        time.sleep(1.5)

    def log(self):
        with open(f"{self.postfix.folder}/postfix/log", encoding="utf-8",
                  errors="replace") as file:
            return file.read()

    def wire(self, hello="EHLO c.test"):
        wire = Wire(self.postfix.port, timeout=120)
        wire.reply()
        if hello:
            wire.ask(hello)
        return wire

    def submission(self):
        client = smtplib.SMTP(
            "127.0.0.1", int(self.postfix.environment["SUBM_PORT"]),
            local_hostname="c.test", timeout=120)
        client.command_encoding = "utf-8"
        client.starttls(context=insecure_tls())
        client.ehlo()
        code, text = client.docmd("AUTH PLAIN " + plain("", "alice"))
        assert code == 235, (code, text)
        return client

    def give(self, text, recipients=("bob@dest.test",), sender="a@c.test",
             options=""):
        """A message to a mailbox of Postfix: the last reply."""
        with self.wire() as wire:
            reply = wire.ask(f"MAIL FROM:<{sender}>{options}")
            for recipient in recipients:
                reply = wire.ask(f"RCPT TO:{recipient}" if recipient[0] == "<"
                                 else f"RCPT TO:<{recipient}>")
            if reply[0] == "2":
                wire.ask("DATA")
                wire.send(re.sub(rb"(?m)^\.", b"..", text) + b".\r\n")
                reply = wire.reply()
            return reply

    def box(self, user):
        """The mailbox: {file: text in the system's line ends}."""
        folder = f"{self.postfix.folder}/postfix/mail/{user}/new"
        found = {}
        for name in os.listdir(folder) if os.path.isdir(folder) else ():
            with open(os.path.join(folder, name), "rb") as file:
                found[name] = file.read()
        return found

    def new_in(self, user, before):
        """The one message that came since."""
        def look():
            box = self.box(user)
            return [box[name] for name in box if name not in before]
        return wait_for(look, what="mail")[0]

    def mail(self, text, user="bob", **options):
        """What lies in the mailbox after it."""
        before = self.box(user)
        self.give(text, (f"{user}@dest.test",), **options)
        return self.new_in(user, before)

    def send(self, sink_port, text, recipients=("x@far.test",),
             sender="alice@dest.test", options=(), settings=()):
        """Through a login to a relay: (status, words) of the first one."""
        self.set(f"relayhost=[127.0.0.1]:{sink_port}", *settings)
        client = self.submission()
        code, reply = client.docmd(f"MAIL FROM:<{sender}>", " ".join(options))
        for recipient in recipients:
            code, reply = client.docmd(f"RCPT TO:<{recipient}>")
        if code != 250:
            return "refused", f"{code} {reply.decode()}"
        client.docmd("DATA")
        client.sock.sendall(re.sub(rb"(?m)^\.", b"..", text) + b".\r\n")
        code, reply = client.getreply()
        client.close()
        queue = re.search(r"queued as (\w+)", reply.decode())[1]

        def look():
            # A long line is cut.
            return re.search(queue + r": to=<.*status=(\w+) \((.*?)\)?$",
                             self.log(), re.M)
        found = wait_for(look, what="an outcome of " + queue)
        return found[1], re.sub(r"127\.0\.0\.1\[127\.0\.0\.1\]:\d+", "HOST",
                                found[2])

    def close(self):
        self.dovecot("stop")
        self.postfix.__exit__()


def plain(identity, user, password=PASSWORD):
    return base64.b64encode(
        f"{identity}\0{user}\0{password}".encode()).decode()


def said(reply):
    """The code and the first words of a reply."""
    text = (reply.decode("utf-8", "replace") if isinstance(reply, bytes)
            else reply)
    text = text.strip().split("\r\n")[-1]
    return re.sub(r"\s+", " ", text)[:90].strip()


# ---- receiving -------------------------------------------------------------

def f01(peers):
    with Wire(peers.postfix.port) as wire:
        wire.send(b"HELO c.test\r\nMAIL FROM:<a@c.test>\r\n"
                  b"RCPT TO:<bob@dest.test>\r\nDATA\r\n" + HEAD +
                  b"x\r\n.\r\nQUIT\r\n")
        wire.socket.shutdown(socket.SHUT_WR)
        codes = []
        try:
            while True:
                codes.append(wire.reply()[:3])
        except (EOFError, ConnectionError):
            pass
    return "the replies are " + " ".join(codes)


def f02(peers):
    with peers.wire() as wire:
        one = wire.ask("MAIL FROM:<" + "v" * 130 + "@c.test>")
        two = wire.ask("RCPT TO:<" + "l" * 200 + "@dest.test>")
    return (f"a sender of 130 octets: {said(one)}; "
            f"a recipient of 200, nobody there: {said(two)[:9]}")


def auth(peers, *lines):
    client = smtplib.SMTP("127.0.0.1",
                          int(peers.postfix.environment["SUBM_PORT"]),
                          timeout=120)
    client.starttls(context=insecure_tls())
    client.ehlo()
    code, text = 0, b""
    for line in lines:
        code, text = client.docmd(line)
    client.close()
    return f"{code} {text.decode()}"


def f03(peers):
    return said(auth(peers, "AUTH LOGIN", "YWxpY2U=", ""))


def f04(peers):
    peers.set("virtual_mailbox_domains=dest.test, xn--bcher-kva.test",
              "virtual_mailbox_maps=inline:{ {alice@dest.test=alice/} "
              "{bob@dest.test=bob/} {bob@xn--bcher-kva.test=bob/} }")
    with peers.wire() as wire:
        wire.ask("MAIL FROM:<a@c.test> SMTPUTF8")
        one = wire.ask("RCPT TO:<bob@xn--bcher-kva.test>")
        two = wire.ask("RCPT TO:<bob@b\xc3\xbccher.test>")
    return f"a domain in A-labels: asked for so {said(one)[:3]}, in U-labels " \
        f"{said(two)[:9]}"


def f05(peers):
    before = peers.box("alice")
    peers.give(HEAD + b"x\r\n", ("<bob@dest.test> NOTIFY=SUCCESS",),
               sender="alice@dest.test", options=" ENVID=e1")
    report = peers.new_in("alice", before)
    action = re.search(rb"(?m)^Action: (\w+)", report)[1].decode()
    return (f"a report, Action: {action}, "
            f"{'with' if b'Original-Envelope-Id: e1' in report else 'without'}"
            " ENVID")


def f06(peers):
    text = peers.mail(b"Hello there\r\nDate: never\r\n")
    blank = peers.mail(b" folded\r\nX: y\r\n\r\nb\r\n")
    return ("no header: " +
            ("an empty line goes between" if b"\n\nHello there" in text else
             "it goes on behind ours") + "; a blank first: " +
            ("an empty line goes between" if b"\n\n folded" in blank else
             "it continues our last field"))


def pop3(peers, *lines):
    with Wire(peers.pop3_port, timeout=120) as wire:
        reply = wire.line()
        for line in lines:
            wire.send(line.encode() + b"\r\n")
            reply = wire.line()
        return reply.decode().strip()


def f07(peers):
    other = PASSWORD.replace("\u00e4", "a\u0308")
    return ("Dovecot: as it was set " +
            pop3(peers, "USER alice", f"PASS {PASSWORD}")[:4].strip() +
            "; decomposed " + pop3(peers, "USER alice", f"PASS {other}")[:30])


def f08(peers):
    text = peers.mail(HEAD + b"a\r\r\nb\r\n")
    end = text[text.index(b"a", len(text) - 6):].decode()
    return "a CR CR LF b is in the mailbox as " + " ".join(
        {"\r": "CR", "\n": "LF"}.get(c, c) for c in end[:-1])


def f09(peers):
    text = peers.mail(b"Return-Path: <evil@c.test>\r\n" + HEAD + b"x\r\n")
    paths = re.findall(rb"(?m)^Return-Path: (.*)$", text)
    return f"Return-Path in the mailbox: {b', '.join(paths).decode()}"


def f10(peers):
    return "authorization identity ALICE for alice: " + said(
        auth(peers, "AUTH PLAIN " + plain("ALICE", "alice")))


def f12(peers):
    stamp = "<" in pop3(peers)
    return "Dovecot: " + ("the stamp is" if stamp else "no stamp is") + \
        " in the greeting; the lab's passwords are recoverable"


def f13(peers):
    with peers.wire() as wire:
        wire.send(b"NOOP\nRSET\r\n")
        wire.send(b"QUIT\r\n")
        codes = []
        try:
            while True:
                codes.append(wire.reply()[:3])
        except EOFError:
            pass
    return (f"\"NOOP LF RSET CRLF QUIT\": replies {' '.join(codes)} (a bare LF "
            "ends a command; smtpd_forbid_bare_newline is off in the lab)")


def f14(peers):
    with peers.wire() as wire:
        wire.ask("MAIL FROM:<a@c.test> SMTPUTF8")
        return said(wire.ask(
            "RCPT TO:<bob@dest.test> ORCPT=utf-8;j\xc3\xb6rg@x.test"))


def f16(peers):
    with peers.wire() as wire:
        one = wire.ask("MAIL FROM:<a@c.test> SIZE=99999999999999999999999")
        wire.ask("RSET")
        wire.ask("MAIL FROM:<a@c.test>")
        wire.ask("RCPT TO:<bob@dest.test>")
        two = wire.ask("BDAT 99999999999999999999999 LAST")
    return f"SIZE: {said(one)}; BDAT: {said(two)}"


def f17(peers):
    replies = []
    for name in ("[127.0.0.1]", "my_host", "-bad-", "a b", "x(y"):
        with peers.wire(None) as wire:
            replies.append(f"{name}: {wire.ask('EHLO ' + name)[:3]}")
    return ", ".join(replies)


def f18(peers):
    count = 0
    with peers.wire() as wire:
        while count < 150 and not wire.ask("NONSENSE").startswith("421"):
            count += 1
    with peers.wire() as wire:
        noops = [wire.ask("NOOP")[:3] for _ in range(150)]
    return (f"421 after {count} unknown commands (the lab allows 100); of 150 "
            f"NOOPs {noops.count('250')} were answered 250")


def f19(peers):
    replies = []
    for name, octets in (("U+0085", "\xc2\x85"), ("U+2028", "\xe2\x80\xa8"),
                         ("U+202E", "\xe2\x80\xae")):
        with peers.wire() as wire:
            replies.append(name + " " + wire.ask(
                f"MAIL FROM:<a{octets}b@c.test> SMTPUTF8")[:3])
    return "in the sender: " + ", ".join(replies)


def f21(peers):
    before = peers.box("bob")
    peers.give(HEAD + b"twice\r\n", ("bob@dest.test", "bob@dest.test"))
    peers.new_in("bob", before)
    time.sleep(1)
    return f"the same mailbox twice: {len(peers.box('bob')) - len(before)} copy"


def f23(peers):
    before = peers.box("bob")
    client = peers.submission()
    client.sendmail("alice@dest.test", ["bob@dest.test"],
                    b"Subject: x\r\nBcc: secret@x.test\r\n\r\nb\r\n")
    client.close()
    text = peers.new_in("bob", before)
    fields = [name for name in (b"Date", b"Message-Id", b"From", b"Bcc")
              if re.search(rb"(?mi)^" + name + b":", text)]
    return "in the mailbox of the submission: " + \
        (b", ".join(fields).decode() or "none of the four")


def f24(peers):
    text = peers.mail(HEAD + b"x\r\n")
    return "; ".join(line.decode() for line in re.findall(
        rb"(?m)^(?:Delivered-To|X-Original-To): .*$", text)) or "no such field"


def f25(peers):
    with Wire(peers.postfix.port, timeout=120) as wire:
        wire.send(DEVICE)
        codes = []
        try:
            while len(codes) < 12:
                codes.append(wire.reply()[:3])
        except (EOFError, ConnectionError, socket.timeout):
            pass
    with peers.wire() as wire:
        odd = [f"{path} {wire.ask('MAIL FROM:' + path)[:3]}, "
               f"{wire.ask('RSET')[:0]}" for path in
               ("a@c.test", "<a..b@c.test>", "<a.@c.test>", "<a@my_host.test>")]
    return (f"the device's dialogue: {' '.join(codes)} (its recipient is "
            "nobody's there); by default: " + "".join(odd).rstrip(", "))


def f26(peers):
    text = peers.mail(HEAD + b"y" * 70000 + b"\r\n")
    body = text[text.index(b"\n\n") + 2:]
    lines = [len(line) for line in body.split(b"\n") if line]
    return f"a line of 70000 octets: {len(lines)} line(s) in the mailbox, " \
        f"the longest {max(lines)}"


def f27(peers):
    with peers.wire() as wire:
        wire.ask("MAIL FROM:<a@c.test>")
        for i in range(40):
            reply = wire.ask(f"RCPT TO:<no{i}@dest.test>")
        return (f"the 40th refused: {said(reply)[:3]}; the good one behind: "
                f"{said(wire.ask('RCPT TO:<bob@dest.test>'))[:40]}")


def d06(peers):
    with peers.wire() as wire:
        return "SIZE above message_size_limit: " + said(
            wire.ask("MAIL FROM:<a@c.test> SIZE=99999999"))


def d13(peers):
    key = f"{peers.postfix.folder}/tls/server.key"
    os.chmod(key, 0o666)
    peers.set("tls_preempt_cipherlist=no")
    at = len(peers.log())
    with peers.wire() as wire:
        reply = wire.ask("STARTTLS")
    os.chmod(key, 0o600)
    words = re.findall(r"warning: [^\n]*key[^\n]*", peers.log()[at:])
    return f"a key of mode 0666: STARTTLS {reply[:3]}, " + \
        (words[0] if words else "no warning in the log")


def d15(peers):
    client = peers.submission()
    client.docmd("MAIL FROM:<alice@dest.test>")
    replies = [f"{place} {client.docmd(f'RCPT TO:<x@{place}>')[0]}"
               for place in ("[127.0.0.1]", "[169.254.169.254]", "[10.0.0.1]")]
    client.close()
    return "after a login: " + ", ".join(replies)


def o05(peers):
    text = peers.mail(HEAD.replace(b"<1@", b"<o05@") + b"x\r\n")
    queue = re.search(rb"with E?SMTPS? id (\w+)", text)[1].decode()
    lines = re.findall(queue + r": ([^\n]*)", peers.log())
    keys = [re.match(r"[\w-]+", line)[0] for line in lines]
    return f"{len(lines)} lines with one queue id: {', '.join(keys)}"


def o06(peers):
    with peers.wire() as wire:
        wire.ask("MAIL FROM:<a@c.test>")
        wire.ask("RCPT TO:<o06@dest.test>")
        wire.ask("NONSENSE o06")
    found = wait_for(lambda: re.findall(r"NOQUEUE: reject: [^\n]*o06@[^\n]*",
                                        peers.log()), 10, "a line")
    return ("a refused RCPT has a line with peer and reply"
            if "550 5.1.1" in found[0] else found[0][:80]) + \
        ("; an unknown command has none"
         if "NONSENSE" not in peers.log() else "; an unknown command too")


def o07(peers):
    client = peers.submission()
    code, text = client.docmd("MAIL FROM:<bob@dest.test>")
    more, words = client.docmd("RCPT TO:<bob@dest.test>")
    client.close()
    return (f"alice as bob: {said(f'{code} {text.decode()}')}; RCPT "
            f"{said(f'{more} {words.decode()}')} (no smtpd_sender_login_maps)")


def o09(peers):
    status, words = peers.send(free_port(), HEAD + b"x\r\n")
    queue = subprocess.run(["postqueue", "-c", peers.etc, "-p"],
                           capture_output=True, text=True, check=False).stdout
    return f"{status}; mailq tells the last reason, not the next time: " + \
        re.sub(r"127\.0\.0\.1\[127\.0\.0\.1\]:\d+", "HOST",
               re.search(r"\((.*)\)", queue)[1])[:60]


def o15(peers):
    auth(peers, "AUTH PLAIN " + plain("", "Mallory", "wrong"))
    time.sleep(2)
    logs = {"Postfix's": peers.log()}
    with open(f"{peers.postfix.folder}/dovecot/log", encoding="utf-8",
              errors="replace") as file:
        logs["Dovecot's"] = file.read()
    return "a login as Mallory: " + "; ".join(
        whose + " log has " + (re.search("mallory", log, re.I) or ["no name"])[0]
        for whose, log in logs.items())


# ---- sending ---------------------------------------------------------------

def one_reply(replies, text=HEAD + b"x\r\n", **options):
    """To a host that answers so: what became of it, and the host."""
    def run(peers):
        with Sink(replies=replies, extensions=options.pop(
                "extensions", ("8BITMIME", "PIPELINING"))) as sink:
            status, words = peers.send(sink.port, text, **options)
            return f"{status}: {words[:110]}"
    return run


class Host:
    """A mail host that does with a connection what `talk` does."""

    def __init__(self, talk):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.said = []
        self.talk = talk
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            try:
                with peer, peer.makefile("rb") as lines:
                    self.talk(self, peer, lines)
            except OSError:
                pass

    def __enter__(self):
        return self

    def __exit__(self, *rest):
        end_listening(self.listener)


def s01_report(peers):
    before = peers.box("alice")
    with Sink(extensions=("8BITMIME",)) as sink:
        status, words = peers.send(sink.port, HEAD + b"x\r\n",
                                   ("j\u00f6rg@far.test",),
                                   options=("SMTPUTF8",))
    report = peers.new_in("alice", before)
    return status, words, report


def s01(peers):
    status, words, report = s01_report(peers)
    kind = re.search(rb"(?m)^Final-Recipient: ([\w-]+)", report)[1].decode()
    return f"{status}; the report reaches its ASCII sender, recipient type {kind}"


def s02(peers):
    with Sink(extensions=("8BITMIME",)) as sink:
        return "SMTPUTF8 said for ASCII alone: %s: %.70s" % peers.send(
            sink.port, HEAD + b"x\r\n", options=("SMTPUTF8",))


def s04(peers):
    def talk(host, peer, lines):
        peer.sendall(b"220 h\r\n")
        for line in lines:
            if line[:4].upper() == b"DATA":
                peer.sendall(b"354 go\r\n")
                for _ in range(100):
                    lines.readline()
                peer.sendall(b"552 5.3.4 too big\r\n")
                return
            peer.sendall(b"250 ok\r\n")
    with Host(talk) as host:
        return "%s: %.90s" % peers.send(
            host.port, HEAD + (b"z" * 998 + b"\r\n") * 900)


def s05(peers):
    def talk(host, peer, lines):
        peer.sendall(b"220 h\r\n")
        for line in lines:
            verb = line[:4].upper()
            host.said.append(verb.decode())
            if verb == b"STAR":
                peer.sendall(b"220 go\r\n")
                return
            peer.sendall(b"250-h\r\n250 STARTTLS\r\n" if verb == b"EHLO" else
                         b"354 go\r\n" if verb == b"DATA" else b"250 ok\r\n")
            if verb == b"DATA":
                while lines.readline() != b".\r\n":
                    pass
                peer.sendall(b"250 ok\r\n")
    with Host(talk) as host:
        status, words = peers.send(host.port, HEAD + b"x\r\n")
        clear = "DATA" in host.said
    return f"{status}, {'in clear' if clear else 'not in clear'}: {words[:60]}"


def s11(peers):
    report = s01_report(peers)[2]
    return re.search(rb"(?m)^Diagnostic-Code: [^;\n]*;", report)[0].decode() + \
        " for a reason of its own"


def s20(peers):
    def talk(host, peer, lines):
        peer.sendall(b"554 5.3.2 not here\r\n")
        for line in lines:
            host.said.append(line[:4].decode())
            return
    with Host(talk) as host:
        status, _ = peers.send(host.port, HEAD + b"x\r\n")
        time.sleep(0.5)
        return f"a greeting of 554: {status}; then it says " + \
            (host.said[0].strip() if host.said else "nothing")


def s21(peers):
    with Sink() as sink:
        status, _ = peers.send(
            sink.port, HEAD[:-2] + b"MIME-Version: 1.0\r\nContent-Type: "
            b"text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit"
            b"\r\n\r\nj\xc3\xb6rg\r\n", options=("BODY=8BITMIME",))
        data = sink.messages[0].data
    found = re.search(rb"(?mi)^Content-Transfer-Encoding: (.*?)\r", data)
    return f"{status}, as {found[1].decode() if found else 'raw 8bit'}"


def s27(peers):
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(f"{peers.postfix.folder}/tls/server.pem",
                        f"{peers.postfix.folder}/tls/server.key")
    with Sink(tls=tls, extensions=("STARTTLS",)) as sink:
        peers.send(sink.port, HEAD + b"x\r\n")
        assert sink.messages[0].tls
    line = re.findall(r"[^\n]*relay=127[^\n]*status=sent[^\n]*", peers.log())[-1]
    return "the line of a delivery under TLS " + \
        ("names it" if "TLS" in line else "does not say so")


def s29(peers):
    with Sink(extensions=("8BITMIME",)) as sink:
        peers.send(sink.port, HEAD + b"w" * 3000 + b"\r\n")
        data = sink.messages[0].data
    lines = data[data.index(b"\r\n\r\n") + 4:].split(b"\r\n")
    return f"a line of 3000 goes out as lines of " \
        f"{', '.join(str(len(line)) for line in lines if line)}"


ROWS = {
    **{f"D{n:02}": OTHER_STORE for n in (1, 2, 3, 4, 5, 12, 14, 16, 18, 19, 20,
                                         22)},
    "D06": d06, "D07": "would need a disk that is full",
    "D08": "the lab sets no limits of connections",
    "D09": OTHER_TOOLS, "D10": OTHER_TOOLS,
    "D11": "a matter of microseconds, not measured", "D13": d13,
    "D15": d15, "D17": "no quota in the lab", "D21": NO_DNS,
    **{f"E{n:02}": NO_LIBRARY for n in range(1, 10)},
    "F01": f01, "F02": f02, "F03": f03, "F04": f04, "F05": f05, "F06": f06,
    "F07": f07, "F08": f08, "F09": f09, "F10": f10,
    "F11": "its users are a file that is read at the start",
    "F12": f12, "F13": f13, "F14": f14,
    "F15": "no such user in the lab", "F16": f16, "F17": f17, "F18": f18,
    "F19": f19, "F20": "its users are a file that is read at the start",
    "F21": f21, "F22": "the lab turns the delays off", "F23": f23, "F24": f24,
    "F25": f25, "F26": f26, "F27": f27,
    "F28": "not tried: a stop would end the lab", "F29": OTHER_TOOLS,
    "F30": "no block list in the lab",
    **{f"O{n:02}": OTHER_TOOLS for n in (1, 2, 3, 4, 8, 10, 11, 12, 13, 14, 16,
                                         17, 18, 19, 20)},
    "O05": o05, "O06": o06, "O07": o07, "O09": o09, "O15": o15,
    "R15": "no PROXY header in the lab",
    "S01": s01, "S02": s02,
    "S03": "one message a connection there", "S04": s04, "S05": s05,
    "S06": lambda peers: "relayhost=[127.0.0.1]:PORT works (each row of "
                         "sending here goes by it)",
    "S07": NO_DNS, "S08": NO_DNS, "S09": NO_DNS, "S10": NO_DNS, "S11": s11,
    "S12": NO_DNS, "S13": "no login at the lab's relay",
    "S14": NO_LIBRARY, "S15": NO_LIBRARY,
    "S16": one_reply({"RCPT": "552 5.5.3 too many recipients"}),
    "S17": NO_LIBRARY, "S18": NO_DNS,
    "S19": "no certificate is verified in the lab", "S20": s20, "S21": s21,
    "S22": NO_DNS, "S23": "no login at the lab's relay", "S24": OTHER_TOOLS,
    "S25": one_reply({"RCPT": "550 5.1.1 " + "long " * 1000}),
    "S26": one_reply({"DATA": "250 ok"}),
    "S27": s27, "S28": NO_DNS, "S29": s29,
}


def cell(peers, row):
    """What stands in the column."""
    what = ROWS[row]
    if isinstance(what, str):
        return "– " + what
    try:
        words = what(peers)
    except Exception as error:  # pylint: disable=broad-except
        return f"– not tried: {type(error).__name__} {str(error)[:60]}"
    words = "".join(c if c.isprintable() else "?" for c in words)
    return words.replace("|", "/") if words.startswith("Dovecot") else \
        "Postfix: " + words.replace("|", "/")


def write(cells):
    with open(PAGE, encoding="utf-8") as file:
        lines = file.read().split("\n")
    for i, line in enumerate(lines):
        row = re.match(r"\| (\w+) \|", line)
        if row and row[1] in cells:
            parts = line.strip("|").split(" | ")
            lines[i] = "| " + " | ".join(
                part.strip() for part in [*parts[:5], cells[row[1]]]) + " |"
    with open(PAGE, "w", encoding="utf-8") as file:
        file.write("\n".join(lines))


def run(words):
    wanted = [word for word in words if word in ROWS]
    cells = {}
    peers = Peers()
    try:
        for row in wanted or ROWS:
            cells[row] = cell(peers, row)
            print(f"{row} {cells[row]}", flush=True)
    finally:
        peers.close()
    if "--write" in words:
        write(cells)


if __name__ == "__main__":
    try:
        run(sys.argv[1:])
    except Skip as reason:
        sys.exit(f"peers: {reason}")
