"""conversation.py FILE: plays a conversation, both sides of it, over a connection of this machine.

FILE is JSON: a list of conversations, each a list of [who, text]; who is "c" (the client) or "s", text is
Latin-1. A part has arrived before the next one is sent.
"""

import json
import socket
import sys
from pathlib import Path


def receive(peer, size):
    while size:
        data = peer.recv(size)
        assert data, "closed too early"
        size -= len(data)


def play(parts):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        server, _ = listener.accept()
    for who, text in parts:
        data = text.encode("latin-1")
        source, sink = (client, server) if who == "c" else (server, client)
        source.sendall(data)
        receive(sink, len(data))
    client.close()
    server.close()


for conversation in json.loads(Path(sys.argv[1]).read_text()):
    play(conversation)
