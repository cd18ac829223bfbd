"""TELEMETRY_DETAIL=lean: the same events in fewer bytes. Told in full again they are what full detail
writes; jq can do that too (docs/output.md).
"""

import json
import re
import subprocess

import pytest
from teltest import schema
from teltest.check import check_tree
from teltest.counts import EntryCounter, compare, hook_total, read_hook_file
from teltest.events import read_events
from teltest.exact import scratch
from teltest.programs import lua, sqlite
from teltest.run import APPS, REPOSITORY, build, clean_environment, run, run_counted, tool


@pytest.mark.long
@pytest.mark.parametrize("program", [sqlite, lua], ids=lambda program: program.__name__)
def test_exact(program, figure):
    """As in full detail: every call, once, where it belongs, each line valid; a third of the bytes."""
    case = program("gcc", "-O2")
    settings = {"TELEMETRY_ON_FULL": "block", "TELEMETRY_DETAIL": "lean"}
    result, counts_path = run_counted(case.command, scratch(f"lean-{case.name}.jsonl"),
                                      stdin=case.stdin, settings=settings)
    assert (result.status, result.stdout, result.stderr) == (0, case.expected, b"")
    counts = read_hook_file(counts_path)
    counter = EntryCounter()
    checker = check_tree(result.events_path, counter)
    assert not checker.problems, str(checker.problems)
    assert checker.lost == {}
    problems = compare(counter, counts)
    assert not problems, str(problems)
    assert counter.total() == hook_total(counts) == len(checker.spans)
    report = schema.check_file(result.events_path)
    assert not report.problems, str(report.problems)
    size = result.events_path.stat().st_size
    figure(f"{checker.lines} lines of {size / checker.lines:.0f} bytes")
    assert size < 480 * checker.lines
    result.events_path.unlink()
    counts_path.unlink()


def converted(recording, into, **settings):
    environment = clean_environment() | {"TELEMETRY_FILE": str(into), "TELEMETRY_SUMMARY": "never"}
    subprocess.run([tool("telinject"), "convert", recording], env=environment | settings, check=True,
                   timeout=300)
    return into


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """(full, lean) of one run: threads, a forked child, a crash."""
    folder = tmp_path_factory.mktemp("lean")
    program = build("layers", [APPS / "output/layers.c"], "gcc", ("-O0",), ("-lpthread",))
    subprocess.run([tool("telrun"), "--on-full=block", "--record", folder / "record", program, "crash"],
                   env=clean_environment() | {"TELEMETRY_SUMMARY": "never"}, timeout=60, check=False)
    return (converted(folder / "record", folder / "full.jsonl"),
            converted(folder / "record", folder / "lean.jsonl", TELEMETRY_DETAIL="lean"))


def spans_only(events):
    """Without what lean adds, and numbered as without it."""
    numbers = {}
    for event in events:
        if event["event_type"] in ("telemetry_process", "telemetry_function"):
            continue
        pid = event["process"]["pid"]
        numbers[pid] = numbers.get(pid, 0) + 1
        yield event | {"sequence": numbers[pid]}


def test_full_again(both):
    full, lean = both
    assert list(spans_only(read_events(lean))) == list(read_events(full))
    assert sum(event["event_type"] == "telemetry_process" for event in read_events(lean)) == 2


def test_told_once(both):
    """Each reference has one event, before the first that has it; no span has a block of its own."""
    seen = set()
    for line in both[1].read_text().splitlines():
        event = json.loads(line)
        if event["event_type"].startswith("telemetry_"):
            assert event["span_id"] not in seen
            seen.add(event["span_id"])
        else:
            assert {event["process_ref"], event["function_ref"]} <= seen


def test_expanded_events_are_valid_full_ones(both):
    for event in spans_only(read_events(both[1])):
        assert schema.errors_of(event) == []


def test_jq_tells_them_in_full(both):
    """The program in the documentation."""
    text = (REPOSITORY / "docs/output.md").read_text()
    program = re.search(r"    jq -cn '(.*?)' lean\.jsonl", text, re.DOTALL)[1]
    full, lean = both
    result = subprocess.run(["jq", "-cn", program, lean], capture_output=True, text=True, check=True,
                            timeout=120)

    def comparable(events):
        for event in events:
            event = dict(event)
            # jq 1.6 has no integers of 64 bits; and what follows from other fields it leaves out.
            for name in ("timestamp_ns", "message", "event", "correlation_id", "sequence"):
                event.pop(name, None)
            yield event
    told = [json.loads(line) for line in result.stdout.splitlines()]
    assert list(comparable(told)) == list(comparable(read_events(full)))


@pytest.mark.long
def test_losses_refer_too(tmp_path):
    """No room: the note of it is lean, valid, and has no parent."""
    program = build("outrun", [APPS / "output/outrun.c"], "gcc", ("-O2",), ("-pthread",))
    for detail in ("lean", "full"):
        result = run([program, "300000"], tmp_path / f"{detail}.jsonl", settings={
            "TELEMETRY_QUEUE_BYTES": "1048576", "TELEMETRY_SPOOL_MAX": "0",
            "TELEMETRY_DETAIL": detail})
        lost = [json.loads(line) for line in result.events_path.read_text().splitlines()
                if "telemetry_loss" in line]
        assert lost, "the drain was never behind: nothing is tested"
        for event in lost:
            assert schema.errors_of(event) == []
            assert event["parent_span_id"] is None
        checker = check_tree(result.events_path)
        assert not checker.problems, str(checker.problems)
