"""telinject validate: real traces are valid, and each fault is found in its line."""

import json
import os
import re
import subprocess

import pytest
from teltest.events import read_events
from teltest.examples import Stream, good_events, program
from teltest.programs import sqlite
from teltest.run import APPS, build, clean_environment, run, tool
from teltest.schema import SCHEMA_PATH

OTHER_TRACE = "1" * 32


def validate(*paths, stdin=b""):
    done = subprocess.run([tool("telinject"), "validate", *paths], capture_output=True, input=stdin,
                          env=clean_environment(), timeout=300, check=False)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def lines_of(events):
    return "".join(json.dumps(event) + "\n" for event in events).encode()


def faults_of(events):
    """{rule: line of the first}"""
    status, text, said = validate("-", stdin=lines_of(events))
    assert said == ""
    found = {rule: int(line) for line, rule in re.findall(r"^standard input:(\d+): ([a-z-]+): ", text, re.M)}
    assert status == (1 if found else 0)
    return found


def test_good():
    status, text, said = validate("-", stdin=lines_of(program().events))
    assert (status, text, said) == (
        0, "standard input: valid: 10 events, 5 spans, 1 process, 1 trace\n", "")


@pytest.mark.parametrize(("index", "change", "rule"), [
    (4, {"sequence": 4}, "sequence"),
    (4, {"sequence": 100}, "sequence"),
    (2, {"timestamp": "2025-11-03T19:15:42.499Z"}, "timestamp"),
    (3, {"duration_ns": 999}, "duration"),
    (3, {"duration_ms": 0.002}, "duration"),
    (7, {"event_type": "http_request"}, "field"),
    (3, {"span_id": "00000000000000ff"}, "end-without-start"),
    (3, {"parent_span_id": "0000000000000001"}, "mismatch"),
    (3, {"trace_id": OTHER_TRACE}, "mismatch"),
    (3, {"correlation_id": "func_ffffffff"}, "mismatch"),
    (2, {"message": "Function 'f' entry"}, "text"),
    (3, {"message": "Function 'g' exit (0.01ms)"}, "text"),
    (4, {"span_id": "0000000000000003"}, "span-twice"),
    (4, {"event_type": "function_entri"}, "field"),
    (4, {"event_type": None}, "field"),
    (4, {"severity": "ERROR"}, "field"),
    (4, {"trace_id": "abc"}, "field"),
    (4, {"span_id": "0000000000000000"}, "field"),
    (4, {"timestamp_ns": "5"}, "field"),
    (4, {"colour": "blue"}, "field"),
    (4, {"attributes": {"thread_id": "one"}}, "field"),
    (4, {"process": {"pid": 1.5}}, "field"),
    (4, {"event": {"name": "g", "category": "network", "type": "start"}}, "field"),
    (4, {"event": {"name": "g", "category": [[1]], "type": "start"}}, "field"),
    (4, {"timestamp_ns": -5}, "field"),
    (4, {"timestamp_ns": 1 << 63}, "field"),
    (4, {"timestamp_ns": 10**30}, "field"),
    (4, {"sequence": 0}, "field"),
    (4, {"sequence": -1}, "field"),
    (4, {"process": {}}, "field"),
    (4, {"process": "g"}, "field"),
    (4, {"event": []}, "field"),
    (4, {"attributes": []}, "field"),
    (4, {"attributes": {"thread_id": 1, "db.rows_returned": 3}}, "field"),
    (4, {"error": {"type": "E", "message": "m"}}, "field"),
    (4, {"correlation_id": "http_0000"}, "field"),
    (5, {"duration_ns": -1}, "field"),
    (5, {"duration_ns": None}, "field"),
])
def test_faults(index, change, rule):
    """One each, and nothing follows from it."""
    events = program().events
    events[index] |= change
    follows = {"0000000000000000": {"end-without-start"}, "00000000000000ff": {"end-twice"},
               "0000000000000003": {"mismatch", "end-without-start"}}
    assert faults_of(events).get(rule) == index + 1
    others = set(faults_of(events)) - {rule} - follows.get(change.get("span_id"), set())
    assert others <= ({"sequence"} if "sequence" in change or "process" in change else set())


def required():
    """What the JSON Schema says that every full event has: ("sequence",), ("process", "pid"), ..."""
    schema = json.loads(SCHEMA_PATH.read_text())
    names = {*schema["required"], *schema["$defs"]["detail"]["full"]["required"], "function_name"}
    members = [(name, member) for name in names
               for member in schema["properties"].get(name, {}).get("required", ())]
    return sorted([(name,) for name in names] + members)


