"""A network where only the proxy leads out: not one packet goes past it.

The tests run in a network namespace of their own, in which every address of the
world leads to the loopback device and a packet socket sees what goes there.
With root alone. Beside that, the proxies of other hands from the lab's
proxy_lab.sh, each where it is installed.
"""
import contextlib
import os
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

from dnsserver import NameServer
from harness import (Daemon, Skip, main, need, need_posix, run_tests, wait_for)
from popserver import PopServer
from proxyserver import Proxy
from sink import Sink
from test_labs import lab

BODY = b"Subject: out\r\n\r\nHello\r\n"
INSIDE = "MAILMOD_INSIDE_NETNS"


class Watch:
    """Every packet that is for neither 127.0.0.0/8 nor ::1."""

    def __init__(self):
        self.strays = []
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW,
                                    socket.htons(3))
        self.socket.bind(("lo", 0))
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        while True:
            try:
                self.take(self.socket.recv(65536)[14:])
            except OSError:
                return

    def take(self, packet):
        version = packet[0] >> 4 if packet else 0
        if version == 4 and packet[16] != 127:
            port = struct.unpack(">H", packet[22:24])[0]
            self.strays.append((packet[9], socket.inet_ntoa(packet[16:20]),
                                port))
        elif version == 6 and packet[24:40] != bytes(15) + b"\1":
            self.strays.append((packet[6], socket.inet_ntop(
                socket.AF_INET6, packet[24:40]), 0))

    def close(self):
        self.socket.close()


def submit(daemon, recipient):
    with daemon.smtp("submission", local_hostname="c.test") as smtp:
        smtp.sendmail("demo@mail.test", [recipient], BODY)


def logged(daemon, outcome, recipient):
    return daemon.wait_log(
        rf"delivery: {outcome} .*recipient={recipient} .*")[0]


def settings(**more):
    return {"queue.steps": "1s", "queue.jitter": 0, "delivery.tls": "off",
            "smtp.relay_from": "127.0.0.0/8", "dns.timeout": "500ms",
            "delivery.idle_timeout": "100ms", "dns.tries": 1,
            "dns.servers": "192.0.2.53, 198.51.100.53",
            **{key.replace("__", "."): value for key, value in more.items()}}


def inside_nothing_strays(build):
    """MX hosts, look-ups and fetching through the proxy, while it is down too;
    and first, that the watch would see it."""
    records = {("far.test", "MX"): ["10 mx.far.test"],
               ("mx.far.test", "A"): ["192.0.2.25"]}
    mail = b"Subject: m\r\n\r\nx\r\n"
    watch = Watch()
    with Daemon(build, settings=settings()) as daemon:
        submit(daemon, "u@far.test")
        logged(daemon, "deferred", "u@far.test")
        assert (17, "192.0.2.53", 53) in watch.strays, watch.strays
    watch.strays.clear()
    with Sink() as sink, NameServer(records) as dns, \
            PopServer([(b"u1", mail)]) as pop, Proxy(names={
                "192.0.2.25": ("127.0.0.1", sink.port),
                "192.0.2.53": ("127.0.0.1", dns.port),
                "pop.far.test": ("127.0.0.1", pop.port)}) as proxy:
        account = ("name=work host=pop.far.test user=joe tls=off to=demo "
                   "interval=0 password=secret")
        with Daemon(build, settings=settings(
                dns__through_proxy=True, proxy__host="127.0.0.1",
                proxy__port=proxy.port, proxy__timeout="2s",
                fetch__accounts=[account])) as daemon:
            for i in range(5):
                submit(daemon, f"u{i}@far.test")
            for i in range(5):
                logged(daemon, "delivered", f"u{i}@far.test")
            daemon.ctl("fetch", "run", "work")
            daemon.wait_log("fetch: fetched account=work")
            proxy.down()
            submit(daemon, "down@far.test")
            line = logged(daemon, "deferred", "down@far.test")
            assert "dsn=4.4" in line, line
            proxy.up()
            logged(daemon, "delivered", "down@far.test")
            asked = {(host, port) for _, host, port, _ in proxy.asked}
            assert {("192.0.2.53", 53), ("192.0.2.25", 25),
                    ("pop.far.test", 110)} <= asked, asked
    time.sleep(0.2)  # what was sent last is seen
    assert watch.strays == [], watch.strays
    watch.close()


