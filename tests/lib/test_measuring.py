"""What benchmark and stress tests make of what they measure: a lost call cannot pass for a cheap one."""

import importlib.machinery
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
from teltest.counts import hook_total, read_hook_file
from teltest.run import REPOSITORY, count_hook

sys.path[:0] = [str(REPOSITORY / "tests/bench"), str(REPOSITORY / "tests/stress")]

import calls as bench_calls  # noqa: E402
from conditions import Busy, OneCore, Pinned  # noqa: E402
from full_rate import build_full_rate, made_calls  # noqa: E402
from measure import MainRun, run  # noqa: E402
from peers import Uftrace  # noqa: E402
from programs import Expected, Program  # noqa: E402


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    folder = tmp_path_factory.mktemp("expected")
    source = folder / "a.c"
    source.write_text("int f(void) { return 1; }\n"
                      "int g(void) { return f() + f(); }\n"
                      "int main(void) { return g() - 2; }\n")
    subprocess.run(["gcc", "-O0", "-finstrument-functions", source, "-o", folder / "a"], check=True)
    return Expected(Program("a", [folder / "a"], None), folder)


def totals(**counts):
    return {"functions": [{"function_name": name, "calls": count} for name, count in counts.items()]}


def test_calls_are_counted_by_function(expected):
    assert expected.calls == {"main": 1, "g": 1, "f": 2}
    assert expected.total() == 4


def test_missing_and_surplus_calls_are_found(expected):
    assert expected.missing(totals(main=1, g=1, f=2)) == {}
    assert expected.missing(totals(main=1, g=1, f=1)) == {"f": 1}
    assert expected.missing(totals(main=1, f=2)) == {"g": 1}
    assert expected.missing(totals(main=1, g=1, f=2, h=3)) == {"h": -3}


def test_calls_at_full_rate_are_known(tmp_path):
    counts = tmp_path / "counts"
    run_result = run([build_full_rate(), "60", "5000"], LD_PRELOAD=count_hook(), COUNT_HOOK_FILE=counts)
    assert run_result.stdout == "10000\n"
    assert hook_total(read_hook_file(counts)) == made_calls(10_000)


def report(condition, lost):
    """Of rows that all take 10 ns a call, with so many calls lost in the last run of three."""
    class Made:
        class workload:
            name, calls = "tiny", 1000
        bases = {}
    Made.condition = condition
    def runs(ns, losses):
        return [MainRun(ns, ns, 1000, 2000, "", lost) for lost in losses]
    return bench_calls.report_of(Made, {
        "plain": runs(5000, [None] * 3),
        bench_calls.FLOOR: runs(15_000, [None] * 3),
        bench_calls.RECORDING: runs(15_000, [0, 0, lost]),
    }, [])


def test_a_row_that_lost_calls_meets_no_target():
    row = report(OneCore(), 7)["rows"][bench_calls.RECORDING]
    assert "target 1.60: missed, calls were lost" in bench_calls.notes_on(row)
    assert bench_calls.loss_text(row, 1000) == "0 (0 %), up to 7"
    row = report(OneCore(), 0)["rows"][bench_calls.RECORDING]
    assert "1.00 x floor, target 1.60: met" in bench_calls.notes_on(row)
    assert bench_calls.loss_text(row, 1000) == "nothing"


def own_times(**changed):
    loader = importlib.machinery.SourceFileLoader("own_time", str(REPOSITORY / "tests/stress/own_time"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("own_time", loader))
    loader.exec_module(module)
    right = {"calls": 1000, "untraced_ns": 5000, "hook_ns": 20, "own_ns": 25_000, "of_expected": 1.05,
             "of_its_own": 1.0, "waited_ns": 0, "lost": 0, "lost_record": 0}
    return module.row_of("busy", "fib", [right | changed, right | changed, right], within=0.1)


def test_own_time_has_to_be_what_was_expected():
    row, right = own_times()
    assert right and "1.05" in row and "WRONG" not in row
    for changed, note in (({"of_expected": 1.11}, "1.11"), ({"of_expected": 0.89}, "0.89"),
                          ({"lost": 3}, "up to 3 calls lost"),
                          ({"lost_record": 4}, "hooks cost more: --record lost up to 4 calls")):
        row, right = own_times(**changed)
        assert not right and "WRONG" in row and note in row


def test_losses_of_uftrace_are_read():
    assert Uftrace.lost("uftrace: LOST 12 records\nWARN\nLOST 30 records\n") == 42
    assert Uftrace.lost("") == 0


def cores_of(text):
    return next(line.split()[1] for line in text.splitlines() if line.startswith("Cpus_allowed_list:"))


@pytest.mark.parametrize("condition", [OneCore(), Pinned()], ids=lambda condition: condition.name)
def test_the_program_has_one_core(condition):
    with condition:
        done = run([*condition.program, "cat", "/proc/self/status"])
        below = run(condition.telrun(["-q", "-o", "/dev/null"], ["cat", "/proc/self/status"]))
    assert cores_of(done.stdout).isdigit() and cores_of(below.stdout).isdigit()


def test_busy_loops_end():
    with Busy() as busy:
        loops = [loop.pid for loop in busy.loops]
        assert len(loops) == 8 and all(Path(f"/proc/{pid}").exists() for pid in loops)
    assert not any(Path(f"/proc/{pid}").exists() for pid in loops)
