"""S14 for every call: the error and its words tell what happened, not that it
did. Each row provokes one fault; the words are those of this call.

The host is this test itself: it loads the library by name.
"""
import ctypes
import os
import re
import resource
import shutil
import signal
import sqlite3
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "integration"))
from harness import SOURCE, Skip, Wire, is_sanitized, main  # noqa: E402

with open(os.path.join(SOURCE, "include", "mailmod", "error.h"),
          encoding="utf-8") as header:
    ERRORS = {int(code): name for name, code in re.findall(
        r"X\((\w+), (-\d+),", header.read())}
ERRORS[0] = "OK"
BASE = {"general.host_name": "mail.test", "local.domains": "mail.test",
        "smtp.listen": "127.0.0.1:0", "submission.listen": "",
        "submissions.listen": "", "pop3.listen": "", "pop3s.listen": ""}
POINTER = ctypes.c_void_p
ON_ANY = ctypes.CFUNCTYPE(None, POINTER, POINTER)(lambda context, it: None)
ON_OCTETS = ctypes.CFUNCTYPE(None, POINTER, POINTER, ctypes.c_size_t)(
    lambda context, octets, size: None)
FLUSH, NO_MESSAGE = 2, "0000000001"


class Library:
    def __init__(self, build):
        if is_sanitized(build):
            raise Skip("Python is not built for a sanitizer")
        self.raw = ctypes.CDLL(os.path.join(build, "src", "libmailmod.so"))
        self.raw.mailmod_last_error_text.restype = ctypes.c_char_p

    def call(self, name, *arguments):
        """(error, words)"""
        function = getattr(self.raw, "mailmod_" + name)
        function.restype = ctypes.c_int
        return (ERRORS[function(*[
            a.encode() if isinstance(a, str) else
            ctypes.c_size_t(a) if isinstance(a, int) else a
            for a in arguments])], self.raw.mailmod_last_error_text().decode())

    def expect(self, error, words, name, *arguments):
        """The call fails so; what the last call said is not said again."""
        self.call("config_get", None, "stale", None, 0)
        found = self.call(name, *arguments)
        assert found[0] == error and re.search(words, found[1]), \
            (name, error, words, found)
        assert error == "OK" or (found[1] != "the handle is NULL" and
                                 found[1] == found[1].strip()), (name, found)

    def instance(self, folder, **settings):
        mail = POINTER()
        assert self.call("new", ctypes.byref(mail))[0] == "OK"
        wanted = dict(BASE)
        wanted["general.data_folder"] = folder
        wanted.update((k.replace("__", "."), v) for k, v in settings.items())
        for key, value in wanted.items():
            assert self.call("config_set", mail, key, value)[0] == "OK", key
        return mail

    def free(self, handle, what=""):
        assert self.call(what + "free", ctypes.byref(handle))[0] == "OK"


def names(pattern, *places):
    return re.escape(places[0]) + pattern


def test_settings(build):
    lib = Library(build)
    with tempfile.TemporaryDirectory(prefix="mailmod-causes-") as top:
        mail = lib.instance(top + "/data")
        text = ctypes.create_string_buffer(4)
        bad, none, pipe = top + "/bad.cfg", top + "/none.cfg", top + "/pipe"
        with open(bad, "w", encoding="ascii") as file:
            file.write("smtp: { listen = 5; };\nfoo\n")
        os.mkfifo(pipe)
        for row in (
                ("UNKNOWN_NAME", "did you mean smtp.listen", "config_set", mail,
                 "smtp.lisen", "x"),
                ("ARGUMENT", "from 4K to 1T, not \"x\"", "config_set", mail,
                 "smtp.message_size_max", "x"),
                ("UNKNOWN_NAME", "nope: there is no such key", "config_get",
                 mail, "nope", text, 4),
                ("LIMIT", "the name needs 10 octets", "host_name", mail, text,
                 4),
                ("LIMIT", "needs 10 octets", "config_get", mail,
                 "general.host_name", text, 4),
                ("NOT_FOUND", names(": there is no such file$", none),
                 "config_load", mail, none),
                ("CONFIG", names(":1: smtp.listen: .*\n.*:2: foo: .*[^\n]$",
                                 bad), "config_load", mail, bad),
                ("CONFIG", names(": this is no regular file$", top),
                 "config_load", mail, top),
                ("CONFIG", names(": this is no regular file$", pipe),
                 "config_load", mail, pipe)):
            lib.expect(*row)
        lib.call("config_set", mail, "queue.lifetime", "1h")
        lib.call("config_set", mail, "queue.warn_after", "2h")
        for name in ("config_check", "start", "user_list"):
            more = (ON_ANY, None) if name == "user_list" else ()
            lib.expect("CONFIG", "queue.warn_after: 2h is not below", name,
                       mail, *more)
        lib.free(mail)


