"""Hostile texts, lines, addresses and numbers, by their number in the list of
attacks that the tests name throughout. Few daemons, many checks."""
import base64
import os
import poplib
import re
import socket
import statistics
import sys
import time

sys.path.insert(0, os.path.join(
    os.path.dirname(os.path.abspath(__file__)), "..", "integration"))
from harness import (Daemon, Wire, is_sanitized, main, need_posix,  # noqa: E402
                     wait_for)
from sink import Sink  # noqa: E402

HEAD = b"From: a@client.test\r\nTo: demo@mail.test\r\nSubject: x\r\n\r\n"
INNER = (b"MAIL FROM:<evil@client.test>\r\nRCPT TO:<demo@mail.test>\r\n"
         b"DATA\r\ninner\r\n.\r\n")
ENDS = (b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r\n.\r\r\n",
        b"\r\n\0.\r\n")


poplib._MAXLINE = 1 << 23  # its own limit


def hello(daemon, service="smtp"):
    wire = Wire(daemon.port(service), timeout=120)
    assert wire.reply().startswith("220")
    assert wire.ask("EHLO client.test").startswith("250")
    return wire


def envelope(wire, recipient="<demo@mail.test>"):
    for command in ("MAIL FROM:<a@client.test>", f"RCPT TO:{recipient}"):
        reply = wire.ask(command)
        assert reply.startswith("250"), (command, reply)


def stuffed(text):
    return re.sub(rb"(?m)^\.", b"..", text)


def give(wire, text, pieces=()):
    """The reply to a message; `pieces` are places where a segment ends."""
    envelope(wire)
    assert wire.ask("DATA").startswith("354")
    wire.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    data = stuffed(text) + b".\r\n"
    begin = 0
    for end in [*pieces, len(data)]:
        wire.send(data[begin:end])
        begin = end
    return wire.reply()


def stored(message):
    """What was given, without the fields that the server wrote in front."""
    return message[message.index(HEAD):]


def test_attack_4_chunks_with_false_ends(build):
    """A chunk is its octets: kept or refused as set, never cut."""
    for mode in ("reject", "normalize"):
        with Daemon(build, settings={"smtp.bare_newline": mode}) as daemon:
            with hello(daemon) as wire:
                for end in ENDS:
                    body = HEAD + b"body" + end + INNER
                    bare = end != ENDS[5]
                    envelope(wire)
                    wire.send(b"BDAT %d\r\n" % len(body) + body +
                              b"BDAT 6 LAST\r\nlast\r\n")
                    codes = wire.reply()[:3], wire.reply()[:3]
                    if bare and mode == "reject":
                        assert "250" not in codes[1:], (end, codes)
                    else:
                        assert codes == ("250", "250"), (end, codes)
                    assert wire.ask("RSET").startswith("250")
                assert wire.ask("QUIT").startswith("221")
            messages = daemon.messages()
            assert len(messages) == (6 if mode == "normalize" else 1)
            for message in messages:
                assert message.endswith(b"inner\r\n.\r\nlast\r\n"), message
                assert not re.search(rb"(?<!\r)\n|\r(?!\n)", message)
                assert message.startswith(b"Return-Path: <a@client.test>\r\n")


def test_attack_6_7_lines_and_nul(build):
    """Lines of every size about the limits, dots, NUL and all octets: what
    comes back is what was given, wherever the segments ended."""
    lines = [b"y" * size for size in (0, 1, 997, 998, 999, 1000, 1001, 4095,
                                      4096, 65535, 65536, 65537)]
    lines += [b"." + line for line in lines]
    lines += [b"\0", b"a\0b", b"\0.", b".\0", b"\0" * 1000,
              bytes(o for o in range(256) if o not in b"\r\n")]
    text = HEAD + b"\r\n".join(lines) + b"\r\n"
    wire_text = stuffed(text)
    places = []
    for at in re.finditer(rb"\r\n", wire_text):
        places += [at.start(), at.start() + 1, at.start() + 2, at.start() + 3]
    places = sorted(set(place for place in places if place < len(wire_text)))
    with Daemon(build) as daemon:
        with hello(daemon) as wire:
            for pieces in ((), places[::2], places[1::2]):
                assert give(wire, text, pieces).startswith("250"), pieces
        messages = daemon.messages()
        assert [stored(m) == text for m in messages] == [True] * 3


