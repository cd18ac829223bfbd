"""A control group for one run: a bound of memory, or of processes. Both versions of control groups."""

import contextlib
import os
import time
from pathlib import Path

FILES = {1: {"memory": "memory.limit_in_bytes", "pids": "pids.max"},
         2: {"memory": "memory.max", "pids": "pids.max"}}


def parent_of(controller):
    """(folder, version) of the outermost group with that controller, or None."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        left, right = line.split(" - ")
        point = Path(left.split()[4])
        kind, _, options = right.split(None, 2)
        if kind == "cgroup" and controller in options.split(","):
            return point, 1
        if kind == "cgroup2" and controller in (point / "cgroup.controllers").read_text().split():
            return point, 2
    return None


class Group:
    def __init__(self, controller, limit):
        self.controller, self.limit = controller, limit
        self.folder = None

    @staticmethod
    def can_be_made(controller):
        return parent_of(controller) is not None

    @staticmethod
    def remove_stale():
        """Those of a campaign that was killed; the empty ones."""
        for controller in FILES[2]:
            if parent := parent_of(controller):
                for folder in parent[0].glob("telinject-job-*"):
                    with contextlib.suppress(OSError):
                        folder.rmdir()

    def make(self, name):
        parent, version = parent_of(self.controller)
        if version == 2 and self.controller not in (parent / "cgroup.subtree_control").read_text().split():
            (parent / "cgroup.subtree_control").write_text(f"+{self.controller}")
        self.folder = parent / f"telinject-{name}"
        self.folder.mkdir(exist_ok=True)
        (self.folder / FILES[version][self.controller]).write_text(str(self.limit))

    @property
    def prefix(self):
        """The shell that joins becomes the command."""
        return ["sh", "-c", f'echo $$ >{self.folder}/cgroup.procs && exec "$@"', "group"]

    def remove(self):
        until = time.monotonic() + 10
        while self.folder is not None and self.folder.exists():
            try:
                os.rmdir(self.folder)
            except OSError:  # what ended a moment ago is still in it
                if time.monotonic() > until:
                    return
                time.sleep(0.02)
