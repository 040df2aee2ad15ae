"""Mail to and from Postfix, and the lab's many clients.

The lab's scripts are not part of the project: MAILMOD_LABS names their folder,
by default ../shared/labs beside the source. Without them, without root or
without the programs the tests are skipped, aloud.

Courier's POP3 server needs no script. Its Debian package is at odds with those
of the others (dovecot-pop3d, mailutils-pop3d): MAILMOD_COURIER names a folder
where courier-pop, courier-base, courier-authlib and libcourier-unicode4 are
unpacked (dpkg -x); without it the installed one is taken.
"""
import contextlib
import os
import poplib
import re
import subprocess
import tempfile

from harness import SOURCE, Daemon, Skip, free_port, main, wait_for
from listener import Listener
from sink import Sink

LABS = os.environ.get(
    "MAILMOD_LABS",
    os.path.join(os.path.dirname(SOURCE), "shared", "labs"))
# With all the fields that Postfix would add, so that nothing may differ.
BODY = (b"From: a@mail.test\r\nDate: Sat, 21 Nov 2026 08:22:23 +0000\r\n"
        b"Message-Id: <1@mail.test>\r\nTo: x@y.test\r\n"
        b"Subject: octets\r\n\r\n.\r\n..two\r\n"
        b"long " + b"z" * 900 + b"\r\n8-bit \xe4\xf6\xfc\r\n\r\nlast")


def lab(script):
    path = os.path.join(LABS, script)
    if not os.path.isfile(path):
        raise Skip(f"no lab scripts in {LABS}")
    if os.geteuid() != 0:
        raise Skip("the lab's servers need root")
    return path


class Postfix:
    """The lab's Postfix on ports of its own, with mailboxes of dest.test."""

    def __init__(self, **environment):
        if not os.path.exists("/usr/sbin/postfix"):
            raise Skip("postfix is not installed")
        self.script = lab("ref_postfix.sh")
        # A short path: Postfix refuses sockets with long ones.
        self.folder = tempfile.mkdtemp(prefix="mmlab", dir="/tmp")
        os.chmod(self.folder, 0o755)
        self.port = free_port()
        self.environment = dict(
            os.environ, LAB_RUN=self.folder, SMTP_PORT=str(self.port),
            SUBM_PORT=str(free_port()), SMTPS_PORT=str(free_port()),
            **environment)
        self.run("start")

    def run(self, word):
        done = subprocess.run(["bash", self.script, word],
                              env=self.environment, capture_output=True,
                              text=True, timeout=120)
        if done.returncode != 0:
            raise Skip(f"Postfix did not {word}: {done.stderr[-500:]}")

    def mail(self, user="alice"):
        folder = f"{self.folder}/postfix/mail/{user}/new"
        if not os.path.isdir(folder):
            return []
        found = []
        for name in sorted(os.listdir(folder)):
            with open(os.path.join(folder, name), "rb") as f:
                found.append(f.read())
        return found

    def __enter__(self):
        return self

    def __exit__(self, *rest):
        self.run("stop")
        subprocess.run(["rm", "-rf", self.folder], check=False)


def box_at(port):
    """(unique id, octets) of all that lies there for alice."""
    box = poplib.POP3("127.0.0.1", port, timeout=120)
    box.user("alice")
    box.pass_("sesame1")
    ids = [line.split()[1] for line in box.uidl()[1]]
    texts = [b"\r\n".join(box.retr(i + 1)[1]) + b"\r\n"
             for i in range(len(ids))]
    box.quit()
    return list(zip(ids, texts))


