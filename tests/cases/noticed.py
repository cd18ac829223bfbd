"""A program that must not notice that it is traced (tests/apps/notice.c), for test_notice_*.py."""

import os
import resource
import subprocess

import pytest
from teltest.run import APPS, build
from ways import TRACED, WAYS, without_numbers

ROOT = os.geteuid() == 0
USER = 65533

needs_root = pytest.mark.skipif(not ROOT, reason="needs root")


def notice(compiler="gcc", level="-O0", instrument=True):
    return build("notice", [APPS / "notice.c"], compiler, (level, "-pthread"), ("-pthread",), instrument)


BUILDS = [("gcc", "-O0", True), ("clang", "-O2", True), ("gcc", "-O2", False)]
CALLS = 1000


@pytest.fixture(params=BUILDS, ids=["gcc", "clang", "plain"])
def program(request):
    return Program(notice(*request.param), request.param[2])


class Program:
    def __init__(self, path, instrumented):
        self.path = path
        self.instrumented = instrumented

    def command(self, steps):
        return [self.path, *steps.split()]


def check(ways, program, steps, expected=None, reachable=(), **start):
    """The same all ways; and the calls are in the trace, `expected` of each function."""
    outcome = None
    for way in WAYS:
        ways.forget()
        got = ways.run(program.command(steps), way, **start)
        got = got._replace(out=without_numbers(got.out), err=without_numbers(got.err))
        outcome = outcome or got
        assert got == outcome, way
        if way in TRACED and program.instrumented and expected is not None:
            assert ways.functions(sum(expected.values())) == expected, way
    return outcome


ALL = {"work": CALLS}


def no_core():
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def clean(outcome):
    return outcome._replace(out=without_numbers(outcome.out), err=without_numbers(outcome.err))


def as_user(processes=None):
    def prepare():
        os.setgroups([])
        os.setgid(USER)
        os.setuid(USER)
        if processes is not None:
            resource.setrlimit(resource.RLIMIT_NPROC, (processes, processes))
    return prepare


@pytest.fixture
def for_users(ways, tmp_path):
    """The program, the build and the trace's folder can be reached by another user."""
    if not ROOT:
        pytest.skip("needs root")
    for path in (tmp_path, *tmp_path.parents):
        if path != path.parent and not path.stat().st_mode & 0o001:
            path.chmod(path.stat().st_mode | 0o011)
    ways.trace.touch()
    ways.trace.chmod(0o666)
    ways.forget = lambda: ways.trace.write_bytes(b"")
    ways.runtime.chmod(0o777)
    reach = subprocess.run([ways.build / "bin/telinject", "version"], preexec_fn=as_user(),
                           capture_output=True, check=False)
    if reach.returncode != 0:
        pytest.skip("the build tree is not readable for other users")
    return ways
