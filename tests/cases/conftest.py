"""What the cases share. See tests/lib/teltest for the checks and helpers themselves.

TELINJECT_BUILD names the build tree to test; without it it is build/ of this repository.
"""

import pathlib
import tempfile

import pytest

# Or a failed run says no more than AssertionError.
pytest.register_assert_rewrite("traced", "bad_input", "noticed", "telcc_runs")

from telrun_pair import Pair
from teltest.run import build_directory
from traced import VARIANTS, Traced
from ways import Ways


@pytest.fixture(scope="session")
def build():
    """The build tree: bin/, lib/ and libexec/ lie in it as they do when installed."""
    return build_directory()


@pytest.fixture
def pair(build, tmp_path):
    """Runs a command alone and under telrun."""
    made = Pair(build, tmp_path)
    yield made
    made.close()


@pytest.fixture(params=VARIANTS, ids="".join)
def traced(request, tmp_path):
    """Builds, runs and checks small programs: once for each compiler, level and way to trace."""
    made = Traced(*request.param, tmp_path)
    yield made
    made.path.unlink(missing_ok=True)


@pytest.fixture
def ways(build, tmp_path):
    """Runs a command alone, under telrun and with a bare LD_PRELOAD."""
    made = Ways(build, tmp_path)
    yield made
    made.close()


@pytest.fixture
def place(ways):
    """A folder that every user may enter, for what programs of other users use; the trace is written there,
    by its owner. (pytest's own folders are for one user.)"""
    with tempfile.TemporaryDirectory(prefix="telinject-place-", dir="/tmp") as folder:
        made = pathlib.Path(folder)
        made.chmod(0o755)
        ways.trace = made / "trace.jsonl"
        ways.environment["TELEMETRY_FILE"] = str(ways.trace)
        yield made
        ways.close()


@pytest.fixture
def figure(record_property):
    """figure(text): a line of measured numbers, shown at the end, also when the test passes."""
    return lambda text: record_property("figure", str(text))
