"""Every line against shim/events/telemetry-v3.schema.json, by jsonschema-rs, on all cores.

The file is cut into pieces at line ends; worker processes validate the pieces. A line costs about
10 us, parsing included, so a million lines take some 6 s on two cores.
"""

import functools
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
def validator():
    import jsonschema_rs  # here, so that the other modules work where it is not installed

    return jsonschema_rs.Draft202012Validator(json.loads(SCHEMA_PATH.read_text()),
                                              validate_formats=True)


def errors_of(event):
    """What is wrong with one event, as texts: "/attributes/caller_line: 0 is less than ..."."""
    return ["/" + "/".join(str(step) for step in error.instance_path) + ": " + error.message
            for error in validator().iter_errors(event)]


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
    """Returns (lines, counts, examples) with line numbers from 0 within the piece."""
    path, start, end = piece
    with open(path, "rb") as file:
        file.seek(start)
        data = file.read(end - start)
    counts, examples = {}, {}

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
        if not is_valid(event):
            add("schema", number, "; ".join(errors_of(event)[:4]))
    return len(lines), counts, examples


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


def _collect(report, results):
    for lines, counts, examples in results:
        numbered = {kind: [f"line {report.lines + number + 1}: {text}" for number, text in kept]
                    for kind, kept in examples.items()}
        report.problems.merge(counts, numbered)
        report.lines += lines
    return report
