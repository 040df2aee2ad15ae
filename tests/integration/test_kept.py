"""What is kept of mail that has left the queue, from outside: copies of what
other hosts took, dead letters of which nobody could be told; listed, shown,
sent again, deleted and swept; and killed at random between outcome and copy."""
import os
import random
import re
import smtplib
import sqlite3
import time

from harness import Daemon, Wire, main, wait_for
from sink import Sink

ROUNDS = int(os.environ.get("MAILMOD_KEPT_ROUNDS", "25"))


def world(build, sink, **settings):
    return Daemon(build, settings={
        "smarthost.host": "127.0.0.1", "smarthost.port": sink.port,
        "smarthost.tls": "off", "queue.steps": "1s",
        "smtp.relay_from": "127.0.0.0/8", **settings})


def send(daemon, *recipients, sender="demo@mail.test", subject="x"):
    with smtplib.SMTP("127.0.0.1", daemon.port("submission"),
                      timeout=120) as smtp:
        smtp.ehlo("client.test")
        smtp.sendmail(sender, recipients,
                      f"Subject: {subject}\r\n\r\nbody\r\n".encode())


def kept(daemon, kind, *words):
    """Identifier, sender, recipient and last words of each."""
    out = daemon.ctl("kept", "list", kind, *words).stdout
    return re.findall(r"^(\w{13}) .*<(.*?)> -> <(.*?)>\n    (.*)$", out, re.M)


def wait_kept(daemon, kind, count):
    wait_for(lambda: len(kept(daemon, kind)) == count,
             what=f"{count} kept: {kept(daemon, kind)}")
    return kept(daemon, kind)


def test_sent(build):
    with Sink() as sink, world(build, sink) as daemon:
        # Off by default.
        send(daemon, "a@elsewhere.test")
        wait_for(lambda: len(sink.messages) == 1, what="the first")
        assert kept(daemon, "sent") == []
        daemon.settings["archive.sent_days"] = 7
        daemon.write_config()
        daemon.stop()
        daemon.start()
        # One row a recipient; local mail and failures are not sent.
        sink.replies["RCPT"] = lambda line: \
            "550 5.1.1 no" if "bad" in line else "250 ok"
        send(daemon, "a@elsewhere.test", "b@elsewhere.test",
             "bad@elsewhere.test", "demo@mail.test", subject="two")
        rows = wait_kept(daemon, "sent", 2)
        assert [row[2] for row in rows] == ["a@elsewhere.test",
                                            "b@elsewhere.test"], rows
        assert rows[0][1] == "demo@mail.test", rows
        assert "250 2.0.0 queued" in rows[0][3], rows
        assert kept(daemon, "dead") == []
        assert "the queue is empty" in daemon.ctl("queue", "list").stdout
        text = daemon.ctl("kept", "show", rows[0][0]).stdout
        assert "Subject: two" in text and "body" in text, text
        # The queue's acts do not meet them.
        daemon.ctl("queue", "release", "all")
        daemon.ctl("queue", "delete", "all")
        assert len(kept(daemon, "sent")) == 2
        # Taken out: sent once more, and kept once more.
        before = len(sink.messages)
        out = daemon.ctl("kept", "release", "sent", rows[0][0]).stdout
        assert "2 recipients queued again" in out, out
        wait_for(lambda: len(sink.messages) > before, what="the second time")
        wait_kept(daemon, "sent", 2)
        out = daemon.ctl("kept", "delete", "sent", rows[0][0]).stdout
        assert "2 recipients deleted" in out, out
        assert kept(daemon, "sent") == []
        gone = daemon.ctl("kept", "delete", "sent", rows[0][0], check=False)
        assert gone.returncode != 0 and rows[0][0] in gone.stderr, gone
        for words in (("list",), ("list", "lost"), ("delete", "sent"),
                      ("release", "dead", "x", "y")):
            assert daemon.ctl("kept", *words, check=False).returncode == 2


