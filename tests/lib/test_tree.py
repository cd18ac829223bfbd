"""Each invariant of tree.py catches the stream that breaks it, and nothing else does."""

import json

import pytest
from teltest.check import check_tree
from teltest.examples import TRACE, Stream, kinds, program
from teltest.tree import check_events

OTHER_TRACE = "1" * 32


def test_good():
    checker = check_events(program().events)
    assert not checker.problems
    assert len(checker.spans) == 5
    assert checker.deepest == 3
    assert checker.lines == 10


def broken(index, **fields):
    stream = program()
    stream.events[index] |= fields
    return stream


# Sequence.

def test_sequence_starts_at_one():
    stream = program()
    for event in stream.events:
        event["sequence"] += 1
    assert kinds(stream) == {"sequence"}


@pytest.mark.parametrize("number", [4, 6, 100])
def test_sequence_gap_or_repetition(number):
    assert kinds(broken(4, sequence=number)) == {"sequence"}


def test_sequence_of_each_process():
    stream = Stream()
    one = stream.enter("one", pid=1)
    two = stream.enter("two", pid=2, trace=OTHER_TRACE)
    assert [one["sequence"], two["sequence"]] == [1, 1]
    stream.leave(two)
    stream.leave(one)
    assert kinds(stream) == set()
    stream.events[2]["sequence"] = 3
    assert kinds(stream) == {"sequence"}


def exec_stream(new_numbers):
    stream = Stream()
    stream.leave(stream.enter("before"), how="exec")
    after = stream.enter("after", trace=OTHER_TRACE)
    stream.leave(after)
    for event in stream.events[2:]:
        event["process"]["executable"] = "/usr/bin/other"
    for event, number in zip(stream.events[2:], new_numbers):
        event["sequence"] = number
    return stream


def test_sequence_over_exec():
    """Goes on or starts again, but does not skip."""
    assert kinds(exec_stream([3, 4])) == set()
    assert kinds(exec_stream([1, 2])) == set()
    assert kinds(exec_stream([1, 3])) == {"sequence"}
    assert kinds(exec_stream([4, 5])) == {"sequence"}


# Times.

@pytest.mark.parametrize("what", ["waited", "preempted"])
def test_duration_is_without_what_was_waited(what):
    stream = Stream()
    event = stream.leave(stream.enter("f"))
    event["attributes"][f"telinject.{what}_ns"] = 400
    assert kinds(stream) == {"duration"}
    event["duration_ns"] -= 400
    event["duration_ms"] = event["duration_ns"] / 1e6
    assert kinds(stream) - {"text"} == set()


def test_timestamp_is_cut():
    stream = Stream(time=1762197341499998000)  # the first event is at ...499.999
    stream.leave(stream.enter("f"))
    assert kinds(stream) == set()
    for event in stream.events:
        event["timestamp"] = "2025-11-03T19:15:41.500Z"
    assert check_events(stream.events).problems.counts["timestamp"] == 1  # the second is at .500


@pytest.mark.parametrize("text", ["2025-11-03T19:15:42.499Z", "2025-11-03T19:15:41.498Z",
                                  "2025-11-03T19:15:41.499+00:00"])
def test_timestamp(text):
    assert kinds(broken(3, timestamp=text)) == {"timestamp"}


def test_timestamp_ns_is_a_json_integer():
    assert "malformed" in kinds(broken(0, timestamp_ns=1762197341499001000.0))


def test_time_runs_forward_on_a_thread():
    stream = program()
    first, second = stream.events[2], stream.events[3]  # g's entry and exit
    first["timestamp_ns"], second["timestamp_ns"] = second["timestamp_ns"], first["timestamp_ns"]
    assert "thread-time" in kinds(stream)


def test_time_of_other_threads_may_interleave():
    stream = Stream()
    one = stream.enter("one", thread=1)
    two = stream.enter("two", thread=2, trace=OTHER_TRACE)
    stream.leave(one)
    stream.leave(two)
    stream.events[0], stream.events[1] = stream.events[1], stream.events[0]
    for number, event in enumerate(stream.events, 1):
        event["sequence"] = number
    assert kinds(stream) == set()


@pytest.mark.parametrize("change", [{"duration_ns": 999}, {"duration_ns": 1001},
                                    {"duration_ms": 0.001001}, {"duration_ms": 0.000999},
                                    {"duration_ns": 1001, "duration_ms": 0.001001}])
