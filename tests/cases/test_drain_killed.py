"""A drain that is killed by force while the program runs: what it had taken until shortly before is on the
disk, in files that can be read to their end, and telrun says from when on something is missing.
"""

import os
import re
import signal
import subprocess
import time

import pytest
from teltest.fake_http import BlackHole
from teltest.proc import comm, wait_for
from teltest.run import build

CALLS = 200
SOURCE = """
#include <unistd.h>
__attribute__((noinline)) static int work(int n) { return n * 3; }
int main(void) {
  char c;
  int sum = 0;
  for (int i = 0; i < %d; i++) sum += work(i);
  if (write(1, "p", 1) != 1 || read(0, &c, 1) < 0) return 1;
  return sum > 0 ? 7 : 1;
}
""" % CALLS
READERS = {".jsonl": ["cat"], ".zst": ["zstd", "-dcq"], ".gz": ["gzip", "-dc"]}


def lines_of(path):
    if not path.exists():
        return 0
    done = subprocess.run([*READERS[path.suffix], path], capture_output=True, check=False)
    return done.stdout.count(b"\n")


@pytest.fixture
def program(tmp_path):
    source = tmp_path / "killed.c"
    source.write_text(SOURCE)
    return build("killed", [source])


def killed(ways, program, path, way, before=None, settings=None):
    """Returns the program's stderr; `before` is waited for before the drain is killed."""
    ways.trace = path  # by which its drain is found
    with open(ways.directory / "stderr", "w+b") as err:
        process = ways.start([program], way, {"TELEMETRY_FILE": str(path), **(settings or {})},
                             stdin=subprocess.PIPE, stderr=err)
        assert process.stdout.read(1) == b"p"
        drain = ways.wait_for_drain()
        if before:
            wait_for(before, "events on the disk")
        os.kill(drain, signal.SIGKILL)
        wait_for(lambda: not comm(drain), "the drain's end")
        process.communicate(b"x", timeout=120)
        assert process.returncode == 7
        err.seek(0)
        return err.read().decode()


@pytest.mark.parametrize("suffix", READERS)
@pytest.mark.parametrize("way", ["telrun", "preload"])
def test_what_was_taken_is_on_the_disk(ways, program, tmp_path, way, suffix):
    """Without the program's doing anything more: not at its end, nor when some amount is reached."""
    path = tmp_path / f"events{suffix}"
    all_of_them = 2 * CALLS + 1  # main is open
    start = time.monotonic()
    err = killed(ways, program, path, way, before=lambda: lines_of(path) >= all_of_them)
    assert lines_of(path) == all_of_them
    assert err.count("\n") == 1
    if way == "telrun":
        missing = re.search(r"events after the first (\d+\.\d) s may be missing", err)
        assert missing and float(missing[1]) <= time.monotonic() - start


@pytest.fixture
def waiting():
    """Settings with which events wait for the cloud's metadata, from an address that does not answer."""
    with BlackHole() as hole:
        yield {"ENABLE_CLOUD_METADATA": "true", "DISABLE_METADATA_CACHE": "true",
               "TELEMETRY_METADATA_WAIT": "5000", "TELEMETRY_AZURE_METADATA_ENDPOINT": hole.url}


def test_nothing_is_there_yet(ways, program, tmp_path, waiting):
    path = tmp_path / "events.jsonl"
    err = killed(ways, program, path, "telrun", settings=waiting)
    assert lines_of(path) == 0
    assert "no event was written" in err


@pytest.fixture
def earlier(tmp_path):
    path = tmp_path / "events.jsonl"
    path.write_text('{"old": 1}\n')
    old = time.time() - 1000
    os.utime(path, (old, old))
    return path


def test_a_file_of_an_earlier_run_is_not_ours(ways, program, earlier, waiting):
    err = killed(ways, program, earlier, "telrun", settings=waiting)
    assert lines_of(earlier) == 1
    assert "no event was written" in err


def test_events_behind_those_of_an_earlier_run_are_ours(ways, program, earlier):
    err = killed(ways, program, earlier, "telrun", before=lambda: lines_of(earlier) > 1)
    assert "may be missing" in err
