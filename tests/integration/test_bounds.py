"""The limits of mailmod.cfg, each with the reply that it must have.

Also what must not get through a real socket: smuggled dialogues, octets in
front of a handshake, octets that trickle, peers that do not read.
"""
import socket
import sqlite3
import threading
import time

from harness import Daemon, Wire, is_sanitized, main, wait_for


def rss_kib(daemon):
    with open(f"/proc/{daemon.process.pid}/status", encoding="ascii") as f:
        for line in f:
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
    return 0


def hello(wire):
    wire.reply()
    return wire.ask("EHLO client.test")


def begin(wire, rcpt="demo@mail.test"):
    hello(wire)
    assert wire.ask("MAIL FROM:<a@client.test>").startswith("250")
    assert wire.ask(f"RCPT TO:<{rcpt}>").startswith("250")


def test_message_size(build):
    with Daemon(build, settings={"smtp.message_size_max": 10000}) as daemon:
        with Wire(daemon.port("smtp")) as wire:
            assert "250-SIZE 10000" in hello(wire)
            assert wire.ask("MAIL FROM:<a@c.test> SIZE=10001") \
                .startswith("552 5.3.4")
            assert wire.ask("MAIL FROM:<a@c.test>").startswith("250")
            assert wire.ask("RCPT TO:<demo@mail.test>").startswith("250")
            assert wire.ask("DATA").startswith("354")
            wire.send(b"x" * 70 + b"\r\n" + (b"y" * 70 + b"\r\n") * 300 +
                      b".\r\n")
            assert wire.reply().startswith("552 5.3.4")
            assert wire.ask("RCPT TO:<demo@mail.test>").startswith("503")
        assert daemon.messages() == []


def test_recipients(build):
    with Daemon(build, settings={"smtp.recipients_max": 3}) as daemon, \
            Wire(daemon.port("smtp")) as wire:
        hello(wire)
        wire.ask("MAIL FROM:<a@c.test>")
        replies = [wire.ask(f"RCPT TO:<demo+{i}@mail.test>")
                   for i in range(5)]
        assert [r[:3] for r in replies] == ["250"] * 3 + ["452"] * 2, replies
        assert "4.5.3" in replies[3]


def test_connections(build):
    with Daemon(build, settings={
            "smtp.connections_per_address_max": 3,
            "pop3.connections_per_address_max": 2}) as daemon:
        wires = [Wire(daemon.port("smtp")) for _ in range(3)]
        assert all(w.reply().startswith("220") for w in wires)
        with Wire(daemon.port("smtp")) as wire:
            assert wire.reply().startswith("421 4.7.0")
            assert wire.at_end()
        wires.pop().close()

        def again():
            with Wire(daemon.port("smtp")) as wire:
                return wire.reply().startswith("220")
        wait_for(again, what="a freed place")
        pops = [Wire(daemon.port("pop3")) for _ in range(2)]
        assert all(w.line().startswith(b"+OK") for w in pops)
        with Wire(daemon.port("pop3")) as wire:
            assert wire.line().startswith(b"-ERR [SYS/TEMP]")


def test_errors_and_lines(build):
    with Daemon(build, settings={"smtp.errors_max": 5}) as daemon, \
            Wire(daemon.port("smtp")) as wire:
        wire.reply()
        assert wire.ask("NONSENSE").startswith("500 5.5.1")
        assert wire.ask("NOOP " + "x" * 3000).startswith("500 5.5.6")
        wire.send(b"NOOP\nEHLO a\r\n")  # one line, and none of it is run
        assert wire.reply().startswith("500 5.5.2")
        wire.send(b"NONSENSE\r\n" * 2)
        assert wire.reply().startswith("500")
        assert wire.reply().startswith("500")
        assert wire.reply().startswith("421 4.7.0")
        assert wire.at_end()


def test_trickled_octets_extend_nothing(build):
    """Attack 38: one octet now and then."""
    with Daemon(build, settings={"smtp.command_timeout": "1s",
                                 "smtp.greeting_timeout": "1s"}) as daemon, \
            Wire(daemon.port("smtp")) as wire:
        wire.reply()
        start = time.monotonic()
        said = b""
        wire.socket.settimeout(0.2)
        while time.monotonic() - start < 30 and not said:
            try:
                wire.send(b"N")
                said = wire.socket.recv(100)
            except socket.timeout:
                pass
        assert said.startswith(b"421 4.4.2"), said


