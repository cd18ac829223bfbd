"""Runs a program once in a place, untraced or traced, and collects what it showed and left."""

import os
import re
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass, field

from reliability import processes
from reliability.outcome import Outcome, files_below, split_notices
from reliability.place import META, OUT, OURS, OWN, needed_below
from reliability.programs import FOLDER
from teltest.run import count_hook

UNTRACED, TELRUN, PRELOAD = "untraced", "telrun", "preload"
TRACED = (TELRUN, PRELOAD)
TRACE = f"{OUT}/trace.jsonl"

MOST_BYTES = 4 << 30
DRAIN_SECONDS = 90  # a drain may write that long after all has ended, on a busy machine


@dataclass
class Setup:
    """What a run is given besides its program.

    prefix: a command before telrun, or before the program; inner: one between telrun and the program, in
    which TELRUN stands for another telrun. judge: None; "exact": calls by function, told at the end of each
    process; "shared": calls in all, whatever happens. owner: the user that the run's folders belong to.
    disks: [(folder, bytes)], small ones. detached: the program goes on when the first process has ended.
    group: a cgroups.Group.
    """
    prefix: list = field(default_factory=list)
    inner: list = field(default_factory=list)
    environment: dict = field(default_factory=dict)
    judge: str | None = None
    owner: int = 0
    disks: list = field(default_factory=list)
    detached: bool = False
    group: object = None


