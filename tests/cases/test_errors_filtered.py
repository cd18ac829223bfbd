"""Exceptions under filters: each is told once, in a span that is written."""

import pytest

from teltest.run import APPS, build, run
from teltest.schema import errors_of

SOURCE = APPS / "errors/exceptions.cpp"
CASES = ("one_frame", "five_frames", "again", "nested", "in_a_thread", "hands_over", "promises",
         "uncaught", "while_unwinding", "in_library")
FILTERS = ({"TELEMETRY_MIN_DURATION": "1000s"}, {"TELEMETRY_MAX_DEPTH": "2"},
           {"TELEMETRY_EXCLUDE": "f?,*Guard*,*frame*,*again*"}, {"TELEMETRY_INCLUDE": "f3"})


def trace(path, case, into, settings=None):
    events = list(run([path, case], into, timeout=120, settings=settings).events())
    for event in events:
        assert errors_of(event) == []
    return events


def exceptions(events):
    return [(event["error"]["type"], event["error"]["message"])
            for event in events if event["event_type"] == "exception_exit"]


@pytest.mark.parametrize("settings", FILTERS, ids=lambda settings: "=".join(*settings.items()))
@pytest.mark.parametrize("compiler", ("gcc", "clang"))
@pytest.mark.parametrize("case", CASES)
def test_each_is_told_in_a_span_that_is_written(case, compiler, settings, tmp_path):
    path = build("exceptions", [SOURCE], compiler, ("-O0", "-w"), ("-lpthread",))
    whole = trace(path, case, tmp_path / "whole.jsonl")
    events = trace(path, case, tmp_path / "filtered.jsonl", settings)
    assert exceptions(events) == exceptions(whole) != []
    parents, open_spans = {}, set()
    for event in events:
        span = event["span_id"]
        if event["event_type"] == "function_entry":
            parent = event["parent_span_id"]
            assert parent is None or parent in parents
            parents[span] = parent
            open_spans.add(span)
        elif event["event_type"] == "function_exit":
            open_spans.remove(span)
        elif event["event_type"] == "exception_exit":
            assert span in open_spans
            assert event["parent_span_id"] == parents[span]
    assert open_spans == set()
    assert [event["sequence"] for event in events] == list(range(1, len(events) + 1))


@pytest.mark.parametrize("compiler", ("gcc", "clang"))
def test_what_an_exception_leaves_is_kept_however_short(compiler, tmp_path):
    path = build("exceptions", [SOURCE], compiler, ("-O0", "-w"), ("-lpthread",))
    events = trace(path, "five_frames", tmp_path / "events.jsonl",
                   {"TELEMETRY_MIN_DURATION": "1000s"})
    left = [event["function_name"] for event in events
            if event["event_type"] == "function_exit" and "error" in event]
    assert left == ["f5", "f4", "f3", "f2", "f1"]
