"""What telcc makes gcc instrument: functions are excluded by the paths of their files."""

import pytest
from telcc_runs import EXCLUDE, HOOKED, SOURCES, STRICT, added, fake, names, run, telcc, telcxx, wrappers


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
