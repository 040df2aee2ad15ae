"""The operator's side: control program, checks, reload, stop, rights, disk.

What is logged can be followed from accept to delivery, and no password is in
it, at any level.
"""
import os
import pwd
import re
import shutil
import socket
import subprocess
import tempfile
import threading
import time

from harness import (PATIENCE, Daemon, Skip, Wire, insecure_tls, main,
                     need_posix, wait_for)
from sink import Sink

QUEUED = {"smtp.relay_from": "127.0.0.0/8", "queue.holds": True}


def submit(daemon, *recipients):
    with daemon.smtp("submission", local_hostname="c.test") as smtp:
        smtp.sendmail("demo@mail.test", recipients,
                      "Subject: queued\r\n\r\n.octets\r\n")


def identifiers(daemon):
    return re.findall(r"(?m)^([0-9A-Z]{13})\b",
                      daemon.ctl("queue", "list").stdout)


def exercise_queue(daemon):
    """Everything that mailmodctl queue does, on two messages."""
    first, second = sorted(set(identifiers(daemon)))
    assert b".octets" in daemon.ctl("queue", "show",
                                    first).stdout.encode()
    daemon.ctl("queue", "hold", first)
    listing = daemon.ctl("queue", "list").stdout
    assert re.search(rf"{first}.*held", listing), listing
    assert not re.search(rf"{second}.*held", listing), listing
    daemon.ctl("queue", "release", "all")
    assert "held" not in daemon.ctl("queue", "list").stdout
    daemon.ctl("queue", "flush", first)
    daemon.ctl("queue", "delete", first)
    assert set(identifiers(daemon)) == {second}
    missing = daemon.ctl("queue", "show", first, check=False)
    assert missing.returncode == 1 and missing.stderr
    wrong = daemon.ctl("queue", "show", "nonsense", check=False)
    assert wrong.returncode != 0


def test_queue_on_a_running_system(build):
    with Daemon(build, settings=QUEUED) as daemon:
        submit(daemon, "a@x.test", "b@x.test")
        submit(daemon, "c@y.test")
        exercise_queue(daemon)


def test_queue_on_a_stopped_system(build):
    with Daemon(build, settings=QUEUED) as daemon:
        submit(daemon, "a@x.test")
        submit(daemon, "c@y.test")
        assert daemon.stop() == 0
        exercise_queue(daemon)


def test_hold_and_release_beside_delivery(build):
    with Sink(replies={"RCPT": "451 4.7.1 later"}) as sink, \
            Daemon(build, settings={
                "smtp.relay_from": "127.0.0.0/8", "queue.steps": "1h",
                "delivery.port": sink.port}) as daemon:
        submit(daemon, "a@[127.0.0.51]", "b@[127.0.0.52]")
        daemon.wait_log("delivery: deferred .*127.0.0.52")
        daemon.ctl("queue", "hold", "all")
        sink.replies.clear()
        daemon.ctl("queue", "flush", "all")
        time.sleep(2)
        assert sink.messages == []
    # Released by a tool, they go out without a restart.
    with Sink("127.0.0.53") as sink, Daemon(build, settings={
            "smtp.relay_from": "127.0.0.0/8", "queue.steps": "1h",
            "delivery.port": sink.port}) as daemon:
        sink.replies["RCPT"] = "451 4.7.1 later"
        submit(daemon, "a@[127.0.0.53]")
        daemon.wait_log("delivery: deferred")
        sink.replies.clear()
        daemon.ctl("queue", "flush", "all")
        wait_for(lambda: sink.messages, what="the flushed message")


def test_users(build):
    with Daemon(build) as daemon:
        daemon.add_user("anna", "pw1")
        names = daemon.ctl("user", "list").stdout
        assert "anna" in names and "demo" in names
        assert daemon.ctl("user", "add", "anna", "--password-stdin",
                          stdin="x\n", check=False).returncode == 1
        daemon.pop3("anna", "pw1").quit()
        daemon.ctl("user", "passwd", "anna", "--password-stdin",
                   stdin="pw2\n")
        daemon.pop3("anna", "pw2").quit()
        daemon.ctl("user", "del", "anna")
        with Wire(daemon.port("smtp")) as wire:
            wire.reply()
            wire.ask("EHLO c.test")
            wire.ask("MAIL FROM:<a@c.test>")
            assert wire.ask("RCPT TO:<anna@mail.test>").startswith("550")


