"""The table of routes: each mail by its own way, in the order of the relays,
through its own proxy, whatever waits beside it; changed by a reload.
"""
import base64
import hashlib
import os
import shutil
import ssl
import subprocess
import tempfile

from dnsserver import NameServer
from harness import Daemon, free_port, main, need, token_giver, wait_for
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


def test_tokens(build):
    """XOAUTH2 and OAUTHBEARER by tokens of a command (R23): the host refuses
    the one that is too old, and takes the new one; one that it refuses twice is
    told, and nothing else is tried; each route has its own."""
    folder = tempfile.mkdtemp(prefix="mailmod-token-")
    why = "334 " + base64.b64encode(b'{"status":"401"}').decode()

    def said(text):
        return base64.b64encode(text.encode()).decode()

    def host(mechanisms, *good):
        return Sink(extensions=["AUTH PLAIN " + mechanisms], replies={
            "AUTH": lambda a: "235 2.7.0 ok" if a.split()[1] in map(said, good)
                              else why,
            "AUTH_DATA": lambda a: "535 5.7.8 not accepted"})
    x = "user=joe\x01auth=Bearer {}\x01\x01"
    b = "n,a=joe,\x01auth=Bearer {}\x01\x01"
    with host("XOAUTH2", x.format("t.0")) as good, \
            host("XOAUTH2 OAUTHBEARER", b.format("t.1")) as old, \
            host("XOAUTH2 OAUTHBEARER") as bad, \
            host("XOAUTH2", x.format("t.0")) as none, \
            host("XOAUTH2 OAUTHBEARER", x.format("t.0")) as smart:
        routes = [relay(name, f"to={name}.test", sink.port,
                        words="user=joe token")
                  for name, sink in (("good", good), ("old", old),
                                     ("bad", bad), ("none", none))]
        with Daemon(build, settings=settings(
                routes, **{"smarthost.host": "127.0.0.1",
                           "smarthost.port": smart.port,
                           "smarthost.tls": "off", "smarthost.user": "joe",
                           "smarthost.token": True,
                           "smarthost.mechanisms": "XOAUTH2",
                           "smarthost.token_command":
                               token_giver(build, folder + "/asked"),
                           "general.log_level": "wire", "queue.steps": "1h"})) as d:
            for name in ("good", "old", "else"):
                submit(d, "demo@mail.test", f"u@{name}.test")
                delivered(d, f"u@{name}.test")
            submit(d, "demo@mail.test", "u@bad.test")
            line = delivered(d, "u@bad.test", "deferred")
            assert "535 5.7.8 not accepted (to AUTH OAUTHBEARER)" in line, line
            assert "dsn=5.7.8" not in line, line
            submit(d, "demo@mail.test", "u@none.test")
            line = delivered(d, "u@none.test", "deferred")
            assert "AUTH XOAUTH2: no token to log in with" in line, line
            d.wait_log("smarthost.token_command gave no token account=none .*")
            with open(folder + "/asked", encoding="ascii") as asked:
                told = asked.read().splitlines()
            for name, sink, refreshes in (
                    ("good", good, "0"), ("old", old, "01"), ("bad", bad, "01"),
                    ("none", none, "0"), ("", smart, "0")):
                assert [t for t in told if t.startswith(name + " ")] == [
                    f"{name} joe 127.0.0.1 {sink.port} {r}"
                    for r in refreshes], told
            log = "\n".join(d.lines)
            assert "AUTH XOAUTH2" in log  # in a trace, and masked there
            for hidden in [f.format(t) for f in (x, b) for t in ("t.0", "t.1")]:
                assert said(hidden) not in log and hidden not in log
        assert got(bad) == [] and got(none) == []
        assert bad.connections == 1 and old.connections == 1
    shutil.rmtree(folder)


def make_certificate(folder, name, names):
    """Self-signed; its file, its key's, the SHA-256 of it and of its key."""
    openssl = need("openssl")
    cert, key = (os.path.join(folder, name + end) for end in (".pem", ".key"))
    subprocess.run([openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-subj", "/CN=" + name, "-addext",
                    "subjectAltName=" + names, "-keyout", key, "-out", cert],
                   check=True, capture_output=True)
    os.chmod(key, 0o600)
    with open(cert, encoding="ascii") as file:
        der = ssl.PEM_cert_to_DER_cert(file.read())
    public = subprocess.run([openssl, "pkey", "-in", key, "-pubout", "-outform",
                             "der"], check=True, capture_output=True).stdout
    return (cert, key, hashlib.sha256(der).hexdigest(),
            hashlib.sha256(public).hexdigest())


