"""telinject top, graph, tree, diff and export: what they say is what the events say."""

import csv
import io
import json
import subprocess
from collections import Counter, defaultdict

import pytest
from teltest.perfetto import read_perfetto
from viewed import database, failing, view  # noqa: F401


def export(form, *paths):
    return view("export", f"--format={form}", *paths)


def test_csv_has_every_call(database):
    rows = csv.DictReader(io.StringIO(export("csv", database.recording).decode()))
    assert Counter((row["function"], int(row["start_ns"]), int(row["duration_ns"]))
                   for row in rows) == database.calls


def test_chrome_has_every_call(database):
    trace = json.loads(export("chrome", database.recording))
    slices = Counter(event["name"] for event in trace["traceEvents"] if event["ph"] == "X")
    assert slices == Counter(name for name, _, _ in database.calls.elements())


def test_perfetto_has_every_call(database):
    slices, problems = read_perfetto(export("perfetto", database.folder))
    assert not problems
    assert (Counter((each.name, each.start_ns) for each in slices)
            == Counter((name, start) for name, start, _ in database.calls.elements()))
    assert max(each.depth for each in slices) > 10


def test_sums_agree_to_the_nanosecond(database):
    folded = [line.rpartition(" ") for line in export("folded", database.recording).decode().splitlines()]
    assert sum(int(ns) for _, _, ns in folded) == database.own_sum() + database.http_sum()
    by_function = defaultdict(int)
    for stack, _, ns in folded:
        by_function[stack.rpartition(";")[2]] += int(ns)
    expected = defaultdict(int)
    for row in database.totals:
        expected[row["function_name"]] += row["self_ns"]
    assert dict(by_function) == {name: ns for name, ns in expected.items() if ns}
    profile, = json.loads(export("speedscope", database.recording))["profiles"]
    assert sum(profile["weights"]) == profile["endValue"] == database.own_sum()
    top = [json.loads(line) for line in view("top", "--json", "--count=0", database.recording).splitlines()]
    names = {"function": "function_name", "file": "function_file", "calls": "calls", "own_ns": "self_ns",
             "total_ns": "total_ns", "p99_ns": "p99_ns"}
    assert ({tuple(row[name] for name in names) for row in top}
            == {tuple(row[name] for name in names.values()) for row in database.totals})


def test_callgrind_is_read_by_its_own_tool(database, tmp_path):
    path = tmp_path / "callgrind.out"
    view("export", "--format=callgrind", "-o", path, database.recording)
    done = subprocess.run(["callgrind_annotate", "--threshold=100", path], capture_output=True, text=True,
                          check=True)
    total, = [line for line in done.stdout.splitlines() if "PROGRAM TOTALS" in line]
    assert int(total.split()[0].replace(",", "")) == database.own_sum()


def test_speedscope_with_every_call_nests(database):
    for profile in json.loads(export("speedscope-calls", database.recording))["profiles"]:
        open_frames, last = [], 0
        for event in profile["events"]:
            assert event["at"] >= last
            last = event["at"]
            if event["type"] == "O":
                open_frames.append(event["frame"])
            else:
                assert open_frames.pop() == event["frame"]
        assert not open_frames and last <= profile["endValue"]


def test_tree_shows_where_it_failed(failing):
    text = view("tree", failing.recording).decode()
    errors = {event["error"]["type"] for event in failing.events
              if event["event_type"] == "function_exit" and event.get("error")}
    assert errors and all(error in text for error in errors)
    lines = [json.loads(line) for line in view("tree", "--json", failing.recording).splitlines()]
    calls = Counter((line["function"], line["start_ns"], line["duration_ns"]) for line in lines)
    assert calls == failing.calls


def test_graph_counts_all_calls(database):
    rows = [json.loads(line)
            for line in view("graph", "--json", "--min-share=0", database.recording).splitlines()]
    assert sum(row["calls"] for row in rows) == database.calls.total()
    assert sum(row["own_ns"] for row in rows) == database.own_sum()


def test_a_run_does_not_differ_from_itself(database):
    assert view("diff", "--fail-above=0", database.recording, database.folder) == b"no difference\n"


def test_runs_that_differ(database, failing):
    said = view("diff", "--count=0", database.recording, failing.recording).decode()
    assert "sqlite3_step" in said and "no difference" not in said


@pytest.mark.parametrize("suffix, unpack", [(".gz", "gzip"), (".zst", "zstd")])
def test_compressed_by_name(failing, tmp_path, suffix, unpack):
    path = tmp_path / f"trace.folded{suffix}"
    view("export", "--format=folded", failing.recording, "-o", path)
    unpacked = subprocess.run([unpack, "-dc", path], capture_output=True, check=True).stdout
    assert unpacked == export("folded", failing.recording)
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("words, said", [
    (["export", "x"], "export needs --format="),
    (["export", "--format=svg", "x"], "--format svg: must be perfetto, chrome"),
    (["diff", "x"], "diff needs two recordings"),
    (["top"], "top needs a recording"),
    (["top", "--cuont=3", "x"], "top has no option --cuont=3; telinject top --help lists them"),
    (["tree", "--min-duration", "x", "y"], "--min-duration x: must be a duration such as 1ms"),
    (["graph", "x", "--min-share"], "--min-share needs a value"),
])
def test_wrong_use_is_one_line(words, said):
    err = view(*words, status=2)
    assert err.startswith(f"telinject: {said}") and err.count("\n") == 1


def test_what_is_no_recording(tmp_path):
    (tmp_path / "text").write_text("no recording")
    assert view("top", tmp_path / "text", status=1).count("\n") == 1
    assert "no recording (.telrec) is in that folder" in view("top", tmp_path, status=1)


def test_a_full_disk_is_told():
    assert view("top", "/dev/null", "-o", "/dev/full", status=1)


def test_names_of_files_that_cannot_be_written(failing, tmp_path):
    err = view("top", failing.recording, "-o", tmp_path / "missing" / "x", status=2)
    assert "missing/x: No such file or directory" in err
