"""Whether what a run wrote is valid: each line JSON, by the schema, starts and ends paired, sequence numbers
without holes; and how many calls it tells.

What may be wrong depends on what was done to the run: a drain that was killed leaves open spans and perhaps
half a line, a full disk leaves holes that have to be counted.
"""

from collections import Counter
from dataclasses import dataclass, field

from teltest import schema
from teltest.counts import EntryCounter
from teltest.events import parse, parse_without_duplicates
from teltest.problems import Problems
from teltest.tree import TreeChecker

CUT = frozenset({"never-ended", "torn", "parent-missing"})  # the drain died
HOLES = CUT | {"sequence", "end-without-start", "outside-span", "nesting"}  # lines did not fit
LOSS = frozenset({"parent-missing"})  # calls were lost and counted
SCHEMA_ALL = 20_000  # lines; after that every tenth


@dataclass
class Trace:
    lines: int = 0
    problems: Problems = field(default_factory=lambda: Problems(keep=3))
    entries: EntryCounter = field(default_factory=EntryCounter)
    lost: dict = field(default_factory=dict)  # reason: calls

    @property
    def told(self):
        return self.entries.total()

    @property
    def counted_as_lost(self):
        return sum(calls for reason, calls in self.lost.items() if reason != "http_unparsed")

    def bad(self, permitted):
        """{kind: count} of the problems that are not permitted."""
        return {kind: count for kind, count in self.problems.counts.items() if kind not in permitted}

    def text(self, permitted):
        return "; ".join(f"{kind} {count}x: {self.problems.examples.get(kind, [''])[0][:300]}"
                         for kind, count in self.bad(permitted).items())


def examine(paths, coroutines=False):
    """One Trace of all these files, which are pieces of one stream in this order."""
    trace = Trace()
    tree = TreeChecker(stack_switches=coroutines, keep=3)
    valid = schema.validator().is_valid
    for path in paths:
        if path.exists():
            _read(path, trace, tree, valid)
    tree.finish()
    trace.problems.merge(tree.problems.counts, tree.problems.examples)
    trace.lost = tree.lost
    return trace


def _read(path, trace, tree, valid):
    with open(path, "rb", buffering=1 << 20) as file:
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n"):
                trace.problems.add("torn", f"{len(line)} bytes at the end", number)
                return
            try:
                event = parse(line[:-1]) if number % 100 else parse_without_duplicates(line[:-1])
            except ValueError as error:
                # Half a line of a drain that was killed, ended by the next drain that appends.
                kind = "torn" if line.startswith(b'{"schema":') and not line.endswith(b"}\n") else "json"
                trace.problems.add(kind, f"{error}: {line[:80]!r}", number)
                continue
            trace.lines += 1
            if (trace.lines < SCHEMA_ALL or number % 10 == 0) and not valid(event):
                trace.problems.add("schema", "; ".join(schema.errors_of(event)[:2]), number)
                continue
            tree.feed(event)
            trace.entries.feed(event)


def calls_of_totals(totals):
    """(calls, lost calls) of a totals document."""
    return sum(function["calls"] for function in totals["functions"]), totals["lost_calls"]


def by_function(totals):
    return Counter({function.get("mangled_name", function["function_name"]): function["calls"]
                    for function in totals["functions"]})
