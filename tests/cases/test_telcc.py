"""The compiler wrappers telcc and telc++: arguments, the choice of a compiler, where the wrappers lie."""

import os
import re
import shutil
import subprocess

import pytest
from telcc_runs import (
    EXCLUDE, HOOKED, TIMEOUT, added, belongs_to_the_library, environment, fake, instrumented, names,
    one_line, run, shown, telcc, telcxx, wrappers)


# Arguments.

AWKWARD = ["a b", "", "new\nline", "tab\t", "*", "$HOME", "`x`", "'", '"', "\\", "a'b\"c", "-DX=\"a b\"",
           "-I/x y", "ünï", "--", "#", "~"]


@pytest.mark.parametrize("words", [["-c", "a.c"], ["a.o", "-o", "a"]], ids=["compiling", "linking"])
def test_arguments_arrive_unchanged(telcc, fake, words):
    outcome = telcc(f"--telcc-compiler={fake('gcc')}", *words, *AWKWARD)
    arguments = shown(outcome)
    assert arguments[-len(AWKWARD):] == AWKWARD
    assert arguments[-len(AWKWARD) - len(words):-len(AWKWARD)] == words
    assert outcome.stderr == ""


def test_many_arguments(telcc, fake):
    objects = [f"dir/object-{i}.o" for i in range(5000)]
    assert added(telcc, fake("gcc"), *objects) == []


@pytest.mark.parametrize("words", [
    "", "-E a.c", "-S a.c", "-M a.c", "-MM a.c", "-c -fsyntax-only a.c", "-v", "--version", "--help",
    "-dumpmachine", "-dumpversion", "-print-search-dirs", "-print-file-name=include",
    "--print-libgcc-file-name",
    "a.o b.o -o a", "a.o -L. -la -o a.c", "-shared -o liba.so a.o", "-static a.o", "-c a.S", "-c a.s",
    "-x assembler-with-cpp -c a.c", "-xassembler -c a.c", "-x assembler a.c -x none b.o",
    "-o a.c -MF b.c a.o", "-c a.c -fno-instrument-functions", "-c a.c -m32", "-ffreestanding -c a.c",
    "-E -x c -", "-E -v -", "-v -c a.c", "-c a.f90", "-x cuda -c a.cc", "-nostdlib -static a.c",
])
def test_nothing_is_added(telcc, fake, words):
    assert added(telcc, fake("gcc"), *words.split()) == []
    assert added(telcc, fake("clang"), *words.split()) == []


@pytest.mark.parametrize("words", [
    "-c a.c", "a.c", "a.c b.o -o a", "-c a.C", "-c a.cc", "-c a.cpp", "-c a.cxx", "-c a.c++", "-c a.i",
    "-x c -", "-xc++ -c a", "-x c a -x none b.o", "-MD -c a.c", "-MMD -MF a.d -MT a.o -c a.c", "a.S a.c",
    "-include a.h a.c", "-o -E a.c", "-D -S a.c", "-m32 -m64 -c a.c", "-flto -c a.c", "-c -emit-llvm a.c",
    "-fno-instrument-functions -finstrument-functions -c a.c", "-x c++-header a.hpp", "-### -c a.c",
    "-static a.c", "-nostdlib a.c -lc", "-nostdlib -c a.c", "-pthread -shared -fPIC a.c",
])
def test_flags_are_added(telcc, fake, words):
    assert HOOKED in added(telcc, fake("gcc"), *words.split())
    assert added(telcc, fake("other"), *words.split()) == ["-g", HOOKED][::-1]


def test_response_files(telcc, fake, tmp_path):
    (tmp_path / "compile").write_text('-c "a.c"\n')
    (tmp_path / "link").write_text("a.o\n-o 'a.c'\n")
    (tmp_path / "debug").write_text("-g0\n")
    here = {"cwd": tmp_path}
    assert HOOKED in added(telcc, fake("gcc"), "@compile", **here)
    assert "-g" in added(telcc, fake("gcc"), "@compile", **here)
    assert "-g" not in added(telcc, fake("gcc"), "@compile", "@debug", **here)
    assert added(telcc, fake("gcc"), "@link", **here) == []
    assert HOOKED in added(telcc, fake("gcc"), "-c", "a.c", "@missing", **here)
    (tmp_path / "endless").write_text("@endless a.c\n")
    assert HOOKED in added(telcc, fake("gcc"), "@endless", **here)


