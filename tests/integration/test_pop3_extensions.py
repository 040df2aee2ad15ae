"""pop3svc's extensions as clients see them: over TLS (PT-02), through a client
library (PT-09), many at a time (PT-10, PB-07), and over the end of the process
(T-140, attack 91)."""
import os
import poplib
import socket
import threading

from harness import (Daemon, Wire, insecure_tls, is_sanitized, main,
                     need_posix, Skip, wait_for)

CLEAR = {"pop3.allows_clear_login": True, "pop3.connections_max": 3000,
         "pop3.connections_per_address_max": 3000}


def send(daemon, count, user="demo"):
    with daemon.smtp() as client:
        for number in range(count):
            client.sendmail("a@example.net", [f"{user}@mail.test"],
                            f"Subject: {number}\r\n\r\nx\r\n")


def capabilities(box):
    return {line.split()[0].decode() for line in box._longcmd("CAPA")[1]}


def test_pt02_tls(build):
    with Daemon(build) as daemon:
        send(daemon, 1)
        box = poplib.POP3("127.0.0.1", daemon.port("pop3"), timeout=120)
        clear = capabilities(box)
        assert "STLS" in clear and "XLOG" not in clear, clear
        box.stls(insecure_tls())
        explicit = capabilities(box)
        implicit = poplib.POP3_SSL("127.0.0.1", daemon.port("pop3s"),
                                   timeout=120, context=insecure_tls())
        assert capabilities(implicit) == explicit
        assert "XLOG" in explicit and "STLS" not in explicit, explicit
        assert {"SLEE-WAKE", "SLEEPING", "DELI", "QAUT",
                "UID-PARAM"} <= explicit, explicit
        box.close()
        implicit._shortcmd("XLOG demo secret")
        assert implicit._shortcmd("SLEE").startswith(b"+OK")
        assert implicit._shortcmd("WAKE").startswith(b"+OK [ACTIVITY/NONE]")
        implicit.quit()


def deleted(daemon):
    lines = daemon.ctl("mailbox", "deleted", "demo").stdout.splitlines()
    return [line.split() for line in lines[1:]]


def restored(daemon, *words):
    return daemon.ctl("mailbox", "restore", "demo", *words).stdout.strip()


def uids_of(box):
    return [line.split()[1].decode() for line in box.uidl()[1]]


def test_deleted_mail_comes_back(build):
    """pop3.keep_deleted_days: gone for clients, kept over the end of the
    process, and back as new mail by an operator's tool beside the daemon."""
    with Daemon(build, settings={**CLEAR, "pop3.keep_deleted_days": 7}
                ) as daemon:
        send(daemon, 100)
        box = daemon.pop3()
        uids = uids_of(box)
        for number in range(1, 100):
            box.dele(number)
        assert box.quit() == b"+OK 99 messages deleted. Goodbye."
        assert len(daemon.messages()) == 1
        daemon.kill()
        daemon.start()
        wait_for(lambda: len(deleted(daemon)) == 99, what="all of them")
        first = deleted(daemon)[0]
        assert first[0] == uids[0] and first[-1] == "<a@example.net>", first
        assert restored(daemon, uids[2], uids[1]) == "2 restored"
        box = daemon.pop3()
        texts = [box.retr(number)[1] for number in (1, 2, 3)]
        assert [b"Subject: %d" % number in text for text, number in
                zip(texts, (99, 2, 1))] == [True] * 3, texts
        now = uids_of(box)
        assert now[0] == uids[99] and not set(now[1:]) & set(uids), now
        box.quit()
        assert restored(daemon, "all") == "97 restored"
        assert len(daemon.messages()) == 100
        for words, error in ((("restore", "demo", uids[5]),
                              "no deleted mail"),
                             (("deleted", "who"), "no such user")):
            run = daemon.ctl("mailbox", *words, check=False)
            assert run.returncode == 1 and error in run.stderr, run
        assert daemon.ctl("mailbox", "deleted",
                          "demo").stdout == "there is none\n"
        daemon.ctl("store", "verify")


def walk(box, uids):
    """One message by each command that takes a unique-id."""
    assert box._shortcmd(f"LIST UID:{uids[0]}").startswith(b"+OK 1 ")
    lines = box._longcmd(f"RETR UID:{uids[1]}")[1]
    assert lines[-2:] == [b"", b"x"], lines
    assert box._longcmd(f"TOP uid:{uids[1]} 0")[1] == lines[:-1]
    assert box._shortcmd(f"DELE UID:{uids[0]}").startswith(b"+OK")
    assert box._shortcmd(f"DELI UID:{uids[1]}").startswith(b"+OK")
    assert box._shortcmd("SLEE") == b"+OK 1 message deleted. Asleep."
    assert box._shortcmd("WAKE").startswith(b"+OK [ACTIVITY/NONE]")
    try:
        box._shortcmd(f"RETR UID:{uids[0]}")
        raise AssertionError("a deleted message is there")
    except poplib.error_proto as error:
        assert b"[UID/NOT-FOUND]" in error.args[0], error


