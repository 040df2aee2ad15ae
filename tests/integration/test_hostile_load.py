"""Many slow and hostile peers at once: what they cost in memory.

The bounds are those of src/base/limits.h and docs/reliability.md, with a wide
margin: a fault shows as a multiple. tests/bench/hostile.py prints the figures.
"""
from harness import Daemon, Skip, Wire, is_sanitized, main, need_posix
from slow_peers import (LINE, MANY, SlowSender, allow_descriptors, connect,
                        rss_kib, tls_context)

PEERS = 200
# MM_LIMIT_TEXTS, and what the C library may hold back.
TEXTS_KIB = 6 * 1024
# A session that receives: a piece, its header, and itself.
SENDER_KIB = 48
# The same under TLS: OpenSSL's session and a record that is not whole.
TLS_SENDER_KIB = SENDER_KIB + 48
# TLS before the first octets.
SILENT_KIB = 16


def begin(build):
    need_posix(build, "memory is read from /proc")
    if is_sanitized(build):
        raise Skip("a sanitizer's memory is not the daemon's")
    if not allow_descriptors(2 * PEERS + 200):
        raise Skip(f"no {2 * PEERS + 200} descriptors")
    return Daemon(build, settings={
        **MANY, "general.log_level": "warning", "general.loops": 2,
        "smtp.tls_timeout": "10m", "smtp.message_size_max": "60M"})


def warm(daemon):
    """What the store and OpenSSL keep for good is there before we look."""
    for tls in (None, tls_context()):
        peer = SlowSender(daemon.port("smtp"), 0, tls=tls)
        peer.begin()
        peer.send(LINE * 300000)
        peer.end()
        peer.close()
    return rss_kib(daemon.process.pid)


def held_kib(daemon, tls):
    """What PEERS senders in the middle of a large message cost at most."""
    idle = warm(daemon)
    peers = [SlowSender(daemon.port("smtp"), i, tls=tls) for i in range(PEERS)]
    for peer in peers:
        peer.begin()
    most = 0
    for _ in range(40):
        for peer in peers:
            peer.send(LINE * 90)
        most = max(most, rss_kib(daemon.process.pid) - idle)
    # The daemon has taken all of it, and each goes on as if nothing were.
    for peer in peers:
        peer.end()
        peer.close()
    print(f"{most} KiB for {PEERS} senders")
    return most


def test_senders_of_large_messages(build):
    with begin(build) as daemon:
        most = held_kib(daemon, None)
        assert most < TEXTS_KIB + PEERS * SENDER_KIB, most


def test_senders_under_tls(build):
    with begin(build) as daemon:
        most = held_kib(daemon, tls_context())
        assert most < TEXTS_KIB + PEERS * TLS_SENDER_KIB, most


def test_silent_before_tls(build):
    """R32: OpenSSL's session is made when its peer says something."""
    with begin(build) as daemon:
        idle = warm(daemon)
        peers = [connect(daemon.port("submissions"), i) for i in range(PEERS)]
        # All were accepted before the last, which was greeted.
        with Wire(daemon.port("submissions")) as last:
            last.tls()
            assert last.reply().startswith("220")
        most = rss_kib(daemon.process.pid) - idle
        print(f"{most} KiB for {PEERS} silent connections")
        assert most < PEERS * SILENT_KIB, most
        for peer in peers:
            peer.close()


main(__name__, test_senders_of_large_messages, test_senders_under_tls,
     test_silent_before_tls)
