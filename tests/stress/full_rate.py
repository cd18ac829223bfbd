"""A long run at full rate with the default settings: two threads that do nothing but call.

No call may be lost until what waits in memory has reached its bound and the spool is full. When calls are
lost after that, the stream and the summary have to say so, and what is counted and what is lost have to be
all that was called, to the call.
"""

import json
import os
import re
import shutil
import subprocess
import time
from pathlib import Path

from measure import collector_of
from teltest.run import REPOSITORY, build, clean_environment, tool

SPOOL_BYTES = 1 << 30  # telinject's default
FULL = 0.9  # of the spool: what is read back makes room all the time
LOOK_SECONDS = 0.1


def spool_bytes(drain, folder):
    """What the drain's nameless files in the folder take."""
    size = 0
    for fd in Path(f"/proc/{drain}/fd").iterdir():
        try:
            if os.readlink(fd).startswith(f"{folder}/"):
                size += os.stat(fd).st_blocks * 512
        except OSError:  # closed meanwhile
            continue
    return size


def observe(telrun, folder):
    """[(wall clock in ns, bytes in the spool)] until it has ended."""
    seen = []
    while telrun.poll() is None:
        try:
            if drain := collector_of(telrun.pid):
                seen.append((time.time_ns(), spool_bytes(drain, folder)))
        except OSError:  # it is about to end
            pass
        time.sleep(LOOK_SECONDS)
    return seen


def first_loss(stream):
    """When the stream says that calls were first lost, in ns of the wall clock."""
    with open(stream, encoding="utf-8") as lines:
        times = [json.loads(line)["timestamp_ns"] for line in lines if '"telemetry_loss"' in line]
    return min(times, default=None)


def made_calls(steps):
    """All calls that full_rate.c makes when it calls `step` that often: main, work and now in each thread
    before the first thousand, a_thousand and now for each thousand, and now once more."""
    return steps + 2 * steps // 1000 + 1 + 2 * 3


def build_full_rate():
    return build("full_rate", [REPOSITORY / "tests/stress/full_rate.c"], "gcc", ("-O0",), ("-pthread",))


def run_full_rate(seconds, spool, directory):
    """Problems, each a line. Prints its figures."""
    program = build_full_rate()
    folder = Path(directory) / f"telinject-full-rate-{os.getpid()}"
    folder.mkdir()
    try:
        return _run(program, seconds, spool, folder)
    finally:
        shutil.rmtree(folder)


def _run(program, seconds, spool, folder):
    stream, totals, summary = folder / "events", folder / "totals", folder / "summary"
    # The spool has a folder of its own, so that it can be told from other files. Events of functions are
    # left out: what is of interest here are those of losses.
    (folder / "spool").mkdir()
    with open(summary, "wb") as errors:
        telrun = subprocess.Popen(
            [tool("telrun"), "--summary", "--exclude=*", "-o", stream, f"--totals={totals}",
             f"--spool-dir={folder}/spool", f"--spool-max={spool}", "--", program, str(seconds)],
            env=clean_environment(), stdout=subprocess.PIPE, stderr=errors, text=True)
        start = time.monotonic()
        seen = observe(telrun, folder / "spool")
        took = time.monotonic() - start
    steps = int(telrun.stdout.read())
    told = json.loads(totals.read_text())
    counted = sum(function["calls"] for function in told["functions"])
    lost, made, loss_at = told["lost_calls"], made_calls(steps), first_loss(stream)
    most = max((size for _, size in seen), default=0)
    print(f"\nfull rate for {seconds:g} s: {made:,} calls, {steps / seconds / 1e6:.1f} M/s; {lost:,} lost; "
          f"at most {most >> 20} of {spool >> 20} MiB in the spool; {took:.0f} s until all was written")
    problems = []
    if counted + lost != made:
        problems.append(f"full rate: {made - counted - lost:,} of {made:,} calls are neither counted nor "
                        "lost")
    said = re.search(r"(?m)^ +lost +(.*)$", summary.read_text())
    text = said.group(1) if said else "nothing about it"
    if (lost == 0) != (text == "nothing"):
        problems.append(f"full rate: {lost:,} calls are lost; the summary says {text!r}")
    if lost > 0 and loss_at is None:
        problems.append(f"full rate: {lost:,} calls are lost, and no telemetry_loss event says so")
    if loss_at is not None:
        before = max((size for at, size in seen if at <= loss_at + LOOK_SECONDS * 1e9), default=0)
        print(f"  the first calls were lost with {before >> 20} MiB in the spool")
        if before < FULL * spool:
            problems.append(f"full rate: calls were lost with {before >> 20} of {spool >> 20} MiB in the "
                            "spool")
    return problems
