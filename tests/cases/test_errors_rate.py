"""A program that throws as fast as it can: it runs on, and what has no stack is counted."""

import pytest

from teltest.check import check_tree
from teltest.run import APPS, REPOSITORY, build, run

THROWS = 6000
# Neither in memory nor on the disk.
LITTLE_ROOM = {"TELEMETRY_QUEUE_BYTES": str(1 << 20), "TELEMETRY_SPOOL_MAX": "0"}
FREELY = 100  # stacks that a thread takes in a third of a second, at least


def program():
    return build("throw", [REPOSITORY / "tests/bench/throw.cpp"], "gcc", ("-O2",))


@pytest.mark.parametrize("mode", ("telrun", "preload"))
def test_stacks_are_sampled_and_counted(mode, tmp_path, figure):
    result = run([program(), THROWS], tmp_path / "events.jsonl", mode=mode,
                 settings={"TELEMETRY_ON_FULL": "block"})
    assert result.status == 0
    checker = check_tree(result.events_path)
    assert not checker.problems, str(checker.problems)
    assert checker.lost == {}
    with_stack = without = told = 0
    for event in result.events():
        if event["event_type"] != "exception_exit":
            continue
        assert event["error"]["type"] == "std::runtime_error"
        assert event["error"]["message"] == "thrown"
        attributes = event["attributes"]
        has_stack = "stacktrace" in event["error"]
        assert has_stack != attributes.get("telinject.stack_skipped", False)
        if has_stack:
            with_stack += 1
            # The count is of those since the last one that had a stack.
            assert attributes.get("telinject.stacks_skipped", 0) == without - told
            told = without
        else:
            without += 1
    figure(f"{with_stack} of {THROWS} throws have a stack")
    assert with_stack + without == THROWS
    assert FREELY <= with_stack
    assert without > THROWS // 2 or result.seconds > 5  # a machine too slow to need it


@pytest.mark.long
@pytest.mark.parametrize("compiler", ("gcc", "clang"))
def test_what_does_not_fit_is_counted(compiler, tmp_path, figure):
    """Each exception is written or counted; also where the throw is the last record that fits, it is
    caught, not lost or at large. Of calls that are left out, so are their exceptions.
    """
    rounds, throws = 5, 15000
    full = build("full_lane", [APPS / "errors/full_lane.cpp"], compiler, ("-O2",))
    result = run([full, rounds, throws], tmp_path / "events.jsonl", settings=LITTLE_ROOM)
    assert result.status == 0
    checker = check_tree(result.events_path)
    assert not checker.problems, str(checker.problems)
    told = calls = 0
    for event in result.events():
        if event["event_type"] == "exception_exit":
            told += 1
            assert event["attributes"].get("telinject.caught") is True, event
        elif event["event_type"] == "function_exit" and event["function_name"] == "main":
            assert "error" not in event, event
        elif event["event_type"] == "function_entry" and event["function_name"].startswith("thrower"):
            calls += 1
    figure(f"{told} of {rounds * throws} exceptions told, lost {checker.lost}")
    assert checker.lost["exception"] > rounds  # the lane was full
    assert told + checker.lost["exception"] == rounds * throws
    assert calls < rounds * throws and checker.lost["queue_full"] >= rounds * throws - calls
