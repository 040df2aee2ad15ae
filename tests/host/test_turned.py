"""A host that turns the instance's loop itself: turned.c, which has one thread
of its own and one epoll.
"""
import os
import poplib
import re
import smtplib
import socket
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "integration"))
from harness import SANITIZER, main, wait_for  # noqa: E402

OK = "0"


class Host:
    def __init__(self, build):
        self.folder = tempfile.TemporaryDirectory(prefix="mailmod-turned-")
        self.silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.silent.bind(("127.0.0.1", 0))
        self.process = subprocess.Popen(
            [os.path.join(build, "tests", "host", "turned"), self.folder.name,
             f"127.0.0.1:{self.silent.getsockname()[1]}"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        match = re.match(r"ports smtp=(\d+) pop3=(\d+)", line)
        assert match, (line, self.process.communicate())
        self.smtp, self.pop3 = map(int, match.groups())

    def ask(self, word):
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline().split()
        assert line[0] == word, line
        return line[1]

    def count(self):
        box = poplib.POP3("127.0.0.1", self.pop3, timeout=60)
        box.user("demo")
        box.pass_("secret")
        count = box.stat()[0]
        box.quit()
        return count

    def threads(self):
        folder = f"/proc/{self.process.pid}/task"
        names = []
        for thread in os.listdir(folder):
            with open(f"{folder}/{thread}/comm", encoding="ascii") as file:
                names.append(file.read().strip())
        return names

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        out, err = self.process.communicate(timeout=120)
        self.silent.close()
        self.folder.cleanup()
        print(out[-4000:], err[-4000:])
        assert kind is not None or (
            self.process.returncode == 0 and not SANITIZER.search(err) and
            re.fullmatch(r"turns \d+ longest_ms [\d.]+\nend 0 0 0\n", out)), out


def send(port, count):
    with smtplib.SMTP("127.0.0.1", port, timeout=60) as client:
        for i in range(count):
            client.sendmail("a@away.test", "demo@mail.test",
                            f"Subject: {i}\r\n\r\n" + "x" * 4000)


def test_serves_in_the_hosts_loop(build):
    """Several clients at once, on no thread of the library's loops."""
    with Host(build) as host:
        assert "mailmod-loop" not in host.threads(), host.threads()
        clients = [threading.Thread(target=send, args=(host.smtp, 20))
                   for _ in range(5)]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        assert host.count() == 100


def test_calls_that_wait(build):
    """They stand on the thread that would turn the loop, and turn it."""
    with Host(build) as host:
        assert host.ask("send") == OK
        assert host.count() == 1
        assert host.ask("find") != OK  # the name server says nothing
        assert host.ask("service") == OK
        assert host.ask("send") == OK
        send(host.smtp, 1)


def test_silent_name_server(build):
    """What waits for it holds up nobody: an end at once, and a session."""
    with Host(build) as host:
        for _ in range(5):
            assert host.ask("away") == OK
        wait_for(lambda: host.silent.recv(512, socket.MSG_DONTWAIT) or True,
                 what="a question")
        send(host.smtp, 5)
        assert host.count() == 5


main(__name__, test_serves_in_the_hosts_loop, test_calls_that_wait,
     test_silent_name_server)
