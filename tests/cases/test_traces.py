"""Where traces begin, which are kept, and how they go on in other programs."""

import math
import shutil

import pytest
from traced import tree

TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"

ONE = tree("""
    root
      middle
        leaf x2
      leaf
    """)


def parent_variable(flags="01"):
    return {"TRACEPARENT": f"00-{TRACE}-{SPAN}-{flags}"}


def test_each_outermost_call_is_a_trace(traced):
    run = traced.run("traces/many_roots.c", 50)
    assert run.outline() == ONE.replace("root", "root x50")
    assert len(run.trace.traces) == 50


def test_sampling(traced):
    """Whole traces or nothing; as many as were asked for, within five standard deviations (one run in
    two million is outside).
    """
    count, rate = 4000, 0.3
    run = traced.run("traces/many_roots.c", count, settings={"SAMPLE_RATE": str(rate)})
    assert run.truth() == {"root": count}
    kept = run.trace.named("root")
    assert abs(len(kept) - count * rate) < 5 * math.sqrt(count * rate * (1 - rate))
    assert run.outline() == ONE.replace("root", f"root x{len(kept)}")
    assert len(run.trace.traces) == len(kept)
    # By the trace's id alone, so that others decide alike (W3C trace context, level 2).
    threshold = round((1 - rate) * 2**56)
    assert all(int(trace, 16) % 2**56 >= threshold for trace in run.trace.traces)
    for event in run.result.events():
        assert event["sample_rate"] == rate
        assert event["trace_flags"] == "01"


def test_sampling_holds_for_threads_and_children(traced):
    """Either all of this program's one trace, or nothing of it."""
    sizes = set()
    while len(sizes) < 2:  # soon: one run in two is kept
        run = traced.run("forks/under_threads.c", settings={"SAMPLE_RATE": "0.5"}, may_be_empty=True)
        sizes.add(len(run.trace.spans))
    # run, and four times divide, work, leaves and the child's; a grandchild and its leaf.
    assert sizes == {0, 1 + 6 * (1 + 4 * (1 + 31 + 1 + 31) + 2)}


@pytest.mark.parametrize("rate", ["0", "0.0"])
def test_rate_of_zero_is_off(traced, rate):
    result = traced.run_untraced("traces/many_roots.c", 50, settings={"SAMPLE_RATE": rate})
    assert result.status == 0
    assert not traced.path.exists()


def test_continues_the_given_trace(traced):
    """All outermost calls are children of the given span, those before and after main as well."""
    run = traced.run("tree/before_after.cpp", environment=parent_variable(),
                     remote_parents=[(TRACE, SPAN)])
    assert run.trace.traces == {TRACE}
    assert len(run.trace.roots) == 11
    assert {span.parent_id for span in run.trace.roots} == {SPAN}


def test_a_given_trace_is_not_sampled_again(traced):
    """Whoever began it has decided: the flag is honoured, whatever the rate here."""
    run = traced.run("traces/many_roots.c", 20, environment=parent_variable(),
                     settings={"SAMPLE_RATE": "0.001"}, remote_parents=[(TRACE, SPAN)])
    assert len(run.trace.named("root")) == 20


def test_given_trace_that_is_not_sampled(traced):
    result = traced.run_untraced("traces/many_roots.c", 20, environment=parent_variable("00"))
    assert result.status == 0
    assert result.stdout == b"root 20\n"


@pytest.mark.parametrize("text", [
    "", "banana", f"00-{'0' * 32}-{SPAN}-01", f"00-{TRACE}-{'0' * 16}-01", f"ff-{TRACE}-{SPAN}-01"])
def test_given_trace_that_is_none(traced, text):
    """W3C trace context: what is not valid is as good as not there; telrun says so."""
    said = text and traced.mode == "telrun"
    run = traced.run("traces/many_roots.c", 2, environment={"TRACEPARENT": text},
                     stderr=None if said else b"")
    if said:
        assert run.result.stderr.count(b"\n") == 1
        assert f"TRACEPARENT={text}".encode() in run.result.stderr
    assert len(run.trace.traces) == 2
    assert all(span.parent_id is None for span in run.trace.roots)


@pytest.mark.parametrize("way", ["execv", "fork+execv", "vfork", "posix_spawn", "system", "popen"])
def test_children_are_told_the_span_that_started_them(traced, way):
    """Also those that are not traced: here env(1), which prints its environment."""
    run = traced.run("forks/launcher.c", way, shutil.which("env"))
    lines = dict(line.split("=", 1) for line in run.result.stdout.decode().splitlines() if "=" in line)
    starter = {"execv": "execute", "fork+execv": "execute", "vfork": "by_vfork",
               "posix_spawn": "by_spawn", "system": "by_shell", "popen": "by_shell"}[way]
    span = run.trace.only(starter)
    assert lines["TRACEPARENT"] == f"00-{span.trace}-{span.id}-01"


def test_children_of_a_trace_that_is_not_sampled(traced):
    """They are told so, and that it is the same trace."""
    result = traced.run_untraced("forks/launcher.c", "fork+execv", shutil.which("env"),
                                 environment=parent_variable("00"))
    assert f"TRACEPARENT=00-{TRACE}-".encode() in result.stdout
    lines = result.stdout.decode().splitlines()
    text, = [line for line in lines if line.startswith("TRACEPARENT=")]
    assert text.endswith("-00")


def test_pipe_is_one_trace(traced):
    halves = [traced.program(f"traces/{name}.c") for name in ("lines", "sum")]
    run = traced.run("traces/pipe.c", *halves)
    assert run.result.stdout == b"190\n"
    assert run.outline() == tree("""
        main
          connect
            start
              main [process]
                line x20
            start
              main [process]
                add x20
        """)
    assert len(run.trace.traces) == 1


def test_make_and_shell_continue_a_given_trace(traced, tmp_path):
    """Neither make nor the shell has spans: their programs continue what they were given."""
    halves = [traced.program(f"traces/{name}.c") for name in ("lines", "sum")]
    (tmp_path / "Makefile").write_text(f"all:\n\t@{halves[0]} | {halves[1]}\n\t@{halves[0]}\n")
    run = traced.run(None, command=[shutil.which("make"), "-s"], cwd=tmp_path,
                     environment=parent_variable(), remote_parents=[(TRACE, SPAN)])
    assert run.result.stdout.split() == [b"190"] + [b"%d" % n for n in range(20)]
    assert run.trace.traces == {TRACE}
    assert {span.parent_id for span in run.trace.roots} == {SPAN}
    assert run.trace.calls() == {"main": 3, "line": 40, "add": 20}


def test_make_without_a_trace(traced, tmp_path):
    """Nothing that is traced starts the three programs: each begins a trace."""
    program = traced.program("forks/small.c")
    (tmp_path / "Makefile").write_text(f"all: a b c\na b c:\n\t@{program} 2\n")
    run = traced.run(None, command=[shutil.which("make"), "-s", "-j2"], cwd=tmp_path)
    assert run.trace.calls() == {"main": 3, "work": 3, "leaf": 6}
    assert [span.name for span in run.trace.roots] == ["main"] * 3
    assert len(run.trace.traces) == 3
