"""Programs in other namespaces than the drain's."""

import time

import pytest
from teltest.events import read_events
from teltest.run import build
from traced import wait_until_all_is_written
from ways import TRACED


@pytest.mark.parametrize("way", TRACED)
@pytest.mark.parametrize("ahead", [100_000, -60])
def test_time_namespace(ways, tmp_path, way, ahead):
    """Where the clock is CLOCK_MONOTONIC, which is another there. The wall clock is not."""
    program = build_hello(tmp_path)
    before = time.time_ns()
    outcome = ways.run(["unshare", "-T", "--monotonic", ahead, "--fork", program], way,
                       {"TELEMETRY_CLOCK": "monotonic"})
    assert outcome == (0, b"", b"")
    wait_until_all_is_written(ways.trace)
    times = [event["timestamp_ns"] for event in read_events(ways.trace)
             if event["event_type"].startswith("function_")]
    assert len(times) == 4
    margin = 1_000_000_000
    assert before - margin < min(times) <= max(times) < time.time_ns() + margin


def build_hello(folder):
    source = folder / "hello.c"
    source.write_text("__attribute__((noinline)) static int work(int n) { return n * 3; }\n"
                      "int main(int argc, char** argv) { return argv == 0 ? 1 : work(argc) - 3; }\n")
    return build("hello", [source])
