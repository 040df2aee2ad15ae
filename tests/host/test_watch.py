"""A host that watches sessions: whole dialogues in their order, no secret, and
no session that waits for it.

The host program is watch.c.
"""
import base64
import os
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "integration"))
from harness import SANITIZER, Wire, main, wait_for  # noqa: E402

(OPENED, COMMAND, REPLY, REFUSED, TLS, LOGIN, LOGIN_REFUSED, CLOSED,
 TURNED_AWAY) = (1 << i for i in range(9))
FIELDS = ("who", "kind", "connection", "service", "peer", "tls", "user",
          "text", "command", "error", "left_out", "whole")
STOPPED, TIMEOUT = "-202", "-603"


class Host:
    def __init__(self, build, **more):
        self.folder = tempfile.TemporaryDirectory(prefix="mailmod-watch-")
        settings = {
            "general.data_folder": self.folder.name,
            "general.host_name": "mail.test", "local.domains": "mail.test",
            "smtp.listen": "127.0.0.1:0", "submission.listen": "127.0.0.1:0",
            "submissions.listen": "", "pop3.listen": "127.0.0.1:0",
            "pop3s.listen": "127.0.0.1:0", "delivery.refuses": "",
            "queue.holds": "true"}
        settings.update({k.replace("__", "."): v for k, v in more.items()})
        self.process = subprocess.Popen(
            [os.path.join(build, "tests", "host", "watch"),
             *(f"{key}={value}" for key, value in settings.items())],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True)
        self.lines = []
        self.reader = threading.Thread(
            target=lambda: self.lines.extend(self.process.stdout))
        self.reader.start()
        wait_for(lambda: "serving\n" in self.lines or
                 self.process.poll() is not None, what="the start")
        self.ports = {line.split("\t")[1]: int(line.split("\t")[2])
                      for line in self.lines if line.startswith("port\t")}

    def tell(self, line):
        before = len(self.lines)
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        wait_for(lambda: f"told\t{line}\n" in self.lines[before:], what=line)

    def events(self, **wanted):
        found = [dict(zip(FIELDS, line.rstrip("\n").split("\t")[1:]))
                 for line in list(self.lines) if line.startswith("event\t")]
        return [event for event in found
                if all(event[key] == str(value)
                       for key, value in wanted.items())]

    def wait(self, count=1, **wanted):
        wait_for(lambda: len(self.events(**wanted)) >= count,
                 what=f"{count} of {wanted}")
        return self.events(**wanted)

    def wire(self, service):
        return Wire(self.ports[service])

    def stop(self):
        self.process.stdin.close()
        self.reader.join(60)
        return self.process.wait(120)

    def __enter__(self):
        return self

    def __exit__(self, kind, *rest):
        if kind is not None:
            self.process.kill()
        code = self.stop() if not self.process.stdin.closed else 0
        err = self.process.stderr.read()
        self.folder.cleanup()
        if kind is not None:
            print("".join(self.lines)[-6000:], err[-4000:])
        assert kind is not None or (code == 0 and not SANITIZER.search(err))


def brief(events):
    names = {OPENED: "+", COMMAND: "C", REPLY: "S", REFUSED: "!", TLS: "T",
             LOGIN: "L", LOGIN_REFUSED: "X", CLOSED: "-", TURNED_AWAY: "^"}
    return [names[int(event["kind"])] for event in events]


def test_a_pop3_dialogue(build):
    """In order, with who it is from the login on, and in clear what may be."""
    with Host(build, pop3__allows_clear_login="true") as host:
        with host.wire("pop3") as pop3:
            pop3.reply()
            pop3.ask("USER demo")
            pop3.ask("PASS wrong-secret")
            pop3.ask("USER demo")
            pop3.ask("PASS secret")
            pop3.ask("RETR 7")
            pop3.ask("QUIT")
        closed, = host.wait(kind=CLOSED)
        events = host.events(connection=closed["connection"])
        assert brief(events) == list("+SCSCX!SCSCLSC!SCS-") or \
            brief(events) == list("+SCSCXS!CSCLSCS!CS-"), brief(events)
        for event in events:
            assert (event["who"], event["service"], event["peer"].split(":")[0],
                    event["tls"], event["left_out"], event["whole"]) == (
                        "all", "pop3", "127.0.0.1", "0", "0", "1"), event
        commands = [e["text"] for e in events if e["kind"] == str(COMMAND)]
        assert commands == ["USER demo", "PASS ***", "USER demo", "PASS ***",
                            "RETR 7", "QUIT"], commands
        failed, = host.events(kind=LOGIN_REFUSED)
        assert (failed["user"], failed["text"]) == ("demo", "login refused")
        assert host.events(kind=LOGIN)[0]["user"] == "demo"
        wrong, missing = host.events(kind=REFUSED)
        assert wrong["command"] == "PASS ***" and wrong["user"] == "", wrong
        assert wrong["text"].startswith("-ERR [AUTH]"), wrong
        assert missing["command"] == "RETR 7" and missing["user"] == "demo"
        assert closed["error"] == "0" and closed["user"] == "demo", closed
        assert host.stop() == 0
        text = "".join(host.lines)
        assert "secret" not in text, text
        assert host.lines[-2:] == ["released\tall\n", "freed\n"]


