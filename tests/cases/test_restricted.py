"""Programs that restrict themselves: what can be recorded still is, what cannot is counted and told.

An attempt that fails changes nothing. A seccomp filter forbids system calls, which records do not need.
In the strict mode and after PR_TSC_SIGSEGV the thread may not read the clock: it is a fault.
"""

import signal

import pytest
from teltest.run import APPS, build
from traced import tree

CALLS = 10  # of work(), each time
WITH_LOOP = CALLS + 1  # and of after()


@pytest.mark.parametrize("way", ["nothing", "probes", "filter", "narrow"])
def test_all_is_recorded(traced, way):
    run = traced.run("ends/restricted.c", way)
    assert run.result.stdout == b""
    how = " !process_exit" if way == "narrow" else ""
    assert run.outline() == tree(f"""
        main{how}
          before
            work x{CALLS}
          after
            work x{CALLS}
        """)


@pytest.mark.parametrize("way", ["strict", "strict-crash"])
def test_strict_mode(traced, way):
    run = traced.run("ends/restricted.c", way, status=-signal.SIGSEGV if way == "strict-crash" else 0,
                     may_lose=True)
    assert run.trace.lost == {"restricted": WITH_LOOP}
    assert run.trace.calls() == {"main": 1, "before": 1, "work": CALLS}
    main = run.trace.only("main")
    expected = ("killed", "SIGSEGV") if way == "strict-crash" else ("process_exit", None)
    assert (main.how, main.error) == expected


@pytest.mark.parametrize(("way", "lost"), [
    ("clock", WITH_LOOP), ("clock-thread", 2 * WITH_LOOP), ("clock-child", 2 * WITH_LOOP)])
def test_clock_forbidden(traced, way, lost):
    """Threads and children that are made then inherit it."""
    run = traced.run("ends/restricted.c", way, may_lose=True)
    assert run.trace.lost == {"restricted": lost}
    assert run.trace.calls() == {"main": 1, "before": 1, "work": CALLS}


def test_clock_allowed_again(traced):
    run = traced.run("ends/restricted.c", "clock-and-back", may_lose=True)
    assert run.trace.lost == {"restricted": WITH_LOOP}
    assert run.outline() == tree(f"""
        main
          before
            work x{CALLS}
          after
            work x{CALLS}
        """)


def test_calls_that_are_not_sampled_are_not_lost(traced):
    run = traced.run("ends/restricted.c", "clock", settings={"SAMPLE_RATE": "0"}, may_be_empty=True)
    assert run.trace.calls() == {}


def test_summary_tells(ways):
    program = build("restricted", [APPS / "ends/restricted.c"], link_flags=("-pthread",))
    outcome = ways.run([program, "strict"], "telrun", {"TELEMETRY_SUMMARY": "always"})
    assert f"  lost       restricted {WITH_LOOP}\n" in outcome.err.decode()
