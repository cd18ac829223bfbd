"""Random programs that know their own call tree, against the trace: who called whom.

Reports, for each kind of program, compiler and level, how many parents are wrong. TELTEST_SEEDS sets
how many programs of each kind (default 4); TELTEST_LEVELS the levels ("-O0 -O2").
"""

import os
from collections import Counter

import pytest

from teltest.check import check_tree
from teltest.generate import DESTRUCTOR, VARIANTS, Generator
from teltest.run import APPS, COMPILERS, LEVELS, build, build_directory, run
from teltest.schema import errors_of
from teltest.truth import TreeComparison, read_truth

SEEDS = int(os.environ.get("TELTEST_SEEDS", "4"))
LEVELS_HERE = tuple(os.environ.get("TELTEST_LEVELS", " ".join(LEVELS)).split())

# clang leaves no record of the frames that an exception has unwound when it runs a destructor for
# one of several functions that are inlined into one frame. That is the one kind of error known: the
# parent of such a destructor. Measured with the rules of the drain, replayed over these programs:
# 1.2 % of all entries with the first 4 seeds, 1.6 % with 14.
CLANG_DESTRUCTORS = 0.0125 if SEEDS <= 4 else 0.02


def limit(mode, compiler):
    return CLANG_DESTRUCTORS if (mode, compiler) == ("exc", "clang") else 0


def trace_program(tmp_path, seed, mode, language, compiler, level):
    """Builds and runs one program; returns the finished comparison."""
    generator = Generator(seed, mode, language)
    folder = build_directory() / "test-cache/random"
    folder.mkdir(parents=True, exist_ok=True)
    source = folder / f"{mode}{seed}.{language}"
    text = generator.source()
    if not source.exists() or source.read_text() != text:
        mine = source.with_name(f"{os.getpid()}-{source.name}")  # another worker may build the same one
        mine.write_text(text)
        mine.replace(source)
    program = build(source.stem, [source], compiler, (level, "-w"),
                    plain_sources=[APPS / "truth.c"])
    log = tmp_path / "truth"
    result = run([program], tmp_path / "events.jsonl", environment={"TRUTH_FILE": str(log)},
                 settings={"TELEMETRY_ON_FULL": "block"})
    assert result.status == 0, f"{source}: {result.stderr.decode()}"
    comparison = TreeComparison(read_truth(log), generator.names())
    checker = check_tree(result.events_path, comparison)
    assert not checker.problems, f"{source}\n{checker.problems}"
    for number, event in enumerate(result.events()):
        if number % 50 == 0:  # the schema is held against every line of the real programs
            assert errors_of(event) == []
    assert comparison.entries == comparison.calls, f"{source}: entries and calls differ"
    result.events_path.unlink()
    return comparison


@pytest.mark.parametrize("level", LEVELS_HERE)
@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize(("mode", "language"), VARIANTS)
def test_parents(mode, language, compiler, level, tmp_path, figure):
    total = Counter()
    examples = []
    for seed in range(1, SEEDS + 1):
        comparison = trace_program(tmp_path, seed, mode, language, compiler, level)
        for count in ("entries", "wrong_parents", "wrong_names", "marked_returned",
                      "unmarked_gone"):
            total[count] += getattr(comparison, count)
        total["wrong_functions"] += comparison.wrong_by_number.total() \
            - comparison.wrong_by_number[DESTRUCTOR]
        examples += comparison.examples
    share = total["wrong_parents"] / total["entries"]
    figure(f"{total['entries']:,} entries, {total['wrong_parents']} wrong parents ({share:.2%})")
    text = "\n".join(examples[:10])
    assert total["wrong_names"] == 0, text
    assert share <= limit(mode, compiler), text
    assert total["wrong_functions"] == 0, f"wrong where no destructor was called:\n{text}"
    if mode in ("plain", "lj"):  # exceptions run exit hooks with gcc: a returned look is right there
        assert total["marked_returned"] == 0
        assert total["unmarked_gone"] == 0