def test_dead_letters(build):
    with Sink() as sink, world(build, sink) as daemon:
        sink.replies["RCPT"] = "550 5.1.1 nobody"
        # The null path; a sender here who is gone; both are nobody to tell.
        send(daemon, "a@elsewhere.test", sender="", subject="null")
        (row,) = wait_kept(daemon, "dead", 1)
        assert row[1] == "" and "550 5.1.1 nobody" in row[3], row
        daemon.wait_log("kept as a dead letter.*a@elsewhere.test")
        # A sender elsewhere gets a report; that one fails, too, and is kept.
        send(daemon, "b@elsewhere.test", sender="far@away.test")
        rows = wait_kept(daemon, "dead", 2)
        assert rows[1][2] == "far@away.test" and rows[1][1] == "", rows
        assert "could not be delivered" in \
            daemon.ctl("kept", "show", rows[1][0]).stdout
        # A sender here gets one, and nothing is kept.
        send(daemon, "c@elsewhere.test")
        wait_for(lambda: len(daemon.messages()) == 1, what="the report")
        assert len(kept(daemon, "dead")) == 2
        # Released, it goes out; and still is for nobody: kept anew.
        daemon.ctl("kept", "release", "dead", rows[1][0])
        daemon.wait_log("kept as a dead letter.*far@away.test", after=len(
            daemon.lines) - 1)
        wait_kept(daemon, "dead", 2)
        sink.replies.clear()
        out = daemon.ctl("kept", "release", "dead", "all").stdout
        assert "2 recipients queued again" in out, out
        wait_for(lambda: len(sink.messages) == 2, what="both")
        assert {m.recipients[0] for m in sink.messages} == \
            {"a@elsewhere.test", "far@away.test"}
        assert kept(daemon, "dead") == []
        # Not kept, where that is wished: the log tells.
        daemon.settings["archive.dead_letter_days"] = 0
        daemon.stop()
        daemon.start()
        sink.replies["RCPT"] = "550 5.1.1 nobody"
        send(daemon, "a@elsewhere.test", sender="", subject="null")
        daemon.wait_log(r"failed session=.*a@elsewhere.test")
        assert kept(daemon, "dead") == []


def test_sender_is_gone(build):
    """Nobody is there to be told when it fails at last."""
    with Sink() as sink, world(build, sink, **{
            "smtp.sender_must_match": False}) as daemon:
        daemon.add_user("short", "secret")
        sink.replies["RCPT"] = "450 4.2.1 later"
        send(daemon, "a@elsewhere.test", sender="short@mail.test")
        daemon.wait_log("deferred.*a@elsewhere.test")
        daemon.ctl("user", "del", "short", "--yes")
        sink.replies["RCPT"] = "550 5.1.1 no"
        daemon.ctl("queue", "flush")
        (row,) = wait_kept(daemon, "dead", 1)
        assert row[1] == "short@mail.test", row
        daemon.wait_log("report dropped: nobody to tell")


def age(daemon, days):
    """As if all that is kept had been for so many days more."""
    with sqlite3.connect(os.path.join(daemon.settings["general.data_folder"],
                                      "mailmod.db")) as db:
        db.execute("UPDATE kept SET kept_ms=kept_ms-?", (days * 86400000,))
    db.close()


def test_sweep(build):
    with Sink() as sink, world(build, sink, **{
            "archive.sent_days": 2, "archive.dead_letter_days": 5}) as daemon:
        for i in range(130):  # more than two slices
            send(daemon, f"u{i}@elsewhere.test")
        wait_kept(daemon, "sent", 130)
        sink.replies["RCPT"] = "550 5.1.1 no"
        send(daemon, "a@elsewhere.test", sender="")
        wait_kept(daemon, "dead", 1)
        daemon.stop()
        age(daemon, 3)
        daemon.start()  # the first look of each start sweeps
        wait_kept(daemon, "sent", 0)
        assert len(kept(daemon, "dead")) == 1
        daemon.stop()
        age(daemon, 3)
        daemon.start()
        wait_kept(daemon, "dead", 0)
        daemon.ctl("store", "verify")


def test_kills(build):
    """Outcome and copy are one transaction: what the other host took is kept
    once, or is sent once more; and none is lost."""
    seed = random.randrange(1 << 32)
    rng = random.Random(seed)
    print(f"seed {seed}, {ROUNDS} rounds", flush=True)
    with Sink() as sink:
        sink.replies["RCPT"] = lambda line: \
            "550 5.1.1 no" if "bad" in line else "250 ok"
        with world(build, sink, **{"archive.sent_days": 7,
                                   "general.log_level": "warning",
                                   "smtp.messages_per_connection_max":
                                   100000}) as daemon:
            wanted = {"sent": set(), "dead": set()}
            for number in range(ROUNDS):
                end = time.time() + rng.uniform(0.02, 0.3)
                i = 0
                with Wire(daemon.port("submission")) as wire:
                    wire.reply()
                    wire.ask("EHLO client.test")
                    while time.time() < end:
                        bad = i % 3 == 0
                        name = f"{'bad' if bad else 'ok'}{number}-{i}@e.test"
                        wire.ask("MAIL FROM:<>")
                        wire.ask(f"RCPT TO:<{name}>")
                        wire.ask("DATA")
                        if wire.ask("Subject: x\r\n\r\n.").startswith("250"):
                            wanted["dead" if bad else "sent"].add(name)
                        i += 1
                daemon.kill()
                daemon.start()
            wait_for(lambda: "the queue is empty" in
                     daemon.ctl("queue", "list").stdout, 60, "an empty queue")
            for kind, names in wanted.items():
                rows = [row[2] for row in kept(daemon, kind)]
                print(f"{kind}: {len(names)} accepted, {len(rows)} kept")
                assert len(rows) == len(set(rows)), "kept twice"
                assert set(rows) >= names, sorted(names - set(rows))[:5]
            daemon.ctl("store", "verify")


main(__name__, test_sent, test_dead_letters, test_sender_is_gone, test_sweep,
     test_kills)
