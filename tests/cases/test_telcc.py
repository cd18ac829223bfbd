"""The compiler wrappers telcc and telc++: which flags they add to which command, what is instrumented
with them, and the same for CMake's telinject_instrument().

Most tests of flags run a compiler that is no compiler: a script called gcc or clang++ that prints what
it was given.
"""

import os
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from teltest.run import APPS, build_directory

SOURCES = APPS / "telcc"
TIMEOUT = 300

HOOKED = "-finstrument-functions"
AFTER_INLINING = "-finstrument-functions-after-inlining"
EXCLUDE = "-finstrument-functions-exclude-file-list="

STRICT = ("-Wall", "-Wextra", "-Wpedantic", "-Werror")
HAVE_LIBCXX = Path("/usr/include/c++/v1").exists()
LIBRARIES = ["libstdc++", pytest.param("libc++", marks=pytest.mark.skipif(
    not HAVE_LIBCXX, reason="libc++ is not installed"))]


@pytest.fixture(scope="session", autouse=True)
def wrappers():
    place = build_directory() / "bin"
    if not (place / "telcc").exists():
        pytest.fail(f"no telcc in {place}: build first, or set TELINJECT_BUILD")
    return place


def environment(**variables):
    """The test's own, without what would choose a compiler; variables on top."""
    result = {name: value for name, value in os.environ.items()
              if not re.fullmatch(r"(TELCC_)?(CC|CXX)|TELCC_DEPTH|CCACHE_.*|C.*_INCLUDE_PATH", name)}
    return result | variables


def run(*command, cwd=None, check=True, stdin=None, **variables):
    outcome = subprocess.run([str(word) for word in command], cwd=cwd, capture_output=True, text=True,
                             timeout=TIMEOUT, env=environment(**variables), input=stdin)
    if check:
        assert outcome.returncode == 0, f"{command}: {outcome.returncode}\n{outcome.stderr}"
    return outcome


@pytest.fixture
def telcc(wrappers):
    return lambda *words, **options: run(wrappers / "telcc", *words, **options)


@pytest.fixture
def telcxx(wrappers):
    return lambda *words, **options: run(wrappers / "telc++", *words, **options)


# A compiler that shows what it was given: its arguments, each ended by a NUL.

SHOW = r"""#!/bin/sh
[ "$1 $2 $3" != '-E -v -x' ] || { printf '%s\n' "$FAKE_FOLDERS" >&2; exit; }
[ $# -eq 0 ] || printf '%s\0' "$@"
exit "${FAKE_STATUS:-0}"
"""


@pytest.fixture
def fake(tmp_path):
    """fake("gcc"): the path of a compiler of that name."""
    def make(name, text=SHOW):
        path = tmp_path / "compilers" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)
        return path
    return make


def shown(outcome):
    return outcome.stdout.split("\0")[:-1]


def added(telcc, compiler, *words, **options):
    """What was put in front of the arguments, which themselves are unchanged."""
    arguments = shown(telcc(f"--telcc-compiler={compiler}", *words, **options))
    assert arguments[len(arguments) - len(words):] == [str(word) for word in words]
    return arguments[:len(arguments) - len(words)]


# What is instrumented.

def instrumented(path):
    """{mangled name: calls of the entry hook in its code}."""
    text = run("objdump", "-dr", "--no-show-raw-insn", path).stdout
    calls = {}
    function = None
    for line in text.splitlines():
        if match := re.fullmatch(r"[0-9a-f]+ <(.*)>:", line):
            function = match[1]
        elif "__cyg_profile_func_enter" in line and not function.startswith("__cyg_profile"):
            calls[function] = calls.get(function, 0) + 1
    return calls


def names(path):
    functions = list(instrumented(path))
    return set(run("c++filt", stdin="\n".join(functions)).stdout.split("\n")) - {""}


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


def one_line(outcome, status, text):
    assert outcome.returncode == status
    assert outcome.stdout == ""
    assert re.fullmatch(rf"telcc: [^\n]*{re.escape(text)}[^\n]*\n", outcome.stderr), outcome.stderr


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


# gcc: functions are excluded by their file's path.

def test_gcc_flags(telcc):
    flags = telcc("--telcc-compiler=gcc", "--telcc-flags").stdout.split()
    assert flags[0] == HOOKED and flags[-1] == "-g" and len(flags) == 3
    folders = flags[1].removeprefix(EXCLUDE).split(",")
    assert {"/usr/include/", "/usr/lib/gcc/"} <= set(folders)
    flags = telcc("--telcc-compiler=gcc", "--telcc-flags", "--telcc-system-headers", "-g2").stdout
    assert flags == HOOKED + "\n"


def test_gcc_users_flags_win(telcc, tmp_path):
    (tmp_path / "mine.h").write_text("static inline int mine(int x) { return x; }\n")
    (tmp_path / "a.cpp").write_text('#include <vector>\n#include "mine.h"\n'
                                    "int f() { std::vector<int> v(1); return mine(v[0]); }\n"
                                    "int g() { return 1; }\n")

    def functions(*options):
        telcc("--telcc-compiler=gcc", "-c", "a.cpp", *options, cwd=tmp_path)
        return names(tmp_path / "a.o")

    assert functions() == {"f()", "g()", "mine(int)"}
    assert functions("-fno-instrument-functions") == set()
    # gcc adds up the lists of all such options.
    assert functions(f"{EXCLUDE}mine.h") == {"f()", "g()"}
    assert functions("-finstrument-functions-exclude-function-list=f,mine") == {"g()"}
    assert ".debug_info" in run("objdump", "-h", tmp_path / "a.o").stdout
    functions("-g0")
    assert ".debug_info" not in run("objdump", "-h", tmp_path / "a.o").stdout


