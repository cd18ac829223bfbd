"""Many programs and few descriptors (ulimit -n): all are traced as long as there is one for each, and who is
not is told."""

import os
import re
import subprocess
from contextlib import contextmanager

import pytest
from teltest.proc import wait_for
from teltest.run import build
from traced import wait_until_all_is_written

ROOT = os.geteuid() == 0
# Root's drain raises its limit.
AS_NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if ROOT else []


@pytest.fixture
def program(tmp_path):
    source = tmp_path / "sleeper.c"
    source.write_text("#include <stdlib.h>\n#include <unistd.h>\n"
                      "__attribute__((noinline)) static int work(int n) { return n * 3; }\n"
                      "int main(int argc, char** argv) {\n"
                      "  work(argc); return argc > 1 && usleep(atoi(argv[1]) * 1000) != 0; }\n")
    return build("sleeper", [source])


@pytest.fixture
def open_place(ways, place):
    place.chmod(0o777)
    ways.runtime.chmod(0o777)
    return place


def run(ways, place, limit, script):
    err = place / "err"
    command = [*AS_NOBODY, "prlimit", f"--nofile={limit}:{limit}", ways.telrun, "sh", "-c", script]
    with open(err, "wb") as file:
        outcome = ways.run(command, "alone", {"TELEMETRY_SUMMARY": "always"}, stderr=file)
    wait_until_all_is_written(ways.trace)
    assert outcome.status == 0, err.read_text()
    functions = ways.functions()
    return functions.get("main", 0), err.read_text()


def at_once(program, count, ms):
    return f"for i in $(seq {count}); do {program} {ms} & done; wait"


def test_two_for_each_would_be_too_many(ways, open_place, program):
    """300 programs at once, 512 descriptors."""
    traced, err = run(ways, open_place, 512, at_once(program, 300, 6000))
    assert traced == 300, err
    assert "lost       nothing" in err and "not traced" not in err


def test_who_is_not_traced_is_told(ways, open_place, program):
    count = 300
    traced, err = run(ways, open_place, 128, at_once(program, count, 8000))
    told = re.search(r"not traced (\d+) programs?: too many .* at once .*ulimit -n 128.*ulimit -n 4096", err)
    assert told, err
    # On a busy machine some wait so long for others to arrive that they tell a reason of their own.
    all_told = sum(int(number) for number in re.findall(r"^ *not traced (\d+) ", err, re.M))
    assert 60 < traced < count and traced + all_told == count, (traced, err)


@pytest.mark.long
def test_one_after_the_other(ways, open_place, program):
    """Ten times as many as there are descriptors: nothing is kept of those that have ended."""
    traced, err = run(ways, open_place, 128, f"i=0; while [ $i -lt 2000 ]; do {program}; i=$((i+1)); done")
    assert traced == 2000, err
    assert "not traced" not in err


@contextmanager
def slowed(pid):
    """That process gets a sixtieth of a processor."""
    core = min(os.sched_getaffinity(0))
    for thread in os.listdir(f"/proc/{pid}/task"):
        os.sched_setaffinity(int(thread), {core})
        os.setpriority(os.PRIO_PROCESS, int(thread), 19)
    busy = subprocess.Popen(["taskset", "-c", str(core), "sh", "-c", "while :; do :; done"])
    try:
        yield
    finally:
        busy.kill()
        busy.wait()


def test_ended_ones_make_room_for_those_that_wait(ways, open_place, program):
    """The drain falls behind programs that run one after the other."""
    count, err = 400, open_place / "err"
    script = f"read go; i=0; while [ $i -lt {count} ]; do {program}; i=$((i+1)); done"
    command = [*AS_NOBODY, "prlimit", "--nofile=128:128", ways.telrun, "sh", "-c", script]
    with open(err, "wb") as file:
        process = ways.start(command, "alone", {"TELEMETRY_SUMMARY": "always"}, stdin=subprocess.PIPE,
                             stderr=file)
        with slowed(ways.wait_for_drain()):
            process.communicate(b"go\n", timeout=120)
    assert process.returncode == 0
    wait_until_all_is_written(ways.trace)
    assert ways.functions().get("main", 0) == count, err.read_text()
    assert "not traced" not in err.read_text()


def test_the_program_keeps_its_limit(ways):
    command = ["prlimit", "--nofile=100:200", ways.telrun, "sh", "-c", "ulimit -Sn; ulimit -Hn"]
    outcome = ways.run(command, "alone")
    assert outcome.out == b"100\n200\n"


def test_drain_raises_its_own_limit(ways, program):
    process = ways.start(["prlimit", "--nofile=100:200", ways.telrun, program, "2000"], "alone")
    drain = ways.wait_for_drain()

    def soft():
        with open(f"/proc/{drain}/limits") as file:
            return int(re.search(r"Max open files +(\d+)", file.read())[1])

    wait_for(lambda: soft() >= 200, "the drain's limit")
    assert process.wait(timeout=60) == 0
