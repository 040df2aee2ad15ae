"""The table of routes: each mail by its own way, in the order of the relays,
through its own proxy, whatever waits beside it; changed by a reload.
"""
from dnsserver import NameServer
from harness import Daemon, free_port, main, wait_for
from proxyserver import Proxy
from sink import Sink

BODY = b"Subject: out\r\n\r\nHello\r\n"


def submit(daemon, sender, recipient):
    with daemon.smtp("submission", local_hostname="c.test") as smtp:
        smtp.sendmail(sender, [recipient], BODY)


def delivered(daemon, recipient, outcome="delivered"):
    return daemon.wait_log(
        rf"delivery: {outcome} .*recipient={recipient} .*")[0]


def got(sink):
    return sorted(r for m in sink.messages for r in m.recipients)


def settings(routes, **more):
    return {"queue.steps": "1s", "queue.jitter": 0, "delivery.tls": "off",
            "smtp.relay_from": "127.0.0.0/8", "general.loops": 1,
            "delivery.routes": routes, **more}


def relay(name, match, *ports, words=""):
    hosts = ",".join(f"127.0.0.1:{port}" for port in ports)
    return f"name={name} {match} relay={hosts} tls=off {words}".strip()


def test_ways(build):
    """By domain and by sender, the first row first; a relay that is down or
    says no leads to the next; the smarthost for the rest; MX hosts by name."""
    dead = free_port()
    busy = {"GREETING": "421 4.3.2 not now"}
    with Sink() as bank, Sink() as boss, Sink() as smart, Sink() as mx, \
            Sink(replies=busy) as full, Proxy() as proxy, \
            NameServer({("direct.test", "MX"): ["10 mx.direct.test"],
                        ("mx.direct.test", "A"): ["127.0.0.1"]}) as dns:
        url = f"proxy=http://127.0.0.1:{proxy.port}"
        routes = [relay("bank", "to=bank.test,*.bank.test", dead, full.port,
                        bank.port),
                  relay("boss", "from=boss@mail.test", boss.port, words=url),
                  "name=direct to=direct.test"]
        with Daemon(build, settings=settings(
                routes, **{"dns.servers": dns.address,
                           "delivery.port": mx.port,
                           "smarthost.host": "127.0.0.1",
                           "smarthost.port": smart.port,
                           "smarthost.tls": "off"})) as daemon:
            for sender, recipient in (
                    ("demo@mail.test", "a@bank.test"),
                    ("boss@mail.test", "b@x.bank.test"),
                    ("boss@mail.test", "c@far.test"),
                    ("demo@mail.test", "d@far.test"),
                    ("boss@mail.test", "e@far.test"),
                    ("demo@mail.test", "f@direct.test"),
                    ("demo@mail.test", "g@notbank.test")):
                submit(daemon, sender, recipient)
                delivered(daemon, recipient)
            assert got(bank) == ["a@bank.test", "b@x.bank.test"]
            assert got(boss) == ["c@far.test", "e@far.test"]
            assert got(smart) == ["d@far.test", "g@notbank.test"]
            assert got(mx) == ["f@direct.test"]
            assert full.connections == 2 and full.messages == []
            # The route's own proxy counts, though all is on loopback.
            assert {a[2] for a in proxy.asked} == {boss.port}, proxy.asked
            # Without the table the smarthost has all.
            daemon.settings["delivery.routes"] = []
            daemon.write_config()
            daemon.ask_reload()
            daemon.wait_log("mailmodd: reloaded")
            submit(daemon, "demo@mail.test", "h@bank.test")
            delivered(daemon, "h@bank.test")
            assert "h@bank.test" in got(smart)


def test_one_way_down(build):
    """Two senders to one domain: while the relay of one is down the other's
    mail goes, many of both, and each by its own way; a change of the table is
    for what waits, too."""
    down = free_port()
    with Sink() as other, Sink() as later:
        routes = [relay("a", "from=@a.test", down),
                  relay("b", "to=* from=*", other.port)]
        with Daemon(build, settings=settings(routes)) as daemon:
            for i in range(10):
                submit(daemon, "u@a.test", f"a{i}@far.test")
                submit(daemon, "u@b.test", f"b{i}@far.test")
            for i in range(10):
                delivered(daemon, f"b{i}@far.test")
                delivered(daemon, f"a{i}@far.test", "deferred")
            assert got(other) == [f"b{i}@far.test" for i in range(10)]
            assert "destination=far.test" in daemon.wait_log(
                "delivery: deferred .*")[0]
            daemon.settings["delivery.routes"] = [
                relay("a", "from=@a.test", later.port), routes[1]]
            daemon.write_config()
            daemon.ask_reload()
            for i in range(10):
                delivered(daemon, f"a{i}@far.test")
            assert got(later) == [f"a{i}@far.test" for i in range(10)]
            wait_for(lambda: "empty" in daemon.ctl("queue", "list").stdout,
                     what="an empty queue")


def test_logins(build):
    """Each row has its login, and no connection serves another row's mail."""
    with Sink(extensions=["AUTH PLAIN"]) as sink:
        routes = [relay("a", "from=@a.test", sink.port,
                        words="user=ua password=pa"),
                  relay("b", "from=@b.test", sink.port,
                        words="user=ub password=p b")]
        with Daemon(build, settings=settings(routes)) as daemon:
            for i in range(5):
                submit(daemon, "u@a.test", f"a{i}@far.test")
                submit(daemon, "u@b.test", f"b{i}@far.test")
            for i in range(5):
                delivered(daemon, f"a{i}@far.test")
                delivered(daemon, f"b{i}@far.test")
            users = {(m.reverse_path, m.user) for m in sink.messages}
            assert len(users) == 2, users
            assert not any("pa" == w or "p b" in l for l in daemon.lines
                           for w in l.split())
            shown = daemon.ctl("config", "show", check=False).stdout
            assert "password=pa" not in shown


main(__name__, test_ways, test_one_way_down, test_logins)
