"""CMake's telinject_instrument(), and CMake with the wrappers as compilers."""

import re
from pathlib import Path

import pytest
from telcc_runs import HOOKED, SOURCES, belongs_to_the_library, instrumented, run, telcc, wrappers


def installed(build, place):
    run("cmake", "--install", build, "--prefix", place)
    return place, place / "lib/cmake/telinject"


@pytest.mark.parametrize("tree, cc, cxx", [("build", "gcc", "g++"), ("install", "clang", "clang++")])
def test_cmake_function(wrappers, tmp_path, tree, cc, cxx):
    if tree == "build":
        root = package = wrappers.parent
    else:
        root, package = installed(wrappers.parent, tmp_path / "in stalled")
    build = tmp_path / "build"
    outcome = run("cmake", "-S", SOURCES / "project", "-B", build, f"-Dtelinject_DIR={package}",
                  "-DCMAKE_BUILD_TYPE=None", CC=cc, CXX=cxx)
    library = re.search(r"library: (.*)", outcome.stdout)[1]
    assert Path(library).parent.parent == root and library.endswith("/libtelinject.so")

    output = run("cmake", "--build", build, "--verbose").stdout
    assert run(build / "program").stdout == "1\n"
    functions = instrumented(build / "program")
    assert {"main", "part"} <= set(functions)
    assert [name for name in functions if belongs_to_the_library(name)] == []
    assert instrumented(build / "plain") == {}
    # Debug information is added to the one that chose none, in front of the other's choice.
    commands = {Path(line.split()[-1]).name: line.split() for line in output.splitlines() if HOOKED in line}
    assert "-g" in commands["program.cpp"]
    assert "-g" not in commands["part.c"] and "-g1" in commands["part.c"]
    assert commands["part.c"].index(HOOKED) < commands["part.c"].index("-g1")


def test_cmake_with_the_wrappers_as_compilers(wrappers, tmp_path):
    run("cmake", "-S", SOURCES / "project", "-B", tmp_path, f"-Dtelinject_DIR={wrappers.parent}",
        CC=f"{wrappers}/telcc", CXX=f"{wrappers}/telc++")
    output = run("cmake", "--build", tmp_path, "--verbose").stdout
    assert HOOKED not in output  # neither by CMake's function: the wrappers add it
    assert {"main", "part"} <= set(instrumented(tmp_path / "program"))
    assert {"main", "part"} <= set(instrumented(tmp_path / "plain"))


@pytest.mark.parametrize("code, message", [
    ("find_package(telinject 99 REQUIRED)", "version: 0."),
    ("find_package(telinject REQUIRED)\ntelinject_instrument()", "needs a target"),
    ("find_package(telinject REQUIRED)\ntelinject_instrument(nothing)", "nothing is no target"),
])
def test_cmake_bad_use(wrappers, tmp_path, code, message):
    (tmp_path / "CMakeLists.txt").write_text(
        f"cmake_minimum_required(VERSION 3.22)\nproject(p NONE)\n{code}\n")
    outcome = run("cmake", "-S", tmp_path, "-B", tmp_path / "build", f"-Dtelinject_DIR={wrappers.parent}",
                  check=False)
    assert outcome.returncode != 0
    assert message in outcome.stderr
