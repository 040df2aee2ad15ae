"""The promises of EHLO, one case a keyword, for test_promises.py.

A case gets the state of a session that offers its keyword and the keyword's
parameters, and shows from outside that the promise is kept. A refusal gets a
state that does not offer it.
"""
import base64
import hashlib
import hmac
import os
import re

from harness import Wire, insecure_tls, wait_for

USER, PASSWORD = "demo", "secret"
NOT_ASCII = "j\u00f6rg"


class World:
    def __init__(self, daemon, sink=None):
        self.daemon = daemon
        self.sink = sink
        self.count = 0
        daemon.add_user(NOT_ASCII, PASSWORD)

    def mark(self):
        """A word of its own for each message."""
        self.count += 1
        return f"mark-{self.count}-".encode()

    def arrived(self, mark, user=USER):
        """The message with the mark, octet by octet; reports come later."""
        def look():
            found = [m for m in self.daemon.messages(user) if mark in m]
            return found[0] if found else None
        return wait_for(look, what=f"the message {mark}")


class Session(Wire):
    """One context for all: what it costs to make one is more than a case."""
    context = insecure_tls()

    def tls(self):
        self.socket = self.context.wrap_socket(self.socket)


class Stage:
    """A state of a session: its service, whether TLS stands, and a login."""

    def __init__(self, world, service, is_tls, is_in):
        self.world = world
        self.service, self.is_tls, self.is_in = service, is_tls, is_in
        self.shared_by, self.uses = {}, {}

    def shared(self, way):
        """A session for refusals: a new one before there are too many."""
        uses = self.uses.get(way, 0)
        self.uses[way] = uses + 1
        if uses % 8 == 0:
            self.shared_by[way] = getattr(self, way)()
        return self.shared_by[way]

    def leave(self, way):
        with self.shared_by.pop(way) as wire:
            expect(wire, "QUIT", "221")

    def __str__(self):
        return (f"{self.service}{' TLS' if self.is_tls else ''}"
                f"{' logged in' if self.is_in else ''}")

    def open(self):
        """A session in that state, behind EHLO."""
        wire = Session(self.world.daemon.port(self.service))
        if self.service == "submissions":
            wire.tls()
        assert wire.reply()[:3] == "220"
        if self.is_tls and self.service != "submissions":
            wire.ask("EHLO c.test")
            begin_tls(wire)
        wire.hello = wire.ask("EHLO c.test")
        if self.is_in:
            log_in(wire)
            wire.hello = wire.ask("EHLO c.test")
        return wire

    def transaction(self):
        """A session that may send, as a client comes to it from here."""
        wire = self.open()
        if self.service != "smtp" and not self.is_in:
            if not self.is_tls:
                begin_tls(wire)
                wire.ask("EHLO c.test")
            log_in(wire)
        return wire


def stages(world):
    return [Stage(world, *row) for row in (
        ("smtp", False, False), ("smtp", True, False),
        ("submission", False, False), ("submission", True, False),
        ("submission", True, True), ("submissions", True, False),
        ("submissions", True, True))]


def lines_of(reply):
    return [line[4:] for line in reply.split("\r\n") if line][1:]


def offers(stage):
    with stage.open() as wire:
        lines = lines_of(wire.hello)
        assert wire.ask("EHLO c.test") == wire.hello  # and it stays so
        assert "\r\n" not in wire.ask("HELO c.test").rstrip("\r\n")
    words = [line.split(" ") for line in lines]
    assert len({w[0] for w in words}) == len(words), words
    return {w[0]: w[1:] for w in words}


def names_of(keyword, parameters):
    """A case for AUTH itself, and for each of its mechanisms."""
    if keyword == "AUTH":
        assert parameters
        return ["AUTH " + mechanism for mechanism in parameters]
    return [keyword]


def is_of_state(name):
    """Does what it promises depend on TLS or a login?"""
    return name.startswith("AUTH ") or name in ("STARTTLS",
                                                "ENHANCEDSTATUSCODES")


# ---- what the cases are made of --------------------------------------------

def begin_tls(wire):
    assert wire.ask("STARTTLS")[:3] == "220"
    wire.tls()


def b64(octets):
    return base64.b64encode(octets).decode()


