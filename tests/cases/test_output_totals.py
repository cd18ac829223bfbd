"""Totals by function equal what an independent hook counts and what the events add up to, whatever
filters leave out of the events.
"""

import json
import math
import subprocess
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor

import pytest
from teltest.counts import hook_total, read_hook_file
from teltest.events import read_events
from teltest.exact import scratch
from teltest.names import functions_at
from teltest.programs import lua, sqlite
from teltest.run import REPOSITORY, build, clean_environment, library, run, run_counted, tool

ERROR = 1 / 64


def tiny():
    return build("tiny", [REPOSITORY / "tests/bench/tiny.c"], "gcc", ("-O0",))


def read_totals(path):
    document = json.loads(path.read_text())
    assert document["format"] == "telinject.totals" and document["version"] == 1
    return document


def by_name(document):
    functions = {}
    for function in document["functions"]:
        name = function.get("mangled_name", function["function_name"])
        functions[name] = functions.get(name, 0) + function["calls"]
    return functions


@pytest.mark.parametrize("mode", ["telrun", "preload"])
@pytest.mark.parametrize("program", [sqlite, lua], ids=lambda program: program.__name__)
def test_equal_to_the_counting_hook(program, mode):
    """Where almost nothing is written."""
    case = program("gcc", "-O0")
    path = scratch(f"totals-{case.name}-{mode}.jsonl")
    totals = path.with_suffix(".json")
    result, counts_path = run_counted(
        case.command, path, mode, stdin=case.stdin,
        settings={"TELEMETRY_ON_FULL": "block", "TELEMETRY_MAX_DEPTH": "2",
                  "TELEMETRY_TOTALS_FILE": str(totals)})
    assert (result.status, result.stdout, result.stderr) == (0, case.expected, b"")
    expected = {}
    hook = read_hook_file(counts_path)
    for (_, module, address), count in hook.items():
        linkage = functions_at(module)[address][0][0]
        expected[linkage] = expected.get(linkage, 0) + count
    document = read_totals(totals)
    assert document["estimate"] is False and document["lost_calls"] == 0
    assert by_name(document) == expected
    entries = sum(event["event_type"] == "function_entry" for event in result.events())
    assert entries < 1000
    assert document["left_out"]["max_depth"] + entries == hook_total(hook)
    for file in (path, totals, counts_path):
        file.unlink()


def test_equal_to_the_events(tmp_path):
    totals = tmp_path / "totals.json"
    result = run([tiny(), "17"], tmp_path / "events.jsonl", settings={
        "TELEMETRY_ON_FULL": "block", "TELEMETRY_TOTALS_FILE": str(totals)})
    durations, children, own = defaultdict(list), defaultdict(int), defaultdict(int)
    for event in read_events(result.events_path):
        if event["event_type"] == "function_exit":
            durations[event["function_name"]].append(event["duration_ns"])
            own[event["function_name"]] += event["duration_ns"] - children[event["span_id"]]
            children[event["parent_span_id"]] += event["duration_ns"]
    functions = {f["function_name"]: f for f in read_totals(totals)["functions"]}
    assert set(functions) == set(durations) == {"main", "fib"}
    for name, values in durations.items():
        f = functions[name]
        values.sort()
        assert f["calls"] == len(values)
        assert f["total_ns"] == sum(values)
        assert f["self_ns"] == own[name]
        assert (f["min_ns"], f["max_ns"]) == (values[0], values[-1])
        for share, field in ((.5, "p50_ns"), (.9, "p90_ns"), (.99, "p99_ns")):
            exact = values[math.ceil(share * len(values)) - 1]
            assert abs(f[field] - exact) <= ERROR * exact, field


def test_a_sample_is_an_estimate_and_says_so(tmp_path):
    """2,000 traces of one call each, a quarter of them kept: within five standard deviations."""
    source = tmp_path / "roots.c"
    source.write_text("static volatile int n;\nvoid root(void) { n++; }\n"
                      "__attribute__((no_instrument_function)) int main(void) {\n"
                      "  for (int i = 0; i < 2000; i++) root();\n  return 0;\n}\n")
    totals = tmp_path / "totals.json"
    result = run([build("roots", [source])], tmp_path / "events.jsonl", settings={
        "TELEMETRY_ON_FULL": "block", "SAMPLE_RATE": "0.25", "TELEMETRY_SUMMARY": "always",
        "TELEMETRY_TOTALS_FILE": str(totals)})
    document = read_totals(totals)
    assert document["estimate"] is True and document["sample_rate"] == 0.25
    (function,) = document["functions"]
    kept = sum(event["event_type"] == "function_exit" for event in result.events())
    assert function["calls"] == 4 * kept
    assert abs(kept - 500) < 5 * math.sqrt(2000 * .25 * .75)
    assert "estimated" in result.stderr.decode()
    assert f"{4 * kept:,}" in result.stderr.decode()


