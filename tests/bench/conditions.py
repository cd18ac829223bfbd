"""What the machine does meanwhile, and which of it is there for a program and its drain.

    with condition: run([*condition.program, "app"])
    with condition: run(condition.telrun(options, ["app"]))
"""

import ctypes
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

from measure import TELRUN

BUSY_LOOPS = 8
PERIOD_US = 100_000
PR_SET_PDEATHSIG = 1


class Condition:
    """Nothing else to do, every core is there for everything."""

    name = "idle"

    def __init__(self):
        self.prefix = []

    @property
    def program(self):
        """What a program that is not run by telrun has to be started by."""
        return self.prefix

    def telrun(self, options, command):
        return [*self.prefix, TELRUN, *options, "--", *command]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


class Pinned(Condition):
    """The program on one core, the drain on the others, where there are several."""

    name = "pinned"

    def __init__(self):
        super().__init__()
        cores = sorted(os.sched_getaffinity(0))
        self.prefix = ["taskset", "-c", str(cores[0])] if len(cores) > 1 else []
        self.drain = ["taskset", "-c", ",".join(map(str, cores[1:]))] if len(cores) > 1 else []

    def telrun(self, options, command):
        return [*self.drain, TELRUN, *options, "--", *self.prefix, *command]


class OneCore(Condition):
    """Everything on the same core."""

    name = "one-core"

    def __init__(self):
        super().__init__()
        self.prefix = ["taskset", "-c", str(min(os.sched_getaffinity(0)))]


class Busy(Condition):
    """Eight processes that do nothing but use the processors; they end when we do, however that is."""

    name = "busy"

    def __init__(self):
        super().__init__()
        self.loops = []

    def __enter__(self):
        prctl = ctypes.CDLL(None).prctl
        for _ in range(BUSY_LOOPS):
            self.loops.append(subprocess.Popen(["sh", "-c", "while :; do :; done"],
                                               preexec_fn=lambda: prctl(PR_SET_PDEATHSIG, signal.SIGKILL)))
        return self

    def __exit__(self, *_):
        for loop in self.loops:
            loop.kill()
        for loop in self.loops:
            loop.wait()
        self.loops.clear()


class HalfCore(Condition):
    """In a cgroup that may use half of one core's time, as a container may. Needs root."""

    name = "half-core"

    def __init__(self):
        super().__init__()
        self.folder = None

    def __enter__(self):
        try:
            self._make()
        except OSError as error:
            sys.exit(f"{Path(sys.argv[0]).name}: cannot make a cgroup with half a core: {error}; "
                     "leave half-core out with --in")
        self.prefix = ["sh", "-c", f'echo $$ >{self.folder}/cgroup.procs && exec "$@"', "sh"]
        return self

    def _make(self):
        parent, version = cpu_cgroup()
        if version == 2 and "cpu" not in (parent / "cgroup.subtree_control").read_text().split():
            (parent / "cgroup.subtree_control").write_text("+cpu")
        self.folder = parent / f"telinject-{os.getpid()}"
        self.folder.mkdir()
        if version == 2:
            (self.folder / "cpu.max").write_text(f"{PERIOD_US // 2} {PERIOD_US}")
        else:
            (self.folder / "cpu.cfs_period_us").write_text(str(PERIOD_US))
            (self.folder / "cpu.cfs_quota_us").write_text(str(PERIOD_US // 2))

    def __exit__(self, *_):
        until = time.monotonic() + 60
        while True:
            try:
                return self.folder.rmdir()
            except OSError:  # what ended a moment ago is still in it
                if time.monotonic() > until:
                    raise
            time.sleep(0.01)


def cpu_cgroup():
    """(our cgroup for processor time, or the outermost that can be seen; its version: 1 or 2)"""
    mounts = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        left, right = line.split(" - ")
        root, point = left.split()[3:5]
        kind, _, options = right.split(None, 2)
        if kind == "cgroup" and "cpu" in options.split(","):
            mounts.append((1, root, Path(point)))
        elif kind == "cgroup2" and "cpu" in (Path(point) / "cgroup.controllers").read_text().split():
            mounts.append((2, root, Path(point)))
    if not mounts:
        raise OSError("no cgroup file system with the controller cpu is mounted")
    version, root, point = mounts[0]
    pattern = r"(?m)^0::(/.*)$" if version == 2 else r"(?m)^\d+:(?:[^:\n]*,)?cpu(?:,[^:\n]*)?:(/.*)$"
    own = re.search(pattern, Path("/proc/self/cgroup").read_text())
    if own is not None:
        inside = point / os.path.relpath(own.group(1), root)
        if inside.is_dir():
            return inside, version
    return point, version


CONDITIONS = {condition.name: condition for condition in (Condition, OneCore, Busy, HalfCore)}


def conditions_of(text):
    names = text.split(",") if text else [*CONDITIONS]
    for name in names:
        if name not in CONDITIONS:
            sys.exit(f"{Path(sys.argv[0]).name}: there is no condition {name}; there are "
                     f"{', '.join(CONDITIONS)}")
    return [CONDITIONS[name]() for name in names]
