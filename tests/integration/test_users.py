"""Users while the daemon runs: quota, disabled, further passwords, as tools of
other processes set them; told by real clients."""
import poplib
import smtplib
import subprocess

from harness import Daemon, Wire, main, need, need_posix, wait_for

CLEAR = {"pop3.allows_clear_login": True, "smtp.allows_clear_auth": True}


def set_disabled(daemon, user, is_disabled):
    daemon.ctl("user", "disable" if is_disabled else "enable", user)


def login(daemon, user="demo", password="secret"):
    box = poplib.POP3("127.0.0.1", daemon.port("pop3"), timeout=120)
    box.user(user)
    box.pass_(password)
    return box


def refusal(daemon, user, password):
    try:
        login(daemon, user, password)
    except poplib.error_proto as error:
        return str(error)
    raise AssertionError(f"{user} came in")


def test_disabled_by_another_process(build):
    need_posix(build, "the library is loaded here")
    with Daemon(build, settings=CLEAR, users=("demo", "other")) as daemon:
        box = login(daemon)
        sender = smtplib.SMTP("127.0.0.1", daemon.port("submission"),
                              timeout=120)
        sender.login("demo", "secret")
        stays = login(daemon, "other")
        set_disabled(daemon, "demo", True)
        # No command is sent: the server speaks first.
        assert box.file.readline().startswith(b"-ERR [SYS/PERM]")
        assert box.file.readline() == b""
        assert sender.getreply()[0] == 421
        assert stays.noop().startswith(b"+OK")
        assert refusal(daemon, "demo", "secret") == \
            refusal(daemon, "demo", "wrong") == \
            refusal(daemon, "nobody", "secret")
        with Wire(daemon.port("smtp")) as wire:
            wire.reply()
            wire.ask("EHLO client.test")
            wire.ask("MAIL FROM:<a@client.test>")
            assert wire.ask("RCPT TO:<demo@mail.test>").startswith("550 5.2.1")
        daemon.wait_log("the user is disabled")
        assert ", disabled" in daemon.ctl("user", "list").stdout
        set_disabled(daemon, "demo", False)
        login(daemon).quit()


def test_removed_by_a_tool(build):
    with Daemon(build, settings=CLEAR) as daemon:
        box = login(daemon)
        daemon.ctl("user", "del", "demo")
        assert box.file.readline().startswith(b"-ERR [SYS/PERM]")


def test_changes_under_an_open_cache(build):
    """A login that the daemon remembers is none any more once a tool of another
    process has changed the user; by POP3 and SMTP both."""
    need_posix(build, "the library is loaded here")

    def both(password, is_good):
        sender = smtplib.SMTP("127.0.0.1", daemon.port("submission"),
                              timeout=120)
        try:
            if is_good:
                login(daemon, password=password).quit()
                sender.login("demo", password)
            else:
                refusal(daemon, "demo", password)
                try:
                    sender.login("demo", password)
                except smtplib.SMTPAuthenticationError:
                    return
                raise AssertionError("demo came in")
        finally:
            sender.close()

    for settings in ({}, {"logins.cache": "0s"}):
        with Daemon(build, settings={
                **CLEAR, **settings, "logins.iterations": 5000,
                "pop3.login_failures_max": 100}) as daemon:
            for _ in range(2):
                both("secret", True)
            both("wrong", False)
            daemon.ctl("user", "passwd", "demo", "--password-stdin",
                       stdin="another\n")
            both("secret", False)
            for _ in range(2):
                both("another", True)
            set_disabled(daemon, "demo", True)
            both("another", False)
            set_disabled(daemon, "demo", False)
            both("another", True)
            daemon.ctl("user", "del", "demo")
            both("another", False)
            daemon.add_user("demo", "third")
            both("another", False)
            both("third", True)


def test_quota(build):
    with Daemon(build, settings=CLEAR) as daemon:
        daemon.ctl("user", "quota", "demo", "8K")
        text = b"Subject: x\r\n\r\n" + b"line of text\r\n" * 400

        def deliver(size=None):
            with smtplib.SMTP("127.0.0.1", daemon.port("smtp")) as smtp:
                smtp.ehlo("client.test")
                smtp.mail("a@client.test", [f"SIZE={size}"] if size else [])
                code, words = smtp.rcpt("demo@mail.test")
                return (code, words) if code != 250 else smtp.data(text)

        assert deliver()[0] == 250
        code, words = deliver()  # by the true size
        assert code == 452 and words.startswith(b"4.2.2"), words
        code, words = deliver(len(text))  # by SIZE, before the text
        assert code == 452 and words.startswith(b"4.2.2"), words
        line = daemon.ctl("user", "list").stdout.splitlines()[1].split()
        assert line[:2] == ["demo", "1"] and line[3] == "8192", line
        box = login(daemon)
        box.dele(1)
        box.quit()
        assert deliver()[0] == 250
        daemon.ctl("user", "quota", "demo", "none")
        assert deliver()[0] == 250
        for word in ("", "0", "-1", "8X", "8KK", "99999999T"):
            run = daemon.ctl("user", "quota", "demo", word, check=False)
            assert run.returncode == 2, (word, run)


def test_further_passwords(build):
    with Daemon(build, settings=CLEAR) as daemon:
        for i in range(16):
            daemon.ctl("user", "password", "add", "demo", f"phone {i}",
                       "--password-stdin", stdin=f"app-{i}\n")
        run = daemon.ctl("user", "password", "add", "demo", "one more",
                         "--password-stdin", stdin="x\n", check=False)
        assert run.returncode == 1
        for i in (0, 9, 15):
            login(daemon, password=f"app-{i}").quit()
        login(daemon).quit()
        url = f"pop3://127.0.0.1:{daemon.port('pop3')}/"
        subprocess.run([need("curl"), "-sS", "--user", "demo:app-7",
                        "--login-options", "AUTH=PLAIN", url],
                       check=True, timeout=120, stdout=subprocess.DEVNULL)
        wait_for(lambda: any('secret="phone 7"' in line
                             for line in daemon.lines), what="the secret")
        daemon.ctl("user", "password", "remove", "demo", "phone 9")
        refusal(daemon, "demo", "app-9")
        assert len(daemon.ctl("user", "password", "list",
                              "demo").stdout.splitlines()) == 15
        daemon.ctl("user", "passwd", "demo", "--password-stdin",
                   stdin="changed\n")
        refusal(daemon, "demo", "app-0")
        login(daemon, password="changed").quit()


main(__name__, test_disabled_by_another_process, test_removed_by_a_tool,
     test_quota, test_further_passwords)
