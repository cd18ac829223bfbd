"""Calls that only look simple: deep, in tail position, inlined, on stacks of their own."""

import pytest
from traced import tree

DEPTH = 100_000

INLINED = tree("""
    main
      nested
        outer x2
          inner
            real
            leaf
          leaf
          inner
            real
            leaf
      repeated
        leaf x3
        inner x3
          real
          leaf
      either
        leaf
        outer
          inner
            real
            leaf
          leaf
          inner
            real
            leaf
        leaf
        outer
          inner
            real
            leaf
          leaf
          inner
            real
            leaf
      recursive
        down
          leaf
          down
            leaf
            down
              leaf
              down
                leaf
                down
                  leaf
                  down
                    leaf
      again
        inner
          real
          leaf
        again
          inner
            real
            leaf
          again
            inner
              real
              leaf
            leaf
          leaf
        leaf
      outer
        inner
          real
          leaf
        leaf
        inner
          real
          leaf
    """)


def check_chain(top, names, length):
    """A call of each of `names` in turn, each the only child of the one before."""
    span = top
    for depth in range(length):
        assert len(span.children) == 1, f"{span.name} at depth {depth}"
        child = span.children[0]
        assert child.name == names[depth % len(names)]
        assert span.start <= child.start <= child.end <= span.end
        assert child.how == ""
        span = child
    assert span.children == []


@pytest.mark.long
def test_recursion(traced):
    run = traced.run("tree/recursion.c", DEPTH)
    assert run.trace.calls() == run.truth()
    assert run.trace.checker.deepest == DEPTH + 2  # even(100,000) to even(0), below dive
    check_chain(run.trace.only("dive"), ("even", "odd"), DEPTH + 1)


@pytest.mark.long
def test_recursion_may_lose_but_only_whole_calls(traced):
    """All at once it is more than a lane holds: what is dropped is counted, call by call."""
    run = traced.run("tree/recursion.c", DEPTH, lossless=False, may_lose=True)
    assert set(run.trace.lost) <= {"queue_full"}
    assert len(run.trace.spans) + sum(run.trace.lost.values()) == sum(run.truth().values())


def test_tail_calls(traced):
    run = traced.run("tree/tail.c")
    spans = run.trace.only("main").children
    assert [span.name for span in spans] == ["first", "through", "through", "ping"]
    check_chain(spans[0], ("second", "third", "last"), 3)
    check_chain(spans[1], ("first", "second", "third", "last"), 4)
    check_chain(spans[2], ("last",), 1)
    check_chain(spans[3], ("pong", "ping"), 1000)
    truth = run.truth()
    calls = run.trace.calls()
    assert {name: calls[name] for name in truth} == truth == {"ping": 501, "pong": 500}


def test_inlined(traced):
    assert traced.run("tree/inlined.c").outline() == INLINED


def test_coroutines(traced):
    run = traced.run("tree/coroutines.c", stack_switches=True)
    assert run.trace.calls() == run.truth()
    main = run.trace.only("main")
    assert [span.name for span in main.children] == ["resume"] * 9
    producers = run.trace.named("produce")
    assert [span.parent for span in producers] == main.children[:2]  # that resumed them first
    for producer, steps in zip(producers, (3, 4)):
        check_steps(producer, steps)
    assert all(span.how == "" for span in run.trace.spans)


def check_steps(producer, left):
    step, *rest = producer.children
    assert step.name == "step"
    assert [span.name for span in rest] == ["leaf"]
    while left > 0:
        assert step.name == "step"
        left -= 1
        assert [span.name for span in step.children] == ["leaf"] * 2 + ["step"] * (left > 0)
        step = step.children[-1]
