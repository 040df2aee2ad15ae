"""A POP3 server that does what a test says, faults included.

It serves one mailbox, a list of (unique id, octets), to any user, on a free
loopback port. `faults` changes one answer: a verb (or "GREETING") with what is
said instead, octet for octet; HANG says nothing and waits, CUT closes.
"""
from listener import Listener

HANG = object()
CUT = object()


def stuffed(text):
    lines = text.split(b"\r\n")
    return b"\r\n".join(b"." + l if l.startswith(b".") else l for l in lines)


class PopServer(Listener):
    def __init__(self, box, faults=None, uidl=True, top=True, tls=None):
        self.box = list(box)
        self.faults = faults or {}
        self.uidl = uidl
        self.top = top
        self.tls = tls  # a context: STLS is offered
        self.commands = []
        self.sizes = {}  # by unique id, where LIST lies
        self.keeps = False  # QUIT says +OK and deletes nothing
        super().__init__()

    def say(self, peer, verb, octets):
        octets = self.faults.get(verb, octets)
        if octets is HANG:
            peer.recv(1)
            raise EOFError
        if octets is CUT:
            raise EOFError
        if callable(octets):
            octets(peer)
        else:
            peer.sendall(octets)

    def rows(self, verb):
        rows = b""
        for i, (uid, text) in enumerate(self.box):
            size = self.sizes.get(uid, len(text))
            value = uid if verb == "UIDL" else str(size).encode()
            rows += b"%d %s\r\n" % (i + 1, value)
        return b"+OK\r\n" + rows + b".\r\n"

    def text(self, verb, words):
        if not 0 < int(words[1]) <= len(self.box):
            return b"-ERR no such message\r\n"
        _, text = self.box[int(words[1]) - 1]
        if verb == "TOP":
            text = text.split(b"\r\n\r\n")[0] + b"\r\n\r\n"
        return b"+OK\r\n" + stuffed(text) + b".\r\n"

    def answer(self, verb, words, deleted):
        if verb == "CAPA":
            stls = b"STLS\r\n" if self.tls is not None else b""
            return b"+OK\r\nUSER\r\nPIPELINING\r\n" + stls + b".\r\n"
        if verb == "LIST" or (verb == "UIDL" and self.uidl):
            return self.rows(verb)
        if verb == "RETR" or (verb == "TOP" and self.top):
            return self.text(verb, words)
        if verb == "DELE" and verb not in self.faults:
            deleted.append(int(words[1]) - 1)
        if verb in ("UIDL", "TOP"):
            return b"-ERR unknown\r\n"
        return b"+OK\r\n"

    def talk(self, peer):
        self.converse(peer, peer.makefile("rb"))

    def converse(self, peer, lines):
        deleted = []
        self.say(peer, "GREETING", b"+OK\r\n")
        while True:
            line = lines.readline()
            if not line.endswith(b"\r\n"):
                raise EOFError
            words = line.decode("latin-1").split()
            verb = words[0].upper()
            self.commands.append(line.decode("latin-1").strip())
            answer = self.answer(verb, words, deleted)
            if verb == "QUIT" and "QUIT" not in self.faults:
                if not self.keeps:
                    self.box = [row for i, row in enumerate(self.box)
                                if i not in deleted]
            self.say(peer, verb, answer)
            if verb == "STLS" and self.tls is not None:
                peer = self.tls.wrap_socket(peer, server_side=True)
                self.ends.append(peer)
                lines = peer.makefile("rb")
            if verb == "QUIT":
                return

    def close(self):
        super().close()
        for peer in self.ends:
            peer.close()
