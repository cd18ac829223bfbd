"""gRPC in C++, client and server: every call is told once by each, with its status."""

import subprocess
from collections import defaultdict

import pytest
from teltest import run, schema
from teltest.events import read_events

GRPC = run.APPS / "http/grpc_pair.cpp"
STATUSES = 17
# Those that a server has to answer for; for a client all but OK are errors.
SERVER_ERRORS = {2, 4, 12, 13, 14, 15}


@pytest.fixture(scope="module")
def pair():
    return run.build("grpc_pair", [GRPC], flags=("-std=c++20",), link_flags=run.GRPC_FLAGS, instrument=False)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificate")
    paths = [folder / "certificate.pem", folder / "key.pem"]
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-out", paths[0], "-keyout",
                    paths[1], "-days", "2", "-subj", "/CN=localhost", "-addext",
                    "subjectAltName=DNS:localhost,IP:127.0.0.1"], check=True, capture_output=True)
    return paths


def calls_of(path):
    """Of each call, by its number: severities and statuses of the responses that were told."""
    report = schema.check_file(path)
    assert not report.problems, str(report.problems)
    numbers, calls = {}, defaultdict(list)
    for event in read_events(path):
        if event["event_type"] == "http_request":
            assert event["event"]["name"] in ("shop.Orders/Place", "shop.Orders/Watch")
            assert event["attributes"]["rpc.service"] == "shop.Orders"
            numbers[event["span_id"]] = int(event["http"]["request"]["headers"]["x-call"])
        elif event["event_type"] == "http_response":
            status = event["attributes"].get("rpc.grpc.status_code")
            calls[numbers[event["span_id"]]].append((status, event["severity"]))
    return calls


def check(calls, count, failed):
    wrong = {number: calls.get(number) for number in range(count)
             if [status for status, _ in calls.get(number, [])] != [number % STATUSES]}
    assert not wrong, f"{len(wrong)} of {count} calls: {dict(list(wrong.items())[:10])}"
    assert len(calls) == count
    severities = {(status, severity) for [(status, severity)] in calls.values() if severity != "WARN"}
    assert severities == {(status, "ERROR" if failed(status) else "INFO") for status in range(STATUSES)}


@pytest.mark.long
@pytest.mark.parametrize("calls, secure", [(10000, False), (1000, True)], ids=["plain", "tls"])
def test_every_call_is_told_once(pair, certificate, tmp_path, calls, secure):
    server_events, client_events = tmp_path / "server.jsonl", tmp_path / "client.jsonl"
    telrun, files = run.tool("telrun"), certificate if secure else []
    with open(tmp_path / "server.err", "wb") as errors:
        server = subprocess.Popen([telrun, "-o", server_events, pair, "server", *files],
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors)
    port = server.stdout.readline().decode().strip()
    command = [pair, "client", port, str(calls), "8", "1", *files[:1]]
    client = subprocess.run([telrun, "-o", client_events, *command], capture_output=True, timeout=600,
                            check=True)
    server.stdin.close()
    assert server.wait(120) == 0
    assert client.stdout.decode().split() == [text for number in range(calls)
                                              for text in (str(number), str(number % STATUSES))]
    assert client.stderr == b""
    check(calls_of(client_events), calls, failed=lambda status: status != 0)
    check(calls_of(server_events), calls, failed=lambda status: status in SERVER_ERRORS)
