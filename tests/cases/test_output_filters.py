"""Filters leave out what they say, and nothing else: held against a model of their rules, on one
recording of a program that is converted whole and filtered.
"""

import fnmatch
import json
import re
import subprocess

import pytest
from teltest.check import check_tree
from teltest.events import read_events
from teltest.filtered import expected, spans_of
from teltest.programs import lua, sqlite
from teltest.run import APPS, build, clean_environment, run, tool


def layers(compiler="gcc", level="-O0"):
    return build("layers", [APPS / "output/layers.c"], compiler, (level,), ("-lpthread",))


def record(command, folder, stdin=b"", arguments=()):
    settings = clean_environment() | {"TELEMETRY_ON_FULL": "block", "TELEMETRY_SUMMARY": "never"}
    subprocess.run([tool("telrun"), "--record", folder, *arguments, "--", *command], env=settings,
                   input=stdin, stdout=subprocess.DEVNULL, timeout=300, check=False)


def convert(folder, into, **filters):
    """Returns the events' file and the summary."""
    into.unlink(missing_ok=True)
    settings = clean_environment() | {"TELEMETRY_FILE": str(into), "TELEMETRY_SUMMARY": "always"}
    settings |= {f"TELEMETRY_{name}": value for name, value in filters.items()}
    result = subprocess.run([tool("telinject"), "convert", folder], env=settings, timeout=300,
                            capture_output=True, check=True)
    return into, result.stderr.decode()


def written(path):
    return {event["span_id"]: event["parent_span_id"] for event in read_events(path)
            if event["event_type"] == "function_entry"}


def any_glob(globs):
    return lambda text: any(fnmatch.fnmatchcase(text, glob) for glob in globs.split(","))


def any_path(globs):
    """A glob may also fit what follows one of the slashes."""
    fits = any_glob(globs)
    return lambda path: any(fits(path[start:]) for start in
                            [0, *(i + 1 for i, char in enumerate(path) if char == "/")])


def wanted(filters):
    def of(span):
        file = span.attributes.get("function_file", "")
        module = span.attributes["module"]
        include = [any_glob(filters.get("INCLUDE", "*"))(span.name),
                   any_path(filters.get("INCLUDE_FILES", "*"))(file),
                   any_path(filters.get("INCLUDE_MODULES", "*"))(module)]
        exclude = [any_glob(filters.get("EXCLUDE", ""))(span.name),
                   any_path(filters.get("EXCLUDE_FILES", ""))(file),
                   any_path(filters.get("EXCLUDE_MODULES", ""))(module)]
        return all(include) and not any(exclude)
    return of


def nanoseconds(text):
    number, unit = re.fullmatch(r"([0-9.]+)(ns|us|ms|s)", text).groups()
    return round(float(number) * {"ns": 1, "us": 1e3, "ms": 1e6, "s": 1e9}[unit])


def left_out(summary):
    """{option: spans} as the summary counts them."""
    line = re.search(r"^  left out   (.*)$", summary, re.MULTILINE)
    found = re.findall(r"([0-9,]+) by --([a-z-]+)", line[1]) if line else []
    return {name: int(count.replace(",", "")) for count, name in found}


def check_filters(folder, tmp_path, spans, **filters):
    path, summary = convert(folder, tmp_path / "filtered.jsonl", **filters)
    model = expected(spans, nanoseconds(filters.get("MIN_DURATION", "0ns")),
                     int(filters.get("MAX_DEPTH", 0)), wanted(filters))
    assert written(path) == model
    checker = check_tree(path, stack_switches=True)
    assert not checker.problems, str(checker.problems)
    assert checker.lost == {}
    counted = left_out(summary)
    assert sum(counted.values()) == len(spans) - len(model)
    return counted, model


SETS = [
    {"MIN_DURATION": "10us"}, {"MIN_DURATION": "1.5ms"}, {"MIN_DURATION": "1000s"},
    {"MAX_DEPTH": "1"}, {"MAX_DEPTH": "3"}, {"MAX_DEPTH": "3", "MIN_DURATION": "100us"},
    {"INCLUDE": "slow,q*"}, {"EXCLUDE": "slow"}, {"EXCLUDE": "main,outer", "MAX_DEPTH": "3"},
    {"INCLUDE": "nothing"}, {"INCLUDE": "quick", "MIN_DURATION": "1ms"},
    {"EXCLUDE": "begin_*", "MIN_DURATION": "1ms"}, {"INCLUDE_FILES": "output/*.c"},
    {"INCLUDE_FILES": "*.cpp"}, {"EXCLUDE_FILES": "lay*"}, {"INCLUDE_MODULES": "layers"},
    {"EXCLUDE_MODULES": "lay*rs"}, {"INCLUDE": "outer", "INCLUDE_MODULES": "other"},
]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """One run of each way that calls begin elsewhere; and the same events unfiltered."""
    folder = tmp_path_factory.mktemp("recorded")
    record([layers()], folder / "layers")
    whole, _ = convert(folder / "layers", folder / "whole.jsonl")
    return folder / "layers", spans_of(read_events(whole), ["coroutine"])


