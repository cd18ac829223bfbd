"""Exceptions: what the events tell of each way to throw and catch, with both compilers.

The golden stories are in golden/errors_exceptions.txt, a section for each case; `gcc:` and `clang:`
before a section's name where the two differ. TELTEST_WRITE_GOLDEN=1 writes what is seen instead.
"""

import os
from pathlib import Path

import pytest

from teltest.check import check_tree
from teltest.events import parse_without_duplicates
from teltest.run import APPS, COMPILERS, LEVELS, build, library, run
from teltest.schema import errors_of
from teltest.story import stack_functions, story

SOURCE = APPS / "errors/exceptions.cpp"
GOLDEN = Path(__file__).parent / "golden/errors_exceptions.txt"
CASES = ("one_frame", "five_frames", "again", "nested", "in_a_thread", "hands_over", "promises",
         "uncaught", "while_unwinding", "in_library", "cancels", "thread_exits",
         "exits_through_catch", "long_jump")
ABORT = -6
# Not part of the story: what compilers make for static variables, and instrument or not.
WITHOUT = ("_GLOBAL__sub_I_sink", "__static_initialization_and_destruction_0",
           "std::_Nested_exception<std::runtime_error>::~_Nested_exception")

TEXTS = [
    ("int", "42"), ("long", "-7"), ("char", "120"), ("bool", "1"), ("double", ""),
    ("char const*", "a text"),
    ("std::__cxx11::basic_string<char, std::char_traits<char>, std::allocator<char> >", "a string"),
    ("Plain", ""), ("Silent", "std::exception"), ("Literal", "a literal"),
    ("Member", "a member that is too long for its place within the string"),
    ("Diamond", "through virtual bases"), ("Second", "the second base"),
    ("Secret", ""),    # a private base: no handler of std::exception would see it either
    ("Composed", ""),  # its text does not exist before what() is called
    ("std::system_error", "open: No such file or directory"),
    ("std::bad_alloc", "std::bad_alloc"), ("std::bad_cast", "std::bad_cast"),
    ("std::runtime_error", "x" * 200), ("std::runtime_error", "\u00e4\ufffd\n\"end\""),
]
MISBEHAVING = ("Throwing", "Crashing", "Endless", "Printing", "Null", "Dangling")


def program(compiler, level, *flags, link=()):
    return build("exceptions", [SOURCE], compiler, (level, "-w", *flags), ("-lpthread", *link))


def trace(path, case, into, **options):
    """A run's result and its events, which are all valid."""
    result = run([path, case], into, timeout=120, **options)
    events = list(result.events())
    for event in events:
        assert errors_of(event) == []
    for line in result.events_path.read_bytes().splitlines():
        parse_without_duplicates(line)
    checker = check_tree(result.events_path)
    assert not checker.problems, str(checker.problems)
    assert checker.lost == {}
    return result, events


def thrown(events):
    return [event for event in events if event["event_type"] == "exception_exit"]


def errors(events):
    return [(event["error"]["type"], event["error"]["message"]) for event in thrown(events)]


def read_golden():
    sections, name = {}, None
    for line in GOLDEN.read_text().splitlines(keepends=True):
        if line.startswith("=== "):
            name = line[4:].strip()
            sections[name] = ""
        else:
            sections[name] += line
    return {name: text.rstrip("\n") + "\n" for name, text in sections.items()}


def write_golden(name, text):
    sections = read_golden() if GOLDEN.exists() else {}
    sections[name] = text
    GOLDEN.parent.mkdir(exist_ok=True)
    GOLDEN.write_text("\n".join(f"=== {name}\n{text}" for name, text in sections.items()))


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize("case", CASES)
def test_story(case, compiler, level, tmp_path):
    path = program(compiler, level)
    plain = run([path, case], tmp_path / "none", mode="none")
    result, events = trace(path, case, tmp_path / "events.jsonl")
    assert (result.status, result.stdout) == (plain.status, plain.stdout)
    assert result.stderr == plain.stderr
    assert result.status == (ABORT if case in ("promises", "uncaught") else 0)
    text = story(events, WITHOUT)
    if os.environ.get("TELTEST_WRITE_GOLDEN"):
        write_golden(f"{compiler}:{case}", text)
    golden = read_golden()
    assert text == golden.get(f"{compiler}:{case}", golden.get(case))


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("compiler", COMPILERS)
def test_types_and_texts(compiler, level, tmp_path):
    result, events = trace(program(compiler, level), "types", tmp_path / "events.jsonl")
    assert result.status == 0
    assert errors(events) == TEXTS


@pytest.mark.parametrize("mode", ("telrun", "preload"))
@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize("level", LEVELS)
def test_what_is_not_called(level, compiler, mode, tmp_path):
    """what() that throws, crashes, never returns or prints: the program notices nothing."""
    result, events = trace(program(compiler, level), "misbehaving", tmp_path / "events.jsonl",
                           mode=mode)
    assert (result.status, result.stdout, result.stderr) == (0, b"", b"")
    # What Printing's would return is known only to who runs its call of write().
    assert errors(events) == [(name, "") for name in MISBEHAVING]


