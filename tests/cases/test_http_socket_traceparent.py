"""TELEMETRY_HTTP_TRACEPARENT=sockets: requests that a program writes itself carry a traceparent."""

import re
import shutil

import pytest
from teltest.recording_server import RecordingServer
from teltest.run import run
from teltest.web.exchanges import Exchanges

PYTHON = "/usr/bin/python3"
LINE = re.compile(rb"\r\ntraceparent: 00-([0-9a-f]{32})-([0-9a-f]{16})-(0[01])")
OWN = "a" * 32, "b" * 16  # a trace of the program's
SOCKETS = {"TELEMETRY_HTTP_TRACEPARENT": "sockets", "TELEMETRY_ON_FULL": "block"}


@pytest.fixture
def listener():
    made = RecordingServer()
    yield made
    made.close()


def ask(listener, tmp_path, command, settings=None, mode="telrun"):
    """(heads without the line, the lines' (trace, span, flags), exchanges, result)"""
    path = tmp_path / "events.jsonl"
    path.unlink(missing_ok=True)
    listener.requests.clear()
    command = [word.replace("PORT", str(listener.port)) for word in command]
    result = run(command, path, mode, settings or SOCKETS, timeout=60)
    assert result.status == 0, result.stderr
    found = Exchanges(path, [OWN])
    assert not found.problems and not found.orphans and not found.losses
    heads = [LINE.sub(b"", head) for head, _ in listener.requests]
    lines = [LINE.findall(head) for head, _ in listener.requests]
    return heads, lines, found.of("client"), result


PREAMBLE = """
import socket, select
s = socket.create_connection(("127.0.0.1", PORT))
def answer(count=1):
    data = b""
    while data.count(b"hello") < count:
        select.select([s], [], [])
        data += s.recv(1000)
"""
SCRIPTS = {
    # What it does; how many of its requests carry the line.
    "send": ("s.send(b'GET /a HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n'); answer()", 1),
    "two on one connection": ("""
for path in b"ab":
    s.sendall(b"GET /%c HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n" % path)
    answer()""", 2),
    "sendmsg, body in other parts": (
        "s.sendmsg([b'POST /a HTTP/1.1\\r\\nContent-Length: 6\\r\\n\\r\\n', b'abc', b'def']); answer()", 1),
    "sendmsg, the head in pieces": (
        "s.sendmsg([b'GET', b' /a', b' HTTP/1.1\\r\\n', b'', b'Host: x\\r\\n', b'\\r\\n']); answer()", 1),
    "sendmsg, cut in the line's end": (
        "s.sendmsg([b'POST /a HTTP/1.1\\r\\nContent-Length: 6\\r\\n\\r', b'\\nab', b'cdef']); answer()", 1),
    "writev, byte by byte": ("""
import os
text = b"PUT /a HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: 3\\r\\n\\r\\nabc"
print(os.writev(s.fileno(), [bytes([byte]) for byte in text]))
answer()""", 1),
    "sendmsg, very many pieces": ("""
text = b"POST /a HTTP/1.1\\r\\nContent-Length: 900\\r\\n\\r\\n" + b"x" * 900
print(s.sendmsg([bytes([byte]) for byte in text]))
answer()""", 1),
    "its own, in pieces": ("s.sendmsg([b'GET /a HTTP/1.1\\r\\nTrace', b'parent: 00-" + "-".join(OWN)
                           + "-01\\r\\n', b'\\r\\n']); answer()", 0),
    "pieces, little room, without blocking": ("""
s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
s.setblocking(False)
body = bytes(range(256)) * 4096
length = b"P/1.1\\r\\nContent-Length: %d\\r\\n" % len(body)
pieces = [b"POST /a HTT", length, b"\\r\\n", body[:1000], body[1000:]]
while pieces:
    select.select([], [s], [])
    sent = s.sendmsg(pieces)
    while pieces and sent >= len(pieces[0]):
        sent -= len(pieces.pop(0))
    if pieces:
        pieces[0] = pieces[0][sent:]
answer()""", 1),
    "half of the head": ("""
print(s.sendmsg([b"GET /a HTTP/1.1\\r\\n", b"Host: x\\r\\n"]))
s.send(b"\\r\\n")
answer()""", 0),
    "write": ("import os; os.write(s.fileno(), b'GET /a HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n'); answer()", 1),
    "without blocking": (
        "s.setblocking(False); s.send(b'GET /a HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n'); answer()", 1),
    "a long body, little room, without blocking": ("""
s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
s.setblocking(False)
body = bytes(range(256)) * 4096
rest = memoryview(b"POST /a HTTP/1.1\\r\\nContent-Length: %d\\r\\n\\r\\n" % len(body) + body)
while rest:
    select.select([], [s], [])
    rest = rest[s.send(rest):]
answer()""", 1),
    "pipelined: the first of a call": (
        "s.sendall(b'GET /a HTTP/1.1\\r\\n\\r\\nGET /b HTTP/1.1\\r\\n\\r\\n'); answer(2)", 1),
    "its own": ("s.sendall(b'GET /a HTTP/1.1\\r\\nTraceparent: 00-" + "-".join(OWN)
                + "-01\\r\\n\\r\\n'); answer()", 0),
    "byte by byte": ("""
for byte in b"GET /a HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n":
    s.send(bytes([byte]))
answer()""", 0),
    "urgent data": ("s.send(b'G', socket.MSG_OOB)", 0),
}