@pytest.mark.parametrize("option, adds", [
    ("-O2", True), ("-gz", True), ("-gsplit-dwarf", True), ("-gno-record-gcc-switches", True),
    ("-Wa,-g", True), ("-g", False), ("-g0", False), ("-g1", False), ("-g3", False), ("-ggdb", False),
    ("-ggdb3", False), ("-gdwarf-4", False), ("-gline-tables-only", False),
])
def test_debug_information_unless_chosen(telcc, fake, option, adds):
    for kind in "gcc", "other":
        assert ("-g" in added(telcc, fake(kind), option, "-c", "a.c")) == adds


def test_status_and_output_are_the_compilers(telcc, fake, tmp_path):
    for status in 0, 1, 4, 77:
        assert telcc(f"--telcc-compiler={fake('gcc')}", "-c", "a.c", check=False,
                     FAKE_STATUS=str(status)).returncode == status
    (tmp_path / "bad.c").write_text("int f(void) { return missing; }\n")
    (tmp_path / "warned.c").write_text("int f(int x) { if (x = 1) return 2; return 3; }\n")
    for compiler in "gcc", "clang":
        for words in ["-c", "bad.c"], ["-Wall", "-c", "warned.c"], ["-c", "none.c"], ["--version"], []:
            ours = telcc(f"--telcc-compiler={compiler}", *words, cwd=tmp_path, check=False)
            theirs = run(compiler, *words, cwd=tmp_path, check=False)
            assert (ours.returncode, ours.stdout, ours.stderr) == \
                (theirs.returncode, theirs.stdout, theirs.stderr)


def test_the_compiler_takes_the_place_of_the_wrapper(wrappers, fake):
    compiler = fake("gcc", '#!/bin/sh\n[ "$1 $2" != "-E -v" ] || exit\necho $$\n')
    process = subprocess.Popen([wrappers / "telcc", f"--telcc-compiler={compiler}", "-c", "a.c"],
                               stdout=subprocess.PIPE, env=environment())
    assert int(process.communicate(timeout=TIMEOUT)[0]) == process.pid


def test_environment_arrives_unchanged(wrappers, telcc, fake):
    # Names that a script might use for its own variables.
    given = {name: "kept" for name in ("name", "path", "flags", "kind", "dir", "word", "t", "IFS")}
    compiler = fake("gcc", '#!/bin/sh\n[ "$1 $2" != "-E -v" ] || exit\nexec env -0\n')

    def variables(text):
        # The shell sets these itself.
        return {entry for entry in text.split("\0")
                if not re.match(r"(_|PWD|OLDPWD|SHLVL|TELCC_DEPTH)=", entry)}

    ours = telcc(f"--telcc-compiler={compiler}", "-c", "a.c", "-isystem", "/usr", **given)
    theirs = run(compiler, "-c", "a.c", **given)
    assert variables(ours.stdout) == variables(theirs.stdout)


# The choice of the compiler.

def test_option_and_variables_in_order(telcc, telcxx, fake):
    def says(name):
        return str(fake(name, f'#!/bin/sh\n[ "$1 $2" != "-E -v" ] || exit\necho {name}\n'))

    everything = {"TELCC_CC": says("a-gcc"), "CC": says("b-gcc"),
                  "TELCC_CXX": says("a-g++"), "CXX": says("b-g++")}
    option = "--telcc-compiler=" + says("c-gcc")
    assert telcc(option, "-c", "a.c", **everything).stdout == "c-gcc\n"
    assert telcc("-c", "a.c", option, **everything).stdout == "c-gcc\n"
    assert telcc("-c", "a.c", **everything).stdout == "a-gcc\n"
    assert telcxx("-c", "a.c", **everything).stdout == "a-g++\n"
    everything["TELCC_CC"] = ""
    everything.pop("TELCC_CXX")
    assert telcc("-c", "a.c", **everything).stdout == "b-gcc\n"
    assert telcxx("-c", "a.c", **everything).stdout == "b-g++\n"
    assert telcc("--version").stdout == run("gcc", "--version").stdout
    assert telcxx("--version").stdout == run("g++", "--version").stdout


