"""The field's rows E: mailmod in a host's process, or started oddly."""
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
for folder in ("integration", "host"):
    sys.path.insert(0, os.path.join(HERE, "..", folder))
from harness import (PATIENCE, Daemon, Wire, free_port, main,  # noqa: E402
                     need_posix, wait_for)
from hosts import Host  # noqa: E402


def deliver(port, recipient="demo@mail.test", text="hello"):
    with Wire(port) as wire:
        assert wire.reply()[:3] == "220"
        for command in ("EHLO c.test", "MAIL FROM:<a@c.test>",
                        f"RCPT TO:<{recipient}>"):
            reply = wire.ask(command)
            assert reply[:3] == "250", (command, reply)
        assert wire.ask("DATA")[:3] == "354"
        assert wire.ask(f"Subject: {text}\r\n\r\n{text}\r\n.")[:3] == "250"
        wire.ask("QUIT")


def can_connect(port):
    try:
        with Wire(port, timeout=5) as wire:
            return wire.reply()[:3] == "220"
    except (OSError, EOFError):
        return False


def test_E01_daemon_without_standard_files(build):
    """Each file closed alone and all of them: it serves and stops with 0."""
    need_posix(build, "descriptors")
    for closed in ("<&-", ">&-", "2>&-", "<&- >&- 2>&-"):
        port = free_port()
        with Daemon(build, start=False,
                    settings={"smtp.listen": f"127.0.0.1:{port}"}) as daemon:
            words = [*daemon.daemon, "-c", daemon.write_config()]
            process = subprocess.Popen(
                ["sh", "-c", f'exec "$@" {closed}', "sh", *words],
                stderr=subprocess.DEVNULL)
            wait_for(lambda: can_connect(port), what="the port")
            deliver(port)
            for file in range(3):
                shown = os.readlink(f"/proc/{process.pid}/fd/{file}")
                assert "socket" not in shown and "anon" not in shown, shown
            process.terminate()
            code = process.wait(120)
            assert code == 0, (closed, code)


def test_E01_control_without_standard_files(build):
    need_posix(build, "descriptors")
    with Daemon(build, start=False) as daemon:
        words = [*daemon.control, "-c", daemon.write_config(), "user", "list"]
        code = subprocess.call(
            ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *words])
        assert code == 0, code
        assert "demo" in daemon.ctl("user", "list").stdout


def closed_host(build, when):
    with Host(build, "closed", when, start=False) as host:
        host.start(wait="serving 2")
        assert [l for l in host.lines if l.startswith("serving")] == [
            f"serving {file} is closed" for file in range(3)], host.lines
        for _ in range(3):
            deliver(host.port("smtp"))
        host.process.stdin.close()
        assert host.process.wait(120) == 0
        host.reader.join(PATIENCE)
        assert "free -1 -1 -1" in host.lines, host.lines


def test_E01_host_without_standard_files(build):
    need_posix(build, "descriptors")
    closed_host(build, "early")


def test_E01_host_closes_standard_files(build):
    """Connections take the places; each ends, and the places are left empty."""
    need_posix(build, "descriptors")
    with Host(build, "closed", "late", start=False) as host:
        host.start(wait="serving 2")
        with Wire(host.port("smtp")) as first, \
                Wire(host.port("smtp")) as second, \
                Wire(host.port("smtp")) as third:
            for wire in (first, second, third):
                assert wire.reply()[:3] == "220"
            for wire in (first, second, third):
                assert wire.ask("QUIT")[:3] == "221"
                assert wire.at_end()
        for _ in range(3):
            deliver(host.port("smtp"))
        host.process.stdin.close()
        assert host.process.wait(120) == 0
        host.reader.join(PATIENCE)
        assert "free -1 -1 -1" in host.lines, host.lines


def test_E02_host_forks_a_worker(build):
    """The worker keeps neither lock, nor port, nor the peer's connection."""
    need_posix(build, "fork")
    port = free_port()
    with Host(build, "forked", port, start=False,
              settings={"general.drain": "1s"}) as host:
        host.start(wait="^ports")
        with Wire(port) as wire:
            assert wire.reply()[:3] == "220"
            host.process.stdin.write(b"\n")
            host.process.stdin.flush()
            host.wait_log("shut down")
            wire.socket.settimeout(120)
            while wire.socket.recv(4096):
                pass
        host.wait_log("again")
        assert not [l for l in host.lines if "failed" in l], host.lines
        deliver(port)
        host.process.stdin.close()
        assert host.process.wait(120) == 0


def test_E04_E06_E07_settings(build):
    """A folder changed after the start; a file that is not there; values that
    follow from others, and those that were not taken."""
    need_posix(build, "chdir")
    with Host(build, "settled", start=False) as host:
        other = os.path.join(host.folder, "other")
        os.mkdir(other)
        host.start(wait="^ports", words=[other])
        host.process.stdin.close()
        assert host.process.wait(120) == 0, host.lines
        assert os.path.exists(os.path.join(host.folder, "here", "mailmod.db"))
        assert os.listdir(other) == [], os.listdir(other)


def is_put_off(port):
    """For want of room; a store may look once a second."""
    with Wire(port) as wire:
        wire.reply()
        reply = ""
        for command in ("EHLO c.test", "MAIL FROM:<a@c.test>",
                        "RCPT TO:<demo@mail.test>", "DATA",
                        "Subject: x\r\n\r\nx\r\n."):
            reply = wire.ask(command)
            if reply[:1] not in "23":
                break
        return reply[:9] == "452 4.3.1"


def test_E08_free_space_follows(build):
    need_posix(build, "SIGHUP")
    with Daemon(build) as daemon:
        deliver(daemon.port("smtp"))
        daemon.settings["general.free_space_min"] = "1024T"
        daemon.write_config()
        daemon.ask_reload()
        daemon.wait_log("mailmodd: reloaded")
        wait_for(lambda: is_put_off(daemon.port("smtp")), what="452 4.3.1")


main(__name__, test_E04_E06_E07_settings, test_E08_free_space_follows,
     test_E01_daemon_without_standard_files,
     test_E01_control_without_standard_files,
     test_E01_host_without_standard_files,
     test_E01_host_closes_standard_files,
     test_E02_host_forks_a_worker)
