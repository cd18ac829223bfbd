"""HTTP where it goes wrong, comes in crumbs, or comes in masses."""

import os
import random
import signal
import socket
import struct
import subprocess
import tempfile
import threading
from collections import Counter
from pathlib import Path

import pytest
from teltest.proc import children_of, comm, wait_for
from teltest.run import APPS, build, clean_environment, run, tool
from teltest.web.exchanges import Exchanges
from teltest.web.processes import Server, free_ports
from teltest.web.site import Site
from teltest.web.tap import Tap

PYTHON = "/usr/bin/python3"
SCRIPTS = APPS / "http"
BLOCK = {"TELEMETRY_ON_FULL": "block"}
TIMEOUT = 120


def checked(path):
    """The exchanges of a file, which is right by itself."""
    found = Exchanges(path)
    assert not found.problems and not found.orphans and not found.losses
    return found


# A server that closes at random points.

BODY = b"0123456789" * 30
WITH_LENGTH = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 300\r\n\r\n" + BODY
CHUNKED = (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: Sum\r\n\r\n"
           b"64;name=value\r\n" + BODY[:100] + b"\r\nC8\r\n" + BODY[:200] + b"\r\n0\r\nSum: 1\r\n\r\n")


class Cutter:
    """Answers /KIND/BYTES/HOW with the first BYTES of a response, and closes or resets."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            head = b""
            while b"\r\n\r\n" not in head:
                head += peer.recv(1000)
            _, kind, size, how = head.split(b" ")[1].split(b"/")
            peer.sendall({b"length": WITH_LENGTH, b"chunked": CHUNKED}[kind][:int(size)])
            if how == b"reset":
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            peer.close()


def chunked_body(text):
    """Bytes of the body in what came of CHUNKED."""
    first = CHUNKED.index(b"\r\n\r\n") + 4 + len(b"64;name=value\r\n")
    second = first + 100 + len(b"\r\nC8\r\n")
    return max(0, min(100, text - first)) + max(0, min(200, text - second))


def test_server_closes_at_random_points(tmp_path):
    """What came is told: the status if its head came, the bytes of the body, an error unless it is whole."""
    dice = random.Random(20)
    cutter = Cutter()
    paths = []
    for kind, message in (("length", WITH_LENGTH), ("chunked", CHUNKED)):
        head = message.index(b"\r\n\r\n") + 4
        sizes = [0, 1, head - 1, head, head + 1, len(message) - 1, len(message)]
        sizes += [dice.randrange(len(message)) for _ in range(40)]
        paths += [f"/{kind}/{size}/{how}" for size in sizes for how in ("close", "reset")]
    dice.shuffle(paths)
    result = run([PYTHON, SCRIPTS / "cut.py", cutter.port, *paths], tmp_path / "events", settings=BLOCK,
                 timeout=TIMEOUT)
    cutter.listener.close()
    assert result.status == 0, result.stderr
    exchanges = checked(tmp_path / "events").of("client")
    assert [each.path for each in exchanges] == paths
    for each, line in zip(exchanges, result.stdout.decode().splitlines()):
        path, got, how = line.split()
        assert path == each.path
        kind, got = path.split("/")[1], int(got)
        message = WITH_LENGTH if kind == "length" else CHUNKED
        head = message.index(b"\r\n\r\n") + 4
        body = max(0, got - head) if kind == "length" else chunked_body(got)
        whole = got == len(message)
        assert each.status == (200 if got >= head else None), line
        assert each.response["http"]["response"]["body_bytes"] == body, line
        assert (each.error is None) == whole, (line, each.error)
        if not whole and got > 0:
            assert each.error == ("ECONNRESET" if how == "reset" else "connection_closed"), line


# Killed in the middle.

@pytest.mark.parametrize("traced", ["client", "server"])
def test_killed_in_the_middle(tmp_path, traced):
    """Whichever side it is: the exchange is closed, and says why. (How much of the body had passed died with
    the process.)
    """
    port, = free_ports(1)
    environment = clean_environment() | BLOCK | {"TELEMETRY_OUTPUT": "file",
                                                 "TELEMETRY_FILE": str(tmp_path / "events")}
    processes = {}
    try:
        for mode in ("server", "client"):
            prefix = [tool("telrun"), "--"] if mode == traced else []
            processes[mode] = subprocess.Popen([*prefix, PYTHON, SCRIPTS / "hold.py", mode, str(port)],
                                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                               env=environment)
            if mode == "server":
                wait_for(lambda: listening(port), "the server")
        for process in processes.values():
            assert process.stdout.readline() == b"held\n"
        telrun = processes[traced]
        victim, = (child for child in children_of(telrun.pid) if comm(child).startswith("python3"))
        os.kill(victim, signal.SIGKILL)
        assert telrun.wait(TIMEOUT) == -signal.SIGKILL
    finally:
        for process in processes.values():
            process.kill()
            process.wait()
    each, = checked(tmp_path / "events").all
    assert (each.role, each.key(), each.error) == (traced, ("GET", "/held", 200), "killed")
    assert each.response["attributes"]["telinject.http.end"] == "killed"


def listening(port):
    """Without a connection, which would be one too many."""
    line = f"0100007F:{port:04X} 00000000:0000 0A"
    return line in Path("/proc/net/tcp").read_text()


# In crumbs.

REQUESTS = (
    b"GET /length HTTP/1.1\r\nHost: here\r\n\r\n"
    b"HEAD /head HTTP/1.1\r\nHost: here\r\n\r\n"
    b"POST /posted HTTP/1.1\r\nHost: here\r\nContent-Length: 18\r\n\r\nGET / HTTP/1.1\r\n\r\n"
    b"POST /chunked HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"5;a=\"b\"\r\nhello\r\n10\r\nHTTP/1.1 200 OK\n\r\n0\r\nTrailer: x\r\n\r\n"
    b"PUT /continue HTTP/1.1\r\nHost: here\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc"
    b"GET /same HTTP/1.1\r\nHost: here\r\n\r\n"
    b"\r\nGET /until-close HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n")
RESPONSES = (
    b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789"
    b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n"
    b"HTTP/1.1 204 No Content\r\n\r\n"
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"1a\r\nHTTP/1.1 404 Not Found\r\n\r\n\r\n1\r\nx\r\n0\r\nSum: 1\r\n\r\n"
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"
    b"HTTP/1.1 304 Not Modified\r\nContent-Length: 77\r\n\r\n"
    b"HTTP/1.1 200 OK\r\n\r\nuntil the end")
EXCHANGES = [("/length", 200, 0, 10), ("/head", 200, 0, 0), ("/posted", 204, 18, 0), ("/chunked", 200, 21,
                                                                                      27),
             ("/continue", 201, 3, 0), ("/same", 304, 0, 0), ("/until-close", 200, 0, 13)]
PATHS = [path for path, *_ in EXCHANGES]


@pytest.mark.parametrize("traced", ["client", "server"])
@pytest.mark.parametrize("seed", range(6))
def test_random_pieces(tmp_path, traced, seed):
    """Pipelined requests of every kind, and their answers, sent and received in pieces of some bytes."""
    port, = free_ports(1)
    environment = clean_environment() | BLOCK | {"TELEMETRY_OUTPUT": "file",
                                                 "TELEMETRY_FILE": str(tmp_path / "events")}
    processes = []
    for number, (mode, text) in enumerate((("server", RESPONSES), ("client", REQUESTS))):
        (tmp_path / mode).write_bytes(text)
        prefix = [tool("telrun"), "--"] if mode == traced else []
        processes.append(subprocess.Popen(
            [*prefix, PYTHON, SCRIPTS / "chunks.py", mode, str(port), tmp_path / mode,
             str(2 * seed + number)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=environment))
        if mode == "server":
            wait_for(lambda: listening(port), "the server")
    printed = [process.communicate(timeout=TIMEOUT)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert printed == [b"%d\n" % len(REQUESTS), b"%d\n" % len(RESPONSES)]
    exchanges = {each.path: each for each in checked(tmp_path / "events").of(traced)}
    # A chunked request's event is written with its response by a client, when its size is known; by a server
    # before.
    assert [(path, each.status, each.response["attributes"]["http.request.body.size"],
             each.response["http"]["response"]["body_bytes"]) for path in PATHS
            for each in [exchanges[path]]] == EXCHANGES
    assert {each.error for each in exchanges.values()} == {None}
    assert exchanges["/posted"].request["http"]["request"]["body_bytes"] == 18
    if traced == "client":
        assert exchanges["/chunked"].request["http"]["request"]["body_bytes"] == 21
    times = [exchanges[path].request["timestamp_ns"] for path in PATHS]
    assert times == sorted(times)


@pytest.fixture(scope="module")
def site():
    with tempfile.TemporaryDirectory(prefix="http-", dir="/tmp") as folder:
        with Site(folder) as made:
            yield made


@pytest.mark.parametrize("kind, options", [("plain", ()), ("tls", ()), ("h2", ("--http2",)),
                                           ("h2c", ("--http2-prior-knowledge",))])
def test_network_of_crumbs(site, tmp_path, kind, options):
    """Each segment holds a byte or three: TLS records and HTTP/2 frames come in parts, too."""
    tap = Tap(getattr(site.nginx, kind), crumbs=random.Random(7))
    scheme = "https" if kind in ("tls", "h2") else "http"
    site.nginx.entries()
    urls = [f"{scheme}://localhost:{tap.port}/{path}" for path in ("small.txt", "1.txt", "gone")]
    urls = urls[:1] if kind == "h2c" else urls  # this curl gives up a second request over the same one
    result = run(["/usr/bin/curl", "-q", "-sS", *options, *urls], tmp_path / "events", settings=BLOCK,
                 environment=site.authority.environment(), timeout=TIMEOUT)
    tap.close()
    assert result.status == 0, result.stderr
    exchanges = checked(tmp_path / "events").of("client")
    entries = site.nginx.settled(len(urls))
    assert [each.key() for each in exchanges] == \
        [(entry["request_method"], entry["request_uri"], int(entry["status"])) for entry in entries]
    assert len(exchanges) == len(urls)
    assert [entry["http_traceparent"].split("-")[2] for entry in entries] == [each.id for each in exchanges]


# In masses.

def own_memory_kb(pid):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1])
    raise AssertionError(f"process {pid} tells no RssAnon")


def drain_of(telrun):
    drain, = (child for child in children_of(telrun.pid) if comm(child).startswith("telinject-drain"[:15]))
    return drain


CROWD_FLAGS = ("-O1",)
# What malloc and the loader may still do after a tenth of the run. A connection that were kept would take
# more than 400 bytes, of 9,000 that is over 3,500 kB.
GROWTH_KB = {1: 600, 500: 2500}  # the server may have had fewer of the 500 at once before
DRAIN_GROWTH_KB = 24_000


@pytest.mark.long
@pytest.mark.parametrize("count, at_once", [(10_000, 1), (10_000, 500)])
def test_masses(tmp_path, count, at_once, figure):
    """A client and a server by epoll, both traced: an exchange each, and memory that does not grow."""
    program = build("crowd", [SCRIPTS / "crowd.cpp"], "gcc", CROWD_FLAGS, instrument=False)
    port, = free_ports(1)
    files = {mode: tmp_path / mode for mode in ("server", "client")}
    environments = {mode: clean_environment() | BLOCK | {"TELEMETRY_OUTPUT": "file",
                                                         "TELEMETRY_FILE": str(path)}
                    for mode, path in files.items()}
    with Server([tool("telrun"), "--", program, "server", port], ("127.0.0.1", port), tmp_path / "log",
                environments["server"]) as server:
        client = subprocess.Popen([tool("telrun"), "--", program, "client", str(port), str(count),
                                   str(at_once)],
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environments["client"])
        try:
            served, = (pid for pid in children_of(server.process.pid) if comm(pid).startswith("crowd"))
            memory = []
            for _ in range(2):
                kb = int(client.stdout.readline())
                memory.append((kb, own_memory_kb(served), own_memory_kb(drain_of(client)),
                               own_memory_kb(drain_of(server.process))))
                client.stdin.write(b"\n")
                client.stdin.flush()
            assert client.wait(TIMEOUT) == 0
        finally:
            client.kill()
            client.wait()
            client.stdin.close()
            client.stdout.close()
        assert server.stop() == 0
    growth = [after - before for before, after in zip(*memory)]
    figure(f"{count} connections, {at_once} at once: kB of client, server, their drains "
           f"{memory[0]} -> {memory[1]}")
    expected = Counter(("GET", f"/{number}", 200, number % 1000) for number in range(count))
    for mode, path in files.items():
        exchanges = checked(path).of(mode)
        assert Counter((*each.key(), each.response["http"]["response"]["body_bytes"])
                       for each in exchanges) == expected
        assert {each.error for each in exchanges} == {None}
        assert len({each.trace for each in exchanges}) == count
    assert max(growth[:2]) < GROWTH_KB[at_once], growth
    assert max(growth[2:]) < DRAIN_GROWTH_KB, growth
