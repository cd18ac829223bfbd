"""However a process ends, what it did is in the trace, and what never returned is closed there."""

import os
import signal
import subprocess

import pytest
from traced import Traced, tree, wait_until_all_is_written
from teltest.forest import Forest
from teltest.run import clean_environment, library

WITHIN_CALLS = """
    main !{how}
      outer !{how}
        inner !{how}
          after
      stay !{how} [thread]
    """

BY_ITSELF = ("exit", "_exit", "_Exit", "quick_exit", "exit_group")
KILLED = {"abort": signal.SIGABRT, "SIGSEGV": signal.SIGSEGV, "SIGKILL": signal.SIGKILL,
          "SIGTERM": signal.SIGTERM, "trap": signal.SIGILL}


def test_return_from_main(traced):
    assert traced.run("ends/ways.c", "return", status=3).outline() == tree("""
        main !exit_status
          outer
            inner
              after x2
            after
          stay !process_exit [thread]
        """)


@pytest.mark.parametrize("way", BY_ITSELF)
def test_exit_within_calls(traced, way):
    expected = tree(WITHIN_CALLS.replace("main !{how}", "main !{how} !exit_status")
                    .replace("{how}", "process_exit"))
    assert traced.run("ends/ways.c", way, status=3).outline() == expected


@pytest.mark.parametrize("way", KILLED)
def test_killed_within_calls(traced, way):
    number = KILLED[way]
    run = traced.run("ends/ways.c", way, status=-number)
    assert run.outline() == tree(WITHIN_CALLS.replace("{how}", f"killed !{number.name}"))


def test_exit_in_another_thread(traced):
    assert traced.run("ends/exit_in_thread.c", status=5).outline() == tree("""
        main !process_exit !exit_status
          wait_for_it !process_exit
          run !process_exit [thread]
            leave !process_exit
              after
        """)


def test_main_thread_ends_first(traced):
    assert traced.run("ends/main_thread_first.c").outline() == tree("""
        main !thread_end
          leave !thread_end
          run [thread]
            after
        """)


def test_uncaught_exception(traced):
    """Nothing is unwound: std::terminate runs on top of all that was open."""
    run = traced.run("ends/uncaught.cpp", status=-signal.SIGILL)
    assert run.outline() == tree("""
        main !killed !SIGILL
          outer !killed !SIGILL
            inner !killed !SIGILL
              after
              quiet_end !killed !SIGILL
                after
        """)


def test_stack_overflow(traced):
    run = traced.run("ends/overflow.c", status=-signal.SIGSEGV)
    span = run.trace.only("main")
    depth = 0
    while span.children:
        assert (span.how, span.error) == ("killed", "SIGSEGV")
        span, = span.children
        depth += 1
    assert depth == len(run.trace.named("forever")) > 1000


@pytest.mark.parametrize(("way", "status", "how"), [
    ("return", 0, ""), ("_exit", 0, "process_exit"), ("SIGKILL", -signal.SIGKILL, "killed")])
def test_calls_right_before_the_end(traced, way, status, how):
    """Also those that the drain had not looked at yet."""
    run = traced.run("ends/many_calls.c", 5000, way, status=status)
    assert run.trace.calls() == run.truth()
    assert run.trace.only("main").how == how
    assert {span.how for span in run.trace.named("work")} == {""}


@pytest.mark.parametrize("way", ["return", "exit", "_exit", "_Exit", "quick_exit"])
def test_all_is_written_when_the_program_has_ended(traced, way):
    """Under a bare LD_PRELOAD a program that ends by itself waits for that: its user looks at the file
    at once. (Of quick_exit, what its handlers still do comes later; it has none here.)
    """
    run = traced.run("ends/ways.c", way, status=3, wait=way == "quick_exit")
    assert run.trace.calls()["main"] == 1


def test_killed_and_not_waited_for(tmp_path):
    """A zombie's signal is known, although its parent has not asked for it. (telrun asks at once.)"""
    traced = Traced("gcc", "-O0", "preload", tmp_path)
    environment = clean_environment() | {
        "LD_PRELOAD": str(library()), "TELEMETRY_OUTPUT": "file", "TELEMETRY_FILE": str(traced.path)}
    program = traced.program("ends/ways.c")
    process = subprocess.Popen([program, "SIGKILL"], env=environment)
    try:
        wait_until_all_is_written(traced.path)
        assert Forest(traced.path).outline() == tree(
            WITHIN_CALLS.replace("{how}", "killed !SIGKILL"))
        assert os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None
    finally:
        assert process.wait() == -signal.SIGKILL