def test_the_table_in_the_summary(tmp_path):
    result = run([tiny(), "15"], tmp_path / "events.jsonl", settings={
        "TELEMETRY_ON_FULL": "block", "TELEMETRY_SUMMARY": "always",
        "TELEMETRY_MIN_DURATION": "1000s"})
    text = result.stderr.decode()
    assert "telrun: 0 spans in 1 process\n" in text
    assert "  left out   1,974 by --min-duration" in text
    header = next(line for line in text.splitlines() if "functions by own time" in line)
    assert header.split()[4:] == ["calls", "own", "total", "shortest", "p50", "p90", "p99", "longest"]
    row = next(line for line in text.splitlines() if line.startswith("    fib "))
    assert row.split()[1] == "1,973"
    assert len(row) == len(header)


def test_a_file_that_cannot_be_written(tmp_path):
    """Said at the start, not after an hour."""
    result = run([tiny(), "3"], tmp_path / "events.jsonl",
                 settings={"TELEMETRY_TOTALS_FILE": str(tmp_path)})
    assert (result.status, result.stdout) == (0, b"2\n")
    assert result.stderr.decode() == (
        f"telinject: TELEMETRY_TOTALS_FILE={tmp_path}: Is a directory; no totals are written: choose "
        "another file\n")
    assert len(list(result.events())) == 12


def test_a_longer_document_is_replaced(tmp_path):
    totals = tmp_path / "totals.json"
    totals.write_text("x" * 100_000)
    environment = clean_environment() | {"TELEMETRY_SUMMARY": "never"}
    subprocess.run([tool("telrun"), "--totals", totals, "-o", tmp_path / "e.jsonl", tiny(), "3"],
                   env=environment, stdout=subprocess.DEVNULL, check=True, timeout=60)
    assert by_name(read_totals(totals)) == {"main": 1, "fib": 5}


def bare(path, *command):
    """A program with a bare LD_PRELOAD, to its end; returns its process id."""
    environment = clean_environment() | {
        "LD_PRELOAD": str(library()), "TELEMETRY_FILE": "/dev/null", "TELEMETRY_TOTALS_FILE": str(path),
        "TELEMETRY_EXIT_WAIT": "600000"}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.communicate(timeout=60)[1] == b"" and process.returncode == 0
    return process.pid


def test_programs_that_know_nothing_of_each_other(tmp_path):
    """One after the other, each with a drain of its own: none overwrites another's totals."""
    totals = tmp_path / "totals.json"
    bare(totals, "/bin/true")  # has nothing to tell of
    bare(totals, tiny(), "5")
    first = read_totals(totals)["functions"]
    second = bare(totals, tiny(), "6")
    bare(totals, "/bin/true")
    third = bare(totals, tiny(), "7")
    assert read_totals(totals)["functions"] == first
    own = {path.name: by_name(read_totals(path))["fib"] for path in tmp_path.iterdir()}
    assert own == {"totals.json": 15, f"totals.json.{second}": 25, f"totals.json.{third}": 41}


def test_programs_at_the_same_time(tmp_path):
    totals = tmp_path / "totals.json"
    with ThreadPoolExecutor() as pool:
        pids = list(pool.map(lambda n: bare(totals, tiny(), str(n)), range(5, 11)))
    calls = sorted(by_name(read_totals(path))["fib"] for path in tmp_path.iterdir())
    assert calls == [15, 25, 41, 67, 109, 177]
    names = {path.name for path in tmp_path.iterdir()}
    assert "totals.json" in names and names <= {"totals.json", *(f"totals.json.{pid}" for pid in pids)}


def test_processes_of_one_program_share_its_totals(tmp_path):
    totals = tmp_path / "totals.json"
    bare(totals, "sh", "-c", f"{tiny()} 5; {tiny()} 6")
    assert [path.name for path in tmp_path.iterdir()] == ["totals.json"]
    assert by_name(read_totals(totals))["fib"] == 15 + 25