def test_no_store(build):
    """Where there is none, and where it cannot be looked at."""
    lib = Library(build)
    with tempfile.TemporaryDirectory(prefix="mailmod-causes-") as top:
        mail = lib.instance(top + "/none")
        needs = [("user_list", ON_ANY, None), ("queue_find", None, ON_ANY, None),
                 ("queue_list", None, ON_ANY, None), ("store_verify",),
                 ("queue_act", None, FLUSH, None),
                 ("queue_act_on", None, FLUSH, None),
                 ("queue_summary", None, ON_ANY, None),
                 ("queue_read", NO_MESSAGE, ON_OCTETS, None),
                 ("store_backup", top + "/copy", None, None),
                 ("fetch_list", ON_ANY, None), ("fetch_act", None, 1),
                 ("user_remove", "a"), ("user_rename", "a", "b"),
                 ("user_set_password", "a", "b", 0),
                 ("user_set_quota", "a", 5), ("user_set_disabled", "a", 1),
                 ("user_secret_add", "a", "l", "p"),
                 ("user_secret_remove", "a", "l"),
                 ("user_secret_list", "a", ON_ANY, None)]
        for name, *arguments in needs:
            lib.expect("NOT_FOUND", "there is no store in " +
                       names("$", top + "/none"), name, mail, *arguments)
        for name, *arguments in (
                ("mailbox_open", "a", ctypes.byref(POINTER())),
                ("mail_host_find", "x.test", ON_ANY, None), ("reload",),
                ("service_start", "smtp", 0), ("service_stop", "smtp"),
                ("stop",), ("queue_read_pieces", NO_MESSAGE, ON_ANY, None,
                            None)):
            lib.expect("STATE", "the instance is not running", name, mail,
                       *arguments)
        open(top + "/file", "w", encoding="ascii").close()
        beside = lib.instance(top + "/file/below")
        lib.expect("EXISTS", "a file is where the folder should be", "start",
                   beside)
        lib.expect("NOT_FOUND", "no store", "user_list", beside, ON_ANY, None)
        lib.free(beside)
        lib.free(mail)


def in_child(work):
    """`work` by another user; what it raises ends in the output."""
    child = os.fork()
    if child == 0:
        try:
            os.setgid(65534)
            os.setuid(65534)
            work()
            os._exit(0)
        except BaseException as error:  # pylint: disable=broad-except
            print(repr(error), flush=True)
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0


