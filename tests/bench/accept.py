"""Messages accepted, every one durable before its 250.

usage: python3 accept.py BUILD [--small] [--rounds N] [--only SECTION,...]
       as root, for perf's and Postfix's sake

4 KiB messages for a local mailbox, by turns to mailmodd, to two servers that
discard all (the floor: ours with one epoll, and Postfix's smtp-sink) and to
Postfix. Sections: each, ten senders with a connection a message; kept10 and
kept50, that many with their connections kept; group, ten with the envelope in
one piece; bdat, ten with envelope and message in one piece; syncs, how many
syncs a message 200 senders leave; slow, 100 senders with 5 ms added to each
sync of both. Postfix's figures go on until all is in the mailbox.
"""
import contextlib
import os
import shutil
import time

from measure import Counted, Report, generate, memory_kib, program
from peers import Discard, Ours, Postfix, SmtpSink, with_peers

OCTETS = 4096
# What the generator is told, the senders, and who stands beside.
SECTIONS = {
    "each": (("-k", 1, "-m", "commands"), 10),
    "kept10": (("-m", "commands"), 10),
    "kept50": (("-m", "commands"), 50),
    "group": (("-m", "group"), 10),
    "bdat": (("-m", "bdat"), 10),
}
SLOW_US = 5000


def accept(report, server, options, senders, messages):
    count = max(int(messages * server.share), senders)
    with Counted(server.pids) as counted:
        start = time.monotonic()
        load = generate(report.build, "smtp_load", *options, "127.0.0.1",
                        server.smtp_port, server.recipient, senders, count,
                        OCTETS)
        waited = time.monotonic()
        server.drain()
        done = time.monotonic()
    count = load["messages"]
    return {"rate": load["rate"],
            "delivered_rate": count / (load["seconds"] + done - waited),
            **counted.each(count), "median_ms": load["median_ms"],
            "p99_ms": load["p99_ms"],
            "memory_kib": memory_kib(server.pids)}


def measure_forms(report):
    messages = report.amount(6000, 100)
    wanted = [name for name in SECTIONS if name in report.sections]
    if not wanted:
        return
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(Ours(report.build)),
                   stack.enter_context(Discard(report.build, "smtp"))]
        servers += with_peers(report, stack, SmtpSink, Postfix)
        for name in wanted:
            options, senders = SECTIONS[name]
            # smtp-sink does not know BDAT.
            able = [s for s in servers if name != "bdat"
                    or s.name != "smtp-sink"]
            report.pairs(name, able, lambda server: accept(
                report, server, options, senders, messages), "rate")


def measure_syncs(report):
    senders = report.amount(200, 20)
    with Ours(report.build) as ours:
        for form in ("commands", "bdat"):
            report.pairs("syncs", [ours], lambda server: accept(
                report, server, ("-m", form), senders,
                report.amount(20000, 200)), "rate", form)


def measure_slow(report):
    """Both with the same library between them and the disk."""
    senders = report.amount(100, 10)
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(contextlib.closing(Folder()))
        library = shutil.copy(program(report.build, "libslow_sync.so"),
                              folder.path)
        os.chmod(library, 0o755)
        os.environ["SLOW_SYNC_US"] = str(SLOW_US)
        os.environ["LD_PRELOAD"] = library
        try:
            servers = [stack.enter_context(Ours(report.build))]
        finally:
            del os.environ["LD_PRELOAD"]
        servers += with_peers(report, stack, lambda: Postfix(
            f"import_environment=LD_PRELOAD={library} "
            f"SLOW_SYNC_US={SLOW_US} MAIL_CONFIG TZ"))
        report.pairs("slow", servers, lambda server: accept(
            report, server, ("-m", "commands"), senders,
            report.amount(10000, 100)), "delivered_rate")


class Folder:
    """A folder that others may read."""

    def __init__(self):
        self.path = os.path.realpath(f"/tmp/mmslow{os.getpid()}")
        os.mkdir(self.path, 0o755)

    def close(self):
        shutil.rmtree(self.path)


def main():
    with Report("accept", [*SECTIONS, "syncs", "slow"]) as report:
        measure_forms(report)
        if "syncs" in report.sections:
            measure_syncs(report)
        if "slow" in report.sections:
            measure_slow(report)


if __name__ == "__main__":
    main()
