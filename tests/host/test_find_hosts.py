"""Who takes a domain's mail, asked by a host program (find_hosts.c) and
answered by a name server of our own.
"""
import os
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "integration"))
from dnsserver import NameServer  # noqa: E402
from harness import SANITIZER, Wire, main, wait_for  # noqa: E402

OK, ARGUMENT, HANDLE, STATE, STOPPED, TIMEOUT = 0, -100, -101, -200, -202, -603
NO_NAME, NO_DATA, NULL_MX, SERVFAIL = -701, -702, -703, -704

RECORDS = {
    ("order.test", "MX"): ["20 b.test", "10 A.test", "20 a2.test",
                           "10 none.test", "5 192.0.2.99"],
    ("a.test", "A"): ["192.0.2.1", "192.0.2.11"],
    ("a.test", "AAAA"): ["2001:db8::1"],
    ("b.test", "A"): ["192.0.2.3"],
    ("a2.test", "CNAME"): ["b.test"],
    ("none.test", "A"): "empty",
    ("null.test", "MX"): ["0 ."],
    ("implicit.test", "A"): ["192.0.2.9"],
    ("bare.test", "TXT"): "empty",
    ("fail.test", "MX"): "servfail",
    ("silent.test", "MX"): "timeout",
    ("half.test", "MX"): ["10 half-host.test"],
    ("half-host.test", "A"): ["192.0.2.7"],
    ("half-host.test", "AAAA"): "timeout",
    ("xn--bcher-kva.test", "MX"): ["10 b.test"],
    ("many.test", "MX"): [f"{n} m{n}.test" for n in range(40)],
    ("m0.test", "A"): [f"192.0.2.{n}" for n in range(1, 41)],
}


class Host:
    def __init__(self, build, names):
        self.folder = tempfile.TemporaryDirectory(prefix="mailmod-find-")
        self.process = subprocess.Popen(
            [os.path.join(build, "tests", "host", "find_hosts"),
             self.folder.name, names.address], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.first = [self.result(), self.result()]
        self.port = int(re.match(r"port (\d+)", self.line())[1])

    def line(self):
        line = self.process.stdout.readline()
        assert line, self.process.stderr.read()
        return line.rstrip("\n")

    def result(self):
        """The hosts, the error, its words."""
        hosts = []
        while True:
            line = self.line()
            match = re.match(r"result (-?\d+) ?(.*)", line)
            if match:
                return hosts, int(match[1]), match[2]
            assert line.startswith("host "), line
            hosts.append(line[5:])

    def say(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def find(self, domain):
        self.say("find " + domain)
        return self.result()

    def __enter__(self):
        return self

    def __exit__(self, kind, *rest):
        out, err = self.process.communicate(timeout=120)
        self.folder.cleanup()
        print(out[-2000:], err[-4000:])
        assert kind is not None or (self.process.returncode == 0 and
                                    not SANITIZER.search(err))


def test_answers(build):
    with NameServer(RECORDS) as names, Host(build, names) as host:
        assert [r[1] for r in host.first] == [ARGUMENT, STATE], host.first
        hosts, error, _ = host.find("Order.test")
        assert error == OK
        assert hosts == ["10 a.test 2001:db8::1 192.0.2.1 192.0.2.11",
                         "10 none.test", "20 b.test 192.0.2.3",
                         "20 a2.test 192.0.2.3"], hosts
        assert host.find("order.test.")[0] == hosts
        assert host.find("implicit.test") == (
            ["0 implicit.test 192.0.2.9"], OK, "")
        assert host.find("half.test") == (
            ["10 half-host.test 192.0.2.7"], OK, "")
        hosts, error, _ = host.find("many.test")
        assert error == OK and len(hosts) == 32, hosts
        assert len(hosts[0].split()) == 2 + 16, hosts[0]
        assert hosts[31] == "31 m31.test"
        assert host.find("xn--bcher-kva.test")[1] == OK


def test_errors(build):
    with NameServer(RECORDS) as names, Host(build, names) as host:
        for domain, wanted, words in (
                ("unknown.test", NO_NAME, "unknown.test: "),
                ("null.test", NULL_MX, "null.test: .*null MX"),
                ("bare.test", NO_DATA, "bare.test: "),
                ("fail.test", SERVFAIL, "fail.test: "),
                ("silent.test", TIMEOUT, "silent.test: "),
                ("b\u00fccher.test", ARGUMENT, "xn--"),
                ("", ARGUMENT, "not a domain"),
                ("two words", ARGUMENT, "two words: not a domain"),
                ("a..test", ARGUMENT, "not a domain"),
                (".", ARGUMENT, "not a domain"),
                ("192.0.2.1", ARGUMENT, "not a domain"),
                ("[192.0.2.1]", ARGUMENT, "not a domain"),
                ("user@order.test", ARGUMENT, "not a domain"),
                ("x" * 64 + ".test", ARGUMENT, "not a domain"),
                ("x." * 140 + "test", ARGUMENT, "not a domain")):
            hosts, error, text = host.find(domain)
            assert (hosts, error) == ([], wanted), (domain, error, text)
            assert re.search(words, text), (domain, text)
        assert host.find("order.test")[1] == OK


def test_a_stop_ends_the_wait(build):
    records = dict(RECORDS)
    records[("silent.test", "MX")] = "timeout"
    with NameServer(records) as names, Host(build, names) as host:
        host.say("stop")
        hosts, error, text = host.find("silent.test")
        assert (hosts, error) == ([], STOPPED), (error, text)
        assert host.find("order.test")[1] == STATE
        host.say("drain")
        assert host.result()[1] == OK
        assert host.find("order.test")[1] == STATE


def test_a_free_ends_the_wait(build):
    with NameServer(RECORDS) as names, Host(build, names) as host:
        host.say("free")
        assert host.find("silent.test")[1] == STOPPED
        errors = []

        def is_gone():
            errors.append(host.find("order.test")[1])
            return errors[-1] == HANDLE
        wait_for(is_gone, what="the end of the instance")
        assert set(errors) <= {STATE, HANDLE}, errors


def test_where_it_would_wait_for_itself(build):
    with NameServer(RECORDS) as names, Host(build, names) as host:
        host.say("list")
        assert host.result()[1] == STATE
        assert host.find("order.test")[1] == OK


def test_in_a_callback(build):
    with NameServer(RECORDS) as names, Host(build, names) as host:
        for _ in range(3):
            with Wire(host.port) as wire:
                reply = wire.reply()
                assert reply.startswith("554") and "4 hosts" in reply, reply


main(__name__, test_answers, test_errors, test_a_stop_ends_the_wait,
     test_a_free_ends_the_wait, test_where_it_would_wait_for_itself,
     test_in_a_callback)