def test_peer_that_does_not_read(build):
    """Attack 39: replies that nobody takes."""
    with Daemon(build, settings={"smtp.write_timeout": "1s"}) as daemon:
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.connect(("127.0.0.1", daemon.port("smtp")))
        s.settimeout(1)
        before = rss_kib(daemon)
        sent = 0
        try:
            while sent < 64 * 1024 * 1024:
                sent += s.send(b"HELP\r\n" * 1000)
        except OSError:
            pass
        assert is_sanitized(build) or rss_kib(daemon) - before < 4096
        daemon.wait_log("session closed")
        with Wire(daemon.port("smtp")) as wire:
            assert wire.reply().startswith("220")
        s.close()


def test_smuggling(build):
    """Attacks 1, 3: a second dialogue inside the first one's data is never
    obeyed."""
    ends = [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r\n.\r\r\n",
            b"\r\n\0.\r\n"]
    inner = b"MAIL FROM:<evil@c.test>\r\nRCPT TO:<demo@mail.test>\r\nDATA\r\n"
    for mode in ("reject", "normalize"):
        with Daemon(build, settings={"smtp.bare_newline": mode}) as daemon:
            for end in ends:
                with Wire(daemon.port("smtp")) as wire:
                    begin(wire)
                    assert wire.ask("DATA").startswith("354")
                    wire.send(b"Subject: outer\r\n\r\nbody" + end + inner +
                              b"inner\r\n.\r\n")
                    reply = wire.reply()
                    wire.send(b"QUIT\r\n")
                    assert wire.reply().startswith("221"), reply
            for message in daemon.messages():
                assert b"<evil@c.test>\r\nReceived" not in message
                bare = message.replace(b"\r\n", b"")
                assert b"\n" not in bare and b"\r" not in bare


def test_octets_before_tls(build):
    """Attack 11: what stands behind STARTTLS and STLS in one segment."""
    with Daemon(build) as daemon:
        with Wire(daemon.port("smtp")) as wire:
            hello(wire)
            wire.send(b"STARTTLS\r\nNOOP\r\n")
            rest = b""
            try:
                while True:
                    more = wire.socket.recv(4096)
                    if not more:
                        break
                    rest += more
            except ConnectionError:
                pass
            assert b"2.0.0 OK" not in rest, rest
        with Wire(daemon.port("pop3")) as wire:
            wire.line()
            wire.send(b"STLS\r\nCAPA\r\n")
            rest = b""
            try:
                while True:
                    more = wire.socket.recv(4096)
                    if not more:
                        break
                    rest += more
            except ConnectionError:
                pass
            assert b"IMPLEMENTATION" not in rest, rest


def test_state_is_forgotten_under_tls(build):
    with Daemon(build) as daemon, Wire(daemon.port("submission")) as wire:
        begin_clear = hello(wire)
        assert "AUTH" not in begin_clear and "STARTTLS" in begin_clear
        assert wire.ask("AUTH PLAIN AGRlbW8Ac2VjcmV0").startswith("538")
        assert wire.ask("STARTTLS").startswith("220")
        wire.tls()
        assert wire.ask("MAIL FROM:<a@c.test>").startswith("503")
        answer = wire.ask("EHLO client.test")
        assert "AUTH" in answer and "STARTTLS" not in answer
        assert wire.ask("MAIL FROM:<a@c.test>").startswith("530")
        assert wire.ask("AUTH PLAIN AGRlbW8Ad3Jvbmc=").startswith("535 5.7.8")
        assert wire.ask("AUTH PLAIN AGRlbW8Ac2VjcmV0").startswith("235")
        assert wire.ask("AUTH PLAIN AGRlbW8Ac2VjcmV0").startswith("503")
        assert wire.ask("STARTTLS").startswith("503")


def test_large_message_small_memory(build):
    """100 MB over a slow line: pieces go to disk as they arrive."""
    piece = b"z" * 998 + b"\r\n"
    with Daemon(build, settings={
            "smtp.message_size_max": "200M"}) as daemon, \
            Wire(daemon.port("smtp"), timeout=120) as wire:
        begin(wire)
        wire.ask("DATA")
        wire.send(piece * 2000)
        time.sleep(0.5)
        before = rss_kib(daemon)
        peak = 0
        for _ in range(50):
            wire.send(piece * 2000)
            peak = max(peak, rss_kib(daemon))
        wire.send(b".\r\n")
        assert wire.reply().startswith("250")
        # The page cache of SQLite (16 MiB at most) is the store's, not the
        # message's.
        assert is_sanitized(build) or peak - before < 24 * 1024, (before,
                                                                  peak)


