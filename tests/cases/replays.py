"""Recordings that are kept, each with the programs that made it (replayed/), and what comes of them.

`telinject convert` reads names and inline chains from the programs, where they were when they were
recorded. So each archive is unpacked to that place.
"""

import fcntl
import shutil
import subprocess
import tarfile
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from teltest.events import read_events
from teltest.forest import Forest
from teltest.run import clean_environment, tool

ARCHIVES = Path(__file__).resolve().parent / "replayed"
PLACE = Path("/var/tmp/telinject-replayed")


@dataclass(frozen=True)
class Case:
    """Programs of tests/apps/. The first is run; {1} in an argument is the path of the second."""
    sources: tuple
    arguments: tuple = ()
    options: tuple = ("--on-full=block",)
    stack_switches: bool = False


CASES = {
    "longjmp": Case(("tree/longjmp.c",)),
    "tail": Case(("tree/tail.c",)),
    "inlined": Case(("tree/inlined.c",)),
    "coroutines": Case(("tree/coroutines.c",), stack_switches=True),
    "exceptions": Case(("tree/exceptions.cpp",)),
    "uncaught": Case(("ends/uncaught.cpp",)),
    "signals": Case(("tree/signals.c",), ("alternate", "2000", "20")),
    "signal-jumps": Case(("tree/signal_jumps.c",)),
    "thread-ends": Case(("tree/thread_ends.c",)),
    "lost": Case(("errors/full_lane.cpp",), ("1", "9000"),
                 ("--on-full=drop", "--queue-bytes=1048576", "--spool-max=0")),
    "fork": Case(("forks/both_sides.c",), ("fork",)),
    "fork-exec": Case(("ends/chain.c",), ("fork", "thread", "fork", "thread", "SIGABRT")),
    "vfork": Case(("forks/launcher.c", "forks/small.c"), ("vfork+execv", "{1}", "3")),
    "exec": Case(("ends/chain.c",), ("exec", "raw", "thread", "0")),
    "exec-failing": Case(("ends/chain.c",), ("failing", "0")),
    "crash": Case(("errors/crashes.cpp",), ("segv",)),
    "killed": Case(("ends/chain.c",), ("fork", "SIGKILL")),
}


@contextmanager
def held_place():
    """PLACE, empty, for one at a time: another checkout's tests use the same. It is removed in the end."""
    with open(f"{PLACE}.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        shutil.rmtree(PLACE, ignore_errors=True)
        PLACE.mkdir()
        try:
            yield
        finally:
            shutil.rmtree(PLACE)


def unpack(name):
    folder = PLACE / name
    folder.mkdir(parents=True, exist_ok=True)
    with tarfile.open(ARCHIVES / f"{name}.tar.xz") as tar:
        tar.extractall(folder)
    return folder


def outline_of(name):
    """The tree of the unpacked recording; how many events it has, by type; what was lost."""
    folder = PLACE / name
    events = folder / "events.jsonl"
    events.unlink(missing_ok=True)
    subprocess.run([tool("telinject"), "convert", "-q", "-o", events, folder / "run.telrec"],
                   env=clean_environment(), check=True)
    trace = Forest(events, stack_switches=CASES[name].stack_switches)
    assert not trace.checker.problems, str(trace.checker.problems)
    assert not trace.schema_problems
    counts = Counter()
    for event in read_events(events):
        counts[event["event_type"]] += 1
        if event["attributes"].get("telinject.duration_bound") == "upper":
            counts["end is an upper bound"] += 1
    lines = [f"{count} {what}" for what, count in sorted(counts.items())]
    lines += [f"{count} lost: {reason}" for reason, count in sorted(trace.lost.items())]
    return "\n".join([trace.outline(), "", *lines, ""])
