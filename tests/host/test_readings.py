"""A host that reads texts piece by piece: of mail that comes in, in a mailbox,
in the queue; held up, cancelled and stopped, without a thread for each.

The host program is readings.c.
"""
import os
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "integration"))
from harness import SANITIZER, Wire, main, wait_for  # noqa: E402

CANCELLED, CLOSED, STOPPED = -203, -604, -202
TEXT = b"Subject: x\r\n\r\n" + b"".join(
    b"%06d " % i + b"z" * 70 + b"\r\n" for i in range(4000))


class Host:
    def __init__(self, build):
        self.folder = tempfile.TemporaryDirectory(prefix="mailmod-readings-")
        self.process = subprocess.Popen(
            [os.path.join(build, "tests", "host", "readings"),
             self.folder.name], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.lines = []
        self.reader = threading.Thread(
            target=lambda: self.lines.extend(
                line.rstrip("\n") for line in self.process.stdout))
        self.reader.start()
        wait_for(lambda: self.lines, what="the port")
        self.port = int(self.lines[0].split()[1])

    def tell(self, word):
        before = len(self.lines)
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()
        wait_for(lambda: f"told {word}" in self.lines[before:], what=word)

    def held(self, count):
        wait_for(lambda: f"held {count}" in self.lines, what=f"held {count}")
        self.lines[:] = [line for line in self.lines
                         if not line.startswith("held")]

    def last(self, count):
        def found():
            return [line.split() for line in list(self.lines)
                    if line.startswith("last")]
        wait_for(lambda: len(found()) >= count, what=f"{count} ends")
        return [(name, int(octets), int(error))
                for _, name, octets, error in found()]

    def send(self, replies, text=TEXT):
        with Wire(self.port) as wire:
            wire.reply()
            wire.ask("EHLO c.test")
            wire.ask("MAIL FROM:<me@c.test>")
            wire.ask("RCPT TO:<demo@mail.test>")
            assert wire.ask("DATA")[:3] == "354"
            wire.send(text + b".\r\n")
            replies.append(wire.reply())

    def senders(self, count):
        replies = []
        threads = [threading.Thread(target=self.send, args=(replies,))
                   for _ in range(count)]
        for thread in threads:
            thread.start()
        return replies, threads

    def threads(self):
        return len(os.listdir(f"/proc/{self.process.pid}/task"))

    def __enter__(self):
        return self

    def __exit__(self, kind, *rest):
        self.process.stdin.close()
        self.reader.join(60)
        self.process.wait(120)
        err = self.process.stderr.read()
        self.folder.cleanup()
        print("\n".join(self.lines)[-4000:], err[-4000:])
        assert kind is not None or (
            self.process.returncode == 0 and not SANITIZER.search(err) and
            not any("FAULT" in line for line in self.lines) and
            self.lines[-1] == "freed")


def test_many_at_once(build):
    """Bounded: the peers are held up, and hundreds of them cost no thread."""
    with Host(build) as host:
        replies, threads = host.senders(150)
        host.held(150)
        print(f"{host.threads()} threads")
        assert not replies
        # Those that ran at once may rest for some seconds; none is held.
        wait_for(lambda: host.threads() < 40, what="threads that end")
        host.tell("resume")
        ends = host.last(150)
        for thread in threads:
            thread.join(60)
        assert set(ends) == {("request", len(TEXT), 0)}, set(ends)
        assert len(replies) == 150
        assert all(reply.startswith("250") for reply in replies)


def test_cancelled(build):
    with Host(build) as host:
        replies, threads = host.senders(3)
        host.held(3)
        host.tell("cancel")
        ends = host.last(3)
        assert {end[2] for end in ends} == {CANCELLED}, ends
        for thread in threads:
            thread.join(60)
        assert all(reply.startswith("451") for reply in replies), replies


def test_a_peer_that_hangs_up(build):
    with Host(build) as host:
        wire = Wire(host.port)
        wire.reply()
        wire.ask("EHLO c.test")
        wire.ask("MAIL FROM:<me@c.test>")
        wire.ask("RCPT TO:<demo@mail.test>")
        assert wire.ask("DATA")[:3] == "354"
        wire.send(b"half a")
        wire.send(b" line\r\n")
        host.held(1)
        host.tell("resume")
        wire.close()
        end, = host.last(1)
        assert end[2] == CLOSED, end


def test_mailbox_and_queue(build):
    with Host(build) as host:
        replies, threads = host.senders(1)
        host.held(1)
        host.tell("resume")
        threads[0].join(60)
        assert replies[0].startswith("250"), replies
        host.tell("box")
        host.held(1)
        host.tell("resume")
        _, box = host.last(2)
        assert box[0] == "box" and box[1] > len(TEXT) and box[2] == 0, box
        host.tell("close")
        host.tell("queue")
        host.held(1)
        host.tell("resume")
        queue = host.last(3)[2]
        assert queue[0] == "queue" and queue[2] == 0 and queue[1] > 14, queue
        host.tell("box")
        host.held(1)
        host.tell("close")  # cancels, and waits for the end
        closed = host.last(4)[3]
        assert closed[0] == "box" and closed[2] == CANCELLED, closed


def test_a_stop(build):
    """All that is held has its last piece before the drain returns."""
    with Host(build) as host:
        replies, threads = host.senders(1)
        host.held(1)
        host.tell("resume")
        threads[0].join(60)
        host.tell("box")
        host.tell("queue")
        host.held(2)
        host.process.stdin.write("end\n")
        host.process.stdin.flush()
        host.process.wait(120)
        ends = host.last(3)[1:]
        assert {end[0] for end in ends} == {"box", "queue"}, ends
        assert {end[2] for end in ends} == {STOPPED}, ends
        assert replies[0].startswith("250")


main(__name__, test_many_at_once, test_cancelled, test_a_peer_that_hangs_up,
     test_mailbox_and_queue, test_a_stop)
