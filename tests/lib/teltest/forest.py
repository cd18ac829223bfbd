"""A finished trace as objects, for small programs whose every span a test wants to look at.

For what each span is, who its parent is, how it ended. Traces of millions of events are for tree.py's
columns.
"""

from collections import Counter

from teltest import schema
from teltest.check import check_tree
from teltest.events import read_events
from teltest.outline import Outline
from teltest.tree import ENDS, LOSS, STARTS

# Every line of a trace of up to so many is held against the schema, of larger ones some: those of the
# real programs (exact.py) are all looked at.
SMALL = 20_000
EACH = 50


class Span:
    """`how` is telinject.exit ("" for a return), `error` the type of the error at its end, if any."""

    __slots__ = ("name", "id", "trace", "parent_id", "pid", "thread", "module", "start", "end", "how",
                 "error", "parent", "children")

    def __init__(self, event):
        self.name = event["function_name"]
        self.id = event["span_id"]
        self.trace = event["trace_id"]
        self.parent_id = event["parent_span_id"]
        self.pid = event["process"]["pid"]
        self.thread = event["attributes"]["thread_id"]
        self.module = event["attributes"].get("module")
        self.start = event["timestamp_ns"]
        self.end = self.how = self.error = self.parent = None
        self.children = []

    def ended(self, event):
        self.end = event["timestamp_ns"]
        self.how = event["attributes"].get("telinject.exit", "")
        self.error = event.get("error", {}).get("type")

    def ancestors(self):
        """Names of the calls that it is in, the nearest first."""
        names, span = [], self.parent
        while span is not None:
            names.append(span.name)
            span = span.parent
        return names

    def __repr__(self):
        return f"{self.name} {self.how}".strip()


class Forest:
    """Reads and checks a whole file; `spans` are in the order of their starts in it."""

    def __init__(self, path, remote_parents=(), stack_switches=False):
        self.path = path
        self.spans = []
        self.losses = []
        self.by_id = {}
        self.checker = check_tree(path, self, remote_parents=remote_parents,
                                  stack_switches=stack_switches)
        for span in self.spans:
            span.parent = self.by_id.get(span.parent_id)
            if span.parent is not None:
                span.parent.children.append(span)
        self.schema_problems = self._schema_problems()

    def feed(self, event):
        if event["event_type"] in STARTS:
            span = Span(event)
            self.spans.append(span)
            self.by_id[span.id] = span
        elif event["event_type"] in ENDS:
            self.by_id[event["span_id"]].ended(event)
        elif event["event_type"] == LOSS:
            self.losses.append(event)

    def _schema_problems(self):
        each = 1 if self.checker.lines <= SMALL else EACH
        return [error for number, event in enumerate(read_events(self.path))
                if number % each == 0 or event["event_type"] == LOSS
                for error in schema.errors_of(event)]

    @property
    def lost(self):
        """Calls that were not recorded, by the trace's own account: {reason: calls}"""
        return self.checker.lost

    @property
    def traces(self):
        return {span.trace for span in self.spans}

    @property
    def roots(self):
        return [span for span in self.spans if span.parent is None]

    def calls(self):
        """{function name: how many spans}"""
        return Counter(span.name for span in self.spans)

    def named(self, name):
        return [span for span in self.spans if span.name == name]

    def only(self, name):
        spans = self.named(name)
        assert len(spans) == 1, f"{len(spans)} spans of {name}"
        return spans[0]

    def outline(self):
        """The call tree as indented lines (outline.py)."""
        outline = Outline()
        for event in read_events(self.path):
            outline.feed(event)
        return outline.text()
