"""An instrumented signal handler that interrupts anything: calls, hooks, other handlers' way back."""

import pytest

HANDLED = 1500


def check(run):
    trace = run.trace
    calls, truth = trace.calls(), run.truth()
    assert {name: calls[name] for name in truth} == truth
    assert set(calls) == set(truth)
    main = trace.only("main")
    for span in trace.named("handler"):
        assert [child.name for child in span.children] == ["nested"]
        assert span.parent.name in ("main", "work", "leaf")
        assert span.trace == main.trace
    for span in trace.named("work"):
        assert span.parent is main
        assert [child.name for child in span.children if child.name != "handler"] == ["leaf"]
    for span in trace.named("leaf"):
        assert span.parent.name == "work"
    assert all(span.how == "" for span in trace.spans)


@pytest.mark.parametrize("stack", ["same", "alternate"])
def test_timer_at_10_khz(traced, stack):
    check(traced.run("tree/signals.c", stack, 4000, HANDLED))


@pytest.mark.parametrize("stack", ["same", "alternate"])
def test_storm(traced, stack):
    """Signals as fast as another thread can send them: many fall into hooks."""
    check(traced.run("tree/signals.c", stack, 4000, HANDLED, "storm"))
