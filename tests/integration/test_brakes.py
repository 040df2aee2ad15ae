"""Brakes as peers feel them: a flood of wrong passwords, bans over a reload,
who may connect, limits of mail, POP before SMTP. A proxy's header gives each
peer an address of its own. F22, T-097, attacks 37 and 50."""
import base64
import signal
import statistics
import threading
import time

from dnsserver import NameServer
from harness import Daemon, Wire, main, need_posix, wait_for

CLEAR = {"pop3.allows_clear_login": True, "smtp.allows_clear_auth": True,
         "general.proxy_from": "127.0.0.1"}
USER = "198.51.100.7"
NETWORKS, TRIES = 250, 40


def plain(user, password):
    return base64.b64encode(f"\0{user}\0{password}".encode()).decode()


def come(daemon, service, address):
    family = "TCP6" if ":" in address else "TCP4"
    local = "::1" if family == "TCP6" else "127.0.0.1"
    wire = Wire(daemon.port(service), timeout=120)
    wire.send(f"PROXY {family} {address} {local} 4000 25\r\n".encode())
    return wire


def submit(daemon, address):
    wire = come(daemon, "submission", address)
    wire.reply()
    wire.ask("EHLO client.test")
    return wire


def pop3(daemon, address, password="secret"):
    with come(daemon, "pop3", address) as wire:
        wire.line()
        wire.send(f"USER demo\r\nPASS {password}\r\n".encode())
        wire.line()
        return wire.line()


def flood(daemon, first, step, answers):
    wrong = "AUTH PLAIN " + plain("demo", "wrong")
    for n in range(first, NETWORKS, step):
        with submit(daemon, f"203.0.{n >> 8}.{n & 255}") as wire:
            for _ in range(TRIES):
                answers.append(wire.ask(wrong))


def test_F22_flood_of_wrong_passwords(build):
    settings = {**CLEAR, "logins.delay_max": "0s",
                "smtp.login_failures_max": 1000, "smtp.errors_max": 10000,
                "logins.failures_max": 10}
    with Daemon(build, settings=settings) as daemon:
        assert pop3(daemon, USER).startswith(b"+OK")
        answers = []
        threads = [threading.Thread(target=flood,
                                    args=(daemon, i, 8, answers))
                   for i in range(8)]
        begin = time.monotonic()
        for thread in threads:
            thread.start()
        waits = []
        while any(thread.is_alive() for thread in threads):
            start = time.monotonic()
            assert pop3(daemon, USER).startswith(b"+OK")
            waits.append(time.monotonic() - start)
            time.sleep(0.1)
        for thread in threads:
            thread.join()
        print(f"{len(answers)} tries in {time.monotonic() - begin:.1f} s; "
              f"a known user meanwhile logged in {len(waits)} times: "
              f"median {1000 * statistics.median(waits):.0f} ms, "
              f"longest {1000 * max(waits):.0f} ms")
        assert len(answers) == NETWORKS * TRIES
        assert set(answers) == {answers[0]} and answers[0][:3] == "535"
        bans = daemon.wait_lines("network banned", NETWORKS)
        assert len(bans) == NETWORKS, len(bans)


def test_attack_50_ban(build):
    """Ten bad logins by both protocols; a reload keeps the ban, a reload with
    ban_time 0 lifts it; nothing tells a banned client."""
    need_posix(build, "a signal reloads")
    settings = {**CLEAR, "logins.delay_max": "10ms",
                "smtp.login_failures_max": 20}
    network = "2001:db8:0:7::"
    with Daemon(build, settings=settings) as daemon:
        wrong = set()
        for i in range(5):
            with submit(daemon, f"{network}{i + 1:x}") as wire:
                wrong.add(wire.ask("AUTH PLAIN " + plain("demo", "wrong")))
            assert pop3(daemon, f"{network}{i + 0x100:x}", "wrong") \
                .startswith(b"-ERR [AUTH]")
        with submit(daemon, f"{network}abcd") as wire:
            wrong.add(wire.ask("AUTH PLAIN " + plain("demo", "secret")))
        assert len(wrong) == 1, wrong
        assert pop3(daemon, f"{network}1").startswith(b"-ERR [AUTH]")
        assert pop3(daemon, "2001:db8:0:8::1").startswith(b"+OK")

        def reload():
            after = len(daemon.lines)
            daemon.write_config()
            daemon.process.send_signal(signal.SIGHUP)
            daemon.wait_log(r"reloaded", after=after)

        daemon.settings["smtp.errors_max"] = 30
        reload()
        assert pop3(daemon, f"{network}1").startswith(b"-ERR [AUTH]")
        daemon.settings["logins.ban_time"] = "0s"
        reload()
        assert pop3(daemon, f"{network}1").startswith(b"+OK")
        assert not any("secret" in line for line in daemon.lines)  # 52


def banned(daemon):
    """Networks and what made their bans."""
    lines = daemon.ctl("ban", "list").stdout.splitlines()
    return {line.split()[0]: line.split()[-1] for line in lines[1:]}


