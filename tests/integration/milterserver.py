"""A filter of mail that does as it is told: the far side of the milter
protocol, with every answer, every change and every fault.

`answers` maps a step's letter ("C" connect, "H" hello, "M", "R", "T" data, "L"
field, "N" end of fields, "B" body, "E" end) to packets: a list of (letter,
data), or a function of the step's data that gives one. Instead of a packet
stands a fault: "hang", "cut", or octets that are sent as they are.
Everything heard is kept: `heard` has (connection, letter, data).
"""
import os
import socket
import struct
import threading
import time

from listener import end_listening

CONTINUE = [("c", b"")]
ALL = 0x1ff


def texts(*items):
    return b"".join(item.encode() + b"\0" for item in items)


def reply(text):
    return [("y", texts(text))]


class Milter:
    def __init__(self, answers=None, actions=ALL, steps=0, version=6,
                 path=None, offer=None):
        self.answers = answers or {}
        self.offer = offer
        self.version, self.actions, self.steps = version, actions, steps
        self.heard = []
        self.connections = 0
        self.lock = threading.Lock()
        if path is not None:
            self.server = socket.socket(socket.AF_UNIX)
            self.server.bind(path)
        else:
            self.server = socket.create_server(("127.0.0.1", 0))
        self.server.listen(16)
        self.at = (f"unix:{path}" if path is not None else
                   "127.0.0.1:%d" % self.server.getsockname()[1])
        self.sockets = []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                peer, _ = self.server.accept()
            except OSError:
                return
            with self.lock:
                self.connections += 1
                number = self.connections
                self.sockets.append(peer)
            threading.Thread(target=self.serve, args=(peer, number),
                             daemon=True).start()

    def letters(self, connection=None):
        return "".join(letter for number, letter, _ in list(self.heard)
                       if letter != "D" and connection in (None, number))

    def data(self, letter):
        return [data for _, heard, data in list(self.heard)
                if heard == letter]

    def macros(self, step):
        found = {}
        for data in self.data("D"):
            if data[:1] == step.encode():
                parts = data[1:].split(b"\0")
                found.update(zip(parts[::2], parts[1::2]))
        return found

    def say(self, peer, packets):
        """False: that is the end."""
        for packet in packets:
            if packet == "cut":
                return False
            if packet == "hang":
                time.sleep(3600)
            elif isinstance(packet, bytes):
                peer.sendall(packet)
            else:
                letter, data = packet
                peer.sendall(struct.pack(">I", len(data) + 1) +
                             letter.encode() + data)
        return True

    def serve(self, peer, number):
        stream = peer.makefile("rb")
        try:
            while True:
                head = stream.read(5)
                if len(head) < 5:
                    break
                size, letter = struct.unpack(">Ic", head)
                data = stream.read(size - 1)
                letter = letter.decode()
                with self.lock:
                    self.heard.append((number, letter, data))
                if letter == "O":
                    offer = self.offer or [("O", struct.pack(
                        ">III", self.version, self.actions, self.steps))]
                    if not self.say(peer, offer):
                        break
                elif letter == "Q":
                    break
                elif letter not in "DA":
                    answer = self.answers.get(letter, CONTINUE)
                    answer = answer(data) if callable(answer) else answer
                    if not self.say(peer, answer):
                        break
        except OSError:
            pass
        finally:
            try:
                peer.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            stream.close()
            peer.close()

    def close(self):
        try:
            self.server.shutdown(socket.SHUT_RDWR)  # wakes accept
        except OSError:
            pass
        end_listening(self.server)
        for peer in self.sockets:
            try:
                peer.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def __enter__(self):
        return self

    def __exit__(self, *rest):
        self.close()
