"""What every integration test stands on: a daemon of its own, and helpers.

A test is a Python program that gets the build folder as its first argument,
starts `Daemon`s on free loopback ports with data in a temporary folder, and
ends by `main(__name__, ...)`. Exit 77 is a skip, said aloud with its reason;
the last line is "N passed, N failed, N skipped".
"""
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback

SKIP = 77
HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.dirname(os.path.dirname(HERE))
# What a sanitizer prints; a daemon that printed it has failed its test.
SANITIZER = re.compile(r"(Thread|Address|Leak|Memory)Sanitizer|runtime error:")
os.environ.setdefault(
    "TSAN_OPTIONS",
    "suppressions=" + os.path.join(SOURCE, "tests", "tsan.supp"))
WINE = "/usr/lib/wine/wine64"
# How long a test waits for what must come: a busy machine gets its time.
PATIENCE = 120
SERVICES = ("smtp", "submission", "submissions", "pop3", "pop3s")


class Skip(Exception):
    """The test cannot run here; the text says why."""


def ports_of(line):
    """The ports of the services in the line "started": their first ones."""
    return {service: int(port) for service, port in re.findall(
        r" (\w+)=(?:[\d.]+|\*|\[[^\]]*\]):(\d+)", line)}


def need(program):
    """The path of a program, or a loud skip."""
    path = shutil.which(program)
    if path is None:
        raise Skip(f"{program} is not installed")
    return path


