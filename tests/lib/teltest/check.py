"""python3 -m teltest.check FILE: prints what is wrong with a trace; exit status 1 if anything is.

Checks every line against the JSON Schema and the invariants of tree.py.
"""

import argparse
import sys
import time

from teltest import schema
from teltest.events import BadLine, read_events
from teltest.outline import Outline
from teltest.tree import TreeChecker


def parent_argument(text):
    trace, _, span = text.partition(":")
    if len(trace) != 32 or len(span) != 16:
        raise argparse.ArgumentTypeError("32 hexadecimal digits, a colon, 16 more")
    return trace, span


def check_tree(path, *observers, **options):
    """A finished TreeChecker; every event is shown to the observers too, in the same pass."""
    checker = TreeChecker(**options)
    feeds = [checker.feed, *(observer.feed for observer in observers)]
    try:
        for event in read_events(path):
            for feed in feeds:
                feed(event)
    except BadLine as error:
        checker.problems.add("json", error.why, error.line)
    checker.finish()
    return checker


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python3 -m teltest.check", description=__doc__)
    parser.add_argument("file", help="telemetry: a JSON object a line")
    parser.add_argument("--no-schema", action="store_true", help="leave the JSON Schema out")
    parser.add_argument("--no-tree", action="store_true", help="leave the invariants out")
    parser.add_argument("--coroutines", action="store_true", help="the program switches stacks")
    parser.add_argument("--remote-parent", metavar="TRACE:SPAN", action="append", default=[],
                        type=parent_argument, help="a parent that need not be in the file")
    parser.add_argument("--outline", action="store_true", help="print the call tree (memory!)")
    parser.add_argument("--keep", type=int, default=5, help="examples of each kind of problem")
    options = parser.parse_args(arguments)

    bad = 0
    if not options.no_schema:
        start = time.monotonic()
        report = schema.check_file(options.file)
        bad += _print_result("schema", report.lines, start, report.problems)
    if not options.no_tree:
        start = time.monotonic()
        observers = [Outline()] if options.outline else []
        checker = check_tree(options.file, *observers, remote_parents=options.remote_parent,
                             stack_switches=options.coroutines, keep=options.keep)
        bad += _print_result("tree", checker.lines, start, checker.problems)
        spans = checker.spans
        print(f"{len(spans)} spans, {len(spans.trace)} traces, {len(spans.thread)} threads")
        for reason, calls in sorted(checker.lost.items()):
            print(f"lost by its own account: {calls} calls, {reason}")
        for observer in observers:
            print(observer.text())
    return 1 if bad else 0


def _print_result(what, lines, start, problems):
    seconds = time.monotonic() - start
    rate = f"{lines / seconds:,.0f} lines/s" if seconds > 0 else ""
    print(f"{what}: {lines} lines, {rate}, {len(problems) or 'no'} problems")
    if problems:
        print(problems)
    return len(problems)


if __name__ == "__main__":
    sys.exit(main())
