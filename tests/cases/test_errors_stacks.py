"""The stack of a throw in a real program is the one that gdb shows when it catches the throw."""

import pytest

from teltest.check import check_tree
from teltest.gdb import gdb
from teltest.programs import yaml_parser
from teltest.run import run
from teltest.schema import errors_of
from teltest.story import stack_functions

# Documents with an error each, found at different depths of the parser.
BAD = {
    "unfinished": "a: [1, 2",
    "two values": "a: b: c",
    "unknown anchor": "top:\n  inner:\n    - x: *nowhere\n",
    "tab": "a:\n\t- b\n",
    "escape": "text: \"\\q\"\n",
    "nested": "[" * 12 + "}" + "\n",
}


def short(frames):
    """As far as main, which gdb stops at; files by their last three parts."""
    result = []
    for function, file, line in frames:
        result.append((function, "/".join(file.split("/")[-3:]) if file else None, line))
        if function == "main":
            return result
    pytest.fail(f"no main in {frames}")


@pytest.mark.parametrize(("compiler", "level"), [("gcc", "-O0"), ("gcc", "-O2"), ("clang", "-O2")])
def test_stack_of_a_throw(compiler, level, tmp_path, figure):
    path = yaml_parser(compiler, level)
    longest = inlined = 0
    for name, text in BAD.items():
        document = tmp_path / "bad.yaml"
        document.write_text(text)
        plain = run([path, document], tmp_path / "none", mode="none")
        assert plain.stderr.startswith(b"yaml-cpp: error"), name
        result = run([path, document], tmp_path / "events.jsonl")
        assert (result.status, result.stdout, result.stderr) == (
            plain.status, plain.stdout, plain.stderr)
        events = list(result.events())
        assert not check_tree(result.events_path).problems
        thrown = [event for event in events if event["event_type"] == "exception_exit"]
        assert errors_of(thrown[0]) == []
        # what() was composed when the exception was made, and is what the program printed.
        assert thrown[0]["error"]["message"] + "\n" == plain.stderr.decode(), name
        assert thrown[0]["attributes"]["telinject.caught_in"] == "parse"
        frames = stack_functions(thrown[0]["error"]["stacktrace"])
        expected = gdb(["--args", path, document], "catch throw", "run")
        assert expected[0][0] in ("__cxxabiv1::__cxa_throw", "__cxa_throw"), expected
        expected = short(expected[1:])
        assert short(frames) == expected, name
        longest = max(longest, len(expected))
        addresses = [line.split()[-1] for line in thrown[0]["error"]["stacktrace"].splitlines()]
        inlined += len(addresses) - len(set(addresses))
    figure(f"{len(BAD)} throws, the longest stack to main has {longest} frames; {inlined} inlined")
    assert longest >= 10
    if level == "-O2":
        assert inlined > 0
