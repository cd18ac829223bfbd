"""Off means off: nothing is written, no drain runs, no file, descriptor, mapping, socket or variable of
ours is there, in the program and in its children, under telrun and with a bare LD_PRELOAD."""

import os
import subprocess

import pytest
from teltest.proc import comm, read, wait_for
from teltest.run import APPS, build
from ways import TRACED

OFF = [{"DEBUG": "false"}, {"DEBUG": "0"}, {"DEBUG": "No"}, {"DEBUG": "OFF"}, {"SAMPLE_RATE": "0"},
       {"SAMPLE_RATE": "0.000"}, {"OTEL_SDK_DISABLED": "true"},
       {"DEBUG": "off", "TELEMETRY_ON_FULL": "block", "TELEMETRY_SUMMARY": "always"},
       {"DEBUG": "false", "SAMPLE_RATE": "banana", "TRACEPARENT": "nonsense", "TELEMETRY_OUTPUT": "smoke"}]


@pytest.fixture(params=[True, False], ids=["instrumented", "plain"])
def program(request):
    return build("notice", [APPS / "notice.c"], "gcc", ("-O2", "-pthread"), ("-pthread",), request.param)


def family(pid):
    """The process and all that descend from it."""
    found = [pid]
    for task in os.listdir(f"/proc/{pid}/task"):
        for child in read(f"/proc/{pid}/task/{task}/children").split():
            found += family(int(child))
    return found


def sockets():
    return {line.split()[-1] for line in read("/proc/net/unix").splitlines() if b"telinject" in line}


@pytest.mark.parametrize("settings", OFF, ids=lambda s: ",".join(f"{k}={v}" for k, v in s.items()))
@pytest.mark.parametrize("way", TRACED)
def test_off(ways, program, way, settings):
    before = sockets()
    # In a thread, in a forked child, in a program that it executes.
    steps = f"calls 100 fds thread calls 100 in fork calls 100 in exec {program} calls 100 env pause calls 1"
    process = ways.start([program, *steps.split()], way, settings, stdin=subprocess.PIPE)
    lines = []
    while (line := process.stdout.readline()) != b"paused\n":
        assert line, process.stderr.read()
        lines.append(line)
    processes = family(process.pid)
    assert len(processes) == 2, "telrun is gone, and its place is the program's"
    for pid in processes:
        assert comm(pid) == "notice"
        assert b"memfd:" not in read(f"/proc/{pid}/maps")
        assert set(os.listdir(f"/proc/{pid}/fd")) == {"0", "1", "2"}
    assert len(os.listdir(f"/proc/{processes[1]}/task")) == 1
    assert ways.drains() == []
    new = {name for name in sockets() - before if os.fsencode(ways.runtime) in name}
    assert not new
    out, err = process.communicate(b"x", timeout=60)
    assert (process.returncode, err) == (3, b"")
    assert [line.split()[1] for line in lines if line.startswith(b"fd ")] == [b"0", b"1", b"2"]
    variables = {line.split(b"=")[0] for line in lines if b"=" in line}
    ours = {name for name in variables if name.startswith(b"TELINJECT_")}
    assert ours == set() and (b"LD_PRELOAD" in variables) == (way == "preload")
    assert (b"TRACEPARENT" in variables) == ("TRACEPARENT" in settings)
    assert not ways.trace.exists() and list(ways.runtime.iterdir()) == []


@pytest.mark.parametrize("way", TRACED)
def test_on_leaves_what_off_must_not(ways, program, way):
    """The test above sees what it looks for: the same run, traced."""
    process = ways.start([program, "calls", "1", "pause"], way, stdin=subprocess.PIPE)
    while process.stdout.readline() != b"paused\n":
        pass
    drain = ways.wait_for_drain()
    traced = [pid for pid in family(process.pid) if comm(pid) == "notice"]
    assert len(traced) == 1 and drain not in traced
    assert b"memfd:telinject" in read(f"/proc/{traced[0]}/maps")
    wait_for(ways.trace.exists, "the trace")
    process.communicate(b"x", timeout=60)


@pytest.mark.parametrize("way", TRACED)
def test_children_may_be_off(ways, program, way):
    """A child that is given DEBUG=false is not traced, though its parent is."""
    command = [program, *f"calls 5 fork exec env DEBUG=false {program} calls 7".split()]
    outcome = ways.run(command, way)
    assert outcome.status == 3 and outcome.out.startswith(b"sum 15\nsum 28\n")
    instrumented = b"__cyg_profile_func_enter" in subprocess.run(
        ["nm", "-D", program], capture_output=True, check=True).stdout
    assert ways.functions() == ({"work": 5} if instrumented else {})


@pytest.mark.parametrize("way", TRACED)
def test_off_reports_a_missing_program_as_a_shell_does(ways, way):
    if way == "preload":
        command = ["env", "/no/such/program"]
    else:
        command = ["/no/such/program"]
    assert ways.run(command, way, {"DEBUG": "false"}).status == 127
