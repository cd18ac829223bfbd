"""Recordings that the tests of views share, and what their events say."""

import json
import subprocess
from collections import Counter

import pytest
from teltest.events import read_events
from teltest.programs import sqlite
from teltest.run import APPS, build, clean_environment, run, tool


def view(*words, status=0, said=""):
    """What a command writes; if it fails, what it says."""
    done = subprocess.run([str(tool("telinject")), *map(str, words)], capture_output=True,
                          env=clean_environment(), timeout=300)
    assert done.returncode == status, done.stderr
    if status == 0:
        assert (said.encode() in done.stderr) if said else done.stderr == b"", done.stderr
    return done.stdout if status == 0 else done.stderr.decode()


class Recorded:
    """A recording of a program, its events as calls, and its totals."""

    def __init__(self, folder, command, stdin=b""):
        self.folder = folder / "recording"
        run(command, folder / "none", settings={"TELEMETRY_RECORD": str(self.folder)}, stdin=stdin)
        self.recording, = self.folder.glob("*.telrec")
        events, totals = folder / "events.jsonl", folder / "totals.json"
        command = [tool("telinject"), "convert", "-q", f"--totals={totals}", "-o", events, self.recording]
        subprocess.run(command, check=True, env=clean_environment())
        self.events = list(read_events(events))
        self.totals = json.loads(totals.read_text())["functions"]
        starts = {event["span_id"]: event["timestamp_ns"] for event in self.events
                  if event["event_type"] == "function_entry"}
        self.calls = Counter((event["function_name"], starts[event["span_id"]], event["duration_ns"])
                             for event in self.events if event["event_type"] == "function_exit")

    def own_sum(self):
        return sum(row["self_ns"] for row in self.totals)

    def http_sum(self):
        return sum(row.get("http_wait_ns", 0) for row in self.totals)


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    case = sqlite("gcc", "-O2")
    return Recorded(tmp_path_factory.mktemp("database"), case.command, case.stdin)


@pytest.fixture(scope="module")
def failing(tmp_path_factory):
    program = build("exceptions", [APPS / "errors/exceptions.cpp"], "gcc", ("-O0",), ("-pthread",))
    return Recorded(tmp_path_factory.mktemp("failing"), [program])
