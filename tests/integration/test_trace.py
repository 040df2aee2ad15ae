"""mailmodctl trace: the way of a message, from a file and from what the daemon
itself has stamped."""
import os
import subprocess
import tempfile

from harness import Daemon, main, program


def trace(build, *words, text=b""):
    run = subprocess.run(
        [*program(build, "mailmodctl"), "trace", *words],
        input=text, capture_output=True, timeout=120, check=False)
    return run.returncode, run.stdout.decode(), run.stderr.decode()


def test_own_stamp(build):
    """T-095: what we stamp reads without a fault, and the stamps of two
    deliveries of one message are its way."""
    with Daemon(build) as daemon:
        message = (b"Received: from old.test by mx.old.test with SMTP id 1;"
                   b" Mon, 30 Nov 2020 10:00:00 +0000\r\n"
                   b"Subject: x\r\n\r\nbody\r\n")
        with daemon.smtp() as client:
            client.sendmail("a@a.test", ["demo@mail.test"], message)
        text, = daemon.messages()
    code, shown, words = trace(build, "-", text=text)
    assert code == 0 and words == "", words
    lines = shown.splitlines()
    assert lines[1] == "     from old.test by mx.old.test with SMTP id 1", shown
    assert "by mail.test with ESMTP id" in lines[3], shown
    assert "for <demo@mail.test>" in lines[3], shown
    assert lines[4].startswith("2 steps, in all +"), shown
    assert "this field" not in shown, shown


def test_files(build):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "b\u00fccher.eml")
        with open(path, "wb") as file:
            file.write(b"Received: hello\n world\n\nbody\n")
        code, shown, words = trace(build, path)
        assert code == 0 and words == "", words
        assert "this field says not by whom" in shown, shown
        code, shown, words = trace(build, path, "--dot")
        assert code == 0 and shown.startswith("digraph"), shown
        code, shown, words = trace(build, path + ".none")
        assert code == 1 and "No such file" in words, words
        code, shown, words = trace(build, folder)
        assert code == 1 and words != "", words
    assert trace(build)[0] == 2
    assert trace(build, "-", "-")[0] == 2


main(__name__, test_own_stamp, test_files)
