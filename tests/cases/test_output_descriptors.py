"""Events to a descriptor of the program's own (-o /dev/stdout, /dev/fd/N), as a container's log needs:
what it is to the program, not to the drain.
"""

import json
import os
import socket
import subprocess

import pytest
from teltest.run import APPS, build
from ways import TRACED

CALLS = 200
NAMES = ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"]


def program():
    return build("notice", [APPS / "notice.c"], "gcc", ("-O0", "-pthread"), ("-pthread",))


STEPS = ["calls", str(CALLS), "status", "7"]
OWN = b"sum %d" % (CALLS * (CALLS + 1) // 2)


def check(text, own=OWN):
    """All events, and the program's own line among them, each whole."""
    lines = text.splitlines()
    assert lines.count(own) == (1 if own else 0)
    events = [json.loads(line) for line in lines if line != own]
    functions = [event for event in events if event["event_type"].startswith("function_")]
    assert len(functions) == len(events) == 2 * CALLS


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("way", TRACED)
def test_standard_output_is_a_pipe(ways, way, name):
    outcome = ways.run([program(), *STEPS], way, {"TELEMETRY_FILE": name})
    assert (outcome.status, outcome.err) == (7, b"")
    check(outcome.out)


@pytest.mark.parametrize("way", TRACED)
def test_standard_output_is_a_file(ways, tmp_path, way):
    """Whose offset the drain shares with the program, so that neither overwrites the other."""
    with open(tmp_path / "out", "w+b") as file:
        outcome = ways.run([program(), *STEPS], way, {"TELEMETRY_FILE": "/dev/stdout"}, stdout=file)
        assert (outcome.status, outcome.err) == (7, b"")
    check((tmp_path / "out").read_bytes())


@pytest.mark.parametrize("way", TRACED)
def test_standard_output_is_a_socket(ways, way):
    """Which cannot be opened again."""
    ours, theirs = socket.socketpair()
    process = ways.start([program(), *STEPS], way, {"TELEMETRY_FILE": "/dev/stdout"}, stdout=theirs)
    theirs.close()
    text = b""
    while part := ours.recv(65536):
        text += part
    assert process.wait(timeout=60) == 7
    check(text)


@pytest.mark.parametrize("way", TRACED)
def test_standard_error(ways, way):
    outcome = ways.run([program(), *STEPS], way, {"TELEMETRY_FILE": "/dev/stderr"})
    assert (outcome.status, outcome.out) == (7, OWN + b"\n")
    check(outcome.err, own=None)


@pytest.mark.parametrize("number", [3, 9, 250])
@pytest.mark.parametrize("way", TRACED)
def test_another_descriptor(ways, tmp_path, way, number):
    outer = ["bash", "-c", f'exec {number}>"$0" && exec "$@"', str(tmp_path / "log")]
    outcome = ways.run([program(), *STEPS], way, {"TELEMETRY_FILE": f"/dev/fd/{number}"}, outer=outer)
    assert outcome == (7, OWN + b"\n", b"")
    ways.wait_for_no_drain()
    check((tmp_path / "log").read_bytes(), own=None)


@pytest.mark.parametrize("redirection", ["{n}>&-", "{n}</dev/null"])
@pytest.mark.parametrize("number", [1, 3, 4, 5, 6, 7, 8, 40])
@pytest.mark.parametrize("way", TRACED)
def test_descriptor_that_cannot_be_written_to(ways, way, number, redirection):
    """Also where the number is one that we use for something else."""
    outer = ["bash", "-c", f'exec {redirection.format(n=number)} && exec "$@"', "-"]
    name = f"/dev/fd/{number}"
    outcome = ways.run([program(), *STEPS], way, {"TELEMETRY_FILE": name}, outer=outer)
    ways.wait_for_no_drain()
    lines = outcome.err.decode().splitlines()
    assert outcome.status == 7 and len(lines) == 1, outcome
    assert f"TELEMETRY_FILE={name}" in lines[0] and f"descriptor {number} " in lines[0]


@pytest.mark.parametrize("way", TRACED)
def test_a_reader_that_waits_for_the_end_is_not_kept(ways, way):
    """What the program leaves running holds no pipe: the end comes when the program has ended."""
    command = ["sh", "-c", '"$1" calls 200 status 7; s=$?; setsid sleep 600 >/dev/null 2>&1 </dev/null & '
               'echo pid $! >&2; exit $s', "-", program()]
    outcome = ways.run(command, way, {"TELEMETRY_FILE": "/dev/stdout"})
    sleeper = int(outcome.err.split()[-1])
    try:
        assert os.path.exists(f"/proc/{sleeper}")
        assert outcome.status == 7
        check(outcome.out)
    finally:
        os.kill(sleeper, 9)


@pytest.mark.parametrize("way", TRACED)
@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/stderr", "/dev/fd/3"])
def test_totals_need_a_file(ways, tmp_path, way, name):
    outcome = ways.run([program(), *STEPS], way, {"TELEMETRY_TOTALS_FILE": name})
    ways.wait_for_no_drain()
    lines = outcome.err.decode().splitlines()
    assert outcome.status == 7 and len(lines) == 1 and f"TELEMETRY_TOTALS_FILE={name}" in lines[0]


def test_convert(ways, build, tmp_path):  # pylint: disable=redefined-outer-name
    recording = tmp_path / "recording"
    assert ways.run([program(), *STEPS], "telrun", {"TELEMETRY_RECORD": str(recording)}).status == 7
    for name, stream in ("/dev/stdout", 0), ("/dev/fd/1", 0), ("/dev/stderr", 1):
        run = subprocess.run([build / "bin/telinject", "convert", "-q", "-o", name, recording],
                             env=ways.environment | {"TELEMETRY_OUTPUT": "file"}, capture_output=True,
                             check=True, timeout=60)
        texts = [run.stdout, run.stderr]
        assert texts[1 - stream] == b""
        check(texts[stream], own=None)
