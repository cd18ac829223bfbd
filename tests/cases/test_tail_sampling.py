"""Tail sampling: whole traces with an error, slow ones and a share of the others; all else is left out."""

import json
import re
import subprocess

import pytest
from sampled import FAILS, IS_SLOW, Served, check_events, environment, name_of, program, traces_of
from teltest.events import read_events
from teltest.otlp_receiver import OtlpReceiver
from teltest.proc import wait_for
from teltest.run import COMPILERS, clean_environment, run, tool

CALLS = {"try_handle", "handle", "work", "fail"}  # of each request


def url_of(event):
    return event["attributes"].get("url.full") or event["attributes"].get("url.path")


def served_numbers(events):
    return {int(re.search(r"/(\d+)$", url_of(event))[1]): event["trace_id"]
            for event in events if event["event_type"] == "http_request"}


@pytest.mark.parametrize("compiler", COMPILERS)
def test_served_requests(compiler, tmp_path):
    count, file = 600, tmp_path / "events.jsonl"
    served = Served([program(compiler)], count, environment(
        file, TELEMETRY_TAIL_SAMPLING="errors,slow=200ms,rate=0.1", TELEMETRY_SUMMARY="always",
        TELEMETRY_TOTALS_FILE=str(tmp_path / "totals.json")))
    statuses = served.ask(range(count))
    assert statuses == [500 if i % 100 == FAILS else 200 for i in range(count)]
    status, _, stderr = served.finish()
    assert status == 0
    events = list(read_events(file))
    check_events(events, every=20)
    traces = traces_of(events)
    numbers = served_numbers(events)
    wanted = {i for i in range(count) if i % 100 in (FAILS, IS_SLOW)}
    assert wanted <= set(numbers)
    by_rate = set(numbers) - wanted
    assert 25 <= len(by_rate) <= 130
    for number, trace in numbers.items():
        kinds = [event["event_type"] for event in traces[trace]]
        assert kinds.count("http_request") == kinds.count("http_response") == 1
        names = [name_of(event) for event in traces[trace]
                 if event["event_type"] == "function_exit"]
        assert CALLS <= set(names)
        rates = {event["sample_rate"] for event in traces[trace]}
        assert rates in ([{1.0}] if number in wanted else [{0.1}, {1.0}])  # on a busy machine any may be slow
    totals = json.loads((tmp_path / "totals.json").read_text())
    calls = {name_of(row): row["calls"] for row in totals["functions"]}
    assert calls["handle"] == calls["work"] == count
    line = next(line for line in stderr.decode().splitlines() if line.startswith("  sampled"))
    errors, slow, rate, left_out = (int(number.replace(",", "")) for number in re.search(
        r"written: ([\d,]+) with errors, ([\d,]+) slow, ([\d,]+) by rate; ([\d,]+) left out", line).groups())
    # And main's, which is slow.
    assert errors == 6 and slow >= 6 + 1
    assert slow + rate == 6 + 1 + len(by_rate)
    assert errors + slow + rate + left_out == count + 1
    assert f" {len(events):,} events" in stderr.decode()


def test_decided_while_the_program_runs(tmp_path):
    """Soon after a trace has ended, though nothing else happens."""
    file = tmp_path / "events.jsonl"
    served = Served([program()], 3, environment(file, TELEMETRY_TAIL_SAMPLING="errors"))
    served.ask([FAILS])
    wait_for(lambda: served_numbers(read_events(file)), "a trace")
    served.ask([1, 2])
    assert served.finish()[0] == 0
    assert set(served_numbers(read_events(file))) == {FAILS}


@pytest.mark.parametrize("detail", ["full", "lean"])
def test_main_that_calls_requests(detail, tmp_path):
    """Without HTTP, roots= says what is a request."""
    file = tmp_path / "events.jsonl"
    result = run([program(), "loop", "500"], file, settings={
        "TELEMETRY_TAIL_SAMPLING": "errors,slow=200ms,roots=*try_handle*", "TELEMETRY_DETAIL": detail})
    assert (result.status, result.stderr) == (0, b"")
    lines = [json.loads(line) for line in file.read_bytes().splitlines()]
    assert [line["sequence"] for line in lines] == list(range(1, len(lines) + 1))
    if detail == "full":
        check_events(lines)
    exits = [name_of(line) for line in lines
             if line["event_type"] == "function_exit"]
    assert 10 <= exits.count("handle") == exits.count("try_handle") < 50
    assert exits.count("main") == exits.count("loop") == 1
    told = {line["span_id"] for line in lines if line["event_type"] == "telemetry_function"}
    for line in lines:
        assert line.get("function_ref") is None or line["function_ref"] in told


