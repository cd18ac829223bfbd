"""Every line against shim/events/telemetry-v3.schema.json, by jsonschema-rs, on all cores.

For others the schema is open: attributes may have further names. What telinject itself emits may not
have one that is not registered (shim/events/registry/registry.def), so here the schema is closed.

The file is cut into pieces at line ends; worker processes validate the pieces. A line costs about
10 us, parsing included, so a million lines take some 6 s on two cores.
"""

import functools
import importlib.util
import json
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from teltest.events import parse, parse_without_duplicates
from teltest.problems import Problems

SCHEMA_PATH = Path(__file__).resolve().parents[3] / "shim/events/telemetry-v3.schema.json"
PIECE_BYTES = 4 << 20

# Parsers keep the last of two equal keys, so the validator cannot see the first. Looking for them
# costs more than all the rest: the start of each piece stands for it.
LINES_CHECKED_FOR_DUPLICATES = 50


@functools.cache
def validator(is_open=False):
    import jsonschema_rs  # here, so that the other modules work where it is not installed

    schema = json.loads(SCHEMA_PATH.read_text())
    schema["$defs"]["attributes"]["additionalProperties"] = is_open
    return jsonschema_rs.Draft202012Validator(schema, validate_formats=True)


def errors_of(event, is_open=False):
    """What is wrong with one event, as texts: "/attributes/caller_line: 0 is less than ..."."""
    errors = ["/" + "/".join(str(step) for step in error.instance_path) + ": " + error.message
              for error in validator(is_open).iter_errors(event)]
    if not errors:
        note_seen(event, SEEN)
    return errors


# Of all events that were good: their types, and the names of their fields ("process.pid") and
# attributes ("attributes/module"). tests/conftest.py asks which of the registered ones are missing.
SEEN = set()


def note_seen(event, seen):
    """Looks at one of those that have the same fields and attributes."""
    shape = (event["event_type"], *event, *event["attributes"])
    if shape in seen:
        return
    seen.add(shape)
    seen.add(f"event_type/{event['event_type']}")
    seen.update(f"attributes/{name}" for name in event["attributes"])
    seen.update(names_in(event, ""))


def names_in(value, prefix):
    for name, member in value.items():
        yield prefix + name
        if isinstance(member, dict) and name != "attributes":
            yield from names_in(member, f"{prefix}{name}.")


class SchemaReport:
    def __init__(self):
        self.lines = 0
        self.problems = Problems()


def _cut(path):
    """Byte ranges of about PIECE_BYTES that begin and end at line ends."""
    size = os.path.getsize(path)
    with open(path, "rb") as file:
        start = 0
        while start < size:
            end = min(start + PIECE_BYTES, size)
            if end < size:
                file.seek(end)
                file.readline()
                end = file.tell()
            yield str(path), start, end
            start = end


def _check_piece(piece):
    """Returns (lines, counts, examples, seen) with line numbers from 0 within the piece."""
    path, start, end = piece
    with open(path, "rb") as file:
        file.seek(start)
        data = file.read(end - start)
    counts, examples, seen = {}, {}, set()

    def add(kind, number, text):
        counts[kind] = counts.get(kind, 0) + 1
        if counts[kind] <= 5:
            examples.setdefault(kind, []).append((number, text))

    lines = data.split(b"\n")
    if lines[-1]:
        add("json", len(lines) - 1, "no newline at the end of the file: a torn line")
    else:
        lines.pop()
    is_valid = validator().is_valid
    for number, line in enumerate(lines):
        try:
            if number < LINES_CHECKED_FOR_DUPLICATES:
                event = parse_without_duplicates(line)
            else:
                event = parse(line)
        except ValueError as error:
            add("json", number, str(error))
            continue
        if is_valid(event):
            note_seen(event, seen)
        else:
            add("schema", number, "; ".join(errors_of(event)[:4]))
    return len(lines), counts, examples, seen


def check_file(path, processes=None):
    """Validates all lines of a file and returns a SchemaReport."""
    report = SchemaReport()
    pieces = list(_cut(path))
    processes = min(processes or os.cpu_count() or 1, len(pieces))
    if processes <= 1:
        return _collect(report, map(_check_piece, pieces))
    # spawn: the parent may be a test runner with threads, which fork does not survive. Not a Pool:
    # that starts dying workers again for ever, as under a script without a __main__ guard.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context) as pool:
        return _collect(report, pool.map(_check_piece, pieces))


def hold(path):
    """Fails if a file that is not large has a line that is not good; where a validator is installed."""
    if os.path.getsize(path) <= PIECE_BYTES and _is_installed():
        report = check_file(path)
        assert not report.problems, f"{path}\n{report.problems}"


@functools.cache
def _is_installed():
    return importlib.util.find_spec("jsonschema_rs") is not None


def _collect(report, results):
    for lines, counts, examples, seen in results:
        SEEN.update(seen)
        numbered = {kind: [f"line {report.lines + number + 1}: {text}" for number, text in kept]
                    for kind, kept in examples.items()}
        report.problems.merge(counts, numbered)
        report.lines += lines
    return report