@pytest.mark.parametrize("name", SCRIPTS)
def test_calls(listener, tmp_path, name):
    script, carrying = SCRIPTS[name]
    command = [PYTHON, "-c", PREAMBLE + script]
    plain, none, before, alone = ask(listener, tmp_path, command, {"TELEMETRY_ON_FULL": "block"})
    bodies = [body for _, body in listener.requests]
    assert not any(none)
    heads, lines, exchanges, result = ask(listener, tmp_path, command)
    assert heads == plain and [body for _, body in listener.requests] == bodies
    assert (result.stdout, result.stderr) == (alone.stdout, alone.stderr)
    assert [each.key() for each in exchanges] == [each.key() for each in before]
    assert [each.request["http"]["request"]["body_bytes"] for each in exchanges] == [
        each.request["http"]["request"]["body_bytes"] for each in before]
    assert sum(map(len, lines)) == carrying
    told = {(each.trace.encode(), each.id.encode()) for each in exchanges}
    for line in lines:
        for trace, span, flags in line:
            assert (trace, span) in told and flags == b"01"


def test_of_a_trace_that_is_not_sampled(listener, tmp_path):
    _, lines, exchanges, _ = ask(listener, tmp_path, [PYTHON, "-c", PREAMBLE + SCRIPTS["send"][0]],
                                 SOCKETS | {"SAMPLE_RATE": "0.000000001"})
    assert exchanges == [] and [flags for line in lines for _, _, flags in line] == [b"00"]


CLIENTS = {
    "python3 urllib": [PYTHON, "-c", "import urllib.request as u; "
                       "print(u.urlopen('http://127.0.0.1:PORT/a', data=b'x' * 1000, timeout=9).read())"],
    "wget": ["wget", "-q", "-O", "-", "http://127.0.0.1:PORT/a"],
    "aria2c": ["aria2c", "-q", "--allow-overwrite=true", "-d", "/tmp", "-o", "telinject-test-file",
               "http://127.0.0.1:PORT/a"],
    "curl": ["curl", "-s", "http://127.0.0.1:PORT/a"],
}


@pytest.mark.parametrize("mode", ["telrun", "preload"])
@pytest.mark.parametrize("client", CLIENTS)
def test_clients(listener, tmp_path, client, mode):
    if shutil.which(CLIENTS[client][0]) is None:
        pytest.skip("not here")
    heads, lines, exchanges, _ = ask(listener, tmp_path, CLIENTS[client], mode=mode)
    assert len(heads) == len(exchanges) >= 1
    assert [len(line) for line in lines] == [1] * len(heads)
    assert {span for line in lines for _, span, _ in line} == {each.id.encode() for each in exchanges}
