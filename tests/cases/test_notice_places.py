"""Tracing goes unnoticed where tracing is hard: sandboxes, limits, other roots, PID 1, closed descriptors, no
/proc; with an instrumented program (tests/apps/notice.c), whose calls must be traced all the same where
that is possible, and with the same program not instrumented.
"""

import os
import resource
import subprocess

import pytest
from noticed import ALL, CALLS, ROOT, USER, check, clean, needs_root, no_core, program
from ways import TRACED, WAYS, without_numbers

SANDBOXES = {
    # steps before the first event: (events expected, status)
    "strict": ({}, 3),  # reading the TSC is forbidden: tracing ends
    "kill": (ALL, 3),
    "errno": (ALL, 3),
    "kill fork": (ALL, 3),
    "errno fork": (ALL, 3),
    "thread errno": (ALL, 3),
    "fork kill": (ALL, 3),
    "closefrom 0": (ALL, 3),
    "closefrom 3 fork": (ALL, 3),
}


@pytest.mark.parametrize("steps", SANDBOXES)
def test_sandbox(ways, program, steps):
    expected, status = SANDBOXES[steps]
    outcome = check(ways, program, f"{steps} calls {CALLS}", expected)
    assert outcome.status == status
    if "closefrom 0" not in steps:
        assert b"sum 500500" in outcome.out


def test_sandbox_within_a_trace(ways, program):
    """The sandbox closes after the first events."""
    expected = {"work": 20, "inside": 1}
    for closing in ("kill", "errno"):
        outcome = check(ways, program, f"calls 10 in {closing} calls 10", expected)
        assert outcome == (3, b"sum 55\nsum 110\n", b"")
    outcome = check(ways, program, "calls 10 in strict calls 10", None)
    assert outcome == (3, b"sum 55\nsum 110\n", b"")


def test_sandbox_that_kills(ways, program):
    """What the program does against the rules has the same end."""
    outcome = check(ways, program, f"calls {CALLS} kill cwd", ALL, preexec_fn=no_core)
    assert outcome == (-31, b"sum 500500\n", b"")


# Limits. A program that cannot be traced under them runs untraced; telrun may say so in one line.

LIMITS = {
    "address space 64 MiB": ("RLIMIT_AS", 64 << 20, True),
    "address space 16 MiB": ("RLIMIT_AS", 16 << 20, None),
    "file size 0": ("RLIMIT_FSIZE", 0, None),
    "file size 1 block": ("RLIMIT_FSIZE", 512, None),
    "file size 4 MiB": ("RLIMIT_FSIZE", 4 << 20, True),
    "4 descriptors": ("RLIMIT_NOFILE", 4, None),
    "5 descriptors": ("RLIMIT_NOFILE", 5, None),
    "8 descriptors": ("RLIMIT_NOFILE", 8, None),
    "32 descriptors": ("RLIMIT_NOFILE", 32, True),
    "stack 128 KiB": ("RLIMIT_STACK", 128 << 10, True),
    "locked memory 0": ("RLIMIT_MEMLOCK", 0, True),
    "data 16 MiB": ("RLIMIT_DATA", 16 << 20, True),
    "data 8 MiB": ("RLIMIT_DATA", 8 << 20, None),
    "data 2 MiB": ("RLIMIT_DATA", 2 << 20, None),
    "no core": ("RLIMIT_CORE", 0, True),
    "signals 0": ("RLIMIT_SIGPENDING", 0, True),
}


def same_but_for_our_lines(alone, traced, most=1):
    assert traced[:2] == alone[:2]
    extra = traced.err.replace(alone.err, b"", 1) if alone.err else traced.err
    lines = extra.splitlines()
    assert len(lines) <= most, extra
    assert all(line.startswith((b"telrun: ", b"telinject: ")) for line in lines), extra
    return extra


