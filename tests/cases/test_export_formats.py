"""What a receiver gets: one event a request, JSON lines, Splunk's HEC, Elasticsearch's _bulk, Datadog's
logs; several outputs at once; and that secrets stay where they belong.
"""

import json
import os
import re
import subprocess
import threading

import pytest
from exporting import in_file, key, log_key, program, received, same, settings, steps
from teltest.proc import read, wait_for
from teltest.receiver import Receiver, Say
from teltest.run import tool
from teltest.web.processes import refusing
from ways import TRACED

TOKEN = "7f3c1b00-secret-token"


def run(ways, receiver, form, way="telrun", more=None, command=None):
    outcome = ways.run(command or [program(), *steps()], way,
                       settings(receiver, ways.trace, form) | (more or {}))
    assert outcome.status == 7
    ways.wait_for_no_drain()
    return outcome


@pytest.mark.parametrize("way", TRACED)
def test_one_event_a_request(ways, way):
    """Several at a time: the first is answered once the second is there."""
    second = threading.Event()

    def answer(number):
        if number == 1:
            second.set()
        return Say(hold=second)

    with Receiver(answer) as receiver:
        outcome = run(ways, receiver, "event", way)
        assert outcome.err == b""
        wanted = in_file(ways.trace)
        assert len(wanted) > 100
        assert len(receiver.requests) == len(wanted)
        same(received(receiver), wanted)
        for request in receiver.requests:
            assert request.headers["content-type"] == "application/json"
            assert request.path == "/"
        assert 1 < receiver.most_under_way <= 4


@pytest.mark.parametrize("way", TRACED)
def test_lines(ways, way):
    with Receiver() as receiver:
        assert run(ways, receiver, "ndjson", way).err == b""
        same(received(receiver), in_file(ways.trace))
        assert len(receiver.requests) <= len(in_file(ways.trace)) / 10
        assert {request.headers["content-type"] for request in receiver.requests} == {"application/x-ndjson"}


@pytest.mark.parametrize("compression", ["none", "gzip", "zstd"])
def test_compression(ways, compression):
    with Receiver() as receiver:
        run(ways, receiver, "ndjson", more={"TELEMETRY_RECEIVER_COMPRESSION": compression})
        same(received(receiver), in_file(ways.trace))
        assert {request.headers.get("content-encoding", "none") for request in receiver.requests} == \
            {compression}
        packed, size = (sum(each) for each in zip(*((request.packed, len(request.body))
                                                    for request in receiver.requests)))
        assert packed == size if compression == "none" else packed < size / 2


def test_splunk(ways):
    with Receiver(lambda number: Say(200, b'{"text":"Success","code":0}')) as receiver:
        run(ways, receiver, "hec", more={"TELEMETRY_RECEIVER_TOKEN": TOKEN})
        objects = []
        decoder = json.JSONDecoder()
        for body in receiver.bodies:
            text = body.decode()
            assert text[0] == "{"  # never an array
            while text:
                one, end = decoder.raw_decode(text)
                objects.append(one)
                text = text[end:]
        wanted = in_file(ways.trace)
        same([one["event"] for one in objects], wanted)
        for one in objects:
            event = one["event"]
            seconds, nanoseconds = one["time"].split(".")
            assert int(seconds) * 10**9 + int(nanoseconds) == event["timestamp_ns"]
            assert len(nanoseconds) == 9
            assert one["host"] == event["host"]["name"]
            assert one["source"] == event["service"]["name"]
            assert one["sourcetype"] == "telemetry:v3"
            assert one["fields"]["trace_id"] == event["trace_id"]
            assert all(not isinstance(value, (dict, list)) for value in one["fields"].values())
        for request in receiver.requests:
            assert request.path == "/services/collector/event"
            assert request.headers["authorization"] == "Splunk " + TOKEN
            assert request.headers["content-encoding"] == "gzip"


def bulk_documents(bodies):
    documents = []
    for body in bodies:
        assert body.endswith(b"\n")
        lines = [json.loads(line) for line in body.splitlines()]
        for action, document in zip(lines[::2], lines[1::2], strict=True):
            place = f"{document['trace']['id']}-{document['span']['id']}-{document['event']['sequence']}"
            assert action == {"create": {"_id": place}}
            documents.append(document)
    return documents


