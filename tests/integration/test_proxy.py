"""Everything that goes out through proxies of each kind: to MX hosts, to a
smarthost, from a mailbox elsewhere. What the proxy refuses puts the mail off
with its words, and nothing ever goes past it.

Attack cases 75 and 76.
"""
import os

from dnsserver import NameServer
from harness import Daemon, main, wait_for
from popserver import PopServer
from proxyserver import CUT, HANG, Proxy
from sink import Sink

BODY = b"From: demo@mail.test\r\nSubject: out\r\n\r\nHello\r\n"
LOGIN = ("pu", "p:w@1")


class Bench:
    """A daemon that knows its proxy; the relay's name is known to that alone."""

    def __init__(self, build, proxy, settings=None):
        wanted = {"queue.steps": "1s", "queue.jitter": 0,
                  "smtp.relay_from": "127.0.0.0/8", "dns.tries": 1,
                  "dns.timeout": "20s", "delivery.tls": "off",
                  "proxy.host": "127.0.0.1", "proxy.port": proxy.port,
                  "proxy.bypass": "", "proxy.timeout": "10s"}
        wanted.update(settings or {})
        self.daemon = Daemon(build, settings=wanted)
        self.count = 0

    def change(self, **settings):
        for key, value in settings.items():
            self.daemon.settings[key.replace("__", ".")] = value
        self.daemon.write_config()
        after = len(self.daemon.lines)
        self.daemon.ask_reload()
        self.daemon.wait_log("mailmodd: reloaded", after=after)

    def submit(self, domain="far.test"):
        self.count += 1
        recipient = f"u{self.count}@{domain}"
        with self.daemon.smtp("submission", local_hostname="c.test") as smtp:
            smtp.sendmail("demo@mail.test", [recipient], BODY)
        return recipient

    def logged(self, outcome, recipient):
        return self.daemon.wait_log(
            rf"delivery: {outcome} .*recipient={recipient} .*")[0]

    def __enter__(self):
        self.daemon.__enter__()
        return self

    def __exit__(self, *rest):
        self.daemon.__exit__(*rest)


def to_relay(port, **more):
    return {"smarthost.host": "relay.far.test", "smarthost.port": port,
            "smarthost.tls": "off", **more}


def test_kinds(build):
    """Each kind, with and without a login, by the relay's name; whole replies,
    octet by octet, with the greeting behind them."""
    with Sink() as sink, Proxy(
            names={"relay.far.test": ("127.0.0.1", sink.port)}) as proxy:
        # The name servers of this daemon are nobody: only the proxy knows.
        with Bench(build, proxy, to_relay(sink.port, **{
                "dns.servers": "127.0.0.1:9"})) as bench:
            wanted = []
            for number, kind in ((5, "socks5"), (4, "socks4a"), (0, "http")):
                login = LOGIN if number != 4 else None
                bench.change(proxy__kind=kind,
                             proxy__user="pu" if number == 4 else "",
                             proxy__password="")
                for manner in ("whole", "octets", "glued"):
                    proxy.manner = manner
                    bench.logged("delivered", bench.submit())
                    wanted.append((number, "relay.far.test", sink.port,
                                   "pu" if number == 4 else None))
                    assert proxy.asked == wanted, proxy.asked
                    # The next one needs a connection of its own.
                    for each in proxy.ends:
                        each.close()
                if login is not None:
                    proxy.login = login
                    bench.change(proxy__user=login[0],
                                 proxy__password=login[1])
                    bench.logged("delivered", bench.submit())
                    wanted.append((number, "relay.far.test", sink.port, "pu"))
                    assert proxy.asked == wanted, proxy.asked
                    proxy.login = None
            assert sink.connections == len(wanted)
            assert not any("p:w@1" in l for l in bench.daemon.lines)


FAULTS = [
    # kind, the proxy's fault or login, what the log must say
    ("socks5", "method", b"\5\xff", "SOCKS5 method 255: it wants a login"),
    ("socks5", "method", b"\4", "its reply is not SOCKS5"),
    ("socks5", "method", HANG, "it did not answer in time"),
    ("socks5", "method", CUT, "closed the connection"),
    ("socks5", "request", b"\5\2\0\1\0\0\0\0\0\0",
     "SOCKS5 code 2: its rules do not allow it"),
    ("socks5", "request", b"\5\4", "SOCKS5 code 4: it cannot reach the host"),
    ("socks5", "request", b"\5\0\0\1\0", "closed the connection"),
    ("socks5", "request", HANG, "it did not answer in time"),
    ("socks4a", "request", b"\0\x5b\0\0\0\0\0\0", "SOCKS4 code 91: it refused"),
    ("socks4a", "request", b"HTTP/1.1 400 Bad\r\n\r\n",
     "its reply is not SOCKS4"),
    ("http", "request", b"HTTP/1.1 403 Forbidden\r\n\r\npage",
     "HTTP 403 Forbidden (does it allow CONNECT to this port?)"),
    ("http", "request", b"HTTP/1.1 503 Not now\r\n\r\n", "HTTP 503 Not now"),
    ("http", "request", b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 4000,
     "its HTTP reply has no end"),
    ("http", "request", b"220 sink.test ESMTP\r\n", "its reply is not HTTP"),
    ("http", "request", HANG, "it did not answer in time"),
]


