"""Real clients of other hands against the daemon: each sends or fetches.

swaks, curl, msmtp, mpop and Python's own, over every service, mechanism and
kind of TLS that they speak. One that is not installed is skipped aloud.
"""
import os
import poplib
import smtplib
import subprocess
import tempfile

from harness import Daemon, Wire, insecure_tls, main, need, wait_for

USER, PASSWORD = "demo", "secret"


def run(*words, stdin=None, **more):
    done = subprocess.run(words, input=stdin, capture_output=True, text=True,
                          timeout=120, **more)
    assert done.returncode == 0, (words, done.stdout[-2000:],
                                  done.stderr[-2000:])
    return done.stdout


def arrived(daemon, mark):
    return wait_for(lambda: [m for m in daemon.messages()
                             if mark.encode() in m], what=f"mail {mark}")


def test_swaks(build):
    need("swaks")
    with Daemon(build) as daemon:
        def send(service, mark, *more):
            run("swaks", "--server", f"127.0.0.1:{daemon.port(service)}",
                "--from", "demo@mail.test", "--to", "demo@mail.test",
                "--header", f"Subject: {mark}", "--helo", "c.test", *more)
            arrived(daemon, mark)
        login = ("--auth-user", USER, "--auth-password", PASSWORD)
        send("smtp", "plain-25")
        send("smtp", "tls-25", "-tls")
        for mechanism in ("PLAIN", "LOGIN"):
            send("submission", f"{mechanism}-587", "-tls", "--auth",
                 mechanism, *login)
        send("submissions", "465", "--tls-on-connect", "--auth", "PLAIN",
             *login)
        refused = subprocess.run(
            ["swaks", "--server", f"127.0.0.1:{daemon.port('submission')}",
             "-tls", "--auth", "PLAIN", "--auth-user", USER,
             "--auth-password", "wrong", "--to", "demo@mail.test"],
            capture_output=True, text=True, timeout=120)
        assert refused.returncode != 0 and "535" in refused.stdout


def test_curl(build):
    need("curl")
    with Daemon(build) as daemon, tempfile.TemporaryDirectory() as folder:
        mail = os.path.join(folder, "mail")
        with open(mail, "w", encoding="ascii", newline="") as f:
            f.write("From: demo@mail.test\r\nSubject: by-curl\r\n\r\n.\r\n")
        to = ("--mail-from", "demo@mail.test", "--mail-rcpt",
              "demo@mail.test", "-T", mail, "-sS", "-k")
        run("curl", f"smtp://127.0.0.1:{daemon.port('smtp')}/c.test", *to)
        for auth in ("PLAIN", "LOGIN"):
            options = ("--login-options", f"AUTH={auth}", "-u",
                       f"{USER}:{PASSWORD}")
            run("curl", "--ssl-reqd", *options, *to,
                f"smtp://127.0.0.1:{daemon.port('submission')}/c.test")
            run("curl", *options, *to,
                f"smtps://127.0.0.1:{daemon.port('submissions')}/c.test")
        login = ("-sS", "-k", "-u", f"{USER}:{PASSWORD}")
        pop3s = f"pop3s://127.0.0.1:{daemon.port('pop3s')}"
        listing = run("curl", *login, pop3s + "/").split()
        assert listing[::2] == [str(i) for i in range(1, 6)], listing
        assert "Subject: by-curl" in run("curl", *login, pop3s + "/1")
        for auth in ("PLAIN",):
            run("curl", "--ssl-reqd", "--login-options", f"AUTH={auth}",
                *login, f"pop3://127.0.0.1:{daemon.port('pop3')}/")


