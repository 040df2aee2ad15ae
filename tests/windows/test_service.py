"""mailmodd.exe as a service: installed, started, serving, stopped, removed;
and its ways to stop in a console."""
import os

import signal
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "integration"))

from harness import (Daemon, WINE, Wire, free_port, main,  # noqa: E402
                     wait_for)

def wine(*words, timeout=120):
    return subprocess.run([WINE, *words], capture_output=True, timeout=timeout,
                          text=True, errors="replace")

def is_removed():
    return wine("net", "start", "mailmodd").returncode != 0

def test_service(build):
    port = free_port()
    with Daemon(build, start=False) as daemon:
        daemon.settings["smtp.listen"] = f"127.0.0.1:{port}"
        config = daemon.write_config()
        log = os.path.join(daemon.folder, "service.log")
        os.chdir(daemon.folder)
        # Names relative to here; the service has another current folder.
        installed = wine(daemon.daemon[1], "--install-service",
                         "-c", os.path.basename(config),
                         "--log-file", "service.log")
        assert installed.returncode == 0, installed.stderr
        try:
            again = wine(daemon.daemon[1], "--install-service")
            assert again.returncode == 1, again
            assert "installed already" in again.stderr, again.stderr
            started = wine("net", "start", "mailmodd")
            assert started.returncode == 0, started
            wait_for(lambda: "mailmodd: started" in read(log), what="the start")
            daemon.settings["general.host_name"] = "other.test"
            daemon.write_config()
            assert wine(os.path.join(build, "bin", "paramchange.exe")) \
                .returncode == 0
            wait_for(lambda: "mailmodd: reloaded" in read(log), what="reload")
            with Wire(port) as wire:
                assert wire.reply().startswith("220 other.test ")
                stopped = wine("net", "stop", "mailmodd", timeout=90)
            assert stopped.returncode == 0, stopped
            wait_for(lambda: "mailmodd: stopped" in read(log), what="the end")
            # It stands in no way of a second start, and removing waits for
            # the end of what is just starting.
            assert wine("net", "start", "mailmodd").returncode == 0
        finally:
            removed = wine(daemon.daemon[1], "--remove-service", timeout=90)
        assert removed.returncode == 0, removed.stderr
        assert read(log).count("mailmodd: stopped") == 2, read(log)
        missing = wine(daemon.daemon[1], "--remove-service")
        assert missing.returncode == 1, missing
        assert is_removed()

def read(path):
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return ""

def test_not_by_hand(build):
    with Daemon(build, start=False) as daemon:
        run = wine(daemon.daemon[1], "--service")
        assert run.returncode == 1, run
        assert "service manager" in run.stderr, run.stderr

def test_interrupt_drains(build):
    """A session that is open at Ctrl-C may go on to its end."""
    with Daemon(build) as daemon:
        with Wire(daemon.port("smtp")) as wire:
            wire.reply()
            wire.ask("EHLO client.test")
            wire.ask("MAIL FROM:<a@client.test>")
            wire.ask("RCPT TO:<demo@mail.test>")
            assert wire.ask("DATA").startswith("354")
            daemon.process.send_signal(signal.SIGINT)
            daemon.wait_log("mailmodd: stopping")
            wire.send(b"Subject: late\r\n\r\nlate\r\n.\r\n")
            assert wire.reply().startswith("250")
        assert daemon.process.wait(120) == 0
        daemon.start()
        assert b"late" in daemon.messages()[0]

def test_second_interrupt_cuts(build):
    with Daemon(build) as daemon, Wire(daemon.port("smtp")) as wire:
        wire.reply()
        wire.ask("EHLO client.test")
        wire.ask("MAIL FROM:<a@client.test>")
        wire.ask("RCPT TO:<demo@mail.test>")
        wire.ask("DATA")
        daemon.process.send_signal(signal.SIGINT)
        daemon.wait_log("mailmodd: stopping")
        daemon.process.send_signal(signal.SIGINT)
        assert daemon.process.wait(120) == 1
        daemon.process = None

main(__name__, test_service, test_not_by_hand, test_interrupt_drains,
     test_second_interrupt_cuts)
