"""Is in the middle of an exchange, says so, and stays there.

    hold.py client PORT        has got a head and 100 bytes of the body
    hold.py server PORT        has sent them
"""

import signal
import socket
import sys

mode, port = sys.argv[1], int(sys.argv[2])
HALF = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + b"x" * 100
if mode == "client":
    peer = socket.create_connection(("127.0.0.1", port))
    peer.sendall(b"GET /held HTTP/1.1\r\nHost: here\r\n\r\n")
    got = 0
    while got < len(HALF):
        got += len(peer.recv(1000))
else:
    peer, _ = socket.create_server(("127.0.0.1", port)).accept()
    while b"\r\n\r\n" not in peer.recv(1000):
        pass
    peer.sendall(HALF)
print("held", flush=True)
signal.pause()