def test_access(build):
    if os.getuid() != 0:
        raise Skip("only root can become another user")
    lib = Library(build)
    with tempfile.TemporaryDirectory(prefix="mailmod-causes-") as top:
        os.chmod(top, 0o755)
        mail = lib.instance(top + "/ours")
        assert lib.call("user_add", mail, "demo", "secret", 0)[0] == "OK"
        lib.free(mail)
        shutil.copytree(top + "/ours", top + "/hidden/data")
        os.chmod(top + "/hidden", 0o700)
        os.chmod(top + "/ours", 0o755)
        os.mkdir(top + "/mine")
        os.chown(top + "/mine", 65534, 65534)
        shutil.copy(top + "/ours/mailmod.db", top + "/copy")
        for name, content in (("key", "x"), ("cfg", "general: {};")):
            with open(top + "/" + name, "w", encoding="ascii") as file:
                file.write(content)
            os.chmod(top + "/" + name, 0o600)

        def work():
            for folder in ("ours", "hidden/data"):
                other = lib.instance(top + "/" + folder)
                place = re.escape(top + "/" + folder)
                lib.expect("ACCESS", place + ": the data folder cannot be used",
                           "start", other)
                for name, *arguments in (
                        ("user_list", ON_ANY, None), ("store_verify",),
                        ("user_add", "x", "y", 0), ("user_remove", "x")):
                    lib.expect("ACCESS", place, name, other, *arguments)
            new = lib.instance(top + "/new")
            lib.expect("ACCESS", "new", "start", new)
            lib.expect("ACCESS", names("/copy: permission denied$", top),
                       "store_restore", new, top + "/copy", None, None)
            mine = lib.instance(top + "/mine", smtp__listen="127.0.0.1:25")
            lib.expect("ACCESS", names("/cfg: the file cannot be read", top),
                       "config_load", mine, top + "/cfg")
            lib.expect("ACCESS", "smtp: cannot listen on 127.0.0.1:25: "
                       "permission denied$", "start", mine)
            lib.call("config_set", mine, "smtp.listen", "127.0.0.1:0")
            for name in ("certificate_file", "key_file"):
                lib.call("config_set", mine, "tls." + name, top + "/key")
            lib.expect("CONFIG", "tls.certificate_file: .*/key: permission "
                       "denied|tls.certificate_file: .*Permission denied",
                       "start", mine)
            lib.free(mine)
            mine = lib.instance(top + "/mine")
            lib.expect("OK", "", "start", mine)
            lib.expect("ACCESS", names("/mine2: permission denied", top),
                       "store_backup", mine, top + "/mine2", None, None)
            lib.free(mine)
        in_child(work)


def test_descriptors(build):
    lib = Library(build)
    with tempfile.TemporaryDirectory(prefix="mailmod-causes-") as top:
        os.chmod(top, 0o777)
        mail = lib.instance(top + "/data")
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        used = len(os.listdir("/proc/self/fd"))
        for more in range(1, 20, 3):
            resource.setrlimit(resource.RLIMIT_NOFILE,
                               (used + more, limits[1]))
            found = lib.call("start", mail)
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
            assert found[0] in ("DESCRIPTORS", "OK"), (more, found)
            assert found[0] == "OK" or "descriptors" in found[1], found
            if found[0] == "OK":
                break
        lib.free(mail)


def test_store_files(build):
    lib = Library(build)
    with tempfile.TemporaryDirectory(prefix="mailmod-causes-") as top:
        whole = lib.instance(top + "/whole")
        assert lib.call("user_add", whole, "demo", "secret", 0)[0] == "OK"
        lib.expect("OK", "", "store_backup", whole, top + "/copy", None, None)
        lib.expect("EXISTS", names("/copy: is there already", top),
                   "store_backup", whole, top + "/copy", None, None)
        lib.expect("NOT_FOUND", names("/no/copy: there is no folder for it$",
                                      top),
                   "store_backup", whole, top + "/no/copy", None, None)
        lib.expect("EXISTS", names("/whole/mailmod.db: is there already", top),
                   "store_restore", whole, top + "/copy", None, None)
        for folder, error, words in (
                ("memory:", "ARGUMENT", "memory:...: a store of this kind has "
                 "no repair"),
                (top + "/nowhere", "NOT_FOUND", "there is no store in it")):
            other = lib.instance(folder)
            lib.expect(error, words, "store_repair", other, ON_ANY, None)
            lib.free(other)
        with open(top + "/junk", "wb") as file:
            file.write(b"junk" * 3000)
        with sqlite3.connect(top + "/foreign") as base:
            base.execute("CREATE TABLE x (y)")
        to = lib.instance(top + "/to")
        for name, error, words in (
                ("none", "NOT_FOUND", "there is no such file"),
                ("junk", "STORAGE_DAMAGED", "this is no store of mailmod"),
                ("foreign", "STORAGE_DAMAGED", "this is no store of mailmod"),
                ("whole", "ARGUMENT", "this is no regular file")):
            lib.expect(error, names(f"/{name}: {words}", top), "store_restore",
                       to, top + "/" + name, None, None)
        assert not os.path.exists(top + "/to/mailmod.db")
        lib.free(to)
        lib.free(whole)

        def folder(path):
            os.remove(path)
            os.mkdir(path)

        def newer(path):
            with sqlite3.connect(path) as base:
                base.execute("PRAGMA user_version = 9999")

        def garbage(path):
            with open(path, "r+b") as file:
                file.write(b"x" * 4096)

        for harm, error, words in (
                (folder, "STORAGE", "mailmod.db: this is no regular file"),
                (newer, "STORAGE_VERSION", "store version 9999"),
                (garbage, "STORAGE_DAMAGED", "the store is damaged"),
                (os.remove, None, "")):
            place = top + "/" + harm.__name__
            shutil.copytree(top + "/whole", place)
            harm(place + "/mailmod.db")
            mail = lib.instance(place)
            for name, *arguments in (("user_list", ON_ANY, None),
                                     ("store_verify",), ("start",)):
                lib.expect(error or ("OK" if name == "start" else "NOT_FOUND"),
                           words, name, mail, *arguments)
            lib.free(mail)


