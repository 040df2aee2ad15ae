"""A polite guest: what a host's process is after mailmod lived in it.

The hosts are guest_*.c: one that loads and unloads the library many times, one
that compares its process before and after, one whose starts fail, one that leaves
in the middle of the work.
MAILMOD_GUEST_ROUNDS: how many times it is loaded; 1000 take a minute.
"""
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "integration"))
from harness import (SANITIZER, Skip, insecure_tls,  # noqa: E402
                     is_sanitized, main, need)
from hosts import kept_loaded  # noqa: E402

NOBODY = 65534
# What a library in a host's process has no business with. The C library's
# names; time zones, random numbers and the work folder are the process's too.
NOT_OURS = """
    _Exit __cxa_atexit _exit abort alarm atexit chdir clearenv daemon execl
    execle execlp execv execve execvp execvpe exit fchdir fork freopen getenv
    nice on_exit perror popen posix_spawn posix_spawnp printf prctl
    pthread_atfork pthread_exit pthread_kill putchar putenv puts quick_exit
    raise rand random setegid setenv seteuid setgid setgroups setitimer
    setlocale setpriority setregid setresgid setresuid setreuid setrlimit
    setrlimit64 setsid setuid sigaction signal sigprocmask sleep srand srandom
    stderr stdin stdout strtok system tzset umask unsetenv uselocale vfork
    vprintf wait waitid waitpid
""".split()


def library(build):
    return os.path.join(build, "src", "libmailmod.so")


def run(build, name, *words, environment=None, seconds=280):
    result = subprocess.run(
        [os.path.join(build, "tests", "host", name), *words],
        capture_output=True, text=True, timeout=seconds, check=False,
        env=dict(os.environ, **(environment or {})))
    print(result.stdout[-6000:], result.stderr[-6000:])
    assert result.returncode == 0, f"{name}: {result.returncode}"
    assert not SANITIZER.search(result.stderr)
    return result.stdout


def test_loaded_and_unloaded(build):
    """One arena and no cache for each thread, so that the heap's octets in use
    are exact: without that a leak would have to be told from what malloc keeps
    for itself."""
    rounds = os.environ.get("MAILMOD_GUEST_ROUNDS",
                            "20" if is_sanitized(build) else "150")
    with tempfile.TemporaryDirectory(prefix="mailmod-guest-") as folder:
        out = run(build, "guest_by_name", library(build),
                  os.path.join(folder, "data"), rounds, environment={
                      "GLIBC_TUNABLES":
                      "glibc.malloc.tcache_count=0:glibc.malloc.arena_max=1",
                      **kept_loaded(build)})
    assert f"{rounds} rounds left nothing" in out


def test_the_process_is_as_it_was(build):
    """Attack 106: what belongs to the host."""
    with tempfile.TemporaryDirectory(prefix="mailmod-guest-") as folder:
        out = run(build, "guest_manners", os.path.join(folder, "data"))
    assert out == "as it was\n", out


def test_starts_that_fail(build):
    """Attack 103: one error, and all is given back."""
    with tempfile.TemporaryDirectory(prefix="mailmod-guest-") as folder:
        os.chmod(folder, 0o755)
        own = os.path.join(folder, "own")
        os.makedirs(os.path.join(own, "foreign"), mode=0o755)
        if os.geteuid() == 0:
            os.chown(own, NOBODY, NOBODY)
        else:
            os.chmod(os.path.join(own, "foreign"), 0o500)
        out = run(build, "guest_failing", own)
    for name in ("smtp port", "no certificate", "not ours", "closed",
                 "damaged", "two", "descriptors", "threads"):
        assert len(re.findall(f"(?m)^{name}: -", out)) == 2, name


def shake_hands(process, port):
    """As many as come through until the process has ended."""
    while process.poll() is None:
        try:
            with insecure_tls().wrap_socket(
                    socket.create_connection(("127.0.0.1", port), 5)) as peer:
                peer.recv(100)
                peer.sendall(b"EHLO c.test\r\n")
                peer.recv(1000)
        except OSError:
            pass  # it is leaving


def test_a_host_that_just_leaves(build):
    """main returns while connections are in their handshake."""
    for _ in range(3):
        with tempfile.TemporaryDirectory(prefix="mailmod-guest-") as folder:
            process = subprocess.Popen(
                [os.path.join(build, "tests", "host", "guest_leaving"),
                 os.path.join(folder, "data")], stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            port = int(process.stdout.readline())
            peers = [threading.Thread(target=shake_hands,
                                      args=(process, port))
                     for _ in range(4)]
            for peer in peers:
                peer.start()
            time.sleep(0.5)
            _, errors = process.communicate(timeout=120)
            for peer in peers:
                peer.join(60)
            print(errors[-4000:])
            assert process.returncode == 0, process.returncode
            assert not SANITIZER.search(errors)


def test_no_name_of_the_process_is_asked_for(build):
    """The library's own undefined names, whatever path leads to them."""
    if is_sanitized(build):
        raise Skip("a sanitizer asks for what it needs itself")
    out = subprocess.run([need("nm"), "-D", "--undefined-only",
                          library(build)], capture_output=True, text=True,
                         check=True).stdout
    names = {line.split()[-1].split("@")[0] for line in out.splitlines()}
    assert "calloc" in names, sorted(names)
    found = sorted(names.intersection(NOT_OURS))
    assert not found, found


main(__name__, test_loaded_and_unloaded, test_the_process_is_as_it_was,
     test_starts_that_fail, test_a_host_that_just_leaves,
     test_no_name_of_the_process_is_asked_for)
