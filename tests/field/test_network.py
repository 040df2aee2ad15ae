"""The way in: proxies in front of us and TLS, row by row of docs/field.md."""
import os
import signal
import socket
import ssl
import subprocess
import tempfile

from harness import (Daemon, Wire, free_port, insecure_tls, main, need,
                     need_posix, wait_for)

CLIENT = "198.51.100.7"
V1 = f"PROXY TCP4 {CLIENT} 127.0.0.1 4000 25\r\n".encode()
V2 = (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x10" + socket.inet_aton(CLIENT) +
      socket.inet_aton("127.0.0.1") + b"\x0f\xa0\0\x19" + b"\x04\0\x01x")
LOCAL = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"
BODY = b"From: a@client.test\r\nTo: demo@mail.test\r\nSubject: x\r\n\r\ntext\r\n"


def behind_proxies(build, **settings):
    return Daemon(build, settings={"general.proxy_from": "127.0.0.1",
                                   "general.proxy_timeout": "20s",
                                   **settings})


def send_one(daemon, wire):
    assert wire.reply().startswith("220 ")
    assert wire.ask("EHLO client.test").startswith("250-")
    assert wire.ask("MAIL FROM:<a@client.test>").startswith("250")
    assert wire.ask("RCPT TO:<demo@mail.test>").startswith("250")
    assert wire.ask("DATA").startswith("354")
    wire.send(BODY)
    assert wire.ask(".").startswith("250")
    assert wire.ask("QUIT").startswith("221")


def read_pop3(wire):
    assert wire.line().startswith(b"+OK")
    wire.send(b"USER demo\r\nPASS secret\r\nRETR 1\r\nQUIT\r\n")
    text = b""
    while not text.endswith(b"\r\n.\r\n"):
        text += wire.line()
    return text


def test_R15_both_versions_on_each_door(build):
    with behind_proxies(build) as daemon:
        for header in V1, V2:
            with Wire(daemon.port("smtp")) as wire:
                wire.send(header)
                send_one(daemon, wire)
            # Header and client's hello in one piece: the rest is the TLS's.
            with Wire(daemon.port("pop3s")) as wire:
                wire.socket = first_with(wire.socket, header)
                text = read_pop3(wire)
            assert f"([{CLIENT}])".encode() in text, text
        daemon.wait_log(r"peer=\S*198\.51\.100\.7")


class first_with:
    """A TLS client whose first octets have others in front of them."""

    def __init__(self, sock, header):
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = insecure_tls().wrap_bio(self.incoming, self.outgoing)
        self.socket, self.header = sock, header

    def flush(self):
        octets = self.header + self.outgoing.read()
        self.header = b""
        if octets:
            self.socket.sendall(octets)

    def run(self, call, *arguments):
        while True:
            try:
                result = call(*arguments)
                self.flush()
                return result
            except ssl.SSLWantReadError:
                self.flush()
                more = self.socket.recv(65536)
                if not more:
                    raise EOFError
                self.incoming.write(more)

    def recv(self, size):
        return self.run(self.tls.read, size)

    def sendall(self, octets):
        self.run(self.tls.write, octets)

    def close(self):
        self.socket.close()


def test_R15_cut_at_each_octet(build):
    """Attack 42: cut anywhere it waits or ends, and no word is said."""
    with behind_proxies(build, **{"general.proxy_timeout": "1s"}) as daemon:
        for header in V1, V2, LOCAL:
            cut = [Wire(daemon.port("smtp")) for _ in header]
            for size, wire in enumerate(cut):
                wire.send(header[:size])
                wire.socket.shutdown(socket.SHUT_WR)
            for wire in cut:
                assert wire.at_end()
                wire.close()
        for broken in (b"PROXY TCP9 1 2 3 4\r\n", b"EHLO client.test\r\n",
                       b"PROXY " + b"x" * 600, V2[:14] + b"\xff\xff",
                       b"\x16\x03\x01\x02\x00\x01\x00", V1[1:]):
            with Wire(daemon.port("smtp")) as wire:
                wire.send(broken)
                assert wire.at_end(), broken
        with Wire(daemon.port("smtp")) as wire:
            wire.send(V1)
            send_one(daemon, wire)


def test_R15_refused_elsewhere(build):
    with Daemon(build) as daemon:
        for header in V1, V2:
            for service in "smtp", "submission", "pop3":
                with Wire(daemon.port(service)) as wire:
                    wire.line()
                    wire.send(header)
                    end = b""
                    try:
                        while True:
                            end = wire.line()
                    except (EOFError, ConnectionError):
                        pass
                    assert b"250" not in end, end
        assert not [l for l in daemon.lines if CLIENT in l]


def test_R15_reload(build):
    need_posix(build, "reload")
    with Daemon(build) as daemon:
        daemon.settings["general.proxy_from"] = "127.0.0.0/8"
        daemon.write_config()
        daemon.ask_reload()
        daemon.wait_log("reloaded")
        with Wire(daemon.port("smtp")) as wire:
            wire.send(V1)
            send_one(daemon, wire)


