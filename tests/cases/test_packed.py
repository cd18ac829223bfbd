"""Records that wait are packed: in a recording, and in memory when much waits there."""

import json
import os
import subprocess
import time

import pytest

from teltest.run import APPS, build, clean_environment, run, tool

BYTES_OF_A_CALL = 48  # entry and exit, as a lane has them
CALLS = 500000


@pytest.fixture(scope="module")
def busy():
    return build("busy", [APPS / "output/busy.c"], "gcc", ("-O0",), ("-pthread",))


def test_a_recording_is_small(busy, tmp_path):
    assert run([busy, str(CALLS)], tmp_path / "none",
               settings={"TELEMETRY_RECORD": str(tmp_path), "TELEMETRY_ON_FULL": "block"}).status == 0
    size, = (path.stat().st_size for path in tmp_path.glob("*.telrec"))
    assert size / (2 * CALLS * 1.1) < BYTES_OF_A_CALL / 4


def test_memory_takes_more_than_its_bytes(tmp_path):
    """Nothing is written, for nobody reads, and no disk is allowed: what is kept, was kept in memory."""
    limit = 4 << 20
    bursts = build("bursts", [APPS / "output/bursts.c"], "gcc", ("-O0",))
    os.mkfifo(tmp_path / "pipe")
    pipe = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    command = [tool("telrun"), "--on-full=drop", f"--queue-bytes={limit}", "--spool-max=0", "--detail=lean",
               "--totals=totals", "-o", "pipe", "--", bursts, "200", "5000", "ended"]
    with subprocess.Popen(command, cwd=tmp_path, stdin=subprocess.DEVNULL, env=clean_environment()) as telrun:
        while not (tmp_path / "ended").exists() and telrun.poll() is None:
            time.sleep(0.01)
        os.set_blocking(pipe, True)
        while os.read(pipe, 1 << 20):
            pass
    os.close(pipe)
    assert telrun.returncode == 0
    totals = json.loads((tmp_path / "totals").read_text())
    kept = sum(function["calls"] for function in totals["functions"])
    assert totals["lost_calls"] > 0  # it was full
    # As they are, this program's calls are at most a fifth of a million there, with the lanes'.
    assert kept > 4 * limit / BYTES_OF_A_CALL
