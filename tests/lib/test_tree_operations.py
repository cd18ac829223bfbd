"""Invariants of tree.py for what is no call: requests, and events inside a span."""

import pytest
from teltest.examples import Stream, kinds


def http_program():
    stream = Stream()
    main = stream.enter("main")
    request = stream.add("http_request", main, span_id="00000000000000aa",
                         parent_span_id=main["span_id"])
    stream.leave(stream.enter("callback", main))
    handler = stream.enter("handler", request)
    stream.leave(handler)
    response = stream.add("http_response", span_id="00000000000000aa",
                          parent_span_id=main["span_id"])
    duration = response["timestamp_ns"] - request["timestamp_ns"]
    response |= {"duration_ns": duration, "duration_ms": duration / 1e6}
    stream.leave(main)
    return stream


def test_http_spans():
    assert kinds(http_program()) == set()


def test_http_span_without_end():
    stream = http_program()
    del stream.events[6]
    for number, event in enumerate(stream.events, 1):
        event["sequence"] = number
    assert kinds(stream) == {"never-ended"}


def test_http_may_outlive_its_caller():
    stream = http_program()
    stream.events[6], stream.events[7] = stream.events[7], stream.events[6]
    for number, event in enumerate(stream.events, 1):
        event["sequence"] = number
    assert kinds(stream) == set()


@pytest.mark.parametrize("kind", ["loop_entry", "loop_iteration", "loop_exit", "variable_change",
                                  "conditional_entry", "conditional_exit", "exception_exit"])
def test_events_inside_a_span(kind):
    stream = Stream()
    f = stream.enter("f")
    stream.add(kind, f)
    stream.leave(f)
    assert kinds(stream) == set()
    stream.add(kind, f)
    assert kinds(stream) == {"outside-span"}