def test_own_tls(build):
    """A row's own authorities, certificate and fingerprints; EXTERNAL; relative
    names of files; what is wrong with a file is told with the row."""
    folder = tempfile.mkdtemp(prefix="mailmod-routes-")
    cert, key, sha, public = make_certificate(folder, "host", "IP:127.0.0.1")
    own, own_key, _, _ = make_certificate(folder, "own", "DNS:own.test")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    context.load_verify_locations(own)
    context.verify_mode = ssl.CERT_REQUIRED
    with Sink(extensions=["STARTTLS", "AUTH PLAIN EXTERNAL"],
              tls=context) as sink:
        rows = {
            "known": f"authorities={cert} certificate={own} key={own_key} "
                     "mechanisms=EXTERNAL",
            "pinned": f"fingerprints={'00' * 32},{sha} certificate={own} "
                      f"key={own_key} user=me mechanisms=EXTERNAL",
            "key": f"fingerprints={public} certificate={own} key={own_key}",
            "other": f"fingerprints={'ab' * 32} certificate={own} "
                     f"key={own_key}",
            "unknown": f"certificate={own} key={own_key}",
            "bare": f"authorities={cert}"}
        routes = [f"name={name} to={name}.test relay=127.0.0.1:{sink.port} "
                  + words for name, words in rows.items()]
        with Daemon(build, settings={**settings(routes),
                                     "queue.steps": "1h"}) as daemon:
            for name, user in (("known", "EXTERNAL ="),
                               ("pinned", "EXTERNAL bWU="), ("key", None)):
                submit(daemon, "demo@mail.test", f"u@{name}.test")
                delivered(daemon, f"u@{name}.test")
                assert sink.messages[-1].user == user, sink.messages[-1].user
                assert sink.messages[-1].tls
            for name, why in (
                    ("other", "not the one that is pinned, its SHA-256 is "
                              + sha),
                    ("unknown", "self-signed certificate"), ("bare", "")):
                submit(daemon, "demo@mail.test", f"u@{name}.test")
                line = delivered(daemon, f"u@{name}.test", "deferred")
                assert why in line, line
            assert len(sink.messages) == 3
        routes[0] = routes[0].replace(own, "missing.pem")
        with Daemon(build, settings=settings(routes), users=(),
                    start=False) as daemon:
            daemon.write_config()
            done = subprocess.run(
                [*daemon.daemon, "-c", os.path.join(daemon.folder, "mailmod.cfg"),
                 "--check"],
                capture_output=True, text=True, timeout=120, check=False)
            said = done.stdout + done.stderr
            assert done.returncode != 0, said
            assert "delivery.routes: route known: certificate file" in said, \
                said
            assert "missing.pem" in said, said
    shutil.rmtree(folder)


def test_faces(build):
    """From an address and by an EHLO name of its own, over no connection of
    another row; a row says it, or the settings for all. With an address that is
    not on this machine mail waits, the log says why, and a reload helps."""
    foreign = "192.0.2.77"
    with Sink() as sink:
        routes = [relay("one", "from=@one.test", sink.port,
                        words="source=127.0.0.11 ehlo=one.example"),
                  relay("two", "from=@two.test", sink.port,
                        words="source=127.0.0.12 ehlo=two.example"),
                  relay("plain", "from=@plain.test", sink.port),
                  relay("gone", "from=@gone.test", sink.port,
                        words=f"source={foreign}")]
        with Daemon(build, settings=settings(
                routes, **{"delivery.source": "127.0.0.13",
                           "delivery.ehlo_name": "all.example"})) as daemon:
            faces = {"u@one.test": ("127.0.0.11", "one.example"),
                     "u@two.test": ("127.0.0.12", "two.example"),
                     "u@plain.test": ("127.0.0.13", "all.example")}
            for i in range(3):
                for sender in faces:
                    submit(daemon, sender, f"{sender[2:5]}{i}@far.test")
                    delivered(daemon, f"{sender[2:5]}{i}@far.test")
            seen = {(m.reverse_path, m.peer, m.hello) for m in sink.messages}
            assert seen == {(s, *face) for s, face in faces.items()}, seen
            submit(daemon, "u@gone.test", "g@far.test")
            line = delivered(daemon, "g@far.test", "deferred")
            assert f"the source address {foreign} is not on this machine" in \
                line, line
            assert "dsn=4." in line, line
            daemon.settings["delivery.routes"] = routes[:3] + [
                routes[3].replace(foreign, "127.0.0.14")]
            daemon.write_config()
            daemon.ask_reload()
            delivered(daemon, "g@far.test")
            assert sink.messages[-1].peer == "127.0.0.14"
            assert sink.messages[-1].hello == "all.example"


