"""Reads telemetry: one JSON object a line, in UTF-8, each line ended by a newline.

Strict where JSON parsers are lenient: bytes that are not UTF-8, NaN and Infinity, and a last line
without newline (a torn write) are errors.
"""

import json

from teltest.lean import Expander, UnknownReference

try:
    import orjson
except ImportError:  # optional: the standard library's parser does, at a third of the speed
    orjson = None


class BadLine(ValueError):
    """A line that is no JSON object. `line` counts from 1."""

    def __init__(self, line, why):
        super().__init__(f"line {line}: {why}")
        self.line = line
        self.why = why


def _no_constant(name):
    raise ValueError(f"{name} is not JSON")


def _parse_slowly(data):
    return json.loads(bytes(data).decode("utf-8"), parse_constant=_no_constant)


parse = orjson.loads if orjson is not None else _parse_slowly


def _no_duplicates(pairs):
    keys = dict(pairs)
    if len(keys) != len(pairs):
        names = [name for name, _ in pairs]
        twice = sorted({name for name in names if names.count(name) > 1})
        raise ValueError(f"key {', '.join(twice)} more than once")
    return keys


def parse_without_duplicates(data):
    """As parse(), but a key that occurs twice in an object is an error. Slow: for samples."""
    return json.loads(bytes(data).decode("utf-8"), parse_constant=_no_constant,
                      object_pairs_hook=_no_duplicates)


def numbered_lines(path):
    """Yields (number, bytes without newline); raises BadLine for a torn last line."""
    with open(path, "rb", buffering=1 << 20) as file:
        number = 0
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n"):
                raise BadLine(number, "no newline at the end of the file: a torn line")
            yield number, line[:-1]


def read_events(path):
    """Yields the events of a file; raises BadLine at the first line that is none.

    Lean events are told in full, as if TELEMETRY_DETAIL=full had written them.
    """
    expander = Expander()
    for number, line in numbered_lines(path):
        try:
            event = parse(line)
        except ValueError as error:
            raise BadLine(number, f"not JSON: {error}") from None
        if not isinstance(event, dict):
            raise BadLine(number, "not a JSON object")
        try:
            yield expander.full(event)
        except UnknownReference as error:
            raise BadLine(number, str(error)) from None


def normalised(path):
    """The events without what differs from run to run, in an order that does not."""
    events = []
    for line in path.read_text().splitlines():
        event = json.loads(line)
        for name in ("timestamp", "timestamp_ns", "sequence", "trace_id", "span_id", "parent_span_id",
                     "duration_ns", "duration_ms", "message", "correlation_id"):
            event.pop(name, None)
        event["attributes"].pop("thread_id", None)
        for name in ("telinject.preempted_ns", "telinject.not_running_ns"):
            event["attributes"].pop(name, None)
        event["process"].pop("pid")
        events.append(json.dumps(event, sort_keys=True))
    return sorted(events)
