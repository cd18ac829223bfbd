"""Coroutines: whose child each call is, and how it ends, on any number of stacks."""

from collections import Counter

import pytest

from teltest.events import read_events
from teltest.run import COMPILERS, LEVELS, run
from traced import DEADLINE, Traced

SWITCHES = ("ucontext", "written")
LAYOUTS = ("carved", "apart")
ROUNDS = 3
MANY = 20_000


def run_fibers(traced, *arguments, **options):
    """Runs tree/fibers.c; every call is held against its own count, and against its caller."""
    ran = traced.run("tree/fibers.c", *map(str, arguments), stack_switches=True, **options)
    calls = ran.trace.calls()
    calls.pop("worker", None)
    assert calls == ran.truth()
    for span in ran.trace.spans:
        parents = {"leaf": ("deep",), "deep": ("deep", "body"), "body": ("resume",),
                   "resume": ("main", "worker", "deep")}.get(span.name)
        assert parents is None or span.parent.name in parents, f"{span} in {span.parent}"
    return ran


def check_deep(body, depth):
    """What body calls: towers of that depth, each with the leaves on its way back."""
    assert [span.name for span in body.children] == ["deep"] * ROUNDS
    for span in body.children:
        for level in range(depth, -1, -1):
            below = [child for child in span.children if child.name != "resume"]
            assert [child.name for child in below] == ["deep", "leaf"] * (level > 0)
            span = below[0] if below else None


def check_all(ran, count, more=0):
    """Each fiber came to its end."""
    bodies = ran.trace.named("body")
    assert len(bodies) == count
    for number, body in enumerate(bodies):
        check_deep(body, more + 1 + number % 5)
    assert all(span.how == "" for span in ran.trace.spans)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("switch", SWITCHES)
def test_alive_at_once(traced, switch, layout):
    ran = run_fibers(traced, switch, layout, "round", 40)
    check_all(ran, 40)
    assert [span.parent for span in ran.trace.named("body")] == ran.trace.named("resume")[:40]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("switch", SWITCHES)
def test_many_calls_on_each(traced, switch, layout):
    """The stacks turn out larger than they seemed, and are suspended far down."""
    check_all(run_fibers(traced, switch, layout, "deep", 10), 10, more=200)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_resumed_without_a_call_that_tells(traced, layout):
    """swapcontext itself says where the thread comes from."""
    ran = traced.run("tree/fibers.c", "ucontext", layout, "direct", "40", stack_switches=True)
    assert ran.trace.calls() == ran.truth()
    assert all(span.parent.name == "main" for span in ran.trace.named("body"))
    check_all(ran, 40)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("switch", SWITCHES)
def test_begun_by_each_other(traced, switch, layout):
    """The second in the first, the third in the second, ..., and resumed by main later."""
    ran = run_fibers(traced, switch, layout, "nested", 20)
    check_all(ran, 20)
    innermost = ran.trace.named("body")[-1]
    assert innermost.ancestors().count("body") == 19


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("switch", SWITCHES)
def test_resumed_by_two_threads(traced, switch, layout):
    ran = run_fibers(traced, switch, layout, "threads", 40)
    bodies = ran.trace.named("body")
    assert len({span.thread for span in bodies}) == 2
    assert len({span.thread for span in bodies[0].children}) == 2
    assert all(span.how == "" for span in ran.trace.spans)
    assert sorted(len(span.children) for span in bodies) == [ROUNDS] * 40


@pytest.mark.parametrize("switch", SWITCHES)
def test_one_after_another_on_one_stack(traced, switch):
    check_all(run_fibers(traced, switch, "carved", "finished", 40), 40)


@pytest.mark.parametrize("switch", SWITCHES)
def test_stack_used_again_before_its_coroutine_is_over(traced, switch):
    """What was open on it ends there, as it does at the end of the program."""
    ran = run_fibers(traced, switch, "carved", "abandoned", 40)
    bodies = ran.trace.named("body")
    assert [span.how for span in bodies] == ["unwound"] * 39 + ["process_exit"]
    assert all([span.name for span in body.children] == ["deep"] * 2 for body in bodies)
    ends = Counter(span.how for span in ran.trace.named("deep"))
    assert set(ends) == {"", "unwound", "process_exit"}


@pytest.mark.long
@pytest.mark.parametrize("switch, layout, scenario", [
    ("ucontext", "carved", "direct"), ("ucontext", "apart", "round"), ("written", "carved", "threads")])
def test_twenty_thousand(tmp_path, switch, layout, scenario):
    """More than a list of what is open can be searched for at each event: checked by names alone."""
    traced = Traced(COMPILERS[0], LEVELS[-1], "telrun", tmp_path)
    program = traced.program("tree/fibers.c")
    result = run([program, switch, layout, scenario, str(MANY)], traced.path, "telrun",
                 {"TELEMETRY_ON_FULL": "block"}, timeout=DEADLINE)
    assert result.status == 0
    names, pairs, ends = {}, Counter(), Counter()
    for event in read_events(traced.path):
        if event["event_type"] == "function_entry":
            name = names[event["span_id"]] = event["function_name"]
            pairs[name, names.get(event["parent_span_id"])] += 1
        elif event["event_type"] == "function_exit":
            ends[event["attributes"].get("telinject.exit", "")] += 1
        else:
            assert event["event_type"] != "telemetry_loss"
    assert ends == {"": len(names)}
    above = {"round": {"main"}, "direct": set(), "threads": {"worker"}}[scenario]
    assert {pair for pair in pairs if pair[0] == "resume"} == {("resume", name) for name in above}
    assert pairs["body", "main" if scenario == "direct" else "resume"] == MANY
    assert pairs["deep", "body"] == ROUNDS * MANY
    towers = ROUNDS * sum(1 + number % 5 for number in range(MANY))
    assert pairs["deep", "deep"] == pairs["leaf", "deep"] == towers
    assert sum(pairs.values()) == len(names)
    traced.path.unlink()


def test_fibers_of_boost(traced):
    """Three kinds of stacks, exceptions that are thrown after a switch, fibers that are destroyed."""
    program = traced.program("tree/boost_fibers.cpp", link_flags=("-lboost_context",))
    ran = traced.run("tree/boost_fibers.cpp", command=[program, "30"], stack_switches=True)
    calls = ran.trace.calls()
    assert {name: calls[name] for name in ran.truth()} == ran.truth()
    for name, parents in {"resume": {"main"}, "fail": {"fail", "work"}, "leaf": {"work"},
                          "caught": {"work"}, "left": {"fail"}}.items():
        assert {span.parent.name for span in ran.trace.named(name)} == parents
    works = ran.trace.named("work")
    # Boost goes to a new stack when it makes a fiber, and comes back: main does that.
    assert all(span.ancestors()[-1] == "main" and "work" not in span.ancestors() for span in works)
    assert [span.how for span in works].count("") == 20
    assert Counter(span.how for span in ran.trace.named("fail")) == {"unwound": calls["fail"]}
    assert all(span.how == "" for name in ("resume", "leaf", "caught", "left")
               for span in ran.trace.named(name))
