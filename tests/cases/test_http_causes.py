"""Proxies with many requests in flight: which client request was made for which served one.

The truth is the upstream server's answer: each has a number of its own, which the proxy passes on. So the
span that the proxy served and the span in which it asked for it have the same number.
"""

import asyncio
import queue
import random
import re
import signal
import socket
import threading
from collections import Counter

import pytest
from teltest.run import APPS, build, clean_environment, tool
from teltest.web.exchanges import Exchanges
from teltest.web.processes import Server, free_ports

CONNECTIONS = 60


class Upstream:
    """Answers each request with a number, in a thread of its own: after a while, or when it is told to.
    `heads` are those of the requests, by their numbers."""

    def __init__(self, longest=0.05, told=False):
        self.longest = longest
        self.told = told
        self.heads = {}
        self.arrived = queue.Queue()  # (number, the future that lets its answer go), if told
        self.loop = asyncio.new_event_loop()
        self.server = self.loop.run_until_complete(
            asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=512))
        self.port = self.server.sockets[0].getsockname()[1]
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()

    async def _serve(self, reader, writer):
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                number = len(self.heads) + 1
                self.heads[number] = head.decode()
                if self.told:
                    leave = self.loop.create_future()
                    self.arrived.put((number, leave))
                    await leave
                else:
                    await asyncio.sleep(random.uniform(0, self.longest))
                writer.write(b"HTTP/1.1 200 OK\r\nX-Answer: %d\r\nContent-Length: 2\r\n\r\nok" % number)
                if b"connection: close" in head.lower() or b"HTTP/1.0" in head:
                    break
                await writer.drain()
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            pass
        writer.close()

    def answer(self, leave):
        self.loop.call_soon_threadsafe(leave.set_result, None)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        asyncio.run_coroutine_threadsafe(self._end(), self.loop).result()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()

    async def _end(self):
        self.server.close()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)


def one_event_at_a_time(port, upstream, in_flight=CONNECTIONS):
    """So many requests are in flight at the same time, but each is sent when the one before has come through
    the proxy, and their answers come one by one, too. Each connection has two."""
    clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(CONNECTIONS)]
    for first in [*range(0, CONNECTIONS, in_flight)] * 2:
        waiting = []
        for client in clients[first:first + in_flight]:
            client.sendall(b"GET /same HTTP/1.1\r\nHost: proxy\r\nUser-Agent: load/1\r\n\r\n")
            waiting.append((client, *upstream.arrived.get(timeout=60)))
        for client, number, leave in waiting:
            upstream.answer(leave)
            text = b""
            while not text.endswith(b"\r\n\r\nok"):
                text += (more := client.recv(4096))
                assert more, text
            assert b"x-answer: %d\r\n" % number in text.lower()
    for client in clients:
        client.close()


async def load(port, requests, path_of, fields_of, pause):
    """Each connection asks `requests` times, one after the other."""
    async def one(number):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for each in range(requests):
            await asyncio.sleep(random.uniform(0, pause))
            writer.write((f"GET {path_of(number, each)} HTTP/1.1\r\nHost: proxy\r\nUser-Agent: load/1\r\n"
                          f"{fields_of(number, each)}\r\n").encode())
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 "), head
            await reader.readexactly(2)
        writer.close()
    await asyncio.gather(*(one(number) for number in range(CONNECTIONS)))


def nginx(folder, port, upstream, keepalive):
    text = f"""
daemon off; master_process off; pid {folder}/pid; error_log stderr;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;
  uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
  keepalive_requests 100000;
  upstream there {{ server 127.0.0.1:{upstream}; {"keepalive 100;" if keepalive else ""} }}
  server {{
    listen 127.0.0.1:{port} backlog=512;
    location / {{ proxy_pass http://there; {"proxy_http_version 1.1; proxy_set_header Connection '';"
                                             if keepalive else ""} }}
    location /renamed/ {{ proxy_pass http://there/other; }}
  }}
}}"""
    (folder / "nginx.conf").write_text(text)
    return ["/usr/sbin/nginx", "-p", folder, "-c", folder / "nginx.conf"]


def haproxy(folder, port, upstream, threads):
    (folder / "haproxy.cfg").write_text(f"""
global
  nbthread {threads}
defaults
  mode http
  timeout connect 5s
  timeout client 30s
  timeout server 30s
frontend front
  bind 127.0.0.1:{port}
  default_backend there
backend there
  server one 127.0.0.1:{upstream}
""")
    return ["/usr/sbin/haproxy", "-db", "-f", folder / "haproxy.cfg"]


def beast(port, upstream, threads, how):
    program = build("proxy_beast", [APPS / "http/servers/proxy_beast.cpp"], "gcc", ("-O1",),
                    ("-pthread",), instrument=False)
    return [program, port, upstream, threads, how]


PROXIES = {
    "nginx": lambda folder, port, upstream: nginx(folder, port, upstream, False),
    "nginx keepalive": lambda folder, port, upstream: nginx(folder, port, upstream, True),
    "haproxy": lambda folder, port, upstream: haproxy(folder, port, upstream, 1),
    "haproxy threads": lambda folder, port, upstream: haproxy(folder, port, upstream, 2),
    "Beast": lambda folder, port, upstream: beast(port, upstream, 1, "own"),
    "Beast keep": lambda folder, port, upstream: beast(port, upstream, 1, "keep"),
    "Beast queue": lambda folder, port, upstream: beast(port, upstream, 1, "queue"),
    "Beast threads": lambda folder, port, upstream: beast(port, upstream, 3, "keep"),
}