def is_sanitized(build):
    """A sanitizer keeps freed memory: its size then tells nothing."""
    cache = os.path.join(build, "CMakeCache.txt")
    if not os.path.isfile(cache):
        return False
    with open(cache, encoding="utf-8") as f:
        return re.search(r"(?m)^MAILMOD_SANITIZE:\w+=.", f.read()) is not None


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(condition, seconds=PATIENCE, what="a condition"):
    """Polls; a slow machine gets its time, a wrong result fails in the end."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError(f"{what} did not come true in {seconds} s")


def program(build, name):
    """The command that runs a program of the build; under wine when it is one
    of the Windows build."""
    for place in ("tools/" + name, "tools", "bin", "tests/host",
                  "tests/integration", ""):
        path = os.path.join(build, place, name)
        if os.path.isfile(path) and os.access(path, os.X_OK):
            return [path]
        if os.path.isfile(path + ".exe"):
            return [WINE, path + ".exe"]
    raise AssertionError(f"{name} is not below {build}")


def is_windows(build):
    """Is it the Windows build, whose programs run under wine?"""
    return program(build, "mailmodd")[0] == WINE


def token_giver(build, asked):
    """A setting for a token command, which tells who asked in that file."""
    return f"{program(build, 'token_giver')[-1]} {asked} t"


def need_posix(build, what):
    if is_windows(build):
        raise Skip(f"{what}: not on Windows")


class Daemon:
    """mailmodd on loopback ports that the system chose."""

    def __init__(self, build, folder=None, settings=None, users=("demo",),
                 password="secret", start=True, host="mail.test"):
        self.build = build
        self.daemon = program(build, "mailmodd")
        self.control = program(build, "mailmodctl")
        self.own_folder = folder is None
        self.folder = folder or tempfile.mkdtemp(prefix="mailmod-test-")
        self.password = password
        self.lines = []
        self.ports = {}
        self.process = None
        self.settings = {
            "general.host_name": host,
            "general.data_folder": os.path.join(self.folder, "data"),
            "general.log_level": "debug",
            "local.domains": "mail.test, localhost",
            "delivery.refuses": "",  # the hosts of tests are all here
        }
        for service in SERVICES:
            self.settings[f"{service}.listen"] = "127.0.0.1:0"
        self.settings.update(settings or {})
        for user in users:
            self.add_user(user, password)
        if start:
            self.start()

    def write_config(self):
        """The settings as a mailmod.cfg of groups."""
        groups = {}
        for key, value in self.settings.items():
            group, name = key.split(".", 1)
            groups.setdefault(group, []).append((name, value))
        path = os.path.join(self.folder, "mailmod.cfg")
        with open(path, "w", encoding="utf-8") as f:
            for group, pairs in groups.items():
                f.write(f"{group}:\n{{\n")
                for name, value in pairs:
                    if isinstance(value, bool):
                        text = "true" if value else "false"
                    elif isinstance(value, int):
                        text = str(value)
                    elif isinstance(value, list):
                        text = "[" + ", ".join(
                            '"' + item.replace('"', '\\"') + '"'
                            for item in value) + "]"
                    else:
                        text = '"' + value.replace('"', '\\"') + '"'
                    f.write(f"  {name} = {text};\n")
                f.write("};\n")
        os.chmod(path, 0o600)
        return path

    def ctl(self, *words, check=True, stdin=None):
        run = subprocess.run(
            [*self.control, "-c", self.write_config(), *words],
            input=stdin, capture_output=True, text=True, timeout=PATIENCE)
        if check and run.returncode != 0:
            raise AssertionError(
                f"mailmodctl {' '.join(words)}: {run.stderr or run.stdout}")
        return run

    def add_user(self, name, password, *flags):
        self.ctl("user", "add", name, "--password-stdin", *flags,
                 stdin=password + "\n")

    def start(self, wait=True):
        config = self.write_config()
        self.lines = []
        self.ports = {}
        self.process = subprocess.Popen(
            [*self.daemon, "-c", config], stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL, cwd=self.folder)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        if wait:
            self.wait_log(r"mailmodd: started")
        return self

    def _read(self):
        for raw in self.process.stderr:
            line = raw.decode("utf-8", "replace").rstrip()
            if "mailmodd: started" in line:
                self.ports = ports_of(line)
            self.lines.append(line)

    def wait_log(self, pattern, seconds=PATIENCE, after=0):
        """The first log line from index `after` on that matches."""
        def look():
            for line in list(self.lines)[after:]:
                match = re.search(pattern, line)
                if match:
                    return match
            if self.process.poll() is not None:
                self.reader.join(PATIENCE)
                if any(re.search(pattern, l) for l in self.lines[after:]):
                    return None
                raise AssertionError(
                    "the daemon ended: " + "\n".join(self.lines[-20:]))
            return None
        return wait_for(look, seconds, f"log line {pattern!r}")

    def wait_lines(self, pattern, count):
        """All lines of the log that match, once there are `count`: the daemon
        writes its log behind its answers."""
        def look():
            found = [l for l in list(self.lines) if re.search(pattern, l)]
            return found if len(found) >= count else None
        return wait_for(look, what=f"{count} log lines {pattern!r}")

    def port(self, service):
        return self.ports[service]

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.reader.join(PATIENCE)

    def ask_stop(self):
        """The operator's signal; under wine the interrupt, which is Ctrl-C."""
        self.process.send_signal(
            signal.SIGINT if is_windows(self.build) else signal.SIGTERM)

    def ask_reload(self):
        if is_windows(self.build):
            raise Skip("wine sends no Ctrl-Break")
        self.process.send_signal(signal.SIGHUP)

    def stop(self, seconds=PATIENCE):
        """The signal for a clean stop, and the exit code."""
        if self.process is None:
            return 0
        if self.process.poll() is None:
            self.ask_stop()
        code = self.process.wait(seconds)
        self.reader.join(PATIENCE)
        self.process = None
        return code

    def close(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self.own_folder:
            shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind is None and self.process is not None:
            self.stop()  # a sanitizer may speak up at the very end
        found = [l for l in self.lines if SANITIZER.search(l)]
        if found:
            start = self.lines.index(found[0])
            print("\n".join(self.lines[start:start + 60]))
        if kind not in (None, Skip):
            print("--- last lines of the daemon's log ---")
            print("\n".join(self.lines[-40:]))
        self.close()
        assert kind is not None or not found, found[0]

    # ---- what tests do with it ------------------------------------------

    def smtp(self, service="smtp", **options):
        import smtplib
        cls = smtplib.SMTP_SSL if service == "submissions" else smtplib.SMTP
        if service == "submissions":
            options["context"] = insecure_tls()
        return cls("127.0.0.1", self.port(service), timeout=PATIENCE,
                   **options)

    def pop3(self, user="demo", password=None, service="pop3s"):
        import poplib
        if service == "pop3s":
            box = poplib.POP3_SSL("127.0.0.1", self.port(service),
                                  timeout=PATIENCE, context=insecure_tls())
        else:
            box = poplib.POP3("127.0.0.1", self.port(service),
                              timeout=PATIENCE)
            box.stls(insecure_tls())
        box.user(user)
        box.pass_(password or self.password)
        return box

    def messages(self, user="demo", password=None):
        """Every message of a mailbox, octet for octet."""
        box = self.pop3(user, password)
        count = len(box.list()[1])
        found = [b"\r\n".join(box.retr(i + 1)[1]) + b"\r\n"
                 for i in range(count)]
        box.quit()
        return found


def insecure_tls():
    import ssl
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class Wire:
    """A raw connection, for what client libraries do not do."""

    def __init__(self, port, host="127.0.0.1", timeout=PATIENCE,
                 source=None):
        self.socket = socket.create_connection(
            (host, port), timeout, source and (source, 0))
        self.data = b""

    def send(self, data):
        self.socket.sendall(data)

    def line(self):
        while b"\n" not in self.data:
            more = self.socket.recv(65536)
            if not more:
                raise EOFError(self.data)
            self.data += more
        line, self.data = self.data.split(b"\n", 1)
        return line + b"\n"

    def reply(self):
        """A whole SMTP reply as text."""
        lines = []
        while True:
            line = self.line()
            lines.append(line)
            if line[3:4] != b"-":
                return b"".join(lines).decode("latin-1")

    def ask(self, text):
        self.send(text.encode("latin-1") + b"\r\n")
        return self.reply()

    def tls(self):
        self.socket = insecure_tls().wrap_socket(self.socket)

    def at_end(self, seconds=PATIENCE):
        """True when the peer closed and nothing else came."""
        self.socket.settimeout(seconds)
        try:
            return self.socket.recv(65536) == b""
        except ConnectionError:
            return True

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *rest):
        self.close()


def run_tests(tests, build):
    """Runs the functions; returns the exit code for CTest."""
    passed = failed = skipped = 0
    failures = []
    only = sys.argv[2:]
    for test in tests:
        if only and test.__name__ not in only:
            continue
        start = time.monotonic()
        try:
            test(build)
            passed += 1
            result = "ok"
        except Skip as reason:
            skipped += 1
            result = f"SKIPPED: {reason}"
        except Exception:
            failed += 1
            failures.append(f"{test.__name__}: {traceback.format_exc()}")
            result = "FAILED"
        print(f"{test.__name__}: {result} "
              f"({time.monotonic() - start:.1f} s)", flush=True)
    # Last, where a log that shows the ends alone still has them.
    print("".join(failures), end="")
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    if failed:
        return 1
    return SKIP if passed == 0 and skipped else 0


def main(name, *tests):
    if name == "__main__":
        sys.exit(run_tests(tests, os.path.abspath(sys.argv[1])))
