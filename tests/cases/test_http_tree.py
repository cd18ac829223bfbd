"""HTTP spans and function spans: one tree, across processes."""

import json
import subprocess
import time

import pytest
from http_answers import Answers, reply
from teltest import schema
from teltest.events import read_events
from teltest.run import APPS, COMPILERS, build, clean_environment, run, tool
from teltest.tree import check_events


@pytest.fixture
def upstream():
    made = Answers(reply())
    yield made
    made.close()


class Serving:
    """tests/apps/http/serve.c, traced, until it has served."""

    def __init__(self, program, folder, requests, *more):
        self.path = folder / "server.jsonl"
        port_file = folder / "port"
        environment = clean_environment() | {"TELEMETRY_FILE": str(self.path), "TELEMETRY_OUTPUT": "file",
                                             "TELEMETRY_SUMMARY": "never"}
        command = [tool("telrun"), "--", program, port_file, str(requests), *map(str, more)]
        self.process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL)
        end = time.monotonic() + 60
        while not port_file.exists():
            assert self.process.poll() is None and time.monotonic() < end
            time.sleep(0.01)
        self.url = f"http://127.0.0.1:{port_file.read_text().strip()}"

    def events(self):
        assert self.process.wait(timeout=120) == 0
        assert not schema.check_file(self.path).problems
        return list(read_events(self.path))


@pytest.fixture(params=COMPILERS)
def program(request):
    return build("serve", [APPS / "http/serve.c"], request.param, ("-O0",))


def named(events, kind, name=None):
    found = [event for event in events if event["event_type"] == kind and
             (name is None or event.get("function_name") == name)]
    assert found, (kind, name)
    return found


def test_a_request_from_process_to_process(program, upstream, tmp_path):
    """curl → the server's span → handle → fetch → its own client's span, in one trace."""
    server = Serving(program, tmp_path, 2, upstream.port)
    clients = []
    for number in range(2):
        path = tmp_path / f"client{number}.jsonl"
        done = run(["curl", "-q", "-sS", f"{server.url}/{number}"], path)
        assert done.stdout == b"yes"
        clients += read_events(path)
    events = server.events()
    sent = named(clients, "http_request")
    requests = named(events, "http_request")
    served = [event for event in requests if event["attributes"]["span.kind"] == "server"]
    inner = [event for event in requests if event["attributes"]["span.kind"] == "client"]
    handled, fetched = named(events, "function_entry", "handle"), named(events, "function_entry", "fetch")
    loop = named(events, "function_entry", "loop")[0]
    assert len(sent) == len(served) == len(inner) == len(handled) == len(fetched) == 2
    for number in range(2):
        chain = [sent[number], served[number], handled[number], fetched[number], inner[number]]
        assert len({event["trace_id"] for event in chain}) == 1
        for above, below in zip(chain, chain[1:]):
            assert below["parent_span_id"] == above["span_id"], below["event_type"]
    assert loop["trace_id"] not in {event["trace_id"] for event in sent}
    # What the server does between the requests is the loop's own.
    for event in named(events, "function_entry", "until_empty_line"):
        assert event["parent_span_id"] == loop["span_id"]
    assert inner[0]["function_name"] == "fetch"
    parents = {(event["trace_id"], event["span_id"]) for event in sent}
    assert not check_events(events, remote_parents=parents).problems
    assert not check_events(clients).problems


def test_a_caller_that_is_not_sampled(program, tmp_path):
    server = Serving(program, tmp_path, 2)
    off = "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
    on = "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    for header in (off, on):
        subprocess.run(["curl", "-q", "-sS", "-H", header, server.url], check=True, capture_output=True)
    events = server.events()
    request, = named(events, "http_request")
    assert request["trace_id"] == "0af7651916cd43dd8448eb211c80319c"
    assert request["parent_span_id"] == "b7ad6b7169203331"


def test_filters_leave_no_parent_out(program, upstream, tmp_path):
    """A function that is too short to be written is, if a request hangs below it."""
    server = Serving(program, tmp_path, 1, upstream.port)
    subprocess.run(["curl", "-q", "-sS", server.url], check=True, capture_output=True)
    server.events()
    path = tmp_path / "filtered.jsonl"
    settings = {"TELEMETRY_MIN_DURATION": "1000s"}
    port_file = tmp_path / "port"
    port_file.unlink()
    environment = clean_environment() | settings | {"TELEMETRY_FILE": str(path), "TELEMETRY_OUTPUT": "file",
                                                    "TELEMETRY_SUMMARY": "never"}
    with subprocess.Popen([tool("telrun"), "--", program, port_file, "1", str(upstream.port)],
                          env=environment, stdin=subprocess.DEVNULL) as started:
        end = time.monotonic() + 60
        while not port_file.exists():
            assert started.poll() is None and time.monotonic() < end
            time.sleep(0.01)
        url = f"http://127.0.0.1:{port_file.read_text().strip()}"
        subprocess.run(["curl", "-q", "-sS", url], check=True, capture_output=True)
        assert started.wait(timeout=120) == 0
    events = list(read_events(path))
    assert [event for event in events if event["event_type"] == "http_request"]
    names = {event["function_name"] for event in named(events, "function_entry")}
    assert "fetch" in names and "answer" not in names
    assert not check_events(events).problems


@pytest.mark.alone
@pytest.mark.parametrize("compiler", COMPILERS)
def test_waiting_for_a_response_is_no_own_time(compiler, tmp_path):
    """It is told apart: of the call that asked, less what it called meanwhile."""
    delay = 0.4

    def late(head, connection):
        time.sleep(delay)
        reply()(head, connection)

    server = Answers(late)
    program = build("waits", [APPS / "http/waits.c"], compiler, ("-O0",))
    totals_path = tmp_path / "totals"
    result = run([program, str(server.port)], tmp_path / "events.jsonl", "telrun",
                 {"TELEMETRY_TOTALS_FILE": str(totals_path), "TELEMETRY_SUMMARY": "always"})
    server.close()
    events = list(read_events(result.events_path))
    assert result.status == 0 and not check_events(events).problems
    functions = {each["function_name"]: each for each in json.loads(totals_path.read_text())["functions"]}

    def figures(name):
        exit_event = named(events, "function_exit", name)[0]
        waited = exit_event["attributes"].get("telinject.http_wait_ns", 0)
        assert functions[name].get("http_wait_ns", 0) == waited <= exit_event["duration_ns"]
        return waited / 1e9, functions[name]["self_ns"] / 1e9, exit_event["duration_ns"] / 1e9

    waited, own, duration = figures("one")
    meanwhile = figures("meanwhile")[2]
    # What was called while the server took its time may have been put off for other programs.
    put_off = named(events, "function_exit", "one")[0]["attributes"].get("telinject.preempted_ns", 0) / 1e9
    assert delay - meanwhile - put_off - 0.01 < waited < duration - meanwhile - 0.045
    assert own == pytest.approx(duration - waited - meanwhile, abs=1e-6)
    waited, own, duration = figures("two_at_once")
    put_off = named(events, "function_exit", "two_at_once")[0]["attributes"].get("telinject.preempted_ns", 0)
    assert delay * 0.9 - put_off / 1e9 < waited <= duration
    assert own < 0.1
    # What was open when the call returned was waited for no longer; the call that hears it did not ask.
    assert figures("begin")[2] < 0.1
    assert figures("end")[0] == figures("main")[0] == 0
    assert b"calls waited " in result.stderr
