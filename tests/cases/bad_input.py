"""A program whose input or surroundings are bad (tests/apps/notice.c), for test_bad_*.py."""

import os
from contextlib import contextmanager

import pytest
from teltest.run import APPS, build

CALLS = 1000


def build_notice(compiler="gcc"):
    return build("notice", [APPS / "notice.c"], compiler, ("-O0", "-pthread"), ("-pthread",))


@pytest.fixture
def program():
    return build_notice()


def run(ways, way, program, steps=f"calls {CALLS} status 7", changes=None, **start):
    """The program's own result is as ever; returns the lines that were added on stderr.

    stderr is a file: a line that comes after the program's end is in it, while a reader of a pipe may
    have left."""
    with open(ways.directory / "stderr", "w+b") as file:
        start.setdefault("stderr", file)
        outcome = ways.run([program, *steps.split()], way, changes, **start)
        assert outcome[:2] == (7, b"sum %d\n" % (CALLS * (CALLS + 1) // 2)), outcome
        ways.wait_for_no_drain()
        file.seek(0)
        return file.read().decode().splitlines()


def one_line(lines, *words):
    assert len(lines) == 1, lines
    assert lines[0].startswith(("telrun: ", "telinject: ")), lines
    for word in words:
        assert str(word) in lines[0], lines
    return lines[0]


@contextmanager
def pipe_that_takes_nothing(full):
    """A pipe's writing end: nobody reads it, or it is full."""
    ours, theirs = os.pipe()
    if full:
        os.set_blocking(theirs, False)
        try:
            while True:
                os.write(theirs, bytes(4096))
        except BlockingIOError:
            os.set_blocking(theirs, True)
    else:
        os.close(ours)
    yield theirs
    os.close(theirs)
    if full:
        os.close(ours)
