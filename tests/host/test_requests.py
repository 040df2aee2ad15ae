"""A host that is asked: each moment, each verdict, from the peers' side.

The host program is judge.c; what it decides stands in the sender's or the
user's name.
"""
import base64
import hashlib
import os
import poplib
import re
import smtplib
import ssl
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "integration"))
from harness import SANITIZER, Wire, insecure_tls, main  # noqa: E402
from test_delivery import make_certificate  # noqa: E402

BODY = b"Subject: x\r\n\r\n.dot\r\n" + b"y" * 70 + b"\r\n"


class Judge:
    def __init__(self, build):
        self.folder = tempfile.TemporaryDirectory(prefix="mailmod-judge-")
        self.process = subprocess.Popen(
            [os.path.join(build, "tests", "host", "judge"),
             self.folder.name], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        match = None
        while match is None:
            line = self.process.stdout.readline()
            assert line, self.process.stderr.read()
            match = re.match(r"ports (\d+) (\d+) (\d+)", line)
        self.smtp, self.pop3, self.submission = map(int, match.groups())
        self.lines = []
        self.reader = threading.Thread(
            target=lambda: self.lines.extend(self.process.stdout))
        self.reader.start()

    def deliver(self, sender, body=BODY):
        """The reply to DATA when that refuses, else the last one."""
        with Wire(self.smtp) as wire:
            wire.reply()
            wire.ask("EHLO c.test")
            assert wire.ask(f"MAIL FROM:<{sender}@c.test>")[:3] == "250"
            assert wire.ask("RCPT TO:<demo@mail.test>")[:3] == "250"
            reply = wire.ask("DATA")
            if reply[:3] != "354":
                return reply
            wire.send(re.sub(rb"(?m)^\.", b"..", body) + b".\r\n")
            reply = wire.reply()
            assert wire.ask("QUIT")[:3] == "221"
            return reply

    def login(self, user="demo", password="secret"):
        box = poplib.POP3("127.0.0.1", self.pop3, timeout=120)
        box.user(user)
        box.pass_(password)
        return box

    def count(self):
        box = self.login()
        count = box.stat()[0]
        box.quit()
        return count

    def __enter__(self):
        return self

    def __exit__(self, kind, *rest):
        self.process.stdin.close()
        self.reader.join(60)
        err = self.process.stderr.read()
        self.process.wait(120)
        out = "".join(self.lines)
        self.folder.cleanup()
        print(err[-4000:])
        assert kind is not None or (self.process.returncode == 0 and
                                    not SANITIZER.search(err)), out


def test_messages(build):
    with Judge(build) as judge:
        assert judge.deliver("accept").startswith("250 2.6.0")
        assert judge.count() == 1
        assert judge.deliver("reject").startswith("554 5.7.1 not from you")
        assert judge.deliver("read-reject").startswith("550 5.7.1")
        assert judge.deliver("taken").startswith("250 2.6.0")
        assert judge.deliver("own").startswith("250 2.6.0 mine")
        assert judge.count() == 1
        big = b"Subject: big\r\n\r\n" + (b"z" * 70 + b"\r\n") * 30000
        assert judge.deliver("read-accept", big).startswith("250")
        assert judge.deliver("read-some", big).startswith("250")
        assert judge.count() == 3
        start = time.monotonic()
        assert judge.deliver("later").startswith("451")
        assert time.monotonic() - start >= 0.25
        assert judge.count() == 3


def test_a_peer_that_hangs_up(build):
    """While the host reads, and while it thinks."""
    with Judge(build) as judge:
        for sender, part in (("taken", BODY[:10]), ("slow", b""),
                             ("later", b"")):
            wire = Wire(judge.smtp)
            wire.reply()
            wire.ask("EHLO c.test")
            wire.ask(f"MAIL FROM:<{sender}@c.test>")
            wire.ask("RCPT TO:<demo@mail.test>")
            wire.send(b"DATA\r\n")
            if part:
                assert wire.reply()[:3] == "354"
                wire.send(part)
            time.sleep(0.1)
            wire.close()
        assert judge.deliver("accept").startswith("250")
        assert judge.count() == 1


def test_slow_hosts_hold_up_their_own_alone(build):
    """Attack 102: callbacks that take their time."""
    with Judge(build) as judge:
        replies = []
        threads = [threading.Thread(
            target=lambda: replies.append(judge.deliver("slow")))
            for _ in range(200)]
        for thread in threads:
            thread.start()
        time.sleep(1)
        start = time.monotonic()
        for _ in range(20):
            assert judge.deliver("accept").startswith("250")
        fast = time.monotonic() - start
        for thread in threads:
            thread.join(60)
        assert len(replies) == 200
        assert all(r.startswith("250") for r in replies)
        print(f"20 messages in {fast:.2f} s beside 200 slow ones")


def test_pop3(build):
    with Judge(build) as judge:
        for _ in range(3):
            judge.deliver("accept")
        for user, password in (("banned", "secret"), ("vouched", "wrong")):
            try:
                judge.login(user, password)
                raise AssertionError(f"{user} came in")
            except poplib.error_proto as error:
                assert b"[AUTH]" in error.args[0], error
        box = judge.login("vouched", "open")
        assert box.stat() == (0, 0)
        box.quit()
        box = judge.login()
        assert b"Subject: x" in box.retr(1)[1]
        assert box.retr(2)[1] == [b"Subject: from the host", b"", b".",
                                  b"host"]
        try:
            box.dele(1)
            raise AssertionError("the host's refusal was not heard")
        except poplib.error_proto:
            pass
        box.dele(3)
        box.quit()
        assert judge.count() == 2


def test_envelope(build):
    """MAIL is judged at RCPT, but for postmaster; RCPT at once, or later."""
    with Judge(build) as judge:
        with Wire(judge.smtp) as wire:
            wire.reply()
            wire.ask("EHLO c.test")
            assert wire.ask("MAIL FROM:<no-sender@c.test>")[:3] == "250"
            assert wire.ask("RCPT TO:<demo@mail.test>")[:9] == "550 5.7.1"
            assert wire.ask("RCPT TO:<postmaster@mail.test>")[:3] == "250"
            assert wire.ask("RSET")[:3] == "250"
            assert wire.ask("MAIL FROM:<accept@c.test>")[:3] == "250"
            assert wire.ask("RCPT TO:<moved@mail.test>").startswith(
                "551 5.7.1 ask elsewhere")
            assert wire.ask("RCPT TO:<demo+later@mail.test>").startswith(
                "451 4.7.1 asked for later")
            assert wire.ask("RCPT TO:<demo@mail.test>")[:3] == "250"
            assert wire.ask("QUIT")[:3] == "221"
        assert judge.deliver("accept").startswith("250")
    numbers = {line.split()[1] for line in judge.lines
               if line.startswith("connection ")}
    assert len(numbers) == 2, numbers
    accepted = [line for line in judge.lines if "message accepted" in line]
    assert len(accepted) == 1
    assert any(f"session={number}" in accepted[0] for number in numbers)


def test_token(build):
    """The host judges bearer tokens, of POP3 and of submission, under TLS."""
    good = base64.b64encode(
        b"user=vouched\x01auth=Bearer open\x01\x01").decode()
    bad = base64.b64encode(
        b"n,a=demo,\x01auth=Bearer open\x01\x01").decode()
    with Judge(build) as judge:
        box = poplib.POP3("127.0.0.1", judge.pop3, timeout=120)
        assert "XOAUTH2" not in box.capa()["SASL"]
        box.stls(insecure_tls())
        assert {"OAUTHBEARER", "XOAUTH2", "LOGIN"} <= set(box.capa()["SASL"])
        box._putcmd(f"AUTH OAUTHBEARER {bad}")
        assert box._getline()[0].startswith(b"+ ")
        try:
            box._shortcmd("AQ==")
            raise AssertionError("the token of another was taken")
        except poplib.error_proto as error:
            assert b"[AUTH]" in error.args[0], error
        assert box._shortcmd(f"AUTH XOAUTH2 {good}").startswith(b"+OK")
        box.quit()
        with smtplib.SMTP("127.0.0.1", judge.submission,
                          timeout=120) as client:
            client.starttls(context=insecure_tls())
            client.ehlo()
            assert "XOAUTH2" in client.esmtp_features["auth"]
            assert client.docmd("AUTH", f"OAUTHBEARER {bad}")[0] == 334
            assert client.docmd("AQ==")[0] == 535
            assert client.docmd("AUTH", f"XOAUTH2 {good}")[0] == 235


def test_attack_48_a_token_is_asked_each_time(build):
    """A token for one login is good for one: the library remembers none."""
    once = base64.b64encode(
        b"user=vouched\x01auth=Bearer once\x01\x01").decode()
    with Judge(build) as judge:
        codes = []
        for _ in range(3):
            with smtplib.SMTP("127.0.0.1", judge.submission,
                              timeout=120) as client:
                client.starttls(context=insecure_tls())
                client.ehlo()
                code = client.docmd("AUTH", f"XOAUTH2 {once}")[0]
                if code == 334:  # RFC 7628 3.2.3: the reason, then the end
                    code = client.docmd("AQ==")[0]
                codes.append(code)
        assert codes == [235, 535, 535], codes


def test_certificate(build):
    """The host judges a client's certificate, on submission, under TLS."""
    def begin(judge, context):
        client = smtplib.SMTP("127.0.0.1", judge.submission, timeout=60)
        client.starttls(context=context)
        client.ehlo()
        return client

    with tempfile.TemporaryDirectory() as folder, Judge(build) as judge:
        make_certificate(folder, "demo@mail.test")
        context = insecure_tls()
        context.load_cert_chain(os.path.join(folder, "cert.pem"),
                                os.path.join(folder, "key.pem"))
        with open(os.path.join(folder, "cert.pem"), encoding="ascii") as file:
            digest = hashlib.sha256(
                ssl.PEM_cert_to_DER_cert(file.read())).hexdigest()
        name = base64.b64encode(b"demo").decode()
        with begin(judge, insecure_tls()) as client:
            assert "EXTERNAL" not in client.esmtp_features["auth"]
            assert client.docmd("AUTH", f"EXTERNAL {name}")[0] == 504
        with begin(judge, context) as client:
            assert "EXTERNAL" in client.esmtp_features["auth"]
            other = base64.b64encode(b"banned").decode()
            assert client.docmd("AUTH", f"EXTERNAL {other}")[0] == 535
            assert client.docmd("AUTH", f"EXTERNAL {name}")[0] == 235
        with begin(judge, context) as client:  # whom the certificate names
            assert client.docmd("AUTH", "EXTERNAL =")[0] == 235
        with begin(judge, context) as client:
            assert client.docmd("AUTH", "EXTERNAL")[0] == 334
            assert client.docmd("AA==")[0] == 501
        with smtplib.SMTP("127.0.0.1", judge.smtp, timeout=60) as client:
            client.starttls(context=context)
            client.ehlo()
            assert "auth" not in client.esmtp_features
    told = [line.strip() for line in judge.lines
            if line.startswith("certificate")]
    assert told == [f"certificate {user} {digest} 1" for user in
                    ("banned", "demo", "demo")], told


def test_smtp_login(build):
    def login(judge, user, password):
        secret = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
        with Wire(judge.submission) as wire:
            wire.reply()
            wire.ask("EHLO c.test")
            return wire.ask(f"AUTH PLAIN {secret}")

    with Judge(build) as judge:
        assert login(judge, "demo", "secret")[:3] == "235"
        assert login(judge, "demo", "wrong")[:9] == "535 5.7.8"
        assert login(judge, "banned", "secret")[:9] == "535 5.7.8"
        assert login(judge, "vouched", "open")[:3] == "235"
        assert login(judge, "vouched", "wrong")[:9] == "535 5.7.8"


main(__name__, test_messages, test_envelope, test_token,
     test_attack_48_a_token_is_asked_each_time, test_certificate,
     test_smtp_login, test_a_peer_that_hangs_up,
     test_slow_hosts_hold_up_their_own_alone, test_pop3)
