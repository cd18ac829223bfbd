"""asyncio's TLS, which goes through memory BIOs: three connections at once, two requests on each."""

import asyncio
import ssl
import sys
from urllib.parse import urlsplit

port = urlsplit(sys.argv[1]).port


async def one(number):
    context = ssl.create_default_context()
    reader, writer = await asyncio.open_connection("localhost", port, ssl=context)
    lengths = []
    for path in (f"/{number}.txt", "/large.txt"):
        writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().lower().split("\r\n")[1:] if line)
        lengths.append(len(await reader.readexactly(int(fields["content-length"]))))
    writer.close()
    await writer.wait_closed()
    return lengths


async def main():
    print(await asyncio.gather(*(one(number) for number in range(3))))

asyncio.run(main())
