"""The comparison with the counting hook's file notices what is missing, added or misnamed."""

import subprocess

import pytest
from teltest.counts import EntryCounter, compare, read_hook_file
from teltest.examples import Stream
from teltest.names import functions_at


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    folder = tmp_path_factory.mktemp("counts")
    source = folder / "a.c"
    source.write_text("int f(void) { return 1; } int g(void) { return 2; }\n"
                      "int main(void) { return f() + g(); }\n")
    subprocess.run(["gcc", "-O0", source, "-o", folder / "prog"], check=True)
    return folder / "prog"


def trace(names, module="/somewhere/prog"):
    """An EntryCounter that has seen these calls."""
    stream = Stream(pid=7)
    counter = EntryCounter()
    for name in names:
        event = stream.enter(name, trace=f"{len(stream.events) + 1:032x}")
        event["attributes"] |= {"module": module, "mangled_name": name}
        counter.feed(event)
        counter.feed(stream.leave(event))
    return counter


def hook(program, counts, pid=7):
    addresses = {linkage: address for address, symbols in functions_at(str(program)).items()
                 for linkage, _ in symbols}
    return {(pid, str(program), addresses[name]): count for name, count in counts.items()}


def test_equal(program):
    counter = trace(["main", "f", "g", "g"])
    assert not compare(counter, hook(program, {"main": 1, "f": 1, "g": 2}))
    assert counter.total() == 4


@pytest.mark.parametrize("names", [
    ["main", "f", "g"],                # one is missing
    ["main", "f", "g", "g", "g"],      # one too many
    ["main", "f", "f", "g"],           # one for another
    ["main", "g", "g"],                # a function is missing
    ["main", "f", "g", "g", "h"],      # a function that was not called
])
def test_different(program, names):
    problems = compare(trace(names), hook(program, {"main": 1, "f": 1, "g": 2}))
    assert problems.kinds == {"count"}


def test_other_process(program):
    assert compare(trace(["main"]), hook(program, {"main": 1}, pid=8)).kinds == {"count"}


def test_other_name(program):
    counter = trace(["main"])
    counter.names["prog", "main"] = "principal"
    assert compare(counter, hook(program, {"main": 1})).kinds == {"name"}


def test_address_without_symbol(program):
    assert compare(trace([]), {(7, str(program), 1): 5}).kinds == {"unknown"}
    assert compare(trace([]), {(7, "?", 4096): 5}).kinds == {"unknown"}


def test_inline_function_of_another_library():
    """clang hands over libc's tolower for the copy that it inlined into the program."""
    libc = next(path for path in ("/lib/x86_64-linux-gnu/libc.so.6", "/lib64/libc.so.6"))
    address = next(address for address, symbols in functions_at(libc).items()
                   if ("tolower", "tolower") in symbols)
    counts = {(7, libc, address): 3}
    assert not compare(trace(["tolower"] * 3), counts)
    assert compare(trace(["tolower"] * 2), counts).kinds == {"count"}


def test_file(tmp_path):
    path = tmp_path / "counts"
    path.write_text("7\t/a b/prog\t1130\t5\n7\t/a b/prog\tff\t1\n8\t?\t7f0000001130\t2\n"
                    "7\t/a b/prog\t1130\t2\n")
    assert read_hook_file(path) == {(7, "/a b/prog", 0x1130): 7, (7, "/a b/prog", 0xff): 1,
                                    (8, "?", 0x7f0000001130): 2}