@pytest.mark.parametrize("limit", LIMITS)
def test_limit(ways, program, limit):
    name, value, traced = LIMITS[limit]

    def prepare():
        resource.setrlimit(getattr(resource, name), (value, value))

    command = program.command(f"fds calls {CALLS} status 7")
    alone = ways.run(command, "alone", preexec_fn=prepare)
    assert alone.status == 7
    for way in TRACED:
        ways.forget()
        # Where memory is short, a file that cannot be mapped is told, and then the end of it all.
        extra = same_but_for_our_lines(clean(alone), clean(ways.run(command, way, preexec_fn=prepare)), 2)
        if traced:
            assert extra == b""
            if program.instrumented:
                assert ways.functions(CALLS) == ALL


# PID 1 of a namespace.

NAMESPACE = ["unshare", "--pid", "--fork", "--mount-proc"]


def works(*command):
    return subprocess.run([*command, "true"], capture_output=True).returncode == 0


needs_namespaces = pytest.mark.skipif(not works(*NAMESPACE), reason="no PID namespaces here")


@needs_namespaces
@pytest.mark.parametrize("steps", ["", "fork", "reap", "thread", f"setuid {USER}"])
def test_first_process_of_a_namespace(ways, program, steps):
    outcome = check(ways, program, f"{steps} fds calls {CALLS} reap", ALL, outer=NAMESPACE)
    assert outcome.status == 3 and b"sum 500500" in outcome.out and b"reaped 0" in outcome.out


@needs_namespaces
def test_program_that_unshares(ways, program):
    """Its children are born elsewhere: the first of them is the namespace's PID 1, and not ours."""
    outcome = check(ways, program, f"in exec unshare --pid --fork --mount-proc {program.path} calls {CALLS}",
                    ALL | {"inside": 1})
    assert outcome == (3, b"sum 500500\n", b"")


# Descriptors.

@pytest.mark.parametrize("closed", [(), (0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2)])
def test_standard_descriptors_closed(ways, program, tmp_path, closed):
    """Closed stay closed, and nothing of ours takes their numbers, in the program and in its children."""
    def prepare():
        for fd in closed:
            os.close(fd)

    results = {}
    for way in WAYS:
        ways.forget()
        out = tmp_path / f"out-{way}"
        command = program.command(f"fds to {out} fds calls {CALLS} fork fds exec {program.path} to {out} fds")
        status = ways.run(command, way, preexec_fn=prepare).status
        results[way] = status, without_numbers(out.read_bytes().replace(os.fsencode(way), b""))
        if way in TRACED and program.instrumented:
            assert ways.functions(CALLS) == ALL
    assert results["alone"][0] == 3 and results["alone"][1].count(b"fd ") >= 2 * (3 - len(closed))
    assert results["telrun"] == results["alone"]
    assert results["preload"] == results["alone"]


# Surroundings.

def mounted(script):
    return ["unshare", "--mount", "sh", "-c", script + ' && exec "$@"', "-"]


SURROUNDINGS = {
    "no /proc": "mount -t tmpfs none /proc",
    "no /dev/shm": "mount -t tmpfs none /dev && touch /dev/null /dev/zero",
    "nothing in /dev": "mount -t tmpfs none /dev",
    "/tmp read-only": "mount -t tmpfs -o ro none /run && mount -t tmpfs -o ro none /dev/shm",
}


@needs_root
@pytest.mark.skipif(not works("unshare", "--mount"), reason="no mount namespaces here")
@pytest.mark.parametrize("place", SURROUNDINGS)
def test_surroundings(ways, program, place):
    command = program.command(f"calls {CALLS} fork ids")
    outer = mounted(SURROUNDINGS[place])
    alone = ways.run(command, "alone", outer=outer)
    assert alone == (3, b"sum 500500\nids 0 0\nchild 768\n", b"")
    for way in TRACED:
        ways.forget()
        extra = same_but_for_our_lines(alone, ways.run(command, way, outer=outer))
        if program.instrumented and not extra:
            assert ways.functions(CALLS) == ALL
        # telrun finds its parts by /proc/self/exe, and without /dev/null it starts nothing.
        assert bool(extra) == (way == "telrun" and place in ("no /proc", "nothing in /dev")), extra


def test_working_directory_removed(ways, program):
    def prepare():
        os.mkdir("gone")
        os.chdir("gone")
        os.rmdir("../gone")

    outcome = check(ways, program, f"cwd calls {CALLS}", ALL, preexec_fn=prepare)
    assert outcome == (3, b"cwd No such file or directory\nsum 500500\n", b"")


