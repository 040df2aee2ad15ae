"""Checking and receiving from an external POP3, by a host program
(fetch_mail.c): F3-08, T-160, T-164, FL-11's fetcher. The peer is a scripted
server.
"""
import base64
import re

from hosts import Host, main, wait_for
from popserver import HANG, PopServer

AUTHENTICATION, ARGUMENT, NOT_FOUND, STOPPED = -901, -100, -502, -202
KEEP, DELETE, NO_TLS = 0, 1, 2
BEGUN, FETCHED, LEFT, ENDED = 32, 64, 128, 256


def mail(mark):
    return (f"From: a@b.example\r\nDate: Mon, 30 Nov 2026 08:00:00 +0000\r\n"
            f"Message-ID: <{mark}@b.example>\r\nSubject: {mark}\r\n\r\n"
            f"hello\r\n").encode()


def box_of(count):
    return [(b"u%d" % i, mail(f"m{i}")) for i in range(count)]


def host(build, **settings):
    started = Host(build, "fetch_mail", users=("joe", "ann"), start=False,
                   settings={"fetch.timeout": "30s", **settings})
    started.start(wait="^ready$")
    return started


def ask(peer, line):
    """The lines that the host says to it; events and states come between."""
    after = len(peer.lines)
    peer.tell(line)
    lines = peer.lines[after:]
    return [l for l in lines[:lines.index("told " + line)]
            if not l.startswith(("event ", "state "))]


def result(peer, line):
    words = ask(peer, line)[-1].split(" ", 3)
    assert words[0] == "result", words
    return int(words[1]), int(words[2]), words[3] if len(words) > 3 else ""


def test_check_and_receive(build):
    """It waits; counts; receives each once, for each recipient; deletes."""
    with PopServer(box_of(3)) as server, host(build) as peer:
        words = f"{server.port} joe secret"
        assert result(peer, f"check {words} joe {NO_TLS}")[:2] == (3, 0)
        assert ask(peer, "box joe") == []
        assert result(peer, f"recv {words} joe {NO_TLS}")[0] == 3
        assert len(ask(peer, "box joe")) == 3
        assert result(peer, f"check {words} joe {NO_TLS}")[0] == 0
        assert result(peer, f"recv {words} joe {NO_TLS}")[0] == 0
        server.box.append((b"u9", mail("m9")))
        assert result(peer, f"recv {words} ann {NO_TLS | DELETE}")[0] == 4
        assert server.box == []
        # A later process knows what came; and no account stays behind.
        assert peer.end() == 0
        server.box = box_of(3)
        peer.start(wait="^ready$")
        assert result(peer, f"check {words} joe {NO_TLS}")[0] == 0
        listed = ask(peer, "list")
        assert len(listed) == 2, listed
        assert all("is_configured=0" in l for l in listed), listed


def test_failures_are_told(build):
    with PopServer(box_of(1), {"PASS": b"-ERR [AUTH] no\r\n"}) as server, \
            host(build) as peer:
        words = f"{server.port} joe secret"
        code, error, text = result(peer, f"recv {words} joe {NO_TLS}")
        assert code == error == AUTHENTICATION and "[AUTH] no" in text, text
        # Without TLS no password is said.
        code, _, text = result(peer, f"recv {words} joe {KEEP}")
        assert code < 0 and "TLS" in text, text
        assert sum(c.startswith("PASS") for c in server.commands) == 1
        for wrong in (f"recv 0 joe secret joe {NO_TLS}",
                      f"recv {server.port} joe secret joe 64"):
            assert result(peer, wrong)[0] == ARGUMENT, wrong
        server.faults = {}
        code, _, text = result(peer, f"recv {words} nobody {NO_TLS}")
        assert code < 0 and "gets no mail here" in text, text
        assert len(server.box) == 1
        assert result(peer, "stop none")[0] == NOT_FOUND
        code, _, text = result(peer, "set name=a host=h user=u to=t x=cret "
                               "password=cret")
        assert code == ARGUMENT and "cret" not in text, text


