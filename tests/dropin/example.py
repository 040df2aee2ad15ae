"""libESMTP's example program, or collectd's module, sends letters: `run` calls
this with the program, and the module."""
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "integration"))
from sink import Sink  # noqa: E402


def main(program):
    with tempfile.NamedTemporaryFile(suffix=".eml") as letter, \
            Sink(extensions=("PIPELINING", "8BITMIME", "DSN")) as sink:
        letter.write(b"X-A: 1\n\n.dot\nbody\n")
        letter.flush()
        run = subprocess.run(
            [program, "--noauth", "-m", "-c", "-h", f"localhost:{sink.port}",
             "-f", "me@mail.test", "-s", "hello", "-n", "failure", letter.name,
             "a@x.test", "b@x.test"], capture_output=True, timeout=60,
            check=False)
        said = (run.stdout + run.stderr).decode()
        assert run.returncode == 0 and "250" in said, said
        message, = sink.messages
        assert message.recipients == ["a@x.test", "b@x.test"], message
        assert b"\r\nSubject: hello\r\n" in b"\r\n" + message.data and \
            message.data.endswith(b"\r\n\r\n.dot\r\nbody\r\n"), message.data
        assert "NOTIFY=FAILURE" in message.rcpt_lines[0]
        assert "H: X-A: 1" in said and "S: 250" in said, said
    print("the example sent its letter")


def notify(program, module):
    with Sink(extensions=("PIPELINING", "8BITMIME", "AUTH PLAIN")) as sink:
        run = subprocess.run([program, module, str(sink.port)],
                             capture_output=True, timeout=60, check=False)
        said = (run.stdout + run.stderr).decode()
        assert run.returncode == 0 and said.count(": 250 ") == 2, said
        assert [m.recipients for m in sink.messages] == \
            2 * [["admin@box.test"]], said
        assert b"the disk is full" in sink.messages[0].data
        assert b"the disk is empty" in sink.messages[1].data
        assert sink.messages[1].user.startswith("PLAIN ")
    print("the module sent its notifications")


if len(sys.argv) > 2:
    notify(sys.argv[1], sys.argv[2])
else:
    main(sys.argv[1])
