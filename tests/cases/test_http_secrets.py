"""No secret of an HTTP exchange leaves the drain: not in events, not in recordings."""

import json

import pytest
from http_answers import Answers, reply
from teltest import schema
from teltest.check import check_tree
from teltest.recorded import pieces_of
from teltest.run import convert, run

SECRET = "hunter2hunter2"
MORE = f"Set-Cookie: session={SECRET}\r\nLocation: http://u:{SECRET}@h/?sig={SECRET}\r\n".encode()


@pytest.fixture
def server():
    made = Answers(reply(more=MORE))
    yield made
    made.close()


def curl(server, *more):
    url = f"http://user:{SECRET}@127.0.0.1:{server.port}/a?token={SECRET}&X-Amz-Signature={SECRET}&b=1"
    headers = [f"Authorization: Bearer {SECRET}", f"Cookie: a={SECRET}", f"X-Api-Key: {SECRET}",
               f"X-My-Password: {SECRET}", f"Referer: http://x/?api_key={SECRET}"]
    return ["curl", "-q", "-sS", *more, *(word for header in headers for word in ("-H", header)), url]


def normalised(path):
    events = []
    for line in path.read_text().splitlines():
        event = json.loads(line)
        if not event["event_type"].startswith("http_"):
            continue
        for name in ("timestamp", "timestamp_ns", "sequence", "trace_id", "span_id", "duration_ns",
                     "duration_ms", "message", "correlation_id", "process"):
            event.pop(name, None)
        attributes = event["attributes"]
        for name in list(attributes):
            if name.startswith("curl.") or name in ("thread_id", "telinject.http.first_byte_ns"):
                del attributes[name]
        headers = event["http"].get("request", {}).get("headers", {})
        headers.pop("traceparent", None)
        events.append(json.dumps(event, sort_keys=True))
    return events


@pytest.mark.parametrize("mode", ["telrun", "preload"])
def test_events(server, mode, tmp_path):
    done = run(curl(server), tmp_path / "events.jsonl", mode)
    assert (done.status, done.stdout) == (0, b"yes")
    text = (tmp_path / "events.jsonl").read_text()
    assert SECRET not in text
    assert SECRET in str(server.heads)  # the server got them all the same
    request, response = [json.loads(line) for line in text.splitlines()]
    assert request["http"]["request"]["url"] == \
        f"http://127.0.0.1:{server.port}/a?token=REDACTED&X-Amz-Signature=REDACTED&b=1"
    headers = request["http"]["request"]["headers"]
    for name in ("Authorization", "Cookie", "X-Api-Key", "X-My-Password"):
        assert headers[name] == "REDACTED"
    assert headers["Referer"] == "http://x/?api_key=REDACTED"
    assert response["http"]["response"]["headers"]["Set-Cookie"] == "REDACTED"
    assert response["http"]["response"]["headers"]["Location"] == "http://REDACTED:REDACTED@h/?sig=REDACTED"
    assert not schema.check_file(tmp_path / "events.jsonl").problems
    assert not check_tree(tmp_path / "events.jsonl").problems


def test_recordings(server, tmp_path):
    live, into, folder = tmp_path / "live.jsonl", tmp_path / "converted.jsonl", tmp_path / "recording"
    run(curl(server), live)
    run(curl(server), tmp_path / "none", settings={"TELEMETRY_RECORD": str(folder)})
    for recording in folder.iterdir():
        assert SECRET.encode() not in pieces_of(recording.read_bytes())
    convert(folder, into)
    assert normalised(into) == normalised(live)
    assert len(normalised(into)) == 2
    assert not schema.check_file(into).problems


def test_the_search_of_recordings_finds_what_is_there(server, tmp_path):
    folder = tmp_path / "recording"
    run(curl(server), tmp_path / "none", settings={"TELEMETRY_RECORD": str(folder)})
    data = b"".join(path.read_bytes() for path in folder.iterdir())
    assert b"X-Amz-Signature=REDACTED" in pieces_of(data)


def test_lists_of_the_user(server, tmp_path):
    settings = {"TELEMETRY_REDACT_HEADERS": "x-tenant,X-Inner-*", "TELEMETRY_REDACT_QUERY": "b,page*"}
    command = ["curl", "-q", "-sS", "-H", "X-Tenant: 1", "-H", "X-Inner-Id: 2", "-H", "X-Tenants: 3",
               f"{server.url}/?b=4&PageNumber=5&c=6&token=7"]
    run(command, tmp_path / "events.jsonl", settings=settings)
    request = json.loads((tmp_path / "events.jsonl").read_text().splitlines()[0])["http"]["request"]
    assert request["url"] == f"{server.url}/?b=REDACTED&PageNumber=REDACTED&c=6&token=REDACTED"
    headers = request["headers"]
    assert (headers["X-Tenant"], headers["X-Inner-Id"], headers["X-Tenants"]) == ("REDACTED", "REDACTED", "3")