def test_mailbox_lock(build):
    with Daemon(build) as daemon:
        box = daemon.pop3()
        with Wire(daemon.port("pop3s")) as wire:
            wire.tls()
            wire.line()
            wire.send(b"USER demo\r\nPASS secret\r\n")
            wire.line()
            assert wire.line().startswith(b"-ERR [IN-USE]")
        box.sock.close()
        box.file.close()
        wait_for(lambda: free(daemon), what="the freed lock")


def free(daemon):
    import poplib
    try:
        daemon.pop3().quit()
        return True
    except poplib.error_proto:
        return False


def test_large_mailbox(build):
    """Attack 94: 100 000 messages, a listing that is whole and a memory that
    is not; LIST tells RETR's octets."""
    with Daemon(build, start=False) as daemon:
        daemon.start()
        with Wire(daemon.port("smtp")) as wire:
            begin(wire)
            wire.ask("DATA")
            wire.send(b"Subject: one\r\n\r\nbody\r\n.\r\n")
            wire.reply()
        daemon.stop()
        db = sqlite3.connect(daemon.settings["general.data_folder"] +
                             "/mailmod.db")
        row = db.execute("SELECT mailbox_id,number,message_id,size FROM entry"
                         ).fetchone()
        db.executemany(
            "INSERT INTO entry(mailbox_id,number,message_id,size,flags) "
            "VALUES(?,?,?,?,0)",
            ((row[0], row[1] + i, row[2], row[3]) for i in range(1, 100000)))
        db.execute("UPDATE message SET reference_count=100000")
        db.execute("UPDATE mailbox SET next_number=? WHERE id=?",
                   (row[1] + 100000, row[0]))
        db.commit()
        db.close()
        daemon.start()
        before = rss_kib(daemon)
        box = daemon.pop3()
        assert box.stat()[0] == 100000
        listing = box.list()[1]
        assert len(listing) == 100000
        unique = {line.split()[1] for line in box.uidl()[1]}
        assert len(unique) == 100000
        assert is_sanitized(build) or rss_kib(daemon) - before < 24 * 1024
        message = b"\r\n".join(box.retr(77777)[1]) + b"\r\n"
        assert len(message) == int(listing[77776].split()[1])
        box.quit()


def test_many_idle_sessions(build):
    with Daemon(build, settings={
            "smtp.connections_per_address_max": 1000,
            "smtp.connections_max": 1000}) as daemon:
        wires = [Wire(daemon.port("smtp")) for _ in range(300)]
        for wire in wires:
            assert wire.reply().startswith("220")
        threads = [threading.Thread(target=w.ask, args=("NOOP",))
                   for w in wires]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
            assert not thread.is_alive()
        for wire in wires:
            wire.close()


def test_connections_in_all(build):
    with Daemon(build, settings={
            "smtp.connections_max": 2, "smtp.connections_per_address_max": 1,
            "pop3.connections_max": 1,
            "pop3.connections_per_address_max": 1}) as daemon:
        wires = [Wire(daemon.port("smtp"), source="127.0.0.1"),
                 Wire(daemon.port("smtp"), source="127.0.0.2"),
                 Wire(daemon.port("submission"), source="127.0.0.1")]
        assert all(w.reply().startswith("220") for w in wires)
        with Wire(daemon.port("smtp"), source="127.0.0.3") as wire:
            assert wire.reply().startswith("421 4.3.2")
            assert wire.at_end()
        with Wire(daemon.port("pop3"), source="127.0.0.1") as first:
            assert first.line().startswith(b"+OK")
            with Wire(daemon.port("pop3"), source="127.0.0.2") as wire:
                assert wire.line().startswith(b"-ERR [SYS/TEMP]")
                assert wire.at_end()
        for wire in wires:
            wire.close()


def test_loops_end(build):
    with Daemon(build, settings={"smtp.received_max": 10}) as daemon:
        for count, code in ((10, "250"), (11, "554 5.4.6")):
            with Wire(daemon.port("smtp")) as wire:
                begin(wire)
                wire.ask("DATA")
                wire.send(b"Received: from a by b; x\r\n" * count +
                          b"Subject: x\r\n\r\nReceived: no field\r\n.\r\n")
                assert wire.reply().startswith(code), count
        assert len(daemon.messages()) == 1


main(__name__, test_message_size, test_recipients, test_connections,
     test_errors_and_lines, test_trickled_octets_extend_nothing,
     test_peer_that_does_not_read, test_smuggling, test_octets_before_tls,
     test_state_is_forgotten_under_tls, test_large_message_small_memory,
     test_mailbox_lock, test_large_mailbox, test_many_idle_sessions,
     test_connections_in_all, test_loops_end)