def test_faults(build):
    """Attack 75: every refusal, nonsense, cut and silence puts the mail off
    with the proxy's words; nothing goes straight; it is delivered at last."""
    with Sink() as sink, Proxy(
            names={"relay.far.test": ("127.0.0.1", sink.port)}) as proxy:
        with Bench(build, proxy, to_relay(sink.port, **{
                "proxy.timeout": "500ms"})) as bench:
            for kind, step, fault, words in FAULTS:
                proxy.faults = {step: fault}
                bench.change(proxy__kind=kind)
                recipient = bench.submit()
                line = bench.logged("deferred", recipient)
                assert words in line, (kind, step, line)
                assert f"the proxy 127.0.0.1:{proxy.port}: " in line, line
                assert "dsn=4.4.1" in line, line
                assert sink.connections == 0 and not sink.messages
                bench.daemon.ctl("queue", "delete", "all")
            # A login that is refused, and one that is missing.
            proxy.faults = {}
            proxy.login = LOGIN
            for kind, words in (("socks5", "it refused the login"),
                                ("http", "HTTP 407 Proxy Authentication "
                                         "Required (it refused the login)")):
                bench.change(proxy__kind=kind, proxy__user="pu",
                             proxy__password="wrong")
                recipient = bench.submit()
                assert words in bench.logged("deferred", recipient)
            bench.change(proxy__password=LOGIN[1])
            bench.logged("delivered", recipient)


def test_down(build):
    """Attack 76: while the proxy is down all waits, and nothing goes past."""
    with Sink() as sink, NameServer({
            ("far.test", "MX"): ["10 mx.far.test"],
            ("mx.far.test", "A"): ["127.0.0.1"]}) as dns, Proxy() as proxy:
        with Bench(build, proxy, {"dns.servers": dns.address,
                                  "delivery.port": sink.port}) as bench:
            proxy.down()
            recipients = [bench.submit() for _ in range(5)]
            for recipient in recipients:
                line = bench.logged("deferred", recipient)
                assert "the proxy 127.0.0.1:" in line, line
            assert sink.connections == 0
            proxy.up()
            for recipient in recipients:
                bench.logged("delivered", recipient)
            # An MX host goes by the address that was looked up here.
            assert {a[1] for a in proxy.asked} == {"127.0.0.1"}, proxy.asked
            # A network that no mail goes to holds through a proxy, too.
            before = len(proxy.asked)
            bench.change(delivery__refuses="127.0.0.0/8")
            assert "dsn=5.7.1" in bench.logged("failed", bench.submit())
            assert len(proxy.asked) == before
            # And what the list names goes straight.
            bench.change(delivery__refuses="", proxy__bypass="127.0.0.0/8")
            bench.logged("delivered", bench.submit())
            assert len(proxy.asked) == before


def test_tls_inside(build):
    """The certificate is the host's; octets that the proxy puts in front of the
    handshake break the connection."""
    with Daemon(build, users=("joe",), host="relay.far.test", settings={
            "local.domains": "far.test", "local.catch_all": "joe"}) as far:
        ports = {s: far.port(s) for s in ("submissions",)}
        authority = os.path.join(far.folder, "data", "self-signed.crt")
        with Proxy(names={"relay.far.test": (
                "127.0.0.1", ports["submissions"])}) as proxy:
            with Bench(build, proxy, {
                    **to_relay(465), "smarthost.tls": "implicit",
                    "smarthost.user": "joe", "smarthost.password": "secret",
                    "smarthost.authority_file": authority}) as bench:
                line = bench.logged("(delivered|failed)", bench.submit())
                assert "TLSv1.3 verified" in line, line
                assert len(proxy.asked) == 1
                for each in proxy.ends:
                    each.close()
                proxy.faults = {"request": b"\5\0\0\1\0\0\0\0\0\0220 hello\r\n"}
                line = bench.logged("deferred", bench.submit())
                assert "ahead of the handshake" in line, line


