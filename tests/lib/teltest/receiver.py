"""A receiver of events that can do all that receivers do: refuse, reset, be silent, lie, die and come back.

    with Receiver(lambda number: Say(503)) as receiver: ...      answers the Nth request (from 0)

What was accepted (a status of 2xx that the client could read) is in `bodies`, as it was sent, unpacked.
"""

import socket
import struct
import threading
import time
from dataclasses import dataclass, field
from typing import NamedTuple

from teltest.quiet_http import QuietHandler, QuietServer, unpacked

SILENCE, RESET, HANGUP, GIGABYTE = "silence", "reset", "hangup", "gigabyte"


@dataclass
class Say:
    """An answer. What it says of items is for the test to know."""

    status: object = 200  # or one of the words above
    body: bytes = b""
    headers: dict = field(default_factory=dict)
    hold: threading.Event = None  # it is given when this is set, or a minute later


class Request(NamedTuple):
    path: str
    headers: dict  # names in lower case
    body: bytes    # unpacked
    packed: int    # bytes
    at: float      # monotonic seconds
    status: object


class Receiver:
    def __init__(self, answer=None, tls=None, port=0, address="127.0.0.1"):
        """`answer`: of the request's number, and the request if it takes two; returns a Say."""
        self.answer = answer or (lambda number: Say())
        self.tls = tls
        self.requests = []
        self.under_way = self.most_under_way = 0
        self.gigabyte_taken = 0  # bytes of it that went out
        self.lock = threading.Lock()
        self.closing = threading.Event()
        self.port = port
        self.address = address
        self._server = None

    def start(self):
        self.closing = threading.Event()
        self._server = _Server((self.address, self.port), _Handler, self, self.tls)
        self.port = self._server.server_address[1]
        self._server.start()
        return self

    def die(self):
        """Nothing listens any more; what is open is reset."""
        self.closing.set()
        self._server.stop()
        with self.lock:
            connections, self._server.connections = list(self._server.connections), set()
        for connection in connections:
            _reset(connection)

    __enter__ = start

    def __exit__(self, *_):
        self.die()

    @property
    def url(self):
        return f"{'https' if self.tls else 'http'}://{self.address}:{self.port}"

    @property
    def bodies(self):
        return [request.body for request in list(self.requests)
                if request.status in (GIGABYTE, *range(200, 300))]


def _reset(connection):
    try:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()
    except OSError:
        pass


class _Server(QuietServer):
    def __init__(self, *arguments):
        self.connections = set()
        super().__init__(*arguments)


class _Handler(QuietHandler):
    def setup(self):
        super().setup()
        with self.server.owner.lock:
            self.server.connections.add(self.connection)

    def do_POST(self):
        owner = self.server.owner
        packed = self.read_body()
        body = unpacked(packed, self.headers.get("Content-Encoding"))
        with owner.lock:
            number = len(owner.requests)
            request = Request(self.path, self.fields(), body, len(packed), time.monotonic(), None)
            wants = owner.answer.__code__.co_argcount
            say = owner.answer(number, request) if wants == 2 else owner.answer(number)
            owner.requests.append(request._replace(status=say.status))
            owner.under_way += 1
            owner.most_under_way = max(owner.most_under_way, owner.under_way)
        try:
            if say.hold is not None:
                say.hold.wait(60)
            self._say(say)
        finally:
            with owner.lock:
                owner.under_way -= 1

    def _say(self, say):
        if say.status == SILENCE:
            self.server.owner.closing.wait(60)
        elif say.status == RESET:
            _reset(self.connection)
        elif say.status == HANGUP:
            self.connection.shutdown(socket.SHUT_RDWR)
        elif say.status == GIGABYTE:
            self.send_response(200)
            self.send_header("Content-Length", str(1 << 30))
            self.end_headers()
            for _ in range(1 << 14):
                self.wfile.write(b"x" * (1 << 16))
                with self.server.owner.lock:
                    self.server.owner.gigabyte_taken += 1 << 16
        else:
            self.send(say.status, say.body, say.headers)
            return
        self.close_connection = True