def test_compiler_with_arguments(telcc, fake):
    compiler = fake("gcc")
    outcome = telcc("-c", "a.c", TELCC_CC=f"{compiler} -m64 -g0")
    arguments = shown(outcome)
    assert arguments[0] == HOOKED and arguments[-4:] == ["-m64", "-g0", "-c", "a.c"]
    assert "-g" not in arguments
    # No name of a file: the compiler gets the star.
    assert shown(telcc("a.o", TELCC_CC=f"{compiler} -D/bin/*", cwd="/"))[0] == "-D/bin/*"
    assert shown(telcc("a.o", TELCC_CC=f"{compiler} *", cwd="/"))[0] == "*"


def test_compiler_in_a_path_with_spaces(telcc, fake):
    assert HOOKED in added(telcc, fake("my tools/gcc"), "-c", "a.c")


def test_launcher_in_front_of_the_compiler(telcc, fake):
    fake("ccache")
    compiler = fake("gcc")
    outcome = telcc("-c", "a.c", CC="ccache -s x=1 gcc -O1",
                    PATH=f"{compiler.parent}:{os.environ['PATH']}")
    arguments = shown(outcome)
    assert arguments[:4] == ["-s", "x=1", "gcc", HOOKED]
    assert arguments[-3:] == ["-O1", "-c", "a.c"]


@pytest.mark.parametrize("value", ["telcc", "ccache telcc", "{}/telcc", "{}/telcc -O2", "link"])
def test_a_variable_that_names_telcc_is_no_compiler(wrappers, telcc, tmp_path, value):
    (tmp_path / "link").symlink_to(wrappers / "telcc")
    value = str(tmp_path / "link") if value == "link" else value.format(wrappers)
    for path in os.environ["PATH"], f"{wrappers}:{os.environ['PATH']}":
        assert telcc("--version", CC=value, PATH=path).stdout == run("gcc", "--version").stdout


def test_bad_use_gets_one_line(wrappers, telcc, telcxx, fake):
    one_line(telcc("--telcc-flag", check=False), 2, "--telcc-flag is no option")
    one_line(telcc("--telcc-compiler=", "-c", "a.c", check=False), 2, "names no compiler")
    one_line(telcc("--telcc-compiler", "gcc", check=False), 2, "names no compiler")
    one_line(telcc("--telcc-compiler=no-such-gcc", check=False), 127, "no-such-gcc")
    one_line(telcc("-c", "a.c", CC="no-such-gcc", check=False), 127, "CC=no-such-gcc")
    one_line(telcxx("-c", "a.c", TELCC_CXX="no-such-g++", check=False), 127, "TELCC_CXX=no-such-g++")
    one_line(telcc("-c", "a.c", TELCC_CC=f"{wrappers}/telcc", check=False), 2, "is telcc itself")
    one_line(telcc(f"--telcc-compiler={wrappers}/telc++", check=False), 2, "is telcc itself")
    one_line(telcc("-c", "a.c", PATH="/nowhere", check=False), 127, "gcc cc clang")
    # Under a name that says nothing it is asked, too, what it is.
    for name in "gcc", "clang", "xyz":
        script = fake(name, f'#!/bin/sh\nexec {wrappers}/telcc "$@"\n')
        one_line(telcc("a.o", TELCC_CC=str(script), check=False), 2, "runs telcc again")


