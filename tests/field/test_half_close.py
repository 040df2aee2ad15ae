"""F01: a client sends all it has in one flight and shuts its writing side.

RFC 9293 3.6: the peer that sent FIN still reads. What came before it is
answered to the last octet, in clear and under TLS, with close_notify or
without; else the client sends its mail again.
"""
import os
import socket
import ssl
import sys

sys.path.insert(0, os.path.join(
    os.path.dirname(os.path.abspath(__file__)), "..", "integration"))
from harness import Daemon, insecure_tls, main  # noqa: E402

HELLO = b"EHLO client.test\r\n"
ENVELOPE = b"MAIL FROM:<a@b.test>\r\nRCPT TO:<demo@mail.test>\r\n"
BODY = b"Subject: once\r\n\r\nhello\r\n"
DATA = HELLO + ENVELOPE + b"DATA\r\n" + BODY + b".\r\n"
BDAT = HELLO + ENVELOPE + b"BDAT %d LAST\r\n" % len(BODY) + BODY
BOX = b"USER demo\r\nPASS secret\r\nSTAT\r\nRETR 1\r\nDELE 1\r\n"


def clear(port, octets):
    """Sends, shuts the writing side, and gives all that comes to the end."""
    with socket.create_connection(("127.0.0.1", port), 30) as s:
        s.sendall(octets)
        s.shutdown(socket.SHUT_WR)
        heard = b""
        while True:
            more = s.recv(65536)
            if not more:
                return heard
            heard += more


def tls(port, octets, notifies):
    """The same under TLS from the first octet."""
    inward, outward = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = insecure_tls().wrap_bio(inward, outward)
    with socket.create_connection(("127.0.0.1", port), 30) as s:

        def turn(act):
            while True:
                try:
                    return act()
                except ssl.SSLWantReadError:
                    if outward.pending:
                        s.sendall(outward.read())
                    more = s.recv(65536)
                    if more:
                        inward.write(more)
                    else:
                        inward.write_eof()

        turn(session.do_handshake)
        session.write(octets)
        if notifies:
            try:
                session.unwrap()  # close_notify is out; the peer's may wait
            except ssl.SSLError:
                pass
        s.sendall(outward.read())
        s.shutdown(socket.SHUT_WR)
        heard = b""
        while True:
            try:
                more = turn(lambda: session.read(65536))
            except ssl.SSLError:
                return heard
            if not more:
                return heard
            heard += more


def codes(heard):
    """The code of each reply."""
    return [line[:3].decode() for line in heard.split(b"\r\n")
            if line[3:4] == b" "]


def test_F01_smtp_in_clear(build):
    wanted = ["220", "250", "250", "250", "354", "250"]
    with Daemon(build) as daemon:
        port = daemon.port("smtp")
        assert codes(clear(port, DATA + b"QUIT\r\n")) == wanted + ["221"]
        assert codes(clear(port, DATA)) == wanted
        wanted.remove("354")
        assert codes(clear(port, BDAT + b"QUIT\r\n")) == wanted + ["221"]
        assert codes(clear(port, BDAT)) == wanted
        assert len(daemon.messages()) == 4


def test_F01_what_is_half_is_dropped(build):
    """No dot, no last chunk: the message was never whole."""
    with Daemon(build) as daemon:
        port = daemon.port("smtp")
        half = HELLO + ENVELOPE + b"DATA\r\n" + BODY
        assert codes(clear(port, half)) == ["220", "250", "250", "250", "354"]
        assert codes(clear(port, BDAT[:-3])) == ["220", "250", "250", "250"]
        assert codes(clear(port, HELLO + b"NOO")) == ["220", "250"]
        assert daemon.messages() == []


def test_F01_smtp_under_tls(build):
    settings = {"smtp.relay_from": "127.0.0.1"}
    wanted = ["220", "250", "250", "250", "354", "250"]
    with Daemon(build, settings=settings) as daemon:
        port = daemon.port("submissions")
        for notifies in (True, False):
            for last, more in ((b"", []), (b"QUIT\r\n", ["221"])):
                heard = tls(port, DATA + last, notifies)
                assert codes(heard) == wanted + more, (notifies, heard)
        assert len(daemon.messages()) == 4


def test_F01_pop3(build):
    settings = {"pop3.allows_clear_login": True}
    with Daemon(build, settings=settings) as daemon:
        for _ in range(4):
            clear(daemon.port("smtp"), DATA)
        for port, talk in ((daemon.port("pop3"), clear),
                           (daemon.port("pop3s"),
                            lambda p, o: tls(p, o, False))):
            # Without QUIT the mark does nothing (RFC 1939 6).
            heard = talk(port, BOX)
            assert heard.count(b"+OK") == 6, heard
            assert b"hello\r\n.\r\n" in heard
            heard = talk(port, BOX + b"QUIT\r\n")
            assert heard.count(b"+OK") == 7, heard
        assert len(daemon.messages()) == 2


def test_F01_much_is_read_to_its_end(build):
    """More than one output buffer is owed when the client's FIN comes."""
    large = HELLO + ENVELOPE + b"DATA\r\nSubject: large\r\n\r\n"
    large += (b"x" * 70 + b"\r\n") * 40000 + b".\r\n"
    settings = {"pop3.allows_clear_login": True}
    with Daemon(build, settings=settings) as daemon:
        clear(daemon.port("smtp"), large)
        heard = clear(daemon.port("pop3"), BOX)
        assert heard.count(b"x" * 70) == 40000
        assert heard.count(b"+OK") == 6, heard[-100:]


main(__name__, test_F01_smtp_in_clear, test_F01_what_is_half_is_dropped,
     test_F01_smtp_under_tls, test_F01_pop3,
     test_F01_much_is_read_to_its_end)
