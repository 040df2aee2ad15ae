"""host.wire_ctypes: a host in Python that knows the library by its binary
interface alone drives one conversation of an SMTP client with one of a server,
whole: mailmod/wire.h, no socket, no C of its own.
"""
import ctypes
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "integration"))
from harness import Skip, is_sanitized, main  # noqa: E402

TEXT = b"Subject: hello\n\n.from Python\n"


class ServerOptions(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t), ("host_name", ctypes.c_char_p),
                ("message_size_max", ctypes.c_uint64),
                ("flags", ctypes.c_uint), ("recipients_max", ctypes.c_uint),
                ("errors_max", ctypes.c_size_t)]


class ServerEvent(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t), ("kind", ctypes.c_int),
                ("is_extended", ctypes.c_int)] + [
        (name, ctypes.c_char_p) for name in (
            "name", "argument", "user", "password", "address", "envelope_id",
            "original_recipient", "text")] + [
        ("octets", ctypes.c_void_p), ("count", ctypes.c_size_t),
        ("message_size", ctypes.c_uint64), ("dsn_return", ctypes.c_int),
        ("dsn_notify", ctypes.c_uint), ("is_8bit", ctypes.c_int),
        ("is_smtputf8", ctypes.c_int), ("has_8bit", ctypes.c_int),
        ("has_subdomains", ctypes.c_int)]


class ClientOptions(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t), ("host_name", ctypes.c_char_p),
                ("flags", ctypes.c_size_t)]


class ClientEvent(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t), ("kind", ctypes.c_int),
                ("error", ctypes.c_int), ("code", ctypes.c_int),
                ("was_sent", ctypes.c_int), ("enhanced", ctypes.c_char_p),
                ("text", ctypes.c_char_p), ("mechanisms", ctypes.c_char_p),
                ("octets", ctypes.c_void_p), ("count", ctypes.c_size_t),
                ("recipient", ctypes.c_size_t)]


class Message(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t), ("reverse_path", ctypes.c_char_p),
                ("recipients", ctypes.POINTER(ctypes.c_char_p)),
                ("recipient_count", ctypes.c_size_t),
                ("message_size", ctypes.c_uint64),
                ("envelope_id", ctypes.c_char_p), ("flags", ctypes.c_uint),
                ("dsn_notify", ctypes.c_uint), ("dsn_return", ctypes.c_uint64)]


(NEED_INPUT, _, _, _, READY, NEED_BODY, _, _, RCPT_REPLY, DONE, COMMAND_REPLY,
 CLOSED) = range(12)
RCPT, BODY, END, COMMAND = 5, 7, 8, 11


def sized(kind, **members):
    return kind(size=ctypes.sizeof(kind), **members)


class Pair:
    def __init__(self, build):
        self.lib = ctypes.CDLL(os.path.join(build, "src", "libmailmod.so"))
        self.lib.mailmod_wire_output.restype = ctypes.c_void_p
        self.lib.mailmod_wire_feed.restype = ctypes.c_size_t
        self.lib.mailmod_smtp_client_body.restype = ctypes.c_size_t
        self.server, self.client = ctypes.c_void_p(), ctypes.c_void_p()
        self.do("smtp_server_new", ctypes.byref(sized(
            ServerOptions, host_name=b"mail.example")),
            ctypes.byref(self.server))
        self.do("smtp_client_new", ctypes.byref(sized(
            ClientOptions, host_name=b"client.example")),
            ctypes.byref(self.client))
        self.seen, self.body = [], b""

    def do(self, name, *words):
        error = getattr(self.lib, "mailmod_" + name)(*words)
        assert error == 0, (name, error)

    def carry(self, giver, taker):
        size = ctypes.c_size_t()
        output = self.lib.mailmod_wire_output(giver, ctypes.byref(size))
        taken = self.lib.mailmod_wire_feed(
            taker, ctypes.c_void_p(output), size)
        self.do("wire_sent", giver, ctypes.c_size_t(taken))

    def serve(self):
        event = sized(ServerEvent)
        while True:
            self.do("smtp_server_next", self.server, ctypes.byref(event))
            if event.kind == NEED_INPUT:
                return
            if event.kind == BODY:
                self.body += ctypes.string_at(event.octets, event.count)
            if event.kind in (RCPT, COMMAND):
                self.seen.append(event.address or event.argument)
            if event.address == b"no@example.org":
                self.do("smtp_server_answer", self.server, 550, b"5.1.1",
                        b"no such user")
                continue
            self.do("smtp_server_answer", self.server, 0, None, None)
            if event.kind > COMMAND + 1:  # QUIT, BROKEN
                return

    def free(self):
        self.do("wire_free", ctypes.byref(self.server))
        self.do("wire_free", ctypes.byref(self.client))


def test_one_conversation(build):
    if is_sanitized(build):
        raise Skip("Python is not built for a sanitizer")
    pair = Pair(build)
    pair.do("smtp_server_add_verb", pair.server, b"XTIME", b"XTIME")
    people = (ctypes.c_char_p * 2)(b"bob@example.org", b"<no@example.org>")
    message = sized(Message, reverse_path=b"alice@example.com",
                    recipients=people, recipient_count=2)
    event, replies, steps = sized(ClientEvent), [], ["send", "XTIME", "quit"]
    while event.kind != CLOSED:
        pair.do("smtp_client_next", pair.client, ctypes.byref(event))
        assert event.kind <= CLOSED, (event.kind, event.error)
        if event.kind == NEED_INPUT:
            pair.carry(pair.client, pair.server)
            pair.serve()
            pair.carry(pair.server, pair.client)
        elif event.kind == READY:
            step = steps.pop(0)
            if step == "send":
                pair.do("smtp_client_send", pair.client, ctypes.byref(message))
            elif step == "quit":
                pair.do("smtp_client_quit", pair.client)
            else:
                pair.do("smtp_client_command", pair.client, b"XTIME now")
        elif event.kind == NEED_BODY:
            assert pair.lib.mailmod_smtp_client_body(
                pair.client, TEXT, ctypes.c_size_t(len(TEXT))) == len(TEXT)
            pair.do("smtp_client_body_end", pair.client)
        elif event.kind in (RCPT_REPLY, DONE, COMMAND_REPLY):
            replies.append((event.code, event.enhanced))
    assert pair.seen == [b"bob@example.org", b"no@example.org", b"now"], \
        pair.seen
    assert pair.body == TEXT.replace(b"\n", b"\r\n"), pair.body
    assert replies == [(250, b"2.1.5"), (550, b"5.1.1"), (250, b"2.6.0"),
                       (250, b"2.0.0")], replies
    pair.free()


main(__name__, test_one_conversation)
