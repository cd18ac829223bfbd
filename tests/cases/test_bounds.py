"""What is over is forgotten: memory does not grow with what a program has done, four times as often or not.

Of the processor, in `telinject convert`, where nothing waits. (tests/stress/bounds has the whole drain, a
hundred thousand times; tests/unit/drain/test_forgetting.cpp that the processor's state does not grow.)
"""

import pytest
from teltest.growth import calls_of, convert_growth, grow

# How often. Each forked child once took 4 kB for ever, so four times as many of them 36 MB more.
CASES = {
    "forks": ("work", 3000),
    "nested": ("work", 3000),
    "programs": ("work", 100),
    "threads": ("work", 5000),
    "modules": ("in_library", 200),
}
MORE_KB = 16_000


@pytest.mark.parametrize("what", CASES)
def test_flat(what, tmp_path):
    name, times = CASES[what]
    most = []
    for count in times, 4 * times:
        kilobytes, totals = convert_growth(what, count, tmp_path)
        assert calls_of(totals, name) == count
        assert totals["lost_calls"] == 0
        most.append(kilobytes)
    few, many = most
    assert many < few + MORE_KB


def test_functions_in_no_module(tmp_path):
    """300,000 took 450 MB. They are told one by one in the events, and counted together in the totals."""
    count, most_kb = 300_000, 200_000
    drain, totals = grow("functions", count, tmp_path)
    of_them = [row for row in totals["functions"]
               if row["function_name"].startswith("0x1") or row["function_name"] == "[code in no module]"]
    assert sum(row["calls"] for row in of_them) == count
    assert 1000 < len(of_them) < 5000
    assert 0 < drain.most_kb < most_kb
