"""host.docs: what docs/api.md and README.md say to a programmer is so.

Each block of C and C++ is compiled with our own warnings as errors, and each
program is run among the peers it needs; blocks.py tells how a block says what
it is, world.py what it runs in, and the function check_NAME here what the page
says that it does. The tables are held against the headers.
"""
import os
import poplib
import re
import shutil
import subprocess
import sys
import tempfile
import threading

from blocks import (LANGUAGES, OUTPUT, SOURCE, Compiler, blocks_of, fences,
                    programs_of)
from world import (TEXT, Skip, World, is_windows, need,  # harness's too
                   run_tests, wait_for)

PAGES = ("docs/api.md", "README.md", "docs/providers.md", "docs/client.md",
         "docs/wire.md")
PROGRAMS, MISTAKES = programs_of(PAGES)
POSIX = ("loop", "wire_blocking", "wire_epoll", "wire_poll")  # with its sockets


def read(path):
    with open(os.path.join(SOURCE, path), encoding="utf-8") as file:
        return file.read()


def printed(name):
    """What the page says that a program prints."""
    text, = (text for page in PAGES for before, _, _, text in fences(page)
             if before == OUTPUT % name)
    return text


# ---- programs -----------------------------------------------------------

def check_first(world):
    for count in (1, 2):  # the second time everything is there already
        run = world.run()
        run.wait("^Enter ends it")
        assert run.lines[0] == "queued", run.lines
        wait_for(lambda: len(world.mx.messages) == count, what="the message")
        message = world.mx.messages[-1]
        assert message.recipients == ["bob@example.org"]
        assert re.search(rb"\r\n\r\nThis is mailmod \d+\.\d+\.\d+\.\r\n$",
                         message.data), message.data
        assert world.deliver()[0] == 250
        box = world.pop3()
        assert box.stat()[0] == count
        assert b"\r\n".join(box.retr(count)[1]).endswith(
            b"\r\n\r\n.dot\r\nbye")
        box.quit()
        run.tell("\n")
        run.end()
    assert os.path.isdir(os.path.join(world.folder, "mailmod-data"))


def refuse_nobody(sink):
    sink.replies["RCPT"] = lambda argument: (
        "550 5.1.1 no such user" if "nobody" in argument else "250 2.1.5 ok")


def check_send_now(world):
    refuse_nobody(world.mx)
    assert world.run().end() == printed("send_now")
    assert [m.recipients for m in world.mx.messages] == [["bob@example.org"]]
    assert b"Hello Bob." in world.mx.messages[0].data


def check_follow(world):
    run = world.run()
    run.wait("^bob@example.org: ")
    run.tell("\n")
    out = run.end()
    assert "SRVEndOfMsg has returned" in out
    states = [m for m in re.findall(r"first message: (\w+) (\d+)", out)]
    order = list(dict.fromkeys(word for word, _ in states))
    assert order == ["finding", "connecting", "dialog", "sending", "done"]
    assert [word for word, _ in states].count("done") == 1
    sent = [int(number) for _, number in states]
    assert sent == sorted(sent)
    assert sent[-1] == len(world.mx.messages[0].data), sent
    assert "\nbob@example.org: 250 queued\n" in out, out


def check_relay(world):
    world.relay.extensions = []
    assert world.run().end() == "delivered\n"
    world.relay.extensions = ["STARTTLS", "AUTH PLAIN"]
    assert world.run().end() == "delivered\n"
    assert world.run("login").end() == "delivered\n"
    plain, offered, login = world.relay.messages
    assert not plain.tls and plain.user is None
    assert offered.tls and offered.user is None
    assert login.tls and login.user.startswith("PLAIN"), login.user
    assert ("smtp.example.net", "MX") not in world.dns.asked
    assert world.mx.messages == []


