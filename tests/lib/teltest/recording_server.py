"""An HTTP/1.1 server on this machine that keeps every request as it came, byte for byte.

    /redirect/N   N redirects, then 200          /status/CODE   that status, with a body
    /close        200, and the connection ends   anything else  200: "hello " and the body that was sent
"""

import socket
import ssl
import subprocess
import threading
from typing import NamedTuple


class Request(NamedTuple):
    head: bytes  # without the empty line at its end
    body: bytes

    @property
    def line(self):
        return self.head.split(b"\r\n")[0].decode()

    @property
    def fields(self):
        """[(name in lower case, value)]"""
        pairs = [line.split(b":", 1) for line in self.head.split(b"\r\n")[1:]]
        return [(name.decode().lower(), value.strip().decode()) for name, value in pairs]

    def values(self, name):
        return [value for field, value in self.fields if field == name]


def make_certificate(folder):
    """A certificate for localhost that is its own authority; (certificate, key)."""
    certificate, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out",
                    certificate, "-days", "2", "-subj", "/CN=localhost", "-addext",
                    "subjectAltName=DNS:localhost,IP:127.0.0.1"], check=True, capture_output=True)
    return certificate, key


class RecordingServer:
    def __init__(self, certificate=None):
        self.requests = []
        self.context = None
        if certificate:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(*certificate)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.scheme = "https" if certificate else "http"
        self.accepting = threading.Thread(target=self._accept, daemon=True)
        self.accepting.start()

    def url(self, path):
        return f"{self.scheme}://localhost:{self.port}{path}"

    def taken(self):
        """The requests since the last time, by their lines: connections in parallel have no order."""
        taken, self.requests = self.requests, []
        return sorted(taken, key=lambda request: request.line)

    def close(self):
        # Wakes the thread that accepts: its descriptor may be another server's listener next.
        self.listener.shutdown(socket.SHUT_RDWR)
        self.accepting.join()
        self.listener.close()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=[connection], daemon=True).start()

    def _serve(self, connection):
        try:
            if self.context:
                connection = self.context.wrap_socket(connection, server_side=True)
            with connection, connection.makefile("rb") as stream:
                while self._answer(connection, stream):
                    pass
        except OSError:  # of TLS, too
            pass

    def _answer(self, connection, stream):
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = stream.readline()
            if not line:
                return False
            head += line
        request = Request(head[:-4], b"")
        length = request.values("content-length")
        if request.values("expect"):
            connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        request = Request(head[:-4], stream.read(int(length[0])) if length else b"")
        self.requests.append(request)
        method, path, _ = request.line.split(" ")
        words = path.split("?")[0].split("/")
        status, extra, body = 200, b"", b"hello " + request.body
        if words[1] == "redirect":
            left = int(words[2])
            status = 302
            extra = f"Location: {f'/redirect/{left - 1}' if left > 1 else '/there'}\r\n".encode()
        elif words[1] == "status":
            status = int(words[2])
        close = words[1] == "close" or "close" in request.values("connection")
        if close:
            extra += b"Connection: close\r\n"
        answer = b"HTTP/1.1 %d Said\r\nContent-Length: %d\r\n%s\r\n" % (status, len(body), extra)
        connection.sendall(answer + (b"" if method == "HEAD" else body))
        if close and self.context:
            connection.unwrap()
        return not close
