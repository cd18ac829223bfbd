"""What all parts of the benchmark share: running a command, the cores, medians."""

import ctypes
import mmap
import os
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("TELINJECT_BUILD", REPOSITORY / "build")).resolve()
SOURCES = REPOSITORY / "tests/bench"
TELRUN = BUILD / "bin/telrun"
TELINJECT = BUILD / "bin/telinject"
LIBRARY = BUILD / "lib/libtelinject.so"
QUEUE_BYTES = 8 << 30  # so that the drain takes all, whatever the encoder does


def run(command, **settings):
    environment = {**os.environ, **{name: str(value) for name, value in settings.items()}}
    done = subprocess.run([str(word) for word in command], env=environment, text=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if done.returncode != 0:
        sys.exit(f"bench: {' '.join(map(str, command))}: status {done.returncode}\n{done.stderr}")
    return done


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


def timed(command, **settings):
    """Seconds from start to end."""
    start = time.monotonic_ns()
    run(command, **settings)
    return (time.monotonic_ns() - start) / 1e9


def main_ns(folder, command, **settings):
    """What main() took, and the program's largest resident memory in kB: time_main.c writes it."""
    times = folder / "times"
    times.unlink(missing_ok=True)
    done = run(command, BENCH_TIME_FILE=times, **settings)
    ns, kb = times.read_text().split()[:2]
    return int(ns), int(kb), done


def spread(values):
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


class Pinned:
    """The program on one core, the drain on another, where there are two."""

    def __init__(self):
        cores = sorted(os.sched_getaffinity(0))
        self.program = ["taskset", "-c", str(cores[0])] if len(cores) > 1 else []
        self.drain = ["taskset", "-c", ",".join(map(str, cores[1:]))] if len(cores) > 1 else []

    def telrun(self, options, command):
        return [*self.drain, TELRUN, *options, "--", *self.program, *command]


def drains():
    """The process ids of all drains."""
    for comm in Path("/proc").glob("[0-9]*/comm"):
        try:
            if comm.read_text().startswith("telinject-drain"):
                yield int(comm.parent.name)
        except OSError:  # it has ended
            continue


def let_drains_finish(seconds=60):
    """Until none has used processor time for a while: what one was given to do is not the next one's."""
    def used():
        return [Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13] for pid in drains()]
    before, until = None, time.monotonic() + seconds
    while (now := used()) != before and time.monotonic() < until:
        before = now
        time.sleep(0.2)


class DrainMemory(threading.Thread):
    """The largest resident memory in kB of the drains that run meanwhile, seen every few milliseconds."""

    def __init__(self):
        super().__init__(daemon=True)
        self.kb = 0
        self._over = threading.Event()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self.join()

    def run(self):
        while not self._over.wait(0.01):
            for pid in drains():
                try:
                    text = Path(f"/proc/{pid}/status").read_text()
                except OSError:  # it has ended
                    continue
                if "VmHWM:" in text:
                    self.kb = max(self.kb, int(text.split("VmHWM:")[1].split()[0]))
