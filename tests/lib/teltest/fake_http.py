"""A small HTTP server that plays metadata services, and all that can go wrong with them.

Routes are (method, path) -> Answer or a function of the request. Each request is kept in `requests`.
"""

import json
import socket
import threading
import time
from dataclasses import dataclass, field

from teltest.quiet_http import QuietHandler, QuietServer

FAULTS = ("silence", "401", "404", "500", "drip", "garbage", "html", "large", "redirect", "hangup", "nested")
_LARGE = 10 << 20


@dataclass
class Answer:
    body: object = ""
    status: int = 200
    headers: dict = field(default_factory=dict)

    def bytes(self):
        if isinstance(self.body, bytes):
            return self.body
        return (self.body if isinstance(self.body, str) else json.dumps(self.body)).encode()


@dataclass
class Request:
    method: str
    path: str
    headers: dict  # names in lower case

    def header(self, name):
        return self.headers.get(name.lower(), "")


class FakeServer:
    """routes: {(method, path): Answer or callable(Request) -> Answer}; paths include the query.

    fault: one of FAULTS, for requests that `faulty(request)` says (default: all).
    """

    def __init__(self, routes, address="127.0.0.1", port=0, delay=0.0, fault=None, faulty=None, tls=None):
        self.routes = routes
        self.delay = delay
        self.fault = fault
        self.faulty = faulty or (lambda request: True)
        self.requests = []
        self.closing = threading.Event()
        self._server = QuietServer((address, port), _Handler, self, tls)
        self.scheme = "https" if tls else "http"
        self.address, self.port = self._server.server_address[:2]

    @property
    def host(self):
        return f"{self.address}:{self.port}"

    @property
    def url(self):
        return f"{self.scheme}://{self.host}"

    def __enter__(self):
        self._server.start()
        return self

    def __exit__(self, *_):
        self.closing.set()
        self._server.stop()


class _Handler(QuietHandler):
    def do_GET(self):
        self._handle()

    def do_PUT(self):
        self._handle()

    def _handle(self):
        owner = self.server.owner
        self.read_body()
        request = Request(self.command, self.path, self.fields())
        owner.requests.append(request)
        if owner.delay:
            time.sleep(owner.delay)
        if owner.fault is not None and owner.faulty(request):
            self._fail(owner.fault)
            return
        route = owner.routes.get((request.method, request.path), Answer({"message": "not found"}, 404))
        self._send(route(request) if callable(route) else route)

    def _send(self, answer):
        self.send(answer.status, answer.bytes(), {"Content-Type": "text/plain"} | answer.headers)

    def _fail(self, fault):
        owner = self.server.owner
        if fault.isdigit():
            self._send(Answer("no", int(fault)))
        elif fault == "silence":
            owner.closing.wait(30)
        elif fault == "hangup":
            self.connection.shutdown(socket.SHUT_RDWR)
        elif fault == "garbage":
            self._send(Answer(bytes(range(256)) * 4))
        elif fault == "html":
            self._send(Answer("<html><body>Please log in</body></html>", 200, {"Content-Type": "text/html"}))
        elif fault == "nested":
            self._send(Answer("[" * 60000 + "]" * 3))
        elif fault == "redirect":
            self._send(Answer("", 302, {"Location": f"http://{owner.host}/elsewhere"}))
        elif fault == "large":
            self.send_response(200)
            self.send_header("Content-Length", str(_LARGE))
            self.end_headers()
            for _ in range(_LARGE >> 16):
                self.wfile.write(b'"' + b"x" * 65535)
        elif fault == "drip":
            self.send_response(200)
            self.send_header("Content-Length", "10000")
            self.end_headers()
            while not owner.closing.wait(0.05):
                self.wfile.write(b" ")
                self.wfile.flush()
        self.close_connection = True


class BlackHole:
    """A port whose SYNs nobody answers: the queue of connections is full, and stays so."""

    def __enter__(self):
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(0)
        self.address, self.port = self._listener.getsockname()
        self._clients = []
        for _ in range(4):
            client = socket.socket()
            client.setblocking(False)
            client.connect_ex((self.address, self.port))
            self._clients.append(client)
        time.sleep(0.05)
        return self

    @property
    def host(self):
        return f"{self.address}:{self.port}"

    @property
    def url(self):
        return f"http://{self.host}"

    def __exit__(self, *_):
        for one in [*self._clients, self._listener]:
            one.close()
