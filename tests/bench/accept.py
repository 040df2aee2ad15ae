"""Messages accepted a second, mailmod and Postfix by turns on the same disk.

usage: python3 accept.py BUILD [ROUNDS]      as root, for Postfix's sake

Ten senders, 4 KiB messages, every one durable before its 250; the envelope in
one piece (PIPELINING) and command by command. In each round both servers take
the same load, the one that begins changes, and Postfix has delivered what it
queued before the other one's turn comes. Prints each run (rate, time from the
final dot to the 250, syncs a message where perf is there), the ratio of each
pair and their median, and the memory at the end of the last run. A benchmark
judges nothing: no exit code but for what failed to run.
"""
import os
import sys
import time

from peers import POSTFIX, Syncs, family, generate, memory_kib, summary
from harness import Daemon, Skip
from test_labs import Postfix

SENDERS, MESSAGES, OCTETS = 10, 4000, 4096


class Ours:
    name = "mailmod"
    recipient = "demo@mail.test"

    def __init__(self, daemon):
        self.port = daemon.port("smtp")
        self.pid = daemon.process.pid

    def is_ours(self, _name, pid):
        return pid == self.pid

    def drain(self):
        """Accepted is delivered: nothing is left to do."""


class Theirs:
    name = "Postfix"
    recipient = "alice@dest.test"

    def __init__(self, postfix):
        self.port = postfix.port
        self.queue = f"{postfix.folder}/postfix/queue"
        with open(f"{self.queue}/pid/master.pid", encoding="ascii") as f:
            self.pid = int(f.read())

    def is_ours(self, name, _pid):
        return name in POSTFIX

    def drain(self):
        while any(files for place in ("incoming", "active", "maildrop")
                  for _, _, files in os.walk(f"{self.queue}/{place}")):
            time.sleep(0.1)


def run(build, server, is_pipelined):
    with Syncs() as syncs:
        figures = generate(
            build, "smtp_load", "127.0.0.1", server.port, server.recipient,
            SENDERS, MESSAGES, OCTETS, is_pipelined, wrap=syncs.wrap)
        memory = memory_kib(family(server.pid))
        # To the mailbox: what a server has put off until later counts too.
        start = time.monotonic()
        server.drain()
        whole = figures["seconds"] + time.monotonic() - start
        count = syncs.count(server.is_ours)
    counted = "not counted" if count is None else \
        f"{count / figures['messages']:.2f}"
    print(f"  {server.name:8} {figures['rate']:7.0f}/s accepted "
          f"({figures['messages'] / whole:.0f}/s with delivery), dot to 250 "
          f"{figures['median_ms']:.2f} ms median {figures['p99_ms']:.2f} ms "
          f"99th, syncs a message {counted}, {memory} KiB", flush=True)
    return figures["rate"]


def main(build, rounds):
    settings = {"general.log_level": "warning"}
    with Daemon(build, settings=settings) as daemon:
        servers = [Ours(daemon)]
        try:
            postfix = Postfix()
            servers.append(Theirs(postfix))
        except Skip as reason:
            print(f"Postfix is left out: {reason}")
            postfix = None
        try:
            for is_pipelined in (1, 0):
                print("PIPELINING" if is_pipelined else "command by command")
                pairs = []
                for turn in range(rounds):
                    order = servers if turn % 2 == 0 else servers[::-1]
                    rates = {s.name: run(build, s, is_pipelined)
                             for s in order}
                    pairs.append((rates["mailmod"], rates.get("Postfix")))
                summary("accepted", pairs)
        finally:
            if postfix:
                postfix.__exit__()


if __name__ == "__main__":
    main(os.path.abspath(sys.argv[1]),
         int(sys.argv[2]) if len(sys.argv) > 2 else 4)