PEERS = [
    # port, kind, user, password, what it is
    (1080, "socks5", "", "", "microsocks"),
    (1081, "socks5", "pu", "pp", "microsocks with a login"),
    (1082, "socks5", "pu", "pp", "dante"),
    (1083, "socks5", "", "", "ssh -D"),
    (1083, "socks4a", "", "", "ssh -D, SOCKS4a"),
    (8888, "http", "", "", "tinyproxy"),
    (8889, "http", "pu", "pp", "tinyproxy with a login"),
    (3128, "http", "pu", "pp", "squid"),
]
REFUSALS = [
    (1081, "socks5", "pu", "no", "it refused the login"),
    (1081, "socks5", "", "", "it wants a login"),
    (8889, "http", "", "", "HTTP 40"),
    (3128, "http", "pu", "no", "HTTP 407"),
    (1084, "socks5", "", "", "SOCKS5 code 2"),
    (1084, "socks4a", "", "", "SOCKS4 code 91"),
    (1084, "http", "", "", "HTTP 403"),
    (1085, "socks5", "", "", "it did not answer in time"),
]


@contextlib.contextmanager
def proxies():
    script = lab("proxy_lab.sh")
    with tempfile.TemporaryDirectory(prefix="mmproxy", dir="/tmp") as folder:
        environment = dict(os.environ, LAB_RUN=folder)
        # Its programs keep its standard output open.
        subprocess.run(["bash", script, "start"], env=environment,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                       timeout=120)
        try:
            yield
        finally:
            subprocess.run(["bash", script, "stop"], env=environment,
                           stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL, timeout=120)


def listens(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


def change(daemon, port, kind, user, password, host):
    daemon.settings.update({
        "proxy.port": port, "proxy.kind": kind, "proxy.user": user,
        "proxy.password": password, "smarthost.host": host})
    daemon.write_config()
    after = len(daemon.lines)
    daemon.ask_reload()
    daemon.wait_log("mailmodd: reloaded", after=after)


def inside_peers(build):
    """The lab's proxies: by address and by name; their refusals in words."""
    with proxies(), Sink() as sink, Daemon(build, settings=settings(
            smarthost__host="127.0.0.1", smarthost__port=sink.port,
            smarthost__tls="off", proxy__host="127.0.0.1", proxy__bypass="",
            proxy__timeout="2s")) as daemon:
        count = 0
        met = 0
        for port, kind, user, password, name in PEERS:
            if not listens(port):
                print(f"SKIPPED: {name} is not installed", flush=True)
                continue
            met += 1
            for host in ("127.0.0.1", "localhost"):
                change(daemon, port, kind, user, password, host)
                count += 1
                submit(daemon, f"p{count}@far.test")
                logged(daemon, "delivered", f"p{count}@far.test")
                assert sink.connections == count
                wait_for(lambda: sink.open == 0, what="the end")
        for port, kind, user, password, words in REFUSALS:
            if not listens(port):
                continue
            change(daemon, port, kind, user, password, "127.0.0.1")
            count += 1
            submit(daemon, f"r{count}@far.test")
            line = logged(daemon, "deferred", f"r{count}@far.test")
            assert words in line, (port, kind, line)
            daemon.ctl("queue", "delete", "all")
        if met == 0:
            raise Skip("no proxy of the lab is installed")
        print(f"{met} of {len(PEERS)} peers", flush=True)


def run_inside(build, test):
    need_posix(build, "network namespaces")
    if os.geteuid() != 0:
        raise Skip("a network namespace needs root")
    need("ip")
    script = ("ip link set lo up && ip route add default dev lo && "
              "{ ip -6 route add default dev lo 2>/dev/null; exec \"$@\"; }")
    run = subprocess.run(
        [need("unshare"), "--net", need("bash"), "-c", script, "_",
         sys.executable, os.path.abspath(__file__), build, test.__name__],
        env=dict(os.environ, **{INSIDE: "1"}), stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, timeout=300)
    print(run.stdout[-6000:], flush=True)
    if run.returncode == 77 or "unshare failed" in run.stdout:
        raise Skip("see above")
    assert run.returncode == 0


def test_nothing_strays(build):
    run_inside(build, inside_nothing_strays)


def test_peers(build):
    run_inside(build, inside_peers)


if os.environ.get(INSIDE):
    sys.exit(run_tests((inside_nothing_strays, inside_peers),
                       os.path.abspath(sys.argv[1])))
main(__name__, test_nothing_strays, test_peers)
