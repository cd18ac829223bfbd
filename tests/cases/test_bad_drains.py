"""A drain that dies, stops or cannot be started; sessions that make no sense, or are gone: one clear line at
most, while the program runs on as it would. Missing parts of telrun are in test_telrun_faults.py.
"""

import os
import resource
import shutil
import signal
import socket
import subprocess
import time
from contextlib import ExitStack, contextmanager

import pytest
from bad_input import CALLS, one_line, pipe_that_takes_nothing, program, run
from teltest.proc import comm, read, wait_for
from ways import TRACED

MANY = 400_000  # more than a lane holds
FLOOD = f"calls 10 pause calls {MANY} status 7"
SUM = MANY * (MANY + 1) // 2 + 55


@pytest.mark.parametrize("on_full", ["drop", "block"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP, signal.SIGABRT])
@pytest.mark.parametrize("way", TRACED)
def test_drain_ends_or_stops_in_mid_run(ways, program, tmp_path, way, number, on_full):
    with open(tmp_path / "stderr", "w+b") as file:
        process = ways.start([program, *FLOOD.split()], way, {"TELEMETRY_ON_FULL": on_full},
                             stdin=subprocess.PIPE, stderr=file, preexec_fn=no_core)
        assert process.stdout.readline() == b"sum 55\n" and process.stdout.readline() == b"paused\n"
        assert ways.functions(10) == {"work": 10}  # it is at work
        drain = ways.wait_for_drain()
        os.kill(drain, number)
        if number == signal.SIGSTOP:
            wait_for(lambda: b"\nState:\tT" in read(f"/proc/{drain}/status"), "the drain's stop")
        else:
            wait_for(lambda: not comm(drain), "the drain's end")
        process.stdin.write(b"x")
        process.stdin.flush()
        # The program has its result, whatever the drain does; under telrun it is waited for.
        assert process.stdout.readline() == b"sum %d\n" % SUM
        if number == signal.SIGSTOP and way == "telrun":
            wait_for(lambda: b"\n" in read(tmp_path / "stderr"), "telrun's line")
            os.kill(drain, signal.SIGCONT)
        assert process.wait(timeout=120) == 7
        if number == signal.SIGSTOP and way == "preload":
            os.kill(drain, signal.SIGCONT)
        ways.wait_for_no_drain()
        file.seek(0)
        lines = file.read().decode().splitlines()
    process.communicate()
    if way == "telrun":
        one_line(lines, "the drain")
    elif number == signal.SIGSTOP:
        assert lines == []  # it goes on
    else:
        one_line(lines, "telinject: the drain has died")
    if number == signal.SIGSTOP:
        assert ways.functions(1).get("work", 0) > 0


def no_core():
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


@pytest.mark.parametrize("session", ["", "x", "2:r:", "2:p:t:1048576:0:" + 32 * "a" + ":",
                                     "2:r:t:262144:0:" + 32 * "0" + ":/no/such", ":" * 60, "2:" + "9" * 3000])
def test_session_that_makes_no_sense(ways, program, session):
    lines = run(ways, "preload", program, changes={"TELINJECT_SESSION": session})
    assert len(lines) <= 1
    for way in ("telrun",):
        ways.forget()
        assert run(ways, way, program, changes={"TELINJECT_SESSION": session}) == []
        assert ways.functions(CALLS) == {"work": CALLS}


@pytest.mark.parametrize("way", TRACED)
def test_session_gone(ways, program, way):
    """Socket and drain are gone when a program is executed: it runs, in silence, and, where there was no
    telrun, with a drain of its own."""
    with open(ways.directory / "stderr", "w+b") as file:
        steps = f"pause exec {program} calls {CALLS} status 7"
        process = ways.start([program, *steps.split()], way, stdin=subprocess.PIPE, stderr=file)
        assert process.stdout.readline() == b"paused\n"
        shutil.rmtree(ways.runtime)
        ways.runtime.mkdir()
        drain = ways.wait_for_drain()
        os.kill(drain, signal.SIGKILL)
        wait_for(lambda: not comm(drain), "the drain's end")
        out, _ = process.communicate(b"x", timeout=120)
        assert (process.returncode, out) == (7, b"sum 500500\n")
        ways.wait_for_no_drain()
        file.seek(0)
        lines = file.read().decode().splitlines()
    if way == "telrun":
        one_line(lines, "the drain ended early")
    else:
        assert lines == []
        assert ways.functions(CALLS) == {"work": CALLS}


def test_session_directory_removed(ways, program):
    """The abstract name is left."""
    steps = f"pause exec {program} calls {CALLS} status 7"
    process = ways.start([program, *steps.split()], "telrun", stdin=subprocess.PIPE)
    assert process.stdout.readline() == b"paused\n"
    shutil.rmtree(ways.runtime)
    ways.runtime.mkdir()
    assert process.communicate(b"x", timeout=120) == (b"sum 500500\n", b"")
    assert process.returncode == 7
    assert ways.functions(CALLS) == {"work": CALLS}


