"""What the cases share. See tests/lib/teltest for the checks and helpers themselves.

TELINJECT_BUILD names the build tree to test; without it it is build/ of this repository.
"""

import pytest

pytest.register_assert_rewrite("traced")  # or a failed run says no more than AssertionError

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
def figure(record_property):
    """figure(text): a line of measured numbers, shown at the end, also when the test passes."""
    return lambda text: record_property("figure", str(text))
