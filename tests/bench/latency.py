"""How long a sender waits for its 250.

usage: python3 latency.py BUILD [--small] [--rounds N] [--only SECTION,...]
       as root, for Postfix's sake

Sections: half, from the final dot to the 250 at half of the rate that the
server takes at most, by turns mailmod and Postfix, each at half of its own;
curve, the same of mailmod from a tenth to nine tenths; large, the worst 250 of
small mail while something large happens: a mailbox of 2 GiB is deleted by POP3,
the whole queue of 500 000 is held and then deleted, 100 000 messages are
listed, a backup runs. Beside each of the last stands the longest write and sync
of 4 KiB in the same folder meanwhile, which no server can be faster than.
"""
import contextlib
import json
import subprocess
import time

from measure import BareSyncs, Report, generate, program
from peers import Ours, Postfix, with_peers

OCTETS, SENDERS = 4096, 20
SHARES = (0.1, 0.25, 0.5, 0.75, 0.9)


def full_rate(report, server):
    """Messages a second when all senders send as fast as they may."""
    return generate(report.build, "smtp_load", "-s",
                    report.amount(4, 1), "127.0.0.1", server.smtp_port,
                    server.recipient, SENDERS, 1000000, OCTETS)["rate"]


def at_rate(report, server, rate):
    load = generate(report.build, "smtp_load", "-r", max(int(rate), 1), "-s",
                    report.amount(5, 1), "127.0.0.1", server.smtp_port,
                    server.recipient, SENDERS, 1000000, OCTETS)
    server.drain()
    return {"asked_rate": rate, "rate": load["rate"],
            "median_ms": load["median_ms"], "p99_ms": load["p99_ms"],
            "p999_ms": load["p999_ms"], "max_ms": load["max_ms"]}


def measure_rates(report):
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(Ours(report.build))]
        if "half" in report.sections:
            servers += with_peers(report, stack, Postfix)
        full = {}

        def fill(server):
            rate = full_rate(report, server)
            server.drain()
            full[server.name] = max(rate, full.get(server.name, 1))
            return {"rate": rate}
        report.pairs("full", servers, fill, "rate")
        servers = [server for server in servers if server.name in full]
        if "half" in report.sections:
            report.pairs("half", servers, lambda server: at_rate(
                report, server, full[server.name] / 2), "median_ms")
        if "curve" in report.sections:
            for share in report.amount(SHARES, SHARES[:1]):
                report.pairs("curve", servers[:1], lambda server: at_rate(
                    report, server, full[server.name] * share), "median_ms",
                    f"{share:.2f} of full load")


def list_mailbox(ours):
    box = ours.pop3("many")
    box.list()
    box.uidl()
    box.quit()


# What happens, and the seconds that small mail goes on meanwhile.
ACTS = (("nothing", 10, lambda ours: time.sleep(1)),
        ("100 000 are listed", 5, list_mailbox),
        ("a backup", 40,
         lambda ours: ctl(ours, "backup", ours.folder + "/backup")),
        ("2 GiB are deleted", 20, lambda ours: ours.empty_mailbox("large")),
        ("the queue is held", 40, lambda ours: ctl(ours, "queue", "hold",
                                                   "all")),
        ("the queue is deleted", 30, lambda ours: ctl(ours, "queue", "delete",
                                                      "all")))


def ctl(ours, *words):
    subprocess.run([*ours.control, "-c", ours.write_config(), *words],
                   check=True, capture_output=True, timeout=1200)


def beside(report, ours, what, seconds, act):
    """Small mail of four senders, and bare syncs, while it happens."""
    with BareSyncs(ours.data) as syncs:
        load = subprocess.Popen(
            [program(report.build, "smtp_load"), "-s", str(seconds),
             "127.0.0.1", str(ours.smtp_port), ours.recipient, "4", "1000000",
             "2048"], stdout=subprocess.PIPE, text=True)
        time.sleep(report.amount(1, 0.1))
        start = time.monotonic()
        act(ours)
        took = time.monotonic() - start
        figures = json.loads(load.communicate()[0])
    if took > seconds:
        report.leave_out(f"the end of {what}",
                         f"it took {took:.0f} s, mail was sent for {seconds}")
    longest = max(syncs.times_ms, default=0)
    report.row("large", "mailmod", {
        "took_s": took, "messages": figures["messages"],
        "median_ms": figures["median_ms"], "p99_ms": figures["p99_ms"],
        "p999_ms": figures["p999_ms"], "worst_ms": figures["max_ms"],
        "worst_sync_ms": longest, "aim_ms": 50 + longest}, what)


def measure_large(report):
    with Ours(report.build, users=["demo", "large", "many"], settings={
            "queue.holds": True, "smtp.relay_from": "127.0.0.0/8"}) as ours:
        ours.fill_mailbox("large", report.amount(2048, 20), 1 << 20)
        ours.fill_mailbox("many", report.amount(100000, 100), 1024)
        ours.fill_queue(report.amount(500000, 1000), 500)
        for what, seconds, act in ACTS:
            beside(report, ours, what, report.amount(seconds, 1), act)


def main():
    with Report("latency", ["half", "curve", "large"]) as report:
        if {"half", "curve"} & set(report.sections):
            measure_rates(report)
        if "large" in report.sections:
            measure_large(report)


if __name__ == "__main__":
    main()
