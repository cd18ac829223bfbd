"""tests/stress/campaign's judges: what they take for the same, and that they see what is wrong."""

import json
import struct
import sys
from itertools import islice
from types import SimpleNamespace

import pytest
from teltest.examples import Stream
from teltest.run import REPOSITORY

sys.path.insert(0, str(REPOSITORY / "tests/stress"))

from reliability import traces  # noqa: E402
from reliability.attacks import all_attacks  # noqa: E402
from reliability.judging import INVALID, LEFT, LOST, judge  # noqa: E402
from reliability.outcome import Expected, Outcome, split_notices  # noqa: E402
from reliability.place import Place  # noqa: E402
from reliability.programs import Program, all_installed, counted  # noqa: E402
from reliability.running import Run, Setup  # noqa: E402
from reliability.tasks import schedule  # noqa: E402


def outcome(out=b"", status=0, files=None, left=()):
    return Outcome(status, out, b"", b"", files or {}, list(left))


def test_same_output_is_compared_exactly():
    expected = Expected([outcome(b"a 1\nb\n")] * 2)
    assert expected.forms["out"] == "exact"
    assert expected.differences(outcome(b"a 1\nb\n")) == []
    difference, = expected.differences(outcome(b"a 2\nb\n"))
    assert "-a 1" in difference and "+a 2" in difference


@pytest.mark.parametrize("second, form, same, other", [
    (b"pid 8\nend\n", "numbers", b"pid 9\nend\n", b"pid 9\n"),
    (b"end\npid 7\n", "any order", b"pid 1\nend\n", b"pid 1\nEnd\n"),
    (b"pid 7\npid 7\nend\n", "kinds of lines", b"end\npid 3\n", b"pid 3\n"),
    (b"one\ntwo\n", "number of lines", b"three\nfour\n", b"three\n"),
])
def test_what_differs_by_itself_is_compared_loosely(second, form, same, other):
    expected = Expected([outcome(b"pid 7\nend\n"), outcome(second)])
    assert expected.forms["out"] == form
    assert expected.differences(outcome(same)) == []
    assert len(expected.differences(outcome(other))) == 1


def test_status_files_and_what_is_left():
    files = {"a": "-rw-r--r-- x", "b": "-rw-r--r-- y"}
    expected = Expected([outcome(files=files), outcome(files=files | {"b": "-rw-r--r-- z"})])
    assert expected.differences(outcome(files=files | {"b": "-rw-r--r-- w"})) == []
    assert len(expected.differences(outcome(files=files | {"a": "-rw------- x"}))) == 1
    assert len(expected.differences(outcome(files={"a": files["a"]}))) == 1
    assert len(expected.differences(outcome(status=1, files=files, left=["/tmp/x"]))) == 2


def test_lines_of_ours_are_set_apart():
    assert split_notices(b"x\ntelrun: y\ntelinject: z\nend") == (b"x\nend", ["telrun: y", "telinject: z"])


def test_attacks_and_programs_have_names_of_their_own():
    installed, missing = all_installed()
    names = [program.name for program in installed] + [*missing, *counted.NAMES]
    assert len(set(names)) == len(names) > 70
    assert len(all_attacks()) >= 25


def test_same_seed_same_tasks():
    programs = [Program(name, (), "", "shared" if name == "c" else None) for name in "abc"]
    first, again, other = (list(islice(schedule(seed, programs, all_attacks()), 60)) for seed in (1, 1, 2))
    assert first == again != other
    assert {task.program.name for task in first[:6:2]} == set("abc")
    assert [task.number for task in first] == list(range(60))


def test_torn_and_broken_lines(tmp_path):
    path = tmp_path / "trace.jsonl"
    path.write_bytes(b'{"event_type": "x"}\nnot json\n{"half')
    trace = traces.examine([path])
    assert {"schema", "json", "torn"} <= trace.bad(frozenset()).keys()
    assert "torn" not in trace.bad(traces.CUT)


def judged(tmp_path, calls, events=None, killed=0, ours=()):
    """The verdict on a run whose hook has counted so many calls and whose trace has two."""
    if events is None:
        stream = Stream()
        main = stream.enter("main")
        stream.leave(stream.enter("work", main))
        stream.leave(main)
        events = stream.events
    place = Place(tmp_path / "place")
    for folder in ("tmp/out", "tmp/meta", "vartmp"):
        (place.folder / folder).mkdir(parents=True)
    (place.folder / "tmp/out/trace.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
    (place.folder / "tmp/meta/count").write_bytes(struct.pack("=Q", calls))
    program = Program("p", (), "", "shared", threads=2)
    run = Run(place, SimpleNamespace(slowness=1), program, "telrun", Setup(judge="shared"))
    run.killed = killed
    return [kind for kind, _ in judge(run, outcome(), list(ours)).findings]


@pytest.mark.parametrize("calls, killed, found", [
    (2, 0, []), (3, 0, [LOST]), (1, 0, [LOST]), (3, 1, []), (4, 1, []), (5, 1, [LOST]),
])
def test_calls_are_accounted_for(tmp_path, calls, killed, found):
    assert judged(tmp_path, calls, killed=killed) == found


def test_what_is_left_and_what_is_invalid(tmp_path):
    stream = Stream()
    stream.enter("main")
    assert judged(tmp_path, 1, stream.events, ours=["/tmp/telinject-x"]) == [LEFT, INVALID]
