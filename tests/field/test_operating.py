"""The field's rows O, and others that an operator meets: configuration, tools."""
import os
import pwd
import re
import shutil
import socket
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "integration"))
sys.path.insert(0, HERE)
from harness import (SOURCE, Daemon, Skip, main, need,  # noqa: E402
                     need_posix)
from test_embedding import deliver  # noqa: E402


def check(daemon, *words):
    """--check of the daemon's configuration: its exit code and all it says."""
    run = subprocess.run(
        [*daemon.daemon, "-c", daemon.write_config(), "--check", *words],
        capture_output=True, text=True, timeout=120)
    return run.returncode, run.stdout + run.stderr


def counts(daemon, user):
    box = daemon.pop3(user)
    count = box.stat()[0]
    box.quit()
    return count


def test_O02_stand_ins(build):
    """The setting wins over the mailbox that the first start made."""
    with Daemon(build, users=("demo",), settings={
            "local.postmaster": "chef", "local.catch_all": "rest"}) as daemon:
        for key, user in (("postmaster", "chef"), ("catch_all", "rest")):
            daemon.wait_log(rf"config: .*mailmod.cfg:\d+: local.{key}: there "
                            rf"is no user {user}")
        code, words = check(daemon)
        assert code == 0, words
        assert "local.postmaster: there is no user chef" in words, words
        assert "local.catch_all: there is no user rest" in words, words
        deliver(daemon.port("smtp"), "postmaster@mail.test")
        daemon.add_user("chef", "secret")
        daemon.add_user("rest", "secret")
        deliver(daemon.port("smtp"), "postmaster@mail.test")
        deliver(daemon.port("smtp"), "someone@mail.test")
        assert counts(daemon, "chef") == 1
        assert counts(daemon, "rest") == 1
        code, words = check(daemon)
        assert code == 0 and "no user" not in words, words


def test_O02_whole_names(build):
    """A user of one domain stands in; one that goes is told at a reload."""
    need_posix(build, "SIGHUP")
    with Daemon(build, users=("chef@mail.test", "rest@mail.test"), settings={
            "local.postmaster": "Chef@mail.test",
            "local.catch_all": "rest@mail.test"}) as daemon:
        deliver(daemon.port("smtp"), "postmaster@localhost")
        deliver(daemon.port("smtp"), "someone@localhost")
        assert counts(daemon, "chef@mail.test") == 1
        assert counts(daemon, "rest@mail.test") == 1
        assert not [l for l in daemon.lines if "there is no user" in l]
        daemon.ctl("user", "del", "chef@mail.test", "--yes")
        before = len(daemon.lines)
        daemon.ask_reload()
        daemon.wait_log("local.postmaster: there is no user", after=before)
        deliver(daemon.port("smtp"), "postmaster@mail.test")


