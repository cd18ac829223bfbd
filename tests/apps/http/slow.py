"""slow.py PORT: answers in its own time, in pieces, and reads ahead: the next request may come while
an answer is on its way, or before it. /N is answered with N bytes, of which none look like HTTP.
"""

import asyncio
import random
import signal
import sys


async def later():
    await asyncio.sleep(random.random() * 0.004)


async def answer(requests, writer):
    while (head := await requests.get()) is not None:
        size = int(head.split()[1][1:])
        await later()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        while size > 0:
            await later()
            piece = min(size, 100)
            writer.write(b"x" * piece)
            size -= piece
    writer.close()


async def serve(reader, writer):
    requests = asyncio.Queue()
    answering = asyncio.create_task(answer(requests, writer))
    try:
        while True:
            await requests.put(await reader.readuntil(b"\r\n\r\n"))
    except (asyncio.IncompleteReadError, ConnectionError):
        await requests.put(None)
    await answering


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", int(sys.argv[1]))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, server.close)
    try:
        await server.serve_forever()
    except asyncio.CancelledError:
        pass

asyncio.run(main())