def test_users(build):
    lib = Library(build)
    with tempfile.TemporaryDirectory(prefix="mailmod-causes-") as top:
        mail = lib.instance(top + "/data")
        for name in ("demo", "eve"):
            assert lib.call("user_add", mail, name, "secret", 0)[0] == "OK"
        for i in range(15):
            assert lib.call("user_secret_add", mail, "demo", f"p{i}",
                            "x")[0] == "OK"
        for row in (
                ("EXISTS", "user demo: it exists", "user_add", "demo", "x", 0),
                ("ARGUMENT", "a user name is", "user_add", "a b", "x", 0),
                ("ARGUMENT", "1 to 512 octets", "user_add", "c", None, 0),
                ("ARGUMENT", "no control", "user_add", "c", "\x01", 0),
                ("ARGUMENT", "unknown flags", "user_add", "c", "x", 0x80),
                ("NOT_FOUND", "user nobody: ", "user_remove", "nobody"),
                ("ARGUMENT", "no user name", "user_remove", "a" * 300),
                ("NOT_FOUND", "user nobody: ", "user_set_password", "nobody",
                 "x", 0),
                ("NOT_FOUND", "user nobody: ", "user_set_quota", "nobody", 1),
                ("NOT_FOUND", "user nobody: ", "user_set_disabled", "nobody",
                 1),
                ("NOT_FOUND", "user nobody: ", "user_rename", "nobody", "n"),
                ("EXISTS", "user eve: it exists", "user_rename", "demo",
                 "eve"),
                ("ARGUMENT", "no name", "user_rename", "demo", "a b"),
                ("NOT_FOUND", "user nobody: ", "user_secret_add", "nobody",
                 "phone", "x"),
                ("EXISTS", "user demo, password p1: it exists",
                 "user_secret_add", "demo", "p1", "x"),
                ("ARGUMENT", "1 to 63 octets", "user_secret_add", "demo", "",
                 "x"),
                ("NOT_FOUND", "user demo, password phone: ",
                 "user_secret_remove", "demo", "phone"),
                ("NOT_FOUND", "user nobody: ", "user_secret_remove", "nobody",
                 "phone"),
                ("NOT_FOUND", "user nobody: ", "user_secret_list", "nobody",
                 ON_ANY, None),
                ("OK", "", "user_secret_add", "demo", "p15", "x"),
                ("LIMIT", "user demo: there are 16 further passwords",
                 "user_secret_add", "demo", "p16", "x"),
                ("ARGUMENT", "xx: no queue identifier", "queue_read", "xx",
                 ON_OCTETS, None),
                ("NOT_FOUND", NO_MESSAGE + ": it does not exist", "queue_read",
                 NO_MESSAGE, ON_OCTETS, None),
                ("NOT_FOUND", NO_MESSAGE + ": it does not exist", "queue_act",
                 NO_MESSAGE, FLUSH, None),
                ("ARGUMENT", "no such action", "queue_act", None, 77, None),
                ("NOT_FOUND", "a: fetch.accounts has no", "fetch_act", "a", 1),
                ("ARGUMENT", "no such action", "fetch_act", "a", 77)):
            lib.expect(*row[:3], mail, *row[3:])
        lib.free(mail)


