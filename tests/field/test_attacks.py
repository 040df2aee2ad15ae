"""Hostile clients of SMTP, POP3 and TLS, by their number in the list of
attacks that the tests name throughout."""
import base64
import hashlib
import hmac
import poplib
import socket
import ssl
import struct

from dnsserver import NameServer
from harness import Daemon, Wire, insecure_tls, main, wait_for

BODY = b"From: a@client.test\r\nTo: demo@mail.test\r\nSubject: x\r\n\r\ntext\r\n"
MANY = {"smtp.connections_per_address_max": 1000,
        "pop3.connections_per_address_max": 1000}


def count(daemon):
    """The messages of the mailbox, once a cut session has let it go."""
    def look():
        try:
            box = daemon.pop3()
        except poplib.error_proto:
            return None
        number = box.stat()[0]
        box.quit()
        return [number]
    return wait_for(look, what="the mailbox")[0]


def hello_of_client():
    """The first flight of a TLS client."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = insecure_tls().wrap_bio(incoming, outgoing, server_hostname="x")
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()


def reset(wire):
    """Closes with RST."""
    wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                           struct.pack("ii", 1, 0))
    wire.close()


def rest_of(wire):
    text = wire.data
    try:
        while True:
            more = wire.socket.recv(65536)
            if not more:
                return text
            text += more
    except (ConnectionError, socket.timeout):
        return text


def test_attack_12_clear_text_in_the_handshake(build):
    with Daemon(build) as daemon:
        for service, start, go in (("smtp", b"EHLO x\r\nSTARTTLS\r\n", b"220 2"),
                                   ("pop3", b"STLS\r\n", b"+OK")):
            with Wire(daemon.port(service)) as wire:
                wire.line()
                wire.send(start)
                while not wire.line().startswith(go):
                    pass
                wire.send(b"NOOP\r\n" + hello_of_client())
                text = rest_of(wire)
                assert b"250" not in text and b"+OK" not in text, text
        assert count(daemon) == 0


def test_attack_17_handshakes_that_stop(build):
    settings = {**MANY, "smtp.tls_timeout": "1s", "smtp.connections_max": 2000}
    with Daemon(build, settings=settings) as daemon:
        hello = hello_of_client()[:300]
        stopped = []
        for size in range(len(hello)):
            wire = Wire(daemon.port("submissions"))
            wire.send(hello[:size])
            stopped.append(wire)
        with daemon.smtp("submissions") as client:
            client.login("demo", "secret")
        for wire in stopped:
            assert wire.at_end()
            wire.close()


def test_attack_18_other_protocols(build):
    request = b"GET /secret HTTP/1.1\r\nHost: secret.test\r\n\r\n"
    with Daemon(build) as daemon:
        for service in "smtp", "submission", "submissions", "pop3", "pop3s":
            with Wire(daemon.port(service), timeout=5) as wire:
                wire.send(request)
                wire.socket.shutdown(socket.SHUT_WR)
                text = rest_of(wire)
                assert b"secret" not in text, (service, text)
            context = insecure_tls()
            context.set_alpn_protocols(["http/1.1"])
            with Wire(daemon.port(service), timeout=5) as wire:
                try:
                    context.wrap_socket(wire.socket)
                    raise AssertionError(service + " took http/1.1")
                except (ssl.SSLError, ConnectionError, socket.timeout):
                    pass


def test_attack_22_tickets_of_another_service(build):
    with Daemon(build) as daemon:
        context = insecure_tls()
        context.maximum_version = ssl.TLSVersion.TLSv1_2

        def handshake(service, session=None):
            with Wire(daemon.port(service)) as wire:
                tls = context.wrap_socket(wire.socket, session=session)
                tls.recv(100)
                return tls.session, tls.session_reused
        session, _ = handshake("submissions")
        assert handshake("submissions", session)[1]
        assert not handshake("pop3s", session)[1]


def test_attack_23_cut_under_tls(build):
    """FIN without close_notify in the middle of DATA is no message; behind the
    final dot it is one."""
    with Daemon(build) as daemon:
        for end, kept in (b"", 0), (b".\r\n", 1):
            with Wire(daemon.port("smtp")) as wire:
                wire.reply()
                wire.ask("EHLO client.test")
                wire.ask("STARTTLS")
                wire.tls()
                wire.ask("EHLO client.test")
                wire.ask("MAIL FROM:<a@client.test>")
                wire.ask("RCPT TO:<demo@mail.test>")
                assert wire.ask("DATA").startswith("354")
                wire.send(BODY + end)
                if kept:
                    assert wire.reply().startswith("250")
            assert count(daemon) == kept


def test_attack_26_data_and_chunks(build):
    with Daemon(build) as daemon:
        with Wire(daemon.port("smtp")) as wire:
            wire.reply()
            wire.ask("EHLO client.test")
            for last in "DATA", "RSET", "MAIL FROM:<b@client.test>":
                wire.ask("MAIL FROM:<a@client.test>")
                wire.ask("RCPT TO:<demo@mail.test>")
                wire.send(b"BDAT 5\r\nA: b\n")
                wire.reply()
                code = wire.ask(last)[:3]
                assert code == ("250" if last == "RSET" else "503"), code
                wire.ask("RSET")
                assert wire.ask("RCPT TO:<demo@mail.test>")[:3] == "503"
        assert count(daemon) == 0


def test_attack_35_before_the_greeting(build):
    with Daemon(build) as daemon:
        for _ in range(20):
            with Wire(daemon.port("smtp")) as wire:
                wire.send(b"EHLO x\r\nMAIL FROM:<a@client.test>\r\nQUIT\r\n")
                assert wire.line().startswith(b"220 ")
                assert rest_of(wire).count(b"\r\n221 ") == 1
        assert count(daemon) == 0


def test_attack_36_reset_in_each_state(build):
    steps = [b"", b"EHLO x\r\n", b"MAIL FROM:<a@client.test>\r\n",
             b"RCPT TO:<demo@mail.test>\r\n", b"DATA\r\n", BODY[:30],
             BODY[30:], b".\r\n"]
    logins = [b"", b"USER demo\r\n", b"PASS secret\r\n", b"RETR 1\r\n",
              b"DELE 1\r\n"]
    with Daemon(build, settings={**MANY, "pop3.allows_clear_login": True}) as d:
        for number in range(len(steps)):
            for waits in False, True:
                wire = Wire(d.port("smtp"))
                wire.reply()
                for step in steps[:number + 1]:
                    wire.send(step)
                    if waits and step[-2:] == b"\r\n" and step not in (
                            BODY[:30], BODY[30:]):
                        wire.reply()
                reset(wire)
        kept = count(d)
        assert kept in (1, 2), kept
        for number in range(len(logins)):
            wire = Wire(d.port("pop3"))
            wire.line()
            for step in logins[:number + 1]:
                wire.send(step)
            reset(wire)
        assert count(d) == kept


FRIEND = "192.0.2.1"  # from there the world may be reached, and a list has it
FORGED = (f"Received: from friend ([{FRIEND}]) by mail.test with ESMTPSA\r\n"
          f"Received: from localhost ([127.0.0.1]) by {FRIEND}\r\n"
          f"X-Originating-IP: [{FRIEND}]\r\nX-Forwarded-For: {FRIEND}\r\n"
          "Return-Path: <demo@mail.test>\r\n").encode()


def test_attack_43_forged_names(build):
    """Nobody becomes a friend, or somebody who is listed, by saying so; who is
    trusted to say whose connection it is does change it."""
    records = {("1.2.0.192.list.test", "A"): ["127.0.0.2"],
               ("2.0.0.127.list.test", "A"): ["127.0.0.2"]}
    with NameServer(records) as dns, Daemon(build, settings={
            "smtp.relay_from": f"{FRIEND}/32", "dnsbl.zones": "list.test",
            "dnsbl.exempt": "", "dnsbl.self_test": False,
            "dns.servers": f"127.0.0.1:{dns.port}"}) as daemon:
        for service in ("smtp", "submission"):
            with Wire(daemon.port(service)) as wire:
                wire.reply()
                wire.ask(f"EHLO [{FRIEND}]")
                for command in (f"XCLIENT ADDR={FRIEND} NAME=mail.test",
                                f"XFORWARD ADDR={FRIEND}",
                                f"PROXY TCP4 {FRIEND} 127.0.0.1 1 25"):
                    assert wire.ask(command)[:3] == "500"
                reply = wire.ask("MAIL FROM:<a@client.test> AUTH=<demo>")
                assert reply[:3] == ("530" if service == "submission"
                                     else "250"), reply
                if service == "smtp":
                    reply = wire.ask("RCPT TO:<x@far.test>")
                    assert reply.startswith("550 5.7.1"), reply
                    assert wire.ask("RCPT TO:<demo@mail.test>")[:3] == "250"
                    assert wire.ask("DATA")[:3] == "354"
                    wire.send(FORGED + b"\r\nx\r\n.\r\n")
                    assert wire.reply()[:3] == "250"
        with Wire(daemon.port("pop3")) as wire:
            wire.line()
            for command in (f"XCLIENT ADDR={FRIEND}", f"ID x {FRIEND}"):
                wire.send(command.encode() + b"\r\n")
                assert wire.line().startswith(b"-ERR")
        message, = daemon.messages()
        ours = message[message.index(b"Received:"):message.index(FORGED[:40])]
        assert b"([127.0.0.1])" in ours and FRIEND.encode() not in \
            ours.split(b"([")[1], ours
        # The peer was asked about, and nobody that it named.
        assert any("list.test" in name for name, _ in dns.asked), dns.asked
        assert not any(name.startswith("1.2.0.192")
                       for name, _ in dns.asked), dns.asked
    with Daemon(build, settings={
            "smtp.relay_from": f"{FRIEND}/32",
            "general.proxy_from": "127.0.0.0/8"}) as daemon:
        for address, code in ((FRIEND, "250"), ("192.0.2.2", "530")):
            with Wire(daemon.port("submissions")) as wire:
                wire.send(f"PROXY TCP4 {address} 192.0.2.9 1 465\r\n".encode())
                wire.tls()
                wire.reply()
                wire.ask("EHLO c.test")
                assert wire.ask("MAIL FROM:<a@client.test>")[:3] == code


def test_attack_48_replayed_logins(build):
    """What logged in once, heard on the way, logs nobody in a second time. (A
    host's tokens: host.requests.)"""
    settings = {"pop3.allows_clear_login": True, "local.cram_md5": True,
                "local.keeps_apop_passwords": True}
    with Daemon(build, settings=settings) as daemon:
        def session(*lines):
            """The last reply."""
            with Wire(daemon.port("pop3")) as wire:
                greeting = wire.line().decode()
                reply = ""
                for line in lines:
                    text = line(greeting, reply) if callable(line) else line
                    wire.send(text.encode() + b"\r\n")
                    reply = wire.line().decode()
                return reply
        heard = []

        def digest(greeting, reply):
            stamp = greeting[greeting.index("<"):].strip()
            heard.append("APOP demo " + hashlib.md5(
                (stamp + "secret").encode()).hexdigest())
            return heard[-1]

        def answer(greeting, reply):
            code = hmac.new(b"secret", base64.b64decode(reply[2:]),
                            "md5").hexdigest()
            heard.append(base64.b64encode(f"demo {code}".encode()).decode())
            return heard[-1]
        assert session(digest).startswith("+OK")
        assert session(heard.pop()).startswith("-ERR [AUTH]")
        assert session("AUTH CRAM-MD5", answer).startswith("+OK")
        assert session("AUTH CRAM-MD5", heard.pop()).startswith("-ERR [AUTH]")
        # SCRAM: the client's own nonce is the same, the server's is not.
        nonce = base64.b64encode(b"n,,n=demo,r=always").decode()
        first = "AUTH SCRAM-SHA-256 " + nonce

        def prove(greeting, reply):
            server = base64.b64decode(reply[2:]).decode()
            heard.append(final_of("n=demo,r=always", server, "secret"))
            return heard[-1]
        assert session(first, prove).startswith("+ ")
        assert session(first, heard.pop()).startswith("-ERR [AUTH]")
        assert session(first, prove, "").startswith("+OK")


def final_of(bare, server, password):
    """RFC 5802 3: the client's last message."""
    words = dict(part.split("=", 1) for part in server.split(","))
    key = hmac.new(hashlib.pbkdf2_hmac(
        "sha256", password.encode(), base64.b64decode(words["s"]),
        int(words["i"])), b"Client Key", "sha256").digest()
    last = f"c=biws,r={words['r']}"
    signature = hmac.new(hashlib.sha256(key).digest(),
                         f"{bare},{server},{last}".encode(),
                         "sha256").digest()
    proof = base64.b64encode(bytes(a ^ b for a, b in zip(key, signature)))
    return base64.b64encode(f"{last},p={proof.decode()}".encode()).decode()


def test_attack_90_91_one_session_and_a_cut(build):
    with Daemon(build, settings={"pop3.allows_clear_login": True}) as daemon:
        with daemon.smtp() as client:
            client.sendmail("a@client.test", ["demo@mail.test"], BODY)
        first = Wire(daemon.port("pop3"))
        for command in (b"", b"USER demo\r\n", b"PASS secret\r\n",
                        b"DELE 1\r\n"):
            first.send(command)
            assert first.line().startswith(b"+OK")
        with Wire(daemon.port("pop3")) as second:
            second.send(b"USER demo\r\nPASS secret\r\nQUIT\r\n")
            assert b"-ERR [IN-USE]" in rest_of(second)
        reset(first)
        assert count(daemon) == 1


main(__name__, test_attack_12_clear_text_in_the_handshake,
     test_attack_17_handshakes_that_stop, test_attack_18_other_protocols,
     test_attack_22_tickets_of_another_service, test_attack_23_cut_under_tls,
     test_attack_26_data_and_chunks, test_attack_35_before_the_greeting,
     test_attack_36_reset_in_each_state, test_attack_43_forged_names,
     test_attack_48_replayed_logins,
     test_attack_90_91_one_session_and_a_cut)