@pytest.mark.parametrize("path", required(), ids=".".join)
def test_missing_field(path):
    events = program().events
    holder = events[4]
    for name in path[:-1]:
        holder[name] = dict(holder[name])
        holder = holder[name]
    del holder[path[-1]]
    assert faults_of(events)["field"] == 5


def test_faults_of_several_spans():
    stream = Stream()
    stream.leave(stream.enter("one"))
    stream.leave(stream.enter("two"))
    assert faults_of(stream.events) == {"two-roots": 3}
    stream = Stream()
    main = stream.enter("main")
    f = stream.enter("f", main)
    stream.leave(f)
    stream.leave(stream.enter("g", f))  # which has ended
    stream.leave(main)
    assert faults_of(stream.events) == {"outside-parent": 4}
    stream = Stream()
    main = stream.enter("main")
    stream.leave(stream.enter("f", main, thread=2, trace=OTHER_TRACE))
    stream.leave(main)
    assert faults_of(stream.events) == {"parent-trace": 2}
    stream = Stream()
    main = stream.enter("main")
    stream.time -= 5000
    stream.leave(stream.enter("f", main))
    assert faults_of(stream.events[:2]) == {"thread-time": 2, "outside-parent": 2}


@pytest.mark.parametrize("index", [4, 5])
def test_what_is_needed_is_where_it_belongs(index):
    """Attributes of the same names are others."""
    events = program().events
    for name in {"function_name", "duration_ns", "duration_ms"} & set(events[index]):
        events[index]["attributes"][name] = events[index].pop(name)
    assert faults_of(events) == {"field": index + 1}


def test_hostile_lines():
    events = program().events
    deep = "[" * 100_000 + "]" * 100_000
    for change in ({"timestamp": "DEEP"}, {"event": {"name": "g", "category": "DEEP", "type": "start"}},
                   {"attributes": {"." * 2_000_000: 1, "thread_id": 1}}):
        text = lines_of([events[0] | change]).replace(b'"DEEP"', deep.encode())
        assert validate("-", stdin=text)[0] in (0, 1)


def test_several_processes_with_one_pid():
    """In PID namespaces of their own; and of another drain, which appends."""
    one, two = program().events, program().events
    for event in two:
        event["trace_id"] = OTHER_TRACE
        for name in ("span_id", "parent_span_id"):
            event[name] = event[name] and "f" + event[name][1:]
    assert faults_of([event for both in zip(one, two) for event in both]) == {}
    assert faults_of(one[:4] + two) == {}


def test_exec_of_the_same_program():
    events = program().events
    stream = Stream()
    stream.events, stream._sequence[100], stream._spans = events[:3], 3, 3  # main, f and g are open
    stream.time = events[2]["timestamp_ns"]
    for entry in reversed(events[:3]):
        stream.leave(entry, how="exec")
    again = stream.enter("main", events[2])
    again["timestamp_ns"] -= 500  # of another clock's anchor
    stream.leave(again)
    stream.events[-1] |= {"duration_ns": 1500, "duration_ms": 0.0015}
    assert faults_of(stream.events) == {}


def test_lean_references():
    shared = [event for event in good_events().values() if event["event_type"] in (
        "telemetry_process", "telemetry_function")][:2]
    entry = good_events()["lean entry"]
    for number, event in enumerate([*shared, entry], 1):
        event["sequence"] = number
    assert faults_of([*shared, entry]) == {}
    entry["sequence"] = 2
    assert faults_of([shared[0], entry]) == {"reference": 2}


def test_long_calls():
    """Of a daemon: longer than a double has digits for."""
    events = program().events
    for index in (0, -1):
        events[index]["attributes"] |= {"thread_id": 2}
    end = events[-1]
    end["timestamp_ns"] = events[0]["timestamp_ns"] + 3 * 10**15 + 7
    end["timestamp"] = "2025-12-08T12:35:41.499Z"
    end |= {"duration_ns": 3 * 10**15 + 7, "duration_ms": (3 * 10**15 + 7) / 1e6,
            "message": "Function 'main' exit (3000000000.00ms)"}
    assert faults_of(events) == {}


def test_last_line_without_an_end():
    text = lines_of(program().events)
    assert validate("-", stdin=text[:-1])[1] == validate("-", stdin=text)[1]
    assert validate("-", stdin=b"garbage") == (
        2, "", "telinject: - has no events: these are not lines of JSON\n")