def test_smtplib_and_poplib(build):
    with Daemon(build) as daemon:
        for mechanism in ("auth_plain", "auth_login"):
            with daemon.smtp("submission", local_hostname="c.test") as smtp:
                smtp.starttls(context=insecure_tls())
                smtp.ehlo()
                smtp.user, smtp.password = USER, PASSWORD
                name = mechanism[5:].upper()
                smtp.auth(name, getattr(smtp, mechanism))
                smtp.sendmail("demo@mail.test", ["demo@mail.test"],
                              f"Subject: {mechanism}\r\n\r\nx\r\n")
        try:
            with daemon.smtp("submissions") as smtp:
                smtp.login(USER, "wrong")
            raise AssertionError("a wrong password was taken")
        except smtplib.SMTPAuthenticationError as error:
            assert error.smtp_code == 535
        box = daemon.pop3(service="pop3")
        assert len(box.uidl()[1]) == 2
        assert b"Subject: auth_plain" in b"\n".join(box.top(1, 0)[1])
        box.rset()
        box.quit()
        try:
            daemon.pop3(password="wrong")
            raise AssertionError("a wrong password was taken")
        except poplib.error_proto as error:
            assert b"[AUTH]" in error.args[0]


def test_apop(build):
    with Daemon(build, users=()) as daemon:
        daemon.add_user("anna", "apple", "--apop")
        daemon.add_user("otto", "orange")
        daemon.stop()
        daemon.settings["pop3.allows_clear_login"] = True
        daemon.start()

        def login(user, password):
            box = poplib.POP3("127.0.0.1", daemon.port("pop3"), timeout=120)
            box.apop(user, password)
            box.quit()
        login("anna", "apple")
        for user, password in (("anna", "wrong"), ("otto", "orange"),
                               ("nobody", "x")):
            try:
                login(user, password)
                raise AssertionError(f"APOP let {user} in")
            except poplib.error_proto as error:
                assert b"[AUTH]" in error.args[0], error


def test_msmtp_and_mpop(build):
    need("msmtp")
    need("mpop")
    with Daemon(build) as daemon, tempfile.TemporaryDirectory() as folder:
        config = os.path.join(folder, "rc")
        for auth in ("plain", "login", "scram-sha-256"):
            with open(config, "w", encoding="ascii") as f:
                f.write(f"""account out
host 127.0.0.1
port {daemon.port("submission")}
tls on
tls_certcheck off
auth {auth}
user {USER}
password {PASSWORD}
from demo@mail.test
""")
            os.chmod(config, 0o600)
            run("msmtp", "-C", config, "-a", "out", "demo@mail.test",
                stdin=f"Subject: msmtp {auth}\n\nbody\n")
        with open(config, "w", encoding="ascii") as f:
            f.write(f"""account in
host 127.0.0.1
port {daemon.port("pop3s")}
tls on
tls_starttls off
tls_certcheck off
auth scram-sha-256
user {USER}
password {PASSWORD}
delivery mbox {folder}/mbox
uidls_file {folder}/uidls
keep off
""")
        os.chmod(config, 0o600)
        run("mpop", "-C", config, "in")
        with open(os.path.join(folder, "mbox"), encoding="utf-8") as f:
            assert f.read().count("Subject: msmtp") == 3
        assert daemon.messages() == []


def test_chunking_and_pipelining(build):
    body = b"Subject: bdat\r\n\r\n.dot\r\nno end"
    with Daemon(build) as daemon, Wire(daemon.port("smtp")) as wire:
        wire.reply()
        whole = (b"EHLO c.test\r\nMAIL FROM:<a@c.test> SMTPUTF8\r\n"
                 b"RCPT TO:<demo@mail.test>\r\n"
                 b"BDAT 10\r\n" + body[:10] +
                 b"BDAT %d LAST\r\n" % (len(body) - 10) + body[10:] +
                 b"MAIL FROM:<>\r\nRCPT TO:<demo@mail.test>\r\nDATA\r\n")
        wire.send(whole)
        codes = [wire.reply()[:3] for _ in range(8)]
        assert codes == ["250"] * 7 + ["354"], codes
        wire.send(b"Subject: second\r\n\r\nx\r\n.\r\nQUIT\r\n")
        assert wire.reply().startswith("250")
        assert wire.reply().startswith("221")
        first, second = daemon.messages()
        assert first.endswith(body + b"\r\n")
        assert second.startswith(b"Return-Path: <>\r\n")
        box = daemon.pop3()
        sizes = [int(line.split()[1]) for line in box.list()[1]]
        assert sizes == [len(first), len(second)], sizes
        box.quit()


main(__name__, test_swaks, test_curl, test_smtplib_and_poplib, test_apop,
     test_msmtp_and_mpop, test_chunking_and_pipelining)