HAPROXY = """
global
    maxconn 100
defaults
    mode tcp
    timeout connect 5s
    timeout client 60s
    timeout server 60s
"""


def haproxy_config(rows):
    text = HAPROXY
    for name, port, target, option in rows:
        text += (f"listen {name}\n    bind 127.0.0.1:{port}\n"
                 f"    server mail 127.0.0.1:{target} {option} check\n")
    return text


def test_R15_haproxy(build):
    """A real proxy: its checks are LOCAL, its clients carried."""
    need_posix(build, "haproxy")
    haproxy = need("haproxy")
    with behind_proxies(build) as daemon, tempfile.TemporaryDirectory() as f:
        ports = [free_port() for _ in range(3)]
        path = os.path.join(f, "haproxy.cfg")
        with open(path, "w", encoding="utf-8") as out:
            out.write(haproxy_config([
                ("smtp", ports[0], daemon.port("smtp"), "send-proxy"),
                ("smtp2", ports[1], daemon.port("smtp"), "send-proxy-v2"),
                ("pop3s", ports[2], daemon.port("pop3s"), "send-proxy-v2")]))
        process = subprocess.Popen([haproxy, "-db", "-f", path],
                                   stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        try:
            wait_for(lambda: answers(ports[0]), what="haproxy")
            for port in ports[:2]:
                with Wire(port, source="127.0.0.2") as wire:
                    send_one(daemon, wire)
            with Wire(ports[2], source="127.0.0.2") as wire:
                wire.tls()
                text = read_pop3(wire)
            assert b"([127.0.0.2])" in text, text
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(120)


def answers(port):
    try:
        with Wire(port) as wire:
            return wire.line().startswith(b"220")
    except (OSError, EOFError):
        return False


CA = ["req", "-x509", "-nodes", "-days", "30"]


def make_certificate(folder, name, kind, *hosts):
    """A certificate and its key; the label is its common name."""
    openssl = need("openssl")
    cert, key = (os.path.join(folder, name + end) for end in (".crt", ".key"))
    words = (["-newkey", "rsa:2048"] if kind == "rsa" else
             ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"])
    subprocess.run([openssl, *CA, *words, "-subj", "/CN=" + name, "-addext",
                    "subjectAltName=" + ",".join("DNS:" + h for h in hosts),
                    "-keyout", key, "-out", cert], check=True,
                   capture_output=True)
    os.chmod(key, 0o600)
    return cert, key


def client(build_context=None, **options):
    context = insecure_tls()
    for name, value in options.items():
        setattr(context, name, value)
    if build_context:
        build_context(context)
    return context


def subject(octets):
    run = subprocess.run([need("openssl"), "x509", "-noout", "-subject"],
                         input=ssl.DER_cert_to_PEM_cert(octets).encode(),
                         capture_output=True, check=True)
    return run.stdout.decode().split("CN")[1].strip(" =\n")


def certificate_of(port, host=None, ciphers=None):
    """Whose certificate a client gets that asks for this host."""
    context = client(maximum_version=ssl.TLSVersion.TLSv1_2)
    if ciphers:
        context.set_ciphers(ciphers)
    with socket.create_connection(("127.0.0.1", port), 30) as s:
        with context.wrap_socket(s, server_hostname=host) as tls:
            return subject(tls.getpeercert(True))


def old_version(port, version, steps=()):
    """The version that was agreed on, or None."""
    context = client(minimum_version=version, maximum_version=version)
    context.set_ciphers("ALL:@SECLEVEL=0")
    with Wire(port) as wire:
        for word, start in steps:
            if word:
                wire.send(word)
            while not wire.line().startswith(start):
                pass
        try:
            return context.wrap_socket(wire.socket).version()
        except (ssl.SSLError, ConnectionError):
            return None


def test_F25_certificates_by_name_and_kind(build):
    with Daemon(build, start=False) as daemon:
        made = {name: make_certificate(daemon.folder, name, kind, *hosts)
                for name, kind, hosts in (
                    ("main", "ec", ["mail.test"]),
                    ("old", "rsa", ["mail.test"]),
                    ("other", "ec", ["other.test", "*.other.test"]))}
        pfx = os.path.join(daemon.folder, "other file, of windows.pfx")
        subprocess.run([need("openssl"), "pkcs12", "-export", "-in",
                        made["other"][0], "-inkey", made["other"][1], "-out",
                        pfx, "-passout", "pass:opens"], check=True)
        os.chmod(pfx, 0o600)
        daemon.settings["tls.certificate_file"] = made["main"][0]
        daemon.settings["tls.key_file"] = made["main"][1]
        daemon.settings["tls.pass_phrase"] = "opens"
        config = daemon.write_config()
        with open(config, "a", encoding="utf-8") as file:
            file.write('tls.more_certificates = ["%s;%s", "%s"];\n' %
                       (*made["old"], os.path.basename(pfx)))
        daemon.write_config = lambda: config
        daemon.start()
        for port in daemon.port("submissions"), daemon.port("pop3s"):
            assert certificate_of(port) == "main"
            assert certificate_of(port, ciphers="aRSA") == "old"
            assert certificate_of(port, "mail.test", "aRSA") == "old"
            assert certificate_of(port, "www.other.test") == "other"
            assert certificate_of(port, "a.www.other.test") == "main"
        check = subprocess.run([*daemon.daemon, "-c", config, "--check"],
                               capture_output=True, text=True, cwd=daemon.folder)
        assert check.returncode == 0, check
        words = check.stdout + check.stderr
        assert words.count("days_left=") == 3, words
        reload_with_other(daemon, pfx)


def reload_with_other(daemon, pfx):
    """Attack 21: the new one comes with a reload, a bad one changes nothing."""
    if os.name != "posix":
        return
    port = daemon.port("pop3s")
    with open(pfx, "rb") as file:
        octets = file.read()
    with open(pfx, "wb") as file:
        file.write(octets[:-40])
    daemon.ask_reload()
    daemon.wait_log("more_certificates: .*windows.pfx")
    assert certificate_of(port, "other.test") == "other"
    made = make_certificate(daemon.folder, "newer", "ec", "other.test")
    subprocess.run([need("openssl"), "pkcs12", "-export", "-in", made[0],
                    "-inkey", made[1], "-out", pfx, "-passout", "pass:opens"],
                   check=True)
    before = len(daemon.lines)
    daemon.ask_reload()
    daemon.wait_log("reloaded", after=before)
    assert certificate_of(port, "other.test") == "newer"


def test_F25_rsa_beside_the_self_signed(build):
    """A client without ECDSA gets in where nobody set anything."""
    with Daemon(build) as daemon:
        port = daemon.port("submissions")
        for ciphers in "aECDSA", "aRSA":
            assert certificate_of(port, "mail.test", ciphers) == "mail.test"


def test_F25_old_tls_for_lenient_networks(build):
    need_posix(build, "an OpenSSL with TLS 1.0")
    v1, v1_1 = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    starttls = ((None, b"220"), (b"EHLO x\r\n", b"250 "),
                (b"STARTTLS\r\n", b"220"))
    with Daemon(build) as daemon:
        for version in v1, v1_1:
            assert old_version(daemon.port("submissions"), version) is None
            assert old_version(daemon.port("pop3s"), version) is None
            assert old_version(daemon.port("smtp"), version, starttls) is None
    with Daemon(build, settings={"smtp.lenient_from": "127.0.0.0/8",
                                 "pop3.lenient_from": "127.0.0.1"}) as daemon:
        for version, name in (v1, "TLSv1"), (v1_1, "TLSv1.1"):
            assert old_version(daemon.port("submissions"), version) == name
            assert old_version(daemon.port("pop3s"), version) == name
            assert old_version(daemon.port("smtp"), version, starttls) == name
        assert old_version(daemon.port("smtp"), ssl.TLSVersion.TLSv1_3,
                           starttls) == "TLSv1.3"
    with Daemon(build, settings={"smtp.lenient_from": "192.0.2.0/24"}) as other:
        assert old_version(other.port("submissions"), v1) is None


def test_names_without_end(build):
    """Attack 19: any server name gets a certificate or an alert."""
    with Daemon(build) as daemon:
        port = daemon.port("submissions")
        for name in (b"", b"a", b"a" * 255, b"a" * 256, b"a" * 60000, b"a\\",
                     b"....", b"a.b" * 60, b"\x01", b"a\0b"):
            with socket.create_connection(("127.0.0.1", port), 30) as s:
                s.sendall(hello(name))
                try:
                    assert s.recv(5)[:1] in (b"\x16", b"\x15", b""), name
                except ConnectionError:
                    pass
        assert certificate_of(port, "mail.test") == "mail.test"


def hello(name):
    """A client's hello of TLS 1.2 with this server name, cut into records."""
    entry = b"\0" + len(name).to_bytes(2, "big") + name
    names = len(entry).to_bytes(2, "big") + entry
    sni = b"\0\0" + len(names).to_bytes(2, "big") + names
    groups = bytes.fromhex("000a000400020017" "000d000400020403"
                           "000b00020100")
    extensions = sni + groups
    body = (b"\3\3" + bytes(32) + b"\0" + bytes.fromhex("0002c02b") +
            b"\1\0" + len(extensions).to_bytes(2, "big") + extensions)
    message = b"\1" + len(body).to_bytes(3, "big") + body
    records = b""
    for i in range(0, len(message), 16000):
        piece = message[i:i + 16000]
        records += b"\x16\3\1" + len(piece).to_bytes(2, "big") + piece
    return records


main(__name__, test_R15_both_versions_on_each_door,
     test_R15_cut_at_each_octet, test_R15_refused_elsewhere,
     test_R15_reload, test_R15_haproxy,
     test_F25_certificates_by_name_and_kind,
     test_F25_rsa_beside_the_self_signed,
     test_F25_old_tls_for_lenient_networks, test_names_without_end)