def test_kinds_of_compilers(telcc, fake, tmp_path):
    gcc = shutil.which("x86_64-linux-gnu-gcc-12") or shutil.which("gcc")
    (tmp_path / "some-cc").symlink_to(gcc)
    for compiler in "cc", gcc, tmp_path / "some-cc":
        assert EXCLUDE in telcc(f"--telcc-compiler={compiler}", "--telcc-flags").stdout
    (tmp_path / "gcc-that-is-clang").symlink_to(shutil.which("clang"))
    assert "clang-overlay" in telcc(f"--telcc-compiler={tmp_path}/gcc-that-is-clang",
                                    "--telcc-flags").stdout
    # A script under a name that says nothing: asked for its --version.
    for real, flag in ("gcc", EXCLUDE), ("clang", "clang-overlay"):
        script = fake("xyz", f"#!/bin/sh\nexec {real} $*\n")
        assert flag in telcc(f"--telcc-compiler={script}", "--telcc-flags").stdout
    assert added(telcc, fake("icx"), "-c", "a.c") == [HOOKED, "-g"]
    for name in "musl-gcc", "x86_64-linux-musl-gcc", "x86_64-w64-mingw32-gcc", "arm-none-eabi-gcc":
        assert added(telcc, fake(name), "-c", "a.c") == []
    zig = fake("zig")
    assert shown(telcc("-c", "a.c", TELCC_CC=f"{zig} cc")) == ["cc", HOOKED, "-g", "-c", "a.c"]


def test_clang_for_other_machines_is_left_alone(telcc):
    for target in "aarch64-linux-gnu", "bpf", "x86_64-linux-musl", "i386-linux-gnu":
        assert telcc("--telcc-compiler=clang", "--telcc-flags", f"--target={target}").stdout == "\n"


@pytest.mark.skipif(not shutil.which("ccache"), reason="ccache is not installed")
@pytest.mark.parametrize("compiler", ["gcc", "clang"])
@pytest.mark.parametrize("outside", ["telcc", "ccache"])
def test_with_ccache(wrappers, tmp_path, compiler, outside):
    (tmp_path / "a.c").write_text("int f(int x) { return x; }\n")
    variables = {"CCACHE_DIR": str(tmp_path / "cache")}
    telcc = str(wrappers / "telcc")
    if outside == "telcc":
        command = [telcc]
        variables["TELCC_CC"] = f"ccache {compiler}"
    else:
        command = ["ccache", telcc]
        variables["TELCC_CC"] = compiler
        variables["CC"] = f"ccache {telcc}"
    for _ in range(2):
        (tmp_path / "a.o").unlink(missing_ok=True)
        run(*command, "-c", "a.c", "-o", "a.o", cwd=tmp_path, **variables)
        assert names(tmp_path / "a.o") == {"f"}
    statistics = run("ccache", "--print-stats", CCACHE_DIR=variables["CCACHE_DIR"]).stdout
    hits = re.findall(r"^(?:direct|preprocessed)_cache_hit\t(\d+)", statistics, re.M)
    assert sum(map(int, hits)) == 1


# Where the wrappers are.

def test_flags_are_one_line_for_a_makefile(wrappers, tmp_path):
    """And work in a folder with a space, quoted."""
    place = tmp_path / "a folder"
    shutil.copytree(wrappers.parent / "share/telinject", place / "share/telinject")
    (place / "bin").mkdir()
    shutil.copy(wrappers / "telcc", place / "bin")
    (place / "bin/telc++").symlink_to("telcc")
    (tmp_path / "c++").symlink_to(place / "bin/telc++")  # the name that counts is the link's
    flags = run(tmp_path / "c++", "--telcc-flags", TELCC_CXX="clang++").stdout
    assert flags.count("\n") == 1 and f"'{place}/share/telinject/clang-overlay/libstdc++/base'" in flags
    (tmp_path / "a.cpp").write_text("#include <vector>\nint f() { return std::vector<int>(3)[0]; }\n")
    run("sh", "-c", f"clang++ -c a.cpp {flags}", cwd=tmp_path)
    assert "f()" in names(tmp_path / "a.o")
    assert not any(belongs_to_the_library(name) for name in instrumented(tmp_path / "a.o"))

    shutil.rmtree(place / "share")
    one_line(run(place / "bin/telc++", "-c", tmp_path / "a.cpp", check=False, TELCC_CXX="clang++"), 2,
             "not all installed")


def test_help(telcc):
    text = telcc("--telcc-help").stdout
    for option in "--telcc-compiler", "--telcc-flags", "--telcc-system-headers", "TELCC_CC":
        assert option in text