def ecs_key(document):
    return (document["span"]["id"], document["event"]["action"], document["event"]["sequence"])


def test_elasticsearch(ways):
    with Receiver(lambda number: Say(200, b'{"took":1,"errors":false,"items":[]}')) as receiver:
        run(ways, receiver, "elasticsearch", more={"TELEMETRY_RECEIVER_TOKEN": TOKEN})
        documents = bulk_documents(receiver.bodies)
        wanted = {key(event): event for event in in_file(ways.trace)}
        assert sorted(map(ecs_key, documents)) == sorted(wanted)
        for document in documents:
            event = wanted[ecs_key(document)]
            moment = re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\.(\d{9})Z", document["@timestamp"])
            assert event["timestamp"].startswith(moment[1])
            assert int(moment[2]) == event["timestamp_ns"] % 10**9
            assert document["trace"]["id"] == event["trace_id"]
            assert document["event"]["kind"] == "event"
            assert document["event"]["category"] == ["process"]
            assert document["event"]["type"] == [event["event"]["type"]]
            assert document["event"].get("duration") == event.get("duration_ns")
            assert document["event"].get("outcome") == ("success" if "duration_ns" in event else None)
            assert document["log"]["level"] == event["severity"].lower()
            assert document["log"]["origin"]["function"] == event["function_name"]
            assert document["process"]["thread"]["id"] == event["attributes"]["thread_id"]
            assert document["telinject"]["attributes"] == event["attributes"]
            assert document["telinject"].get("parent_span_id") == event["parent_span_id"]
        for request in receiver.requests:
            assert request.path.startswith("/logs-telinject-default/_bulk?filter_path=errors,items")
            assert request.headers["authorization"] == "ApiKey " + TOKEN


def test_datadog(ways):
    with Receiver(lambda number: Say(202, b"{}")) as receiver:
        run(ways, receiver, "datadog-logs", more={"TELEMETRY_RECEIVER_TOKEN": TOKEN})
        logs = [log for body in receiver.bodies for log in json.loads(body)]
        wanted = {key(event): event for event in in_file(ways.trace)}
        assert sorted(map(log_key, logs)) == sorted(wanted)
        for log in logs:
            event = wanted[log_key(log)]
            assert log["dd.trace_id"] == event["trace_id"]
            assert log["dd.span_id"] == str(int(event["span_id"], 16))
            assert log["timestamp"] == event["timestamp_ns"] // 10**6
            assert log["timestamp_ns"] == str(event["timestamp_ns"])
            assert log["status"] == event["severity"].lower()
            assert log["service"] == event["service"]["name"]
            assert log["ddsource"] == "telinject"
            assert log.get("duration") == (str(event["duration_ns"]) if "duration_ns" in event else None)
            assert log["thread_id"] == str(event["attributes"]["thread_id"])
            assert {name for name, value in log.items() if not isinstance(value, str)} == {"timestamp"}
        for request in receiver.requests:
            assert request.path == "/api/v2/logs"
            assert request.headers["dd-api-key"] == TOKEN
            assert len(json.loads(request.body)) <= 1000


@pytest.mark.parametrize("address, path", [
    ("", "/"), ("/", "/"), ("/a/b", "/a/b"), ("/a?x=1", "/a?x=1")])
def test_addresses_are_kept_and_a_user_is_sent(ways, address, path):
    with Receiver() as receiver:
        url = f"http://user:pass@127.0.0.1:{receiver.port}{address}"
        run(ways, url, "ndjson", more={"TELEMETRY_RECEIVER_HEADERS": "X-One=a%20b, X-Two=c"})
        request = receiver.requests[0]
        assert request.path == path
        assert request.headers["authorization"].startswith("Basic ")
        assert request.headers["x-one"] == "a b"
        assert request.headers["x-two"] == "c"


