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
        self.dns = NameServer(records)
        self.daemon = Daemon(build, settings={
            "dns.servers": self.dns.address, "dns.timeout": "500ms",
            "dns.tries": 1, "dnsbl.zones": "a.test b.test", **settings})

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
            world.daemon.wait_log("mailmod: reloaded")
            wire.ask("EHLO c.test")
            wire.ask("MAIL FROM:<a@c.test>")
            assert wire.ask("RCPT TO:<demo@mail.test>")[:3] == "550"
        assert world.recipient(LISTED)[:3] == "250"


def test_submission_is_not_asked_about(build):
    with World(build, {("9.0.0.127.a.test", "A"): ["127.0.0.2"]}) as world:
        with smtplib.SMTP("127.0.0.1", world.daemon.port("submission"),
                          source_address=(LISTED, 0), timeout=30) as smtp:
            smtp.ehlo()
        assert world.dns.asked == []


main(__name__, test_listed, test_lists_that_fail, test_reload,
     test_submission_is_not_asked_about)
