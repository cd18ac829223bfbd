"""Events into .zst and .gz: what zstd and zcat print is what a plain file would hold, whatever happens
on the way.
"""

import os
import signal
import subprocess
import time

import pytest
from teltest.check import check_tree
from teltest.run import APPS, REPOSITORY, build, clean_environment, run, tool

READERS = {".zst": ["zstd", "-dcq"], ".gz": ["gzip", "-dc"]}
TESTERS = {".zst": ["zstd", "-tq"], ".gz": ["gzip", "-t"]}


@pytest.fixture(params=[".zst", ".gz"])
def suffix(request):
    return request.param


def tiny():
    return build("tiny", [REPOSITORY / "tests/bench/tiny.c"], "gcc", ("-O0",))


def plain(path):
    """What is in a compressed file, in a plain one; it must be valid to its end."""
    subprocess.run([*TESTERS[path.suffix], path], check=True, timeout=60)
    unpacked = path.with_suffix(".plain")
    with open(unpacked, "wb") as file:
        subprocess.run([*READERS[path.suffix], path], stdout=file, check=True, timeout=60)
    return unpacked


@pytest.mark.parametrize("mode", ["telrun", "preload"])
def test_all_of_it_is_there(tmp_path, suffix, mode):
    """Several megabytes: more than one frame."""
    settings = {"TELEMETRY_ON_FULL": "block"}
    result = run([tiny(), "18"], tmp_path / f"events{suffix}", mode, settings)
    assert (result.status, result.stdout, result.stderr) == (0, b"2584\n", b"")
    checker = check_tree(plain(result.events_path))
    assert not checker.problems, str(checker.problems)
    assert checker.lines == 2 * (2 * 4181 - 1 + 1)
    assert result.events_path.stat().st_size * 10 < (tmp_path / "events.plain").stat().st_size


def test_another_run_appends(tmp_path, suffix):
    path = tmp_path / f"events{suffix}"
    first = run([tiny(), "5"], path)
    size = path.stat().st_size
    lines = plain(path).read_bytes().splitlines()
    environment = clean_environment() | {"TELEMETRY_FILE": str(path), "TELEMETRY_SUMMARY": "never"}
    subprocess.run([tool("telrun"), tiny(), "5"], env=environment, stdout=subprocess.DEVNULL,
                   check=True, timeout=60)
    assert first.status == 0 and path.stat().st_size > size
    both = plain(path).read_bytes().splitlines()
    assert len(both) == 2 * len(lines)
    assert both[:len(lines)] == lines


def test_a_program_that_runs_on_can_be_read(tmp_path, suffix):
    """What it did is in the file within seconds, and valid, though nothing has ended."""
    path = tmp_path / f"events{suffix}"
    program = build("layers", [APPS / "output/waits.c"], "gcc", ("-O0",))
    environment = clean_environment() | {"TELEMETRY_FILE": str(path), "TELEMETRY_SUMMARY": "never"}
    process = subprocess.Popen([tool("telrun"), program], env=environment)
    try:
        deadline = time.monotonic() + 60
        text = b""
        while b"function_exit" not in text and time.monotonic() < deadline:
            time.sleep(0.1)
            if path.exists() and path.stat().st_size > 0:
                text = plain(path).read_bytes()
        assert b'"event_type":"function_exit"' in text
        assert text.endswith(b"\n")
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == -signal.SIGTERM
    checker = check_tree(plain(path))
    assert not checker.problems, str(checker.problems)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a file system")
def test_a_full_disk_leaves_whole_lines(tmp_path, suffix):
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128k", "none", folder], check=True)
    try:
        result = run([tiny(), "18"], folder / f"events{suffix}",
                     settings={"TELEMETRY_ON_FULL": "block", "TELEMETRY_SUMMARY": "always"})
        lines = plain_elsewhere(result.events_path, tmp_path).read_bytes()
    finally:
        subprocess.run(["umount", folder], check=True)
    assert (result.status, result.stdout) == (0, b"2584\n")
    summary = result.stderr.decode()
    assert summary.count("cannot write events to file") == 1
    written = lines.count(b"\n")
    assert lines.endswith(b"\n") and 0 < written < 2 * 8362
    assert f"sink_error {2 * 8362 - written:,}" in summary
    assert f"{written:,} events," in summary


def plain_elsewhere(path, folder):
    copy = folder / path.name
    copy.write_bytes(path.read_bytes())
    return plain(copy)


def test_the_summary_says_how_to_read_it(tmp_path, suffix):
    path = tmp_path / f"events{suffix}"
    result = run([tiny(), "8"], path, settings={"TELEMETRY_SUMMARY": "always"})
    command = next(line for line in result.stderr.decode().splitlines() if "  next " in line)
    command = command.removeprefix("  next").strip().replace("> 1)", ">= 0)")
    shown = subprocess.run(command, shell=True, capture_output=True, text=True, check=True,
                           timeout=60).stdout
    assert '"fib"]' in shown


def test_what_cannot_be_opened(tmp_path, suffix):
    path = tmp_path / f"folder{suffix}"
    path.mkdir()
    result = subprocess.run([tool("telrun"), "-q", "-o", path, tiny(), "3"], capture_output=True,
                            env=clean_environment(), timeout=60, check=True)
    assert result.stdout == b"2\n"
    assert result.stderr.decode() == (
        f"telinject: TELEMETRY_FILE={path}: Is a directory; no events are written, the program runs "
        "on: choose another file\n")
