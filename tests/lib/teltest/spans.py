"""A table of spans that stays small: columns of machine integers and one map from id to row.

A trace of 1.2 million events is 600,000 spans; as Python objects they would take a gigabyte, as
columns they take about 150 MB, most of it the map.
"""

from array import array

NO_PARENT = 0  # span ids are never 0
OPEN = -1

FUNCTION, HTTP, DATABASE = 0, 1, 2


class Numbering:
    """Gives small numbers to values in order of appearance."""

    def __init__(self):
        self.numbers = {}

    def __call__(self, value):
        number = self.numbers.get(value)
        if number is None:
            number = self.numbers[value] = len(self.numbers)
        return number

    def __len__(self):
        return len(self.numbers)

    def values(self):
        return list(self.numbers)


class SpanTable:
    def __init__(self):
        self.rows = {}                # span id -> row
        self.ids = array("Q")
        self.parents = array("Q")
        self.traces = array("I")      # numbers of self.trace
        self.threads = array("I")     # numbers of self.thread
        self.kinds = array("B")
        self.starts = array("q")
        self.ends = array("q")
        self.lines = array("I")       # where the span starts in the file
        self.trace = Numbering()
        self.thread = Numbering()     # (image number, thread id)

    def add(self, span_id, parent, trace, thread, kind, start, line):
        row = len(self.ids)
        self.rows[span_id] = row
        self.ids.append(span_id)
        self.parents.append(parent)
        self.traces.append(trace)
        self.threads.append(thread)
        self.kinds.append(kind)
        self.starts.append(start)
        self.ends.append(OPEN)
        self.lines.append(line)
        return row

    def __len__(self):
        return len(self.ids)
