"""The field's rows about configuration files."""
import os
import poplib
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "integration"))
from harness import (Daemon, Skip, free_port, main, need,  # noqa: E402
                     need_posix)

# As that engine's people have it: a web server's settings before the mail's.
OLD = """
# General setting:
log=/var/log/httpd.log
logday
adm_range="127.0.0.1,192.168.0.0-192.168.255.254"

# HTTP server setting:
max=32
port=80
dir="/var/www"
def="index.*"

# SMTP server
smtp_name=mail.test
smtp_bind=127.0.0.1
smtp_port={smtp}
smtp_out={data}
smtp_range=127.0.0.1
smtp_dns=127.0.0.1
forward
noantivirus
antispam=`$sender="x"`
goodlist=good.lst
graylist=gray.lst
upproxy=proxy.test
upproxy_port=3128
sysuser
smtp_tls

# POP3 server
pop_bind=127.0.0.1
pop_port={pop3}
pop_timeout=60

# Other
hostpath=www.test;"/var/www/test";""
user=admin;none;/var/smallsrv;A
user=demo;se;cret;PS
user=joe;secret;/home/joe;PSH
user=ann;+0123ABCDZ89ABCDEF;/home/ann;PS
"""
LEFT_OUT = ("log", "logday", "adm_range", "max", "port", "dir", "def",
            "antispam",
            "sysuser", "hostpath")


def write_old(daemon):
    path = os.path.join(daemon.folder, "httpd.cfg")
    ports = {"smtp": free_port(), "pop3": free_port()}
    with open(path, "w", encoding="utf-8") as f:
        f.write(OLD.format(data=os.path.join(daemon.folder, "data"), **ports))
    os.chmod(path, 0o644)
    return path, ports


def check_names(text, path):
    for name in LEFT_OUT:
        found = [l for l in text.splitlines()
                 if f": {name}: not supported by mailmod; " in l]
        assert len(found) == 1 and path in found[0], (name, found)
    assert "user: admin is left out" in text, text
    assert "user: ann cannot log in" in text, text
    assert "none" not in text and "secret" not in text, text


def test_E09_old_file_is_checked(build):
    """A warning for each name that there is not, and no refusal."""
    with Daemon(build, start=False, users=()) as daemon:
        path, _ = write_old(daemon)
        for words in ([*daemon.daemon, "-c", path, "--check"],
                      [*daemon.control, "-c", path, "config", "check"]):
            run = subprocess.run(words, capture_output=True, text=True,
                                 timeout=120, check=False)
            assert run.returncode == 0, run.stderr
            assert "good" in run.stdout
            check_names(run.stderr, path)


def test_E09_old_file_serves(build):
    """Its users log in, and who has no usable password gets mail."""
    with Daemon(build, start=False, users=()) as daemon:
        path, ports = write_old(daemon)
        daemon.write_config = lambda: path
        daemon.start()
        check_names("\n".join(daemon.lines), path)
        with daemon.smtp() as smtp:
            assert daemon.port("smtp") == ports["smtp"]
            smtp.sendmail("a@away.test", ["joe@mail.test", "ann@mail.test"],
                          "Subject: one\r\n\r\ntext\r\n")
            assert smtp.mail("a@away.test")[0] == 250
            assert smtp.rcpt("admin@mail.test")[0] == 550
        box = daemon.pop3("joe", "secret", "pop3")
        assert box.stat()[0] == 1
        box.quit()
        # A line with a semicolon in the password is another password.
        box = daemon.pop3("demo", "se", "pop3")
        box.quit()
        try:
            daemon.pop3("ann", "+0123ABCDZ89ABCDEF", "pop3")
            raise AssertionError("a hash is no password")
        except poplib.error_proto:
            pass


def test_E09_users_of_the_file(build):
    """A start and a reload add users and set passwords; nobody is removed."""
    with Daemon(build, users=("demo",), password="old") as daemon:
        daemon.settings["local.users"] = "demo:new"
        daemon.write_config()
        daemon.ask_reload()
        daemon.wait_log("mailmodd: reloaded")
        daemon.pop3("demo", "new").quit()
        daemon.settings["local.users"] = "eve:one"
        before = len(daemon.lines)
        daemon.write_config()
        daemon.ask_reload()
        daemon.wait_log("mailmodd: reloaded", after=before)
        daemon.pop3("eve", "one").quit()
        daemon.pop3("demo", "new").quit()
        assert daemon.ctl("config", "get", "local.users").stdout == \
            "********\n"


