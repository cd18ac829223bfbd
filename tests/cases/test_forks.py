"""Children: forked, executed, spawned, orphaned, deprived of their rights. All in their parent's trace."""

import pytest
from traced import tree

EXECUTED = """
    main !exec
      execute !exec
        prepare
        main [process]
          work
            leaf x3
    """
STARTED = """
    main
      {starter}
        after
        main [process]
          work
            leaf x3
      after
    """


def check_one_trace(run):
    assert len(run.trace.traces) == 1
    assert len(run.trace.roots) == 1


def test_both_sides(traced):
    """The child's calls are children of the one that forked; returns through its parent's are none."""
    run = traced.run("forks/both_sides.c", "fork", status=3)
    assert run.outline() == tree("""
        main !exit_status
          divide
            leaf
            in_parent
              leaf
            leaf
            finish [process]
            in_child [process]
              leaf x2
            leaf [process]
          finish
        """)
    assert len({span.pid for span in run.trace.spans}) == 2
    check_one_trace(run)


def test_fork_that_nobody_saw(traced):
    """By a raw system call: the parent is then only known to be in the trace's root."""
    run = traced.run("forks/both_sides.c", "raw", status=3)
    assert run.outline() == tree("""
        main !exit_status
          divide
            leaf
            in_parent
              leaf
            leaf
          finish
          finish [process]
          in_child [process]
            leaf x2
          leaf [process]
        """)
    check_one_trace(run)


@pytest.mark.parametrize("lossless", [True, False], ids=["block", "drop"])
def test_under_threads(traced, lossless):
    """Threads that fork without exec while others call, and children that fork again."""
    run = traced.run("forks/under_threads.c", lossless=lossless)
    assert run.outline() == tree("""
        main
          run [thread] x6
            divide
              work
                leaf x30
              child [process]
                work
                  leaf x30
                grandchild [process]
                  leaf
            divide x3
              work
                leaf x30
              child [process]
                work
                  leaf x30
        """)
    assert len({span.pid for span in run.trace.spans}) == 1 + 6 * 4 + 6
    check_one_trace(run)


@pytest.mark.parametrize("way", ["execv", "execve", "execl", "fexecve", "failing"])
def test_exec(traced, way):
    """`failing`: after an attempt that fails."""
    run = traced.run("forks/launcher.c", way, traced.program("forks/small.c"), 3)
    assert run.outline() == tree(EXECUTED)
    assert len({span.pid for span in run.trace.spans}) == 1
    check_one_trace(run)


def test_fork_and_exec(traced):
    run = traced.run("forks/launcher.c", "fork+execv", traced.program("forks/small.c"), 3)
    assert run.outline() == tree("""
        main
          by_fork
            execute !exec [process]
              prepare
              main [process]
                work
                  leaf x3
          after
        """)
    check_one_trace(run)


@pytest.mark.parametrize(("way", "starter"), [
    ("vfork", "by_vfork"), ("posix_spawn", "by_spawn"), ("posix_spawnp", "by_spawn"),
    ("system", "by_shell"), ("popen", "by_shell")])
def test_start(traced, way, starter):
    run = traced.run("forks/launcher.c", way, traced.program("forks/small.c"), 3)
    assert run.outline() == tree(STARTED.replace("{starter}", starter))
    check_one_trace(run)


def test_vfork_whose_child_calls(traced):
    """It runs in its parent's memory, and calls in its parent's lane."""
    run = traced.run("forks/launcher.c", "busy vfork", traced.program("forks/small.c"), 3)
    assert run.outline() == tree("""
        main
          by_busy_vfork
            prepare
            execute !exec
              prepare
              main [process]
                work
                  leaf x3
            after
          after
        """)
    check_one_trace(run)


def test_vfork_without_exec(traced):
    assert traced.run("forks/launcher.c", "vfork only").outline() == tree("""
        main
          vfork_only
            leave !vfork_end
              prepare
            after
          after
        """)


def test_orphan(traced, tmp_path):
    run = traced.run("forks/outliving.c", "orphan", tmp_path / "done", outlived=True)
    assert (tmp_path / "done").exists()
    assert run.outline() == tree("""
        main
          divide
            child [process]
              leaf
              work
                leaf x100
        """)


@pytest.mark.parametrize("way", ["daemon", "closed"])
def test_daemon(traced, way, tmp_path):
    """daemon(3) forks and ends the parent inside libc; `closed`: without any descriptor."""
    run = traced.run("forks/outliving.c", way, tmp_path / "done", outlived=True)
    assert (tmp_path / "done").exists()
    assert run.outline() == tree("""
        main !process_exit
          divide !process_exit
          child [process]
            leaf
            work
              leaf x100
        """)


@pytest.mark.parametrize("what", ["chroot", "setuid"])
def test_without_privileges(traced, what, tmp_path):
    """More threads than have lanes from the start, and a child, after root or user have changed."""
    run = traced.run("forks/privileges.c", what, tmp_path)
    assert run.outline() == tree("""
        main
          give_up
          work
            child_work [process]
              leaf
              thread_work [thread]
                leaf
            thread_work [thread] x4
              leaf
        """)
    check_one_trace(run)


def test_after_a_handler_on_its_own_stack(traced):
    """Who started something is where it was before the handler came, not where that stood."""
    run = traced.run("forks/after_handler.c", traced.program("forks/small.c"))
    assert run.outline() == tree("""
        main
          start_thread
            handler
              leaf
            thread_work [thread]
              leaf
          start_child
            handler
              leaf
            child_work [process]
              leaf
          start_program
            handler
              leaf
            main [process]
              work
                leaf
        """)
    check_one_trace(run)
