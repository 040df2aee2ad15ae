"""A name server of a few records on loopback, for routes of every kind.

Records are {(name, type): answer}; an answer is a list of values, or one of
"servfail", "timeout", "empty". A name without any record is NXDOMAIN. Types:
"A", "AAAA", "MX" (values "10 host"), "SRV" ("1 0 587 host"), "CNAME". UDP and TCP.

`manner` is how TCP is spoken: "one" answer a connection, "many", "octets" (one
by one), "swapped" (two questions, the second answered first), "bogus" (others'
answers in front), "hang" (no answer at all), "cut" (closes instead).
"""
import socket
import socketserver
import struct
import threading
import time

TYPES = {1: "A", 5: "CNAME", 15: "MX", 28: "AAAA", 33: "SRV"}
CODES = {name: code for code, name in TYPES.items()}


def encode_name(name):
    name = name.rstrip(".")
    parts = name.split(".") if name else []
    return b"".join(bytes([len(p)]) + p.encode() for p in parts) + b"\0"


def read_name(data, at):
    labels = []
    while data[at]:
        labels.append(data[at + 1:at + 1 + data[at]].decode())
        at += 1 + data[at]
    return ".".join(labels).lower(), at + 1


def encode_value(kind, value):
    if kind == "A":
        return socket.inet_pton(socket.AF_INET, value)
    if kind == "AAAA":
        return socket.inet_pton(socket.AF_INET6, value)
    if kind == "MX":
        preference, host = value.split()
        return struct.pack(">H", int(preference)) + encode_name(host)
    if kind == "SRV":
        *numbers, host = value.split()
        return struct.pack(">HHH", *map(int, numbers)) + encode_name(host)
    return encode_name(value)


class NameServer:
    def __init__(self, records):
        self.records = records
        self.asked = []
        self.udp_count = 0
        self.tcp_count = 0
        self.manner = "one"
        outer = self

        class Udp(socketserver.BaseRequestHandler):
            def handle(self):
                outer.udp_count += 1
                reply = outer.answer(self.request[0])
                if reply:
                    self.request[1].sendto(reply, self.client_address)

        class Tcp(socketserver.StreamRequestHandler):
            def handle(self):
                outer.tcp_count += 1
                try:
                    while outer.talk(self):
                        pass
                except OSError:
                    pass

        self.udp, self.tcp = self.bind(Udp, Tcp)
        self.port = self.udp.server_address[1]
        for server in (self.udp, self.tcp):
            server.daemon_threads = True
            server.socket.settimeout(5)  # as in sink.py
            threading.Thread(target=server.serve_forever, daemon=True).start()

    @staticmethod
    def bind(udp_handler, tcp_handler):
        """One number for both; what is free for UDP need not be for TCP."""
        socketserver.ThreadingTCPServer.allow_reuse_address = True
        for _ in range(100):
            udp = socketserver.ThreadingUDPServer(("127.0.0.1", 0),
                                                  udp_handler)
            try:
                return udp, socketserver.ThreadingTCPServer(
                    udp.server_address, tcp_handler)
            except OSError:
                udp.server_close()
        raise OSError("no port is free for UDP and TCP")

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def find(self, name, kind):
        """The records that answer, through CNAMEs, and the response code."""
        answers, code = [], 0
        for _ in range(8):
            value = self.records.get((name, kind))
            alias = self.records.get((name, "CNAME"))
            if value is None and alias is not None:
                answers.append((name, "CNAME", alias[0]))
                name = alias[0]
                continue
            if value == "servfail":
                return [], 2
            if value == "timeout":
                return None, 0
            if value is None and not any(n == name for n, _ in self.records):
                code = 3
            if isinstance(value, list):
                answers += [(name, kind, v) for v in value]
            break
        return answers, code

    def read(self, handler):
        """The next question, or None."""
        size = handler.rfile.read(2)
        if len(size) < 2:
            return None
        return handler.rfile.read(struct.unpack(">H", size)[0])

    def talk(self, handler):
        """One turn of TCP; true: another one."""
        query = self.read(handler)
        if query is None or self.manner == "cut":
            return False
        queries = [query]
        if self.manner == "swapped":
            queries.insert(0, self.read(handler))
        for query in queries:
            reply = query and self.answer(query)
            if reply and self.manner != "hang":
                self.say(handler, query, reply)
        return self.manner != "one"

    def say(self, handler, query, reply):
        framed = struct.pack(">H", len(reply)) + reply
        if self.manner == "bogus":
            other = bytes([reply[0] ^ 0x55]) + reply[1:]
            stray = reply[:2] + reply[2:12] + b"\1x" + reply[12:]
            question = query[:2] + b"\1\0" + query[4:]
            for each in (b"", b"\0", other, stray, question, reply[:11]):
                handler.wfile.write(struct.pack(">H", len(each)) + each)
        if self.manner != "octets":
            handler.wfile.write(framed)
            return
        for i in range(len(framed)):
            handler.wfile.write(framed[i:i + 1])
            handler.wfile.flush()
            time.sleep(0.001)

    def answer(self, query):
        if len(query) < 17:
            return None
        name, at = read_name(query, 12)
        kind = TYPES.get(struct.unpack(">H", query[at:at + 2])[0], "?")
        self.asked.append((name, kind))
        answers, code = self.find(name, kind)
        if answers is None:
            return None
        reply = query[:2] + struct.pack(
            ">HHHHH", 0x8180 | code, 1, len(answers), 0, 0)
        reply += query[12:at + 4]
        for owner, owner_kind, value in answers:
            data = encode_value(owner_kind, value)
            reply += encode_name(owner) + struct.pack(
                ">HHIH", CODES[owner_kind], 1, 5, len(data)) + data
        return reply

    def close(self):
        for server in (self.udp, self.tcp):
            server.shutdown()
            server.server_close()

    def __enter__(self):
        return self

    def __exit__(self, *rest):
        self.close()
