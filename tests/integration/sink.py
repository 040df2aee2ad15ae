"""An SMTP server that does as it is told: for outgoing mail of every outcome.

`replies` maps a verb ("GREETING", "EHLO", "AUTH", "AUTH_DATA",
"MAIL", "RCPT", "DATA", "BDAT", "END", "ETRN") to a
reply text, or to a function of the command's argument that gives one; None
closes the connection. Everything received is kept in `messages`.
"""
import re
import socketserver
import ssl
import threading


class Message:
    def __init__(self):
        self.reverse_path = None
        self.recipients = []
        self.data = b""
        self.tls = False
        self.user = None
        self.mail_line = ""
        self.rcpt_lines = []
        self.chunks = []  # of BDAT, the sizes
        self.peer = None  # the address that it came from
        self.hello = None


class Sink:
    def __init__(self, host="127.0.0.1", port=0, replies=None, extensions=(),
                 tls=None):
        self.replies = replies or {}
        self.extensions = list(extensions)
        self.tls = tls
        self.messages = []
        self.connections = 0
        self.open = 0
        self.open_max = 0
        self.lock = threading.Lock()
        outer = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                with outer.lock:
                    outer.connections += 1
                    outer.open += 1
                    outer.open_max = max(outer.open_max, outer.open)
                conversation = Conversation(outer, self)
                try:
                    conversation.run()
                except (OSError, ssl.SSLError, EOFError):
                    pass
                finally:
                    conversation.leave()

        socketserver.ThreadingTCPServer.allow_reuse_address = True
        # With the default of 5 the system loses handshakes of a busy peer,
        # who then waits for a greeting.
        socketserver.ThreadingTCPServer.request_queue_size = 128
        self.server = socketserver.ThreadingTCPServer((host, port), Handler)
        self.server.daemon_threads = True
        # What was there to accept may be gone; the end must not wait for it.
        self.server.socket.settimeout(5)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever,
                         daemon=True).start()

    def reply(self, verb, argument, default):
        value = self.replies.get(verb, default)
        return value(argument) if callable(value) else value

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def __enter__(self):
        return self

    def __exit__(self, *rest):
        self.close()


class Conversation:
    def __init__(self, sink, handler):
        self.sink = sink
        self.socket = handler.request
        self.file = handler.request.makefile("rwb", 0)
        self.tls = False
        self.user = None
        self.hello_name = None
        self.peer = handler.client_address[0]
        self.is_open = True

    def leave(self):
        """No longer counted as open: before the peer hears that it may go."""
        with self.sink.lock:
            self.sink.open -= self.is_open
            self.is_open = False

    def say(self, text):
        if text is None:
            raise EOFError
        self.file.write(text.encode("latin-1") + b"\r\n")

    def ask(self, verb, argument, default):
        reply = self.sink.reply(verb, argument, default)
        self.say(reply)
        return reply[:1]

    def run(self):
        self.ask("GREETING", "", "220 sink.test ESMTP")
        message = Message()
        while True:
            line = self.file.readline()
            if not line:
                return
            verb, _, argument = line.decode("latin-1").strip().partition(" ")
            verb = verb.upper()
            if verb in ("EHLO", "HELO"):
                self.hello(verb, argument)
            elif verb == "STARTTLS":
                self.say("220 go ahead")
                self.socket = self.sink.tls.wrap_socket(self.socket,
                                                        server_side=True)
                self.file = self.socket.makefile("rwb", 0)
                self.tls = True
            elif verb == "AUTH":
                self.user = argument
                step = self.ask("AUTH", argument, "235 2.7.0 ok")
                while step == "3":
                    said = self.file.readline().decode("latin-1").strip()
                    step = self.ask("AUTH_DATA", said, "235 2.7.0 ok")
            elif verb == "MAIL":
                message = Message()
                message.mail_line = argument
                message.tls, message.user = self.tls, self.user
                message.peer, message.hello = self.peer, self.hello_name
                message.reverse_path = re.search("<(.*?)>", argument)[1]
                self.ask("MAIL", argument, "250 2.1.0 ok")
            elif verb == "RCPT":
                if self.ask("RCPT", argument, "250 2.1.5 ok") == "2":
                    message.recipients.append(
                        re.search("<(.*?)>", argument)[1])
                    message.rcpt_lines.append(argument)
            elif verb == "DATA":
                if message.recipients:
                    self.data(message)
                else:
                    self.say("554 5.5.1 no recipients")
            elif verb == "BDAT" and "CHUNKING" in self.sink.extensions:
                self.chunk(message, argument)
            elif verb == "ETRN" and "ETRN" in self.sink.extensions:
                self.ask("ETRN", argument, "250 2.0.0 ok")
            elif verb == "QUIT":
                self.leave()
                self.say("221 2.0.0 bye")
                return
            else:
                self.say("250 2.0.0 ok")

    def hello(self, verb, argument):
        self.hello_name = argument
        reply = self.sink.reply(verb, argument, "250 sink.test")
        lines = [reply]
        if verb == "EHLO" and reply[:1] == "2":
            lines += ["250 " + e for e in self.sink.extensions
                      if e != "STARTTLS" or not self.tls]
        lines = [l[:3] + "-" + l[4:] for l in lines[:-1]] + [lines[-1]]
        for line in lines:
            self.say(line)

    def data(self, message):
        if self.ask("DATA", "", "354 go ahead") != "3":
            return
        lines = []
        while True:
            line = self.file.readline()
            if not line:
                return
            if line == b".\r\n":
                break
            lines.append(line[1:] if line.startswith(b".") else line)
        message.data = b"".join(lines)
        self.end(message)

    def end(self, message):
        """It is there before the answer goes: who hears that may look."""
        reply = self.sink.reply("END", "", "250 2.0.0 queued")
        if reply is not None and reply[:1] == "2":
            self.sink.messages.append(message)
        self.say(reply)

    def chunk(self, message, argument):
        """RFC 3030 2: the octets are read whatever is answered. A "BDAT" of
        `replies` answers as a server that knows no BDAT: it reads none."""
        if "BDAT" in self.sink.replies:
            self.ask("BDAT", argument, "")
            return
        size = int(argument.split()[0])
        octets = b""
        while len(octets) < size:
            more = self.file.read(size - len(octets))
            if not more:
                raise EOFError
            octets += more
        message.data += octets
        message.chunks.append(size)
        if not message.recipients:
            self.say("503 5.5.1 no recipients")
        elif not argument.upper().endswith("LAST"):
            self.say("250 2.0.0 octets received")
        else:
            self.end(message)