def test_with_a_callback(build):
    """It returns at once; states in order, DONE once, also after a failure and
    at the end of the instance."""
    with PopServer(box_of(3)) as server, \
            PopServer(box_of(1), {"RETR": HANG}) as silent, \
            host(build, **{"fetch.timeout": "5m",
                           "general.drain": "1s"}) as peer:
        assert result(peer, f"later recv {server.port} joe secret joe "
                      f"{NO_TLS}")[0] == 0
        peer.wait_log("^state tag 3 ")
        states = [l.split()[2:] for l in peer.lines if l.startswith("state ")]
        assert states[-1] == ["3", "3", "3"], states
        assert [int(s[0]) for s in states] == sorted(int(s[0])
                                                     for s in states), states
        counts = [int(s[1]) for s in states]
        assert counts == sorted(counts), states
        assert result(peer, f"later recv {silent.port} joe secret joe "
                      f"{NO_TLS}")[0] == 0
        wait_for(lambda: "RETR 1" in silent.commands, what="RETR")
        peer.process.stdin.close()
        peer.wait_log(f"^state tag 3 {STOPPED} ")
        peer.end()
        assert len(silent.box) == 1


def test_accounts_and_events(build):
    """Set, changed, visited, taken away at run time; each step is an event."""
    large = (b"large", mail("large") + b"x" * 70000 + b"\r\n")
    with PopServer(box_of(2) + [large]) as server, host(build) as peer:
        line = (f"name=work host=127.0.0.1 port={server.port} user=joe to=joe "
                f"tls=off interval=0 size_max=60K")
        assert result(peer, f"set {line} password=secret")[0] == 0
        lines = ask(peer, "run work")
        assert lines[-1].startswith("result 0 "), lines
        assert re.match("now work listed=3 fresh=3 fetched=2 left=1 ",
                        lines[-2]), lines
        peer.wait_log(f"^event {ENDED} work")
        events = [l for l in peer.lines if l.startswith("event ")]
        assert [int(e.split()[1]) for e in events] == [
            BEGUN, FETCHED, FETCHED, ENDED], events
        assert all("message=1" in e for e in events[1:3]), events
        assert result(peer, f"set {line} delete timeout=3s password=secret"
                      )[0] == 0
        listed = ask(peer, "list")
        assert len(listed) == 1 and " delete " in listed[0], listed
        assert "timeout=3s" in listed[0] and "secret" not in listed[0], listed
        assert ask(peer, "run work")[-1].startswith("result 0 ")
        assert [uid for uid, _ in server.box] == [b"large"]
        assert result(peer, "stop work")[0] == 0
        assert ask(peer, "run work")[-1].startswith(f"result {NOT_FOUND} ")
        assert "is_configured=0" in ask(peer, "list")[0]


def test_tokens_of_the_host(build):
    """OAUTHBEARER with a token of the callback; no password is there."""
    faults = {"CAPA": b"+OK\r\nSASL OAUTHBEARER PLAIN\r\n.\r\n"}
    with PopServer(box_of(1), faults) as server, host(build) as peer:
        line = (f"name=work host=127.0.0.1 port={server.port} user=joe to=joe "
                f"tls=off interval=0")
        assert result(peer, f"set {line} token")[0] == 0
        assert ask(peer, "run work")[-1].startswith("result 0 "), peer.lines
        said = base64.b64encode(b"n,a=joe,\x01auth=Bearer host.0\x01\x01")
        assert f"AUTH OAUTHBEARER {said.decode()}" in server.commands
        assert peer.said("^token joe 127.0.0.1 0$")
        assert result(peer, f"set {line} token password=x")[0] == ARGUMENT


def test_many_at_once(build):
    """Callers of the same and of other mailboxes, side by side: each gets its
    answer, and each message comes once."""
    with PopServer(box_of(5)) as server, host(build) as peer:
        words = f"{server.port} joe secret joe {NO_TLS}"
        for i in range(4):
            assert result(peer, f"later recv {words}")[0] == 0
            assert result(peer, f"later check {server.port} joe secret ann "
                          f"{NO_TLS}")[0] == 0
        wait_for(lambda: len([l for l in peer.lines
                              if l.startswith("state tag 3 ")]) == 8,
                 what="all ends")
        done = [int(l.split()[3]) for l in peer.lines
                if l.startswith("state tag 3 ")]
        assert all(n >= 0 for n in done), (done, peer.lines)
        assert len(ask(peer, "box joe")) == 5


main(__name__, test_check_and_receive, test_failures_are_told,
     test_with_a_callback, test_accounts_and_events, test_tokens_of_the_host, test_many_at_once)