class Courier(Listener):
    """Courier's POP3 server on a Maildir of its own.

    The login is ours: Courier's asks a daemon with a fixed place in the system.
    What comes after it is courierpop3d's, on the connection itself.
    """
    tls = "off"

    def __init__(self, count=12):
        root = os.environ.get("MAILMOD_COURIER", "/")
        self.program = os.path.join(root, "usr/lib/courier/courier/courierpop3d")
        if not os.path.exists(self.program):
            raise Skip(f"{self.program} is not there: courier-pop is not "
                       "installed, or unpacked in MAILMOD_COURIER")
        self.environment = dict(os.environ, AUTHENTICATED="alice")
        if root != "/":
            self.environment["LD_LIBRARY_PATH"] = ":".join(
                os.path.join(root, place) for place in
                ("usr/lib", "usr/lib/x86_64-linux-gnu"))
        self.folder = tempfile.mkdtemp(prefix="mmlab", dir="/tmp")
        for place in ("cur", "new", "tmp"):
            os.mkdir(os.path.join(self.folder, place))
        for i in range(count):
            self.add(i)
        super().__init__()

    def add(self, number):
        body = {1: b".\n..\n.dot\n\n.\n", 3: b"x" * 990 + b"\n",
                5: b"line\n" * 40000, 7: b"\xe4\xf6\xfc\n", 8: b"",
                9: b"no end"}.get(number, b"body\n")
        name = f"{1700000000 + number}.M{number}.lab"
        with open(os.path.join(self.folder, "new", name), "wb") as file:
            file.write(b"From: s@example.org\nTo: alice@example.net\n"
                       b"Subject: seed %d\n\n" % number + body)

    def talk(self, peer):
        peer.sendall(b"+OK Hello there.\r\n")
        if self.log_in(peer):
            subprocess.run([self.program, self.folder], stdin=peer,
                           stdout=peer, stderr=subprocess.DEVNULL,
                           env=self.environment, timeout=120, check=False)

    @staticmethod
    def log_in(peer):
        with peer.makefile("rb", 0) as lines:  # no octet more than it is asked
            for said in lines:
                if said == b"PASS sesame1\r\n":
                    return True
                peer.sendall({
                    b"CAPA": b"+OK\r\nUSER\r\nTOP\r\nUIDL\r\n.\r\n",
                    b"USER": b"+OK Password required.\r\n",
                    b"PASS": b"-ERR Login failed.\r\n",
                    b"QUIT": b"+OK Better luck next time.\r\n",
                }.get(said[:4], b"-ERR Invalid command.\r\n"))
                if said[:4] == b"QUIT":
                    break
        return False

    def box(self):
        return box_at(self.port)

    def close(self):
        super().close()
        subprocess.run(["rm", "-rf", self.folder], check=False)


class Pop:
    """One of the lab's POP3 servers, with `count` awkward messages."""
    tls = "must"

    def __init__(self, script, binary, count=12):
        if not os.path.exists(binary):
            raise Skip(f"{binary} is not installed")
        self.script = lab(script)
        self.folder = tempfile.mkdtemp(prefix="mmlab", dir="/tmp")
        os.chmod(self.folder, 0o755)
        self.port = free_port()
        self.environment = dict(os.environ, LAB_RUN=self.folder,
                                POP3_PORT=str(self.port),
                                POP3S_PORT=str(free_port()))
        self.run("start")
        self.run("seed", str(count))

    def run(self, *words):
        # Its output is a file: who it leaves behind keeps no pipe of ours open.
        with open(self.folder + "/said", "w+b") as said:
            done = subprocess.run(["bash", self.script, *words],
                                  env=self.environment, stdout=said,
                                  stderr=said, timeout=120)
            said.seek(0)
            words_said = said.read()[-500:]
        if done.returncode != 0:
            raise Skip(f"{self.script} did not {words[0]}: {words_said}")

    def box(self):
        return box_at(self.port)

    def __enter__(self):
        return self

    def __exit__(self, *rest):
        self.run("stop")
        subprocess.run(["rm", "-rf", self.folder], check=False)


def fetch_from(build, server, is_whole=True):
    """Octet for octet, once, with the unique ids; then deleted there (T-160 to
    T-162)."""
    with server as pop:
        words = (f"host=127.0.0.1 port={pop.port} user=alice to=demo "
                 f"tls={pop.tls} verify=no interval=0 keep_uidl")
        with Daemon(build, settings={"fetch.accounts": [
                f"name=keeps {words} password=sesame1",
                f"name=wrong {words} password=sesame2",
                f"name=moves {words} delete password=sesame1"]}) as daemon:
            theirs = pop.box()
            assert len(theirs) == 12, len(theirs)

            def visit(name):
                after = len(daemon.lines)
                daemon.ctl("fetch", "run", name)
                return daemon.wait_log(r"fetch: fetch(ed|ing failed).*account="
                                       + name, after=after)
            visit("wrong")
            assert daemon.messages() == []
            visit("keeps")
            ours = daemon.messages()
            assert len(ours) == 12
            for (_, text), mine in zip(theirs, ours):
                # GNU pop3d writes into the header when a mailbox is read.
                for part in (text.partition(b"\r\n\r\n")[2],
                             re.search(rb"(?m)^Subject: .*\r$", text)[0]):
                    assert part in mine, (text[:300], mine[:600])
                assert mine.endswith(text) or not is_whole
            box = daemon.pop3()
            assert [line.split()[1] for line in box.uidl()[1]] == [
                uid for uid, _ in theirs]
            box.quit()
            visit("keeps")
            assert len(daemon.messages()) == 12
            visit("moves")
            assert len(daemon.messages()) == 24
            assert pop.box() == []


