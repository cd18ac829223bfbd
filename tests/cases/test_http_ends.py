"""Exchanges that fail, hang or are cut off: each is closed in the output, and says how it ended."""

import json
import signal
import socket
import struct
import subprocess
import threading
import time

import pytest
from http_answers import Answers, reply
from teltest import schema
from teltest.check import check_tree
from teltest.run import clean_environment, run, tool

CURL = ["curl", "-q", "-sS"]


@pytest.fixture
def serve():
    made = []

    def start(answer):
        made.append(Answers(answer))
        return made[-1]
    yield start
    for server in made:
        server.close()


def events_of(path):
    assert not schema.check_file(path).problems
    assert not check_tree(path).problems
    events = [json.loads(line) for line in path.read_text().splitlines()]
    assert [event["event_type"] for event in events] == ["http_request", "http_response"]
    return events


def response(command, path, **more):
    run(command, path, **more)
    return events_of(path)[1]


def test_a_server_that_answers_nothing(serve, tmp_path):
    server = serve(lambda head, connection: None)
    event = response([*CURL, server.url], tmp_path / "events.jsonl")
    assert event["severity"] == "ERROR"
    assert event["error"]["type"] == "CURLE_GOT_NOTHING"
    assert "status_code" not in event["http"]["response"]


def test_a_server_that_stops_in_the_middle(serve, tmp_path):
    half = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab"
    server = serve(lambda head, connection: connection.sendall(half))
    event = response([*CURL, server.url], tmp_path / "events.jsonl")
    assert event["error"]["type"] == "CURLE_PARTIAL_FILE"
    assert event["attributes"]["telinject.http.end"] == "closed"
    assert event["http"]["response"]["status_code"] == 200
    assert event["http"]["response"]["body_bytes"] == 2


def test_a_connection_that_is_reset(serve, tmp_path):
    def reset(head, connection):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    server = serve(reset)
    program = f"import socket; s = socket.create_connection(('127.0.0.1', {server.port})); " \
        "s.sendall(b'GET / HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n'); s.recv(1)"
    event = response(["python3", "-c", program], tmp_path / "events.jsonl")
    assert event["error"]["type"] == "ECONNRESET"
    assert event["attributes"]["telinject.http.end"] == "failed"


def test_nobody_listens(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    event = response([*CURL, f"http://127.0.0.1:{port}/a?token=b"], tmp_path / "events.jsonl")
    assert event["error"]["type"] == "CURLE_COULDNT_CONNECT"
    assert event["attributes"]["url.full"] == f"http://127.0.0.1:{port}/a?token=REDACTED"


@pytest.mark.parametrize("status, expected", [
    ("200 OK", "INFO"), ("404 Not Found", "ERROR"), ("503 Service Unavailable", "ERROR"),
    ("304 Not Modified", "INFO")])
def test_statuses(serve, tmp_path, status, expected):
    event = response([*CURL, serve(reply(b"", status)).url], tmp_path / "events.jsonl")
    assert event["severity"] == expected
    assert event["http"]["response"]["status_code"] == int(status[:3])


def test_slow(serve, tmp_path):
    def late(head, connection):
        time.sleep(0.05)
        reply()(head, connection)
    server = serve(late)
    event = response([*CURL, server.url], tmp_path / "events.jsonl", settings={"TELEMETRY_HTTP_SLOW": "40ms"})
    assert event["severity"] == "WARN"
    event = response([*CURL, server.url], tmp_path / "events.jsonl", settings={"TELEMETRY_HTTP_SLOW": "0"})
    assert event["severity"] == "INFO"


@pytest.mark.parametrize("answered", [False, True])
def test_killed_in_the_middle(serve, tmp_path, answered):
    asked, over = threading.Event(), threading.Event()

    def hang(head, connection):
        if answered:
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab")
        asked.set()
        over.wait(60)
    server = serve(hang)
    path = tmp_path / "events.jsonl"
    environment = clean_environment() | {"TELEMETRY_FILE": str(path), "TELEMETRY_OUTPUT": "file",
                                         "TELEMETRY_SUMMARY": "never"}
    # What came is written out at once: then it has been received.
    script = f"curl -q -sSN {server.url} & echo $! >&2; wait $!"
    command = [tool("telrun"), "--", "sh", "-c", script]
    with subprocess.Popen(command, env=environment, text=True, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE) as started:
        pid = int(started.stderr.readline())
        assert asked.wait(60)
        if answered:
            assert started.stdout.read(2) == "ab"
        subprocess.run(["kill", f"-{signal.SIGKILL.value}", str(pid)], check=True)
        started.communicate(timeout=120)
    over.set()
    event = events_of(path)[1]
    assert event["error"]["type"] == "killed"
    assert event["attributes"]["telinject.http.end"] == "killed"
    assert ("status_code" in event["http"]["response"]) == answered


def test_summary_of_tls_that_is_not_decrypted(tmp_path):
    """A socket that a ClientHello goes out on, by no library that we know."""
    hello = b"\x01\x00\x00\x2b\x03\x03" + bytes(32) + b"\x00\x00\x02\x13\x01\x01\x00\x00\x00"
    record = b"\x16\x03\x01" + struct.pack(">H", len(hello)) + hello
    with socket.create_server(("127.0.0.1", 0)) as listener:
        script = "import socket\nfor i in range(2):\n" \
            f"    s = socket.create_connection(('127.0.0.1', {listener.getsockname()[1]}))\n" \
            f"    s.sendall({record!r})\n    s.close()"
        done = run(["/usr/bin/python3", "-c", script], tmp_path / "events.jsonl",
                   settings={"TELEMETRY_SUMMARY": "always"})
    assert [event["event_type"] for event in done.events()] == ["tls_connection"] * 2
    text = done.stderr.decode()
    assert "2 connections that were not decrypted: HTTP on them was missed" in text
    assert "linked statically, or is neither OpenSSL nor GnuTLS" in text


def test_summary(serve, tmp_path):
    good, bad = serve(reply()), serve(reply(b"", "500 Internal Server Error"))
    script = f"curl -q -sS {good.url}/one?a=b {good.url}/one?a=c; curl -q -sS {bad.url}/two"
    done = run(["sh", "-c", script], tmp_path / "events.jsonl", settings={"TELEMETRY_SUMMARY": "always"})
    text = done.stderr.decode()
    assert "3 HTTP requests in 2 processes" in text
    assert "3 requests, 1 failed" in text
    assert f"GET {good.url}/one  (2 times)" in text
    assert f"GET {bad.url}/two" in text
    assert "?" not in text
