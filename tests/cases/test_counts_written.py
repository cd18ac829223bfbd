"""The number of events that the summary calls written is that of the lines which are there: also if the
disk is full, the reader has gone, or nothing can be written at all.
"""

import re
import subprocess

import pytest
from small_disk import needs_mounts, small_disk
from teltest.run import REPOSITORY, build, clean_environment, tool

DEPTH = "12"  # of calls: some 3,000


def program():
    return build("tiny", [REPOSITORY / "tests/bench/tiny.c"], "gcc", ("-O0",))


def told(err):
    """(events written, events lost by the sink) of a summary."""
    events = re.search(r"data .*, ([0-9,]+) events?, ", err)
    lost = re.search(r"sink_error ([0-9,]+)", err)
    number = [int(found[1].replace(",", "")) if found else 0 for found in (events, lost)]
    assert events, err
    return number


def run(words, cwd, before=(), **options):
    return subprocess.run([*before, tool("telrun"), "--summary", *words, program(), DEPTH], cwd=cwd,
                          env=clean_environment(), capture_output=True, timeout=120, check=False, **options)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The number of events of a run that is not disturbed."""
    events, lost = told(run(["-o", "events.jsonl"], tmp_path_factory.mktemp("whole")).stderr.decode())
    assert events > 900 and lost == 0
    return events


@needs_mounts
@pytest.mark.parametrize("threads", ["1", "3"])
@pytest.mark.parametrize("suffix, reader", [(".jsonl", "cat"), (".zst", "zstd -dcq"), (".gz", "gzip -dc")])
@pytest.mark.parametrize("size", ["8k", "64k", "200k"])
def test_full_disk(tmp_path, suffix, reader, size, threads, whole):
    file = f"disk/events{suffix}"
    script = f'"$@"; {reader} {file} | wc -l; {reader} {file} | tail -c 1 | od -An -c'
    done = run([f"--drain-threads={threads}", "-o", file], tmp_path,
               before=[*small_disk(size), "sh", "-c", script, "-"])
    events, lost = told(done.stderr.decode())
    assert events + lost == whole
    lines, end = done.stdout.decode().splitlines()[-2:]
    assert int(lines) == events, done
    assert lost > 0 or suffix != ".jsonl"
    assert events == 0 or "\\n" in end


@pytest.mark.parametrize("file", ["/dev/full", "/proc/version", "/no/such/folder/events.jsonl"])
def test_nothing_can_be_written(tmp_path, file, whole):
    assert told(run(["-o", file], tmp_path).stderr.decode()) == [0, whole]


def test_reader_that_has_enough(tmp_path):
    """What a pipe still holds when its reader goes is lost, too, but nobody can tell; all else is counted."""
    command = f"{tool('telrun')} --summary -o fifo {program()} {DEPTH}"
    script = f"mkfifo fifo; head -n 5 <fifo >lines & {command}; wait"
    done = subprocess.run(["sh", "-c", script], cwd=tmp_path, env=clean_environment(), capture_output=True,
                          timeout=120, check=False)
    events, lost = told(done.stderr.decode())
    assert lost > 0
    assert events <= 5 + 65536 // 200 + 65536 // 200


def test_standard_error_without_a_reader(tmp_path):
    totals = tmp_path / "totals"
    command = f"{tool('telrun')} --totals={totals} {program()} {DEPTH}"
    subprocess.run(["sh", "-c", f"({command} 2>&1 >/dev/null; touch over) | true; "
                    "while ! [ -e over ]; do sleep .1; done"], cwd=tmp_path, env=clean_environment(),
                   capture_output=True, timeout=120, check=False)
    assert int(re.search(r'"lost_calls": (\d+)', totals.read_text())[1]) > 100
