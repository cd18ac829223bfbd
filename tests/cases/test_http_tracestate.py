"""A tracestate that came with a trace goes out with the requests that go on with it, as it came."""

import re
import shutil
import subprocess

import pytest
from teltest.proc import wait_for
from teltest.recording_server import RecordingServer
from teltest.run import run
from teltest.web.exchanges import Exchanges
from teltest.web.processes import free_ports

PYTHON = "/usr/bin/python3"
TRACE, SPAN, STATE = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", "vendor=a:b@1,other=x y"
GIVEN = {"TRACEPARENT": f"00-{TRACE}-{SPAN}-01", "TRACESTATE": STATE}
SOCKETS = {"TELEMETRY_HTTP_TRACEPARENT": "sockets", "TELEMETRY_ON_FULL": "block"}
SEND = ("import socket; s = socket.create_connection(('127.0.0.1', PORT)); "
        "s.sendall(b'GET / HTTP/1.1\\r\\nHost: x\\r\\nMORE\\r\\n'); s.recv(1000)")


@pytest.fixture
def listener():
    made = RecordingServer()
    yield made
    made.close()


def states(listener):
    return [re.findall(rb"(?i)\r\ntracestate: *([^\r]*)", head) for head, _ in listener.requests]


def ask(listener, tmp_path, command, environment, mode="telrun"):
    path = tmp_path / "events.jsonl"
    command = [word.replace("PORT", str(listener.port)) for word in command]
    result = run(command, path, mode, SOCKETS, environment, timeout=60)
    assert result.status == 0, result.stderr
    found = Exchanges(path, [(TRACE, SPAN)])
    assert not found.problems and not found.orphans and not found.losses
    return found.of("client")


CLIENTS = {
    "libcurl": ["curl", "-s", "http://127.0.0.1:PORT/"],
    "libcurl, headers": ["curl", "-s", "-H", "A: b", "http://127.0.0.1:PORT/"],
    "socket": [PYTHON, "-c", SEND.replace("MORE", "")],
}


@pytest.mark.parametrize("mode", ["telrun", "preload"])
@pytest.mark.parametrize("client", CLIENTS)
def test_inherited(listener, tmp_path, client, mode):
    exchanges = ask(listener, tmp_path, CLIENTS[client], GIVEN, mode)
    assert {each.trace for each in exchanges} == {TRACE}
    assert states(listener) == [[STATE.encode()]]
    listener.requests.clear()
    # Without a trace that it belongs to it says nothing.
    for environment in ({"TRACESTATE": STATE}, {"TRACEPARENT": GIVEN["TRACEPARENT"]},
                        GIVEN | {"TRACESTATE": "x" * 513}, GIVEN | {"TRACESTATE": "a=\x01"}):
        (tmp_path / "events.jsonl").unlink()
        ask(listener, tmp_path, CLIENTS[client], environment, mode)
    assert states(listener) == [[]] * 4


@pytest.mark.parametrize("client", [["curl", "-s", "-H", "TraceState: own=1", "http://127.0.0.1:PORT/"],
                                    [PYTHON, "-c", SEND.replace("MORE", "TraceState: own=1\\r\\n")]])
def test_own_state_is_left_alone(listener, tmp_path, client):
    ask(listener, tmp_path, client, GIVEN)
    assert states(listener) == [[b"own=1"]]


SERVE = """
import socket, sys
gate = socket.create_server(("127.0.0.1", int(sys.argv[1])))
for _ in range(3):
    peer, _ = gate.accept()
    peer.recv(10000)
    s = socket.create_connection(("127.0.0.1", PORT))
    s.sendall(b"GET /on HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
    s.recv(1000)
    s.close()
    peer.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 0\\r\\n\\r\\n")
    peer.close()
"""


def test_served(listener, tmp_path):
    """What came with a request goes on with those that are made for it, and with no other."""
    gate, = free_ports(1)
    other = "1" * 32
    headers = [("-H", f"traceparent: 00-{TRACE}-{SPAN}-01", "-H", "tracestate: a=1", "-H", "Tracestate: b=2"),
               ("-H", f"traceparent: 00-{other}-{SPAN}-01"), ()]
    script = SERVE.replace("PORT", str(listener.port))
    path = tmp_path / "events.jsonl"
    clients = subprocess.Popen([PYTHON, "-c", CLIENT, str(gate), *map(repr, headers)])
    result = run([PYTHON, "-c", script, str(gate)], path, settings=SOCKETS, timeout=60)
    assert clients.wait(60) == 0 and result.status == 0, result.stderr
    assert states(listener) == [[b"a=1,b=2"], [], []]
    found = Exchanges(path, [(TRACE, SPAN), (other, SPAN)])
    assert not found.problems and not found.orphans
    assert [each.trace for each in found.of("client")] == [each.trace for each in found.of("server")]


CLIENT = """
import ast, subprocess, sys
for headers in sys.argv[2:]:
    subprocess.run(["curl", "-s", "--retry", "50", "--retry-connrefused", "--retry-delay", "0",
                    *ast.literal_eval(headers), "http://127.0.0.1:" + sys.argv[1]], check=True)
"""


@pytest.mark.skipif(shutil.which("nghttpd") is None, reason="no nghttpd")
def test_http2(tmp_path):
    """nghttp2's own client."""
    port, = free_ports(1)
    log = tmp_path / "log"
    with open(log, "wb") as out:
        server = subprocess.Popen(["nghttpd", "-v", "--no-tls", "-d", tmp_path, str(port)], stdout=out,
                                  stdin=subprocess.DEVNULL)
    try:
        wait_for(lambda: b"listen" in log.read_bytes(), "nghttpd listens")
        result = run(["nghttp", "-n", f"http://127.0.0.1:{port}/log"], tmp_path / "events.jsonl",
                     settings={"TELEMETRY_ON_FULL": "block"}, environment=GIVEN, timeout=60)
        assert result.status == 0, result.stderr
        wait_for(lambda: b"tracestate" in log.read_bytes(), "the request's fields are in the log")
    finally:
        server.kill()
        server.wait()
    text = re.sub(rb"\x1b\[[0-9;]*m", b"", log.read_bytes())
    assert re.findall(rb"tracestate: (.*)", text) == [STATE.encode()]
    assert len(re.findall(rb"traceparent: ", text)) == 1
