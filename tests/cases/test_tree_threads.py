"""Threads: what each calls, whose trace it continues, how it ends."""

from collections import Counter

from traced import tree

ENDED = tree("""
    main
      cancelled !thread_end [thread]
        after
        stay !thread_end
      cancelled_at_once !thread_end [thread]
      cancelled_with_cleanup !thread_end [thread]
        with_cleanup !thread_end
          stay !unwound
          tidy
            after
      exiting !thread_end [thread]
        after
        leave !thread_end
      exiting_with_cleanup !thread_end [thread]
        with_cleanup !thread_end
          leave !thread_end
          tidy
            after
      left_behind !process_exit [thread]
        stay !process_exit
      returning [thread]
        after
    """)


def check_threads(run, threads, calls, creator):
    assert run.trace.calls() == run.truth()
    assert len(run.trace.traces) == 1
    starts = run.trace.named("run_thread")
    assert len(starts) == threads == len({span.thread for span in starts})
    parent = run.trace.only(creator)
    for start in starts:
        assert start.parent is parent
        assert [span.name for span in start.children] == ["work"] * calls
        for work in start.children:
            assert work.thread == start.thread
            assert [span.name for span in work.children] == ["leaf"] * 2
    assert Counter(span.how for span in run.trace.spans) == {"": len(run.trace.spans)}


def test_64_at_once(traced):
    check_threads(traced.run("tree/threads.c", "together", 64, 25), 64, 25, "together")


def test_64_at_once_that_may_drop(traced):
    """The default: so few calls are no reason to drop any."""
    run = traced.run("tree/threads.c", "together", 64, 25, lossless=False)
    check_threads(run, 64, 25, "together")


def test_2000_in_turn_that_may_drop(traced):
    """More than there are lanes. Thread ids may be used again, so spans are counted by thread only
    where a test has few.
    """
    run = traced.run("tree/threads.c", "in-turn", 2000, 1, lossless=False)
    assert run.trace.calls() == run.truth()
    parent = run.trace.only("in_turn")
    assert [span.name for span in parent.children] == ["run_thread"] * 2000
    for start in parent.children:
        assert [span.name for span in start.children] == ["work"]
        assert [span.name for span in start.children[0].children] == ["leaf"] * 2


def test_ends(traced):
    """By return, pthread_exit and cancellation, with cleanup handlers, and with the process."""
    assert traced.run("tree/thread_ends.c").outline() == ENDED


def test_threads_as_roots(traced):
    run = traced.run("tree/threads.c", "together", 8, 3, settings={"TELEMETRY_THREADS": "root"})
    assert run.trace.calls() == run.truth()
    starts = run.trace.named("run_thread")
    assert len(starts) == 8
    assert all(span.parent_id is None for span in starts)
    assert len(run.trace.traces) == 9  # main's, too
