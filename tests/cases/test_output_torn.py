"""A file whose last line or frame was torn by a drain that was killed: the next run loses nothing of
its own, and says what it found.
"""

import json
import subprocess

import pytest
from teltest.run import REPOSITORY, build, clean_environment, run, tool
from ways import TRACED

READERS = {".zst": ["zstd", "-dcq"], ".gz": ["gzip", "-dc"]}


def tiny():
    return build("tiny", [REPOSITORY / "tests/bench/tiny.c"], "gcc", ("-O0",))


def lines_of(path):
    if path.suffix in READERS:
        return subprocess.run([*READERS[path.suffix], path], capture_output=True, check=True,
                              timeout=60).stdout.splitlines()
    return path.read_bytes().splitlines()


def again(path, ways, way):
    """Another run that appends; returns what was said, with the drain gone."""
    outcome = ways.run([tiny(), "5"], way, {"TELEMETRY_FILE": str(path)})
    ways.wait_for_no_drain()
    assert outcome[:2] == (0, b"5\n")
    return outcome.err.decode().splitlines()


@pytest.mark.parametrize("suffix", [".jsonl", ".zst", ".gz"])
@pytest.mark.parametrize("way", TRACED)
def test_the_next_run_is_whole(ways, tmp_path, way, suffix):
    path = tmp_path / f"events{suffix}"
    assert run([tiny(), "5"], path).status == 0
    first = lines_of(path)
    size = path.stat().st_size
    with open(path, "r+b") as file:
        file.truncate(size - 20)
    said = again(path, ways, way)
    assert len(said) == 1 and str(path) in said[0] and "torn" in said[0]
    lines = lines_of(path)
    own = lines[-len(first):]
    assert [json.loads(line)["sequence"] for line in own] == list(range(1, len(first) + 1))
    before = lines[:-len(first)]
    if suffix == ".jsonl":
        assert before == [*first[:-1], first[-1][:-19]]
    else:
        assert before == first[:len(before)]
    assert again(path, ways, way) == []
    assert len(lines_of(path)) == len(lines) + len(first)


def parsed(line):
    try:
        return json.loads(line)
    except ValueError:
        return None


@pytest.mark.parametrize("suffix", [".jsonl", ".zst", ".gz"])
def test_several_that_append_at_once(tmp_path, suffix):
    """To a file with a torn end: each has all of its events in it, whoever finds the end."""
    path = tmp_path / f"events{suffix}"
    assert run([tiny(), "5"], path).status == 0
    own = len(lines_of(path))
    with open(path, "r+b") as file:
        file.truncate(path.stat().st_size - 20)
    command = [tool("telrun"), "-q", "-o", path, tiny(), "5"]
    several = 6
    processes = [subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                  env=clean_environment()) for _ in range(several)]
    for process in processes:
        process.communicate(timeout=120)
        assert process.returncode == 0
    events = [parsed(line) for line in lines_of(path)]
    torn = sum(event is None for event in events)
    assert torn == (1 if suffix == ".jsonl" else 0)
    by_process = {}
    for event in events:
        if event is not None:
            by_process.setdefault(event["process"]["pid"], []).append(event["sequence"])
    whole = [numbers for numbers in by_process.values() if numbers == list(range(1, own + 1))]
    assert len(whole) >= several