def test_the_first_of_each_kind_and_how_many():
    events = program().events
    for number in (6, 5, 3):
        events[number]["duration_ns"] += 1000
    _, text, _ = validate("-", stdin=lines_of(events))
    assert re.search(r"^standard input:4: duration: .* \(and 5 more of this kind\)$", text, re.M)
    assert "not valid, 6 faults: 10 events" in text  # of both fields each


def test_every_kind_of_event_is_known():
    """Whatever v3 has. (Alone, they are in no span.)"""
    events = list(good_events().values())
    order = [event for event in events if event["event_type"] == "telemetry_process"]
    order += [event for event in events if event not in order]
    assert "field" not in faults_of(order)


def test_what_may_be():
    stream = Stream()
    main = stream.enter("main", trace=OTHER_TRACE)
    main["parent_span_id"] = "00000000000000aa"
    f = stream.enter("f", main, trace=OTHER_TRACE)
    g = stream.enter("g", main, trace=OTHER_TRACE)
    stream.leave(f)
    stream.leave(g)
    text = lines_of(stream.events) + b'{"torn'
    status, told, _ = validate("-", stdin=text)
    assert status == 0
    assert told.splitlines()[1:] == [
        "  note: 1 span has no end: its program still runs, or was killed together with its drain",
        "  note: 1 span has a parent that is not in this file",
        "  note: 2 calls are not nested in the innermost one of their thread (coroutines?)",
        "  note: the last line is not complete"]


@pytest.mark.parametrize("detail", ["full", "lean"])
def test_database(detail, tmp_path):
    case = sqlite("gcc", "-O2")
    file = tmp_path / "events.jsonl"
    run(case.command, file, settings={"TELEMETRY_DETAIL": detail}, stdin=case.stdin)
    status, text, said = validate(file)
    assert (status, said) == (0, "")
    count = sum(1 for _ in open(file, "rb"))
    assert text.startswith(f"{file}: valid: {count:,} events, ") and "note" not in text


@pytest.mark.parametrize(("name", "source"), [("exceptions", "errors/exceptions.cpp")])
def test_errors(name, source, tmp_path):
    file = tmp_path / "events.jsonl"
    run([build(name, [APPS / source], "gcc", ("-O0",), ("-pthread",))], file)
    assert any(event.get("error") for event in read_events(file))
    assert validate(file)[0] == 0


@pytest.mark.parametrize(("content", "said"), [
    (b"\x28\xb5\x2f\xfd....", "is compressed: zstdcat FILE | telinject validate -"),
    (b"\x1f\x8b....", "is compressed: zcat FILE | telinject validate -"),
    (b"TELREC4\n", "is a recording: telinject convert makes events of it"),
    (b"x" * 1000, "line 1 is longer than 64 MB: these are no events"),
], ids=["zstd", "gzip", "recording", "long"])
def test_other_files(content, said, tmp_path):
    file = tmp_path / "file"
    file.write_bytes(content * (70_000 if "longer" in said else 1))
    assert validate(file) == (2, "", f"telinject: {file} {said}\n")


def test_no_events():
    assert faults_of([]) == {}
    for text in (b"hello\n", b"[1]\n", b"{}\n", b"\n", b"\xff\x00\n", b"[" * 100000 + b"\n"):
        status, _, said = validate("-", stdin=text)
        assert (status, said) == (1, "")


def test_bad_words(tmp_path):
    missing = tmp_path / "missing"
    for words, said in [((), "validate needs files of events, or - for standard input"),
                        (["-", "-"], "standard input can be read once only"),
                        (["--fast"], "validate has no option --fast: telinject validate --help"),
                        ([missing], f"{missing} cannot be opened: No such file or directory"),
                        ([tmp_path], f"{tmp_path} cannot be read: Is a directory")]:
        assert validate(*words) == (2, "", f"telinject: {said}\n")
    status, text, said = validate("--help")
    assert (status, said) == (0, "") and text.startswith("Usage: telinject validate FILE...")


def test_names_are_printable(tmp_path):
    file = tmp_path / "a\x1b[2Jb"
    events = program().events
    events[4] |= {"event_type": "\x1b[31mred"}
    file.write_bytes(lines_of(events))
    _, text, _ = validate(file)
    assert "\x1b" not in text and "field" in text
    assert os.path.exists(file)
