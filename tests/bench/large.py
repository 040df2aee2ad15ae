"""A message of 50 MB, in and out.

usage: python3 large.py BUILD [--small] [--rounds N] [--only SECTION,...]

By turns mailmodd and a server that reads the same octets from the socket,
writes each piece to a file and syncs the file once before its 250: what any
server must do at least. Sections: data, in by DATA; bdat, in by BDAT; retr, out
by POP3, beside the same bare write. Rates in MB a second; memory is the most
that the process had resident beyond what it had before.
"""
import contextlib

from measure import (Counted, Report, forget_peak, generate, memory_kib,
                     peak_kib)
from peers import Discard, Ours

OCTETS = 50 * 10**6
USER = "demo"


def rated(server, octets, run):
    forget_peak(server.pids[0])
    before = memory_kib(server.pids, "Rss")
    with Counted(server.pids) as counted:
        load = run()
    megabytes = octets * load["messages"] / 1e6
    return {"rate": megabytes / load["seconds"],
            **{f"{key}_mb": value
               for key, value in counted.each(megabytes).items()},
            "beyond_kib": peak_kib(server.pids[0]) - before}


def main():
    with Report("large", ["data", "bdat", "retr"]) as report, \
            contextlib.ExitStack() as stack:
        ours = stack.enter_context(Ours(report.build, settings={
            "smtp.message_size_max": "64M"}))
        bare = stack.enter_context(Discard(report.build, "write"))
        octets = report.amount(OCTETS, 10**6)
        count = report.amount(6, 2)

        def put(server, form):
            return rated(server, octets, lambda: generate(
                report.build, "smtp_load", "-m", form, "127.0.0.1",
                server.smtp_port, server.recipient, 1, count, octets))

        def get(server):
            if server is bare:
                return put(server, "commands")
            return rated(server, octets, lambda: generate(
                report.build, "pop3_load", "127.0.0.1", ours.pop3_port, USER,
                ours.password, 1, 1, "retr"))
        for section, form in (("data", "commands"), ("bdat", "bdat")):
            if section in report.sections:
                report.pairs(section, [ours, bare],
                             lambda server: put(server, form), "rate")
        if "retr" in report.sections:
            put(ours, "commands")
            report.pairs("retr", [ours, bare], get, "rate")


if __name__ == "__main__":
    main()
