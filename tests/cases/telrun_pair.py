"""Runs one command twice, alone and under telrun, so that a test can compare what came of it."""

import os
import pathlib
import subprocess
import sys
import tempfile
import time
from typing import NamedTuple

# Starts fast, reads nothing of the user's.
PYTHON = [sys.executable, "-I", "-S"]
TIMEOUT = 30


class Outcome(NamedTuple):
    status: int  # negative: the signal, as subprocess has it
    out: bytes
    err: bytes


class Pair:
    """`telrun` with events going to a file, so that stdout and stderr are the program's alone."""

    def __init__(self, build, directory):
        self.build = build
        self.telrun = str(build / "bin" / "telrun")
        # A session's directory has a short path: pytest's are too long.
        self.temporary = tempfile.TemporaryDirectory(prefix="telrun-", dir="/tmp")
        self.runtime = pathlib.Path(self.temporary.name)
        self.started = []
        self.environment = dict(
            os.environ,
            TELEMETRY_OUTPUT="file",
            TELEMETRY_FILE=str(directory / "trace.jsonl"),
            TELEMETRY_SUMMARY="never",
            XDG_RUNTIME_DIR=str(self.runtime),
        )
        for name in ("DEBUG", "LD_PRELOAD", "TRACEPARENT", "SAMPLE_RATE"):
            self.environment.pop(name, None)

    def start(self, command, traced=True, options=(), **popen):
        popen.setdefault("env", self.environment)
        popen.setdefault("stdin", subprocess.DEVNULL)
        popen.setdefault("stdout", subprocess.PIPE)
        popen.setdefault("stderr", subprocess.PIPE)
        prefix = [self.telrun, *options] if traced else []
        process = subprocess.Popen([*prefix, *command], **popen)
        self.started.append(process)
        return process

    def run(self, command, traced=True, options=(), **popen):
        process = self.start(command, traced, options, **popen)
        out, err = process.communicate(timeout=TIMEOUT)
        return Outcome(process.returncode, out, err)

    def close(self):
        """What a test that failed has left."""
        for process in self.started:
            if process.poll() is None:
                process.kill()
                process.wait()
        self.temporary.cleanup()

    def run_with_file(self, command, **popen):
        """As run(), with a file as stderr: a line that comes after the program's end is in it, while
        the reader of a pipe may have left."""
        with tempfile.TemporaryFile() as file:
            outcome = self.run(command, stderr=file, **popen)
            file.seek(0)
            return Outcome(outcome.status, outcome.out, file.read())

    def both(self, command, **popen):
        return self.run(command, False, **popen), self.run(command, True, **popen)

    def sessions(self, seconds=0):
        """Directories of sessions that are still there; waits until there are none."""
        end = time.monotonic() + seconds
        while (left := list(self.runtime.iterdir())) and time.monotonic() < end:
            time.sleep(0.02)
        return left