def test_O14_disk_low(build):
    """A warning before the limit, an error at it, and that room is there again;
    each with folder, octets left and limit."""
    need_posix(build, "SIGHUP")
    with Daemon(build, start=False) as daemon:
        volume = os.statvfs(daemon.folder)
        free = volume.f_bavail * volume.f_frsize
        figures = (r"folder=\S*/data free_octets=\d+ limit_octets=%d$")

        def limit(octets):
            daemon.settings["general.free_space_min"] = str(octets)
            daemon.write_config()
            if daemon.process is not None:
                before = len(daemon.lines)
                daemon.ask_reload()
                daemon.wait_log("mailmodd: reloaded", after=before)
            return figures % octets
        wanted = limit(free * 2 // 3)
        daemon.start()
        daemon.wait_log("warning store: the disk is getting full; .*" + wanted)
        deliver(daemon.port("smtp"), "demo@mail.test")
        wanted = limit(free * 2)
        with daemon.smtp() as smtp:
            smtp.helo("c.test")
            assert smtp.mail("a@b.test")[0] == 452
        daemon.wait_log("error store: the disk has less room .*" + wanted)
        wanted = limit(1 << 20)
        deliver(daemon.port("smtp"), "demo@mail.test")
        daemon.wait_log("info store: the disk has room again .*" + wanted)
        assert sum("store: the disk" in l for l in daemon.lines) == 3


def test_S08_name_of_the_host(build):
    """A name that other hosts refuse is told at the start and by --check."""
    with Daemon(build, start=False) as daemon:
        for name, is_told in (("mail.test", False), ("laptop", True),
                              ("my_host.test", True)):
            daemon.settings["general.host_name"] = name
            code, words = check(daemon)
            assert code == 0, words
            assert (f'general.host_name: {name} is no whole domain name' in
                    words) == is_told, words
        daemon.start()
        daemon.wait_log(r"warning config: .*cfg:\d+: general.host_name: ")


CA = """[ca]
default_ca = own
[own]
database = {0}/index
serial = {0}/serial
new_certs_dir = {0}
default_md = sha256
policy = any
[any]
commonName = supplied
"""


def make_certificate(folder, days):
    """With its key, good for `days` from now, or over for as long."""
    openssl = need("openssl")
    names = [os.path.join(folder, name)
             for name in ("c.pem", "k.pem", "request", "ca", "index", "serial")]
    certificate, key, request, config, index, serial = names
    for path, text in ((config, CA.format(folder)), (index, ""),
                       (serial, "01\n")):
        with open(path, "w", encoding="ascii") as file:
            file.write(text)
    for words in (
            ["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-subj", "/CN=mail.test", "-out", request,
             "-keyout", key],
            ["ca", "-batch", "-selfsign", "-config", config, "-keyfile", key,
             "-in", request, "-out", certificate, "-notext",
             "-startdate", "20200101000000Z", "-enddate",
             time.strftime("%Y%m%d%H%M%SZ",
                           time.gmtime(time.time() + days * 86400 + 3600))]):
        subprocess.run([openssl, *words], check=True, capture_output=True)
    os.chmod(key, 0o600)
    return certificate, key


def test_O17_certificate_and_domains(build):
    with Daemon(build, start=False, users=("anna@zweig.test",)) as daemon:
        certificate, key = make_certificate(daemon.folder, 90)
        daemon.settings["tls.certificate_file"] = certificate
        daemon.settings["tls.key_file"] = key
        code, words = check(daemon)
        assert code == 0 and "days_left=90" in words, words
        assert "local.domains: zweig.test is not among them" in words, words
        make_certificate(daemon.folder, 3)
        code, words = check(daemon)
        assert code == 0 and "expires in 3 days" in words, words
        make_certificate(daemon.folder, -3)
        code, words = check(daemon)
        assert code == 0 and "has expired" in words, words
        daemon.start()
        daemon.wait_log(r"warning config: .*tls.certificate_file: .*expired")


def test_D06_more_than_the_disk_has(build):
    with Daemon(build, settings={"smtp.message_size_max": "1024G"}) as daemon:
        code, words = check(daemon)
        assert code == 0, words
        free = shutil.disk_usage(daemon.folder).free
        assert free > 1 << 40 or re.search(
            r"smtp.message_size_max: the disk of .* has room for \d+ octets",
            words), words
        with daemon.smtp() as client:
            client.ehlo("client.test")
            code, text = client.docmd("MAIL FROM:<a@client.test> SIZE=%d" %
                                      (free * 2))
            assert code in (452, 552), (code, text)
            code, text = client.docmd("MAIL FROM:<a@client.test> SIZE=%d" %
                                      ((1 << 40) + 1))
            assert (code, text[:5]) == (552, b"5.3.4"), (code, text)


def test_D13_key_of_the_world(build):
    need_posix(build, "modes")
    with Daemon(build, start=False) as daemon:
        certificate, key = make_certificate(daemon.folder, 90)
        daemon.settings["tls.certificate_file"] = certificate
        daemon.settings["tls.key_file"] = key
        for mode, is_told in ((0o600, False), (0o644, True), (0o602, True)):
            os.chmod(key, mode)
            code, words = check(daemon)
            assert code == 0, words
            assert ("others can read or write" in words) == is_told, (
                oct(mode), words)
        daemon.start()
        daemon.wait_log(r"tls.key_file: others can read or write")


def test_S24_files_that_are_not_there(build):
    """Each with its place and key, all at once."""
    with Daemon(build, start=False) as daemon:
        for key in ("smarthost.authority_file", "tls.certificate_file",
                    "tls.key_file"):
            daemon.settings[key] = os.path.join(daemon.folder, "none.pem")
        code, words = check(daemon)
        assert code == 78, (code, words)
        for key in ("smarthost.authority_file", "tls.certificate_file"):
            line = [l for l in words.splitlines() if f" {key}: " in l]
            assert len(line) == 1 and "mailmod.cfg:" in line[0], words
            assert "No such file" in line[0], words


def test_S24_files_of_rules_and_aliases(build):
    """A check reads what a start would read, and says the same of it."""
    with Daemon(build, start=False) as daemon:
        files = {}
        for name, text in (("aliases", "info: demo\nno colon\n"),
                           ("black", "?\n"), ("rules", "never so\n")):
            files[name] = os.path.join(daemon.folder, name)
            with open(files[name], "w", encoding="utf-8") as file:
                file.write(text)
        none = os.path.join(daemon.folder, "none")
        daemon.settings.update({"lists.black_file": files["black"],
                                "content.rules_file": files["rules"],
                                "local.alias_files": [files["aliases"]]})
        code, words = check(daemon)
        assert code == 0, words
        for line in ("post: alias left out", "lists: rule left out",
                     "content: rule left out"):
            assert words.count(line) == 1, words
        daemon.settings["lists.white_file"] = none
        code, words = check(daemon)
        assert code == 0 and "lists: list not read" in words, words
        daemon.settings["local.alias_files"] = [files["aliases"], none]
        code, words = check(daemon)
        assert code == 78, (code, words)
        assert f"local.alias_files: alias file {none}: " in words, words
        assert "mailmod.cfg:" in words, words


def test_D10_no_regular_files(build):
    need_posix(build, "pipes")
    with Daemon(build, start=False) as daemon:
        pipe = os.path.join(daemon.folder, "pipe")
        os.mkfifo(pipe)
        config = daemon.write_config()
        with open(config, "a", encoding="utf-8") as file:
            file.write('@include "pipe"\n@include "/dev/zero"\n')
        run = subprocess.run([*daemon.daemon, "-c", config, "--check"],
                             capture_output=True, text=True, timeout=120)
        assert run.returncode == 78, run
        assert run.stderr.count("this is no regular file") == 2, run.stderr
        run = subprocess.run([*daemon.daemon, "-c", pipe],
                             capture_output=True, text=True, timeout=120)
        assert run.returncode == 78, run
        daemon.settings["tls.certificate_file"] = pipe
        daemon.settings["tls.key_file"] = pipe
        daemon.settings["smarthost.authority_file"] = pipe
        code, words = check(daemon)
        assert code == 78 and words.count("this is no regular file") == 2, words


def control(daemon, *words, cwd=None, env=None):
    run = subprocess.run(
        [*daemon.control, *words], input="secret\n", cwd=cwd,
        capture_output=True, text=True, timeout=120,
        env={**os.environ, "MAILMOD_CONFIG": "", **(env or {})})
    return run.returncode, run.stdout + run.stderr


def test_O04_no_store_by_mistake(build):
    """Nothing is made unasked; the folder is told."""
    with Daemon(build, start=False) as daemon:
        typo = os.path.join(daemon.folder, "dta")
        for words in (("user", "add", "x"), ("user", "list"),
                      ("queue", "list"), ("user", "passwd", "x")):
            more = ("--password-stdin",) if words[-1] == "x" else ()
            code, told = control(daemon, "--data", typo, *words, *more)
            assert code == 1 and f"no store in {typo}" in told, (words, told)
            code, told = control(daemon, *words, *more, cwd=daemon.folder)
            assert code == 1, (words, told)
            # as the system writes it: on Windows with the drive
            there = os.path.basename(daemon.folder) + "/mailmod-data"
            assert "no store in " in told and there in told, told
        assert not os.path.exists(typo)
        assert not os.path.exists(os.path.join(daemon.folder, "mailmod-data"))
        code, told = control(daemon, "--data", typo, "user", "add", "x",
                             "--password-stdin", "--create")
        assert code == 0 and f"a new store is made in {typo}" in told, told


def test_O04_installed_configuration(build):
    """What is installed is the default."""
    need_posix(build, "an installed configuration")
    with Daemon(build, start=False) as daemon:
        code, told = control(daemon, "user", "list",
                             env={"MAILMOD_CONFIG": daemon.write_config()})
        assert code == 0 and "demo" in told, told


def test_O03_files_of_the_owner(build):
    """As root in the folder of another user; as another user in root's."""
    need_posix(build, "users")
    if os.geteuid() != 0:
        raise Skip("only root can become another user")
    nobody = pwd.getpwnam("nobody")
    with Daemon(build, start=False, users=()) as daemon:
        os.chmod(daemon.folder, 0o755)
        data = os.path.join(daemon.folder, "data")
        os.mkdir(data, 0o700)
        os.chown(data, nobody.pw_uid, nobody.pw_gid)
        code, told = control(daemon, "--data", data, "user", "add", "anna",
                             "--password-stdin", "--create")
        assert code == 0, told
        owners = {os.stat(os.path.join(data, name)).st_uid
                  for name in os.listdir(data)}
        assert owners == {nobody.pw_uid}, owners
        os.chown(data, 0, 0)
        run = subprocess.run(
            [*daemon.control, "--data", data, "user", "list"], text=True,
            capture_output=True, timeout=120, user=nobody.pw_uid,
            group=nobody.pw_gid, extra_groups=[],
            env={**os.environ, "MAILMOD_CONFIG": ""})
        assert run.returncode == 1, run
        assert f"{data} belongs to root: run this as root" in run.stderr, run


def test_O11_reload_is_told(build):
    """To the service manager, with the first mistake."""
    need_posix(build, "SIGHUP")
    with Daemon(build, start=False) as daemon:
        path = os.path.join(daemon.folder, "notify")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(path)
            manager.settimeout(120)
            os.environ["NOTIFY_SOCKET"] = path
            try:
                daemon.start()
            finally:
                del os.environ["NOTIFY_SOCKET"]
            for value, status in ((7, "STATUS=reloaded"),
                                  (0, "STATUS=not reloaded: ")):
                daemon.settings["smtp.recipients_max"] = value
                daemon.write_config()
                daemon.ask_reload()
                told = ""
                while status not in told:
                    told = manager.recv(4096).decode()
            assert "smtp.recipients_max" in told and "READY=1" in told, told
    unit = os.path.join(SOURCE, "tools", "mailmodd", "mailmodd.service")
    with open(unit, encoding="utf-8") as file:
        reloads = [l for l in file if l.startswith("ExecReload=")]
    assert reloads[0].rstrip().endswith("--check"), reloads


main(__name__, test_O02_stand_ins, test_O02_whole_names,
     test_O17_certificate_and_domains, test_D06_more_than_the_disk_has,
     test_D13_key_of_the_world,
     test_S24_files_that_are_not_there, test_S24_files_of_rules_and_aliases,
     test_D10_no_regular_files,
     test_O04_no_store_by_mistake, test_O04_installed_configuration,
     test_O03_files_of_the_owner, test_O11_reload_is_told,
     test_O14_disk_low, test_S08_name_of_the_host)
