"""Too little of everything, folders that go, streams that are closed, and other ways to start a program."""

import shutil
import subprocess
import time

from reliability import processes, traces
from reliability.attacks import Attack
from reliability.cgroups import Group
from reliability.place import META, OUT
from reliability.running import UNTRACED, Setup

OURS = 14  # processes and threads of telrun and its drain: a limit for a traced run is that much larger
FIRST_USER = 50_000
TOTALS = f"{META}/totals"  # where the file of events cannot hold all


def _seed_only(rng):
    return {}


# Disks and folders.

def _full_disk(chosen, way):
    return Setup(disks=[(OUT, chosen["bytes"])], environment={"TELEMETRY_TOTALS_FILE": TOTALS})


def _full_spool(chosen, way):
    return Setup(disks=[(f"{META}/spool", chosen["bytes"])],
                 environment={"TELEMETRY_SPOOL_DIR": f"{META}/spool", "TELEMETRY_QUEUE_BYTES": "1048576"})


def _pause_drain(run, chosen, seconds):
    """So that what waits outgrows the queue."""
    for pid in run.find(processes.drains):
        processes.send(pid, 19)
        time.sleep(min(1.0, seconds / 2))
        processes.send(pid, 18)


def _no_folder(chosen, way):
    return Setup(environment={"TELEMETRY_FILE": "/tmp/none/trace.jsonl", "TELEMETRY_SPOOL_DIR": "/tmp/none"})


def _remove_output(run, chosen, seconds):
    run.sleep(chosen["moment"] * seconds)
    shutil.rmtree(run.place.outside(OUT), ignore_errors=True)


# Limits.

def _rlimit(option):
    return lambda chosen, way: Setup(prefix=["prlimit", f"--{option}={chosen['limit']}", "--"])


def _small_files(chosen, way):
    setup = _rlimit("fsize")(chosen, way)
    setup.environment["TELEMETRY_TOTALS_FILE"] = TOTALS
    return setup


def _as_user(chosen, way):
    user = chosen["user"]
    limit = chosen["processes"] + (0 if way == UNTRACED else OURS)
    return Setup(owner=user, prefix=["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups",
                                     "prlimit", f"--nproc={limit}", "--"])


def _group(controller, key):
    def setup(chosen, way):
        limit = chosen[key] + (OURS if way != UNTRACED and controller == "pids" else 0)
        return Setup(group=Group(controller, limit))
    return setup


def _busy(run, chosen, seconds):
    loops = [subprocess.Popen(["sh", "-c", "while :; do :; done"]) for _ in range(chosen["loops"])]

    def end():
        for loop in loops:
            loop.kill()
            loop.wait()
    return end


# Streams and ways to start.

def _choose_streams(rng):
    return {"closed": rng.choice([(0,), (1,), (2,), (0, 1), (1, 2), (0, 1, 2)])}


def _closed(chosen, way):
    closings = " ".join({0: "<&-", 1: ">&-", 2: "2>&-"}[number] for number in chosen["closed"])
    return Setup(prefix=["sh", "-c", f'exec "$@" {closings}', "closed"])


def _reader_leaves(chosen, way):
    streams = "2>&1 " if chosen["both"] else ""
    return Setup(prefix=["bash", "-c", f'"$@" {streams}| head -c {chosen["bytes"]} >/dev/null; '
                                       'exit "${PIPESTATUS[0]}"', "reader"])


ATTACKS = [
    Attack("full disk", lambda rng: {"bytes": rng.choice([0x1000, 0x8000, 0x40000, 0x100000])}, _full_disk,
           permitted=traces.HOLES),
    Attack("full spool", lambda rng: {"bytes": rng.choice([0x1000, 0x40000, 0x100000])}, _full_spool,
           _pause_drain),
    Attack("no output folder", _seed_only, _no_folder, judged=False),
    Attack("output folder removed", lambda rng: {"moment": rng.random()}, act=_remove_output, judged=False),
    Attack("few descriptors", lambda rng: {"limit": rng.randint(8, 48)}, _rlimit("nofile"),
           behaviour="limits", untraced=True),
    Attack("little address space", lambda rng: {"limit": rng.randint(300, 4000) << 20}, _rlimit("as"),
           behaviour="limits", untraced=True),
    Attack("small files", lambda rng: {"limit": rng.choice([0, 4096, 1 << 20])}, _small_files,
           behaviour="limits", permitted=traces.HOLES, untraced=True),
    Attack("small stacks", lambda rng: {"limit": rng.choice([256, 512, 1024]) << 10}, _rlimit("stack"),
           behaviour="limits"),
    Attack("few processes, as a user", lambda rng: {"user": FIRST_USER + rng.randrange(10_000),
                                                    "processes": rng.randint(4, 40)},
           _as_user, behaviour="any", untraced=True),
    Attack("few processes", lambda rng: {"tasks": rng.randint(6, 40)}, _group("pids", "tasks"),
           behaviour="any", untraced=True),
    Attack("little memory", lambda rng: {"bytes": rng.randint(64, 256) << 20}, _group("memory", "bytes"),
           behaviour="limits"),
    Attack("busy processors", lambda rng: {"loops": rng.randint(2, 8)}, act=_busy),
    Attack("one processor", _seed_only, lambda chosen, way: Setup(prefix=["taskset", "-c", "0"])),
    Attack("closed streams", _choose_streams, _closed, behaviour="limits"),
    Attack("reader leaves", lambda rng: {"bytes": rng.choice([0, 1, 100]), "both": rng.random() < 0.4},
           _reader_leaves, behaviour="any"),
    Attack("telrun in telrun", _seed_only, lambda chosen, way: Setup(inner=["TELRUN", "--"])),
    Attack("detached", _seed_only, lambda chosen, way: Setup(inner=["setsid", "-f"], detached=True),
           behaviour="limits"),
    Attack("new session", _seed_only, lambda chosen, way: Setup(inner=["setsid", "-w"]), behaviour="limits"),
]
