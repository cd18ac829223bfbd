"""What the HTTP servers of the tests share: threads, TLS, requests as they came; and they say nothing."""

import gzip
import ssl
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class QuietServer(ThreadingHTTPServer):
    """`owner` is for its handlers. tls: (certificate, key); client_authority: whose certificates clients must
    have."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, address, handler, owner, tls=None, client_authority=None):
        super().__init__(address, handler)
        self.owner = owner
        if tls is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            if client_authority:
                context.verify_mode = ssl.CERT_REQUIRED
                context.load_verify_locations(client_authority)
            self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    def handle_error(self, request, client_address):
        pass  # clients that go away are part of the tests

    def start(self):
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self):
        """Nothing listens any more; what is open stays so."""
        self.shutdown()
        self.server_close()


class QuietHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def fields(self):
        """{name in lower case: value}"""
        return {name.lower(): value for name, value in self.headers.items()}

    def read_body(self):
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def send(self, status, body=b"", headers=None):
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def unpacked(body, encoding):
    """Of a Content-Encoding; None is none."""
    if encoding == "gzip":
        return gzip.decompress(body)
    if encoding == "zstd":
        return subprocess.run(["zstd", "-dc"], input=body, capture_output=True, check=True).stdout
    assert encoding is None, encoding
    return body
