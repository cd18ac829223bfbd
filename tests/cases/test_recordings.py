"""telrun --record and telinject convert, and the spool: the same events, by way of a disk."""

import json
import os
import signal
import struct
import subprocess

import pytest

from small_disk import needs_mounts, small_disk
from teltest import schema
from teltest.check import check_tree
from teltest.events import normalised
from teltest.exact import check_exact
from teltest.programs import lua
from teltest.run import APPS, COMPILERS, build, clean_environment, convert, library, run, tool


@pytest.fixture(scope="module", params=COMPILERS)
def program(request):
    return build("recorded", [APPS / "recorded.c"], request.param, ("-O0",), ("-pthread",))


@pytest.mark.parametrize("mode", ["telrun", "preload"])
def test_converted_events_are_the_live_ones(program, mode, tmp_path):
    live = run([program], tmp_path / "live.jsonl", mode, cwd=tmp_path)
    recorded = run([program], tmp_path / "none.jsonl", mode, cwd=tmp_path,
                   settings={"TELEMETRY_RECORD": str(tmp_path / "recording")})
    assert live.status == recorded.status == 3
    assert recorded.stdout == recorded.stderr == b""
    assert not (tmp_path / "none.jsonl").exists()
    convert(tmp_path / "recording", tmp_path / "converted.jsonl")
    events = normalised(tmp_path / "converted.jsonl")
    assert events == normalised(tmp_path / "live.jsonl")
    assert len(events) > 2000
    assert any('"SIGKILL"' in event for event in events)
    assert not schema.check_file(tmp_path / "converted.jsonl").problems
    assert not check_tree(tmp_path / "converted.jsonl").problems


@pytest.mark.long
def test_exact_by_way_of_a_recording(figure):
    figure(check_exact(lua("gcc", "-O0"), "lua-recorded", recorded=True))


@pytest.mark.long
def test_exact_by_way_of_the_spool(figure):
    """Memory for a hundredth of it, disk for the rest."""
    figure(check_exact(lua("gcc", "-O0"), "lua-spooled", {"TELEMETRY_QUEUE_BYTES": "1048576"}))


def test_one_folder_takes_several_recordings(program, tmp_path):
    for _ in range(2):
        run([program], tmp_path / "none", settings={"TELEMETRY_RECORD": str(tmp_path / "recording")})
    assert len(list((tmp_path / "recording").glob("*.telrec"))) == 2
    convert(tmp_path / "recording", tmp_path / "both.jsonl")
    entries = [line for line in (tmp_path / "both.jsonl").read_text().splitlines()
               if '"function_entry"' in line and '"function_name":"main"' in line]
    assert len(entries) == 2


