"""What it costs when much waits, and when it runs for long.

usage: python3 growth.py BUILD [--small] [--rounds N] [--only SECTION,...]

Sections: held, dead, drain, soak. The first two accept 4 KiB messages for a
local mailbox, ten senders at a time, while 1 000 to 1 000 000 recipients wait
elsewhere: held, nobody may be tried; dead, all are due, in 100 000 destinations
of which all but a hundredth refuse the connection. At each size: the cost of an
accepted message, the CPU of the process in between, and how long the next start
takes. drain, how large the files are when all of that is deleted. soak, 600 000
messages in and out again: memory, descriptors and files after 50 000 and at the
end.
"""
import contextlib
import os
import time

from measure import (Counted, Report, folder_octets, generate, medians,
                     memory_kib)
from harness import free_port, wait_for
from peers import Discard, Ours

SIZES = (1000, 10000, 100000, 1000000)
DESTINATIONS = 100000
MESSAGES, SENDERS, OCTETS = 5000, 10, 4096
SOAK, SOAK_FIRST = 600000, 50000


def accept(report, ours, count):
    with Counted(ours.pids) as counted:
        load = generate(report.build, "smtp_load", "127.0.0.1", ours.smtp_port,
                        ours.recipient, SENDERS, count, OCTETS)
    return {"rate": load["rate"], **counted.each(load["messages"]),
            "median_ms": load["median_ms"], "p99_ms": load["p99_ms"]}


def at_size(report, section, ours, size):
    """One row: what a message costs now, and what goes on without any."""
    seconds = report.amount(3, 0.2)
    figures = accept(report, ours, report.amount(MESSAGES, 50))
    Counted.calls = False
    runs = [accept(report, ours, report.amount(MESSAGES, 50))
            for _ in range(report.rounds)]
    Counted.calls = True
    figures.update(medians(runs))
    with Counted(ours.pids) as counted:
        time.sleep(seconds)
    rest = counted.each(seconds).get("cpu_us")
    ours.stop(600)
    start = time.monotonic()
    ours.start(wait=False)
    ours.wait_log(r"mailmodd: started", 600)
    report.row(section, ours.name, {
        "waiting": size, **figures,
        **({} if rest is None else {"cpu_share_without": rest / 1e6}),
        "start_s": time.monotonic() - start,
        "memory_kib": memory_kib(ours.pids),
        "files_mib": folder_octets(ours.data) / 2**20}, runs=runs)


def sizes_of(report):
    return report.amount(SIZES, (100, 1000))


def fill(report, section, ours, destinations):
    """Grows the queue from size to size, a row at each."""
    waiting = 0
    for size in sizes_of(report):
        ours.fill_queue(size - waiting, destinations,
                        report.amount(100, 10))
        waiting = size
        at_size(report, section, ours, size)


def measure_held(report):
    with Ours(report.build, settings={
            "queue.holds": True, "smtp.relay_from": "127.0.0.0/8"}) as ours:
        fill(report, "held", ours, report.amount(DESTINATIONS, 100))
        if "drain" in report.sections:
            measure_drain(report, ours)


def measure_drain(report, ours):
    """The files before, and when they have not become less for a while."""
    before = folder_octets(ours.data)
    start = time.monotonic()
    ours.ctl("queue", "delete", "all")
    took = time.monotonic() - start
    ours.empty_mailbox("demo")  # what was accepted beside it
    least, since = folder_octets(ours.data), time.monotonic()
    while time.monotonic() - since < report.amount(20, 0.5):
        time.sleep(0.5)
        now = folder_octets(ours.data)
        if now < least:
            least, since = now, time.monotonic()
    report.row("drain", ours.name, {
        "before_mib": before / 2**20,
        "deleted_s": took, "after_mib": least / 2**20})


def measure_dead(report):
    destinations = report.amount(DESTINATIONS, 100)
    with contextlib.ExitStack() as stack:
        living = stack.enter_context(Discard(
            report.build, "smtp", "127.1.0.0", destinations // 100,
            free_port()))
        ours = stack.enter_context(Ours(report.build, settings={
            "smtp.relay_from": "127.0.0.0/8",
            "delivery.port": living.smtp_port}))
        fill(report, "dead", ours, destinations)


def state(ours):
    return {"memory_kib": memory_kib(ours.pids),
            "descriptors": len(os.listdir(f"/proc/{ours.pid}/fd")),
            "files_mib": folder_octets(ours.data) / 2**20}


def measure_soak(report):
    first, whole = report.amount(SOAK_FIRST, 100), report.amount(SOAK, 300)
    with contextlib.ExitStack() as stack:
        sink = stack.enter_context(Discard(report.build, "smtp"))
        ours = stack.enter_context(Ours(report.build, settings={
            "smtp.relay_from": "127.0.0.0/8", "smarthost.host": "127.0.0.1",
            "smarthost.port": sink.smtp_port, "smarthost.tls": "off"}))
        sent = 0
        for wanted in (first, whole):
            start = time.monotonic()
            with Counted(ours.pids) as counted:
                generate(report.build, "smtp_load", "-m", "group", "127.0.0.1",
                         ours.port("submission"), "x@far.test", SENDERS,
                         wanted - sent, OCTETS)
                wait_for(lambda: sink.count >= wanted, 3600,
                         what="all messages at the sink")
            took = time.monotonic() - start
            report.row("soak", ours.name, {
                "messages": wanted, "rate": (wanted - sent) / took,
                **counted.each(wanted - sent), **state(ours)})
            sent = wanted


def main():
    with Report("growth", ["held", "drain", "dead", "soak"]) as report:
        if {"held", "drain"} & set(report.sections):
            measure_held(report)
        if "dead" in report.sections:
            measure_dead(report)
        if "soak" in report.sections:
            measure_soak(report)


if __name__ == "__main__":
    main()
