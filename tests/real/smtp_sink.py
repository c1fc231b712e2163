"""A scripted SMTP server: the other side of the mail, saying exactly what a
test tells it to. Loopback only, a free port, one thread a connection."""

import collections
import fnmatch
import socket
import socketserver
import threading
from typing import Mapping, NamedTuple, Optional, Sequence

from private_root import wait_until


class Message(NamedTuple):
    sender: str
    recipients: Sequence[str]
    data: bytes


class SmtpSink:
    """Answers by table. `replies` maps a pattern of recipients, as fnmatch
    reads it and without regard to case, to the reply to RCPT TO; the first
    that fits is used, else `default`. `after_data` does the same for the reply
    to the final dot, by the message's first accepted recipient. A reply is the
    exact text without the line end; several lines are parted by "\\n"; None
    hangs up instead. The tables may be changed at any time.

        with SmtpSink({"*@full.example": "452 4.2.2 mailbox full"}) as sink:
            ...   # deliver to sink.host, sink.port
            sink.wait_for_messages(3)

    `greeting` (None hangs up at once) and `name` are this server's own words.
    `counts` holds "connections", "messages", and one count for each reply that
    was given at RCPT TO or at the end of DATA, by its first line.
    """

    def __init__(self, replies: Optional[Mapping[str, Optional[str]]] = None,
                 *, default: Optional[str] = "250 2.1.5 Ok",
                 after_data: Optional[Mapping[str, Optional[str]]] = None,
                 name: str = "mx.example.com",
                 greeting: Optional[str] = "220 mx.example.com ESMTP",
                 host: str = "127.0.0.1", port: int = 0):
        self.replies = dict(replies or {})
        self.default = default
        self.after_data = dict(after_data or {})
        self.name = name
        self.greeting = greeting
        self.counts = collections.Counter()  # guarded by _lock
        self.messages = []                   # guarded by _lock
        self._lock = threading.Lock()
        self._server = _Server((host, port), _Session)
        self._server.sink = self
        self.host, self.port = self._server.server_address[:2]
        self._thread = threading.Thread(
            target=self._server.serve_forever,
            kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    def wait_for_messages(self, number: int, seconds: float = 30) -> list:
        """The messages taken so far, once there are at least `number`."""
        wait_until(lambda: len(self.messages) >= number,
                   f"{number} messages at the sink, {self.host}:{self.port}",
                   seconds)
        with self._lock:
            return list(self.messages)

    def count(self, key: str) -> None:
        with self._lock:
            self.counts[key] += 1

    def keep(self, message: Message) -> None:
        with self._lock:
            self.messages.append(message)
            self.counts["messages"] += 1

    def reply_to(self, recipient: str) -> Optional[str]:
        return _first_match(self.replies, recipient, self.default)

    def reply_after_data(self, recipient: str) -> Optional[str]:
        with self._lock:
            number = len(self.messages) + 1
        return _first_match(self.after_data, recipient,
                            f"250 2.0.0 Ok: queued as SINK{number:06d}")

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class RefusedPort:
    """A loopback port that refuses connections for as long as this lives:
    bound, so that nobody else gets it, but never listened on."""

    def __init__(self, host: str = "127.0.0.1"):
        self._socket = socket.socket()
        self._socket.bind((host, 0))
        self.host, self.port = self._socket.getsockname()

    def close(self) -> None:
        self._socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False  # a client that keeps its connection open
    request_queue_size = 128


class _HangUp(Exception):
    pass


class _Session(socketserver.StreamRequestHandler):
    """One connection. Knows as much of RFC 5321 as real senders need."""

    def handle(self):
        sink = self.server.sink
        sink.count("connections")
        try:
            self._say(sink.greeting)
            self._converse(sink)
        except (_HangUp, OSError):
            pass

    def _say(self, reply):
        if reply is None:
            raise _HangUp
        lines = reply.split("\n")
        code = lines[0][:3]
        for line in lines[:-1]:
            # "250-text" stays as it is; "250 text" is made a first line.
            if line[:4] == code + " ":
                line = code + "-" + line[4:]
            self.wfile.write(line.encode() + b"\r\n")
        self.wfile.write(lines[-1].encode() + b"\r\n")

    def _line(self) -> bytes:
        line = self.rfile.readline(65536)
        if not line:
            raise _HangUp
        return line

    def _converse(self, sink):
        sender, recipients = "", []
        while True:
            line = self._line().decode("utf-8", "replace").rstrip("\r\n")
            verb = line[:4].upper()
            if verb == "EHLO":
                self._say(f"250-{sink.name}\n250-SIZE 52428800\n250-8BITMIME\n"
                          "250-ENHANCEDSTATUSCODES\n250 SMTPUTF8")
            elif verb == "HELO":
                self._say(f"250 {sink.name}")
            elif verb == "MAIL":
                sender, recipients = _address(line), []
                self._say("250 2.1.0 Ok")
            elif verb == "RCPT":
                recipient = _address(line)
                reply = sink.reply_to(recipient)
                sink.count(_first_line(reply))
                if reply is not None and reply[0] == "2":
                    recipients.append(recipient)
                self._say(reply)
            elif verb == "DATA":
                if not recipients:
                    self._say("554 5.5.1 Error: no valid recipients")
                    continue
                self._say("354 End data with <CR><LF>.<CR><LF>")
                data = self._data()
                reply = sink.reply_after_data(recipients[0])
                sink.count(_first_line(reply))
                if reply is not None and reply[0] == "2":
                    sink.keep(Message(sender, tuple(recipients), data))
                self._say(reply)
            elif verb == "RSET":
                sender, recipients = "", []
                self._say("250 2.0.0 Ok")
            elif verb == "NOOP":
                self._say("250 2.0.0 Ok")
            elif verb == "QUIT":
                self._say("221 2.0.0 Bye")
                return
            else:
                self._say("500 5.5.2 Error: command not recognized")

    def _data(self) -> bytes:
        lines = []
        while True:
            line = self._line()
            if line in (b".\r\n", b".\n"):
                return b"".join(lines)
            lines.append(line[1:] if line.startswith(b".") else line)


def _address(line: str) -> str:
    """RCPT TO:<a@b> NOTIFY=NEVER → a@b"""
    return line[line.find("<") + 1:line.rfind(">")]


def _first_line(reply: Optional[str]) -> str:
    return "hung up" if reply is None else reply.split("\n")[0]


def _first_match(table, recipient, default):
    for pattern, reply in list(table.items()):
        if fnmatch.fnmatchcase(recipient.lower(), pattern.lower()):
            return reply
    return default
