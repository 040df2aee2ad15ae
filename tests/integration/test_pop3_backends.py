"""POP3 sessions that are passed on to another server: T-144, the second half.

The other server is a daemon of ours; what it is to the first one is what any
POP3 server is."""
import os
import poplib
import socket

from harness import Daemon, Wire, free_port, insecure_tls, main, wait_for

CLEAR = {"pop3.allows_clear_login": True}


def front(build, backends, tls, **settings):
    return Daemon(build, users=("local",), host="localhost", settings={
        **CLEAR, "pop3.backends": backends, "pop3.backend_tls": tls,
        **settings})


def send(daemon, count, body="x\r\n", user="demo"):
    with daemon.smtp() as client:
        for number in range(count):
            client.sendmail("a@example.net", [f"{user}@mail.test"],
                            f"Subject: {number}\r\n\r\n{body}")


def refusal(port, *words):
    with Wire(port, timeout=120) as wire:
        wire.line()
        for word in words[:-1]:
            wire.ask(word)
        return wire.ask(words[-1])


def test_a_session_is_passed_on(build):
    """Login, listing, a large message, commands in one flight, QUIT."""
    body = ("y" * 70 + "\r\n.dot\r\n") * 40000
    with Daemon(build, settings=CLEAR) as back:
        send(back, 2)
        send(back, 1, body)
        with front(build, f"local=,*=127.0.0.1:{back.port('pop3')}",
                   "off") as daemon:
            box = poplib.POP3("127.0.0.1", daemon.port("pop3"), timeout=120)
            box.user("demo")
            box.pass_("secret")
            assert box.stat()[0] == 3
            assert b"\r\n".join(box.retr(3)[1]).count(b".dot") == 40000
            box.dele(1)
            box.quit()
            wait_for(lambda: len(back.messages()) == 2, what="the deletion")
            with Wire(daemon.port("pop3"), timeout=120) as wire:
                wire.line()
                wire.send(b"XLOG demo secret\r\nSTAT\r\nUIDL 1\r\nQUIT\r\n")
                wire.socket.shutdown(socket.SHUT_WR)
                lines = [wire.line() for _ in range(4)]
                assert lines[0].startswith(b"+OK Logged in."), lines
                assert lines[1].startswith(b"+OK 2 "), lines
                assert lines[2].startswith(b"+OK 1 "), lines
                assert lines[3].startswith(b"+OK"), lines
                assert wire.at_end()
            # A client that vanishes deletes nothing there.
            wire = Wire(daemon.port("pop3"))
            wire.line()
            assert wire.ask("XLOG demo secret").startswith("+OK")
            assert wire.ask("DELE 1").startswith("+OK")
            wire.close()
            wait_for(lambda: refusal(back.port("pop3"),
                                     "XLOG demo secret")[:3] == "+OK",
                     20, "the lock there")
            assert len(back.messages()) == 2
            # Users of this system stay here.
            box = daemon.pop3("local")
            assert box.stat()[0] == 0
            box.quit()


def test_refusals_have_words(build):
    with Daemon(build, settings=CLEAR) as back:
        with front(build, f"demo=127.0.0.1:{back.port('pop3')},"
                          f"gone=127.0.0.1:{free_port()}",
                   "off") as daemon:
            port = daemon.port("pop3")
            assert refusal(port, "XLOG demo wrong").startswith("-ERR [AUTH]")
            assert "cannot be reached" in refusal(port, "XLOG gone secret")
            with Wire(back.port("pop3")) as other:
                other.line()
                assert other.ask("XLOG demo secret").startswith("+OK")
                assert refusal(port, "XLOG demo secret").startswith(
                    "-ERR [IN-USE]")
            # What shows no password cannot be passed on.
            assert "APOP" not in refusal(port, "AUTH SCRAM-SHA-256 biws")
            back.kill()
            assert "cannot be reached" in refusal(port, "XLOG demo secret")
            assert refusal(port, "XLOG local secret").startswith("+OK")


def test_tls(build):
    """Verified names with must and implicit; anything else has no password."""
    with Daemon(build, host="localhost") as back:
        send(back, 1, user="demo@localhost"[:4])
        port = back.port("pop3")
        authority = os.path.join(back.folder, "data", "self-signed.crt")
        for tls, there, file, is_good in (
                ("may", f"localhost:{port}", "", True),
                ("must", f"localhost:{port}", authority, True),
                ("implicit", f"localhost:{back.port('pop3s')}", authority,
                 True),
                ("must", f"localhost:{port}", "", False),
                ("off", f"localhost:{port}", "", False)):
            with front(build, f"demo={there}", tls,
                       **{"pop3.backend_authority_file": file}) as daemon:
                box = poplib.POP3("127.0.0.1", daemon.port("pop3"),
                                  timeout=120)
                box.stls(insecure_tls())
                try:
                    box._shortcmd("XLOG demo secret")
                    assert is_good, (tls, file)
                    assert box.stat()[0] == 1
                    box.quit()
                except poplib.error_proto as error:
                    assert not is_good, (tls, file, error)
                    assert b"[SYS/TEMP] " in error.args[0], error


main(__name__, test_a_session_is_passed_on, test_refusals_have_words, test_tls)
