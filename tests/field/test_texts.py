"""O16: each text says its fact once, in the words of who reads it."""
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "integration"))
from harness import Daemon, main  # noqa: E402
from sink import Sink  # noqa: E402
from test_delivery import Bench  # noqa: E402


def said(daemon, *words, stdin=None):
    run = daemon.ctl(*words, check=False, stdin=stdin)
    assert run.returncode != 0, (words, run)
    return run.stderr.strip()


def test_O16_what_is_not_there(build):
    with Daemon(build, start=False) as daemon:
        missing = os.path.join(daemon.folder, "none", "copy")
        rows = (
            (("user", "passwd", "nobody", "--password-stdin"), "user nobody"),
            (("queue", "show", "0SCSR2NHM0000"), "0SCSR2NHM0000"),
            (("queue", "hold", "0SCSR2NHM0000"), "0SCSR2NHM0000"))
        for words, what in rows:
            text = said(daemon, *words, stdin="secret\n")
            assert text.endswith(f"{what}: it does not exist"), (words, text)
        text = said(daemon, "backup", missing)
        assert text.endswith(f"{missing}: there is no folder for it"), text
        text = said(daemon, "user", "add", "demo", "--password-stdin",
                    stdin="secret\n")
        assert text.endswith("user demo: it exists already"), text


def test_O16_mistyped_keys(build):
    with Daemon(build, start=False) as daemon:
        for name, meant in (("smtp.lisen", "smtp.listen"),
                            ("SMTP.Listne", "smtp.listen"),
                            ("general.data_foldr", "general.data_folder"),
                            ("local.domain", "local.domains")):
            text = said(daemon, "config", "get", name)
            assert text.endswith(f"{name}: there is no such key; did you mean "
                                 f"{meant}?"), text
        text = said(daemon, "config", "get", "nonsense.altogether")
        assert text.endswith("there is no such key"), text
        run = subprocess.run([*daemon.daemon, "--set", "smtp.lisen=x",
                              "--check"], capture_output=True, text=True)
        assert "did you mean smtp.listen?" in run.stderr, run
        daemon.settings["smtp.lisen"] = "x"
        run = subprocess.run([*daemon.daemon, "-c", daemon.write_config(),
                              "--check"], capture_output=True, text=True)
        assert "smtp.lisen: there is no such key; did you mean" in run.stderr


def test_O16_foreign_address(build):
    with Daemon(build, start=False, settings={
            "smtp.listen": "192.0.2.1:2525"}) as daemon:
        run = subprocess.run([*daemon.daemon, "-c", daemon.write_config()],
                             capture_output=True, text=True, timeout=120)
        assert run.returncode == 1 and (
            "smtp: cannot listen on 192.0.2.1:2525: the address is none of "
            "this machine's" in run.stderr), run


def test_O16_name_servers(build):
    """What the name server said, and once who is meant."""
    records = {("fail.test", "MX"): "servfail", ("slow.test", "MX"): "timeout",
               ("half.test", "MX"): ["10 mx.half.test"],
               ("mx.half.test", "A"): "servfail",
               ("mx.half.test", "AAAA"): "servfail"}
    failed = "the name server failed (SERVFAIL)"
    rows = {"fail.test": f"its mail hosts are not known: {failed}",
            "slow.test": "its mail hosts are not known: no name server "
                         "answered in time",
            "half.test": f"no address of mx.half.test: {failed}"}
    with Sink() as sink, Bench(build, records, sink.port,
                               {"dns.timeout": "4s"}) as bench:
        for domain, words in rows.items():
            bench.submit(f"u@{domain}")
            line = bench.logged("deferred", f"u@{domain}")
            assert f'reply="{words}"' in line, line
        text = bench.daemon.ctl("queue", "list").stdout
        for domain, words in rows.items():
            assert f"{domain}: {words}\n" in text, text
            assert f"{domain}: {domain}" not in text, text


main(__name__, test_O16_what_is_not_there, test_O16_mistyped_keys,
     test_O16_foreign_address, test_O16_name_servers)
