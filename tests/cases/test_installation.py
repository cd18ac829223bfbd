"""telinject where `cmake --install` puts it: by a prefix chosen then, by DESTDIR, moved elsewhere. It is
the same as in the build tree, and needs nothing of that.
"""

import os
import shutil
import subprocess

import pytest
from teltest.events import read_events
from teltest.run import APPS, REPOSITORY, clean_environment

TIMEOUT = 300


def run(*command, **variables):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=TIMEOUT,
                          env=clean_environment() | variables)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done


def installed(build, prefix, destdir=""):
    """As packagers do it: the files go to destdir/prefix and will be used as prefix."""
    run("cmake", "--install", build, "--prefix", prefix, DESTDIR=str(destdir))
    return prefix


def files_of(root):
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if not path.is_dir()}


EXPECTED = {"bin/telrun", "bin/telinject", "bin/telcc", "bin/telc++", "lib/libtelinject.so",
            "libexec/telinject/telinject-drain", "share/telinject/telemetry-v3.schema.json",
            "share/telinject/clang-overlay/layers",
            "lib/cmake/telinject/telinject-config.cmake"}


def check_traces(root, tmp_path, compiler, library="lib/libtelinject.so"):
    """Builds with the wrapper of this place, runs by its telrun and by its library alone."""
    program = tmp_path / f"indirect-{compiler}"
    run(root / "bin/telcc", APPS / "indirect.c", "-o", program, TELCC_CC=compiler)
    names = []
    for mode in "telrun", "preload":
        trace = tmp_path / f"{compiler}-{mode}.jsonl"
        if mode == "telrun":
            done = run(root / "bin/telrun", "-o", trace, program)
        else:
            done = run(program, TELEMETRY_FILE=str(trace), LD_PRELOAD=str(root / library))
        assert (done.stdout, done.stderr) == ("2\n", "")
        names.append([(event["event_type"], event["function_name"]) for event in read_events(trace)])
        assert len(names[-1]) == 6
    assert names[0] == names[1]


@pytest.fixture(scope="module")
def place(build, tmp_path_factory):
    return installed(build, tmp_path_factory.mktemp("prefix") / "place")


def test_all_is_there(place):
    assert EXPECTED <= files_of(place)


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_installed(place, tmp_path, compiler):
    check_traces(place, tmp_path, compiler)


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_uninstalled(build, tmp_path, compiler):
    check_traces(build, tmp_path, compiler)


def test_needs_nothing_of_the_build_tree(build, place):
    for name in ("bin/telcc", "lib/cmake/telinject/telinject-config.cmake",
                 "share/telinject/clang-overlay/layers"):
        text = (place / name).read_text()
        assert str(build) not in text and str(REPOSITORY) not in text
    for name in "bin/telinject", "bin/telrun", "libexec/telinject/telinject-drain", "lib/libtelinject.so":
        assert not any(word in run("readelf", "-d", place / name).stdout for word in ("RPATH", "RUNPATH"))


def test_destdir(build, tmp_path):
    prefix = tmp_path / "usr"
    installed(build, prefix, destdir=tmp_path / "stage")
    staged = tmp_path / "stage" / prefix.relative_to("/")
    assert EXPECTED <= files_of(staged)
    assert not prefix.exists()
    shutil.move(staged, prefix)
    check_traces(prefix, tmp_path, "gcc")


@pytest.mark.parametrize("folder", ["lib/x86_64-linux-gnu", "lib64"])
def test_library_folders_of_distributions(build, tmp_path, folder):
    """As with -DCMAKE_INSTALL_LIBDIR, or with Debian's CMake and -DCMAKE_INSTALL_PREFIX=/usr."""
    root = installed(build, tmp_path / "usr")
    (root / folder).mkdir(parents=True)
    shutil.move(root / "lib/libtelinject.so", root / folder)
    check_traces(root, tmp_path, "gcc", f"{folder}/libtelinject.so")


def test_long_prefix(build, tmp_path):
    check_traces(installed(build, tmp_path / ("long" * 30)), tmp_path, "gcc")


def test_prefix_with_a_space(build, tmp_path):
    """LD_PRELOAD has no way to quote one: said in one line, and the program runs."""
    root = installed(build, tmp_path / "a place")
    done = run(root / "bin/telrun", "echo", "ran")
    assert done.stdout == "ran\n"
    assert done.stderr == (f"telrun: LD_PRELOAD cannot carry a path with a space or colon: "
                           f"{root}/lib/libtelinject.so; running untraced\n")


@pytest.mark.parametrize("how", [shutil.move, shutil.copytree])
def test_moved(build, tmp_path, how):
    """As a whole: its programs and library find each other by where they are."""
    root = installed(build, tmp_path / "first")
    moved = tmp_path / "second"
    how(root, moved)
    shutil.rmtree(root, ignore_errors=True)
    check_traces(moved, tmp_path, "clang")
