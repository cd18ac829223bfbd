"""The flight recorder: nothing is written until something happens; then what came before is there."""

import os
import signal
import subprocess
import time

import pytest
from sampled import Served, check_events, environment, program
from teltest.events import read_events
from teltest.proc import children_of, comm, wait_for
from teltest.run import APPS, COMPILERS, build, clean_environment, library, run, tool


def dump(pid):
    return subprocess.run([tool("telinject"), "dump", str(pid)], env=clean_environment(),
                          capture_output=True, text=True, timeout=60, check=False)


class Waiting:
    """The program, which makes a call each millisecond, under telrun or with a bare preload."""

    def __init__(self, mode, variables):
        command = [tool("telrun")] if mode == "telrun" else []
        if mode == "preload":
            variables = variables | {"LD_PRELOAD": str(library())}
        self.started = subprocess.Popen([*command, program(), "wait"], env=variables,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert self.started.stdout.readline() == b"ready\n"
        self.pid = self.started.pid
        if mode == "telrun":
            found = {comm(child): child for child in children_of(self.started.pid)}
            self.drain, self.pid = found["telinject-drain"], found["requests"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.kill(self.pid, signal.SIGKILL)
        self.started.communicate()


def test_nothing_happens(tmp_path):
    file = tmp_path / "events.jsonl"
    result = run([program(), "loop", "3"], file, settings={"TELEMETRY_FLIGHT_RECORDER": "30s,16MB",
                                                           "TELEMETRY_SUMMARY": "always"})
    assert result.status == 0
    assert file.read_bytes() == b""
    assert b"recorder   written 0 times after errors" in result.stderr
    assert b"telrun: 14 spans in 1 process" in result.stderr  # the totals count all


@pytest.mark.parametrize("detail", ["full", "lean"])
@pytest.mark.parametrize("compiler", COMPILERS)
def test_crash(compiler, detail, tmp_path):
    file = tmp_path / "events.jsonl"
    crashes = build("crashes", [APPS / "errors/crashes.cpp"], compiler,
                    ("-O1", "-w", "-fstack-protector-all"), ("-lpthread",))
    result = run([crashes, "segv"], file, settings={"TELEMETRY_FLIGHT_RECORDER": "64MB,crash",
                                                    "TELEMETRY_DETAIL": detail})
    assert result.status == -signal.SIGSEGV
    if detail == "full":
        events = list(read_events(file))
        check_events(events)
        exits = {event["function_name"]: event for event in events
                 if event["event_type"] == "function_exit"}
        assert {"segv", "dies", "main"} <= {name.split("(")[0] for name in exits}
        assert any(event.get("error", {}).get("type") == "SIGSEGV" for event in exits.values())
    else:
        assert b"SIGSEGV" in file.read_bytes()


def test_error_storm(tmp_path):
    """Errors ask for six dumps a minute at most; what comes after is kept."""
    file = tmp_path / "events.jsonl"
    served = Served([program()], 17, environment(file, TELEMETRY_FLIGHT_RECORDER="30s,16MB",
                                                 TELEMETRY_SUMMARY="always"))
    for number in range(6):
        before = file.stat().st_size if number else 0
        served.ask([7, 1])
        wait_for(lambda: file.exists() and file.stat().st_size > before, "a dump")
    served.ask([7] * 5)
    _, _, stderr = served.finish()
    assert b"recorder   written 6 times after errors" in stderr
    assert b"more reasons were ignored: 6 dumps a minute at most" in stderr
    check_events(list(read_events(file)), missing_parents=True)


@pytest.mark.parametrize("mode", ["telrun", "preload"])
def test_dump(mode, tmp_path):
    file = tmp_path / "events.jsonl"
    with Waiting(mode, environment(file, TELEMETRY_FLIGHT_RECORDER="30s,16MB")) as program_:
        assert not file.exists() or file.read_bytes() == b""
        first = dump(program_.pid)
        assert (first.returncode, first.stderr) == (0, "")
        assert first.stdout.endswith(f" events written to file {file}\n")
        events = list(read_events(file))
        assert first.stdout.startswith(f"{len(events):,} ")
        assert len(events) > 600
        started = check_events(events)
        # It goes on: the second has what came since then.
        time.sleep(0.05)
        second = dump(program_.started.pid)  # of telrun, too
        assert second.returncode == 0
        more = list(read_events(file))
        assert len(more) > len(events)
        assert len(check_events(more)) > len(started)


def test_signal(tmp_path):
    file = tmp_path / "events.jsonl"
    with Waiting("telrun", environment(file, TELEMETRY_FLIGHT_RECORDER="5s,asked")) as program_:
        os.kill(program_.drain, signal.SIGUSR1)
        wait_for(lambda: file.stat().st_size > 0, "a dump")
        assert comm(program_.drain) == "telinject-drain"


def test_signal_without_recorder(tmp_path):
    with Waiting("telrun", environment(tmp_path / "events.jsonl")) as program_:
        os.kill(program_.drain, signal.SIGUSR1)
        time.sleep(0.1)
        assert comm(program_.drain) == "telinject-drain"
        answer = dump(program_.pid)
        assert (answer.returncode, answer.stdout) == (1, "")
        assert answer.stderr == (f"telinject: nothing is kept of process {program_.pid}: no flight recorder "
                                 "is on: start it with telrun --flight-recorder=30s,64MB\n")


def test_not_traced():
    sleeper = subprocess.Popen(["sleep", "60"], env=clean_environment())
    try:
        answer = dump(sleeper.pid)
        assert (answer.returncode, answer.stdout) == (1, "")
        assert answer.stderr == f"telinject: process {sleeper.pid} is not traced\n"
    finally:
        sleeper.kill()
        sleeper.wait()
    answer = dump(sleeper.pid)
    assert (answer.returncode, answer.stderr) == (1, f"telinject: there is no process {sleeper.pid}\n")
    assert dump("x").returncode == 2


def test_drain_is_gone(tmp_path):
    with Waiting("telrun", environment(tmp_path / "events.jsonl",
                                       TELEMETRY_FLIGHT_RECORDER="30s")) as program_:
        os.kill(program_.drain, signal.SIGKILL)
        wait_for(lambda: dump(program_.pid).returncode == 1, "the drain's end")
        answer = dump(program_.pid)
        assert answer.stderr == (f"telinject: the drain of process {program_.pid} is gone: nothing is kept "
                                 "of it any more\n")


def test_both(tmp_path):
    file = tmp_path / "events.jsonl"
    result = run([program(), "loop", "8"], file, settings={"TELEMETRY_FLIGHT_RECORDER": "30s",
                                                           "TELEMETRY_TAIL_SAMPLING": "rate=0.1"})
    assert result.status == 0
    assert result.stderr == (b"telinject: TELEMETRY_TAIL_SAMPLING is not used with "
                             b"TELEMETRY_FLIGHT_RECORDER, which writes all that it keeps\n")
    names = [event["function_name"] for event in read_events(file)
             if event["event_type"] == "function_exit"]
    assert sum("try_handle" in name for name in names) == 8  # the last one failed
