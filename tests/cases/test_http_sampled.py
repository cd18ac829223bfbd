"""Where only some requests are sampled: what is told of them is theirs, not their neighbours'."""

import http.client
import random
import signal
import socket
import ssl
import threading
import time

import pytest
from http_answers import Answers, reply
from teltest.run import APPS, clean_environment, tool
from teltest.web.authority import Authority
from teltest.web.exchanges import Exchanges
from teltest.web.nginx import Nginx
from teltest.web.processes import Server, free_ports

SIZES = [100 + 11 * number for number in range(60)]


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


def traced(events, rate):
    return ([str(tool("telrun")), "--"], clean_environment() | {
        "TELEMETRY_OUTPUT": "file", "TELEMETRY_FILE": str(events), "SAMPLE_RATE": str(rate),
        "TELEMETRY_ON_FULL": "block"})


def in_parallel(work, threads):
    failed = []

    def guarded(seed):
        try:
            work(random.Random(seed))
        except Exception as error:  # pylint: disable=broad-except
            failed.append(error)
    running = [threading.Thread(target=guarded, args=(seed,)) for seed in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    assert not failed


def body_bytes(exchange):
    return exchange.response["http"]["response"].get("body_bytes")


@pytest.mark.parametrize("kind", ["plain", "tls"])
def test_nginx(kind, authority, tmp_path):
    """Kept alive, many connections, one thread: HEAD, what is not there, bodies by sendfile."""
    prefix, environment = traced(tmp_path / "events.jsonl", 0.2)
    nginx = Nginx(tmp_path / "nginx", authority, prefix, environment)
    for size in SIZES:
        (nginx.root / str(size)).write_bytes(b"x" * size)

    def ask(chance):
        if kind == "tls":
            context = ssl.create_default_context(cafile=authority.ca)
            connection = http.client.HTTPSConnection("localhost", nginx.tls, context=context)
        else:
            connection = http.client.HTTPConnection("localhost", nginx.plain)
        for _ in range(400):
            size = chance.choice(SIZES)
            method = chance.choice(["GET", "GET", "GET", "HEAD"])
            connection.request(method, f"/{size}" if chance.random() < 0.8 else "/none")
            assert len(connection.getresponse().read()) in (0, size, 146)
        connection.close()
    try:
        in_parallel(ask, 5)
    finally:
        assert nginx.stop() == 0
    logged = len(nginx.entries())
    found = Exchanges(tmp_path / "events.jsonl")
    assert not found.problems and not found.losses
    assert logged == 2000
    assert 200 < len(found.all) < 600  # 400 are expected, the deviation is 18
    for exchange in found.of("server"):
        there = exchange.path != "/none"
        assert exchange.status == (200 if there else 404)
        assert exchange.error is None or not there
        if exchange.method == "HEAD":
            assert body_bytes(exchange) == 0
        elif there:
            assert body_bytes(exchange) == int(exchange.path[1:])


def test_a_server_that_reads_ahead(tmp_path):
    """The client does not wait either: pipelining, begun before an answer, in it, and after it."""
    port, = free_ports(1)
    prefix, environment = traced(tmp_path / "events.jsonl", 0.3)
    server = Server([*prefix, "/usr/bin/python3", APPS / "http/slow.py", port], ("127.0.0.1", port),
                    tmp_path / "log", environment)

    def ask(chance):
        for _ in range(12):
            with socket.create_connection(("127.0.0.1", port)) as connection:
                answers = connection.makefile("rb")
                wanted = []
                for _ in range(10):
                    size = chance.choice(SIZES)
                    connection.sendall(b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n" % size)
                    wanted.append(size)
                    time.sleep(chance.choice([0, 0.0005, 0.003, 0.008]))
                    if chance.random() < 0.6:
                        take(answers, wanted)
                take(answers, wanted)
    try:
        in_parallel(ask, 6)
    finally:
        server.stop()
    found = Exchanges(tmp_path / "events.jsonl")
    answered = [exchange for exchange in found.all if exchange.response and exchange.status]
    assert 100 < len(answered)
    for exchange in answered:
        assert body_bytes(exchange) == int(exchange.path[1:])
    ends = {exchange.response["attributes"]["telinject.http.end"] for exchange in found.all
            if exchange not in answered}
    assert ends <= {"unparsed"}


def test_a_server_that_begins_to_ask_others(tmp_path):
    """From then on it matters where a request ends; those before, however they ended, have left nothing."""
    port, = free_ports(1)
    upstream = Answers(reply(b"upstream"))
    prefix, environment = traced(tmp_path / "events.jsonl", 0.5)
    server = Server([*prefix, "/usr/bin/python3", APPS / "http/relay.py", port, upstream.port],
                    ("127.0.0.1", port), tmp_path / "log", environment, stop=signal.SIGINT)

    def ask(path, times):
        for _ in range(times):
            connection = http.client.HTTPConnection("127.0.0.1", port)
            for _ in range(5):
                connection.request("GET", path)
                assert connection.getresponse().read() == (b"upstream" if path == "/ask" else b"here")
            connection.close()
    try:
        ask("/", 20)
        for unusual in (b"GET / HTTP/1.1\r\n\r\n" * 3, b"GET / HTTP/1.1\r\n\r\nGET",
                        b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nabc", b"GET / HTTP/1.1\r\n\r\n\0\0"):
            for _ in range(10):
                with socket.create_connection(("127.0.0.1", port)) as connection:
                    connection.sendall(unusual)
                    connection.shutdown(socket.SHUT_WR)
                    while connection.recv(65536):
                        pass
        ask("/ask", 16)
    finally:
        server.stop()
        upstream.close()
    found = Exchanges(tmp_path / "events.jsonl")
    served = {exchange.id: exchange for exchange in found.of("server") if exchange.path == "/ask"}
    asked = found.of("client")
    assert 20 < len(served) < 60  # 40 are expected, the deviation is 4
    loose = [exchange for exchange in asked if exchange.parent not in served]
    # When the first one was asked for, it was not known that this matters.
    assert len(loose) <= 1
    assert {exchange.parent for exchange in asked} >= set(list(served)[1:])


def take(answers, wanted):
    """As many answers as are waited for."""
    while wanted:
        size = wanted.pop(0)
        assert answers.readline() == b"HTTP/1.1 200 OK\r\n"
        while (line := answers.readline()) != b"\r\n":
            if line.lower().startswith(b"content-length"):
                assert int(line.split(b":")[1]) == size
        assert answers.read(size) == b"x" * size
