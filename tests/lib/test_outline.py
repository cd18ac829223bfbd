"""Normalised call trees: same shape, same text, whatever the ids, times and order of threads."""

import pytest
from teltest.examples import Stream
from teltest.outline import Outline, outline


def text(stream):
    result = Outline()
    for event in stream.events:
        result.feed(event)
    return result.text()


def test_chain_with_repetition():
    stream = Stream()
    main = stream.enter("main")
    f = stream.enter("f", main)
    for _ in range(3):
        stream.leave(stream.enter("g", f))
    stream.leave(f)
    stream.leave(main)
    assert outline(stream.events) == ["main > f > g x3"]
    assert text(stream) == "main\n  f\n    g x3"


def test_order_of_calls_matters():
    stream = Stream()
    main = stream.enter("main")
    for name in ("a", "b", "a"):
        stream.leave(stream.enter(name, main))
    stream.leave(main)
    assert outline(stream.events) == ["main > (a, b, a)"]


def test_equal_subtrees_are_folded():
    stream = Stream()
    main = stream.enter("main")
    for count in (2, 2, 1):
        f = stream.enter("f", main)
        for _ in range(count):
            stream.leave(stream.enter("g", f))
        stream.leave(f)
    stream.leave(main)
    assert outline(stream.events) == ["main > ((f > g x2) x2, f > g)"]
    assert text(stream) == "main\n  f x2\n    g x2\n  f\n    g"


def test_marks():
    stream = Stream()
    main = stream.enter("main")
    stream.leave(stream.enter("f", main), how="longjmp")
    stream.leave(main, how="killed", error="SIGSEGV")
    assert outline(stream.events) == ["main !killed !SIGSEGV > f !longjmp"]


@pytest.mark.parametrize("order", [(2, 3), (3, 2)])
def test_order_of_threads_does_not_matter(order):
    stream = Stream()
    main = stream.enter("main", thread=1)
    for thread in order:
        worker = stream.enter("worker", main, thread=thread)
        stream.leave(stream.enter("even" if thread == 2 else "odd", worker, thread=thread))
        stream.leave(worker)
    stream.leave(stream.enter("own", main))
    stream.leave(main)
    assert outline(stream.events) == ["main > (own, worker [thread] > even, worker [thread] > odd)"]


def test_processes():
    stream = Stream()
    main = stream.enter("main", pid=1)
    stream.leave(stream.enter("child", main, pid=2))
    stream.leave(main)
    assert outline(stream.events) == ["main > child [process]"]


def test_roots():
    """The first thread's in order, then the other threads', sorted."""
    stream = Stream()
    for name, thread in (("init", 1), ("main", 1), ("zeta", 3), ("beta", 2), ("main", 1)):
        stream.leave(stream.enter(name, thread=thread, trace=f"{len(stream.events) + 1:032x}"))
    assert outline(stream.events) == ["init", "main x2", "beta", "zeta"]


def test_parent_later_in_the_file():
    stream = Stream()
    main = stream.enter("main", thread=1)
    stream.leave(stream.enter("worker", main, thread=2))
    stream.leave(main)
    stream.events[0], stream.events[1] = stream.events[1], stream.events[0]
    stream.events[0]["attributes"]["thread_id"] = 2
    assert outline(stream.events) == ["main > worker [thread]"]


def test_http_spans_are_nodes():
    stream = Stream()
    main = stream.enter("main")
    stream.add("http_request", span_id="00000000000000aa", parent_span_id=main["span_id"])
    stream.leave(main)
    assert outline(stream.events) == ["main > fetch_data"]