def test_T097_bans_are_kept(build):
    """A restart and a kill keep them; an operator lists, makes and lifts."""
    settings = {**CLEAR, "logins.delay_max": "10ms",
                "logins.failures_max": 3, "smtp.login_failures_max": 20}
    network = "2001:db8:0:7::"
    with Daemon(build, settings=settings) as daemon:
        assert "nobody is banned" in daemon.ctl("ban", "list").stdout
        for i in range(3):
            assert pop3(daemon, f"{network}{i + 1:x}", "wrong") \
                .startswith(b"-ERR [AUTH]")
        wait_for(lambda: banned(daemon) == {"2001:db8:0:7::/64": "3"},
                 what="the ban in the store")
        daemon.kill()
        daemon.start()
        assert pop3(daemon, f"{network}abcd").startswith(b"-ERR [AUTH]")
        assert pop3(daemon, USER).startswith(b"+OK")
        # An operator's counts within seconds, and can be lifted.
        daemon.ctl("ban", "add", USER, "1h")
        wait_for(lambda: pop3(daemon, USER).startswith(b"-ERR [AUTH]"),
                 what="the operator's ban")
        assert banned(daemon)[USER] == "operator"
        daemon.ctl("ban", "lift", f"{network}1")
        wait_for(lambda: pop3(daemon, f"{network}2").startswith(b"+OK"),
                 what="the lifting")
        assert set(banned(daemon)) == {USER}
        # Its failures are forgotten: two are not enough again.
        for _ in range(2):
            pop3(daemon, f"{network}1", "wrong")
        assert pop3(daemon, f"{network}1").startswith(b"+OK")
        # Banned again after it was lifted.
        pop3(daemon, f"{network}1", "wrong")
        assert pop3(daemon, f"{network}1").startswith(b"-ERR [AUTH]")
        wait_for(lambda: "2001:db8:0:7::/64" in banned(daemon),
                 what="the second ban")
        for words in (("add", "192.0.2.0/24"), ("add", "x"), ("lift", ""),
                      ("lift", "192.0.2.99")):
            assert daemon.ctl("ban", *words, check=False).returncode == 1
        assert daemon.ctl("ban", "add", USER, "soon",
                          check=False).returncode == 2


def test_T090_T091_T096_networks(build):
    settings = {**CLEAR, "smtp.deny_from": "192.0.2.10-192.0.2.19",
                "pop3.allow_from": "198.51.100.0/24, 2001:db8::/32",
                "smtp.pop_before_smtp": "35m",
                "rates.address_messages_max": 2}
    with Daemon(build, settings=settings) as daemon:
        with come(daemon, "smtp", "192.0.2.19") as wire:
            assert wire.reply().startswith("421 4.7.1")
            assert wire.at_end()
        with come(daemon, "pop3", "192.0.2.1") as wire:
            assert wire.line().startswith(b"-ERR [SYS/TEMP]")
        with submit(daemon, USER) as wire:
            assert wire.ask("MAIL FROM:<demo@mail.test>")[:3] == "530"
        assert pop3(daemon, USER).startswith(b"+OK")
        with submit(daemon, USER) as wire:
            for _ in range(2):
                assert wire.ask("MAIL FROM:<demo@mail.test>")[:3] == "250"
                assert wire.ask("RCPT TO:<a@elsewhere.test>")[:3] == "250"
                assert wire.ask("RSET")[:3] == "250"
            assert wire.ask("MAIL FROM:<demo@mail.test>").startswith(
                "421 4.7.0 Too many messages from your address")
            assert wire.at_end()
        with submit(daemon, "192.0.2.1") as wire:
            assert wire.ask("MAIL FROM:<demo@mail.test>")[:3] == "530"


def test_T113_senders_mail_host(build):
    """Greylisting puts off who is no mail host of the sender's domain."""
    records = {("own.test", "MX"): ["10 mx.own.test"],
               ("mx.own.test", "A"): [USER],
               ("mx.own.test", "AAAA"): ["2001:db8:0:9::1"]}
    with NameServer(records) as dns, Daemon(build, settings={
            **CLEAR, "greylisting.mode": "all", "dns.servers": dns.address,
            "greylisting.exempts_mx": True}) as daemon:
        def ask(address, sender):
            with come(daemon, "smtp", address) as wire:
                wire.reply()
                wire.ask("EHLO x.test")
                wire.ask(f"MAIL FROM:<{sender}>")
                return wire.ask("RCPT TO:<demo@mail.test>")

        assert ask(USER, "a@own.test").startswith("250")
        assert ask("2001:db8:0:9::77", "a@own.test").startswith("250")
        assert ask("192.0.2.1", "a@own.test").startswith("451 4.7.1")
        assert ask(USER, "a@else.test").startswith("451 4.7.1")


main(__name__, test_F22_flood_of_wrong_passwords, test_attack_50_ban,
     test_T097_bans_are_kept, test_T090_T091_T096_networks,
     test_T113_senders_mail_host)