def log_in(wire):
    reply = wire.ask("AUTH PLAIN " + b64(f"\0{USER}\0{PASSWORD}".encode()))
    assert reply.startswith("235 2.7.0"), reply


def utf8(text):
    """What Wire.ask says as these letters."""
    return text.encode().decode("latin-1")


def expect(wire, command, code):
    reply = wire.ask(command)
    assert reply.startswith(code), (command, reply)
    return reply


def begin(wire, parameters="", recipient=f"{USER}@mail.test", more=""):
    expect(wire, f"MAIL FROM:<{USER}@mail.test>{parameters}", "250 2.1.0")
    expect(wire, f"RCPT TO:<{recipient}>{more}", "250 2.1.5")


def data(wire, text, code="250 2."):
    expect(wire, "DATA", "354")
    wire.send(re.sub(rb"(?m)^\.", b"..", text) + b".\r\n")
    reply = wire.reply()
    assert reply.startswith(code), reply
    return reply


def chunk(wire, octets, is_last, code="250 2."):
    wire.send(b"BDAT %d%s\r\n" % (len(octets), b" LAST" * is_last) + octets)
    reply = wire.reply()
    assert reply.startswith(code), reply


# ---- the cases ---------------------------------------------------------------

def case_pipelining(stage, parameters):
    """RFC 2920: a group in one segment is answered in its order, with a refused
    recipient in it; so are the commands behind the final dot."""
    assert not parameters
    mark = stage.world.mark()
    with stage.transaction() as wire:
        wire.send(b"RSET\r\nMAIL FROM:<demo@mail.test>\r\n"
                  b"RCPT TO:<nobody@mail.test>\r\nRCPT TO:<demo@mail.test>\r\n"
                  b"DATA\r\n")
        codes = [wire.reply()[:3] for _ in range(5)]
        assert codes == ["250", "250", "550", "250", "354"], codes
        wire.send(b"Subject: " + mark + b"\r\n\r\nRSET\r\n.\r\n"
                  b"NOOP\r\nMAIL FROM:<>\r\nRSET\r\nQUIT\r\n")
        codes = [wire.reply()[:3] for _ in range(5)]
        assert codes == ["250", "250", "250", "250", "221"], codes
    assert stage.world.arrived(mark).endswith(b"\r\n\r\nRSET\r\n")


