"""Without pidfd_open (Linux before 5.3, a sandbox) the drain still sees how a process ends, and goes."""

import errno
import os
import signal
import subprocess

import pytest
from teltest.forest import Forest
from teltest.run import APPS, build, clean_environment, library, tool
from traced import Traced, wait_until_all_is_written

PIDFD_OPEN = 434


def without_pidfd(error, command):
    program = build("without", [], plain_sources=[APPS / "ends/without.c"])
    return [program, str(PIDFD_OPEN), str(error), *command]


def run(traced, error, *arguments, launcher=()):
    """Under telrun its drain is without pidfd_open, too; a bare preload's is in any case."""
    program = [*launcher, traced.program("ends/chain.c"), *arguments]
    environment = clean_environment() | {"TELEMETRY_OUTPUT": "file", "TELEMETRY_FILE": str(traced.path)}
    if traced.mode == "preload":
        command = without_pidfd(error, ["env", f"LD_PRELOAD={library()}", *program])
    else:
        command = without_pidfd(error, [tool("telrun"), *program])
    result = subprocess.run(command, env=environment, capture_output=True, timeout=120, check=False)
    assert result.stderr == b""
    wait_until_all_is_written(traced.path)
    trace = Forest(traced.path)
    assert not trace.checker.problems
    return result.returncode, trace


@pytest.mark.parametrize("error", [errno.ENOSYS, errno.EPERM], ids=["ENOSYS", "EPERM"])
@pytest.mark.parametrize("end", ["SIGSEGV", "3"])
@pytest.mark.parametrize("steps", [(), ("exec",), ("fork",), ("fork", "exec")], ids=" ".join)
def test_end(traced, error, end, steps):
    status, trace = run(traced, error, *steps, end)
    assert status == (0 if "fork" in steps else -signal.SIGSEGV if end == "SIGSEGV" else 3)
    mains = [(span.how, span.error) for span in trace.named("main")]
    last = ("killed", end) if end == "SIGSEGV" else ("", "exit_status")
    # Of the forked child only its last program's main was entered in it.
    assert mains[-1] == (last if steps != ("fork",) else ("", None))
    assert [span.error for span in trace.named("end")] == ["SIGSEGV" if end == "SIGSEGV" else None]
    if "exec" in steps:
        assert [span.how for span in trace.named("execute")] == ["exec"]


def test_killed_and_not_waited_for(tmp_path):
    """It leaves no record of its end; its zombie tells."""
    traced = Traced("gcc", "-O0", "preload", tmp_path)
    command = without_pidfd(errno.ENOSYS,
                            ["env", f"LD_PRELOAD={library()}", traced.program("ends/chain.c"), "SIGKILL"])
    environment = clean_environment() | {"TELEMETRY_OUTPUT": "file", "TELEMETRY_FILE": str(traced.path)}
    process = subprocess.Popen(command, env=environment)
    try:
        wait_until_all_is_written(traced.path)
        span = Forest(traced.path).only("main")
        assert (span.how, span.error) == ("killed", "SIGKILL")
        assert os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None
    finally:
        assert process.wait() == -signal.SIGKILL
