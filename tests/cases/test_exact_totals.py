"""TELEMETRY_TOTALS=exact: of every call, though a hundredth of the traces is written."""

import json
import subprocess
from collections import Counter

import pytest

from teltest import schema
from teltest.check import check_tree
from teltest.events import read_events
from teltest.run import APPS, build, clean_environment, run, tool
from teltest.web.processes import Server, free_ports

ROOTS, EACH = 2000, 5


@pytest.fixture(scope="module", params=["gcc", "clang"])
def program(request):
    return build("rooted", [APPS / "output/rooted.c"], request.param, ("-O0",), ("-pthread",))


def totals_of(path):
    document = json.loads(path.read_text())
    return document, {function["function_name"]: function["calls"] for function in document["functions"]}


# Each root, in either thread, calls middle, and that leaf EACH times; every tenth is left by an
# exception's way, longjmp.
CALLS = {"root": 2 * ROOTS, "middle": 2 * ROOTS, "leaf": 2 * ROOTS * EACH, "thrower": 2 * ROOTS // 10}


def check_events(path, totals):
    """A sample of whole traces, and no other line."""
    assert not check_tree(path).problems
    assert not schema.check_file(path).problems
    entries = Counter(event["function_name"] for event in read_events(path)
                      if event["event_type"] == "function_entry")
    assert set(entries) <= set(CALLS) and 0 < entries["root"] < 2 * ROOTS / 20
    assert entries["middle"] == entries["root"] and entries["leaf"] == EACH * entries["root"]
    assert totals["left_out"]["sample_rate"] == sum(CALLS.values()) - entries.total()


@pytest.mark.parametrize("mode", ["telrun", "preload"])
def test_all_calls_are_counted(program, mode, tmp_path):
    settings = {"SAMPLE_RATE": "0.01", "TELEMETRY_TOTALS": "exact", "TELEMETRY_ON_FULL": "block",
                "TELEMETRY_TOTALS_FILE": str(tmp_path / "totals")}
    result = run([program, ROOTS, EACH], tmp_path / "events.jsonl", mode, settings)
    assert (result.status, result.stdout, result.stderr) == (0, b"", b"")
    document, calls = totals_of(tmp_path / "totals")
    assert calls == CALLS
    assert document["estimate"] is False and document["sample_rate"] == 0.01 and document["lost_calls"] == 0
    check_events(tmp_path / "events.jsonl", document)


def test_by_way_of_a_recording(program, tmp_path):
    settings = {"SAMPLE_RATE": "0.01", "TELEMETRY_TOTALS": "exact", "TELEMETRY_ON_FULL": "block",
                "TELEMETRY_RECORD": str(tmp_path / "recording")}
    run([program, ROOTS, EACH], tmp_path / "none", settings=settings)
    subprocess.run([tool("telinject"), "convert", "-q", "-o", tmp_path / "events.jsonl",
                    f"--totals={tmp_path / 'totals'}", tmp_path / "recording"], env=clean_environment(),
                   check=True, timeout=120)
    document, calls = totals_of(tmp_path / "totals")
    assert calls == CALLS and document["estimate"] is False
    check_events(tmp_path / "events.jsonl", document)


def test_without_it_they_are_estimates_and_say_so(program, tmp_path):
    settings = {"SAMPLE_RATE": "0.01", "TELEMETRY_ON_FULL": "block", "TELEMETRY_SUMMARY": "always",
                "TELEMETRY_TOTALS_FILE": str(tmp_path / "totals")}
    result = run([program, ROOTS, EACH], tmp_path / "events.jsonl", settings=settings)
    document, calls = totals_of(tmp_path / "totals")
    assert document["estimate"] is True and b"functions by own time, estimated" in result.stderr
    roots = sum(event["event_type"] == "function_entry" and event["function_name"] == "root"
                for event in result.events())
    assert calls["root"] == 100 * roots


def test_the_summary_of_exact_totals(program, tmp_path):
    settings = {"SAMPLE_RATE": "0.01", "TELEMETRY_TOTALS": "exact", "TELEMETRY_ON_FULL": "block",
                "TELEMETRY_SUMMARY": "always"}
    said = run([program, ROOTS, EACH], tmp_path / "events.jsonl", settings=settings).stderr.decode()
    assert "estimated" not in said and "by --sample-rate; the totals below include them" in said
    assert any(line.split()[:2] == ["leaf", f"{CALLS['leaf']:,}"] for line in said.splitlines()), said


def test_what_is_sampled_is_the_same(program, tmp_path):
    """Threads continue the trace of their creator, sampled or not; a caller's decision holds."""
    for flag, expected in (("00", 0), ("01", sum(CALLS.values()))):
        settings = {"SAMPLE_RATE": "0.01", "TELEMETRY_TOTALS": "exact", "TELEMETRY_ON_FULL": "block"}
        environment = {"TRACEPARENT": f"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-{flag}"}
        result = run([program, ROOTS, EACH], tmp_path / "events.jsonl", settings=settings,
                     environment=environment)
        entries = sum(event["event_type"] == "function_entry" for event in result.events())
        assert entries == expected


REQUESTS = 40


@pytest.mark.parametrize("kind", ["exact", "estimate"])
def test_requests_are_those_of_the_sample(kind, tmp_path):
    """Of a trace that is only counted no request is written, nor what the server does for it: client and
    server agree, and the events are the same whether or not the rest is counted."""
    def without(*functions):
        return ("-O0", f"-finstrument-functions-exclude-function-list={','.join(functions)}")
    # Each fetch begins a trace; each handle continues that of its request.
    client = build("client", [APPS / "http/client.cpp"], "gcc", without("main", "visit_all"), ("-lcurl",))
    server = build("server", [APPS / "http/server.cpp"], "gcc", without("main", "serve"),
                   ("-pthread", "-lssl", "-lcrypto"))
    port, = free_ports(1)
    served, asked = tmp_path / "served", tmp_path / "asked"
    settings = {"SAMPLE_RATE": "0.5", "TELEMETRY_TOTALS": kind, "TELEMETRY_ON_FULL": "block"}
    environment = clean_environment() | settings | {
        "TELEMETRY_FILE": str(served), "TELEMETRY_SUMMARY": "never",
        "TELEMETRY_TOTALS_FILE": str(tmp_path / "server totals")}
    with Server([tool("telrun"), "--", server, port], ("127.0.0.1", port), tmp_path / "log",
                environment) as running:
        urls = [f"http://127.0.0.1:{port}/{number}" for number in range(REQUESTS)]
        run([client, "none", *urls], asked,
            settings=settings | {"TELEMETRY_TOTALS_FILE": str(tmp_path / "client totals")})
        assert running.stop() == 0
    both = tmp_path / "both"
    both.write_bytes(asked.read_bytes() + served.read_bytes())
    assert not check_tree(both).problems
    assert not schema.check_file(both).problems
    found = Counter()
    traces = set()
    for event in read_events(both):
        if event["event_type"] in ("function_entry", "http_request", "http_response"):
            what = event["attributes"].get("span.kind") or event["function_name"].split("(")[0]
            found[event["event_type"], what] += 1
            if what == "fetch":
                traces.add(event["trace_id"])
            if what in ("client", "server", "handle", "render"):
                assert event["trace_id"] in traces
    sampled = len(traces)
    assert 0 < sampled < REQUESTS
    for what in (("function_entry", "fetch"), ("http_request", "client"), ("http_response", "client"),
                 ("http_request", "server"), ("http_response", "server"), ("function_entry", "handle"),
                 ("function_entry", "render")):
        assert found[what] == sampled, (what, found)
    calls = {name.split("(")[0]: number for side in ("client", "server")
             for name, number in totals_of(tmp_path / f"{side} totals")[1].items()}
    expected = REQUESTS if kind == "exact" else 2 * sampled
    assert calls["fetch"] == calls["handle"] == calls["render"] == expected