def test_recordings_that_break_off(program, tmp_path):
    """Whatever is cut away, what is left gives valid events and one line that says so."""
    run([program], tmp_path / "none", settings={"TELEMETRY_RECORD": str(tmp_path / "recording")})
    whole = next((tmp_path / "recording").iterdir()).read_bytes()
    cut, events = tmp_path / "cut.telrec", tmp_path / "cut.jsonl"
    seen = set()
    for size in [0, 7, 8, 20, 200, *range(300, len(whole), max(1, len(whole) // 15)), len(whole) - 1]:
        cut.write_bytes(whole[:size])
        events.unlink(missing_ok=True)
        done = subprocess.run([tool("telinject"), "convert", "-q", "-o", events, cut],
                              env=clean_environment(), capture_output=True, text=True, check=False)
        assert done.returncode == 1, size
        assert done.stderr.count("\n") == 1 and str(cut) in done.stderr, done.stderr
        if events.exists() and events.stat().st_size > 0:
            assert not schema.check_file(events).problems
            assert not check_tree(events).problems
            seen.add(len(events.read_text().splitlines()))
    assert max(seen, default=0) > 0


def test_what_breaks_off_ends_after_what_was_read_last(program, tmp_path):
    """A batch has records that are later than the moment up to which it vouches for all."""
    run([program], tmp_path / "none", settings={"TELEMETRY_RECORD": str(tmp_path / "recording")})
    whole = bytearray(next((tmp_path / "recording").iterdir()).read_bytes())
    at, first_watermark = 8, None
    while at < len(whole) * 2 // 3:
        kind, _, size = struct.unpack_from("<IIQ", whole, at)
        if kind == 3:
            first_watermark = first_watermark or whole[at + 24:at + 32]
            whole[at + 24:at + 32] = first_watermark
        at += 16 + size
    cut, events = tmp_path / "cut.telrec", tmp_path / "cut.jsonl"
    cut.write_bytes(whole[:len(whole) * 2 // 3])
    subprocess.run([tool("telinject"), "convert", "-q", "-o", events, cut], env=clean_environment(),
                   capture_output=True, check=False)
    assert len(events.read_text().splitlines()) > 100
    assert not check_tree(events).problems


@pytest.mark.parametrize("arguments, words", [
    (["/etc/passwd"], "is no recording"),
    (["/nonexistent"], "cannot read /nonexistent"),
    (["/usr/share"], "no recording"),
    ([], "no recording given"),
    (["--banana", "x"], "--banana"),
])
def test_convert_says_what_is_wrong(arguments, words):
    done = subprocess.run([tool("telinject"), "convert", *arguments], env=clean_environment(),
                          capture_output=True, text=True, check=False)
    assert done.returncode != 0 and done.stdout == ""
    assert words in done.stderr and done.stderr.count("\n") == 1


def test_recording_into_a_folder_that_cannot_be_made(program, tmp_path):
    (tmp_path / "file").write_text("")
    result = run([program], tmp_path / "none", settings={"TELEMETRY_RECORD": str(tmp_path / "file")})
    assert result.status == 3
    assert result.stderr.count(b"\n") == 1 and b"nothing is recorded" in result.stderr
    assert not (tmp_path / "none").exists()
    assert os.stat(tmp_path / "file").st_size == 0


@pytest.mark.long
@needs_mounts
@pytest.mark.parametrize("mode", ["telrun", "preload"])
def test_a_disk_that_fills_up(mode, tmp_path):
    """Whole calls are left out, and counted; the program does not notice, the user is told once."""
    busy, calls = build("busy", [APPS / "output/busy.c"], "gcc", ("-O0",), ("-pthread",)), 100000
    script = 'mkdir disk/to; "$@"; s=$?; sleep 0.3; cat disk/to/*.telrec > copy.telrec; exit $s'
    telrun = [tool("telrun"), "--"] if mode == "telrun" else ["env", f"LD_PRELOAD={library()}"]
    done = subprocess.run(
        [*small_disk("1m"), "sh", "-c", script, "-", *telrun, busy, str(calls)], cwd=tmp_path, timeout=300,
        stdin=subprocess.DEVNULL, capture_output=True, check=False, env=clean_environment() | {
            "TELEMETRY_RECORD": "disk/to", "TELEMETRY_QUEUE_BYTES": "1048576", "TELEMETRY_SPOOL_MAX": "0",
            "TELEMETRY_EXIT_WAIT": "600000"})
    assert (done.returncode, done.stdout) == (0, b"")
    assert done.stderr.count(b"\n") == 1 and b"No space left" in done.stderr and b"disk/to" in done.stderr
    result = subprocess.run([tool("telinject"), "convert", "-q", "--totals=totals", "-o", "events.jsonl",
                             "copy.telrec"],
                            cwd=tmp_path, capture_output=True, check=False, timeout=300,
                            env=clean_environment())
    assert (result.returncode, result.stdout, result.stderr) == (0, b"", b"")
    totals = json.loads((tmp_path / "totals").read_text())
    counted = sum(function["calls"] for function in totals["functions"])
    assert counted > 0 and totals["lost_calls"] > 0
    assert counted + totals["lost_calls"] == 2 * calls + 2 * calls // 10 + 3
    assert not schema.check_file(tmp_path / "events.jsonl").problems
    assert not check_tree(tmp_path / "events.jsonl").problems


def test_events_go_to_standard_output(program, tmp_path):
    run([program], tmp_path / "none", settings={"TELEMETRY_RECORD": str(tmp_path / "recording")})
    command = [tool("telinject"), "convert", "-q", tmp_path / "recording"]
    to_stderr = [*command[:-1], "-O", "stderr", command[-1]]
    start = {"env": clean_environment(), "capture_output": True, "timeout": 120}
    convert(tmp_path / "recording", tmp_path / "file")
    done = subprocess.run(command, check=True, **start)
    assert (done.stdout, done.stderr) == ((tmp_path / "file").read_bytes(), b"")
    # As asked for; with a reader that goes; without one.
    done = subprocess.run(to_stderr, check=True, **start)
    assert (done.stdout, done.stderr) == (b"", (tmp_path / "file").read_bytes())
    done = subprocess.run(["bash", "-c", '"$@" | head -n 1; exit ${PIPESTATUS[0]}', "bash", *command],
                          check=False, **start)
    assert done.returncode in (0, 128 + signal.SIGPIPE)
    assert done.stdout == (tmp_path / "file").read_bytes().splitlines(keepends=True)[0] and done.stderr == b""
    for closed, words in ((">&-", b"standard output, which is closed"),
                          ("> /dev/full", b"cannot write events")):
        done = subprocess.run(["sh", "-c", f'"$@" {closed}', "sh", *command], check=False, **start)
        assert done.returncode != 0 and done.stderr.count(b"\n") == 1 and words in done.stderr
