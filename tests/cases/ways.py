"""Runs one command three ways: alone, under telrun and with a bare LD_PRELOAD, so that a test can compare.

Each run has a working directory of its own under the same path, the same environment but for what
switches tracing on, and events going to a file, so that stdout and stderr are the program's alone.
"""

import difflib
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time
from typing import NamedTuple

from teltest.events import BadLine, read_events
from teltest.proc import PATIENCE, comm, environment_of, wait_for
from teltest.run import clean_environment

TRACED = ("telrun", "preload")
WAYS = ("alone", *TRACED)
TIMEOUT = 120


class Outcome(NamedTuple):
    status: int  # negative: the signal, as subprocess has it
    out: bytes
    err: bytes


class Ways:
    def __init__(self, build, directory):
        self.build = build
        self.telrun = str(build / "bin/telrun")
        self.library = str(build / "lib/libtelinject.so")
        self.directory = directory
        self.work = directory / "work"
        self.trace = directory / "trace.jsonl"
        # A session's directory has a short path: pytest's are too long.
        self.temporary = tempfile.TemporaryDirectory(prefix="telinject-ways-", dir="/tmp")
        self.runtime = pathlib.Path(self.temporary.name)
        self.runtime.chmod(0o755)
        self.environment = clean_environment() | {
            "TELEMETRY_OUTPUT": "file",
            "TELEMETRY_FILE": str(self.trace),
            "TELEMETRY_SUMMARY": "never",
            "XDG_RUNTIME_DIR": str(self.runtime),
        }
        self.started = []

    def prefix(self, way, options=()):
        return [self.telrun, *options, "--"] if way == "telrun" else []

    def variables(self, way, changes=None):
        """The environment of a run. `changes` over it; None as a value takes a variable out."""
        environment = self.environment | (changes or {})
        environment = {name: value for name, value in environment.items() if value is not None}
        if way == "preload":
            before = environment.get("LD_PRELOAD")
            environment["LD_PRELOAD"] = f"{before}:{self.library}" if before else self.library
        return environment

    def start(self, command, way, changes=None, options=(), outer=(), **popen):
        """`outer` is a command that prepares the ground, untraced, and executes the one in question."""
        popen.setdefault("stdin", subprocess.DEVNULL)
        popen.setdefault("stdout", subprocess.PIPE)
        popen.setdefault("stderr", subprocess.PIPE)
        if "cwd" not in popen:
            popen["cwd"] = self.fresh_work()
        popen.setdefault("start_new_session", True)
        environment = self.variables(way, changes)
        command = [*self.prefix(way, options), *map(str, command)]
        if outer and way == "preload":
            command = ["env", "LD_PRELOAD=" + environment.pop("LD_PRELOAD"), *command]
        process = subprocess.Popen([*outer, *command], env=environment, **popen)
        self.started.append(process)
        return process

    def run(self, command, way, changes=None, input=None, **start):  # noqa: A002
        if input is not None:
            start["stdin"] = subprocess.PIPE
        process = self.start(command, way, changes, **start)
        out, err = process.communicate(input, timeout=TIMEOUT)
        return Outcome(process.returncode, out, err)

    def fresh_work(self):
        shutil.rmtree(self.work, ignore_errors=True)
        self.work.mkdir()
        return self.work

    def same(self, command, changes=None, clean=None, prepare=None, ways=WAYS, **start):
        """Runs it all ways; asserts that the outcomes are equal and returns that one outcome.

        clean: takes what must differ (numbers of pipes) out of stdout and stderr.
        prepare: is called with the working directory before each run.
        """
        clean = clean or (lambda text: text)
        first = None
        for way in ways:
            if prepare:
                prepare(self.fresh_work())
                start["cwd"] = self.work
            outcome = self.run(command, way, changes, **start)
            outcome = Outcome(outcome.status, clean(outcome.out), clean(outcome.err))
            if first is None:
                first = outcome
            assert outcome == first, difference(way, first, outcome)
        return first

    def functions(self, count=None):
        """{function: number of entry events} of the trace; waits until there are `count` entries, for
        the drain may outlive a program that was killed."""
        end = time.monotonic() + PATIENCE
        while True:
            counts = {}
            try:
                for event in read_events(self.trace) if self.trace.exists() else ():
                    if event["event_type"] == "function_entry":
                        counts[event["function_name"]] = counts.get(event["function_name"], 0) + 1
                if count is None or sum(counts.values()) >= count or time.monotonic() > end:
                    return counts
            except BadLine:  # the line that is being written
                if count is None or time.monotonic() > end:
                    raise
            time.sleep(0.05)

    def forget(self):
        self.trace.unlink(missing_ok=True)

    def drains(self):
        """Pids of the drains of this test's runs: the trace's name is in their environment."""
        mark = b"TELEMETRY_FILE=" + os.fsencode(self.trace)
        return [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc")))
                if comm(pid) == "telinject-drain" and mark in environment_of(pid)]

    def wait_for_drain(self):
        return wait_for(self.drains, "a drain")[0]

    def wait_for_no_drain(self):
        wait_for(lambda: not self.drains(), "the drains' end")

    def close(self):
        """Kills what a test that failed has left, with all of its group; a drain that stays is a failure."""
        for process in self.started:
            if process.poll() is None:
                kill_group(process)
                process.wait()
        try:
            self.wait_for_no_drain()
        finally:
            for pid in self.drains():
                os.kill(pid, 9)
            self.temporary.cleanup()


def kill_group(process):
    """Of one that has not been waited for, so its number is still its own. Its group is its own, too, unless
    the test chose otherwise."""
    if os.getpgid(process.pid) == process.pid:
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()


def difference(way, alone, outcome):
    lines = [f"{way} is not as alone, status {outcome.status} and {alone.status}"]
    for name in ("out", "err"):
        texts = [getattr(each, name).decode(errors="replace").splitlines() for each in (alone, outcome)]
        lines += difflib.unified_diff(*texts, f"{name} alone", f"{name} {way}", lineterm="", n=1)
    return "\n".join(lines)


def without_numbers(text):
    """Numbers of pipes, sockets, processes and namespaces' files are new at each run."""
    text = re.sub(rb"(pipe|socket|anon_inode:\[\w+\]):\[\d+\]", rb"\1:[N]", text)
    return re.sub(rb"(/proc/|process )\d+", rb"\1N", text)