@pytest.mark.parametrize("filters", SETS, ids=str)
def test_what_is_written(recorded, tmp_path, filters):
    folder, spans = recorded
    assert len(spans) > 100
    assert sum(span.begins_another for span in spans.values()) == 3
    counted, model = check_filters(folder, tmp_path, spans, **filters)
    names = {name.split("_")[0].lower() if "DURATION" not in name and "DEPTH" not in name
             else name.lower().replace("_", "-") for name in filters}
    assert set(counted) <= names
    if filters in ({"MIN_DURATION": "1.5ms"}, {"MAX_DEPTH": "3"}, {"EXCLUDE": "slow"}):
        assert counted and model  # neither all nor nothing: the test has something to test


def test_what_a_process_died_in_is_written(tmp_path):
    record([layers(), "crash"], tmp_path / "record")
    whole, _ = convert(tmp_path / "record", tmp_path / "whole.jsonl")
    spans = spans_of(read_events(whole), ["coroutine"])
    _, model = check_filters(tmp_path / "record", tmp_path, spans, MIN_DURATION="1000s")
    assert {"main", "crash"} <= {spans[span].name for span in model}


STATEMENTS = b"".join([
    b"CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT);",
    *(f"INSERT INTO t VALUES({i}, 'text {i * 7919 % 100}');\n".encode() for i in range(15)),
    b"SELECT x.b, count(*) FROM t x JOIN t y ON x.b < y.b GROUP BY x.b ORDER BY 2 LIMIT 5;\n"])

SCRIPT = """
local function fail(n) if n == 0 then error("deep") end return fail(n - 1) + 1 end
for i = 1, 100 do pcall(fail, i % 10) end
for i = 1, 50 do coroutine.wrap(function() coroutine.yield(string.rep("x", i)) end)() end
collectgarbage()
"""


@pytest.mark.parametrize(("program", "filters"), [
    (sqlite, {"MIN_DURATION": "20us"}), (sqlite, {"MAX_DEPTH": "6"}),
    (sqlite, {"INCLUDE": "sqlite3Vdbe*,*Parse*", "EXCLUDE": "*Mem*"}),
    (lua, {"MIN_DURATION": "5us", "EXCLUDE": "luaV_*"}), (lua, {"INCLUDE_FILES": "lgc.c,lmem.c"}),
], ids=lambda part: part.__name__ if callable(part) else str(part))
def test_real_programs(program, filters, tmp_path):
    """Also under longjmp, which closes many frames at once."""
    case = program("gcc", "-O2")
    command = case.command if program is sqlite else [case.path, "-e", SCRIPT]
    record(command, tmp_path / "record", STATEMENTS)
    whole, _ = convert(tmp_path / "record", tmp_path / "whole.jsonl")
    spans = spans_of(read_events(whole))
    assert len(spans) > 5000
    counted, model = check_filters(tmp_path / "record", tmp_path, spans, **filters)
    assert counted and len(model) > 20


@pytest.mark.parametrize("mode", ["telrun", "preload"])
def test_filters_while_it_runs(tmp_path, mode):
    """Not from a recording: the same code, but for how long processes and threads take to end."""
    result = run([layers()], tmp_path / "events.jsonl", mode,
                 {"TELEMETRY_ON_FULL": "block", "TELEMETRY_MIN_DURATION": "10ms",
                  "TELEMETRY_TOTALS_FILE": str(tmp_path / "totals.json")})
    assert result.status == 0
    checker = check_tree(result.events_path, stack_switches=True)
    assert not checker.problems, str(checker.problems)
    exits = [event for event in result.events() if event["event_type"] == "function_exit"]
    begins = {"begin_thread", "begin_process", "begin_coroutine"}
    names = [event["function_name"] for event in exits]
    assert begins <= set(names)
    assert all(event["duration_ns"] >= 10_000_000 or event["function_name"] in begins
               for event in exits)
    # main and its copy in the child; the child has no begin_process of its own to write.
    assert names.count("slow") == 6
    assert "quick" not in names and "descend" not in names
    totals = json.loads((tmp_path / "totals.json").read_text())
    calls = {f["function_name"]: f["calls"] for f in totals["functions"]}
    assert calls["quick"] == 3 * 12 + 5 + 3 * 10 + 1
    assert calls["descend"] == 10
    assert sum(calls.values()) == len(exits) + sum(totals["left_out"].values())


@pytest.mark.parametrize(("name", "value", "says"), [
    ("TELEMETRY_MIN_DURATION", "banana", "is not a time such as 10us, 1.5ms, 2s; using 0"),
    ("TELEMETRY_MIN_DURATION", "10", "is not a time such as 10us, 1.5ms, 2s; using 0"),
    ("TELEMETRY_MAX_DEPTH", "-1", "is not a whole number in 0..1000000000; using 0"),
    ("TELEMETRY_DETAIL", "thin", "is not one of full, lean; using full"),
])
def test_a_value_that_makes_no_sense(tmp_path, name, value, says):
    result = run([layers()], tmp_path / "events.jsonl", settings={name: value})
    assert result.status == 0
    assert result.stderr.decode() == f"telrun: {name}={value} {says}\n"
    assert len(list(result.events())) > 100
