"""What the drain takes while a program does one thing many times over (tests/apps/growth/growth.c)."""

import json
import os
import subprocess
import threading
import time
from pathlib import Path

from teltest.run import REPOSITORY, build, clean_environment, tool
from teltest.usage import run_measured

SOURCES = REPOSITORY / "tests/apps/growth"
LOOK_SECONDS = 0.02
CONVERT_SECONDS = 600
TICKS = os.sysconf("SC_CLK_TCK")


class Drain:
    """The drain of a telrun that was started: its memory at most (kB) and its processor time (s)."""

    def __init__(self, telrun):
        self.most_kb, self.seconds = 0, 0.0
        self._telrun = telrun
        self._thread = threading.Thread(target=self._look)
        self._thread.start()

    def _pid(self):
        below = Path(f"/proc/{self._telrun}/task/{self._telrun}/children").read_text().split()
        return next(pid for pid in below
                    if Path(f"/proc/{pid}/comm").read_text().startswith("telinject-drai"))

    def _look(self):
        pid = None
        while Path(f"/proc/{self._telrun}/stat").exists():
            try:
                pid = pid or self._pid()
                status = Path(f"/proc/{pid}/status").read_text()
                stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                kilobytes = int(status.partition("RssAnon:")[2].split()[0])
                self.most_kb = max(self.most_kb, kilobytes)
                self.seconds = (int(stat[11]) + int(stat[12])) / TICKS
            except (OSError, StopIteration, IndexError):  # not there yet, or any more
                if pid is not None:
                    return
            time.sleep(LOOK_SECONDS)

    def join(self):
        self._thread.join()


def program():
    return build("growth", [SOURCES / "growth.c"], link_flags=("-ldl", "-lpthread"))


def library(folder):
    """A fresh copy, whose copies are made beside it."""
    target = Path(folder) / "library.so"
    subprocess.run([tool("telcc"), "-g", "-shared", "-fPIC", SOURCES / "library.c", "-o", target], check=True,
                   env=clean_environment())
    return target


def grow(what, times, folder, *more, prefix=(), output="/dev/null", **settings):
    """(its drain, the totals) of `growth WHAT TIMES [MORE]` with --on-full=block."""
    totals = Path(folder) / f"totals-{what}-{times}"
    if what == "modules":
        more = (library(folder),)
    options = ["-q", "--on-full=block", "-o", output, f"--totals={totals}"]
    command = [*prefix, tool("telrun"), *options, program(), what, str(times), *map(str, more)]
    process = subprocess.Popen(command, env=clean_environment() | settings)
    drain = Drain(process.pid)
    status = process.wait()
    drain.join()
    assert status == 0, f"{what} {times}: status {status}"
    return drain, json.loads(totals.read_text())


def convert_growth(what, times, folder):
    """(most memory in kB of `telinject convert` for a recording of `growth WHAT TIMES`, the totals)"""
    recording, totals = Path(folder) / f"recording-{what}-{times}", Path(folder) / f"totals-{what}-{times}"
    more = [library(folder)] if what == "modules" else []
    command = [tool("telrun"), "-q", "--on-full=block", f"--record={recording}", program(), what, str(times)]
    subprocess.run([*command, *more], env=clean_environment(), check=True)
    usage = run_measured([tool("telinject"), "convert", "-o", "/dev/null", recording], CONVERT_SECONDS,
                         env=clean_environment() | {"TELEMETRY_TOTALS_FILE": str(totals)})
    assert usage.status == 0
    return usage.kilobytes, json.loads(totals.read_text())


def calls_of(totals, name):
    return sum(row["calls"] for row in totals["functions"] if row["function_name"] == name)
