"""behind_proxy.py PORT READY: HTTP/1.1 behind a proxy that speaks the PROXY protocol, version 1 or 2.

Writes a line a request: method, path, status, the client that the proxy spoke for. READY only accepts.
"""

import socket
import struct
import sys
import threading

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def read_client(stream):
    """The client, as "address:port"; "-" if the proxy speaks for itself."""
    head = stream.read(12)
    if head == SIGNATURE:
        command, family, size = struct.unpack("!BBH", stream.read(4))
        rest = stream.read(size)
        if command & 15 == 0 or family != 0x11:
            return "-"
        return f"{socket.inet_ntoa(rest[:4])}:{struct.unpack('!H', rest[8:10])[0]}"
    words = (head + stream.readline()).decode().split()
    return f"{words[2]}:{words[4]}" if words[1].startswith("TCP") else "-"


def serve(peer):
    with peer, peer.makefile("rb") as stream:
        client = read_client(stream)
        while line := stream.readline():
            method, path, _ = line.decode().split()
            while stream.readline() not in (b"\r\n", b""):
                pass
            status = 404 if path == "/none" else 200
            print(method, path, status, client, flush=True)
            peer.sendall(b"HTTP/1.1 %d x\r\nContent-Length: 3\r\n\r\nok\n" % status)


def main():
    listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
    with socket.create_server(("127.0.0.1", int(sys.argv[2]))):
        while True:
            peer, _ = listener.accept()
            threading.Thread(target=serve, args=(peer,), daemon=True).start()


if __name__ == "__main__":
    main()
