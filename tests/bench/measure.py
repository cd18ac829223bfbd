"""What all parts of the benchmark share: running a command, its memory and losses, medians."""

import ctypes
import json
import mmap
import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

from teltest.run import clean_environment  # noqa: E402

REPOSITORY = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("TELINJECT_BUILD", REPOSITORY / "build")).resolve()
SOURCES = REPOSITORY / "tests/bench"
TELRUN = BUILD / "bin/telrun"
TELINJECT = BUILD / "bin/telinject"
LIBRARY = BUILD / "lib/libtelinject.so"
QUEUE_BYTES = 8 << 30  # so that the drain takes all, whatever the encoder does
LOOK_SECONDS = 0.02


def run(command, stdin=None, watch=None, **settings):
    """stdin: a file to read from. watch: sees the process every few milliseconds. settings: environment
    variables; without them telinject's are its defaults, whatever is in ours."""
    environment = {**clean_environment(), **{name: str(value) for name, value in settings.items()}}
    words = [str(word) for word in command]
    with open(stdin or os.devnull, "rb") as source, subprocess.Popen(
            words, env=environment, text=True, stdin=source, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE) as process:
        while True:
            try:
                output, errors = process.communicate(timeout=LOOK_SECONDS if watch else None)
                break
            except subprocess.TimeoutExpired:
                watch.look(process.pid)
    if process.returncode != 0:
        sys.exit(f"{Path(sys.argv[0]).name}: {' '.join(words)}: status {process.returncode}\n{errors}")
    return subprocess.CompletedProcess(words, 0, output, errors)


def touch_memory(size):
    """So much free memory is there, not merely promised. A virtual machine gives what was free for some
    seconds back to its host, and the next touch of a page then takes ten times as long (14 us, measured):
    a drain would be measured by that, and one run in three. Half of what is available at most."""
    available = next(line for line in Path("/proc/meminfo").read_text().splitlines()
                     if line.startswith("MemAvailable:"))
    size = min(size, int(available.split()[1]) * 1024 // 2)
    memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    memory.madvise(mmap.MADV_HUGEPAGE)
    ctypes.memset((ctypes.c_char * size).from_buffer(memory), 1, size)


def timed(command, said=None, **options):
    """Seconds from start to end. said: a list that gets what was written to stderr."""
    start = time.monotonic_ns()
    done = run(command, **options)
    took = (time.monotonic_ns() - start) / 1e9
    if said is not None:
        said.append(done.stderr)
    return took


@dataclass
class MainRun:
    """One run of a program that time_main.c is linked into."""

    ns: int               # that main() took
    cpu_ns: int           # processor time of the process in it, without the drain's
    program_kb: int       # its largest resident memory
    collector_kb: int     # the drain's, or the peer's; 0 without one
    errors: str           # what was written to stderr
    lost: int | None = None  # calls; None where that cannot be told


def main_run(folder, command, **options):
    times = folder / "times"
    times.unlink(missing_ok=True)
    collector = CollectorMemory()
    done = run(command, watch=collector, BENCH_TIME_FILE=times, **options)
    ns, cpu_ns, kb = map(int, times.read_text().split()[:3])
    return MainRun(ns, cpu_ns, kb, collector.kb, done.stderr)


def totals_of(path):
    return json.loads(Path(path).read_text())


def totals_of_recording(recording, folder):
    """What telinject convert makes of a recording, without the events."""
    totals = folder / "recording-totals"
    run([TELINJECT, "convert", "-q", "--exclude=*", "-o", "/dev/null", f"--totals={totals}", recording])
    return totals_of(totals)


def spread(values):
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def drains():
    """The process ids of all drains."""
    for comm in Path("/proc").glob("[0-9]*/comm"):
        try:
            if is_drain(comm.parent.name):
                yield int(comm.parent.name)
        except OSError:  # it has ended
            continue


def is_drain(pid):
    return Path(f"/proc/{pid}/comm").read_text().startswith("telinject-drain")


def let_drains_finish(seconds=60):
    """Until none has used processor time for a while: what one was given to do is not the next one's."""
    def used():
        found = []
        for pid in drains():
            try:
                found.append(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13])
            except OSError:  # it has ended
                continue
        return found
    before, until = [], time.monotonic() + seconds
    while (now := used()) != before and time.monotonic() < until:
        before = now
        time.sleep(0.2)


def collector_of(started):
    """The process that takes what the program records: telrun's drain, or uftrace itself. None if it is not
    there yet."""
    if Path(f"/proc/{started}/comm").read_text().strip() == "uftrace":
        return started
    below = Path(f"/proc/{started}/task/{started}/children").read_text().split()
    return next(filter(is_drain, below), None)


class CollectorMemory:
    """The largest resident memory in kB of a command's collector, as far as it was seen."""

    def __init__(self):
        self.kb = 0
        self.pid = None

    def look(self, started):
        try:
            self.pid = self.pid or collector_of(started)
            text = Path(f"/proc/{self.pid}/status").read_text()
        except OSError:  # it has ended, or not started
            return
        if "VmHWM:" in text:
            self.kb = max(self.kb, int(text.split("VmHWM:")[1].split()[0]))