def test_fetch(build):
    """An account's own proxy, the default, none; the proxy's words."""
    mail = b"Subject: m\r\n\r\nx\r\n"
    with PopServer([(b"u1", mail)]) as pop, Proxy(
            names={"pop.far.test": ("127.0.0.1", pop.port)}) as proxy, \
            Proxy(login=("joe", "p w"),
                  names={"pop.far.test": ("127.0.0.1", pop.port)}) as own:
        words = (f"host=pop.far.test port={pop.port} user=joe tls=off to=demo "
                 f"interval=0 ")
        url = f"http://joe:p%20w@127.0.0.1:{own.port}"
        accounts = [f"name=usual {words}password=secret",
                    f"name=own {words}proxy={url} password=secret",
                    f"name=bad {words}proxy={url.replace('p%20w', 'p')} "
                    "password=secret",
                    f"name=none {words.replace('pop.far.test', '127.0.0.1')}"
                    "proxy=none password=secret"]
        with Bench(build, proxy, {"fetch.accounts": accounts}) as bench:
            daemon = bench.daemon
            names = ("usual", "own", "none", "bad")
            for name in names:
                daemon.ctl("fetch", "run", name)
            for name in names:
                line = daemon.wait_log(
                    rf"fetch: fetch(ed|ing failed).* account={name} .*")[0]
                assert (name == "bad") == ("failed" in line), line
                assert name != "bad" or (
                    f"the proxy 127.0.0.1:{own.port}: HTTP 407" in line), line
            assert proxy.asked == [(5, "pop.far.test", pop.port, None)]
            assert own.asked == [(0, "pop.far.test", pop.port, "joe")]
            assert len(daemon.messages()) == 3
            assert not any("p w" in l or "p%20w" in l for l in daemon.lines)


def test_names(build):
    """dns.through_proxy: every question goes by TCP over the proxy, whatever
    the server's manners; not one goes by UDP or straight."""
    records = {("far.test", "MX"): ["10 mx.far.test"],
               ("mx.far.test", "A"): ["127.0.0.1"]}
    with Sink() as sink, NameServer(records) as dns, Proxy() as proxy:
        with Bench(build, proxy, {
                "general.loops": 1, "dns.servers": dns.address,
                "dns.through_proxy": True,
                "dns.timeout": "2s", "delivery.port": sink.port}) as bench:
            for manner in ("one", "many", "octets", "bogus", "swapped"):
                dns.manner = manner
                for i in range(2):
                    records[(f"{manner}{i}.test", "MX")] = ["10 mx.far.test"]
                # Two at a time, for the one that waits for two.
                both = [bench.submit(f"{manner}{i}.test") for i in range(2)]
                for recipient in both:
                    bench.logged("delivered", recipient)
            assert dns.udp_count == 0 and dns.tcp_count > 0
            names = [a for a in proxy.asked if a[2] == dns.port]
            assert len(names) == dns.tcp_count, (names, dns.tcp_count)
            # One that never answers, one that closes: later, in words.
            for manner, words in (("hang", "no name server answered in time"),
                                  ("cut", "its mail hosts are not known")):
                dns.manner = manner
                records[(f"{manner}.test", "MX")] = ["10 mx.far.test"]
                recipient = bench.submit(f"{manner}.test")
                line = bench.logged("deferred", recipient)
                assert words in line and "dsn=4.4.3" in line, line
                dns.manner = "many"
                bench.logged("delivered", recipient)
            # The proxy refuses port 53, as squid and tinyproxy do.
            proxy.faults = {"request": b"\5\2"}
            for each in proxy.ends:
                each.close()
            recipient = bench.submit("hang.test")
            bench.daemon.wait_log(
                rf"dns: a name server .* through the proxy server={dns.address}"
                r" reply=\"the proxy .* SOCKS5 code 2: its rules")
            line = bench.logged("deferred", recipient)
            assert "the proxy refused" in line, line
            proxy.faults = {}
            bench.logged("delivered", recipient)
            assert dns.udp_count == 0
            # Where proxy.bypass names the servers they are asked straight.
            before = len(proxy.asked)
            bench.change(proxy__bypass="127.0.0.0/8")
            recipient = bench.submit("hang.test")
            bench.logged("delivered", recipient)
            assert len(proxy.asked) == before and dns.udp_count == 0


def test_settings(build):
    """What cannot be together is refused in words."""
    with Daemon(build, start=False) as daemon:
        for settings, words in (
                ({"proxy.host": "p.test"}, "proxy.host: must be an address"),
                ({"proxy.host": "127.0.0.1"}, "dns.servers: is missing"),
                ({}, "proxy.host is missing"),
                ({"proxy.host": "::1", "proxy.kind": "socks4a",
                  "proxy.user": "a", "proxy.password": "b"},
                 "proxy.password: is set, and SOCKS4a has none")):
            daemon.settings = {"dns.through_proxy": True, **settings}
            run = daemon.ctl("config", "check", check=False)
            assert words in run.stdout + run.stderr, run


main(__name__, test_names, test_settings, test_kinds, test_faults, test_down, test_tls_inside, test_fetch)
