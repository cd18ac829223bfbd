"""Hooks that run before the library's own constructor."""

import pytest

from teltest.check import check_tree
from teltest.run import APPS, COMPILERS, build, run


@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize("mode", ["telrun", "preload"])
def test_indirect_function(mode, compiler, tmp_path):
    """A constructor that wiped what the resolver's call had set up lost the main program's names, and
    started everything a second time."""
    program = build("indirect", [APPS / "indirect.c"], compiler, ("-O0",))
    result = run([program], tmp_path / "events", mode, environment={"LD_BIND_NOW": "1"})
    assert (result.status, result.stdout, result.stderr) == (0, b"2\n", b"")
    checker = check_tree(result.events_path)
    assert not checker.problems, checker.problems
    assert [(event["event_type"].removeprefix("function_"), event["function_name"])
            for event in result.events()] == [
        ("entry", "choose"), ("exit", "choose"),
        ("entry", "main"), ("entry", "chosen_one"), ("exit", "chosen_one"), ("exit", "main")]
