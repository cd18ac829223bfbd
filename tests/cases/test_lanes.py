"""Lanes: what a program does while the drain gets no processor is kept, as far as memory allows."""

import json

import pytest

from teltest.run import APPS, REPOSITORY, build, run

MANY = 1000000   # 48 MB of records
SMALL = 1 << 20  # the least that can be asked for: 2 MiB are for lanes, whatever else waits


@pytest.fixture(scope="module", params=["gcc", "clang"])
def outrun(request):
    return build("outrun", [APPS / "output/outrun.c"], request.param, ("-O2",), ("-pthread",))


def totals_of(command, tmp_path, **settings):
    """The run, its totals, and its functions' by name. Events are left out, and counted."""
    result = run(command, tmp_path / "events.jsonl", timeout=300,
                 settings={"TELEMETRY_TOTALS_FILE": str(tmp_path / "totals"),
                           "TELEMETRY_EXCLUDE": "step"} | settings)
    assert result.status == 0
    totals = json.loads((tmp_path / "totals").read_text())
    return result, totals, {each["function_name"]: each for each in totals["functions"]}


def test_nothing_is_lost_while_the_drain_is_stopped(outrun, tmp_path):
    _, totals, functions = totals_of([outrun, str(MANY)], tmp_path)
    assert totals["lost_calls"] == 0
    assert totals["waits"] == 0
    assert functions["step"]["calls"] == MANY


def test_beyond_the_bound_calls_are_dropped_whole_and_told_where(outrun, tmp_path):
    result, totals, functions = totals_of([outrun, str(MANY)], tmp_path, TELEMETRY_QUEUE_BYTES=str(SMALL),
                                          TELEMETRY_SPOOL_MAX="0")
    lost = totals["lost_calls"]
    assert lost > 0
    assert functions["step"]["calls"] + lost == MANY
    assert functions["work"]["lost_calls"] == lost
    assert functions["main"]["lost_calls"] == 0  # not by a call of its own
    exits = {event["function_name"]: event["attributes"].get("telinject.lost_calls")
             for event in result.events() if event["event_type"] == "function_exit"}
    assert exits == {"work": lost, "main": lost}
    # 2 MiB for calls, and some for their ends.
    assert functions["step"]["calls"] * 48 < 16 << 20


def test_forked_children_whose_calls_find_no_room(outrun, tmp_path):
    """The drain sees their lanes when they have ended: what was lost until then is told all the same."""
    children, calls = 3, 200000
    result, totals, functions = totals_of([outrun, str(calls), "0", str(children)], tmp_path,
                                          TELEMETRY_QUEUE_BYTES=str(SMALL), TELEMETRY_SPOOL_MAX="0")
    lost = totals["lost_calls"]
    recorded = sum(functions[name]["calls"] for name in ("work", "step") if name in functions)
    assert lost > children * calls / 2
    assert recorded + lost == children * (calls + 1)
    told = [event["attributes"]["telinject.lost_calls"] for event in result.events()
            if "telinject.loss_reason" in event["attributes"]]
    assert sum(told) == lost


@pytest.mark.alone  # the drain gets a processor within a tenth of a second
def test_a_dropping_program_waits_a_moment_where_the_disk_has_room(outrun, tmp_path):
    """It calls faster than the drain moves records from memory to the disk, which gets no processor at
    first."""
    _, totals, functions = totals_of([outrun, str(MANY), "30"], tmp_path, TELEMETRY_QUEUE_BYTES=str(SMALL))
    assert totals["lost_calls"] == 0
    assert functions["step"]["calls"] == MANY
    assert totals["waits"] > 0


def test_a_dropping_program_does_not_wait_for_a_stuck_drain_again_and_again(outrun, tmp_path):
    """Once for a tenth of a second, then it drops until there has been room."""
    pause_ms = 2000
    _, totals, functions = totals_of([outrun, str(MANY), str(pause_ms)], tmp_path,
                                     TELEMETRY_QUEUE_BYTES=str(SMALL))
    assert totals["lost_calls"] > 0
    assert functions["step"]["calls"] + totals["lost_calls"] == MANY
    assert 0 < totals["waits"] < 100
    assert totals["waited_ns"] < pause_ms * 1e6 / 2


def test_beyond_the_bound_a_blocking_program_waits_and_that_is_nobodys_time(outrun, tmp_path):
    pause_ms = 1000
    _, totals, functions = totals_of([outrun, str(MANY), str(pause_ms)], tmp_path, TELEMETRY_ON_FULL="block",
                                     TELEMETRY_QUEUE_BYTES=str(SMALL), TELEMETRY_SPOOL_MAX="0")
    assert totals["lost_calls"] == 0
    assert functions["step"]["calls"] == MANY
    assert totals["waits"] > 0
    # Two megabytes are full long before the drain goes on.
    assert totals["waited_ns"] > pause_ms * 1e6 / 2
    assert functions["main"]["total_ns"] + totals["waited_ns"] + totals["preempted_ns"] >= pause_ms * 1e6
    assert functions["step"]["max_ns"] < pause_ms * 1e6 / 2


def test_all_is_written_when_a_program_without_telrun_ends(tmp_path):
    """Its end waits for what it wrote: also for what the drain, on the same core, has not taken by then."""
    fib = build("fib", [REPOSITORY / "tests/bench/tiny.c"], "gcc", ("-O2",), ("-pthread",))
    calls = 2 * 1346269  # fib(30), and main
    for _ in range(3):
        result = run(["taskset", "-c", "0", fib, "30"], tmp_path / "events.jsonl", "preload",
                     settings={"TELEMETRY_TOTALS_FILE": str(tmp_path / "totals"), "TELEMETRY_EXCLUDE": "*"})
        assert result.status == 0
        totals = json.loads((tmp_path / "totals").read_text())
        (tmp_path / "totals").unlink()
        assert totals["lost_calls"] == 0
        assert sum(function["calls"] for function in totals["functions"]) == calls
