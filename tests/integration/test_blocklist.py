"""Block lists of the DNS, asked about peers of 127.0.0.0/8: RFC 5782."""
import smtplib
import time

from dnsserver import NameServer
from harness import Daemon, Wire, main

LISTED = "127.0.0.9"
OTHER = "127.0.0.8"


class World:
    """A daemon that asks two zones of our own name server."""

    def __init__(self, build, records, **settings):
        tests = {(f"2.0.0.127.{zone}", "A"): ["127.0.0.2"]
                 for zone in ("a.test", "b.test", "key123abc.paid.test")}
        self.dns = NameServer({**tests, **records})
        self.daemon = Daemon(build, settings={
            "dns.servers": self.dns.address, "dns.timeout": "20s",
            "dns.tries": 1, "dnsbl.timeout": "20s",
            "dnsbl.zones": "a.test b.test", **settings})

    def __enter__(self):
        self.daemon.__enter__()
        return self

    def __exit__(self, *error):
        self.daemon.__exit__(*error)
        self.dns.close()

    def recipient(self, source, path="demo@mail.test"):
        """The reply to RCPT of a peer with this address."""
        with Wire(self.daemon.port("smtp"), source=source) as wire:
            wire.reply()
            wire.ask("EHLO c.test")
            assert wire.ask("MAIL FROM:<a@c.test>")[:3] == "250"
            return wire.ask(f"RCPT TO:<{path}>")


def test_listed(build):
    with World(build, {("9.0.0.127.b.test", "A"): ["127.0.0.3"]}) as world:
        reply = world.recipient(LISTED)
        assert reply.startswith("550 5.7.1") and "b.test" in reply, reply
        assert LISTED in reply
        assert world.recipient(LISTED, "postmaster@mail.test")[:3] == "250"
        assert world.recipient(OTHER)[:3] == "250"
        assert ("9.0.0.127.a.test", "A") in world.dns.asked, world.dns.asked


def test_lists_that_fail(build):
    """Silence, errors, and answers of a resolver that answers everything."""
    records = {("9.0.0.127.a.test", "A"): "timeout",
               ("9.0.0.127.b.test", "A"): ["198.51.100.9"],
               ("8.0.0.127.a.test", "A"): "servfail",
               ("8.0.0.127.b.test", "A"): ["127.255.255.254"]}
    with World(build, records, **{"dnsbl.timeout": "2s"}) as world:
        start = time.monotonic()
        assert world.recipient(LISTED)[:3] == "250"
        assert time.monotonic() - start < 20
        assert world.recipient(OTHER)[:3] == "250"


def test_reload(build):
    """Zones come and go with a reload; open sessions keep theirs."""
    with World(build, {("9.0.0.127.a.test", "A"): ["127.0.0.2"]}) as world:
        assert world.recipient(LISTED)[:3] == "550"
        with Wire(world.daemon.port("smtp"), source=LISTED) as wire:
            wire.reply()
            world.daemon.settings["dnsbl.exempt"] = LISTED
            world.daemon.write_config()
            world.daemon.ask_reload()
            world.daemon.wait_log("mailmodd: reloaded")
            wire.ask("EHLO c.test")
            wire.ask("MAIL FROM:<a@c.test>")
            assert wire.ask("RCPT TO:<demo@mail.test>")[:3] == "550"
        assert world.recipient(LISTED)[:3] == "250"


def test_submission_is_not_asked_about(build):
    with World(build, {("9.0.0.127.a.test", "A"): ["127.0.0.2"]}) as world:
        with smtplib.SMTP("127.0.0.1", world.daemon.port("submission"),
                          source_address=(LISTED, 0), timeout=120) as smtp:
            smtp.ehlo()
        assert world.dns.asked == []


KEY = "key123abc"


