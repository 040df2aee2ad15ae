"""Mailboxes served, mailmod and Dovecot by turns, the same mail in them.

usage: python3 pop3.py BUILD [--small] [--rounds N] [--only SECTION,...]
       as root, for perf's and Dovecot's sake

Mailboxes of a thousand 4 KiB messages, one a reader. Sections: login1 and
login16, sessions that log in, ask STAT and leave; list16, that list too; retr1
and retr16, that retrieve all; large, one mailbox of 100 000 messages: login
with STAT, and with UIDL besides. Beside both stands a server that lets
everybody in and reads nothing: where it is no faster, the generator is the
limit. Both have seen each mailbox once before.
"""
import contextlib

from measure import Counted, Report, generate, memory_kib
from peers import Discard, Dovecot, Ours, with_peers

READERS, MESSAGES, OCTETS = 16, 1000, 4096
LARGE = 100000
PASSWORD = "sesame1"
# Readers, the generator's mode, and sessions of one run.
SECTIONS = {"login1": (1, "login", 600), "login16": (16, "login", 1600),
            "list16": (16, "list", 480), "retr1": (1, "retr", 5),
            "retr16": (16, "retr", 32)}


def read(report, server, user, readers, mode, sessions):
    with Counted(server.pids) as counted:
        load = generate(report.build, "pop3_load", "127.0.0.1",
                        server.pop3_port, user, PASSWORD, readers, sessions,
                        mode)
    is_retr = mode == "retr"
    return {"rate": load["message_rate" if is_retr else "session_rate"],
            **counted.each(load["messages" if is_retr else "sessions"]),
            "login_median_ms": load["login_median_ms"],
            "login_p99_ms": load["login_p99_ms"],
            "memory_kib": memory_kib(server.pids)}


def measure_small(report):
    wanted = [name for name in SECTIONS if name in report.sections]
    if not wanted:
        return
    messages = report.amount(MESSAGES, 10)
    with contextlib.ExitStack() as stack:
        ours = stack.enter_context(Ours(
            report.build, users=[f"u{i}" for i in range(READERS)],
            password=PASSWORD))
        for i in range(READERS):
            ours.fill_mailbox(f"u{i}", messages, OCTETS)
        servers = [ours, stack.enter_context(
            Discard(report.build, "pop3", octets=OCTETS))]
        servers += with_peers(report, stack, lambda: Dovecot(
            READERS, PASSWORD, messages, OCTETS))
        for name in wanted:
            readers, mode, sessions = SECTIONS[name]
            # Discard's mailbox is not a small one in a small run.
            able = servers if not report.is_small or mode != "retr" \
                else [s for s in servers if not isinstance(s, Discard)]
            report.pairs(name, able, lambda server: read(
                report, server, "u%", readers, mode,
                report.amount(sessions, readers)), "rate")


def measure_large(report):
    messages = report.amount(LARGE, 300)
    with contextlib.ExitStack() as stack:
        ours = stack.enter_context(Ours(report.build, users=["u0"],
                                        password=PASSWORD))
        ours.fill_mailbox("u0", messages, 1024)
        servers = [ours] + with_peers(report, stack, lambda: Dovecot(
            1, PASSWORD, messages, 1024))
        for mode in ("login", "uidl"):
            report.pairs("large", servers, lambda server: read(
                report, server, "u0", 1, mode, report.amount(5, 1)), "rate",
                mode)


def main():
    with Report("pop3", [*SECTIONS, "large"]) as report:
        measure_small(report)
        if "large" in report.sections:
            measure_large(report)


if __name__ == "__main__":
    main()
