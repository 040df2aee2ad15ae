"""A server of a test: every connection is served on a thread of its own.

A class that comes from it has `talk`, which gets the connection; what ends it
early (a peer that left, CUT) is no fault. `ends` are all connections so far.
"""
import socket
import threading


def end_listening(listener):
    """Wakes who waits in accept(), too. A close alone leaves him there: the
    socket listens on, and who is woken later looks at the descriptor's number,
    which may be another server's by then."""
    try:
        listener.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
    listener.close()


class Listener:
    def __init__(self, host="127.0.0.1", port=0):
        self.connections = 0
        self.ends = []
        self.listen(host, port)

    def listen(self, host, port):
        self.listener = socket.create_server((host, port), backlog=64)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        listener = self.listener
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            self.connections += 1
            self.ends.append(peer)
            threading.Thread(target=self.serve, args=(peer,),
                             daemon=True).start()

    def serve(self, peer):
        try:
            with peer:
                self.talk(peer)
        except (OSError, EOFError, ValueError):
            pass

    def talk(self, peer):
        raise NotImplementedError

    def close(self):
        end_listening(self.listener)

    def __enter__(self):
        return self

    def __exit__(self, *rest):
        self.close()