def text_of(mark, size):
    """A message of just so many octets."""
    head = b"Subject: " + mark + b"\r\n\r\n"
    left = size - len(head)
    lines = b"".join(b"x" * 98 + b"\r\n" for _ in range(left // 100 - 1))
    return head + lines + b"y" * (left - len(lines) - 2) + b"\r\n"


def case_size(stage, parameters):
    """RFC 1870: the number is the largest that is taken, announced or not, by
    DATA and by BDAT; one octet more is refused."""
    size, = map(int, parameters)
    with stage.transaction() as wire:
        expect(wire, f"MAIL FROM:<demo@mail.test> SIZE={size + 1}",
               "552 5.3.4")
        expect(wire, f"MAIL FROM:<demo@mail.test> SIZE={size}", "250")
        expect(wire, "RSET", "250")
        expect(wire, f"MAIL FROM:<demo@mail.test> SIZE={2 ** 70}", "552 5.3.4")
        expect(wire, "MAIL FROM:<demo@mail.test> SIZE=x", "501")
        if size > 100000:
            return  # of the small ones the octets are sent, too
        begin(wire)
        data(wire, text_of(stage.world.mark(), size + 1), "552 5.3.4")
        expect(wire, "RCPT TO:<demo@mail.test>", "503")
        begin(wire)
        chunk(wire, b"z" * (size + 1), True, "552 5.3.4")
        # Dots that are doubled on the way are no part of the size.
        mark = stage.world.mark()
        text = text_of(mark, size)
        text = text[:-50] + b"\r\n" + b"." * 46 + b"\r\n"
        begin(wire, f" SIZE={size}")
        data(wire, text)
        assert stage.world.arrived(mark).endswith(text)
        mark = stage.world.mark()
        begin(wire)
        text = text_of(mark, size)
        chunk(wire, text, True)
        assert stage.world.arrived(mark).endswith(text)


def case_8bitmime(stage, parameters):
    """RFC 6152: octets above 127 come back as they were sent."""
    assert not parameters
    text = b"Subject: " + stage.world.mark() + b"\r\n\r\n" + \
        bytes(range(128, 256)) + b"\r\n"
    with stage.transaction() as wire:
        begin(wire, " BODY=8BITMIME")
        data(wire, text)
        expect(wire, "MAIL FROM:<demo@mail.test> BODY=9BIT", "501")
    assert stage.world.arrived(text[9:20]).endswith(text)


def case_enhanced_codes(stage, parameters):
    """RFC 2034: each reply but those to EHLO, HELO, and of 3yz, has a code of
    its class."""
    assert not parameters
    commands = ["NOOP", "RSET", "VRFY x", "HELP", "EXPN x", "FROB", "RSET x",
                "AUTH", "AUTH NO-SUCH", "RCPT TO:<demo@mail.test>", "DATA",
                "BDAT 0 LAST", "MAIL FROM:<demo@mail.test> SIZE=x",
                "MAIL FROM:<a@b> FROB=1", "MAIL x", "STARTTLS x", "ETRN",
                "EHLO", "MAIL FROM:<demo@mail.test>",
                "RCPT TO:<nobody@mail.test>", "DATA", "QUIT"]
    with stage.open() as wire:
        for command in commands:
            reply = wire.ask(command)
            for line in reply.split("\r\n")[:-1]:
                assert re.match(r"([245])\d\d[ -]\1\.\d{1,3}\.\d{1,3} ",
                                line), (command, reply)


def case_starttls(stage, parameters):
    """RFC 3207: TLS begins, and what was said before is forgotten."""
    assert not parameters and not stage.is_tls
    with stage.open() as wire:
        expect(wire, "STARTTLS now", "501")
        begin_tls(wire)
        expect(wire, "MAIL FROM:<demo@mail.test>", "503")
        assert "STARTTLS" not in lines_of(wire.ask("EHLO c.test"))


def sasl(wire, mechanism, password):
    """The last reply of one login."""
    if mechanism == "PLAIN":
        return wire.ask("AUTH PLAIN " +
                        b64(f"\0{USER}\0{password}".encode()))
    if mechanism == "LOGIN":
        expect(wire, "AUTH LOGIN", "334")
        expect(wire, b64(USER.encode()), "334")
        return wire.ask(b64(password.encode()))
    if mechanism == "CRAM-MD5":
        challenge = base64.b64decode(expect(wire, "AUTH CRAM-MD5", "334")[4:])
        digest = hmac.new(password.encode(), challenge, "md5").hexdigest()
        return wire.ask(b64(f"{USER} {digest}".encode()))
    return scram(lambda text: wire.ask(text), "334 ", password)


def scram(ask, go_on, password, user=USER):
    """RFC 5802, RFC 7677: the last reply; the server must prove itself too."""
    nonce = base64.b64encode(os.urandom(12)).decode()
    bare = f"n={user},r={nonce}"
    reply = ask("AUTH SCRAM-SHA-256 " + b64(b"n,," + bare.encode()))
    assert reply.startswith(go_on), reply
    first = base64.b64decode(reply[len(go_on):]).decode()
    words = dict(part.split("=", 1) for part in first.split(","))
    assert words["r"].startswith(nonce) and words["r"] != nonce, first
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(),
                                 base64.b64decode(words["s"]),
                                 int(words["i"]))

    def mac(key, text):
        return hmac.new(key, text, "sha256").digest()

    last = f"c=biws,r={words['r']}"
    signed = ",".join((bare, first, last)).encode()
    key = mac(salted, b"Client Key")
    signature = mac(hashlib.sha256(key).digest(), signed)
    proof = bytes(a ^ b for a, b in zip(key, signature))
    reply = ask(b64(f"{last},p={b64(proof)}".encode()))
    if not reply.startswith(go_on):
        return reply
    server = base64.b64decode(reply[len(go_on):])
    wanted = b"v=" + base64.b64encode(mac(mac(salted, b"Server Key"), signed))
    assert server == wanted, (server, wanted)
    return ask("")


def case_auth(mechanism):
    def case(stage, parameters):
        """RFC 4954: it logs in, with the right password alone; after that no
        mechanism is offered, and none is taken."""
        assert mechanism in parameters and not stage.is_in
        with stage.open() as wire:
            reply = sasl(wire, mechanism, "wrong")
            assert reply.startswith("535 5.7.8"), reply
            expect(wire, f"AUTH {mechanism} !", "501")
            reply = sasl(wire, mechanism, PASSWORD)
            assert reply.startswith("235 2.7.0"), reply
            assert not any(line.startswith("AUTH") for line in
                           lines_of(wire.ask("EHLO c.test")))
            expect(wire, f"AUTH {mechanism}", "503")
            begin(wire)
    return case


def case_smtputf8(stage, parameters):
    """RFC 6531: names and headers in UTF-8, there and back; without the word
    such a name is refused."""
    assert not parameters
    mark = stage.world.mark()
    text = b"Subject: " + mark + " gr\u00fc\u00dfe\r\n\r\nx\r\n".encode()
    with stage.transaction() as wire:
        expect(wire, "MAIL FROM:<demo@mail.test>", "250")
        expect(wire, utf8(f"RCPT TO:<{NOT_ASCII}@mail.test>"), "553 5.6.7")
        expect(wire, "RSET", "250")
        begin(wire, " SMTPUTF8 BODY=8BITMIME",
              utf8(f"{NOT_ASCII}@mail.test"))
        data(wire, text)
        expect(wire, utf8(f"VRFY {NOT_ASCII}"), "252")
        expect(wire, "MAIL FROM:<demo@mail.test> SMTPUTF8=1", "501")
    # POP3's user name is in UTF-8, too.
    found = stage.world.arrived(mark, NOT_ASCII)
    assert found.endswith(text), found


def case_dsn(stage, parameters):
    """RFC 3461: who asks for a report of success gets it, with what it named;
    who asks for none gets none."""
    assert not parameters
    asked, silent = stage.world.mark(), stage.world.mark()
    with stage.transaction() as wire:
        begin(wire, " RET=HDRS ENVID=" + silent.decode(),
              more=" NOTIFY=NEVER")
        data(wire, b"Subject: x\r\n\r\nx\r\n")
        begin(wire, " RET=HDRS ENVID=" + asked.decode(),
              more=" NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;first+40b.test")
        data(wire, b"Subject: x\r\n\r\nbody-" + asked + b"\r\n")
        for bad in ("NOTIFY=NEVER,FAILURE", "NOTIFY=OFTEN", "ORCPT=x"):
            expect(wire, "RSET", "250")
            expect(wire, "MAIL FROM:<demo@mail.test>", "250")
            expect(wire, f"RCPT TO:<demo@mail.test> {bad}", "501")
    report = stage.world.arrived(b"Original-Envelope-Id: " + asked)
    assert b"Action: delivered" in report, report
    assert b"Original-Recipient: rfc822;first@b.test" in report, report
    assert b"body-" not in report, "RET=HDRS"
    assert not any(b"Original-Envelope-Id: " + silent in message
                   for message in stage.world.daemon.messages(USER))


def case_chunking(stage, parameters):
    """RFC 3030 2: chunks are put together as they are, dots and all; what is in
    one is no command."""
    assert not parameters
    mark = stage.world.mark()
    parts = [b"Subject: " + mark + b"\r\n\r\n.\r\nQUIT\r", b"\n", b"",
             b"..two\r\n"]
    with stage.transaction() as wire:
        begin(wire)
        for part in parts:
            chunk(wire, part, False)
        expect(wire, "DATA", "503")
        chunk(wire, b"end\r\n", True)
    whole = b"".join(parts) + b"end\r\n"
    assert stage.world.arrived(mark).endswith(whole)


def case_binarymime(stage, parameters):
    """RFC 3030 3: every octet comes back; DATA cannot carry it."""
    assert not parameters
    mark = stage.world.mark()
    octets = bytes(range(256)) * 4 + b"\n.\r\r\n"
    head = (b"Subject: " + mark + b"\r\nMIME-Version: 1.0\r\n"
            b"Content-Type: application/octet-stream\r\n"
            b"Content-Transfer-Encoding: binary\r\n\r\n")
    with stage.transaction() as wire:
        begin(wire, " BODY=BINARYMIME")
        expect(wire, "DATA", "503")
        chunk(wire, head + octets[:300], False)
        chunk(wire, octets[300:], True)
    found = stage.world.arrived(mark)
    kept = found[found.index(b"Subject: " + mark):]
    assert b"Content-Transfer-Encoding: base64" in kept, kept
    assert base64.b64decode(kept.split(b"\r\n\r\n", 1)[1]) == octets, kept


def case_etrn(stage, parameters):
    """RFC 1985: the mail that waits for a domain is tried at once."""
    assert not parameters
    sink, daemon = stage.world.sink, stage.world.daemon
    sink.replies["RCPT"] = "451 4.3.0 not now"
    before = len(sink.messages)
    with Stage(stage.world, "submissions", True, True).open() as wire:
        begin(wire, recipient="a@node.test")
        data(wire, b"Subject: x\r\n\r\nx\r\n")
    wait_for(lambda: "not now" in daemon.ctl(
        "queue", "list", "--state", "tried").stdout, what="a first attempt")
    with stage.open() as wire:
        expect(wire, "ETRN", "501")
        expect(wire, "ETRN no_domain!", "501")
        expect(wire, "ETRN other.test", "251")
        sink.replies.pop("RCPT")
        expect(wire, "ETRN node.test", "250")
    wait_for(lambda: len(sink.messages) == before + 1, what="the mail")
    assert sink.messages[-1].recipients == ["a@node.test"]


def case_help(stage, parameters):
    """RFC 5321 4.1.1.8."""
    assert not parameters
    with stage.open() as wire:
        expect(wire, "HELP", "214 2.0.0")


CASES = {
    "PIPELINING": case_pipelining,
    "SIZE": case_size,
    "8BITMIME": case_8bitmime,
    "ENHANCEDSTATUSCODES": case_enhanced_codes,
    "STARTTLS": case_starttls,
    "SMTPUTF8": case_smtputf8,
    "DSN": case_dsn,
    "CHUNKING": case_chunking,
    "BINARYMIME": case_binarymime,
    "ETRN": case_etrn,
    "HELP": case_help,
}
MECHANISMS = ("PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256")
CASES.update({f"AUTH {name}": case_auth(name) for name in MECHANISMS})


# ---- what is not offered -----------------------------------------------------

def refuse(command, *codes):
    def look(stage, promised):
        expect(stage.shared("open"), command, codes)
    return look


def refuse_parameter(parameter):
    """RFC 5321 4.1.1.11: a parameter of an extension that is not there."""
    def look(stage, promised):
        expect(stage.shared("transaction"),
               f"MAIL FROM:<demo@mail.test> {parameter}", "555 5.5.4")
    return look


def refuse_mechanism(name):
    """RFC 4954 4, 6: unknown, only under TLS, after a login, or not at all."""
    def look(stage, promised):
        code = ("503 5.5.1" if stage.is_in else
                "504 5.5.4" if "AUTH" in promised else
                "502 5.5.1" if stage.service == "smtp" else
                ("538 5.7.11", "504 5.5.4"))
        expect(stage.shared("open"), f"AUTH {name}", code)
    return look


REFUSALS = {
    "STARTTLS": refuse("STARTTLS", "503 5.5.1"),
    "ETRN": refuse("ETRN mail.test", "502 5.5.1", "459"),
    "EXPN": refuse("EXPN demo", "502 5.5.1"),
    "VRFY": refuse("VRFY demo", "252", "530"),
    "TURN": refuse("TURN", "502 5.5.1"),
    "ATRN": refuse("ATRN mail.test", "500 5.5.1"),
    "BURL": refuse("BURL imap://x/ LAST", "500 5.5.1"),
    "XCLIENT": refuse("XCLIENT ADDR=192.0.2.1", "500 5.5.1"),
    "XFORWARD": refuse("XFORWARD ADDR=192.0.2.1", "500 5.5.1"),
    "DELIVERBY": refuse_parameter("BY=120;R"),
    "MT-PRIORITY": refuse_parameter("MT-PRIORITY=3"),
    "FUTURERELEASE": refuse_parameter("HOLDFOR=100"),
    "REQUIRETLS": refuse_parameter("REQUIRETLS"),
}
REFUSALS.update({f"AUTH {name}": refuse_mechanism(name) for name in
                 MECHANISMS + ("OAUTHBEARER", "XOAUTH2", "EXTERNAL",
                               "NO-SUCH")})
