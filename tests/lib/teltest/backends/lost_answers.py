"""A proxy between a program and a receiver that loses the first answers: the receiver has taken what was
sent, and the sender cannot know."""

import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from teltest.backends.service import http


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):  # noqa: N802 (its name in the base class)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status, answer = http(self.server.receiver + self.path, body, "POST", self.headers["Content-Type"],
                              encoding=self.headers["Content-Encoding"])
        with self.server.lock:
            lose = self.server.lost < self.server.to_lose
            self.server.lost += lose
        if lose:
            self.close_connection = True
            return
        with suppress(OSError):  # the sender has waited for long enough
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

    def log_message(self, *_):
        pass


class LostAnswers:
    """A context. `lost`: how many answers it has lost so far."""

    def __init__(self, receiver, to_lose):
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self.server.receiver, self.server.to_lose, self.server.lost = receiver, to_lose, 0
        self.server.lock = threading.Lock()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    @property
    def lost(self):
        return self.server.lost

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