def check_client_first(world):
    assert world.run().end() == "sent\n"
    message, = world.relay.messages
    assert message.tls and message.user.startswith("PLAIN")
    assert message.recipients == ["bob@example.org"]
    assert re.fullmatch(
        rb"Subject: disk\r\nDate: .*\r\nFrom: <a@example.com>\r\n"
        rb"Message-ID: <.*>\r\n\r\nThe disk is full.\r\n", message.data)


def check_client_session(world):
    late = ["451 4.2.1 later"]
    world.relay.replies["RCPT"] = lambda argument: (
        "550 5.1.1 no such user" if "nobody" in argument else
        late.pop() if "late" in argument and late else "250 2.1.5 ok")
    assert world.run().end() == printed("client_session")
    assert [m.recipients for m in world.relay.messages] == \
        [["bob@example.org"], ["bob@example.org"], ["late@example.org"]]
    assert world.relay.connections == 2


def check_client_watch(world):
    lines = world.run().end().splitlines()
    assert lines[0] == "S: 220 sink.test ESMTP" and "C: AUTH PLAIN ..." in lines
    assert world.relay.messages[0].user.startswith("PLAIN")


def check_client_content(world):
    path = os.path.join(world.folder, "text")
    with open(path, "wb") as file:
        file.write(b"X-Mailer: x\nX-A: 1\n\nbody\n")
    assert world.run(path).end() == ""
    message, = world.relay.messages
    assert message.data.startswith(
        b"X-A: 1\r\nSubject: =?utf-8?B?R3LDvMOfZQ==?=\r\n"
        b'To: "Bob," "jr." <bob@example.org>\r\n'), message.data


def check_wire_values(world):
    assert world.run().end() == printed("wire_values")


def check_wire_dialogue(world):
    out = world.run().end().replace("\r", "")
    assert "550 5.1.1 no such user\n250 2.1.5 " in out, out
    assert "[Subject: hello" in out and "[.a dot" in out, out
    assert out.endswith("221 2.0.0 Bye\n"), out


def check_wire_blocking(world):
    """And it is no longer than a page."""
    assert world.program.blocks[0].text.count("\n") <= 80
    run = world.run()
    run.wait_served(world)
    for count in (1, 2):
        assert world.deliver()[0] == 250
        run.wait("^[.]dot\r$", count)


def check_wire_poll(world):
    run = world.run()
    run.wait_served(world)
    with world.smtp() as one, world.smtp() as other:
        for smtp in (one, other):  # both at once
            smtp.ehlo("client.example.net")
            assert smtp.mail("you@example.net")[0] == 250
        for smtp in (other, one):
            assert smtp.rcpt("alice@example.com")[0] == 250
            assert smtp.data(b"x\r\n")[0] == 250
    run.wait("^for alice@example.com$", 2)


def check_wire_pop3(world):
    assert world.run().end() == "Subject: hello\r\n\r\n.a dot\r\n"


def check_wire_epoll(world):
    world.relay.tls = None
    world.relay.extensions = []
    assert world.run().end() == "250\n"
    message, = world.relay.messages
    assert message.recipients == ["bob@example.org"]
    assert message.data == \
        b"Subject: hello\r\n\r\nThis is my own loop.\r\n", message.data


def check_gate(world):
    run = world.run()
    run.wait_served(world)
    with world.smtp() as smtp:
        smtp.ehlo("client.example.net")
    try:
        world.smtp("127.0.0.66")
        raise AssertionError("it was not refused")
    except OSError as error:  # smtplib's exceptions are of that kind
        assert "554" in str(error), error
    run.wait("^127.0.0.66 connects")
    assert world.deliver()[0] == 250
    code, words = world.deliver(sender="x@spam.example")
    assert code == 550, words
    run.wait(r"^from you@example.net to alice@example.com, login none$")
    run.tell("\n")
    run.end()


