"""What Debian has compiled against libESMTP sends mail over libmailmod-esmtp.

Debian's esmtp, a sendmail for people without a mail server, is run as it is:
the loader finds libmailmod-esmtp where it looks for libesmtp.so.6. It is taken
from the system, or from MAILMOD_DROPIN: a folder with Debian's packages
unpacked, as tests/dropin/run makes it.
"""
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "integration"))
from harness import SANITIZER, Skip, is_sanitized, main, need  # noqa: E402
from sink import Sink  # noqa: E402
from test_delivery import make_certificate  # noqa: E402

OFFERED = ("PIPELINING", "SIZE 9000000", "8BITMIME", "DSN",
           "ENHANCEDSTATUSCODES")


def esmtp():
    folder = os.environ.get("MAILMOD_DROPIN", "")
    path = os.path.join(folder, "usr", "bin", "esmtp")
    return path if folder and os.path.exists(path) else need("esmtp")


def send(build, settings, *words, text="Subject: x\n\n.dot\nbody\n"):
    """(exit code, what it printed); the user's files are `settings`."""
    if is_sanitized(build):
        raise Skip("the program is not sanitized, so its library cannot be")
    with tempfile.TemporaryDirectory(prefix="mailmod-dropin-") as home:
        library = os.path.join(build, "src", "esmtp", "libmailmod-esmtp.so")
        os.symlink(os.path.abspath(library),
                   os.path.join(home, "libesmtp.so.6"))
        with open(os.path.join(home, ".esmtprc"), "w",
                  encoding="ascii") as file:
            file.write(settings)
        os.chmod(file.name, 0o600)
        config = os.path.join(home, ".config")
        os.makedirs(os.path.join(config, "libesmtp"))
        if os.path.exists(os.environ.get("MAILMOD_TEST_CA", "")):
            os.symlink(os.environ["MAILMOD_TEST_CA"],
                       os.path.join(config, "libesmtp", "ca.pem"))
        run = subprocess.run(
            [esmtp(), "-v", *words], input=text.encode(), capture_output=True,
            timeout=60, cwd=home, check=False,
            env=dict(os.environ, HOME=home, LD_LIBRARY_PATH=home,
                     XDG_CONFIG_HOME=config))
        said = (run.stdout + run.stderr).decode("utf-8", "replace")
        assert not SANITIZER.search(said), said
        return run.returncode, said


def test_mail(build):
    with Sink(extensions=OFFERED) as sink:
        code, said = send(build, f"hostname = localhost:{sink.port}\n", "-f",
                          "me@mail.test", "a@x.test", "b@x.test")
        assert code == 0 and "250" in said, (code, said)
        message = sink.messages[0]
        assert message.reverse_path == "me@mail.test"
        assert sorted(message.recipients) == ["a@x.test", "b@x.test"]
        text = message.data.decode()
        assert text.startswith("Subject: x\r\n") and \
            text.endswith("\r\n\r\n.dot\r\nbody\r\n"), text


def test_refused(build):
    with Sink(replies={"RCPT": "550 5.1.1 nobody"}) as sink:
        code, said = send(build, f"hostname = localhost:{sink.port}\n", "-f",
                          "me@mail.test", "a@x.test")
        assert code != 0 and "nobody" in said, (code, said)
    code, said = send(build, "hostname = 127.0.0.1:1\n", "a@x.test")
    assert code != 0 and "refused" in said, (code, said)


def test_login(build):
    with tempfile.TemporaryDirectory() as folder:
        context = make_certificate(folder, "localhost")
        os.environ["MAILMOD_TEST_CA"] = os.path.join(folder, "ca.pem")
        with Sink(extensions=OFFERED + ("STARTTLS", "AUTH PLAIN"),
                  tls=context) as sink:
            code, said = send(
                build, f"hostname = localhost:{sink.port}\n"
                'username = "alice"\npassword = "wonderland"\n'
                "starttls = required\n", "-f", "me@mail.test", "a@x.test")
            assert code == 0, (code, said)
            assert sink.messages[0].tls and sink.messages[0].user


main(__name__, test_mail, test_refused, test_login)