def test_families(build):
    """Which addresses of hosts are tried: a row's word, and the setting for
    all. A host with both is tried by the one that is preferred."""
    with Sink() as v4, NameServer({
            ("mx.test", "A"): ["127.0.0.1"],
            ("mx.test", "AAAA"): ["::1"]}) as dns:
        asked = f"mx.test:{v4.port}"
        routes = [f"name={word} to={word.replace('_', '-')}.test relay={asked} "
                  f"tls=off addresses={word}"
                  for word in ("ipv4", "ipv6", "ipv4_first", "ipv6_first")]
        routes.append(f"name=plain to=plain.test relay={asked} tls=off")
        with Daemon(build, settings=settings(
                routes, **{"dns.servers": dns.address, "queue.steps": "1h",
                           "delivery.prefers": "ipv4"})) as daemon:
            for name in ("ipv4", "ipv4-first", "ipv6-first", "plain"):
                submit(daemon, "demo@mail.test", f"u@{name}.test")
                delivered(daemon, f"u@{name}.test")
            submit(daemon, "demo@mail.test", "u@ipv6.test")
            line = delivered(daemon, "u@ipv6.test", "deferred")
            assert "peer=[::1]" in daemon.wait_log(
                "delivery: host failed destination=ipv6.test .*")[0]
            daemon.wait_log("delivery: host failed destination=ipv6-first.test "
                            r".*peer=\[::1\].*")
            assert len(got(v4)) == 4, got(v4)
            failed = [l for l in daemon.lines if "host failed" in l]
            assert not [l for l in failed
                        if "destination=plain" in l or "=ipv4" in l], failed


def test_services(build):
    """A relay by SRV records (RFC 6186): the next host after one that is down;
    who is not below the domain must prove that it is the domain's."""
    folder = tempfile.mkdtemp(prefix="mailmod-services-")
    cert, key, _, _ = make_certificate(folder, "host", "DNS:mx.else.test,"
                                       "DNS:far.test,DNS:a.near.test")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    with Sink(extensions=["STARTTLS"], tls=context) as sink, NameServer({
            ("_submission._tcp.near.test", "SRV"):
                [f"1 5 {free_port()} a.near.test", f"2 5 {sink.port} a.near.test"],
            ("_submission._tcp.far.test", "SRV"):
                [f"1 0 {sink.port} mx.else.test"],
            ("_submission._tcp.bad.test", "SRV"):
                [f"1 0 {sink.port} mx.else.test"],
            ("_submission._tcp.off.test", "SRV"): ["0 0 0 ."],
            ("a.near.test", "A"): ["127.0.0.1"],
            ("mx.else.test", "A"): ["127.0.0.1"]}) as dns:
        routes = [f"name={name} to={name}.test relay=srv:{name}.test "
                  f"authorities={cert}"
                  for name in ("near", "far", "bad", "off", "none")]
        with Daemon(build, settings=settings(
                routes, **{"dns.servers": dns.address, "queue.steps": "1h",
                           "delivery.refuses": ""})) as daemon:
            for name, outcome, words in (
                    ("near", "delivered", "verified"),
                    ("far", "delivered", "verified"),
                    ("bad", "deferred", "certificate"),
                    ("off", "deferred", "the service is not offered"),
                    ("none", "deferred", "_submission._tcp.none.test")):
                submit(daemon, "demo@mail.test", f"u@{name}.test")
                line = delivered(daemon, f"u@{name}.test", outcome)
                assert words in line, line
            assert got(sink) == ["u@far.test", "u@near.test"]
    shutil.rmtree(folder)


def test_limits(build):
    """A row's limits: connections at a time, messages over one, messages in a
    window; what is over waits, mail by other ways goes, and a reload with a
    larger limit lets all go."""
    with Sink() as slow, Sink() as free:
        row = relay("slow", "to=slow.test", slow.port,
                    words="connections=1 messages_per_connection=2 messages=5 "
                          "window=1h")
        routes = [row, relay("free", "to=*", free.port)]
        with Daemon(build, settings=settings(routes)) as daemon:
            for i in range(12):
                submit(daemon, "demo@mail.test", f"s{i}@slow.test")
                submit(daemon, "demo@mail.test", f"f{i}@free.test")
            for i in range(12):
                delivered(daemon, f"f{i}@free.test")
            wait_for(lambda: daemon.ctl("queue", "list").stdout.count(
                "@slow.test") == 7, what="seven that wait")
            assert len(slow.messages) == 5
            daemon.settings["delivery.routes"] = [
                row.replace("messages=5", "messages=100"), routes[1]]
            daemon.write_config()
            daemon.ask_reload()
            for i in range(12):
                delivered(daemon, f"s{i}@slow.test")
            assert len(slow.messages) == 12 and len(free.messages) == 12
            assert slow.open_max == 1 and slow.connections >= 6
            assert not [l for l in daemon.lines if "deferred" in l]


main(__name__, test_ways, test_one_way_down, test_logins, test_tokens,
     test_own_tls, test_faces, test_families, test_limits,
     test_services)