def test_lean_files_beside_full_requests(ways):
    """Receivers get whole events, whatever the file has."""
    with Receiver() as receiver:
        run(ways, receiver, "ndjson", more={"TELEMETRY_DETAIL": "lean"})
        types = {event["event_type"] for event in in_file(ways.trace)}
        assert "telemetry_function" in types
        events = received(receiver)
        assert {event["event_type"] for event in events} == {"function_entry", "function_exit"}
        assert all(event["service"]["name"] for event in events)


def test_the_summary_tells_each_destination(ways):
    with Receiver() as receiver:
        outcome = run(ways, receiver, "ndjson", more={"TELEMETRY_SUMMARY": "always"})
        text = outcome.err.decode()
        count = len(in_file(ways.trace))
        assert re.search(rf"  data       file {re.escape(str(ways.trace))}, {count} events, ", text)
        assert f"             http {receiver.url}/, {count} sent, " in text
        assert "lost       nothing" in text


def test_http_alone(ways):
    with Receiver() as receiver:
        outcome = run(ways, receiver, "ndjson",
                      more={"TELEMETRY_OUTPUT": "http", "TELEMETRY_SUMMARY": "always"})
        assert not ways.trace.exists()
        assert len(received(receiver)) > 100
        assert b"  data       http http://" in outcome.err
        assert b"next " not in outcome.err


def test_options(ways):
    with Receiver() as receiver:
        command = [tool("telrun"), "--output=file,http", f"--receiver-url={receiver.url}/x",
                   "--receiver-format=ndjson", "-o", ways.trace, "--", program(), *steps()]
        environment = ways.variables("alone", {"TELEMETRY_OUTPUT": None})
        assert subprocess.run(command, env=environment, stdout=subprocess.DEVNULL).returncode == 7
        same(received(receiver), in_file(ways.trace))


@pytest.mark.parametrize("changes, words", [
    ({"RECEIVER_URL": None}, b"needs RECEIVER_URL=http://host:port/path; no events are sent"),
    ({"RECEIVER_URL": "ftp://host/"}, b"RECEIVER_URL is not an address like"),
    ({"RECEIVER_URL": "http://"}, b"RECEIVER_URL is not an address like"),
    ({"TELEMETRY_RECEIVER_TOKEN": f"{TOKEN}\r\nX: y"}, b"TELEMETRY_RECEIVER_TOKEN has control characters"),
    ({"TELEMETRY_RECEIVER_HEADERS": f"A={TOKEN}%0a"}, b"TELEMETRY_RECEIVER_HEADERS: the value of header A"),
    ({"TELEMETRY_RECEIVER_HEADERS": TOKEN}, b"TELEMETRY_RECEIVER_HEADERS: header 1 is not Name=value"),
])
def test_settings_that_make_no_sense(ways, changes, words):
    with Receiver() as receiver:
        outcome = run(ways, receiver, "ndjson", more=changes)
        assert words in outcome.err
        assert outcome.err.count(b"\n") == 1
        assert TOKEN.encode() not in outcome.err
        assert receiver.requests == []
        assert len(in_file(ways.trace)) > 100


@pytest.mark.parametrize("way", TRACED)
@pytest.mark.parametrize("output", ["http", "file", "file,http"])
def test_without_an_address_events_go_to_standard_error(ways, way, output):
    outcome = ways.run([program(), *steps(3)], way, {"TELEMETRY_OUTPUT": output, "TELEMETRY_FILE": None})
    assert outcome.status == 7
    assert outcome.err.count(b'"function_exit"') == 3
    assert outcome.err.count(b"; events go to standard error") == 1 + output.count(",")
    missing = {"http": b"needs RECEIVER_URL=", "file": b"needs TELEMETRY_FILE="}
    assert all(missing[each] in outcome.err for each in output.split(","))


def test_a_file_without_its_path_leaves_the_receiver(ways):
    with Receiver() as receiver:
        outcome = run(ways, receiver, "ndjson", more={"TELEMETRY_FILE": None})
        assert outcome.err.count(b"\n") == 1 and b"TELEMETRY_FILE=path" in outcome.err
        assert outcome.err.endswith(b"; no file is written\n")
        assert len(received(receiver)) > 100


