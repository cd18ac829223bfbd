"""start_tls.py CERTIFICATE KEY: a server and a client that begin with the PROXY protocol and go on with TLS
in memory, as asyncio has it. The client asks twice, on one connection.
"""

import asyncio
import socket
import ssl
import sys

HEADER = b"PROXY TCP4 192.0.2.9 192.0.2.1 12345 443\r\n"


async def serve(listener):
    loop = asyncio.get_running_loop()
    peer, _ = await loop.sock_accept(listener)
    assert await loop.sock_recv(peer, len(HEADER)) == HEADER
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[1], sys.argv[2])
    reader = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    transport, _ = await loop.connect_accepted_socket(lambda: protocol, peer, ssl=context)
    for _ in range(2):
        await reader.readuntil(b"\r\n\r\n")
        transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n")
    await reader.read()
    transport.close()


async def ask(port):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(HEADER)
    await writer.drain()
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    await writer.start_tls(context, server_hostname="a.example")
    for path in ("/1", "/2"):
        writer.write(f"GET {path} HTTP/1.1\r\nHost: a.example\r\n\r\n".encode())
        await reader.readuntil(b"ok\n")
    writer.close()


async def main():
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    await asyncio.gather(serve(listener), ask(listener.getsockname()[1]))
    listener.close()


asyncio.run(main())
