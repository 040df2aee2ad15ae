"""A host that lists, reads and deletes mail, and POP3 clients beside it.

The host program is mailboxes.c; it checks its own calls and prints faults.
"""
import os
import poplib
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "integration"))
from harness import SANITIZER, main  # noqa: E402


def login(port):
    box = poplib.POP3("127.0.0.1", port, timeout=120)
    box.user("demo")
    box.pass_("secret")
    return box


def test_mailboxes(build):
    with tempfile.TemporaryDirectory(prefix="mailmod-boxes-") as folder, \
            subprocess.Popen(
                [os.path.join(build, "tests", "host", "mailboxes"), folder],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=subprocess.PIPE, text=True) as process:
        lines = []

        def port():
            for line in process.stdout:
                lines.append(line)
                print(line, end="")
                if line.startswith("wait"):
                    return int(line.split()[1])
            raise AssertionError("the host ended")

        def go_on():
            process.stdin.write("go\n")
            process.stdin.flush()

        pop3 = port()
        try:
            login(pop3)
            raise AssertionError("the host's mailbox was opened twice")
        except poplib.error_proto as error:
            assert b"[IN-USE]" in error.args[0], error
        go_on()
        box = login(port())
        entries = [line.split() for line in lines
                   if line.startswith("entry ")]
        assert [entry[3:] for entry in entries[:3]] == [
            ["1", "0"], ["1", "1"], ["1", "0"]], entries
        assert int(entries[2][2]) > 400000
        left = entries[-1]
        assert box.uidl()[1] == [f"1 {left[1]}".encode()], left
        assert box.list()[1] == [f"1 {left[2]}".encode()]
        text = b"".join(line + b"\r\n" for line in box.retr(1)[1])
        assert len(text) == int(left[2]) and b"Subject: two" in text
        box.quit()
        go_on()
        out, err = process.communicate(timeout=120)
        print(out, err)
        assert process.returncode == 0 and "faults 0" in out, out
        assert not SANITIZER.search(err)


main(__name__, test_mailboxes)
