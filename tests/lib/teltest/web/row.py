"""One row of the table: what was counted, and what is wrong."""

import os
import re
import shutil
import signal
import subprocess
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from teltest.run import clean_environment, tool
from teltest.web.exchanges import Exchanges
from teltest.web.processes import DEADLINE

TRACEPARENT = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]")
FIELD_BYTES = len("traceparent: \r\n") + 55


@dataclass
class Row:
    program: str
    layer: str
    logged: int = 0      # exchanges, by the server's own log
    pairs: int = 0
    expected: object = 0  # a number, or a text such as "log +-4"
    output: str = "same"  # output and exit status, against the run without us
    wire: str = "same"    # bytes, against the run without us
    orphans: int = 0
    note: str = ""
    problems: list = field(default_factory=list)

    @property
    def passed(self):
        return not self.problems

    def check(self, condition, text):
        if not condition:
            self.problems.append(text)
        return condition


@dataclass
class Outcome:
    status: int
    out: bytes
    err: bytes


class Workplace:
    """Where a row runs: its folder, the environment, the file of events."""

    def __init__(self, folder, environment=None):
        self.folder = Path(folder)
        self.environment = environment or {}
        self.number = 0

    def fresh(self, name):
        """A folder that is empty, of the same path each time: what two runs write can be compared."""
        path = self.folder / name
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir(parents=True)
        return path

    def events_file(self):
        self.number += 1
        return self.folder / f"events-{self.number}.jsonl"

    def variables(self, events=None, settings=None):
        variables = clean_environment() | self.environment
        variables["HOME"] = str(self.folder)
        for name in list(variables):
            if name.lower() in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
                del variables[name]
        if events is not None:
            variables |= {"TELEMETRY_OUTPUT": "file", "TELEMETRY_FILE": str(events),
                          "TELEMETRY_ON_FULL": "block",
                          "TELEMETRY_SUMMARY": "never"} | (settings or {})
        return variables

    def run(self, command, events=None, environment=None, settings=None, cwd=None, timeout=DEADLINE):
        command = [str(word) for word in command]
        if events is not None:
            command = [str(tool("telrun")), "--", *command]
        # In a session of its own, so that whatever hangs can be ended with all it started.
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, cwd=cwd or self.folder, start_new_session=True,
                                   env=self.variables(events, settings) | (environment or {}))
        try:
            out, err = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            out, err = process.communicate()
            return Outcome(999, out, err + f"\nstill running after {timeout} s: killed".encode())
        return Outcome(process.returncode, out, err)


def traceparents(entries):
    return [entry["http_traceparent"] for entry in entries if entry.get("http_traceparent")]


def normalised(entries, with_answers=True):
    """Log entries without what is ours, or differs by itself: lengths are less the traceparent's."""
    return Counter(tuple(sorted(_normalised(entry, with_answers).items())) for entry in entries)


def _normalised(entry, with_answers):
    kept = {key: value for key, value in entry.items()
            if key not in ("http_traceparent", "http_tracestate", "connection")}
    if not with_answers:
        del kept["bytes_sent"]
    if entry["server_protocol"] == "HTTP/2.0":  # HPACK and frames: fields are compared, not lengths
        kept = {key: value for key, value in kept.items() if key not in ("request_length", "bytes_sent")}
    elif entry["http_traceparent"]:
        kept["request_length"] = str(int(entry["request_length"]) - FIELD_BYTES)
    return kept


def keys(entries):
    return Counter((entry["request_method"], entry["request_uri"], int(entry["status"])) for entry in entries)


def compare_output(row, alone, traced, clean=lambda text: text):
    if alone.status != traced.status:
        row.output = "CHANGED"
        row.problems.append(f"exit status {traced.status}, untraced {alone.status}: "
                            f"{traced.err[-300:].decode(errors='replace')}")
    for name in ("out", "err"):
        if clean(getattr(alone, name)) != clean(getattr(traced, name)):
            row.output = "CHANGED"
            row.problems.append(f"std{name} differs: {getattr(traced, name)[-200:]!r}, "
                                f"untraced {getattr(alone, name)[-200:]!r}")


def compare_counters(row, what, alone, traced):
    if alone != traced:
        row.wire = "CHANGED"
        gone, new = alone - traced, traced - alone
        row.problems.append(f"{what} differs: {_brief(new)}; untraced {_brief(gone)}")


def _brief(counter):
    return "; ".join(f"{count} x {str(key)[:400]}" for key, count in list(counter.items())[:2]) or "nothing"


def look_at(row, path, role, remote_parents=()):
    """Reads the events into the row: pairs of this role, orphans, what is wrong by itself."""
    found = Exchanges(path, remote_parents)
    mine = [exchange for exchange in found.of(role) if exchange.response is not None]
    row.pairs = len(mine)
    row.orphans = len(found.orphans)
    row.problems += found.problems[:3]
    if found.orphans:
        row.problems.append(f"orphan: {found.orphans[0]}")
    row.check(not found.losses, f"lost: {dict(found.losses)}")
    row.check(len(found.of(role)) == len(found.all) or role == "any",
              f"{len(found.all) - len(found.of(role))} exchanges are not of a {role}")
    return found