def check(build, text, *words):
    with Daemon(build, users=(), start=False) as daemon:
        path = os.path.join(daemon.folder, "bad.cfg")
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(path, 0o600)
        done = subprocess.run([*daemon.daemon, "-c", path, "--check"],
                              capture_output=True, text=True, timeout=120)
        said = done.stdout + done.stderr
        for word in words:
            assert word in said, (word, said)
        return done.returncode, said


def test_check_names_each_mistake(build):
    assert check(build, 'smtp: { recipients_max = 50; };\n')[0] == 0
    code, said = check(build, 'smtp:\n{\n  recipients_max = "many";\n'
                       '  no_such_key = 1;\n};\n',
                       "bad.cfg:3", "recipients_max", "bad.cfg:4",
                       "no_such_key")
    assert code == 78, said
    assert check(build, "smtp: {\n", "bad.cfg:")[0] == 78
    assert check(build, 'tls: { certificate_file = "/nonexistent"; '
                 'key_file = "/nonexistent"; };\n', "/nonexistent")[0] == 78
    # Each file by the key that names it, all of them at once.
    files = check(build, 'smarthost: { host = "a.test"; '
                  'authority_file = "/none-1"; };\n'
                  'fetch: { authority_file = "/none-2"; };\n'
                  'pop3: { backends = "u=b.test"; '
                  'backend_authority_file = "/none-3"; };\n'
                  'local: { alias_files = "/none-4"; };\n')
    assert files[0] == 78
    for key, name in (("smarthost.authority_file", "/none-1"),
                      ("fetch.authority_file", "/none-2"),
                      ("pop3.backend_authority_file", "/none-3"),
                      ("local.alias_files", "/none-4")):
        assert sum(key in line and name in line
                   for line in files[1].splitlines()) == 1, files[1]


def certificate_of(daemon):
    with socket.create_connection(("127.0.0.1", daemon.port("pop3s")),
                                  30) as s:
        with insecure_tls().wrap_socket(s) as tls:
            return tls.getpeercert(True)


def test_reload(build):
    with Daemon(build) as daemon:
        first = certificate_of(daemon)
        open_session = daemon.pop3()
        daemon.settings["smtp.recipients_max"] = 1
        daemon.write_config()
        for name in ("self-signed.crt", "self-signed.key"):
            os.remove(os.path.join(daemon.settings["general.data_folder"],
                                   name))
        daemon.ask_reload()
        daemon.wait_log("mailmodd: reloaded")
        assert certificate_of(daemon) != first
        with Wire(daemon.port("smtp")) as wire:
            wire.reply()
            wire.ask("EHLO c.test")
            wire.ask("MAIL FROM:<a@c.test>")
            assert wire.ask("RCPT TO:<demo@mail.test>").startswith("250")
            assert wire.ask("RCPT TO:<demo+x@mail.test>").startswith("452")
        open_session.noop()
        open_session.quit()
        # A bad file changes nothing.
        daemon.settings["smtp.recipients_max"] = 0
        daemon.write_config()
        seen = len(daemon.lines)
        daemon.ask_reload()
        daemon.wait_log("recipients_max", after=seen)
        with Wire(daemon.port("smtp")) as wire:
            assert wire.reply().startswith("220")


def test_stop_drains(build):
    """A transaction that is open at SIGTERM ends well; an idle one gets 421."""
    with Daemon(build, settings={"general.drain": "20s"}) as daemon:
        idle = Wire(daemon.port("smtp"))
        busy = Wire(daemon.port("smtp"))
        for wire in (idle, busy):
            wire.reply()
            wire.ask("EHLO c.test")
        busy.ask("MAIL FROM:<a@c.test>")
        busy.ask("RCPT TO:<demo@mail.test>")
        assert busy.ask("DATA").startswith("354")
        daemon.ask_stop()
        assert idle.reply().startswith("421 4.3.2")
        busy.send(b"Subject: late\r\n\r\nx\r\n.\r\n")
        assert busy.reply().startswith("250")
        assert busy.reply().startswith("421")
        assert daemon.process.wait(120) == 0
        daemon.start()
        assert len(daemon.messages()) == 1


