"""Tracing goes unnoticed by programs of other users: privileges given up, set-user-id programs, few
processes allowed.
"""

import os
import shutil

import pytest
from noticed import ALL, CALLS, USER, as_user, check, for_users, needs_root, program
from ways import TRACED, without_numbers


@needs_root
@pytest.mark.parametrize("steps", [
    "chroot {empty}", f"setuid {USER}", f"chroot {{empty}} setuid {USER}",
    f"chroot {{empty}} setuid {USER} fork", f"setuid {USER} thread", f"chroot {{empty}} closefrom 3 fork",
])
def test_privileges_given_up(ways, program, tmp_path, steps):
    empty = tmp_path / "empty"
    empty.mkdir()
    outcome = check(ways, program, steps.format(empty=empty) + f" calls {CALLS} ids", ALL)
    assert outcome.status == 3 and b"sum 500500" in outcome.out
    assert not list(empty.iterdir())


def test_another_user(for_users, program):
    outcome = check(for_users, program, f"calls {CALLS} ids", ALL, preexec_fn=as_user())
    assert outcome == (3, b"sum 500500\nids 65533 65533\n", b"")


@pytest.mark.parametrize("processes", range(1, 9))
def test_few_processes(for_users, program, processes):
    """ulimit -u: processes and threads of that user. Each further one lets a part of ours start."""
    ways = for_users
    command = program.command(f"calls {CALLS} status 7")
    for way in TRACED:
        ways.forget()
        outcome = ways.run(command, way, preexec_fn=as_user(processes))
        assert outcome[:2] == (7, b"sum 500500\n"), way
        # A line for each process of ours that could not start another: telrun, the drain.
        lines = outcome.err.splitlines()
        assert len(lines) <= 2, outcome.err
        assert all(line.startswith((b"telrun: ", b"telinject: ")) for line in lines), outcome.err
        if outcome.err == b"" and program.instrumented:
            assert ways.functions(CALLS) == ALL


@needs_root
def test_set_user_id_program(for_users, program, tmp_path):
    """The loader ignores the preload; nothing of ours shows, and its children are not traced either."""
    ways = for_users
    copy = tmp_path / "set-id"
    shutil.copy2(program.path, copy)
    os.chown(copy, USER - 1, USER)
    copy.chmod(0o4755)
    if os.statvfs(tmp_path).f_flag & os.ST_NOSUID:
        pytest.skip("a file system without set-user-id")
    outcome = ways.same([copy, *f"ids fds calls {CALLS} fork exec {program.path} ids".split()],
                        clean=without_numbers, preexec_fn=as_user())
    assert outcome.out.startswith(b"ids 65533 65532\n") and outcome.status == 3


@needs_root
@pytest.mark.parametrize("command", ["passwd -S nobody", "mount", "su nobody -c id", "newgrp no-such-group",
                                     "chsh -s /nonsense"])
def test_real_set_user_id_commands(for_users, command):
    if shutil.which(command.split()[0]) is None:
        pytest.skip("not here")
    for_users.same(command.split(), preexec_fn=as_user())
