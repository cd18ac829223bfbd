"""What telcc makes clang instrument: functions are excluded by headers of ours."""

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from telcc_runs import (
    AFTER_INLINING, HAVE_LIBCXX, HOOKED, LIBRARIES, SOURCES, SPECIAL_MEMBER, STRICT,
    belongs_to_the_library, instrumented, names, run, telcc, telcxx, wrappers)


def clang_flags(telcxx, *options):
    return telcxx("--telcc-compiler=clang++", "--telcc-flags", *options).stdout.split()


def test_clang_flags(telcc, telcxx):
    c = telcc("--telcc-compiler=clang", "--telcc-flags").stdout
    assert c.startswith(f"{HOOKED} -g ") and "/glibc/base" in c and "++" not in c
    assert "/libstdc++/base" in " ".join(clang_flags(telcxx))
    assert "/libc++/" not in " ".join(clang_flags(telcxx))
    system = clang_flags(telcxx, "--telcc-system-headers")
    assert system == [AFTER_INLINING, "-g"]


@pytest.mark.parametrize("options", [("-nostdinc", "-nostdinc++"), ("-nostdinc++",), ("-fmodules",)])
def test_clang_without_the_library_at_hand(telcxx, options):
    flags = clang_flags(telcxx, *options)
    assert flags[:2] == [AFTER_INLINING, "-g"]
    assert "c++/" not in " ".join(flags)


def test_clang_leaves_preprocessed_code_alone(telcxx, tmp_path):
    (tmp_path / "a.ii").write_text("int f() { return 1; }\n")
    telcxx("--telcc-compiler=clang++", "-c", "a.ii", cwd=tmp_path)
    assert names(tmp_path / "a.o") == {"f()"}


def test_clang_users_choice_of_instrumentation(telcc, tmp_path):
    (tmp_path / "a.c").write_text("static int g(int x) { return x; }\nint f(int x) { return g(x); }\n")
    telcc("--telcc-compiler=clang", "-O2", "-c", "a.c", AFTER_INLINING, cwd=tmp_path)
    assert instrumented(tmp_path / "a.o") == {"f": 1}
    telcc("--telcc-compiler=clang", "-O2", "-c", "a.c", cwd=tmp_path)
    assert instrumented(tmp_path / "a.o")["f"] == 2


def overlay(wrappers):
    """{layer: headers}"""
    text = (wrappers.parent / "share/telinject/clang-overlay/layers").read_text()
    return {layer: headers.split() for layer, headers in re.findall(r"^layer (\S+) '([^']*)'", text, re.M)}


@pytest.mark.parametrize("library", LIBRARIES)
def test_has_include_tells_the_truth(wrappers, telcxx, tmp_path, library):
    # Of all layers: those of the other library and of other versions must not be found.
    headers = sorted({header for names in overlay(wrappers).values() for header in names})
    question = "".join(f"#if __has_include(<{name}>)\n{name}\n#endif\n" for name in headers)
    for language in "c", "c++":
        words = [f"-x{language}", "-E", "-P", "-"]
        stdlib = [f"-stdlib={library}"] if language == "c++" else []
        flags = run(wrappers / ("telc++" if language == "c++" else "telcc"), *stdlib, "--telcc-flags",
                    TELCC_CC="clang", TELCC_CXX="clang++").stdout.split()
        truth = run("clang", *stdlib, *words, stdin=question).stdout.split()
        assert len(truth) > 20
        assert run("clang", *flags, *stdlib, *words, stdin=question).stdout.split() == truth


@pytest.mark.parametrize("library", LIBRARIES)
def test_every_header_of_the_library_is_in_the_overlay(wrappers, library):
    """Those of the version installed here: a name that is missing is one that we forgot."""
    search = run("clang++", f"-stdlib={library}", "-E", "-v", "-xc++", "/dev/null").stderr
    marker = "__config" if library == "libc++" else "vector"
    folder = next(Path(line.strip()) for line in search.splitlines()
                  if line.startswith(" /") and (Path(line.strip()) / marker).exists())
    there = {path.name for path in folder.iterdir() if path.is_file()}
    there |= {f"experimental/{path.name}" for path in (folder / "experimental").iterdir() if path.is_file()}
    there = {name for name in there if not re.search(r"(^|/)__|\.modulemap|\.tcc", name)}
    # Of libc++'s versions of C headers those without functions.
    there -= set("errno.h float.h limits.h setjmp.h stdbool.h stddef.h stdint.h uchar.h".split())
    listed = {name for layer, headers in overlay(wrappers).items() if layer.startswith(f"{library}/")
              for name in headers}
    assert there - listed == set()

CONFIGURATIONS = [
    (compiler, library, level)
    for compiler, library in [("g++", "libstdc++"), ("clang++", "libstdc++"), ("clang++", "libc++")]
    for level in [("-O0",), ("-O2", "-D_FORTIFY_SOURCE=2", "-DMATCH"), ("-O3", "-flto=auto", "-std=c++20")]
    if HAVE_LIBCXX or library != "libc++"]