def test_duration(change):
    assert kinds(broken(3, **change)) == {"duration"}


# Spans.

def test_span_starts_once():
    stream = program()
    stream.events[4]["span_id"] = stream.events[2]["span_id"]  # the second g as the first
    assert "span-twice" in kinds(stream)


def test_span_ends_once():
    stream = Stream()
    f = stream.enter("f")
    stream.leave(f)
    stream.leave(f)
    assert kinds(stream) == {"end-twice"}


def test_end_without_start():
    stream = program()
    del stream.events[2]
    for number, event in enumerate(stream.events, 1):
        event["sequence"] = number
    assert kinds(stream) == {"end-without-start"}


def test_start_without_end():
    stream = Stream()
    main = stream.enter("main")
    stream.enter("f", main)
    assert kinds(stream) == {"never-ended"}


def test_end_before_start():
    stream = Stream()
    f = stream.enter("f")
    stream.leave(f)
    stream.events.reverse()
    for number, event in enumerate(stream.events, 1):
        event["sequence"] = number
    assert {"end-without-start", "never-ended"} <= kinds(stream)


@pytest.mark.parametrize("change", [
    {"trace_id": OTHER_TRACE}, {"parent_span_id": None}, {"parent_span_id": "00000000000000ff"},
    {"correlation_id": "func_ffffffff"},
    {"function_name": "other", "message": "Function 'other' exit (0.00ms)",
     "event": {"name": "other", "category": "code", "type": "end"}}])
def test_start_and_end_agree(change):
    assert kinds(broken(3, **change)) == {"mismatch"}


def test_start_and_end_on_one_thread():
    stream = program()
    stream.events[3]["attributes"]["thread_id"] = 2
    assert kinds(stream) == {"mismatch"}


# Parents.

def test_parent_is_emitted():
    stream = Stream()
    f = stream.enter("f")
    f["parent_span_id"] = "00000000000000ff"
    stream.leave(f)
    assert kinds(stream) == {"parent-missing"}


def test_remote_parent():
    stream = Stream()
    f = stream.enter("f")
    f["parent_span_id"] = "00000000000000ff"
    stream.leave(f)
    assert kinds(stream, remote_parents={(TRACE, "00000000000000ff")}) == set()
    assert kinds(stream, remote_parents={(OTHER_TRACE, "00000000000000ff")}) == {"parent-missing"}


def test_parent_in_the_same_trace():
    stream = Stream()
    main = stream.enter("main")
    stream.leave(stream.enter("f", main, trace=OTHER_TRACE))
    stream.leave(main)
    assert kinds(stream) == {"parent-trace"}


def test_one_root_a_trace():
    stream = Stream()
    stream.leave(stream.enter("one"))
    stream.leave(stream.enter("two"))
    assert kinds(stream) == {"two-roots"}


def test_parent_is_the_innermost_open_call():
    """Both ways in which a call tree goes wrong: too high and too low."""
    stream = Stream()
    main = stream.enter("main")
    f = stream.enter("f", main)
    g = stream.enter("g", main)  # truly called by f
    for entry in (g, f, main):
        stream.leave(entry)
    assert kinds(stream) == {"nesting"}

    stream = Stream()
    main = stream.enter("main")
    f = stream.enter("f", main)
    stream.leave(f)
    g = stream.enter("g", f)  # which has ended
    stream.leave(g)
    stream.leave(main)
    assert kinds(stream) == {"nesting", "outside-parent"}


def test_root_inside_a_call():
    stream = Stream()
    main = stream.enter("main")
    stream.leave(stream.enter("f", trace=OTHER_TRACE))
    stream.leave(main)
    assert kinds(stream) == {"nesting"}


def test_calls_end_in_reverse():
    stream = Stream()
    main = stream.enter("main")
    f = stream.enter("f", main)
    stream.leave(main)
    stream.leave(f)
    assert kinds(stream) == {"nesting", "outside-parent"}