def check_scan(world):
    run = world.run()
    run.wait_served(world)
    assert world.deliver()[0] == 250
    assert world.deliver(text=TEXT + b"buy now\r\n")[0] == 554
    run.wait(f"^{len(TEXT)} octets from you@example.net")
    run.tell("\n")
    run.end()


def check_take(world):
    run = world.run()
    run.wait_served(world)
    code, words = world.deliver("who.ever@example.com")
    assert (code, words) == (250, b"2.6.0 taken from you@example.net"), words
    with open(os.path.join(world.folder, "taken.eml"), "rb") as file:
        assert file.read() == TEXT
    run.tell("\n")
    run.end()


def check_users(world):
    run = world.run()
    run.wait("^serving")
    assert run.lines == ["serving"]
    world.pop3().quit()
    run.tell("\n")
    run.end()


def refused(call, *words):
    import poplib
    try:
        call(*words)
    except poplib.error_proto as error:
        return str(error)
    raise AssertionError("it was not refused")


def check_vouch(world):
    run = world.run()
    run.wait_served(world)
    assert "[AUTH]" in refused(world.pop3, "guest1", "no")
    assert "[AUTH]" in refused(world.pop3, "stranger", "please")
    world.pop3("guest1", "please").quit()
    for _ in range(2):
        assert world.deliver("guest1@example.com")[0] == 250
    box = world.pop3("guest1", "please")
    assert box.retr(1)[1] == [b"Subject: in my own words", b"",
                              b"Hello guest1."]
    assert box.retr(2)[1][-2:] == [b".dot", b"bye"]
    assert "550" in refused(box.dele, 1)
    box.dele(2)
    box.quit()
    box = world.pop3("guest1", "please")
    assert box.stat()[0] == 1
    box.quit()
    run.tell("\n")
    run.end()


def check_config(world):
    path = os.path.join(world.folder, "mailmod.cfg")
    with open(path, "w", encoding="utf-8") as file:
        file.write("smtp: {\n  recipients_max = 77;\n};\n")
    out = world.run().end()
    code, from_file, rest = re.split("(?m)^--", out)
    assert code == printed("config"), code
    assert from_file == "\n", from_file
    assert rest == (" 77\nmail.example.com mail.example.com\n"
                    "1000000 127.0.0.1:1110\n"), rest
    with open(path, "w", encoding="utf-8") as file:
        file.write("smtp: {\n  recipients_max = 77;\n  wrong = 1;\n};\n")
    out = world.run().end()
    assert re.search(r"(?m)mailmod\.cfg:3: .*wrong", out), out
    assert "-- 50\n" in out, out  # nothing of the file counts


def check_instance(world):
    out = world.run().end()
    assert out == (f"SMTP on port {world.ports['2525']}\n"
                   "delivered, or given up\n"), out
    assert world.mx.messages[0].data.endswith(b"\r\n\r\nHello Bob.\r\n")


def check_two(world):
    for _ in range(2):
        assert world.run().end() == "two has it\n"
    for name in ("data-one", "data-two"):
        assert os.path.isdir(os.path.join(world.folder, name))


def check_message(world):
    refuse_nobody(world.relay)
    out = world.run().end()
    message, = world.relay.messages
    assert message.tls and message.user.startswith("PLAIN")
    assert re.search(rf"(?m)^\S+ is done, {len(message.data)} octets$", out)
    assert re.search(r"(?m)^bob@example.org: outcome 1, 250 2.0.0 .*, said "
                     "smtp.example.net", out), out
    assert re.search(r"(?m)^nobody@example.org: outcome 3, 550 5.1.1 "
                     "no such user", out), out


def check_submit(world):
    letter = os.path.join(world.folder, "letter.eml")
    with open(letter, "wb") as file:
        file.write(TEXT)
    assert world.run().end() == ""
    first, song = (message.data for message in world.mx.messages)
    assert first.endswith(b"\r\n\r\n.dot\r\nbye\r\n")
    assert song.endswith(b"Subject: song\r\n\r\n3 bottles\r\n2 bottles\r\n"
                         b"1 bottles\r\n"), song
    os.unlink(letter)
    assert world.run().end().startswith("not sent: ")


