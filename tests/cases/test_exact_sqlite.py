"""SQLite's shell, 400 inserts and a join: every call is in the trace, once, where it belongs."""

import pytest

from teltest.exact import check_exact, count_calls
from teltest.programs import sqlite
from teltest.run import COMPILERS, LEVELS


@pytest.mark.long
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("compiler", COMPILERS)
def test_trace_equals_counts(compiler, level, figure):
    figure(check_exact(sqlite(compiler, level), f"sqlite-{compiler}{level}"))


def test_driver_is_deterministic():
    """Else a difference of counts could be the program's own."""
    case = sqlite("gcc", "-O0")
    first = count_calls(case, "sqlite-counts")
    assert sum(first.values()) >= case.calls_at_least
    assert count_calls(case, "sqlite-counts") == first
