"""Builds a small program of tests/apps, runs it traced, and checks its whole trace."""

import os
import textwrap
import time
from pathlib import Path

from teltest.forest import Forest
from teltest.run import APPS, COMPILERS, LEVELS, build, library, run

MODES = ("telrun", "preload")
# Every compiler with every level, and each of them with either way to trace: each two are met
# together. All eight combinations, which take twice as long, with TELTEST_THOROUGH=1.
VARIANTS = [(compiler, level, mode) for c, compiler in enumerate(COMPILERS)
            for o, level in enumerate(LEVELS) for m, mode in enumerate(MODES)
            if os.environ.get("TELTEST_THOROUGH") or (c + o + m) % 2 == 0]
WARNINGS = ("-Wall", "-Wextra", "-Werror", "-Wno-error=infinite-recursion")
DEADLINE = 120  # seconds; only a failure takes that long


def _uses(path):
    """Processes that have the file of events in their environment: those traced, and their drain."""
    wanted = f"TELEMETRY_FILE={path}".encode()
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and int(process.name) != os.getpid():
            try:
                if wanted in (process / "environ").read_bytes().split(b"\0"):
                    yield int(process.name)
            except OSError:
                pass


def wait_until_all_is_written(path):
    """Until the drain has gone, and with it all that is traced: then the file is complete."""
    end = time.monotonic() + DEADLINE
    quiet = 0
    while quiet < 2:  # a process that is just executing shows no environment
        quiet = 0 if list(_uses(path)) else quiet + 1
        assert time.monotonic() < end, f"still there: {list(_uses(path))}"
        time.sleep(0.01)


class Run:
    """A finished run: `result` (run.py) and `trace` (forest.py)."""

    def __init__(self, result, trace):
        self.result = result
        self.trace = trace

    def truth(self):
        """What the program printed of its own calls, lines of "name number"."""
        words = [line.rsplit(" ", 1) for line in self.result.stdout.decode().splitlines()]
        return {name: int(number) for name, number in words if int(number) > 0}

    def outline(self):
        return self.trace.outline()


class Traced:
    """One compiler, one level of optimisation, one way to trace."""

    def __init__(self, compiler, level, mode, folder):
        self.compiler = compiler
        self.level = level
        self.mode = mode
        self.folder = folder
        self.path = folder / "events.jsonl"

    def program(self, source, flags=(), link_flags=(), **options):
        """The path of a program from apps/, such as "tree/tail.c"."""
        source = APPS / source
        return build(source.stem, [source], self.compiler, (self.level, *WARNINGS, *flags),
                     ("-pthread", "-ldl", *link_flags), **options)

    def plugin(self, source):
        source = APPS / source
        return build(f"{source.stem}.so", [source], self.compiler, (self.level, *WARNINGS, "-fPIC"),
                     ("-shared",))

    def run(self, source, *arguments, settings=None, environment=None, status=0, stderr=b"",
            remote_parents=(), stack_switches=False, lossless=True, may_lose=False, may_be_empty=False,
            outlived=False, flags=(), command=None, wait=True, **options):
        """Runs a program to its end and checks its trace: every line, the tree, nothing lost.

        lossless: TELEMETRY_ON_FULL=block; without it the default, which is held to lose nothing here
        either, unless it `may_lose`. outlived: something traced is left when the program ends.
        Under telrun all is written when that returns, so nothing is waited for unless outlived.
        """
        settings = ({"TELEMETRY_ON_FULL": "block"} if lossless else {}) | (settings or {})
        command = command or [self.program(source, flags), *arguments]
        result = run(command, self.path, self.mode, settings, environment, timeout=DEADLINE, **options)
        assert result.status == status, result.stderr.decode()
        assert stderr is None or result.stderr == stderr
        if wait and (self.mode == "preload" or outlived):
            wait_until_all_is_written(self.path)
        if may_be_empty:
            self.path.touch()
        assert self.path.exists(), f"{library()} wrote nothing"
        trace = Forest(self.path, remote_parents, stack_switches)
        assert not trace.checker.problems, f"{self.path}\n{trace.checker.problems}\n{trace.outline()[:5000]}"
        assert not trace.schema_problems
        if not may_lose:
            assert trace.lost == {}
        return Run(result, trace)

    def run_untraced(self, source, *arguments, **options):
        """As run(), for a run that shall leave no trace."""
        result = run([self.program(source), *arguments], self.path, self.mode, timeout=DEADLINE,
                     **options)
        wait_until_all_is_written(self.path)
        assert not self.path.exists() or self.path.read_bytes() == b""
        return result


def tree(text):
    """A golden tree: without what it is indented by."""
    return textwrap.dedent(text).strip("\n")