def test_running(build):
    lib = Library(build)
    with tempfile.TemporaryDirectory(prefix="mailmod-causes-") as top:
        mail = lib.instance(top + "/data")
        assert lib.call("user_add", mail, "demo", "secret", 0)[0] == "OK"
        lib.expect("OK", "", "start", mail)
        lib.expect("STATE", "running already", "start", mail)
        lib.expect("STATE", "mailmod_stop comes first", "drain", mail, 0)
        port = lib.raw.mailmod_service_port(mail, b"smtp")
        short = ctypes.create_string_buffer(3)
        for folder, settings, error, words in (
                ("data", {}, "BUSY", "another mailmod is running on"),
                ("b", {"smtp__listen": f"127.0.0.1:{port}"}, "ADDRESS_IN_USE",
                 f"smtp: cannot listen on 127.0.0.1:{port}: "),
                ("b", {"smtp__listen": "192.0.2.1:2525"},
                 "ADDRESS_UNAVAILABLE", "cannot listen on 192.0.2.1:2525: "),
                ("b", {"tls__certificate_file": top + "/none",
                       "tls__key_file": top + "/none"}, "CONFIG",
                 "tls.certificate_file: .*none: No such file"),
                ("b", {"smarthost__host": "h.test",
                       "smarthost__authority_file": top + "/none"}, "CONFIG",
                 "smarthost.authority_file: .*none: No such file")):
            other = lib.instance(top + "/" + folder, **settings)
            lib.expect(error, words, "start", other)
            lib.free(other)
        box, other = POINTER(), POINTER()
        ids = (ctypes.c_char_p * 1)(b"x")
        lib.expect("OK", "", "mailbox_open", mail, "demo", ctypes.byref(box))
        for row in (
                ("EXISTS", "smtp: it is open", "service_start", mail, "smtp",
                 0),
                ("UNKNOWN_NAME", "http: no such service", "service_start",
                 mail, "http", 0),
                ("CONFIG", "pop3.listen: no address", "service_start", mail,
                 "pop3", 0),
                ("ARGUMENT", "70000", "service_start", mail, "pop3", 70000),
                ("NOT_FOUND", "pop3: it is not open", "service_stop", mail,
                 "pop3"),
                ("LIMIT", f"smtp: .* need {len(str(port)) + 11} octets",
                 "service_addresses", mail, "smtp", short, 3),
                ("STATE", "the instance is open", "store_restore", mail,
                 top + "/copy", None, None),
                ("STATE", "the instance is open", "store_repair", mail,
                 ON_ANY, None),
                ("ARGUMENT", "the callback is NULL", "store_repair", mail,
                 None, None),
                ("NOT_FOUND", "nobody: there is no such user", "mailbox_open",
                 mail, "nobody", ctypes.byref(other)),
                ("BUSY", "demo: another session", "mailbox_open", mail, "demo",
                 ctypes.byref(other)),
                ("NOT_FOUND", "x: no such message", "mailbox_read", box, "x",
                 ON_OCTETS, None),
                ("NOT_FOUND", "x: no such message", "mailbox_delete", box,
                 ids, 1),
                ("ARGUMENT", "a b: not a domain", "mail_host_find", mail,
                 "a b", ON_ANY, None)):
            lib.expect(*row)
        with Wire(port) as wire:  # it stands in the middle of a message
            wire.reply()
            for line in ("EHLO c.test", "MAIL FROM:<a@c.test>",
                         "RCPT TO:<demo@mail.test>", "DATA"):
                assert wire.ask(line)[:1] in "23"
            lib.expect("OK", "", "stop", mail)
            lib.expect("STATE", "not running", "reload", mail)
            lib.expect("TIMEOUT", "cut at the deadline: 1 sessions, 0 attempts",
                       "drain", mail, 10)
        lib.expect("STOPPED", "the instance has ended", "mailbox_read", box,
                   "x", ON_OCTETS, None)
        assert lib.call("mailbox_close", ctypes.byref(box))[0] == "OK"
        lib.free(mail)


# A pipe without a reader must not end the test.
signal.signal(signal.SIGPIPE, signal.SIG_IGN)
main(__name__, test_settings, test_no_store, test_access, test_descriptors,
     test_store_files, test_users, test_running)