def test_stop_cuts_at_the_deadline(build):
    with Daemon(build, settings={"general.drain": "1s"}) as daemon:
        box = daemon.pop3()
        daemon.ask_stop()
        assert daemon.process.wait(40) in (0, 1)
        box.sock.close()


def test_notify(build):
    """The messages of sd_notify on a socket of ours."""
    need_posix(build, "sd_notify")
    folder = tempfile.mkdtemp(prefix="mailmod-notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.bind(os.path.join(folder, "notify"))
        s.settimeout(120)
        os.environ["NOTIFY_SOCKET"] = os.path.join(folder, "notify")
        try:
            with Daemon(build) as daemon:
                said = b""
                while b"READY=1" not in said:
                    said += s.recv(4096)
                daemon.ask_stop()
                while b"STOPPING=1" not in said:
                    said += s.recv(4096)
        finally:
            del os.environ["NOTIFY_SOCKET"]
            shutil.rmtree(folder)


def test_root_is_dropped(build):
    need_posix(build, "general.run_as_user")
    if os.geteuid() != 0:
        raise Skip("not root")
    folder = tempfile.mkdtemp(prefix="mailmod-root-")
    os.chmod(folder, 0o755)
    try:
        with Daemon(build, folder=folder, users=(), start=False, settings={
                "general.run_as_user": "nobody"}) as daemon:
            path = daemon.write_config()
            os.chown(path, pwd.getpwnam("nobody").pw_uid, -1)
            daemon.write_config = lambda: path
            daemon.start()
            with open(f"/proc/{daemon.process.pid}/status",
                      encoding="ascii") as f:
                uids = re.search(r"Uid:\s+(.*)", f.read())[1].split()
            assert set(uids) == {str(pwd.getpwnam("nobody").pw_uid)}, uids
            with Wire(daemon.port("smtp")) as wire:
                wire.reply()
                wire.ask("EHLO c.test")
                wire.ask("MAIL FROM:<a@c.test>")
                wire.ask("RCPT TO:<postmaster@mail.test>")
                wire.ask("DATA")
                wire.send(b"x\r\n.\r\n")
                assert wire.reply().startswith("250")
    finally:
        shutil.rmtree(folder)


class SmallDisk:
    """A file system of a few megabytes."""

    def __enter__(self):
        self.folder = tempfile.mkdtemp(prefix="mailmod-disk-")
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", self.folder],
            capture_output=True, text=True)
        if done.returncode != 0:
            os.rmdir(self.folder)
            raise Skip(f"no small disk can be mounted: {done.stderr}")
        return self.folder

    def __exit__(self, *rest):
        subprocess.run(["umount", self.folder], check=False)
        os.rmdir(self.folder)