class Run:
    def __init__(self, place, installation, program, way, setup=None):
        self.place, self.installation, self.program, self.way = place, installation, program, way
        self.setup = setup or Setup()
        self.process = None
        self.started = 0.0
        self.patience = program.timeout * installation.slowness
        self.killed = 0  # processes of the program that we have killed

    # Start.

    def start(self):
        place, setup = self.place.fresh(self.setup.owner), self.setup
        for path, size in setup.disks:
            place.small_disk(path, size)
        script = place.outside(META) / "run.sh"
        script.write_text((FOLDER / "common.bash").read_text() + self.program.script)
        environment = place.environment(setup.environment)
        libraries = self._judge_libraries(environment)
        if self.way != UNTRACED:
            environment.setdefault("TELEMETRY_FILE", TRACE)
        if self.way == PRELOAD:
            libraries.append(self.installation.library)
        words = ["env", "LD_PRELOAD=" + ":".join(map(str, libraries))] if libraries else []
        if self.way == TELRUN:
            words += [self.installation.telrun, "--"]
        inner = [self.installation.telrun if word == "TELRUN" else word for word in setup.inner]
        words += [*inner, "bash", f"{META}/run.sh"]
        if setup.group is not None:
            setup.group.make(place.mark)
        joining = setup.group.prefix if setup.group is not None else []
        command = [*place.enter(), *joining, *setup.prefix, *words]
        self.started = time.monotonic()
        with open(place.folder / "stdout", "wb") as out, open(place.folder / "stderr", "wb") as err:
            self.process = subprocess.Popen(
                [str(word) for word in command], env=environment, stdin=subprocess.DEVNULL,
                stdout=out, stderr=err, start_new_session=True)
        processes.adopt(place.mark, self.process)
        return self

    def _judge_libraries(self, environment):
        if self.setup.judge == "exact":
            environment["COUNT_HOOK_FILE"] = f"{META}/counts"
            return [count_hook()]
        if self.setup.judge == "shared":
            (self.place.outside(META) / "count").write_bytes(bytes(64))
            os.chmod(self.place.outside(META) / "count", 0o666)
            environment["COUNT_SHARED_FILE"] = f"{META}/count"
            return [self.installation.shared_counter()]
        return []

    # While it runs.

    @property
    def mark(self):
        return self.place.mark

    def sleep(self, seconds):
        """Ends early if the run does."""
        until = time.monotonic() + seconds
        while self.process.poll() is None and (left := until - time.monotonic()) > 0:
            time.sleep(min(left, 0.005))
        return self.process.returncode is None

    def find(self, find, seconds=5):
        """find(mark), once it is not empty; empty if the run has ended before."""
        until = time.monotonic() + seconds
        while not (found := find(self.mark)) and self.process.poll() is None and time.monotonic() < until:
            time.sleep(0.002)
        return found

    def kill(self, pids, number=signal.SIGKILL):
        for pid in list(pids):
            self.killed += processes.send(pid, number)

    # The end.

    def finish(self):
        """(Outcome, [what is left of ours]). Waits for the program, for what it left, and for drains."""
        status = self._wait()
        seconds = time.monotonic() - self.started
        stuck = [processes.describe(pid) for pid, _ in processes.of_mark(self.mark)] if status is None else []
        left = processes.wait_until_gone(lambda: processes.of_program(self.mark),
                                         self.patience if self.setup.detached else 1.5)
        self.kill(pid for pid, _ in left)
        if status is None:
            try:
                self.process.wait(5)  # telrun, whose program is dead now
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        ours = self._leftovers()
        if self.setup.group is not None:
            self.setup.group.remove()
        outcome = self._outcome(status, seconds, [name for _, name in left])
        if stuck:
            outcome.notices.append("did not end: " + "; ".join(stuck))
        return outcome, ours

    def _wait(self):
        """The status; None if it does not end in time. A program that writes too much is a fault of ours."""
        until = time.monotonic() + self.patience
        while time.monotonic() < until:
            try:
                return self.process.wait(0.5)
            except subprocess.TimeoutExpired:
                trace = self.place.outside(TRACE)
                if trace.exists() and trace.stat().st_size > MOST_BYTES:
                    for pid, _ in processes.of_mark(self.mark):
                        processes.send(pid, signal.SIGKILL)
                    self.process.wait()
                    raise RuntimeError(f"{self.program.name} writes more than {MOST_BYTES} bytes of events")
        return None

    def _leftovers(self):
        seconds = DRAIN_SECONDS * self.installation.slowness
        found = processes.wait_until_gone(
            lambda: [*processes.drains(self.mark), *processes.telruns(self.mark)], seconds)
        ours = [f"process {processes.describe(pid)}" for pid in found]
        processes.kill_all(found)
        for pid, name in processes.of_mark(self.mark):  # whatever its name
            ours.append(f"process {name} {processes.describe(pid)}")
            processes.send(pid, 9)
        for where, name in OWN.items():
            ours += [f"{where}/{entry}" for entry in self._entries(name)
                     if "telinject" in entry and entry not in needed_below(where)]
        return ours

    def left_recordings(self):
        """What a drain that was told to stop has left to convert."""
        return sorted((self.place.folder / "vartmp").glob("telinject-left-*"))

    def _entries(self, name):
        return sorted(os.listdir(self.place.folder / name))

    def _outcome(self, status, seconds, processes_left):
        place = self.place
        err, notices = split_notices(self._read("stderr"))
        left = [f"process {name}" for name in sorted(processes_left)]
        for where, name in OWN.items():
            hidden = needed_below(where) | ({*OURS} if where == "/tmp" else set())
            left += [f"{where}/{entry}" for entry in self._entries(name)
                     if entry not in hidden and "telinject" not in entry]
        descriptors = self._read("tmp/meta/descriptors").replace(os.fsencode(place.folder), b"PLACE")
        descriptors = re.sub(rb"(?m)^.* (\d+ -> )", rb"\1", re.sub(rb"(?m)^total.*\n", b"", descriptors))
        return Outcome(status, self._read("stdout"), err, descriptors,
                       files_below(place.tmp / "work", place.tmp / "home"), left, notices, seconds)

    def _read(self, name):
        try:
            return (self.place.folder / name).read_bytes()
        except OSError:
            return b""

    def keep(self, folder):
        """Copies what there is, for whoever looks at a finding; traces of more than 64 MB are left out."""
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self.place.folder, folder, symlinks=True, ignore_dangling_symlinks=True,
                        ignore=_too_large, dirs_exist_ok=True)


def _too_large(folder, names):
    too_large = {"shm", "home"} & set(names)
    for name in names:
        path = os.path.join(folder, name)
        info = os.lstat(path)
        if not os.path.isdir(path) and (info.st_size > 64 << 20 or not os.path.isfile(path)):
            too_large.add(name)
    return too_large
