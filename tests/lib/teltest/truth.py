"""Compares a trace with what a generated program (generate.py) wrote down about its own calls."""

import struct
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

_RECORD = struct.Struct("=qii")
_CALL, _LEAVE = 1, 2


@dataclass
class Truth:
    """Of call k (from 1): its parent's index (0: none), its function's number, whether it returned."""
    parents: list = field(default_factory=lambda: [0])
    numbers: list = field(default_factory=lambda: [-1])
    returned: set = field(default_factory=set)

    @property
    def calls(self):
        return len(self.parents) - 1


def read_truth(path):
    truth = Truth()
    for index, number, kind in _RECORD.iter_unpack(Path(path).read_bytes()):
        if kind == _CALL:
            truth.parents.append(index)
            truth.numbers.append(number)
        elif kind == _LEAVE:
            truth.returned.add(index)
    return truth


class TreeComparison:
    """feed() it every event of a program of one thread, then read the figures.

    calls, entries     by the log, by the trace: they must be equal for the rest to mean anything
    wrong_parents      entries whose parent in the trace is not who called them
    wrong_by_number    the same, by the number of the function that was called
    wrong_names        entries with another function's name
    marked_returned    calls that returned, but whose exit is marked as something else
    unmarked_gone      calls that did not return, but whose exit has no mark
    """

    def __init__(self, truth, names):
        self.truth = truth
        self.names = names
        self.entries = 0
        self.wrong_parents = 0
        self.wrong_by_number = Counter()
        self.wrong_names = 0
        self.marked_returned = 0
        self.unmarked_gone = 0
        self.examples = []
        self._calls = {None: 0}  # span id -> index of its call

    @property
    def calls(self):
        return self.truth.calls

    def feed(self, event):
        event_type = event["event_type"]
        if event_type == "function_entry":
            self._entry(event)
        elif event_type == "function_exit":
            marked = "telinject.exit" in event["attributes"]
            returned = self._calls[event["span_id"]] in self.truth.returned
            self.marked_returned += marked and returned
            self.unmarked_gone += not marked and not returned

    def _entry(self, event):
        self.entries += 1
        index = self.entries
        self._calls[event["span_id"]] = index
        if index > self.truth.calls:
            return
        name = self.names[self.truth.numbers[index]]
        if event["function_name"] != name:
            self.wrong_names += 1
            self._example(f"call {index} is {name}, in the trace {event['function_name']}")
        parent = self._calls.get(event["parent_span_id"], -1)
        true_parent = self.truth.parents[index]
        if parent != true_parent:
            self.wrong_parents += 1
            self.wrong_by_number[self.truth.numbers[index]] += 1
            self._example(f"call {index} ({name}): parent {parent} ({self._name(parent)}), truly "
                          f"{true_parent} ({self._name(true_parent)})")

    def _name(self, index):
        if 0 < index <= self.truth.calls:
            return self.names[self.truth.numbers[index]]
        return "none" if index == 0 else "unknown"

    def _example(self, text):
        if len(self.examples) < 5:
            self.examples.append(text)