def test_attack_8_commands_without_their_end(build):
    """LF or CR alone, NUL, 8 bits: refused, none of it run, then the end."""
    with Daemon(build, settings={"smtp.errors_max": 6,
                                 "pop3.errors_max": 6}) as daemon:
        bad = (b"NOOP\n\r\n", b"NOOP\rQUIT\r\n", b"NO\0OP\r\n", b"NOOP \xff\r\n",
               b"RSET\nQUIT\n\r\n", b"\0\r\n")
        for service in ("smtp", "pop3"):
            with Wire(daemon.port(service)) as wire:
                wire.line()
                for line in bad:
                    wire.send(line)
                    reply = wire.line()
                    assert reply[:1] in b"5-", (service, line, reply)
                if service == "smtp":
                    assert wire.line().startswith(b"421 4.7.0")
                assert wire.at_end(), service


def rss_mib(daemon):
    with open(f"/proc/{daemon.process.pid}/status", encoding="ascii") as file:
        return int(re.search(r"VmHWM:\s+(\d+)", file.read())[1]) / 1024


def test_attack_9_headers_without_measure(build):
    """100 000 fields, a field of 10 MiB, a field that is never folded, 10 000
    addresses: whole, and in the memory of a small message."""
    need_posix(build, "the memory of a process")
    texts = [
        HEAD[:-2] + b"".join(b"X-Field-%d: value\r\n" % i
                             for i in range(100_000)) + b"\r\nbody\r\n",
        HEAD[:-2] + b"X-Long: " + b"long\r\n " * 1_500_000 + b"\r\n\r\nbody\r\n",
        HEAD[:-2] + b"X-Wide: " + b"w" * (10 << 20) + b"\r\n\r\nbody\r\n",
        HEAD[:-2] + b"Cc: " + b",\r\n ".join(b"x%d@client.test" % i for i in
                                             range(10_000)) + b"\r\n\r\nbody\r\n",
        HEAD[:-2] + b"n" * (1 << 20) + b": v\r\n\r\nbody\r\n"]
    with Daemon(build) as daemon:
        with hello(daemon) as wire:
            # Fills the page cache of the store, which is bounded itself.
            assert give(wire, HEAD + (b"z" * 998 + b"\r\n") * 24_000
                        ).startswith("250")
            before = rss_mib(daemon)
            for text in texts:
                assert give(wire, text).startswith("250")
            grown = rss_mib(daemon) - before
        assert is_sanitized(build) or grown < 12, grown
        box = daemon.pop3()
        sizes = [int(line.split()[1]) for line in box.list()[1]][1:]
        top = box.top(2, 1)[1]
        box.quit()
        # The last one's line is no field's: the body begins there.
        extra = [size - len(text) for size, text in zip(sizes, texts)]
        assert extra[4] == extra[3] + 2 and len(set(extra[:4])) == 1, extra
        assert b"X-Field-99999: value" in top and top[-1] == b"body", top[-5:]


ADDRESSES = ('"a b"', '"a>b"', '"<a>"', '"a@b"', '"a\\\\b"', '"a\\"b"', "a%b",
             "host!user", "l" * 64, "v" * 130, "a'b", "`id`", "${run{x}}", '"$(id)"',
             '";id"', '"| cmd"', '"../../x"', "a/b", "-oQ", "CON", "con.txt",
             '"a."', '".a"', '"a..b"', '"(c)"', '"a,b;c:d"')


