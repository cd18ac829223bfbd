"""Runs a real program once, with the counting hook before the tracer, and holds the trace against it:
the counts, the names, the schema, the invariants of the tree.
"""

import os
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from teltest import schema
from teltest.check import check_tree
from teltest.counts import EntryCounter, compare, hook_total, read_hook_file
from teltest.run import build_directory, convert, library, run_counted


@dataclass
class Figures:
    calls: int
    events: int
    functions: int
    bytes: int
    run_seconds: float
    check_seconds: float

    def __str__(self):
        rate = self.events / self.run_seconds
        return (f"{self.calls:,} calls of {self.functions} functions, {self.events:,} events, "
                f"{self.bytes / 1e6:,.0f} MB in {self.run_seconds:.1f} s ({rate:,.0f} events/s); "
                f"checked in {self.check_seconds:.1f} s")


def scratch(name):
    """A place for a trace of gigabytes: beside the build, for /tmp may be in memory."""
    folder = build_directory() / "test-runs"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / name


def count_calls(case, name):
    """Runs a case untraced; returns {(module, address): calls} and checks what it printed."""
    result, path = run_counted(case.command, scratch(name), mode="none", stdin=case.stdin)
    assert result.status == 0, result.stderr.decode()
    assert result.stdout == case.expected
    counts = read_hook_file(path)
    path.unlink()
    return {(module, address): calls for (_, module, address), calls in counts.items()}


def check_exact(case, name, settings=None, recorded=False):
    """Asserts all that is said above; returns Figures. The trace stays if something is wrong.

    recorded: by way of a recording, which is converted afterwards.
    """
    assert library().exists(), f"{library()} is missing: build telinject first"
    settings = {"TELEMETRY_ON_FULL": "block"} | (settings or {})
    recording = scratch(f"{name}.recording")
    if recorded:
        shutil.rmtree(recording, ignore_errors=True)
        settings["TELEMETRY_RECORD"] = str(recording)
    result, counts_path = run_counted(case.command, scratch(f"{name}.jsonl"), stdin=case.stdin,
                                      settings=settings)
    trace = result.events_path
    if recorded:
        assert not trace.exists()
        convert(recording, trace)
        shutil.rmtree(recording)
    assert result.status == 0, result.stderr.decode()
    assert result.stdout == case.expected
    assert result.stderr == b""
    assert trace.exists(), "there is no trace"

    hook_counts = read_hook_file(counts_path)
    assert hook_total(hook_counts) >= case.calls_at_least
    # Two passes over gigabytes, side by side: the schema's is the work of other processes.
    start = time.monotonic()
    counter = EntryCounter()
    with ThreadPoolExecutor(1) as thread:
        schema_pass = thread.submit(schema.check_file, trace)
        checker = check_tree(trace, counter)
        report = schema_pass.result()
    check_seconds = time.monotonic() - start
    assert not checker.problems, f"{trace}\n{checker.problems}"
    assert checker.lost == {}
    problems = compare(counter, hook_counts)
    assert not problems, f"{trace}\n{problems}"
    assert counter.total() == hook_total(hook_counts) == len(checker.spans)

    assert not report.problems, f"{trace}\n{report.problems}"
    assert report.lines == checker.lines == 2 * counter.total()

    figures = Figures(counter.total(), checker.lines, len(counter.names), os.path.getsize(trace),
                      result.seconds, check_seconds)
    trace.unlink()
    counts_path.unlink()
    return figures
