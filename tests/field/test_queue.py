"""O08, O09, O10 and O19: users and the queue under an operator's hands."""
import os
import re
import socket
import sys
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "integration"))
sys.path.insert(0, HERE)
from harness import Daemon, free_port, main, need_posix, wait_for  # noqa: E402
from sink import Sink  # noqa: E402
from test_delivery import Bench  # noqa: E402
from test_embedding import deliver  # noqa: E402

# Nothing is tried a second time by itself.
SLOW = {"queue.steps": "2h", "queue.jitter": 0}


def test_O08_delete_asks(build):
    with Daemon(build, users=("demo", "empty")) as daemon:
        deliver(daemon.port("smtp"), "demo@mail.test")
        deliver(daemon.port("smtp"), "demo@mail.test")
        for name in ("demo", "DEMO"):
            run = daemon.ctl("user", "del", name, check=False)
            assert run.returncode == 1, run
            assert "has 2 messages (" in run.stderr, run
            assert "--yes" in run.stderr, run
        assert len(daemon.messages()) == 2
        run = daemon.ctl("user", "del", "demo", "--yes")
        assert run.stdout.startswith("2 messages went"), run
        daemon.ctl("user", "del", "empty")
        run = daemon.ctl("user", "del", "nobody", check=False)
        assert run.returncode == 1 and "no user nobody" in run.stderr, run
        run = daemon.ctl("user", "del", "nobody", "--yes", check=False)
        assert run.returncode == 1 and "does not exist" in run.stderr, run


def test_O08_rename(build):
    """The mailbox stays; the password too; the old name is nobody's."""
    with Daemon(build, users=("demo", "other")) as daemon:
        deliver(daemon.port("smtp"), "demo@mail.test")
        daemon.ctl("user", "rename", "demo", "Anna")
        assert len(daemon.messages("anna")) == 1
        deliver(daemon.port("smtp"), "anna@mail.test")
        assert len(daemon.messages("anna")) == 2
        with daemon.smtp() as smtp:
            smtp.helo("c.test")
            smtp.mail("a@b.test")
            assert smtp.rcpt("demo@mail.test")[0] == 550
        run = daemon.ctl("user", "rename", "anna", "other", check=False)
        assert run.returncode == 1 and "other: it exists" in run.stderr, run
        run = daemon.ctl("user", "rename", "demo", "x", check=False)
        assert run.returncode == 1 and "demo: it does not" in run.stderr, run


def test_O08_disable(build):
    import poplib
    with Daemon(build) as daemon:
        daemon.ctl("user", "disable", "demo")
        assert "disabled" in daemon.ctl("user", "list").stdout
        try:
            daemon.messages()
            raise AssertionError("a disabled user came in")
        except poplib.error_proto:
            pass
        daemon.ctl("user", "enable", "demo")
        assert daemon.messages() == []
        run = daemon.ctl("user", "disable", "nobody", check=False)
        assert run.returncode == 1, run


def times_of(text, recipient):
    """NEXT TRY, TRIES and STATE of the recipient's line."""
    line = [l for l in text.split("\n") if f"-> <{recipient}>" in l][0]
    found = re.match(r"\S+ +\d+ \S+ \S+ +(\S+ \S+|-) +(\d+) (\w+)", line)
    return found.groups()


def test_O09_behind_a_destination(build):
    """The reason, and the time of the next attempt, of who was not tried."""
    records = {("dead.test", "A"): ["127.0.0.1"]}
    with Bench(build, records, free_port(), SLOW) as bench:
        bench.submit("first@dead.test")
        bench.logged("deferred", "first@dead.test")
        bench.submit("second@dead.test")
        text = wait_for(lambda: bench.queue() if "second@" in bench.queue()
                        else None, what="the second")
        first = times_of(text, "first@dead.test")
        second = times_of(text, "second@dead.test")
        assert first[1:] == ("1", "waits"), text
        assert second == (first[0], "0", "waits"), text
        reasons = re.findall(r"^    (.*refused.*)$", text, re.M)
        assert len(reasons) == 2, text
        assert reasons[0].startswith("dead.test: connecting: "), text
        assert reasons[1].startswith("waits: dead.test: connecting: "), text
        summary = bench.daemon.ctl("queue", "summary").stdout
        assert re.search(rf"^ +2 +0 \S+ \S+ +{first[0]} +dead.test$", summary,
                         re.M), summary
        assert "refused" in summary, summary
        assert max(len(l) for l in (text + summary).split("\n")) <= 120, text


def test_O09_held_by_the_settings(build):
    with Daemon(build, settings={
            "queue.holds": True, "smtp.relay_from": "127.0.0.0/8"}) as daemon:
        deliver(daemon.port("submission"), "u@far.test")
        text = daemon.ctl("queue", "list").stdout
        assert "waits: queue.holds is set" in text, text


def fill(bench):
    for sender, recipient in (("a@mail.test", "x@one.test"),
                              ("a@mail.test", "y@one.test"),
                              ("b@mail.test", "x@two.test"),
                              ("b@mail.test", "x@xn--bcher-kva.test"),
                              ("c@mail.test", "z@two.test")):
        bench.submit(recipient, sender=sender)


