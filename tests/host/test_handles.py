"""A host (handles.c) that hands in everything but a live handle: each call says
so, and no memory is touched, which the sanitizers of the build watch.
"""
import os
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "integration"))
from harness import SANITIZER, SOURCE, Wire, main  # noqa: E402

KINDS = ("mailmod", "mailmod_request", "mailmod_message", "mailmod_mailbox",
         "mailmod_reading", "mailmod_mailbox_call", "mailmod_client",
         "mailmod_client_message", "mailmod_client_recipient")


def expect(process, pattern):
    line = process.stdout.readline()
    match = re.fullmatch(pattern, line.rstrip("\n"))
    if not match:
        process.kill()
        out, err = process.communicate()
        raise AssertionError(line + out + err)
    return match


def test_no_call_is_left_out(_):
    """Each public function whose first parameter is a handle and may not be
    NULL."""
    prototypes = ""
    more = os.listdir(os.path.join(SOURCE, "include", "mailmod"))
    for name in ["mailmod.h"] + [f"mailmod/{name}" for name in more]:
        with open(os.path.join(SOURCE, "include", name),
                  encoding="utf-8") as file:
            prototypes += file.read()
    taking = set(re.findall(
        r"\b(mailmod_\w+)\(\s*(?:const )?(?:%s) \*+\w+[,)]" % "|".join(KINDS),
        prototypes)) - {"mailmod_new", "mailmod_received_write"}
    called = set()
    for name in ("handles.c", "handles_client.h"):
        with open(os.path.join(SOURCE, "tests", "host", name),
                  encoding="utf-8") as file:
            called |= set(re.findall(r"\b(mailmod_\w+)\(", file.read()))
    assert len(taking) > 80 and not taking - called, taking - called


def test_every_call(build):
    with tempfile.TemporaryDirectory(prefix="mailmod-handles-") as folder:
        process = subprocess.Popen(
            [os.path.join(build, "tests", "host", "handles"), folder],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True)
        port = int(expect(process, r"port (\d+)")[1])
        for _ in range(2):
            with Wire(port) as wire:
                expect(process, "asked")
                process.stdin.write("answer\n")
                process.stdin.flush()
                expect(process, "answered")
                reply = wire.reply()
                assert reply.startswith("554 answered"), reply
        # The last question is answered when its instance is gone.
        with Wire(port):
            expect(process, "asked")
            out, err = process.communicate(timeout=120)
        print(out[-4000:], err[-4000:])
        match = re.search(r"^done (\d+) 0$", out, re.M)
        assert match and int(match[1]) > 1000, out
        assert process.returncode == 0 and not SANITIZER.search(err)


main(__name__, test_no_call_is_left_out, test_every_call)