def test_child_starts_inside():
    stream = Stream()
    main = stream.enter("main", thread=1)
    stream.leave(stream.enter("worker", main, thread=2))
    stream.leave(main)
    stream.events[0], stream.events[1] = stream.events[1], stream.events[0]
    times = [event["timestamp_ns"] for event in stream.events]
    assert times[0] > times[1]  # in the file before its parent, in time after: good
    for number, event in enumerate(stream.events, 1):
        event["sequence"] = number
    assert kinds(stream) == set()
    stream.events[0]["timestamp_ns"] = times[1] - 1
    assert "outside-parent" in kinds(stream)


def test_thread_may_outlive_its_parent():
    stream = Stream()
    main = stream.enter("main", thread=1)
    worker = stream.enter("worker", main, thread=2)
    stream.leave(main)
    stream.leave(worker)
    assert kinds(stream) == set()


def test_process_may_outlive_its_parent():
    stream = Stream()
    main = stream.enter("main", pid=1)
    child = stream.enter("child", main, pid=2)
    stream.leave(main)
    stream.leave(child)
    assert kinds(stream) == set()


def test_clocks_of_processes_differ_a_little():
    stream = Stream()
    main = stream.enter("main", pid=1)
    child = stream.enter("child", main, pid=2)
    stream.leave(child)
    stream.leave(main)

    def moved(by):
        for event in stream.events[1:3]:
            event["timestamp_ns"] += by
        return kinds(stream) - {"timestamp"}

    assert moved(-500_000) == set()
    assert moved(-2_000_000) == {"outside-parent"}


def coroutine():
    """main resumes a coroutine from f, which returns before the coroutine does."""
    stream = Stream()
    main = stream.enter("main")
    f = stream.enter("f", main)
    body = stream.enter("body", f)
    stream.leave(f)
    stream.leave(stream.enter("inner", body))
    stream.leave(body)
    stream.leave(main)
    return stream


def test_coroutines():
    assert kinds(coroutine(), stack_switches=True) == set()
    assert kinds(coroutine()) == {"nesting", "outside-parent"}
    stream = coroutine()
    for event in stream.events[4:6]:
        event["parent_span_id"] = stream.events[1]["span_id"]  # f, which has returned
    assert kinds(stream, stack_switches=True) == {"nesting"}


# Texts.

@pytest.mark.parametrize(("index", "change"), [
    (2, {"message": "Function 'other' entry"}), (2, {"message": "Function 'g' exit (0.00ms)"}),
    (3, {"message": "Function 'other' exit (0.00ms)"}),
    (3, {"message": "Function 'g' exit (0.01ms)"}), (3, {"message": "Function 'g' entry"}),
    (2, {"event": {"name": "other", "category": "code", "type": "start"}})])
def test_texts(index, change):
    assert kinds(broken(index, **change)) == {"text"}


# Other events.

def test_losses_are_added_up():
    stream = program()
    for reason, calls in (("queue_full", 3), ("no_lane", 1), ("queue_full", 4)):
        stream.add("telemetry_loss", attributes={"telinject.loss_reason": reason,
                                                 "telinject.lost_calls": calls})
    checker = check_events(stream.events)
    assert not checker.problems
    assert checker.lost == {"queue_full": 7, "no_lane": 1}


# Input that is not as it should be.

@pytest.mark.parametrize("field", ["timestamp_ns", "sequence", "process", "event_type", "span_id",
                                   "attributes", "function_name", "message"])
def test_missing_field(field):
    stream = program()
    del stream.events[2][field]
    assert "malformed" in kinds(stream)


def test_deep_recursion():
    stream = Stream()
    calls = [stream.enter("f")]
    for _ in range(3000):
        calls.append(stream.enter("f", calls[-1]))
    for call in reversed(calls):
        stream.leave(call)
    checker = check_events(stream.events)
    assert not checker.problems
    assert checker.deepest == 3001


def test_file_that_ends_in_a_torn_line(tmp_path):
    path = tmp_path / "trace"
    path.write_text("".join(json.dumps(event) + "\n" for event in program().events))
    assert not check_tree(path).problems
    path.write_bytes(path.read_bytes()[:-1])
    assert check_tree(path).problems.kinds == {"json", "never-ended"}


def test_many_problems_are_counted_but_few_kept():
    stream = program()
    for event in stream.events:
        event["timestamp"] = "2025-11-03T19:15:41.400Z"
    problems = check_events(stream.events, keep=3).problems
    assert problems.counts == {"timestamp": 10}
    assert len(problems.examples["timestamp"]) == 3
    assert "and 7 more" in str(problems)