def test_attack_29_30_31_addresses_there_and_back(build):
    """Odd addresses go through the queue to the host, and into the report, as
    they came."""
    seen = []

    def refuse(argument):
        seen.append(re.search(r"^TO:<(.*)>", argument)[1])
        return "550 5.1.1 nobody"
    with Sink(replies={"RCPT": refuse}) as sink, Daemon(build, settings={
            "smarthost.host": "127.0.0.1", "smarthost.port": sink.port,
            "smarthost.tls": "off", "smtp.relay_from": "127.0.0.0/8"}) as daemon:
        with hello(daemon, "submission") as wire:
            assert wire.ask("MAIL FROM:<demo@mail.test>").startswith("250")
            for local in ADDRESSES:
                reply = wire.ask(f"RCPT TO:<{local}@far.test>")
                assert reply.startswith("250"), (local, reply)
            assert wire.ask("DATA").startswith("354")
            wire.send(HEAD + b"body\r\n.\r\n")
            assert wire.reply().startswith("250")
        reports = wait_for(daemon.messages, what="the report")
        wanted = sorted(f"{local}@far.test" for local in ADDRESSES)
        assert sorted(seen) == wanted, set(wanted) ^ set(seen)
        told = re.findall(rb"(?m)^Final-Recipient: rfc822;\s*(.*?)\r$",
                          b"".join(reports))
        assert sorted(t.decode() for t in told) == wanted, told
        # What names nobody that can be asked is refused, and leaves no trace.
        with hello(daemon) as wire:
            assert wire.ask("MAIL FROM:<a@client.test>").startswith("250")
            for path, code in (
                    ('<""@mail.test>', "550 5.1.1"), ("<\"a\0b\"@mail.test>", "501"),
                    ("<@x.test,@y.test:demo@mail.test>", "250"),
                    ("<demo@[127.0.0.1]>", "250"),
                    ("<demo@[IPv6:::1]>", "55"), ("<demo@[IPv6:1::2::3]>", "501"),
                    ("<demo@[IPv6:0:0:0:0:0:0:0:0:1]>", "501"),
                    ("<demo@[1.2.3.4.5]>", "501"),
                    ("<j\xc3\xb6rg@mail.test>", "553 5.6.7"),
                    ("<" + "x" * 300 + "@mail.test>", "501")):
                reply = wire.ask(f"RCPT TO:{path}")
                assert reply.startswith(code), (path, reply)


def test_attack_31_names_that_are_paths(build):
    """Users whose names mean something to a shell, to a path or to Windows:
    their Maildirs are theirs, and below the folder."""
    need_posix(build, "Maildirs as other programs have them")
    good = ["-oQ", "CON", "con.txt", "$x", "`id`", "a|b", "a'b", "~root",
            "%u", "{x}"]
    with Daemon(build, start=False) as daemon:
        boxes = os.path.join(daemon.folder, "boxes")
        os.mkdir(boxes)
        daemon.settings["local.maildirs"] = f"*:{boxes}/%u"
        made = []
        for name in [*good, "..", "../../x", "a/b", ".hidden", "a/../../b"]:
            run = daemon.ctl("user", "add", "--password-stdin", "--", name,
                             check=False, stdin="secret\n")
            made += [name] if run.returncode == 0 else []
        assert set(made) >= set(good) - {"con.txt", "CON"}, made
        assert not {"..", "../../x", ".hidden", "a/../../b"} & set(made), made
        daemon.start()
        before = {place for place, _, _ in os.walk(daemon.folder)
                  if not place.startswith(boxes)}
        with hello(daemon) as wire:
            for name in made:
                envelope(wire, f"<{name}@mail.test>")
                assert wire.ask("DATA").startswith("354")
                wire.send(HEAD + f"for {name}\r\n".encode() + b".\r\n")
                assert wire.reply().startswith("250")

        def files():
            found = [os.path.join(place, file)
                     for place, _, names in os.walk(boxes) for file in names
                     if os.path.basename(place) == "new"]
            return found if len(found) >= len(made) else None
        # What can be no folder's name has its mailbox in the store.
        made.remove("a/b")
        found = wait_for(files, what="a file for each")
        assert len({os.path.dirname(path) for path in found}) == len(made)
        assert len(daemon.messages("a/b")) == 1
        after = {place for place, _, _ in os.walk(daemon.folder)
                 if not place.startswith(boxes)}
        assert after == before, after - before


