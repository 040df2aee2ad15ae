"""Structures that begin with their size, between versions (docs/abi.md).

The host program is sizes.c: it has each structure as it was at first.
"""
import os
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "integration"))
from dnsserver import NameServer  # noqa: E402
from harness import SANITIZER, SOURCE, main  # noqa: E402

RECORDS = {("order.test", "MX"): ["10 a.test"],
           ("a.test", "A"): ["192.0.2.1"]}


def read(*path):
    with open(os.path.join(SOURCE, *path), encoding="utf-8") as file:
        return re.sub(r"/\*.*?\*/", "", file.read(), flags=re.S)


def structures(text, prefix):
    """Names and members of those that begin with their size."""
    found = {}
    for name, body in re.findall(
            r"struct " + prefix + r"(\w+) \{(.*?)\};", text, re.S):
        members = [" ".join(line.split()) for line in body.split(";")
                   if line.strip()]
        if members[0] == "size_t size":
            found[name] = members
    return found


def test_every_structure(_):
    """The program knows each one, and it has only grown at its end."""
    more = sorted(os.listdir(os.path.join(SOURCE, "include", "mailmod")))
    now = structures(read("include", "mailmod.h") + "".join(
        read("include", "mailmod", name) for name in more), "mailmod_")
    old = structures(read("tests", "host", "old.h"), "old_")
    assert len(now) >= 8 and set(now) == set(old), set(now) ^ set(old)
    for name, members in old.items():
        assert now[name][:len(members)] == members, name


def test_no_padding_at_the_end(_):
    """Of what the host fills: a new member would lie where an older host has
    octets of no meaning."""
    figures = read("tests", "rules", "abi.txt")
    names = re.findall(r"#define MM_(\w+)_SIZE_1", read("src", "api",
                                                        "sized.h"))
    assert len(names) >= 4, names
    for name in map(str.lower, names):
        whole, = re.findall(rf"struct mailmod_{name}: (\d+) octets", figures)
        members = re.findall(
            rf"struct mailmod_{name}: \w+ at (\d+), (\d+) octets", figures)
        assert int(members[-1][0]) + int(members[-1][1]) == int(whole), name


def test_old_host(build):
    with NameServer(RECORDS) as names, tempfile.TemporaryDirectory(
            prefix="mailmod-sizes-") as folder:
        run = subprocess.run(
            [os.path.join(build, "tests", "host", "sizes"), folder,
             names.address], capture_output=True, text=True, timeout=120,
            check=False)
    print(run.stdout[-4000:], run.stderr[-4000:])
    assert run.returncode == 0 and not SANITIZER.search(run.stderr)
    assert run.stdout.endswith("done\n")


main(__name__, test_every_structure, test_no_padding_at_the_end,
     test_old_host)