def test_smtp_and_tls(build):
    """Over STARTTLS and AUTH; the message itself is nobody's to see."""
    secret = base64.b64encode(b"\0demo\0secret").decode()
    with Host(build) as host:
        with host.wire("submission") as smtp:
            smtp.reply()
            smtp.ask("EHLO c.test")
            smtp.ask("STARTTLS")
            smtp.tls()
            smtp.ask("EHLO c.test")
            assert smtp.ask("AUTH PLAIN")[:3] == "334"
            assert smtp.ask(secret)[:3] == "235"
            smtp.ask("MAIL FROM:<demo@mail.test>")
            assert smtp.ask("RCPT TO:<nobody@mail.test>")[:3] == "550"
            smtp.ask("RCPT TO:<demo@mail.test>")
            smtp.ask("DATA")
            smtp.send(b"Subject: hidden\r\n\r\nhidden\r\n.\r\n")
            assert smtp.reply()[:3] == "250"
            smtp.ask("QUIT")
        closed, = host.wait(kind=CLOSED)
        assert closed["service"] == "submission" and closed["tls"] == "1"
        begun, = host.events(kind=TLS)
        assert begun["text"].startswith("TLS"), begun
        refused, = host.events(kind=REFUSED)
        assert refused["command"] == "RCPT TO:<nobody@mail.test>", refused
        assert refused["text"].startswith("550 5.1.1 "), refused
        assert host.events(kind=LOGIN)[0]["tls"] == "1"
        assert host.stop() == 0
        text = "".join(host.lines)
        assert "hidden" not in text and secret not in text, text


def test_ends(build):
    """Why a connection ended, and who got none."""
    with Host(build, pop3__connections_max="1") as host:
        with host.wire("pop3") as pop3:
            pop3.reply()
            with host.wire("pop3") as second:
                assert second.reply().startswith("-ERR [SYS/TEMP]")
            away, = host.wait(kind=TURNED_AWAY)
            assert (away["connection"], away["service"]) == ("0" * 16, "pop3")
            assert away["text"].startswith("connection refused: too many")
        host.wait(kind=CLOSED, service="pop3")
        with host.wire("smtp") as smtp:
            smtp.reply()
            assert host.stop() == 0
        assert host.events(kind=CLOSED, service="smtp")[0]["error"] == STOPPED
        assert len(host.events(kind=OPENED)) == 2, host.events()
        assert len(host.events(kind=CLOSED)) == 2, host.events()


def test_chosen_kinds_and_services(build):
    """A callback that was unset hears nothing more, and is released."""
    with Host(build, pop3__allows_clear_login="true") as host:
        def talk():
            with host.wire("smtp") as smtp:
                smtp.reply()
                smtp.ask("QUIT")
            with host.wire("pop3") as pop3:
                pop3.reply()
                pop3.ask("USER demo")
                pop3.ask("PASS secret")
                pop3.ask("QUIT")
        host.tell("pop3")
        wait_for(lambda: "released\tall\n" in host.lines, what="the former")
        talk()
        host.wait(who="pop3", kind=CLOSED)
        assert {e["service"] for e in host.events(who="pop3")} == {"pop3"}
        host.tell("logins")
        talk()
        host.wait(who="logins", kind=LOGIN)
        host.tell("nobody")
        wait_for(lambda: "released\tlogins\n" in host.lines, what="the last")
        before = len(host.events())
        talk()
        assert host.stop() == 0
        assert len(host.events()) == before
        assert [e["kind"] for e in host.events(who="logins")] == [str(LOGIN)]


def test_no_session_waits(build):
    """The callback stands still; sessions go on, memory is bounded, and what
    was left out is counted to the last event."""
    count = 6000
    with Host(build, pop3__allows_clear_login="true") as host:
        def talk(noops):
            with host.wire("pop3") as pop3:
                pop3.reply()
                pop3.ask("USER demo")
                pop3.ask("PASS secret")
                for _ in range(noops // 100):
                    pop3.send(b"NOOP\r\n" * 100)
                    for _ in range(100):
                        assert pop3.line().startswith(b"+OK")
                pop3.ask("QUIT")
        host.tell("hold")
        talk(count)
        host.tell("go")
        host.wait(kind=CLOSED)
        talk(0)  # one of these tells the count
        host.wait(count=2, kind=CLOSED)
        assert host.stop() == 0
        events = host.events()
        left_out = sum(int(event["left_out"]) for event in events)
        assert left_out > 0, "nothing was left out"
        # opened, greeting, three commands with replies, a login, closed
        assert len(events) + left_out == 2 * count + 2 * 10, (
            len(events), left_out)


main(__name__, test_a_pop3_dialogue, test_smtp_and_tls, test_ends,
     test_chosen_kinds_and_services, test_no_session_waits)