@pytest.mark.parametrize("mask", [0o000, 0o077, 0o777])
def test_umask(ways, program, tmp_path, mask):
    def prepare():
        os.umask(mask)

    made = tmp_path / "made"
    modes = set()
    for way in WAYS:
        ways.forget()
        command = program.command(f"to {made} calls {CALLS}")
        assert ways.run(command, way, preexec_fn=prepare) == (3, b"", b"")
        modes.add(made.stat().st_mode)
        made.unlink()
        if way in TRACED and program.instrumented and ROOT:
            assert ways.functions(CALLS) == ALL
    assert len(modes) == 1


def test_much_environment_and_many_arguments(ways, program):
    changes = {f"LARGE_{i}": f"{i}" * 30000 for i in range(20)} | {f"MANY_{i}": "" for i in range(5000)}
    arguments = " ".join(f"argument-{i}" for i in range(40000))
    outcome = check(ways, program, f"calls {CALLS} in exec {program.path} args {arguments}",
                    ALL | {"inside": 1}, changes=changes)
    assert outcome.status == 3 and outcome.out.startswith(b"sum 500500\narguments 40001\n")


def test_environment_of_the_program_and_of_its_children(ways, program):
    """Ours are added, and no other; those of a child inside of a span name that span."""
    def variables(out):
        return dict(entry.split(b"=", 1) for entry in out.split(b"\n") if b"=" in entry)

    names = {}
    for steps in ("env", "exec env", "fork exec env", "in exec env"):
        alone = variables(ways.run(program.command(steps), "alone").out)
        for way in TRACED:
            seen = variables(ways.run(program.command(steps), way).out)
            names[steps, way] = set(seen) - set(alone)
            assert {name: seen[name] for name in alone if name in seen} == alone
    ours = {b"LD_PRELOAD", b"TELINJECT_SESSION"}
    span = {b"TRACEPARENT", b"TELINJECT_PARENT"} if program.instrumented else set()
    assert names["env", "telrun"] == ours
    assert names["env", "preload"] == {b"LD_PRELOAD"}
    for way in TRACED:
        assert names["exec env", way] == names["fork exec env", way] == ours
        assert names["in exec env", way] == ours | span


MARK = """
#include <unistd.h>
__attribute__((constructor)) static void mark(void) {{ if (write(2, "{0}", 1) < 0) _exit(9); }}
"""


@pytest.mark.parametrize("preload", ["{a}:{b}", "{b} {a}", "{b}", "{a}:/no/such/library.so:{b}",
                                     ":{a}::{b}:"])
def test_preload_that_was_set_is_kept(ways, program, tmp_path, preload):
    """The others' libraries are loaded in their order, in the program and in its children."""
    libraries = {}
    for name in "ab":
        source = tmp_path / f"{name}.c"
        source.write_text(MARK.format(name))
        libraries[name] = tmp_path / f"lib{name}.so"
        subprocess.run(["gcc", "-shared", "-fPIC", "-o", libraries[name], source], check=True)
    preload = preload.format(**libraries)
    outcomes = {}
    for way in WAYS:
        ways.forget()
        outcomes[way] = ways.run(program.command(f"calls {CALLS} env fork exec {program.path} env"), way,
                                 changes={"LD_PRELOAD": preload})
        if way in TRACED and program.instrumented:
            assert ways.functions(CALLS) == ALL
    # telrun is itself a program with that environment.
    assert outcomes["preload"].err == outcomes["alone"].err
    assert outcomes["telrun"].err.endswith(outcomes["alone"].err)
    assert outcomes["alone"].out.count(os.fsencode(preload)) == 2
    for way in TRACED:
        values = [line.removeprefix(b"LD_PRELOAD=").decode() for line in outcomes[way].out.splitlines()
                  if line.startswith(b"LD_PRELOAD=")]
        assert len(values) == 2
        for value in values:
            words = [word for word in value.replace(":", " ").split() if word != ways.library]
            assert words == preload.replace(":", " ").split()