def test_fetch_from_dovecot(build):
    fetch_from(build, Pop("ref_dovecot.sh", "/usr/lib/dovecot/pop3"))


def test_fetch_from_gnu_pop3d(build):
    fetch_from(build, Pop("ref_gnupop3d.sh", "/usr/sbin/pop3d"),
               is_whole=False)


def test_fetch_from_courier(build):
    fetch_from(build, Courier())


def test_to_postfix(build):
    with Postfix() as postfix, Daemon(build, settings={
            "smarthost.host": "127.0.0.1", "smarthost.port": postfix.port,
            "smarthost.tls": "may", "smarthost.verifies": False,
            "smtp.relay_from": "127.0.0.0/8"}) as daemon:
        with daemon.smtp("submission", local_hostname="c.test") as smtp:
            smtp.sendmail("demo@mail.test",
                          ["alice@dest.test", "nosuch@dest.test"], BODY,
                          mail_options=["BODY=8BITMIME"])
        mail = wait_for(postfix.mail, what="mail at Postfix")[0]
        # Maildir has the system's line ends; DATA ends every last line.
        assert mail.endswith(BODY.replace(b"\r\n", b"\n") + b"\n"), mail
        report = wait_for(daemon.messages, what="the report")[0]
        assert b"nosuch@dest.test" in report and b"5.1.1" in report


def test_from_postfix(build):
    with Daemon(build) as daemon:
        with Postfix(RELAYHOST=f"[127.0.0.1]:{daemon.port('smtp')}") \
                as postfix:
            subprocess.run(
                ["/usr/sbin/sendmail", "-C", f"{postfix.folder}/postfix/etc",
                 "-i", "-B", "8BITMIME", "-f", "a@client.test",
                 "demo@mail.test"],
                input=BODY.replace(b"\r\n", b"\n"), check=True, timeout=120,
                env=postfix.environment)
            message = wait_for(daemon.messages, what="mail from Postfix")[0]
            assert message.endswith(BODY + b"\r\n"), message


# The lab's zones (lab.test, fault.test): what must come of mail to each.
DNS_CASES = {
    "order.lab.test": "delivered", "equal.lab.test": "delivered",
    "firstdead.lab.test": "delivered", "multia.lab.test": "delivered",
    "nullmx.lab.test": "5.1.10", "aonly.lab.test": "delivered",
    "aaaaonly.lab.test": "delivered", "v6mx.lab.test": "delivered",
    "dualmx.lab.test": "delivered", "alias.lab.test": "delivered",
    "chain1.lab.test": "delivered", "dangling.lab.test": "5.1.2",
    "mxtocname.lab.test": "delivered", "mxmixed.lab.test": "delivered",
    "self.lab.test": "delivered", "selffirst.lab.test": "5.4.6",
    "pref.lab.test": "delivered", "any.wild.lab.test": "delivered",
    "mxservfail.lab.test": "delivered", "nowhere.lab.test": "5.1.2",
    "ok.fault.test": "delivered", "nxdomain.fault.test": "5.1.2",
    "servfail.fault.test": "deferred", "refused.fault.test": "deferred",
    "formerr.fault.test": "deferred", "timeout.fault.test": "deferred",
    "garbage.fault.test": "deferred", "loop1.lab.test": "deferred",
    "wrongid.fault.test": "deferred", "half.fault.test": "deferred",
}


class NameServers:
    """The lab's unbound, nsd and fault server."""

    def __init__(self):
        self.script = lab("dns_lab.sh")
        for program in ("unbound", "nsd", "rbldnsd", "ldns-keygen"):
            if not any(os.path.exists(f"{d}/{program}")
                       for d in ("/usr/sbin", "/usr/bin")):
                raise Skip(f"{program} is not installed")
        self.folder = tempfile.mkdtemp(prefix="mmdns", dir="/tmp")
        os.chmod(self.folder, 0o755)
        self.port = free_port()
        self.environment = dict(
            os.environ, LAB_RUN=self.folder, DNS_PORT=str(self.port),
            NSD_PORT=str(free_port()), FAULT_PORT=str(free_port()),
            RBL_PORT=str(free_port()))
        done = subprocess.run(["bash", self.script, "start"],
                              env=self.environment, capture_output=True,
                              text=True, timeout=120)
        if done.returncode != 0:
            raise Skip(f"the DNS lab did not start: {done.stderr[-500:]}")

    def __enter__(self):
        return self

    def __exit__(self, *rest):
        subprocess.run(["bash", self.script, "stop"], check=False,
                       env=self.environment, capture_output=True, timeout=120)
        subprocess.run(["rm", "-rf", self.folder], check=False)