def command_lines():
    return [read(f"/proc/{pid}/cmdline") for pid in filter(str.isdigit, os.listdir("/proc"))]


SECRETS = (TOKEN, "other-secret-9", "url-secret-3", "query-secret-4")


def url_with_secrets(port):
    return f"http://user:url-secret-3@127.0.0.1:{port}/?key=query-secret-4"


def settings_with_secrets(spool):
    return {"TELEMETRY_RECEIVER_TOKEN": TOKEN, "TELEMETRY_RECEIVER_HEADERS": "X-Key=other-secret-9",
            "TELEMETRY_SUMMARY": "always", "TELEMETRY_SPOOL_DIR": str(spool)}


def assert_no_secrets(texts):
    for secret in SECRETS:
        assert not any(secret.encode() in text for text in texts)


def test_secrets_are_nowhere(ways, tmp_path):
    """Neither in messages nor on a command line."""
    echo = f"bad key other-secret-9, {TOKEN}, url-secret-3 in query-secret-4".encode()
    seen = []

    def answer(number, request):
        seen.extend(command_lines())
        return Say(400, echo) if number % 2 else Say(503, echo)

    with Receiver(answer) as receiver:
        outcome = run(ways, url_with_secrets(receiver.port), "hec", more=settings_with_secrets(tmp_path))
        assert receiver.requests
    assert b"bad key" in outcome.err
    assert any(b"telinject-drain" in line for line in seen)
    assert_no_secrets([outcome.out, outcome.err, ways.trace.read_bytes(), *seen])


def unpacked(data):
    """What is in its frames of zstd, and all that is behind and before them."""
    magic = b"\x28\xb5\x2f\xfd"
    return data + b"".join(subprocess.run(["zstd", "-dcq"], input=magic + frame, capture_output=True).stdout
                    for frame in data.split(magic)[1:])


def test_no_secrets_are_in_what_is_left(ways, tmp_path):
    """What waits in the spool meanwhile, and the file that can be sent later."""
    spool = tmp_path / "spool"
    spool.mkdir()
    with refusing() as port:
        process = ways.start([program(), "calls", "3000", "pause"], "telrun", settings(
            url_with_secrets(port), ways.trace, "hec", TELEMETRY_QUEUE_BYTES="1048576",
            TELEMETRY_EXIT_WAIT="1000", **settings_with_secrets(spool)), stdin=subprocess.PIPE)
        wait_for(lambda: read(ways.trace).count(b"\n") == 6000, "the whole file")
        drain, = ways.drains()
        files = [fd for fd in os.scandir(f"/proc/{drain}/fd") if os.readlink(fd.path).startswith(str(spool))]
        waiting = b"".join(read(fd.path) for fd in files)
        out, err = process.communicate(b"x", timeout=60)
    assert process.returncode == 3
    left, = spool.iterdir()
    assert left.suffix == ".telleft" and str(left).encode() in err
    for data in waiting, left.read_bytes():
        assert b'"function_entry"' in unpacked(data)
        assert_no_secrets([unpacked(data)])
    assert_no_secrets([out, err])


def test_a_slow_receiver_does_not_slow_the_file(ways, tmp_path):
    """Nor the program: both have gone on while the first request still waits for its answer."""
    answered = threading.Event()
    with Receiver(lambda number: Say(hold=answered)) as receiver:
        process = ways.start([program(), "calls", "10", "pause", "calls", "2000", "pause"], "telrun",
                             settings(receiver, ways.trace, "ndjson", TELEMETRY_RECEIVER_TIMEOUT="600s"),
                             stdin=subprocess.PIPE)
        wait_for(lambda: receiver.requests, "the first request")
        process.stdin.write(b"x")
        process.stdin.flush()
        wait_for(lambda: read(ways.trace).count(b"\n") == 4020, "the whole file")
        assert receiver.under_way == len(receiver.requests)
        answered.set()
        out, err = process.communicate(b"x", timeout=60)
        assert (process.returncode, out.count(b"paused"), err) == (3, 2, b"")
        same(received(receiver), in_file(ways.trace))
