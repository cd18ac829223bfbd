"""Runs one command twice, alone and under telrun, so that a test can compare what came of it."""

import os
import subprocess
import sys
import tempfile
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
        self.runtime = directory / "runtime"
        self.runtime.mkdir(mode=0o700)
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
        return subprocess.Popen([*prefix, *command], **popen)

    def run(self, command, traced=True, options=(), **popen):
        process = self.start(command, traced, options, **popen)
        try:
            out, err = process.communicate(timeout=TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        return Outcome(process.returncode, out, err)

    def run_with_file(self, command, **popen):
        """As run(), with a file as stderr: a line that comes after the program's end is in it, while
        the reader of a pipe may have left."""
        with tempfile.TemporaryFile() as file:
            outcome = self.run(command, stderr=file, **popen)
            file.seek(0)
            return Outcome(outcome.status, outcome.out, file.read())

    def both(self, command, **popen):
        return self.run(command, False, **popen), self.run(command, True, **popen)

    def sessions(self):
        """Directories of sessions that are still there."""
        return list(self.runtime.iterdir())