def check_later(world):
    run = world.run()
    run.wait_served(world)
    answers = []
    for count, letter in enumerate("yn", 1):
        thread = threading.Thread(
            target=lambda: answers.append(world.deliver()))
        thread.start()
        run.wait(r"^from you@example.net to alice@example.com: y or n\?",
                 count)
        if letter == "y":
            code, words = world.deliver()
            assert (code, words) == (451, words) and b"one at" in words, words
        run.tell(letter + "\n")
        thread.join(60)
    assert answers[0][0] == 250, answers
    assert answers[1][0] == 550 and b"the postmaster says no" in answers[1][1]
    run.end()


def check_events(world):
    world.mx.replies["RCPT"] = lambda path: (
        "550 5.1.1 no such user" if "nobody" in path else "250 2.1.5 ok")
    out = world.run().end()
    assert re.fullmatch(
        r"\w+ for bob@example.org: delivered \(mx.example.org, attempt 1\)\n"
        r"\w+ for nobody@example.org: no such user "
        r"\(mx.example.org, attempt 1\)\n", out), out


def check_sessions(world):
    run = world.run()
    run.wait("^serving")
    assert "[AUTH]" in refused(world.pop3, "alice", "no")
    world.pop3().quit()
    out = run.end()
    assert re.search(r"(?m)^pop3 127.0.0.1:\d+ : 1 $", out), out
    assert re.search(r"(?m)^pop3 127.0.0.1:\d+ alice: 64 login refused$", out), out
    assert re.search(r"(?m)^pop3 127.0.0.1:\d+: PASS \*\*\*: -ERR \[AUTH\] ",
                     out), out
    assert re.search(r"(?m)^pop3 127.0.0.1:\d+ alice: 32 $", out), out
    assert re.search(r"(?m)^pop3 127.0.0.1:\d+ alice: 128 ", out), out
    assert "wonderland" not in out, out


def check_mailbox(world):
    out = world.run().end()
    match = re.match(r"([0-9a-f.]+): (\d+) octets\r?\n(Return-Path: "
                     r"<bob@example.org>\r\n.*\r\nHello.\r\n)", out, re.S)
    assert match and len(match[3]) == int(match[2]), out


def check_folder(world):
    """The whole tutorial: a file is a message, its name the unique-id."""
    folder = os.path.join(world.folder, "mail")
    os.makedirs(os.path.join(folder, "a folder"))
    for name, text in (("hello", TEXT), ("empty", b"")):
        with open(os.path.join(folder, name), "wb") as file:
            file.write(text)
    run = world.run(folder)
    run.wait_served(world, "2110")
    box = world.pop3("me", "passw0rd")
    assert b"a folder of mail files" in box.getwelcome()
    rows = dict(row.split()[::-1] for row in box.uidl()[1])
    assert sorted(rows) == [b"empty", b"hello"], rows
    text = b"".join(line + b"\r\n" for line in
                    box.retr(int(rows[b"hello"]))[1])
    assert text == TEXT, text
    box.dele(int(rows[b"hello"]))
    box.quit()
    assert sorted(os.listdir(folder)) == ["a folder", "empty"]
    try:
        world.pop3("me", "other")
        raise AssertionError("the password is not looked at")
    except poplib.error_proto as error:
        assert b"[AUTH]" in error.args[0], error
    run.tell("\n")
    run.end()


def check_reading(world):
    run = world.run()
    run.wait_served(world)
    assert world.deliver()[0] == 250
    run.wait(r"^[1-9]\d* octets")
    run.tell("\n")
    run.end()


