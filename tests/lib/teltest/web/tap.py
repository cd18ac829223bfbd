"""A listener that hands all it gets on to a server and keeps both directions, byte for byte.

What two runs have sent is compared as the multiset of its pieces between empty lines (header blocks
and bodies), for connections in parallel have no order; without traceparent and tracestate, which are
ours, and without what differs from run to run by itself (Date).
"""

import os
import re
import socket
import threading

_OURS = re.compile(rb"(?im)^(traceparent|tracestate):[^\r\n]*\r\n")
# Where a message begins after a body that has no empty line at its end.
_MESSAGE = re.compile(rb"\r\n\r\n|(?=HTTP/1\.[01] \d{3} )|"
                      rb"(?=(?:GET|HEAD|POST|PUT|CONNECT) \S+ HTTP/1\.[01]\r\n)")
_VARYING = re.compile(rb"(?im)^(date|last-modified|etag|expires|x-request-id): ?[^\r\n]*\r\n")


class Tap:
    """Between clients of `port` (or `path`) and a server at `target` (a port, or a path).

    crumbs: a random.Random, to hand on a few bytes at a time.
    """

    def __init__(self, target, path=None, crumbs=None):
        self.target = target
        self.crumbs = crumbs
        self.streams = []  # (bytearray to the server, bytearray to the client)
        self._live = []
        if path is None:
            self.listener = socket.create_server(("127.0.0.1", 0), backlog=512)
            self.port = self.listener.getsockname()[1]
        else:
            self.listener = socket.socket(socket.AF_UNIX)
            self.listener.bind(str(path))
            self.listener.listen(512)
            os.chmod(path, 0o777)
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self.listener.close()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
                server = socket.socket(socket.AF_UNIX if isinstance(self.target, str) else socket.AF_INET)
                server.connect(self.target if isinstance(self.target, str) else ("127.0.0.1", self.target))
            except OSError:
                return
            pair = (bytearray(), bytearray())
            self.streams.append(pair)
            self._live = [thread for thread in self._live if thread.is_alive()]
            for source, sink, kept in ((client, server, pair[0]), (server, client, pair[1])):
                thread = threading.Thread(target=_pump, args=(source, sink, kept, self.crumbs), daemon=True)
                self._live.append(thread)
                thread.start()

    def taken(self):
        """(to servers, to clients) since the last time; waits for the connections' ends."""
        for thread in self._live:
            thread.join(5)
        streams, self.streams = self.streams, []
        return tuple(sorted(piece for stream in streams for piece in _pieces(bytes(stream[way])))
                     for way in (0, 1))


def _pump(source, sink, kept, crumbs):
    try:
        if crumbs and sink.family == socket.AF_INET:
            sink.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while data := source.recv(crumbs.choice((1, 1, 1, 3)) if crumbs else 65536):
            kept += data
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # the other side has gone: so does this one
        for each in (source, sink):
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


def _pieces(stream):
    """Messages, and what is between them. How many connections carry them is up to a client's haste."""
    return [_VARYING.sub(b"", _OURS.sub(b"", piece + b"\r\n")) for piece in _MESSAGE.split(stream)
            if piece]