def test_O12_all_mistakes_at_once(build):
    with Daemon(build, start=False, users=()) as daemon:
        path = os.path.join(daemon.folder, "bad.cfg")
        with open(path, "w", encoding="utf-8") as f:
            f.write('smtp: {\n  errors_max = 0;\n  bare_newline = "x;\n};\n'
                    "smtp: { recipients_max = many; };\n"
                    '@include "missing.cfg"\n'
                    "pop3: { apop = true;\n")
        run = subprocess.run([*daemon.daemon, "-c", path, "--check"],
                             capture_output=True, text=True, timeout=120,
                             check=False)
        assert run.returncode == 78, run
        missing = os.path.join(daemon.folder, "missing.cfg")
        assert run.stderr.splitlines() == [
            f'{path}:2: smtp.errors_max: must be from 1 to 10000, not "0"',
            f"{path}:3: smtp.bare_newline: a text is not closed",
            f"{path}:5: smtp: the group is there for a second time",
            f"{path}:5: smtp.recipients_max: a text stands in quotes",
            f"{path}:6: {missing}: there is no such file",
            f"{path}:7: pop3: the group is not closed"], run.stderr


def check(daemon, path):
    return subprocess.run([*daemon.daemon, "-c", path, "--check"],
                          capture_output=True, text=True, timeout=120,
                          check=False)


def test_O12_files_beside_the_rest(build):
    """What does not fit together hides no mistake of a file, nor the other
    way round."""
    with Daemon(build, start=False, users=()) as daemon:
        folder = daemon.folder
        path = os.path.join(folder, "files.cfg")
        for name in ("cert.pem", "key.pem", "ca.pem"):
            with open(os.path.join(folder, name), "w", encoding="ascii") as f:
                f.write("nothing\n")
        with open(path, "w", encoding="utf-8") as f:
            f.write(f'tls: {{\n  certificate_file = "{folder}/cert.pem";\n'
                    f'  key_file = "{folder}/key.pem";\n}};\n'
                    f'smarthost: {{\n  authority_file = "{folder}/ca.pem";\n'
                    '  user = "me";\n};\n')
        run = check(daemon, path)
        assert run.returncode == 78, run
        lines = run.stderr.splitlines()
        for start in (f"{path}:7: smarthost.password: is missing, ",
                      f"{path}:7: smarthost.host: is missing, ",
                      f"{path}:2: tls.certificate_file: certificate file "
                      f"{folder}/cert.pem: ",
                      f"{path}:6: smarthost.authority_file: authority file "
                      f"{folder}/ca.pem: "):
            assert [l for l in lines if l.startswith(start)], (start, lines)
        assert len(lines) == 4, lines


def test_O12_as_the_daemons_user(build):
    """Root reads every key; what counts is who will have to."""
    need_posix(build, "another user")
    if os.geteuid() != 0:
        raise Skip("only root can look with another user's eyes")
    with Daemon(build, start=False, users=()) as daemon:
        folder = daemon.folder
        os.chmod(folder, 0o755)
        cert, key = os.path.join(folder, "c.pem"), os.path.join(folder, "k.pem")
        subprocess.run([need("openssl"), "req", "-x509", "-newkey", "rsa:2048",
                        "-nodes", "-subj", "/CN=mail.test", "-keyout", key,
                        "-out", cert], check=True, capture_output=True)
        os.chmod(key, 0o600)
        path = os.path.join(folder, "user.cfg")
        text = (f'tls: {{ certificate_file = "{cert}";\nkey_file = "{key}"; }};'
                '\ngeneral: { run_as_user = "%s"; };\n')
        for user, words in (("", None), ("root", None),
                            ("nobody", f"{path}:2: tls.key_file: key file "),
                            ("no-such-user", "general.run_as_user: there is "
                             "no user no-such-user")):
            with open(path, "w", encoding="utf-8") as f:
                f.write(text % user)
            for run in (check(daemon, path), subprocess.run(
                    [*daemon.control, "-c", path, "config", "check"],
                    capture_output=True, text=True, timeout=120, check=False)):
                assert run.returncode == (78 if words else 0), (user, run)
                assert words is None or words in run.stderr, (user, run)


main(__name__, test_E09_old_file_is_checked, test_E09_old_file_serves,
     test_E09_users_of_the_file, test_O12_all_mistakes_at_once,
     test_O12_files_beside_the_rest, test_O12_as_the_daemons_user)
