"""EHLO and CAPA are promises: what a configuration offers is what it keeps.

Each configuration that changes what is offered is started, and each state of a
session in it is asked what it offers. For each keyword there the case of that
keyword runs, with the keyword's own parameters: a number is tried on both sides
of its boundary. A keyword without a case fails, and so does a case whose
keyword nothing offers. What a state does not offer must be refused there, with
the code that its RFC gives. The cases are promises_smtp.py's and
promises_pop3.py's.
"""
import os
import time

import promises_pop3
import promises_smtp
from dnsserver import NameServer
from harness import Daemon, Wire, main, need_posix
from sink import Sink

# Those that a host program alone can offer: host.requests has their logins.
OF_HOSTS = {"AUTH OAUTHBEARER", "AUTH XOAUTH2", "AUTH EXTERNAL",
            "SASL OAUTHBEARER", "SASL XOAUTH2", "SASL EXTERNAL"}
DAY = 86400


def try_it(told, function, *arguments):
    try:
        function(*arguments)
    except Exception as error:
        raise AssertionError(f"{told}: {error!r}") from error


def run_stages(module, world, only=None):
    """All that the states of one configuration offer, and do not; or `only` one
    keyword, where the setting that it stands for is in the others' way."""
    offered = set()
    tried = set()  # what does not depend on the state, once a service's kind
    for stage in module.stages(world):
        promised = module.offers(stage)
        names = {name: parameters for keyword, parameters in promised.items()
                 for name in module.names_of(keyword, parameters)}
        unknown = set(names) - set(module.CASES)
        assert not unknown, f"{stage}: no case for {unknown}"
        assert not only or only in names, f"{stage}: no {only}"
        for name in [only] if only else names:
            kind = (name, stage.service[:6])
            if kind not in tried or module.is_of_state(name):
                try_it(f"{stage}: {name} {' '.join(names[name])}",
                       module.CASES[name], stage, names[name])
            tried.add(kind)
            offered.add(name)
        for name in () if only else set(module.REFUSALS) - set(names):
            try_it(f"{stage}: not {name}", module.REFUSALS[name], stage,
                   promised)
        for way in list(stage.shared_by):
            stage.leave(way)
    return offered


def old_maildir(folder, days):
    """A Maildir with a message that is old enough to expire after so many
    days, one that is not quite, and one of today."""
    new = os.path.join(folder, "new")
    for name in ("cur", "tmp", "new"):
        os.makedirs(os.path.join(folder, name))
    for subject, age in (("old", days * DAY + 3600),
                         ("young", days * DAY - 3600), ("today", 0)):
        then = int(time.time() - age)
        path = os.path.join(new, f"{then}.M1P{age}.host")
        with open(path, "wb") as file:
            file.write(b"Subject: %s\r\n\r\nx\r\n" % subject.encode())
        os.utime(path, (then, then))


def plain(build):
    return Daemon(build, users=promises_pop3.USERS)


RECORDS = {("node.test", "MX"): ["10 mx.node.test"],
           ("mx.node.test", "A"): ["127.0.0.43"]}


def all_on(build, dns, sink):
    return Daemon(build, users=promises_pop3.USERS, settings={
        "smtp.message_size_max": 5000, "smtp.allows_clear_auth": True,
        "smtp.etrn_from": "127.0.0.0/8", "local.keeps_apop_passwords": True,
        "local.cram_md5": True, "dns.servers": f"127.0.0.1:{dns.port}",
        "delivery.port": sink.port,
        "pop3.allows_clear_login": True, "pop3.multi_line_ind": True,
        "pop3.core": True, "pop3.refr": True})


def all_off(build, folder):
    return Daemon(build, users=promises_pop3.USERS, settings={
        "pop3.apop": False, "pop3.uid_param": False, "pop3.deli": False,
        "pop3.sleep": False, "pop3.qaut": False, "pop3.xlog": False,
        "pop3.expire_days": 3, "local.maildirs": f"three:{folder}"})


# Settings that are in the way of the other cases.
ALONE = {"LOGIN-DELAY": {"pop3.login_delay": "1s"},
         "EXPIRE 0": {"pop3.expires_retrieved": True}}


def test_promises(build):
    """Every keyword that is offered anywhere."""
    need_posix(build, "a Maildir of an older day")
    offered = {promises_smtp: set(), promises_pop3: set()}

    def run(daemon, **more):
        for module in (promises_smtp, promises_pop3):
            world = module.World(daemon, **more)
            offered[module] |= run_stages(module, world)

    with plain(build) as daemon:
        run(daemon)
    with NameServer(RECORDS) as dns, Sink(host="127.0.0.43") as sink, \
            all_on(build, dns, sink) as daemon:
        run(daemon, sink=sink)
    with plain(build) as spare:  # its folder has room for a Maildir
        spare.stop()
        folder = os.path.join(spare.folder, "three")
        old_maildir(folder, 3)
        with all_off(build, folder) as daemon:
            run(daemon)
    for name, settings in ALONE.items():
        with Daemon(build, users=promises_pop3.USERS,
                    settings=settings) as daemon:
            world = promises_pop3.World(daemon)
            offered[promises_pop3] |= run_stages(promises_pop3, world, name)
    for module, found in offered.items():
        missing = set(module.CASES) - found - OF_HOSTS
        assert not missing, f"{module.__name__}: nothing offers {missing}"


def test_behind_a_proxy(build):
    """A PROXY header changes whose session it is, and nothing of the offer."""
    def hello(daemon, header):
        with Wire(daemon.port("smtp")) as wire:
            wire.send(header)
            wire.reply()
            return wire.ask("EHLO c.test")

    with Daemon(build) as daemon:
        straight = hello(daemon, b"")
    with Daemon(build, settings={"general.proxy_from": "127.0.0.0/8",
                                 "smtp.etrn_from": "127.0.0.0/8"}) as daemon:
        header = b"PROXY TCP4 192.0.2.1 192.0.2.2 1 25\r\n"
        assert hello(daemon, header) == straight
        # Sendmail's and Postfix's way to say whose session it is: neither is
        # offered, so neither is known.
        for verb in ("XCLIENT ADDR=192.0.2.1", "XFORWARD ADDR=192.0.2.1"):
            with Wire(daemon.port("smtp")) as wire:
                wire.send(header)
                wire.reply()
                wire.ask("EHLO c.test")
                reply = wire.ask(verb)
                assert reply.startswith("500 5.5.1"), (verb, reply)


main(__name__, test_promises, test_behind_a_proxy)
