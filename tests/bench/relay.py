"""Messages accepted and delivered to another host.

usage: python3 relay.py BUILD [--small] [--rounds N] [--only SECTION,...]
       as root, for perf's and Postfix's sake

Sections: one, 4 KiB messages from ten senders to one smarthost that discards
them (ours: Postfix's smtp-sink does not count what it took), by turns through
mailmodd and Postfix, from the first octet until the last is there; many, the
same of mailmodd alone to a thousand destinations, without and with a hundred
more that never answer: how long the living take.
"""
import contextlib
import time

from measure import Counted, Report, generate, memory_kib
from harness import free_port, wait_for
from peers import Discard, Ours, Postfix, with_peers

OCTETS, SENDERS = 4096, 10
LIVING, DEAD, FIRST = 900, 100, "127.1.0.0"


def relay(report, server, port, recipient, messages, *options, living=None):
    """Until the sink has them all; `living`: of the messages, those that can
    arrive."""
    count = max(int(messages * server.share), SENDERS) // SENDERS * SENDERS
    wanted = server.sink.count + (living or count)
    with Counted(server.pids) as counted:
        start = time.monotonic()
        generate(report.build, "smtp_load", "-m", "commands", *options,
                 "127.0.0.1", port, recipient, SENDERS, count, OCTETS)
        accepted = time.monotonic() - start
        wait_for(lambda: server.sink.count >= wanted, 1200,
                 what="all messages at the sink")
        took = time.monotonic() - start
    return {"rate": (living or count) / took, "seconds": took,
            "accepted_rate": count / accepted, **counted.each(count),
            "memory_kib": memory_kib(server.pids)}


def ours_to(build, **settings):
    return Ours(build, settings={
        "smtp.relay_from": "127.0.0.0/8",
        **{key.replace("__", "."): value for key, value in settings.items()}})


def measure_one(report):
    messages = report.amount(10000, 100)
    with contextlib.ExitStack() as stack:
        sink = stack.enter_context(Discard(report.build, "smtp"))
        ours = stack.enter_context(ours_to(
            report.build, smarthost__host="127.0.0.1",
            smarthost__port=sink.smtp_port, smarthost__tls="off"))
        servers = [ours] + with_peers(report, stack, lambda: Postfix(
            RELAYHOST=f"[127.0.0.1]:{sink.smtp_port}"))
        for server in servers:
            server.sink = sink
        report.pairs("one", servers, lambda server: relay(
            report, server, ours.port("submission") if server is ours
            else server.smtp_port, "x@far.test", messages), "rate")


class Way:
    """One side of the pair: how many of the destinations are dead. Each run
    has a daemon of its own, so that none finds what another one left."""

    def __init__(self, name, sink, addresses, messages, living):
        self.name = name
        self.sink = sink
        self.addresses = addresses
        self.messages = messages
        self.living = living

    def run(self, report):
        with ours_to(report.build, delivery__port=self.sink.smtp_port) as ours:
            ours.sink = self.sink
            return relay(report, ours, ours.port("submission"), "x@[127.%]",
                         self.messages, "-d", self.addresses,
                         living=self.living)


def measure_many(report):
    each = report.amount(10, 2)
    living, dead = report.amount(LIVING, 45), report.amount(DEAD, 5)
    with contextlib.ExitStack() as stack:
        sink = stack.enter_context(Discard(report.build, "smtp", FIRST, living,
                                           free_port()))
        stack.enter_context(Discard(
            report.build, "silent", f"127.1.{living >> 8}.{living & 255}",
            dead, sink.smtp_port))
        ways = [Way(f"with {dead} dead", sink, living + dead,
                    each * (living + dead), each * living),
                Way("without", sink, living, each * living, each * living)]
        report.pairs("many", ways, lambda way: way.run(report), "seconds")


def main():
    with Report("relay", ["one", "many"]) as report:
        if "one" in report.sections:
            measure_one(report)
        if "many" in report.sections:
            measure_many(report)


if __name__ == "__main__":
    main()