@contextmanager
def crowded(addresses):
    """The queues of connections that wait at these addresses are full."""
    with ExitStack() as stack:
        for address in addresses:
            full = False
            while not full:
                client = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET))
                client.setblocking(False)
                full = client.connect_ex(address) != 0
        yield


def abstract_address(drain):
    """Where this drain listens, by its descriptors."""
    links = (f"/proc/{drain}/fd/{fd}" for fd in os.listdir(f"/proc/{drain}/fd"))
    open_here = {os.readlink(link).removeprefix("socket:[").rstrip("]") for link in links}
    with open("/proc/net/unix") as table:
        for line in table:
            fields = line.split()
            if len(fields) == 8 and fields[6] in open_here and fields[7].startswith("@telinject-"):
                return "\0" + fields[7][1:]
    raise AssertionError("it listens nowhere")


@contextmanager
def crowded_drain(ways, way):
    """The drain is stopped and takes no more connections."""
    drain = ways.wait_for_drain()
    os.kill(drain, signal.SIGSTOP)
    try:
        addresses = [abstract_address(drain)]
        addresses += [str(path) for path in ways.runtime.rglob("*") if path.is_socket()]
        assert len(addresses) == (2 if way == "telrun" else 1)
        with crowded(addresses):
            yield
    finally:
        os.kill(drain, signal.SIGCONT)


@pytest.mark.alone
@pytest.mark.parametrize("way", TRACED)
def test_crowded_drain(ways, program, way):
    """The start of a program waits for two seconds in all, not for each address. The program then runs on
    untraced: the drain is alive, so no second one is started."""
    steps = f"pause exec {program} calls {CALLS} pause status 7"
    process = ways.start([program, *steps.split()], way, stdin=subprocess.PIPE)
    assert process.stdout.readline() == b"paused\n"
    with crowded_drain(ways, way):
        start = time.monotonic()
        process.stdin.write(b"x")
        process.stdin.flush()
        assert process.stdout.readline() == b"sum 500500\n"
        assert time.monotonic() - start < 4
        assert process.stdout.readline() == b"paused\n"
        assert len(ways.drains()) == 1
    assert process.communicate(b"x", timeout=120)[1] == b""
    assert process.returncode == 7
    ways.wait_for_no_drain()
    assert "work" not in ways.functions()


# What lies beside the library. (telrun's view of it: test_telrun_faults.py.)

@pytest.mark.parametrize("drain", ["missing", "directory", "not executable", "text", "no interpreter", "half",
                                   "fails at once"])
def test_drain_beside_the_library(ways, program, build, tmp_path, drain):
    library = tmp_path / "copy/lib/libtelinject.so"
    path = tmp_path / "copy/libexec/telinject/telinject-drain"
    library.parent.mkdir(parents=True)
    path.parent.mkdir(parents=True)
    shutil.copy2(build / "lib/libtelinject.so", library)
    if drain == "directory":
        path.mkdir()
    elif drain == "not executable":
        path.write_bytes(b"x")
    elif drain != "missing":
        good = (build / "libexec/telinject/telinject-drain").read_bytes()
        path.write_bytes({"text": b"rubbish", "no interpreter": b"#!/no/such\n", "half": good[:5000],
                          "fails at once": b"#!/bin/false\n"}[drain])
        path.chmod(0o755)
    ways.library = str(library)
    lines = run(ways, "preload", program)
    if drain in ("half", "fails at once"):
        return  # it could be started; the program has run and did not wait
    one_line(lines, "telinject: ", "libexec/telinject/telinject-drain", "untraced")
    # A child of an untraced program says nothing more than its parent did.
    lines = run(ways, "preload", program, f"exec {program} calls {CALLS} status 7")
    assert len(lines) <= 2


@pytest.mark.parametrize("full", [False, True], ids=["nobody reads", "full"])
def test_line_of_the_library_that_nobody_takes(ways, program, build, tmp_path, full):
    """It neither kills the program (SIGPIPE) nor keeps it."""
    shutil.copy2(build / "lib/libtelinject.so", tmp_path / "libtelinject.so")
    ways.library = str(tmp_path / "libtelinject.so")
    with pipe_that_takes_nothing(full) as stderr:
        command = [program, *f"calls {CALLS} status 7".split()]
        assert ways.run(command, "preload", stderr=stderr)[:2] == (7, b"sum 500500\n")


def test_library_alone(ways, program, build, tmp_path):
    shutil.copy2(build / "lib/libtelinject.so", tmp_path / "libtelinject.so")
    ways.library = str(tmp_path / "libtelinject.so")
    one_line(run(ways, "preload", program), "telinject-drain", "untraced")