def number_of(exchange):
    fields = exchange.response["http"]["response"].get("headers", {})
    return next((int(value) for name, value in fields.items() if name.lower() == "x-answer"), None)


class Seen:
    """What a proxy's spans say of themselves: `known` have their served request as the parent, `unknown` are
    traces of their own, `wrong` have another parent."""

    def __init__(self, events):
        found = Exchanges(events)
        assert not found.problems and not found.orphans and not found.losses
        served = {number_of(each): each for each in found.of("server") if number_of(each)}
        asked = found.of("client")
        self.asked, self.served = len(asked), len(served)
        self.recorded = {number_of(each): each for each in asked}
        self.counts = Counter()
        self.wrong = []
        for each in asked:
            true = served.get(number_of(each))
            if each.parent is None:
                self.counts["unknown"] += 1
            elif true is not None and (each.parent, each.trace) == (true.id, true.trace):
                self.counts["known"] += 1
            else:
                self.wrong.append(each)


def run(folder, proxy, requests=10, pause=0.05, path_of=lambda *_: "/same", fields_of=lambda *_: "",
        settings=None):
    """(what is seen, the heads of the requests to the upstream server)"""
    def ask(port, _):
        asyncio.run(load(port, requests, path_of, fields_of, pause))
    with Upstream() as upstream:
        return traced(folder, proxy, upstream, ask, settings), upstream.heads


def traced(folder, proxy, upstream, ask, settings=None):
    events = folder / "events.jsonl"
    environment = clean_environment() | {"TELEMETRY_OUTPUT": "file", "TELEMETRY_FILE": str(events),
                                         "TELEMETRY_ON_FULL": "block"} | (settings or {})
    port, = free_ports(1)
    command = PROXIES[proxy](folder, port, upstream.port)
    with Server([tool("telrun"), "--", *command], ("127.0.0.1", port), folder / "log",
                environment) as running:
        ask(port, upstream)
        running.stop_signal = signal.SIGTERM
        running.stop()
    seen = Seen(events)
    print(proxy, seen.asked, dict(seen.counts), len(seen.wrong))
    return seen


def distinct(number, each):
    return f"/item/{number}?n={each}"


@pytest.mark.parametrize("proxy", PROXIES)
def test_distinct_requests(tmp_path, proxy):
    """What a proxy passes on tells which it is: all are known."""
    seen, _ = run(tmp_path, proxy, path_of=distinct)
    assert seen.wrong == []
    assert seen.counts["known"] == seen.asked == CONNECTIONS * 10


@pytest.mark.parametrize("proxy", PROXIES)
@pytest.mark.parametrize("pause", [0, 0.3])
def test_equal_requests(tmp_path, proxy, pause):
    """Nothing in the requests tells them apart. What can be known is known by the loop's turns: more, the
    less there is to do; and where several threads share the work, nothing. None is guessed."""
    seen, _ = run(tmp_path, proxy, pause=pause)
    assert seen.wrong == []
    assert seen.asked == CONNECTIONS * 10
    if pause > 0 and proxy in ("nginx", "nginx keepalive", "haproxy", "Beast", "Beast keep"):
        assert seen.counts["known"] > 0


@pytest.mark.parametrize("proxy", ["nginx", "nginx keepalive", "haproxy", "Beast", "Beast keep"])
def test_one_at_a_time_in_the_loop(tmp_path, proxy):
    """Equal requests, and no two events at once: most are known, on a busy machine too. (Not the first one;
    nor where a timer of the proxy's could be due.) haproxy may lend a connection to any request that waits,
    so it gets no more than one at a time."""
    in_flight = 1 if proxy == "haproxy" else CONNECTIONS
    with Upstream(told=True) as upstream:
        seen = traced(tmp_path, proxy, upstream, lambda *place: one_event_at_a_time(*place, in_flight))
    assert seen.wrong == []
    assert seen.asked == CONNECTIONS * 2
    assert seen.counts["known"] > seen.asked / 2


@pytest.mark.parametrize("name", ["X-Request-Id", "X-Correlation-ID"])
def test_identifier(tmp_path, name):
    """The target is another one, but an identifier goes through."""
    seen, _ = run(tmp_path, "nginx", path_of=lambda *_: "/renamed/x",
                  fields_of=lambda number, each: f"{name}: request-{number}-{each}\r\n")
    assert seen.wrong == []
    assert seen.counts["known"] == seen.asked


def traceparent_in(head):
    field = re.search(r"^traceparent: 00-([0-9a-f]{32})-([0-9a-f]{16})-(0[01])\r$", head, re.M | re.I)
    return field and field.groups()


@pytest.mark.parametrize("rate", ["1.0", "0.5"])
@pytest.mark.parametrize("where", ["libraries", "sockets"])
@pytest.mark.parametrize("proxy", ["nginx", "nginx keepalive", "Beast keep"])
def test_told_before(tmp_path, proxy, where, rate):
    """Whether a client request is recorded, and the trace that it takes with it, are its served request's."""
    settings = {"SAMPLE_RATE": rate, "TELEMETRY_HTTP_TRACEPARENT": where}
    with Upstream(told=True) as upstream:
        seen = traced(tmp_path, proxy, upstream, one_event_at_a_time, settings)
    assert seen.wrong == []
    assert seen.counts["known"] > 0
    assert (seen.asked == 2 * CONNECTIONS) == (rate == "1.0")
    for number, head in upstream.heads.items():
        sent, recorded = traceparent_in(head), seen.recorded.get(number)
        if where == "libraries":
            assert sent is None
        elif recorded is None:
            assert sent is None or sent[2] == "00", head
        else:
            assert sent == (recorded.trace, recorded.id, "01"), head
