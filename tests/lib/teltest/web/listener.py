"""A server that keeps each request as it came."""

import re
import socket
import threading


class Listener:
    """Answers each request, and keeps what came: `requests`, each the head and the body as they were."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.requests = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(peer,), daemon=True).start()

    def _serve(self, peer):
        data = b""
        while True:
            while (end := data.find(b"\r\n\r\n")) < 0:
                more = peer.recv(65536)
                if not more:
                    return peer.close()
                data += more
            head, data = data[:end + 4], data[end + 4:]
            length = re.search(rb"(?i)content-length: *(\d+)", head)
            size = int(length.group(1)) if length else 0
            while len(data) < size:
                data += peer.recv(65536)
            self.requests.append((head, data[:size]))
            data = data[size:]
            peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    def close(self):
        self.listener.close()