def test_pt09_client_library(build):
    with Daemon(build, settings=CLEAR) as daemon:
        for service in ("clear", "pop3", "pop3s"):
            send(daemon, 4)
            if service == "clear":
                box = poplib.POP3("127.0.0.1", daemon.port("pop3"), timeout=120)
                box._shortcmd("XLOG demo secret")
            else:
                box = daemon.pop3(service=service)
            uids = [line.split()[1].decode() for line in box.uidl()[1]]
            walk(box, uids)
            assert box._shortcmd("QAUT").startswith(b"+OK")
            box._shortcmd("XLOG demo secret")
            assert box.stat()[0] == len(uids) - 2
            box.quit()


def test_pt10_many_clients(build):
    """20 mailboxes of 25 messages, 100 clients by turns of SLEE and WAKE."""
    users = [f"user{i}" for i in range(20)]
    with Daemon(build, settings=CLEAR, users=users) as daemon:
        with daemon.smtp() as client:
            for number in range(25):
                client.sendmail("a@example.net",
                                [f"{user}@mail.test" for user in users],
                                f"Subject: {number}\r\n\r\n.\r\n")
        wrong = []

        def client(user):
            box = poplib.POP3("127.0.0.1", daemon.port("pop3"), timeout=120)
            for _ in range(50):  # five clients have one mailbox in turn
                try:
                    box._shortcmd(f"XLOG {user} secret")
                    break
                except poplib.error_proto as error:
                    if b"[IN-USE]" not in error.args[0]:
                        raise
            if len(box.list()[1]) != 25 or box.retr(25)[1][-2:] != [b"", b"."]:
                wrong.append(user)
            box._shortcmd("SLEE")
            box.quit()

        threads = [threading.Thread(target=client, args=(users[i % 20],))
                   for i in range(100)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not wrong, wrong
        assert len(daemon.wait_lines("mailbox opened", 100)) == 100


def memory_of(daemon):
    with open(f"/proc/{daemon.process.pid}/smaps_rollup",
              encoding="ascii") as file:
        for line in file:
            if line.startswith("Rss:"):
                return int(line.split()[1])
    return 0


def test_pb07_sleepers(build):
    """1 000 sessions sleep: each costs memory and no thread, and wakes."""
    need_posix(build, "memory and threads of the process")
    if not os.path.exists("/proc/self/smaps_rollup"):
        raise Skip("no /proc/self/smaps_rollup here")
    count = 100 if is_sanitized(build) else 1000
    with Daemon(build, settings=CLEAR) as daemon:
        send(daemon, 20)

        def sleeper():
            wire = Wire(daemon.port("pop3"), timeout=120)
            wire.line()
            assert wire.ask("XLOG demo secret").startswith("+OK")
            assert wire.ask("SLEE").startswith("+OK")
            return wire

        warm = [sleeper() for _ in range(20)]
        before = memory_of(daemon)
        threads = len(os.listdir(f"/proc/{daemon.process.pid}/task"))
        asleep = [sleeper() for _ in range(count)]
        grown = memory_of(daemon) - before
        assert len(os.listdir(
            f"/proc/{daemon.process.pid}/task")) == threads
        print(f"  {count} sleepers: {grown} KiB, "
              f"{grown * 1024 // count} octets each")
        # Each mailbox is free, and all are heard.
        for wire in asleep[::50]:
            assert wire.ask("NOOP").startswith("+OK")
            assert wire.ask("WAKE").startswith("+OK [ACTIVITY/NONE]")
            assert wire.ask("SLEE").startswith("+OK")
        send(daemon, 1)
        assert asleep[1].ask("WAKE").startswith("+OK [ACTIVITY/NEW]")
        for wire in warm + asleep:
            wire.close()


def cut(wire):
    """Without a word."""
    wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                           b"\x01\x00\x00\x00\x00\x00\x00\x00")
    wire.close()


def test_attack_91_deletions(build):
    """DELE and a cut: nothing; DELI, or QUIT with its answer, and kill -9: it
    is gone, and nothing else is."""
    with Daemon(build, settings=CLEAR) as daemon:
        send(daemon, 6)

        def login():
            wire = Wire(daemon.port("pop3"))
            wire.line()
            assert wire.ask("XLOG demo secret").startswith("+OK")
            return wire

        wire = login()
        assert wire.ask("DELE 1").startswith("+OK")
        cut(wire)
        wire = login()
        assert wire.ask("STAT").startswith("+OK 6 ")
        assert wire.ask("DELE 1").startswith("+OK")
        assert wire.ask("DELI 2").startswith("+OK")
        daemon.kill()
        wire.close()
        daemon.start()
        wire = login()
        assert wire.ask("STAT").startswith("+OK 5 ")
        assert wire.ask("DELE 1").startswith("+OK")
        assert wire.ask("DELE 5").startswith("+OK")
        assert wire.ask("QUIT").startswith("+OK 2 messages deleted.")
        daemon.kill()
        wire.close()
        daemon.start()
        wire = login()
        assert wire.ask("STAT").startswith("+OK 3 ")
        wire.close()


main(__name__, test_pt02_tls, test_deleted_mail_comes_back,
     test_pt09_client_library, test_pt10_many_clients,
     test_pb07_sleepers, test_attack_91_deletions)