def test_F30_keys_stay_here(build):
    """Neither the reply, nor the log, nor the shown setting has the key."""
    records = {(f"9.0.0.127.{KEY}.paid.test", "A"): ["127.0.0.4"],
               (f"8.0.0.127.{KEY}.paid.test", "A"): ["127.0.0.9"],
               (f"2.0.0.127.{KEY}.dead.test", "A"): "servfail"}
    zones = f"{KEY}.paid.test=127.0.0.2-4 dead:{KEY}.dead.test"
    with World(build, records, **{"dnsbl.zones": zones}) as world:
        reply = world.recipient(LISTED)
        assert reply.startswith("550 5.7.1") and "paid.test" in reply, reply
        assert KEY not in reply
        assert world.recipient(OTHER)[:3] == "250"  # another code
        world.daemon.wait_log("dnsbl: list is off list=dead .*test")
        shown = world.daemon.ctl("config", "get", "dnsbl.zones").stdout
        assert "paid.test:********=127.0.0.2-4" in shown, shown
        assert KEY not in shown
        assert not [l for l in world.daemon.lines if KEY in l]
        bad = world.daemon
        bad.settings["dnsbl.zones"] = f"{KEY}.paid.test=1.2.3.4"
        run = bad.ctl("config", "check", check=False)
        assert run.returncode != 0 and KEY not in run.stderr + run.stdout, run
        bad.settings["dnsbl.zones"] = zones


def test_weights(build):
    records = {("9.0.0.127.a.test", "A"): ["127.0.0.2"],
               ("8.0.0.127.a.test", "A"): ["127.0.0.2"],
               ("8.0.0.127.b.test", "A"): ["127.0.0.2"]}
    with World(build, records, **{"dnsbl.zones": "a.test*2 b.test*1",
                                  "dnsbl.threshold": 3}) as world:
        assert world.recipient(LISTED)[:3] == "250"
        reply = world.recipient(OTHER)
        assert reply[:3] == "550" and "a.test" in reply, reply


def test_F30_tag_has_labels(build):
    """dnsbl.action = tag: let in, and marked with labels, never with a key."""
    records = {("9.0.0.127.a.test", "A"): ["127.0.0.2"],
               (f"9.0.0.127.{KEY}.paid.test", "A"): ["127.0.0.4"]}
    with World(build, records, **{
            "dnsbl.zones": f"a.test {KEY}.paid.test",
            "dnsbl.action": "tag"}) as world:
        for source in (LISTED, OTHER):
            with smtplib.SMTP("127.0.0.1", world.daemon.port("smtp"),
                              source_address=(source, 0), timeout=120) as smtp:
                smtp.sendmail("a@c.test", ["demo@mail.test"],
                              "X-Blocklist: forged\r\nSubject: s\r\n\r\nt\r\n")
        texts = sorted((text.decode("ascii") for text in world.daemon.messages()),
                       key=len)
        assert len(texts) == 2 and not [t for t in texts if "forged" in t]
        assert "X-Blocklist" not in texts[0], texts
        assert "\r\nX-Blocklist: a.test,\r\n paid.test\r\n" in texts[1], texts
        assert KEY not in texts[1]


def test_lists_test_themselves(build):
    """RFC 5782 5: one that lists everybody, one that has closed."""
    records = {("1.0.0.127.a.test", "A"): ["127.0.0.2"],
               ("9.0.0.127.a.test", "A"): ["127.0.0.2"],
               ("2.0.0.127.b.test", "A"): "empty",
               ("9.0.0.127.b.test", "A"): ["127.0.0.2"]}
    with World(build, records, **{"general.loops": 1}) as world:
        assert world.recipient(LISTED)[:3] == "250"
        world.daemon.wait_log("list is off list=a.test .*lists everybody")
        world.daemon.wait_log("list is off list=b.test .*no entry")
        assert world.recipient(OTHER)[:3] == "250"
        asked = [name for name, _ in world.dns.asked]
        assert not [name for name in asked if name[:1] == "8"], asked


def test_answers_are_remembered(build):
    records = {("9.0.0.127.a.test", "A"): ["127.0.0.2"]}
    with World(build, records, **{"general.loops": 1}) as world:
        for _ in range(3):
            assert world.recipient(LISTED)[:3] == "550"
        asked = world.dns.asked.count(("9.0.0.127.a.test", "A"))
        assert asked == 1, asked


main(__name__, test_F30_keys_stay_here, test_F30_tag_has_labels, test_weights,
     test_lists_test_themselves, test_answers_are_remembered, test_listed,
     test_lists_that_fail, test_reload, test_submission_is_not_asked_about)
