"""Lua's interpreter, with closures, errors and coroutines: it leaves frames by longjmp all the time,
and every call is in the trace, once, where it belongs.
"""

import pytest

from teltest.exact import check_exact, count_calls
from teltest.programs import lua
from teltest.run import COMPILERS, LEVELS


@pytest.mark.long
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("compiler", COMPILERS)
def test_trace_equals_counts(compiler, level, figure):
    figure(check_exact(lua(compiler, level), f"lua-{compiler}{level}"))


def test_driver_is_deterministic():
    """To a thousandth: Lua's string cache is indexed by address, which the loader varies."""
    case = lua("gcc", "-O0")
    first = sum(count_calls(case, "lua-counts").values())
    second = sum(count_calls(case, "lua-counts").values())
    assert first >= case.calls_at_least
    assert abs(first - second) <= first / 1000
