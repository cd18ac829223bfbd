"""The stack of a throw in a real program is the one that gdb shows when it catches the throw."""

import pytest

from teltest.check import check_tree
from teltest.gdb import addr2line, gdb
from teltest.programs import yaml_parser
from teltest.run import COMPILERS, build, run
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


def same_stack(stack, expected, path):
    """Holds a stack against gdb's frames, as far as main, or as far as its 2,000 characters go. Returns
    the lines in which binutils is with us against gdb: gdb passes over those rows of the line table that
    are no statement's beginning, and then names a line of whatever was inlined before.
    """
    frames = stack_functions(stack)
    names = [frame[0] for frame in frames]
    if "main" in names:
        frames = frames[:names.index("main") + 1]
        assert len(frames) == len(expected)
    else:
        assert len(stack) > 1800
    assert [frame[0] for frame in frames] == [frame[0] for frame in expected[:len(frames)]]
    against = 0
    for text, own, other in zip(stack.splitlines(), frames, expected):
        if own[1:] == other[1:]:
            continue
        address = int(text.split("+0x")[-1], 16) - 1
        assert own[1:] == addr2line(path, address), (own, other)
        against += 1
    return against


@pytest.mark.long
@pytest.mark.parametrize(("compiler", "level"), [("gcc", "-O0"), ("gcc", "-O2"), ("clang", "-O2")])
def test_stack_of_a_throw(compiler, level, tmp_path, figure):
    path = yaml_parser(compiler, level)
    total = against = 0
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
        expected = gdb(["--args", path, document], "catch throw", "run")
        assert expected[0][0] in ("__cxxabiv1::__cxa_throw", "__cxa_throw"), expected
        stack = thrown[0]["error"]["stacktrace"]
        against += same_stack(stack, expected[1:], path)
        total += min(len(expected) - 1, len(stack.splitlines()))
    figure(f"{len(BAD)} throws, {total} frames as gdb has them; {against} lines as only binutils has")
    assert total >= 60
    assert against <= total // 6


INLINED = """\
#include <stdexcept>
#define INLINE inline __attribute__((always_inline))
volatile int sink;
static INLINE void innermost(int n) {
  if (n > 1) throw std::runtime_error("inlined");
}
static INLINE void middle(int n) {
  sink = n;
  innermost(n + 1);
}
__attribute__((noinline)) void physical(int n) {
  middle(n);
  sink = n;
}
int main(int count, char**) {
  try {
    physical(count);
  } catch (...) {
    sink = 1;
  }
}
"""


@pytest.mark.parametrize("compiler", COMPILERS)
def test_inlined_frames(compiler, tmp_path):
    source = tmp_path / "inlined.cpp"
    source.write_text(INLINED)
    path = build("inlined", [source], compiler, ("-O2",))
    result = run([path], tmp_path / "events.jsonl")
    stack = next(event["error"]["stacktrace"] for event in result.events()
                 if event["event_type"] == "exception_exit")
    assert stack_functions(stack)[:4] == [
        ("innermost", str(source), 5), ("middle", str(source), 9), ("physical", str(source), 12),
        ("main", str(source), 17)]
    assert same_stack(stack, gdb([path], "catch throw", "run")[1:], path) == 0