def test_long_main(tmp_path):
    """A call that is open for longer than wait= is written; what it calls is decided on its own."""
    file = tmp_path / "events.jsonl"
    result = run([program(), "loop", "700"], file, settings={
        "TELEMETRY_TAIL_SAMPLING": "errors,wait=100ms"})
    assert result.status == 0
    events = list(read_events(file))
    started = check_events(events)
    failed = [event for event in events if event["event_type"] == "function_exit"
              and name_of(event) == "handle" and event["severity"] == "ERROR"]
    assert len(failed) == 7
    assert len(started) < 1500  # of some 2,900: most were not over when main was cut


@pytest.mark.parametrize("output", ["file", "file,otlp"])
def test_across_processes(output, tmp_path):
    """curl's request and what the server does for it: one trace, in one drain."""
    file = tmp_path / "events.jsonl"
    script = f"""
        {program()} serve 60 > port &
        while ! [ -s port ]; do sleep .01; done
        i=0
        while [ $i -lt 20 ]; do
            for path in 7 1 2; do curl -s http://127.0.0.1:$(cat port)/$path; done
            i=$((i + 1))
        done
        wait"""
    with OtlpReceiver() as receiver:
        settings = {"TELEMETRY_TAIL_SAMPLING": "errors", "TELEMETRY_OUTPUT": output,
                    "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url, "TELEMETRY_OTLP_SPAN_RATE": "0",
                    "TELEMETRY_SUMMARY": "always"}
        result = run(["sh", "-c", script], file, settings=settings, cwd=tmp_path)
        assert result.status == 0, result.stderr
        assert b"\n  sampled " in result.stderr
        spans = [span for request in receiver.traces for resource in request.resource_spans
                 for scope in resource.scope_spans for span in scope.spans] if output != "file" else []
    events = list(read_events(file))
    check_events(events, missing_parents=True)
    traces = {trace: found for trace, found in traces_of(events).items()
              if any(event["event_type"] == "http_request" for event in found)}
    assert len(traces) == 20
    for found in traces.values():
        assert len({event["process"]["pid"] for event in found}) == 2
        assert sum(event["event_type"] == "http_response" for event in found) == 2
        assert sum(event["event_type"] == "function_exit" for event in found) >= 4
        ids = {event["span_id"] for event in found}
        assert sum(event.get("parent_span_id") not in ids for event in found
                   if event["event_type"] in ("http_request", "function_entry")) == 1
    if output == "otlp":
        ends = sum(event["event_type"] in ("http_response", "function_exit") for event in events)
        assert len(spans) == ends


def test_convert(tmp_path):
    """A recording is sampled when it is converted."""
    folder = tmp_path / "recording"
    run([program(), "loop", "500"], tmp_path / "none", settings={
        "TELEMETRY_RECORD": str(folder), "TELEMETRY_TAIL_SAMPLING": "rate=0.5"})
    rules = "errors,roots=*try_handle*"
    made = subprocess.run([tool("telinject"), "convert", "-q", f"--tail-sampling={rules}", folder],
                          env=clean_environment(), capture_output=True, check=True)
    events = [json.loads(line) for line in made.stdout.splitlines()]
    check_events(events)
    assert sum(event["event_type"] == "function_exit" and name_of(event) == "try_handle"
               for event in events) == 5


def test_bad_rules(tmp_path):
    file = tmp_path / "events.jsonl"
    result = run([program(), "loop", "1"], file, settings={"TELEMETRY_TAIL_SAMPLING": "rate=much"})
    assert result.status == 0
    assert result.stderr == (b"telrun: TELEMETRY_TAIL_SAMPLING=rate=much is not a list such as "
                             b"errors,slow=250ms,slow=p99,rate=0.01 (docs/sampling.md); using the default\n")
    assert sum(1 for _ in read_events(file)) > 0