@pytest.mark.parametrize(("name", "compiler", "flags", "link"), [
    ("libc++", "clang", ("-stdlib=libc++",), ("-stdlib=libc++",)),
    ("static libstdc++, g++", "gcc", (), ("-static-libstdc++",)),
    ("static libstdc++, clang", "clang", (), ("-static-libstdc++",)),
    ("all static, but for telc++'s option", "gcc", (),
     ("-static-libstdc++", "-static-libgcc", "--telcc-shared-libgcc")),
])
def test_other_runtimes(name, compiler, flags, link, tmp_path):
    path = program(compiler, "-O1", *flags, link=link)
    _, events = trace(path, "types", tmp_path / "events.jsonl")
    # The class is the runtime's own, and so is its name.
    seen = [(kind.replace("std::__1::", "std::"), text) for kind, text in errors(events)]
    strings = ("std::basic_string<", "std::__cxx11::basic_string<")
    expected = [pair for pair in TEXTS if not pair[0].startswith(strings)]
    assert [pair for pair in seen if not pair[0].startswith(strings)] == expected
    assert all(event["attributes"]["telinject.caught"] for event in thrown(events))
    golden = read_golden()
    for case in ("five_frames", "again", "while_unwinding"):
        result, events = trace(path, case, tmp_path / "events.jsonl")
        assert story(events, WITHOUT) == golden.get(f"{compiler}:{case}", golden.get(case))
    result, events = trace(path, "uncaught", tmp_path / "events.jsonl")
    assert result.status == ABORT
    assert [event["attributes"]["telinject.caught"] for event in thrown(events)] == [False]


def test_static_unwinder_is_not_seen(tmp_path):
    """With libgcc linked statically too nothing passes by the library: documented, with the way out."""
    path = program("gcc", "-O1", link=("-static-libstdc++", "-static-libgcc"))
    result, events = trace(path, "five_frames", tmp_path / "events.jsonl")
    assert result.status == 0
    assert thrown(events) == []
    assert any(event["function_name"] == "f5" for event in events)


@pytest.mark.parametrize("compiler", COMPILERS)
def test_without_stacks(compiler, tmp_path):
    _, events = trace(program(compiler, "-O2"), "five_frames", tmp_path / "events.jsonl",
                      settings={"ENABLE_STACKTRACES": "false"})
    assert errors(events) == [("std::out_of_range", "too far")]
    assert not any("stacktrace" in event.get("error", {}) for event in events)
    assert sum("error" in event for event in events) == 6  # f1 to f5, and the exception


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("compiler", COMPILERS)
def test_stack(compiler, level, tmp_path):
    """The functions and lines from the throw to main, the same on each frame that was left."""
    _, events = trace(program(compiler, level), "five_frames", tmp_path / "events.jsonl")
    stacks = {event["error"]["stacktrace"] for event in events if "error" in event}
    assert len(stacks) == 1
    frames = stack_functions(stacks.pop())
    names = ["f5", "f4", "f3", "f2", "f1", "five_frames", "main"]
    assert [frame[0] for frame in frames[:7]] == names
    lines = SOURCE.read_text().splitlines()
    texts = ("throw std::out_of_range", "f5();", "f4();", "f3();", "f2();", "f1();", "c.run()")
    for (_, file, line), text in zip(frames, texts):
        assert file == str(SOURCE)
        assert text in lines[line - 1]


DEEP = """\
#include <stdexcept>
__attribute__((noinline)) int deep_function_with_a_long_name_so_that_lines_are_long(int n) {
  if (n == 0) throw std::runtime_error("deep");
  return deep_function_with_a_long_name_so_that_lines_are_long(n - 1) + 1;
}
int main() {
  try {
    return deep_function_with_a_long_name_so_that_lines_are_long(300);
  } catch (...) {
  }
}
"""


def test_stack_is_bounded(tmp_path):
    source = tmp_path / "deep.cpp"
    source.write_text(DEEP)
    path = build("deep", [source], "gcc", ("-O0",))
    result = run([path], tmp_path / "events.jsonl")
    events = list(result.events())
    stacks = [event["error"].get("stacktrace") for event in events if "error" in event]
    assert len(stacks) == 302
    told = [stack for stack in stacks if stack]
    assert len(told) == 17  # 16 frames and the exception: the rest has type and message
    for stack in told:
        assert 1800 < len(stack) <= 2000 and len(stack.encode()) <= 2048
        assert stack_functions(stack)[0][0].startswith("deep_function")


def test_library_needs_libc_only():
    import subprocess
    dynamic = subprocess.run(["readelf", "-d", library()], capture_output=True, text=True,
                             check=True).stdout
    needed = [line.split("[")[1].rstrip("]") for line in dynamic.splitlines() if "(NEEDED)" in line]
    assert needed == ["libc.so.6"]
    symbols = subprocess.run(["nm", "-D", "--undefined-only", library()], capture_output=True,
                             text=True, check=True).stdout
    assert [line for line in symbols.splitlines() if line.split()[0] not in ("w", "v")] == []