def test_attack_49_logins_tell_nothing(build):
    """A wrong password and an unknown user hear the same; how long each took
    is printed and judged by nobody."""
    with Daemon(build, settings={"smtp.errors_max": 1000}) as daemon:
        times = {"right": [], "first octet wrong": [], "last octet wrong": [],
                 "unknown user": []}
        logins = {"right": ("demo", "secret"),
                  "first octet wrong": ("demo", "xecret"),
                  "last octet wrong": ("demo", "secrex"),
                  "unknown user": ("nobody", "secret")}
        replies = {}
        for _ in range(3):
            for name, (user, password) in logins.items():
                with Wire(daemon.port("submissions"), timeout=120) as wire:
                    wire.tls()
                    wire.reply()
                    wire.ask("EHLO client.test")
                    words = base64.b64encode(
                        f"\0{user}\0{password}".encode()).decode()
                    begin = time.perf_counter()
                    replies.setdefault(name, set()).add(
                        wire.ask(f"AUTH PLAIN {words}"))
                    times[name].append(time.perf_counter() - begin)
        print({name: f"{statistics.median(taken) * 1000:.1f} ms"
               for name, taken in times.items()})
        assert {r[:3] for r in replies.pop("right")} == {"235"}
        assert len({frozenset(r) for r in replies.values()}) == 1, replies


def test_attack_51_logins_in_clear(build):
    """Where TLS is a must nobody looks at the password, and no log has it."""
    secret = "swordfish-23"
    coded = "AGRlbW8Ac3dvcmRmaXNoLTIz"  # "\0demo\0swordfish-23"
    with Daemon(build, password=secret,
                settings={"general.log_level": "wire"}) as daemon:
        with hello(daemon, "submission") as wire:
            for command in (f"AUTH PLAIN {coded}", "AUTH PLAIN", "AUTH LOGIN",
                            "AUTH LOGIN ZGVtbw=="):
                reply = wire.ask(command)
                assert reply[:3] in ("504", "530", "538"), (command, reply)
            assert wire.ask("MAIL FROM:<demo@mail.test>").startswith("530")
        with Wire(daemon.port("pop3")) as wire:
            wire.line()
            for command in ("USER demo", f"PASS {secret}", f"AUTH PLAIN {coded}"):
                wire.send(command.encode() + b"\r\n")
                reply = wire.line()
                assert reply.startswith(b"-ERR"), (command, reply)
        with daemon.smtp("submissions") as client:
            client.login("demo", secret)  # it is the right one
        daemon.stop()
        assert any("AUTH" in line for line in daemon.lines)
        for text in (secret, coded, "c3dvcmRmaXNo"):
            assert not any(text in line for line in daemon.lines), text


def test_attack_92_unique_ids(build):
    """Stable over restarts and a rename, never used again, 1 to 70 printable
    characters (RFC 1939 7)."""
    def unique(user="demo"):
        box = daemon.pop3(user)
        found = [line.split()[1] for line in box.uidl()[1]]
        box.quit()
        return found
    with Daemon(build) as daemon:
        with hello(daemon) as wire:
            for _ in range(3):
                assert give(wire, HEAD + b"the same\r\n").startswith("250")
        first = unique()
        assert len(set(first)) == 3
        assert all(re.fullmatch(rb"[!-~]{1,70}", text) for text in first), first
        box = daemon.pop3()
        box.dele(2)
        box.dele(3)
        box.quit()
        daemon.ctl("user", "rename", "demo", "other")
        assert unique("other") == first[:1]
        daemon.stop()
        daemon.start()
        daemon.ctl("user", "rename", "other", "demo")
        with hello(daemon) as wire:
            assert give(wire, HEAD + b"the same\r\n").startswith("250")
        second = unique()
        assert second[0] == first[0] and second[1] not in first, (first, second)
        daemon.ctl("user", "del", "demo", "--yes")
        daemon.add_user("demo", "secret")  # another mailbox of that name
        with hello(daemon) as wire:
            assert give(wire, HEAD + b"the same\r\n").startswith("250")
        assert not set(unique()) & set(first + second)


main(__name__, test_attack_4_chunks_with_false_ends,
     test_attack_6_7_lines_and_nul, test_attack_8_commands_without_their_end,
     test_attack_9_headers_without_measure,
     test_attack_29_30_31_addresses_there_and_back,
     test_attack_31_names_that_are_paths,
     test_attack_49_logins_tell_nothing, test_attack_51_logins_in_clear,
     test_attack_92_unique_ids)
