"""What mailmodd runs for a token on Windows: programs, and nothing that a shell
would have to read."""
import os
import shutil
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "integration"))

from harness import Daemon, main, token_giver  # noqa: E402
from sink import Sink  # noqa: E402


def attempt(build, sink, command, outcome):
    """One message with that command; its line of the log, and all lines."""
    with Daemon(build, settings={
            "queue.steps": "1h", "smtp.relay_from": "127.0.0.0/8",
            "smarthost.host": "127.0.0.1", "smarthost.port": sink.port,
            "smarthost.tls": "off", "smarthost.user": "joe",
            "smarthost.token": True,
            "smarthost.token_command": command}) as daemon:
        with daemon.smtp("submission") as smtp:
            smtp.sendmail("demo@mail.test", ["u@far.test"],
                          b"Subject: out\r\n\r\nHello\r\n")
        line = daemon.wait_log(f"delivery: {outcome} .*")[0]
        return line, list(daemon.lines)


def test_commands(build):
    folder = tempfile.mkdtemp(prefix="mailmod-commands-")
    batch = os.path.join(folder, "some.bat")
    text = os.path.join(folder, "text.exe")
    for name in (batch, text):
        with open(name, "w", encoding="ascii") as file:
            file.write("@echo token\r\n")
    with Sink(extensions=["AUTH XOAUTH2"]) as sink:
        for command, words in (
                ("nothing-here a b", "the program is not found"),
                ("some.bat", "the program is not found"),
                (batch + " x&y", "a batch file is not run: name a program"),
                (text, "the program cannot be started: error"),
                (folder + "/none", "the program is not found"),
                (" ".join("x" * 70), "too many words")):
            line, lines = attempt(build, sink, command, "deferred")
            assert "no token to log in with" in line, line
            told = [x for x in lines if "gave no token" in x]
            assert len(told) == 1 and words in told[0], (command, told)
        attempt(build, sink, token_giver(build, folder + "/asked"),
                "delivered")
        assert sink.messages[-1].user.startswith("XOAUTH2 ")
    shutil.rmtree(folder)


main(__name__, test_commands)
