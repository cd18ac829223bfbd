"""A server on this machine whose answers a test chooses, byte by byte."""

import socket
import threading


class Answers:
    """Each connection gets answer(request head as bytes, socket); it is closed after that."""

    def __init__(self, answer):
        self._answer = answer
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.heads = []
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with connection:
            head = b""
            while b"\r\n\r\n" not in head:
                piece = connection.recv(65536)
                if not piece:
                    return
                head += piece
            self.heads.append(head)
            try:
                self._answer(head, connection)
            except OSError:
                pass  # the client has gone

    def close(self):
        self._listener.close()


def reply(body=b"yes", status="200 OK", more=b""):
    """An answer that is always the same."""
    text = b"HTTP/1.1 " + status.encode() + b"\r\nContent-Length: " + str(len(body)).encode() + \
        b"\r\nConnection: close\r\n" + more + b"\r\n" + body
    return lambda head, connection: connection.sendall(text)
