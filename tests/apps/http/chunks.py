"""Two peers that send and receive in random pieces, most of a byte: what is in a file, over one connection.

    chunks.py client|server PORT FILE SEED     the client sends all and half-closes, then the server
                                               does; each prints how many bytes it got
"""

import random
import socket
import sys
from pathlib import Path

mode, port = sys.argv[1], int(sys.argv[2])
text, dice = Path(sys.argv[3]).read_bytes(), random.Random(int(sys.argv[4]))


def send(connection):
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    at = 0
    while at < len(text):
        size = dice.choice((1, 1, 1, 2, 3, 7, 50))
        connection.sendall(text[at:at + size])
        at += size
    connection.shutdown(socket.SHUT_WR)


def receive(connection):
    total = 0
    while data := connection.recv(dice.choice((1, 1, 2, 3, 100))):
        total += len(data)
    print(total)


if mode == "client":
    with socket.create_connection(("127.0.0.1", port)) as peer:
        send(peer)
        receive(peer)
else:
    listener = socket.create_server(("127.0.0.1", port))
    peer, _ = listener.accept()
    with peer:
        receive(peer)
        send(peer)
