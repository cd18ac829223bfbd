"""Generated programs: reproducible, they run the same everywhere, and the comparison with their log
notices a wrong tree. The hooks here are a bookkeeper's, not telinject's.
"""

import subprocess

import pytest
from teltest.counts import hook_total, read_hook_file
from teltest.examples import Stream
from teltest.generate import DESTRUCTOR, MAIN, VARIANTS, Generator
from teltest.run import APPS, COMPILERS, clean_environment, count_hook
from teltest.truth import Truth, TreeComparison, read_truth

CXX = {"gcc": "g++", "clang": "clang++"}


def run_generated(folder, seed, mode, language, compiler, level):
    """(truth, calls by the counting hook)"""
    source = folder / f"program.{language}"
    source.write_text(Generator(seed, mode, language).source())
    real = CXX[compiler] if language == "cpp" else compiler
    flags = [level, "-w"]
    subprocess.run([compiler, *flags, "-c", APPS / "truth.c", "-o", folder / "truth.o"], check=True)
    subprocess.run([real, *flags, "-finstrument-functions", source, folder / "truth.o",
                    "-o", folder / "program"], check=True)
    environment = clean_environment() | {
        "TRUTH_FILE": str(folder / "truth"), "COUNT_HOOK_FILE": str(folder / "counts"),
        "LD_PRELOAD": str(count_hook())}
    (folder / "counts").unlink(missing_ok=True)
    subprocess.run([folder / "program"], env=environment, check=True, timeout=60)
    return read_truth(folder / "truth"), hook_total(read_hook_file(folder / "counts"))


@pytest.mark.parametrize(("mode", "language"), VARIANTS)
def test_same_calls_everywhere(tmp_path, mode, language):
    """Compilers and levels differ in where hooks run, not in who calls whom; each traced call is in
    the log."""
    first = None
    for compiler in COMPILERS:
        for level in ("-O0", "-O2"):
            truth, calls = run_generated(tmp_path, 3, mode, language, compiler, level)
            assert truth.calls == calls
            assert truth.calls > 500
            first = first or truth
            assert truth == first


@pytest.mark.parametrize(("mode", "language"), VARIANTS)
def test_modes_do_what_they_say(tmp_path, mode, language):
    left, text = 0, ""
    for seed in (1, 2, 3):
        truth, _ = run_generated(tmp_path, seed, mode, language, "gcc", "-O0")
        left += truth.calls - len(truth.returned)
        text += Generator(seed, mode, language).source()
    assert (left > 0) == (mode != "plain")  # calls that did not return
    assert ("longjmp(*to" in text) == (mode in ("lj", "mix"))
    assert ("throw 3" in text) == (mode in ("exc", "mix"))
    assert ("Scope scope" in text) == (mode in ("plain", "exc") and language == "cpp")
    for feature in ("NOINLINE int", "static INLINE", "alloca(", "table[", "d - 1"):
        assert feature in text


def test_reproducible():
    for mode, language in VARIANTS:
        one, two = (Generator(5, mode, language) for _ in range(2))
        assert one.source() == two.source()
        assert one.names() == two.names()
        assert one.source() != Generator(6, mode, language).source()


# The comparison.

NAMES = {0: "f0", 1: "f1", MAIN: "main", DESTRUCTOR: "Scope::~Scope"}


def story():
    """main calls f0, which calls f1 and is left by it; then main calls f1."""
    truth = Truth()
    truth.parents += [0, 1, 2, 1]
    truth.numbers += [MAIN, 0, 1, 1]
    truth.returned |= {1, 4}
    stream = Stream()
    main = stream.enter("main")
    f0 = stream.enter("f0", main)
    f1 = stream.enter("f1", f0)
    stream.leave(f1, how="longjmp")
    stream.leave(f0, how="longjmp")
    stream.leave(stream.enter("f1", main))
    stream.leave(main)
    return truth, stream


def compared(truth, stream):
    comparison = TreeComparison(truth, NAMES)
    for event in stream.events:
        comparison.feed(event)
    return comparison


def test_right_tree():
    result = compared(*story())
    assert (result.entries, result.calls) == (4, 4)
    assert (result.wrong_parents, result.wrong_names) == (0, 0)
    assert (result.marked_returned, result.unmarked_gone) == (0, 0)


def test_wrong_parent():
    truth, stream = story()
    stream.events[5]["parent_span_id"] = stream.events[1]["span_id"]  # the second f1: f0
    result = compared(truth, stream)
    assert result.wrong_parents == 1
    assert result.wrong_by_number == {1: 1}
    assert result.examples == ["call 4 (f1): parent 2 (f0), truly 1 (main)"]


@pytest.mark.parametrize("parent", [None, "00000000000000ff"])
def test_lost_parent(parent):
    truth, stream = story()
    stream.events[2]["parent_span_id"] = parent
    assert compared(truth, stream).wrong_parents == 1


def test_wrong_name():
    truth, stream = story()
    stream.events[1]["function_name"] = "f1"
    assert compared(truth, stream).wrong_names == 1


def test_missing_entry():
    truth, stream = story()
    del stream.events[5:7]
    result = compared(truth, stream)
    assert (result.entries, result.calls) == (3, 4)


def test_wrong_marks():
    truth, stream = story()
    del stream.events[3]["attributes"]["telinject.exit"]
    stream.events[6]["attributes"]["telinject.exit"] = "unwound"
    result = compared(truth, stream)
    assert (result.marked_returned, result.unmarked_gone) == (1, 1)