def check_trace(world):
    run = world.run()
    run.tell("Received: from a ([192.0.2.1]) by b; "
             "30 Nov 2026 10:00:01 +0000\n"
             "Received: by a; 30 Nov 2026 10:00:00 +0000\n\n")
    out = run.end()
    assert out.startswith("a, 0 ms, \nb, 1000 ms, 192.0.2.1\n  1  "), out
    assert out.endswith("2 steps, in all +1s\n"), out


def check_fetch(world):
    world.box.box = [(b"a", TEXT), (b"b", TEXT.replace(b"letter", b"second"))]
    out = world.run().end()
    # Alice's two are deleted; as bob's mailbox it is empty then.
    assert out == ("2 new\n2 received\n--\n"
                   "work: 0 of 0 new messages, ok\n"), out
    world.box.box = []
    real = world.box.answer

    def answer(verb, words, deleted):
        if verb == "USER" and words[1] == "bob":
            world.box.box = [(b"c", TEXT)]
        return real(verb, words, deleted)
    world.box.answer = answer
    out = world.run().end()
    assert re.fullmatch(r"0 new\n0 received\n--\n"
                        r"(.* has come from bob@pop.example.net\n)?"
                        r"work: 1 of 1 new messages, ok\n"
                        r"(.* has come from bob@pop.example.net\n)?",
                        out) and "has come" in out, out
    assert world.box.box == []


def check_services(world):
    for words, smtp in (((), "0"), (("default",), str(world.ports["2525"]))):
        out = world.run(*words).end()
        match = re.fullmatch(r"submission on port (\d+)\n"
                             r"submission on port 0\nsmtp (\d+)\n", out)
        assert match and int(match[1]) > 1023 and match[2] == smtp, out


def check_loop(world):
    run = world.run()
    run.wait("^serving$")
    assert world.deliver("postmaster")[0] == 250
    run.tell("\n")
    assert run.end() == "serving\n"


def check_hosts(world):
    assert world.run().end() == (
        "10 mx.example.org 127.0.0.1\n20 backup.example.org 127.0.0.2\n--\n"
        "10 mx.example.org\n20 backup.example.org\n")


def check_queue(world):
    world.mx.replies["RCPT"] = "450 4.2.0 later"
    run = world.run()
    run.wait("^submitted")
    name = run.said(r"^submitted (\S+)")[0][1]
    tried = rf"^{name}: to bob@example.org, [1-9]\d* attempts, .*450"
    wait_for(lambda: run.tell("\n") or run.said(tried), what="an attempt")
    world.mx.replies.clear()
    wait_for(lambda: run.tell("\n") or world.mx.messages, what="the message")
    run.end()
    run.wait("^tries 1 again")


def check_log(world):
    out = world.run().end()
    assert re.search(r"(?m)^[1-3] \w+: ", out), out


def check_plusplus(world):
    assert world.run().end() == "delivered\nserving\nanother one runs\n"
    assert len(world.mx.messages) == 1
    assert os.path.isdir(os.path.join(world.folder, "another-folder"))


def check_by_name(world):
    run = world.run()
    run.wait_served(world)
    with world.smtp() as smtp:
        assert smtp.ehlo("client.example.net")[0] == 250
    run.tell("\n")
    assert run.end() == "serving\n"


def test_of(program):
    def test(build):
        with World(build, program) as world:
            globals()["check_" + program.name](world)
    test.__name__ = "test_" + program.name
    return test


# ---- pages -----------------------------------------------------------------

def test_every_block(_):
    """Each is known by a name, and what it must do is known."""
    mistakes = MISTAKES + [
        f"{program.places}: there is no check_{name}"
        for name, program in PROGRAMS.items() if "check_" + name not in
        globals()]
    checks = [name[6:] for name in globals() if name.startswith("check_")]
    mistakes += [f"check_{name}: no page has such a program"
                 for name in checks if name not in PROGRAMS]
    assert not mistakes, "\n".join(mistakes)