def deliver(daemon, size):
    with Wire(daemon.port("smtp")) as wire:
        wire.reply()
        wire.ask("EHLO c.test")
        for line in ("MAIL FROM:<a@c.test>", "RCPT TO:<demo@mail.test>",
                     "DATA"):
            reply = wire.ask(line)
            if reply[0] not in "23":
                return reply  # MAIL says it already when there is no room
        wire.send(b"x" * 70 + b"\r\n" + (b"y" * 70 + b"\r\n") * (size // 72) +
                  b".\r\n")
        return wire.reply()


def test_full_disk(build):
    with SmallDisk() as folder, Daemon(build, settings={
            "general.data_folder": folder + "/data",
            "general.free_space_min": "1M"}) as daemon:
        kept = 0
        for _ in range(200):
            reply = deliver(daemon, 100000)
            if not reply.startswith("250"):
                break
            kept += 1
        assert reply.startswith("452 4.3.1"), reply
        box = daemon.pop3()
        assert box.stat()[0] == kept, (box.stat(), kept)
        for i in range(kept):
            box.dele(i + 1)
        box.quit()
        wait_for(lambda: deliver(daemon, 1000).startswith("250"),
                 what="room again")


def test_reserve_is_kept(build):
    with SmallDisk() as folder, Daemon(build, settings={
            "general.data_folder": folder + "/data",
            "general.free_space_min": "2M"}) as daemon:
        replies = [deliver(daemon, 100000) for _ in range(60)]
        assert replies[-1].startswith("452 4.3.1"), replies[-1]
        room = os.statvfs(folder)
        # What is on its way when the reserve is met may still go into it.
        assert room.f_bavail * room.f_bsize > 1000000, room


def test_damaged_store_is_refused(build):
    with Daemon(build) as daemon:
        deliver(daemon, 1000)
        daemon.stop()
        path = daemon.settings["general.data_folder"] + "/mailmod.db"
        with open(path, "r+b") as f:
            f.seek(0)
            f.write(b"\0" * 4096)
        daemon.start(wait=False)
        assert daemon.process.wait(120) == 1
        daemon.reader.join(PATIENCE)
        said = "\n".join(daemon.lines)
        assert "mailmod.db" in said and "damaged" in said, said
        assert "store-format.md" in said, said


def test_log_tells_the_way_and_no_password(build):
    """Attack 52: at the level that tells most."""
    with Sink() as sink, Daemon(build, settings={
            "smtp.relay_from": "", "general.log_level": "wire",
            "delivery.port": sink.port}) as daemon:
        with daemon.smtp("submissions", local_hostname="c.test") as smtp:
            smtp.login("demo", daemon.password)
            smtp.sendmail("demo@mail.test", ["a@[127.0.0.1]", "b@x.invalid"],
                          "Subject: x\r\n\r\nx\r\n")
        daemon.pop3().quit()
        accepted = daemon.wait_log(
            r"message accepted session=(\S+) message=(\S+)")
        daemon.wait_log(f"session opened session={accepted[1]}")
        daemon.wait_log(f"delivery: .*message={accepted[2]} ")
        text = "\n".join(daemon.lines)
        assert daemon.password not in text
        assert "AGRlbW8Ac2VjcmV0" not in text  # PLAIN of it
        assert "c2VjcmV0" not in text  # LOGIN of it


def test_reload_under_load(build):
    """Attacks 21 and 109: sessions go on while settings and certificates are
    swapped."""
    need_posix(build, "SIGHUP")
    with Daemon(build, settings={"general.log_level": "warning",
                                 "smtp.messages_per_connection_max": 100000}
                ) as daemon:
        done = threading.Event()
        counts, failures = [0], []

        def send():
            try:
                while not done.is_set():
                    reply = deliver(daemon, 2000)
                    assert reply.startswith("250"), reply
                    counts[0] += 1
            except Exception as error:
                failures.append(error)
        threads = [threading.Thread(target=send) for _ in range(3)]
        for thread in threads:
            thread.start()
        for _ in range(30):
            daemon.ask_reload()
            time.sleep(0.05)
        done.set()
        for thread in threads:
            thread.join(60)
        assert not failures, failures
        assert counts[0] > 0


def test_tool_after_a_reload(build):
    """A reload looks at the store's file once more. Were it opened and closed
    for that, the locks of the process would be gone, and the next tool that
    ends would take the log away from under the daemon."""
    with Daemon(build) as daemon:
        daemon.ask_reload()
        daemon.wait_log("mailmodd: reloaded")
        for i in range(3):
            daemon.ctl("queue", "flush")
            daemon.add_user(f"user{i}", "secret")
            with daemon.smtp() as smtp:
                smtp.sendmail("a@b.example", "demo@mail.test",
                              b"Subject: x\r\n\r\nx\r\n")
        assert len(daemon.messages()) == 3
        assert not any("was removed" in line for line in daemon.lines)


main(__name__, test_queue_on_a_running_system,
     test_queue_on_a_stopped_system, test_hold_and_release_beside_delivery,
     test_users, test_check_names_each_mistake, test_reload,
     test_stop_drains, test_stop_cuts_at_the_deadline, test_notify,
     test_root_is_dropped, test_full_disk, test_reserve_is_kept,
     test_damaged_store_is_refused,
     test_log_tells_the_way_and_no_password, test_reload_under_load,
     test_tool_after_a_reload)
