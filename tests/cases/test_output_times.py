"""What is the program's time and what is not: lost calls, processors that were taken away, sleep."""

import json
import os
import subprocess
import time
from collections import defaultdict

import pytest

from teltest import schema
from teltest.events import read_events
from teltest.run import APPS, build, clean_environment, run, tool

CALLS_OF_OUTER = 100


@pytest.fixture(scope="module", name="lossy")
def _lossy(tmp_path_factory):
    """A program whose events nobody reads before it has ended, and little memory for its records."""
    folder = tmp_path_factory.mktemp("lossy")
    nested = build("nested", [APPS / "output/nested.c"], "gcc", ("-O0",))
    os.mkfifo(folder / "pipe")
    pipe = os.open(folder / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    rounds = 10000
    command = [tool("telrun"), "--on-full=drop", "--queue-bytes=1048576", "--spool-max=0", "--detail=lean",
               "--summary", "--totals=totals", "-o", "pipe", "--", nested, str(rounds), "ended"]
    with open(folder / "events", "wb") as events, subprocess.Popen(
            command, cwd=folder, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
            env=clean_environment()) as telrun:
        while not (folder / "ended").exists() and telrun.poll() is None:
            time.sleep(0.01)
        os.set_blocking(pipe, True)
        while piece := os.read(pipe, 1 << 20):
            events.write(piece)
        summary = telrun.stderr.read().decode()
    os.close(pipe)
    assert telrun.returncode == 0
    return {"events": list(read_events(folder / "events")), "summary": summary,
            "totals": json.loads((folder / "totals").read_text()),
            "calls": rounds * (1 + CALLS_OF_OUTER) + 1}


@pytest.mark.long
def test_calls_below_which_calls_were_lost_carry_the_count(lossy):
    """Exactly: what is there and what was lost make up all calls, of each call of outer and in all."""
    children, exits = defaultdict(int), defaultdict(list)
    for event in lossy["events"]:
        if event["event_type"] == "function_exit":
            children[event["parent_span_id"]] += 1
            exits[event["function_name"]].append(event)
    lost = lossy["totals"]["lost_calls"]
    assert lost > 0
    marked = 0
    for event in exits["outer"]:
        missing = event["attributes"].get("telinject.lost_calls", 0)
        assert children[event["span_id"]] + missing == CALLS_OF_OUTER
        marked += missing > 0
    assert not any("telinject.lost_calls" in event["attributes"] for event in exits["leaf"])
    main, = exits["main"]
    assert main["attributes"]["telinject.lost_calls"] == lost
    assert sum(map(len, exits.values())) + lost == lossy["calls"]


@pytest.mark.long
def test_totals_say_whose_own_time_has_lost_calls(lossy):
    functions = {f["function_name"]: f for f in lossy["totals"]["functions"]}
    assert sum(f["lost_calls"] for f in functions.values()) == lossy["totals"]["lost_calls"]
    assert functions["main"]["lost_calls"] > 0 and functions["leaf"]["lost_calls"] == 0
    assert "\n  * main " in lossy["summary"] and "\n    leaf " in lossy["summary"]
    assert "calls that it made were lost" in lossy["summary"]


def times_of(command, folder, record=False):
    """Threads of the totals, and the events."""
    totals, path = folder / "totals.json", folder / "events.jsonl"
    if record:
        assert run(command, folder / "none", settings={"TELEMETRY_RECORD": str(folder)}).status == 0
        recording, = folder.glob("*.telrec")
        subprocess.run([tool("telinject"), "convert", "-q", f"--totals={totals}", "-o", path, recording],
                       check=True, env=clean_environment())
    else:
        assert run(command, path, settings={"TELEMETRY_TOTALS_FILE": str(totals)}).status == 0
    return json.loads(totals.read_text())["threads"], list(read_events(path))


@pytest.mark.alone
@pytest.mark.parametrize("record", [False, True], ids=["at once", "recorded"])
def test_threads_that_share_a_processor_do_not_run_all_the_time(tmp_path, record):
    contend = build("contend", [APPS / "output/contend.c"], "gcc", ("-O0",), ("-pthread",))
    threads, events = times_of([contend, "4", "150"], tmp_path, record=record)
    assert threads["sampled"] >= 4
    assert threads["not_running_ns"] > threads["running_ns"]  # three wait while one runs
    assert threads["sampled_ns"] == (threads["running_ns"] + threads["not_running_ns"]
                                     + threads["blocked_ns"])
    exits = [event for event in events if event["event_type"] == "function_exit"]
    work = [event for event in exits if event["function_name"] == "work"]
    assert len(work) == 4
    for event in work:
        # Exactly, where the kernel tells of each switch, and out of the duration; else by samples.
        preempted = event["attributes"].get("telinject.preempted_ns", 0)
        delayed, duration = event["attributes"].get("telinject.not_running_ns", 0), event["duration_ns"]
        assert delayed <= duration
        assert preempted + delayed > (duration + preempted) / 4
    # Calls that lie between two samples say nothing.
    steps = [event for event in exits if event["function_name"] == "step"]
    told = [event for event in steps if "telinject.not_running_ns" in event["attributes"]]
    assert len(told) < len(steps) / 2
    for event in told:
        assert event["attributes"]["telinject.not_running_ns"] <= event["duration_ns"]


def test_sleep_is_told_apart(tmp_path):
    threads, events = times_of([build("sleeper", [APPS / "output/sleeper.c"])], tmp_path)
    assert threads["sampled"] == 1
    assert threads["blocked_ns"] > 200e6 > threads["running_ns"]
    exits = [event for event in events if event["event_type"] == "function_exit"]
    assert len(exits) == 61


@pytest.mark.long
def test_a_wait_for_room_is_in_no_calls_time(tmp_path):
    """Nobody reads for a second what the program waits for."""
    nested = build("nested", [APPS / "output/nested.c"], "gcc", ("-O0",))
    os.mkfifo(tmp_path / "pipe")
    pipe = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    command = [tool("telrun"), "--on-full=block", "--queue-bytes=1048576", "--spool-max=0", "--detail=lean",
               "--totals=totals", "--summary", "-o", "pipe", "--", nested, "10000", "ended"]
    with open(tmp_path / "events", "wb") as events, subprocess.Popen(
            command, cwd=tmp_path, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
            env=clean_environment()) as telrun:
        time.sleep(1)
        os.set_blocking(pipe, True)
        while piece := os.read(pipe, 1 << 20):
            events.write(piece)
        summary = telrun.stderr.read().decode()
    os.close(pipe)
    assert telrun.returncode == 0
    totals = json.loads((tmp_path / "totals").read_text())
    functions = {f["function_name"]: f for f in totals["functions"]}
    assert totals["lost_calls"] == 0 and totals["waits"] > 0
    assert "for room, not counted in the other times" in summary
    starts, ends = {}, defaultdict(list)
    assert not schema.check_file(tmp_path / "events").problems
    for event in read_events(tmp_path / "events"):
        if event["event_type"] == "function_entry":
            starts[event["span_id"]] = event["timestamp_ns"]
            continue
        if event["event_type"] != "function_exit":
            continue
        waited = event["attributes"].get("telinject.waited_ns", 0)
        preempted = event["attributes"].get("telinject.preempted_ns", 0)
        lasted = event["timestamp_ns"] - starts.pop(event["span_id"])
        assert event["duration_ns"] == max(lasted - waited - preempted, 0)
        ends[event["function_name"]].append((event["duration_ns"], waited))
    (duration, waited), = ends["main"]
    # All that was waited, was below main; and what is left is what its calls took.
    assert waited == totals["waited_ns"]
    assert duration == functions["main"]["total_ns"]
    # But for calls that a preemption within a wait makes shorter than nothing.
    assert duration <= sum(f["self_ns"] for f in functions.values()) < 1.1 * duration
    assert sum(waited for _, waited in ends["outer"]) <= waited
    assert functions["leaf"]["total_ns"] == sum(duration for duration, _ in ends["leaf"])