def declarations():
    """(functions, all public names) of the headers."""
    folder = os.path.join(SOURCE, "include", "mailmod")
    text = read("include/mailmod.h") + "".join(
        read(f"include/mailmod/{name}") for name in sorted(os.listdir(folder)))
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    functions = set(re.findall(r"^MAILMOD_API\b[^;{(]*?(\w+)\s*\(", text,
                               re.M))
    names = set(re.findall(r"\w+", text))
    names |= {"MAILMOD_ERROR_" + name for name in
              re.findall(r"X\((\w+), -", text)}
    return functions, names


def test_names(_):
    """Every function is on the page; every name on it is declared."""
    functions, names = declarations()
    page = "".join(read(name) for name in (PAGES[0], *PAGES[2:]))
    assert len(functions) > 70
    missing = [name for name in sorted(functions)
               if not re.search(rf"\b{name}\b", page)]
    assert not missing, missing
    used = set(re.findall(
        r"\b(?:(?:mailmod|MAILMOD)_\w*\w|SRV\w+|(?:ACTION|STATE)_\w+)\b",
        page))
    unknown = sorted(used - names - {"MAILMOD_ERROR_"})
    assert not unknown, unknown


def test_settings(_):
    """Every key that the page names is a setting."""
    known = set(re.findall(r"(?m)^\| `([\w.]+)`", read("docs/config.md")))
    assert len(known) > 80
    groups = {key.split(".")[0] for key in known}
    used = {key for key in re.findall(r"[`\"]([a-z]\w*\.\w+)[`\"]",
                                      read(PAGES[0]))
            if key.split(".")[0] in groups}
    assert len(used) > 10 and not used - known, used - known


