"""The field's rows about the daemon as a process: its log, start and status."""
import os
import re
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(
    os.path.dirname(os.path.abspath(__file__)), "..", "integration"))
from harness import (PATIENCE, Daemon, Wire, main, need_posix,  # noqa: E402
                     ports_of, wait_for)

LINE = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}"


def start_plain(daemon, *words, **options):
    """The daemon without the harness's reader of its log."""
    return subprocess.Popen(
        [*daemon.daemon, "-c", daemon.write_config(), *words],
        stdout=subprocess.DEVNULL, cwd=daemon.folder, **options)


def talk(port, rounds):
    """Commands that the log tells in full, without end."""
    with Wire(port) as wire:
        wire.reply()
        wire.ask("EHLO c.test")
        for _ in range(rounds):
            wire.send(b"NOOP 0123456789012345678901234567890123456789\r\n" * 50)
            for _ in range(50):
                assert wire.reply().startswith("250")
        wire.ask("QUIT")


def test_D09_nobody_reads_the_log(build):
    """Mail goes on; what was dropped is counted, and told when it can be."""
    need_posix(build, "SIGTERM")
    with Daemon(build, start=False, settings={
            "general.log_level": "wire",
            "smtp.empty_commands_max": 10000}) as daemon:
        process = start_plain(daemon, stderr=subprocess.PIPE)
        for raw in process.stderr:
            line = raw.decode()
            if "mailmodd: started" in line:
                daemon.ports = ports_of(line)
                break
        # Far more than a pipe and the backlog hold.
        talk(daemon.port("smtp"), 150)
        with daemon.smtp() as smtp:
            smtp.sendmail("a@b.test", ["demo@mail.test"], b"Subject: x\r\n\r\n")
        assert len(daemon.messages()) == 1
        lines = []
        reader = threading.Thread(
            target=lambda: lines.extend(process.stderr), daemon=True)
        reader.start()
        wait_for(lambda: any(b"dropped" in l for l in lines), what="the count")
        process.terminate()
        assert process.wait(120) == 0
        reader.join(PATIENCE)
        told = [l.decode() for l in lines if b"dropped" in l]
        count = int(re.search(r"count=(\d+)", told[0]).group(1))
        assert count > 100, told
        # No line is cut in two.
        for line in lines:
            assert re.match(LINE.encode() + rb"Z \w+ ", line), line
        assert b"stopped" in lines[-1], lines[-1]


def test_D09_end_without_a_reader(build):
    """Nor does the end wait for who does not read."""
    need_posix(build, "SIGTERM")
    with Daemon(build, start=False, settings={
            "general.log_level": "wire",
            "smtp.empty_commands_max": 10000}) as daemon:
        process = start_plain(daemon, stderr=subprocess.PIPE)
        for raw in process.stderr:
            if b"mailmodd: started" in raw:
                daemon.ports = ports_of(raw.decode())
                break
        talk(daemon.port("smtp"), 150)
        process.terminate()
        assert process.wait(120) == 0


def test_O20_log_file(build):
    """To a file; a reload opens it anew, as logrotate wants it."""
    need_posix(build, "SIGHUP")
    with Daemon(build, start=False) as daemon:
        path = os.path.join(daemon.folder, "mailmod.log")

        def text(name=path):
            if not os.path.exists(name):
                return ""
            with open(name, encoding="utf-8") as file:
                return file.read()
        process = start_plain(daemon, "--log-file", path,
                              stderr=subprocess.PIPE)
        try:
            wait_for(lambda: "mailmodd: started" in text(), what="the start")
            os.rename(path, path + ".1")
            daemon.process = process
            daemon.ask_reload()
            wait_for(lambda: "mailmodd: reloaded" in text(), what="the reload")
            assert "mailmodd: started" not in text()
            assert "mailmodd: reloaded" not in text(path + ".1")
            process.terminate()
            assert process.wait(120) == 0
            assert text().rstrip().endswith("mailmodd: stopped"), text()
            assert process.stderr.read() == b""
        finally:
            daemon.process = None
            process.kill()
            process.wait()
        run = subprocess.run(
            [*daemon.daemon, "-c", daemon.write_config(), "--log-file",
             os.path.join(daemon.folder, "none", "log")],
            capture_output=True, text=True, timeout=120)
        assert run.returncode == 1 and "No such file" in run.stderr, run


def test_O19_local_time(build):
    need_posix(build, "TZ")
    with Daemon(build, start=False) as daemon:
        process = start_plain(daemon, "--local-time", stderr=subprocess.PIPE,
                              env=dict(os.environ, TZ="XYZ-05:30"))
        for raw in process.stderr:
            line = raw.decode()
            if "mailmodd: started" in line:
                break
        process.terminate()
        process.stderr.read()
        assert process.wait(120) == 0
        assert re.match(LINE + r"\+05:30 info ", line), line
        hours = time.gmtime(time.time() + 5.5 * 3600)
        assert line[:10] in (time.strftime("%Y-%m-%d", hours),
                             time.strftime("%Y-%m-%d", time.gmtime(
                                 time.time() + 5.5 * 3600 - 60))), line


def test_O19_one_line_with_the_listeners(build):
    """Nothing else is said at a start, and what is listened on stands in it."""
    with Daemon(build, settings={
            "general.log_level": "info",
            "smtp.listen": "127.0.0.1:0, 127.0.0.2:0"}) as daemon:
        started = [l for l in daemon.lines if "started" in l]
        assert len(started) == 1, started
        assert not any("listening" in l for l in daemon.lines), daemon.lines
        line = started[0]
        assert re.search(r" smtp=127.0.0.1:\d+,127.0.0.2:\d+ ", line), line
        assert re.search(r" pop3s=127.0.0.1:\d+$", line), line
        assert " host=mail.test " in line, line
        assert " data_folder=" in line, line


def test_O19_the_name_in_use(build):
    """Also where no setting says it; and what was cut at the end."""
    with Daemon(build, settings={"general.host_name": "",
                                 "general.drain": "1s"}) as daemon:
        line, = [l for l in daemon.lines if "started" in l]
        with Wire(daemon.port("smtp")) as wire:
            name = wire.reply().split()[1]
            assert f" host={name} " in line, (name, line)
            for command in ("EHLO c.test", "MAIL FROM:<a@c.test>",
                            "RCPT TO:<demo@mail.test>", "DATA"):
                assert wire.ask(command)[:1] in "23"
            daemon.stop()
        assert any("general.drain was over: cut at the deadline: 1 sessions, "
                   "0 attempts" in l for l in daemon.lines), daemon.lines[-5:]


def test_O19_another_is_running(build):
    """It is told before anything listens."""
    with Daemon(build) as daemon:
        daemon.settings["smtp.listen"] = f"127.0.0.1:{daemon.port('smtp')}"
        run = subprocess.run(
            [*daemon.daemon, "-c", daemon.write_config()],
            capture_output=True, text=True, timeout=120)
        assert run.returncode == 1, run
        lines = run.stderr.strip().split("\n")
        assert len(lines) == 1, lines
        assert "another mailmod is running on the data folder " in lines[0]


main(__name__, test_O19_one_line_with_the_listeners,
     test_O19_the_name_in_use,
     test_O19_another_is_running, test_D09_nobody_reads_the_log, test_D09_end_without_a_reader,
     test_O20_log_file, test_O19_local_time)
