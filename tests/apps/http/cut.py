"""Asks for argv[2:] in turn, a connection each, until it is closed; prints what came of each."""

import socket
import sys

port = int(sys.argv[1])
for path in sys.argv[2:]:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: here\r\n\r\n".encode())
        got, how = b"", "end"
        while True:
            try:
                data = connection.recv(65536)
            except ConnectionResetError:
                how = "reset"
                break
            if not data:
                break
            got += data
    print(path, len(got), how)