@pytest.mark.parametrize("level", ["-O1", "-O2", "-O3", "-Os"])
def test_gcc_coroutines(telcxx, tmp_path, level):
    """Those that end by a jump into another one: g++ 12 with the hooks alone has an internal error."""
    source, program = SOURCES / "coroutines.cpp", tmp_path / "coroutines"
    telcxx("--telcc-compiler=g++", "-std=c++20", level, *STRICT, source, "-o", program)
    assert {"(anonymous namespace)::leaf(int)", "(anonymous namespace)::branch(int)"} <= names(program)
    assert run(program).stdout == "57\n"


def test_gcc_coroutines_flag(telcxx, fake):
    """Only where there may be coroutines, and in front of what the user says."""
    flag, compiler = "-fno-optimize-sibling-calls", fake("g++")

    def given(*options):
        outcome = telcxx(f"--telcc-compiler={compiler}", "-c", "a.cpp", *options)
        return outcome.stdout.split("\0")[:-1]

    for options in [["-std=c++20"], ["-std=gnu++2b"], ["-std=c++17", "-fcoroutines"]]:
        words = given(*options, "-foptimize-sibling-calls")
        assert words.index(flag) < words.index("-foptimize-sibling-calls")
    for options in [[], ["-std=c++17"], ["-std=c++20", "-std=c++14"], ["-std=c11"]]:
        assert flag not in given(*options)


def test_gcc_leaves_out_isystem(telcc, tmp_path):
    for place in "third, party", "own", "rel/inc":
        (tmp_path / place).mkdir(parents=True)
    (tmp_path / "third, party/a.h").write_text("static inline int third(void) { return 1; }\n")
    (tmp_path / "rel/inc/b.h").write_text("static inline int relative(void) { return 1; }\n")
    (tmp_path / "own/c.h").write_text("static inline int own(void) { return 1; }\n")
    (tmp_path / "a.c").write_text("#include <a.h>\n#include <b.h>\n#include <c.h>\n"
                                  "int f(void) { return third() + relative() + own(); }\n")
    (tmp_path / "link").symlink_to("third, party")
    for system in [tmp_path / "third, party"], [f"{tmp_path}/own/../third, party"], [tmp_path / "link"]:
        telcc("--telcc-compiler=gcc", "-c", "a.c", "-isystem", *system, "-isystemrel/inc", "-Iown",
              cwd=tmp_path)
        assert names(tmp_path / "a.o") == {"f", "own"}


@pytest.mark.parametrize("headers, place", [("all/own", "elsewhere"), ("elsewhere", "all"),
                                            ("elsewhere", "all/own")])
def test_gcc_traces_a_project_below_a_folder_of_isystem(telcc, tmp_path, headers, place):
    for folder in {headers, place}:
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / headers / "own.h").write_text("static inline int own(void) { return 1; }\n")
    (tmp_path / place / "a.c").write_text("#include <own.h>\nint f(void) { return own(); }\n")
    for source in "a.c", tmp_path / place / "a.c":
        telcc("--telcc-compiler=gcc", "-c", source, "-isystem", tmp_path / "all", "-I", tmp_path / headers,
              cwd=tmp_path / place)
        assert names(tmp_path / place / "a.o") == {"f", "own"}


def test_gcc_project_in_a_folder_called_usr_include(telcc, tmp_path):
    project = tmp_path / "usr/include/me"
    project.mkdir(parents=True)
    (project / "a.cpp").write_text("#include <vector>\nint f() { std::vector<int> v(1); return v[0]; }\n")
    for source, place in (project / "a.cpp", "/"), ("a.cpp", project):
        telcc("--telcc-compiler=gcc", "-c", source, "-o", tmp_path / "a.o", cwd=place)
        assert names(tmp_path / "a.o") == {"f()"}


def test_gcc_installed_elsewhere_is_asked(telcc, fake, tmp_path):
    folder = tmp_path / "opt/gcc/include/c++/13"
    folder.mkdir(parents=True)
    (tmp_path / "opt/gcc/lib").mkdir()
    folders = "\n".join([
        "ignored", '#include "..." search starts here:', '#include <...> search starts here:',
        f" {tmp_path}/opt/gcc/lib/../include/c++/13", " /usr/include", "End of search list."])
    flags = added(telcc, fake("gcc"), "-c", "a.c", FAKE_FOLDERS=folders)
    assert flags[1] == f"{EXCLUDE}{tmp_path}/opt/gcc/lib/../include/c++/13/,{folder}/,/usr/include/"


# clang: functions are excluded by headers of ours.

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


SPECIAL_MEMBER = re.compile(r"(C[1-3]|CI[12].+|D[0-2]|aS)E")


def belongs_to_the_library(mangled):
    """Of the C++ library, and not one that clang wrote itself: those it gives no attribute."""
    name = re.sub(r"^_ZN?K?", "", mangled)
    return name.startswith(("St", "Sa", "Sb", "Ss", "9__gnu_cxx")) and not SPECIAL_MEMBER.search(name)


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


# CMake.

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