def listed(bench, *words):
    text = bench.daemon.ctl("queue", "list", *words).stdout
    return sorted(re.findall(r"-> <(.*?)>", text))


def test_O10_filters(build):
    idn = "x@xn--bcher-kva.test"
    with Bench(build, {}, free_port(), dict(
            SLOW, **{"queue.holds": True})) as bench:
        fill(bench)
        every = listed(bench)
        assert len(every) == 5, every
        for words, wanted in (
                (["--domain", "one.test"], ["x@one.test", "y@one.test"]),
                (["--domain", "BÜCHER.test"], [idn]),
                (["--sender", "B@mail.test"], ["x@two.test", idn]),
                (["--sender", "@mail.test"], every),
                (["--recipient", "x@two.test"], ["x@two.test"]),
                (["--recipient", "@two.test"], ["x@two.test", "z@two.test"]),
                (["--sender", "b@mail.test", "--domain", "two.test"],
                 ["x@two.test"]),
                (["--state", "held"], []), (["--state", "waiting"], every),
                (["--state", "tried"], []), (["--older", "1h"], [])):
            assert listed(bench, *words) == sorted(wanted), words
        act = bench.daemon.ctl
        assert "2 recipients held" in act("queue", "hold", "--domain",
                                          "two.test").stdout
        assert listed(bench, "--state", "held") == ["x@two.test", "z@two.test"]
        summary = act("queue", "summary", "--domain", "two.test").stdout
        assert re.search(r"^ +2 +2 .* - +two.test$", summary, re.M), summary
        assert "1 recipient released" in act(
            "queue", "release", "--recipient", "z@two.test").stdout
        assert "1 recipient deleted" in act(
            "queue", "delete", "--state", "held").stdout
        assert "1 recipient deleted" in act(
            "queue", "delete", "--domain", "bücher.test").stdout
        assert listed(bench) == ["x@one.test", "y@one.test", "z@two.test"]
        for words in (["--state", "odd"], ["--older", "soon"], []):
            run = act("queue", "hold", *words, check=False)
            assert run.returncode == 2, (words, run)


def test_O10_flush_acts_at_once(build):
    """Behind a back-off of hours, by domain alone."""
    port = free_port()
    records = {("one.test", "A"): ["127.0.0.1"],
               ("two.test", "A"): ["127.0.0.1"]}
    with Bench(build, records, port, SLOW) as bench:
        for domain in ("one.test", "two.test"):
            bench.submit(f"u@{domain}")
            bench.logged("deferred", f"u@{domain}")
        with Sink(port=port) as sink:
            run = bench.daemon.ctl("queue", "flush", "--domain", "one.test")
            assert "1 recipient due now" in run.stdout, run
            bench.logged("delivered", "u@one.test")
            assert listed(bench) == ["u@two.test"]
            assert len(sink.messages) == 1
            bench.daemon.ctl("queue", "flush")
            bench.logged("delivered", "u@two.test")


def test_O10_flush_during_an_attempt(build):
    """The attempt fails after the flush: its wait of hours is not kept."""
    inside, go_on = threading.Event(), threading.Event()
    replies = ["450 4.2.0 later", "421 4.3.2 later"]

    def rcpt(argument):
        if not replies:
            return "250 2.1.5 ok"
        inside.set()
        assert go_on.wait(120)
        go_on.clear()
        return replies.pop(0)
    with Sink(replies={"RCPT": rcpt}) as sink, Bench(
            build, {("one.test", "A"): ["127.0.0.1"]}, sink.port,
            SLOW) as bench:
        bench.submit("u@one.test")
        for _ in range(2):  # the recipient's failure, then the destination's
            assert inside.wait(120)
            inside.clear()
            bench.daemon.ctl("queue", "flush")
            go_on.set()
        bench.logged("delivered", "u@one.test")
        assert len(sink.messages) == 1


def test_O19_status_of_the_queue(build):
    """systemctl status has the count, and it is kept true."""
    need_posix(build, "sd_notify")
    with Bench(build, {}, free_port(), dict(
            SLOW, **{"queue.holds": True})) as bench:
        daemon = bench.daemon
        daemon.stop()
        path = os.path.join(daemon.folder, "notify")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(path)
            manager.settimeout(60)
            os.environ["NOTIFY_SOCKET"] = path
            try:
                daemon.start()
            finally:
                del os.environ["NOTIFY_SOCKET"]

            def told(pattern):
                while not re.search(pattern, manager.recv(4096).decode()):
                    pass
            told(r"STATUS=0 in the queue for 0 destinations, 0 held")
            bench.submit("u@one.test", "v@one.test")
            daemon.ctl("queue", "hold", "--recipient", "v@one.test")
            told(r"STATUS=2 in the queue for 1 destination, 1 held")


main(__name__, test_O08_delete_asks, test_O08_rename, test_O08_disable,
     test_O09_behind_a_destination, test_O09_held_by_the_settings,
     test_O10_filters, test_O10_flush_acts_at_once,
     test_O10_flush_during_an_attempt, test_O19_status_of_the_queue)
