"""Filters of other hands: Rspamd and clamav-milter, as Debian has them, with
the settings of docs/milter.md. GTUBE and EICAR are their test mail."""
import base64
import contextlib
import os
import socket
import subprocess
import tempfile

from harness import Daemon, free_port, main, need, need_posix, wait_for

GTUBE = ("XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL"
         "*C.34X")
# In two parts, so that no scanner takes this file for the virus.
EICAR = ("X5O!P%@AP[4\\PZX54(P^)7CC)7}$" +
         "EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*")
PLAIN = ("From: Ann <a@c.test>\r\nTo: demo@mail.test\r\nSubject: hello\r\n"
         "Date: Mon, 30 Nov 2026 12:00:00 +0000\r\nMessage-ID: <1@c.test>\r\n"
         "\r\nA plain message.\r\n")


def with_attachment(octets):
    return (PLAIN.replace("\r\n\r\n", (
        "\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b"
        "\r\n\r\n--b\r\n\r\n")) +
        "--b\r\nContent-Type: application/octet-stream; name=x.com\r\n"
        "Content-Disposition: attachment; filename=x.com\r\n"
        "Content-Transfer-Encoding: base64\r\n\r\n" +
        base64.encodebytes(octets.encode()).decode().replace("\n", "\r\n") +
        "--b--\r\n")


def write(folder, name, text):
    path = os.path.join(folder, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    return path


def is_open(port):
    with contextlib.suppress(OSError):
        socket.create_connection(("127.0.0.1", port), 5).close()
        return True
    return False


@contextlib.contextmanager
def running(folder, name, *command):
    with open(os.path.join(folder, name + ".out"), "wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out,
                                   cwd=folder)
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextlib.contextmanager
def rspamd(folder):
    port = free_port()
    for worker in ("normal", "controller", "fuzzy"):
        write(folder, f"local.d/worker-{worker}.inc", "enabled = false;\n")
    write(folder, "local.d/worker-proxy.inc",
          f'bind_socket = "127.0.0.1:{port}"; milter = yes; timeout = 120s; '
          'count = 1;\n'
          'upstream "local" { default = yes; self_scan = yes; }\n')
    write(folder, "local.d/options.inc",
          'dns { nameserver = ["127.0.0.1:1"]; timeout = 100ms; '
          'retransmits = 1; }\n')
    write(folder, "local.d/milter_headers.conf",
          'use = ["x-spamd-result"]; skip_local = false; '
          'skip_authenticated = false;\n')
    os.makedirs(os.path.join(folder, "db"))
    with running(folder, "rspamd", "rspamd", "-f", "-i",
                 *(f"--var={key}={os.path.join(folder, value)}"
                   for key, value in (("DBDIR", "db"), ("RUNDIR", "."),
                                      ("LOGDIR", "."),
                                      ("LOCAL_CONFDIR", ".")))):
        wait_for(lambda: is_open(port), 240, "Rspamd")
        yield port


@contextlib.contextmanager
def clamav(folder):
    port = free_port()
    # One signature, so that nothing is fetched from anywhere.
    write(folder, "db/eicar.ndb",
          f"Eicar-Test:0:*:{EICAR.encode().hex()}\n")
    local = os.path.join(folder, "clamd.sock")
    clamd = write(folder, "clamd.conf", f"LocalSocket {local}\n"
                  f"DatabaseDirectory {folder}/db\nForeground yes\n")
    milter = write(folder, "milter.conf",
                   f"MilterSocket inet:{port}@127.0.0.1\n"
                   f"ClamdSocket unix:{local}\nOnInfected Reject\n"
                   "AddHeader Replace\nForeground yes\n")
    with running(folder, "clamd", "clamd", "-c", clamd):
        wait_for(lambda: os.path.exists(local), 120, "clamd")
        with running(folder, "clamav-milter", "clamav-milter", "-c", milter):
            wait_for(lambda: is_open(port), 120, "clamav-milter")
            yield port


def deliver(daemon, body):
    """The reply to the message."""
    with daemon.smtp() as box:
        assert box.ehlo("c.test")[0] == 250
        assert box.mail("a@c.test")[0] == 250
        assert box.rcpt("demo@mail.test")[0] == 250
        code, text = box.data(body.encode())
        return code, text.decode()


def serve(build, port, name):
    return Daemon(build, settings={"milters.filters": [
        f"name={name} at=127.0.0.1:{port}"]})


def test_rspamd(build):
    need_posix(build, "Rspamd")
    need("rspamd")
    with tempfile.TemporaryDirectory(prefix="mailmod-rspamd-") as folder, \
            rspamd(folder) as port, serve(build, port, "rspamd") as daemon:
        code, text = deliver(daemon, PLAIN)
        assert code == 250, (code, text)
        message = daemon.messages()[0].decode()
        print(message)
        assert "X-Spamd-Result: default:" in message, message
        assert message.endswith("\r\nA plain message.\r\n"), message
        code, text = deliver(daemon, PLAIN + GTUBE + "\r\n")
        print(code, text)
        assert code == 554 and "Gtube" in text, (code, text)
        assert len(daemon.messages()) == 1


def test_clamav(build):
    need_posix(build, "clamav-milter")
    need("clamav-milter")
    need("clamd")
    with tempfile.TemporaryDirectory(prefix="mailmod-clamav-") as folder, \
            clamav(folder) as port, serve(build, port, "clamav") as daemon:
        code, text = deliver(daemon, PLAIN)
        assert code == 250, (code, text)
        message = daemon.messages()[0].decode()
        print(message)
        assert "X-Virus-Status: Clean\r\n" in message, message
        code, text = deliver(daemon, with_attachment(EICAR))
        print(code, text)
        assert code == 550, (code, text)
        large = with_attachment("x" * 300000)
        assert deliver(daemon, large)[0] == 250
        assert len(daemon.messages()) == 2


main(__name__, test_rspamd, test_clamav)