def test_name_servers(build):
    port = free_port()
    hosts = [f"127.0.0.{n}" for n in (11, 12, 13, 14)]
    with NameServers() as lab_dns, contextlib.ExitStack() as stack:
        sinks = [stack.enter_context(Sink(h, port)) for h in hosts]
        daemon = stack.enter_context(Daemon(build, host="me.lab.test",
                                            settings={
            "local.domains": "mail.test", "delivery.port": port,
            "dns.servers": f"127.0.0.1:{lab_dns.port}", "dns.timeout": "1s",
            "dns.tries": 2, "delivery.connect_timeout": "3s",
            "smtp.relay_from": "127.0.0.0/8", "queue.steps": "1h"}))
        with Sink6(port), daemon.smtp("submission",
                                      local_hostname="c.test") as smtp:
            for domain in DNS_CASES:
                smtp.sendmail("demo@mail.test", [f"u@{domain}"],
                              "Subject: x\r\n\r\nx\r\n")
            wrong = []
            for domain, outcome in DNS_CASES.items():
                line = daemon.wait_log(
                    rf"delivery: (delivered|deferred|failed) .*"
                    rf"recipient=u@{domain} .*", 120)[0]
                if outcome not in line.replace("delivery: failed", ""):
                    wrong.append((outcome, line))
        assert not wrong, "\n".join(map(str, wrong))
        assert len(sinks[0].messages) > 3


class Sink6(Sink):
    """The same on ::1."""

    def __init__(self, port):
        import socket
        import socketserver
        former = socketserver.ThreadingTCPServer.address_family
        socketserver.ThreadingTCPServer.address_family = socket.AF_INET6
        try:
            super().__init__("::1", port)
        finally:
            socketserver.ThreadingTCPServer.address_family = former


def summary(output):
    lines = [l for l in output.splitlines() if " passed, " in l]
    assert lines, output[-3000:]
    return lines[-1]


def test_smtp_clients(build):
    script = lab("clients_smtp.sh")
    # The lab's clients log in as demo and send as somebody else.
    with Daemon(build, host="localhost", settings={
            "local.domains": "dest.test, localhost",
            "smtp.sender_must_match": False}) as daemon:
        port = daemon.port
        done = subprocess.run(
            ["bash", script, "127.0.0.1", str(port("smtp")),
             "demo@dest.test", str(port("submission")), "demo", "secret",
             str(port("submissions"))],
            capture_output=True, text=True, timeout=500,
            env=dict(os.environ, LAB_RUN=tempfile.gettempdir() + "/lab-run",
                     CAFILE=daemon.settings["general.data_folder"] +
                     "/self-signed.crt", TLSHOST="localhost"))
        print(done.stdout[-4000:])
        assert ", 0 failed" in summary(done.stdout)


def test_pop3_clients(build):
    script = lab("clients_pop3.sh")
    with Daemon(build, host="localhost", users=(), start=False, settings={
            "pop3.allows_clear_login": True}) as daemon:
        daemon.add_user("demo", "secret", "--apop")
        daemon.start()
        with daemon.smtp(local_hostname="c.test") as smtp:
            for i in range(5):
                smtp.sendmail("a@c.test", ["demo@localhost"],
                              f"Subject: n{i}\r\nMessage-ID: <{i}@c.test>"
                              f"\r\n\r\n.\r\n..\r\nbody {i}\r\n")
        done = subprocess.run(
            ["bash", script, "127.0.0.1", str(daemon.port("pop3")), "demo",
             "secret", str(daemon.port("pop3s"))],
            capture_output=True, text=True, timeout=500,
            env=dict(os.environ, LAB_RUN=tempfile.gettempdir() + "/lab-run",
                     CAFILE=daemon.settings["general.data_folder"] +
                     "/self-signed.crt", TLSHOST="localhost"))
        print(done.stdout[-4000:])
        assert ", 0 failed" in summary(done.stdout)


main(__name__, test_fetch_from_dovecot, test_fetch_from_gnu_pop3d,
     test_fetch_from_courier,
     test_to_postfix, test_from_postfix, test_name_servers,
     test_smtp_clients,
     test_pop3_clients)
