"""The rules of call trees, from recordings: each is converted, and its tree is the one that is kept.

The same programs run live in test_tree_*.py, test_ends_*.py and others. Here no program runs: what a
change of a rule does to all of these trees is seen soon. replayed/remake makes the recordings
anew when their format changes.
"""

import pytest

from replays import ARCHIVES, CASES, held_place, outline_of, unpack


@pytest.fixture(scope="module", autouse=True)
def place():
    with held_place():
        yield


@pytest.mark.all_variants
@pytest.mark.parametrize("name", CASES)
def test_the_tree_of_a_recording_is_the_one_that_is_kept(name):
    unpack(name)
    assert outline_of(name) == (ARCHIVES / f"{name}.txt").read_text()


def test_every_kept_recording_is_looked_at():
    assert sorted(path.name for path in ARCHIVES.iterdir()) == \
        sorted(["remake", *(f"{name}.{kind}" for name in CASES for kind in ("tar.xz", "txt"))])