@pytest.fixture(scope="module")
def library_programs(wrappers, tmp_path_factory):
    """{configuration: (program, the compiler's outcome)}, built two at a time."""
    place = tmp_path_factory.mktemp("library")

    def build(configuration):
        compiler, library, level = configuration
        options = [f"-stdlib={library}", "-fuse-ld=lld"] if compiler == "clang++" else []
        program = place / "-".join([compiler, library, level[0]])
        return program, run(wrappers / "telc++", *level, *options, "-pthread", *STRICT,
                            SOURCES / "library.cpp", "-o", program, check=False, TELCC_CXX=compiler)

    with ThreadPoolExecutor(2) as pool:
        return dict(zip(CONFIGURATIONS, pool.map(build, CONFIGURATIONS), strict=True))


@pytest.mark.long
@pytest.mark.parametrize("configuration", CONFIGURATIONS,
                         ids=lambda each: "-".join([*each[:2], each[2][0][1:]]))
def test_cxx_library_is_left_out(library_programs, configuration):
    program, outcome = library_programs[configuration]
    assert outcome.returncode == 0, outcome.stderr
    assert outcome.stderr == ""
    assert run(program).stdout == "6 abc 14 1 42 2 true\n"
    functions = instrumented(program)
    assert {"main", "_Z5twicei"} <= set(functions)
    if configuration[2] == ("-O0",):
        # Without inlining the hook's call stands in the function that it reports.
        strange = {name for name in functions if belongs_to_the_library(name)}
        assert strange == set()
        if configuration[0] == "g++":
            own = r"main|_Z5twicei|_ZN?K?4Item.*|_ZZ(4main|NK4Item3sumEv)E.*|_GLOBAL__.*|_Z41__static_init.*"
            assert [name for name in functions if not re.fullmatch(own, name)] == []


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
@pytest.mark.parametrize("options", [("-O0",), ("-O2", "-D_FORTIFY_SOURCE=2"), ("-O2", "-std=c99")])
def test_c_library_is_left_out(telcc, tmp_path, compiler, options):
    program = tmp_path / "library"
    telcc(f"--telcc-compiler={compiler}", *options, *STRICT, SOURCES / "library.c", "-o", program, "-lm")
    assert run(program).stdout == "42 A 1122 5 21\n"
    functions = instrumented(program)
    # What is inlined has the hook's call too, in the function that it is inlined into.
    assert set(functions) | {"sum"} == {"main", "number", "sum"}
    assert functions["main"] <= (3 if compiler == "clang" and options[0] == "-O2" else 1)


def test_clang_awkward_inclusion(telcc, telcxx, tmp_path):
    """What headers may be made to do, under all warnings: the overlay must not be noticed."""
    (tmp_path / "a.c").write_text("""\
#define __need_size_t
#include <stddef.h>
#undef NDEBUG
#include <assert.h>
static int with(int x) { assert(x); return x; }
#define NDEBUG
#include <assert.h>
static int without(int x) { assert(undeclared); return x; }
#include <stdlib.h>
#include <stdlib.h>
#include <string.h>
#include "string.h"
int f(int x); /* */
int f(int x) { return with(x) + without(x) + abs(x) + (int)strlen(""); }
""")
    (tmp_path / "string.h").write_text("#include_next <string.h>\n")
    (tmp_path / "b.cpp").write_text("""\
extern "C" {
#include <stdio.h>
#include <stdlib.h>
}
#include <cassert>
#include <stdlib.h>
#include <math.h>
int f(int x);
int f(int x) { return abs(x) + static_cast<int>(fabs(1.0)); }
""")
    def same_diagnostics(wrapper, compiler, *words):
        words = ["-O2", "-Weverything", "-pedantic", *words]
        outcome = wrapper(f"--telcc-compiler={compiler}", *words, cwd=tmp_path)
        assert outcome.stderr == run(compiler, *words, "-o", "/dev/null", cwd=tmp_path).stderr

    for standard in "-std=c89", "-std=c99", "-std=gnu11", "-std=c2x":
        same_diagnostics(telcc, "clang", standard, "-c", "a.c", "-I.")
        assert set(instrumented(tmp_path / "a.o")) - {"with", "without"} == {"f"}
    for library in ["libstdc++"] + ["libc++"] * HAVE_LIBCXX:
        for standard in "-std=c++98", "-std=c++11", "-std=c++20":
            same_diagnostics(telcxx, "clang++", f"-stdlib={library}", standard, "-c", "b.cpp")
            assert names(tmp_path / "b.o") == {"f(int)"}


def test_clang_precompiled_header(telcxx, tmp_path):
    (tmp_path / "p.hpp").write_text("#include <vector>\ninline int own() { return 1; }\n")
    (tmp_path / "a.cpp").write_text("int f() { std::vector<int> v; v.push_back(own()); return v[0]; }\n")
    compiler = "--telcc-compiler=clang++"
    telcxx(compiler, "-x", "c++-header", "p.hpp", "-o", "p.pch", cwd=tmp_path)
    telcxx(compiler, "-include-pch", "p.pch", "-c", "a.cpp", cwd=tmp_path)
    assert {name for name in instrumented(tmp_path / "a.o") if not SPECIAL_MEMBER.search(name)} == \
        {"_Z1fv", "_Z3ownv"}


def test_clang_dependencies_leave_the_overlay_out(telcc, tmp_path):
    (tmp_path / "a.c").write_text("#include <stdlib.h>\nint f(void) { return atoi(\"1\"); }\n")
    telcc("--telcc-compiler=clang", "-MMD", "-c", "a.c", cwd=tmp_path)
    assert (tmp_path / "a.d").read_text() == "a.o: a.c\n"