def test_constants(build):
    """The table of constants, as assertions that are compiled."""
    rows = re.findall(r"(?m)^\| (?:`(\w+)`|\u2013) \| (\d+) \| "
                      r"(?:`(\w+)`|\u2013) \|", read(PAGES[0]))
    header = read("include/mailmod/srv.h")
    defined = set(re.findall(r"#define ((?:ACTION|STATE|POP3)_\w+)", header))
    assert {name for name, _, _ in rows} == defined | {"ALL_ACTIONS", ""}
    moments = set(re.findall(r"MAILMOD_(?:SMTP_|POP3_|ALL_MOM)\w+(?= =)",
                             read("include/mailmod/terms.h")))
    assert len(moments) > 8 and moments <= {new for _, _, new in rows}
    text = '#include "mailmod/srv.h"\n' + "".join(
        f'_Static_assert((int){name} == {value}, "{name}");\n'
        for old, value, new in rows for name in (old, new) if name)
    result = subprocess.run(
        [*Compiler(build).tools[".c"], "-fsyntax-only",
         "-I" + os.path.join(SOURCE, "include"), "-x", "c", "-"],
        input=text, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def test_errors(_):
    """The table of errors is the header's."""
    listed = re.findall(r'X\((\w+), (-\d+), +"([^"]*)"\)',
                        read("include/mailmod/error.h"))
    told = re.findall(r"(?m)^\| `MAILMOD_ERROR_(\w+)` \| (-\d+) \| (.*) \|$",
                      read(PAGES[0]))
    assert len(listed) > 30 and told == listed, set(told) ^ set(listed)


def test_form(_):
    """The blocks have the form of our sources."""
    formatter = need("clang-format")
    version = run_in(SOURCE, formatter, "--version")
    if "version 14." not in version:
        raise Skip("clang-format is not of version 14")
    for page in PAGES:
        for block in blocks_of(page):
            result = subprocess.run(
                [formatter, "--style=file",
                 "--assume-filename=x" + LANGUAGES[block.language]],
                input=block.text, capture_output=True, text=True, check=True,
                cwd=SOURCE)
            assert result.stdout == block.text, block.place


def slug(heading):
    """The anchor of a heading, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_links(_):
    for page in PAGES:
        folder = os.path.dirname(os.path.join(SOURCE, page))
        text = re.sub(r"(?ms)^```.*?^```$", "", read(page))
        for target in re.findall(r"\]\(([^)]+)\)", text):
            path, _, anchor = target.partition("#")
            path = os.path.join(folder, path) if path else \
                os.path.join(SOURCE, page)
            assert os.path.exists(path), (page, target)
            if anchor:
                headings = re.findall(r"(?m)^#+ (.*)$", read(path))
                assert anchor in map(slug, headings), (page, target)


HOST = """#include <mailmod/srv.h>
#include <stdio.h>
int main(void)
{
    puts(SRVVersion());
    return 0;
}
"""


def run_in(folder, *command):
    result = subprocess.run(command, cwd=folder, capture_output=True,
                            text=True, timeout=240, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def test_building(build):
    """The commands of the page, word for word but for FOLDER."""
    need("pkg-config")
    cmake = os.environ.get("MAILMOD_CMAKE", "cmake")
    commands, = (b.text for b in blocks_of(PAGES[0], ("sh",))
                 if b.name == "installed")
    project, = (b.text for b in blocks_of(PAGES[0], ("cmake",))
                if b.name == "installed")
    compiler = Compiler(build).tools[".c"]
    flags = " ".join(w for w in compiler if w.startswith("-fsanitize"))
    with tempfile.TemporaryDirectory(prefix="mailmod-docs-") as folder:
        prefix = os.path.join(folder, "prefix")
        run_in(folder, cmake, "--install", build, "--prefix", prefix)
        library, = {os.path.relpath(place, prefix)
                    for place, _, names in os.walk(prefix)
                    if "libmailmod.so" in names}
        with open(os.path.join(folder, "first.c"), "w",
                  encoding="utf-8") as file:
            file.write(HOST)
        commands = commands.replace("FOLDER/lib", f"FOLDER/{library}")
        commands = commands.replace("FOLDER", prefix)
        assert commands.startswith("export") and "\ncc " in commands
        commands = commands.replace("\ncc ", f"\n{compiler[0]} {flags} ")
        out = run_in(folder, "sh", "-e", "-c", commands)
        assert re.fullmatch(r"\d+\.\d+\.\d+\n", out), out
        with open(os.path.join(folder, "CMakeLists.txt"), "w",
                  encoding="utf-8") as file:
            file.write(project)
        run_in(folder, cmake, "-S", ".", "-B", "b",
               "-DCMAKE_PREFIX_PATH=" + prefix,
               "-DCMAKE_C_COMPILER=" + compiler[0], "-DCMAKE_C_FLAGS=" + flags)
        run_in(folder, cmake, "--build", "b")
        assert run_in(folder, os.path.join(folder, "b", "first")) == out


def test_windows_too(build):
    """The C of the pages is C for Windows too, where its compiler is here."""
    compiler = shutil.which("x86_64-w64-mingw32-gcc")
    if compiler is None:
        raise Skip("x86_64-w64-mingw32-gcc is not installed")
    with tempfile.TemporaryDirectory(prefix="mailmod-docs-") as folder:
        for program in PROGRAMS.values():
            if program.ending == ".c" and program.name not in POSIX:
                path = program.write(folder, {})
                run_in(folder, compiler, "-std=c11", "-Wall", "-Wextra",
                       "-Werror", "-fsyntax-only",
                       "-I" + os.path.join(SOURCE, "include"), path)


def main():
    build = os.path.abspath(sys.argv[1])
    if is_windows(build):
        print("SKIPPED: the programs of the pages were NOT run: the build is "
              "one for Windows")
        return 77
    return run_tests(
        [test_every_block, test_names, test_settings, test_constants,
         test_errors, test_form, test_links, test_building, test_windows_too] +
        [test_of(program) for name, program in PROGRAMS.items()
         if "check_" + name in globals()], build)


if __name__ == "__main__":
    sys.exit(main())
