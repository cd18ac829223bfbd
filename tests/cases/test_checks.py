"""The checks of scripts/checks/ find what they are for: each is shown a copy of the source with one
thing wrong in it. (Not `warnings`, which would have to build everything.)
"""

import os
import shutil
import subprocess

import pytest
from teltest.run import REPOSITORY, build_directory

COPIED = ["CMakeLists.txt", "CMakePresets.json", "CONTRIBUTING.md", "LICENSE", "README.md", "SECURITY.md",
          "arch", "cmake", "docs", "hooks", "preload", "scripts", "shim", "tests", ".ci", ".clang-format",
          ".clang-tidy", ".shellcheckrc", ".gitignore", "contrib", "examples"]
TIMEOUT = 600
# In front of the compiler, for a copy of the source: what is made of nothing that was edited there is
# the object in the repository's build tree. The files that the object is made of are named relative to
# the build tree (as ccache does) or by their whole paths; they must be those of the copy, for ninja.
REUSE = """\
#!/bin/bash
for word; do
  case $before in
    -o) object=$word ;;
    -MF) depfile=$word ;;
  esac
  before=$word
done
needed=$(ninja -C "$TELINJECT_BUILD" -t deps "$object" |
  sed -n "/(VALID)/,$ { s|^ *${TELINJECT_BUILD%/build}/|    ${0%/*}/|; /^ /p }")
[ -n "$needed" ] || exec "$@"
for file in $EDITED; do
  ! grep -q "/$file\\$" <<<"$needed" || exec "$@"
done
# shellcheck disable=SC2086 # names of files, on one line
cp "$TELINJECT_BUILD/$object" "$object" && echo "$object:" $needed >"$depfile"
"""


def can_reuse(build):
    """As released, and its paths are those of the copy."""
    cache = (build / "CMakeCache.txt").read_text()
    return build == REPOSITORY / "build" and all(f"\n{line}\n" in cache for line in
               ("CMAKE_BUILD_TYPE:STRING=RelWithDebInfo", "CMAKE_CXX_FLAGS:STRING="))


class Copy:
    """A copy of the source. What a test changes there is put back after it."""

    def __init__(self, root):
        self.root = root
        for name in COPIED:
            source = REPOSITORY / name
            (shutil.copytree if source.is_dir() else shutil.copy2)(source, root / name)
        self.saved = {}
        self.run("git", "init", "--quiet")

    def run(self, *command, check=True):
        done = subprocess.run([str(word) for word in command], cwd=self.root, timeout=TIMEOUT, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              env=os.environ | {"TELINJECT_BUILD": str(build_directory()),
                                                "EDITED": " ".join(self.edited())})
        assert not check or done.returncode == 0, done.stdout
        return done

    def edited(self):
        return [str(path.relative_to(self.root)) for path in self.saved]

    def edit(self, name, old, new):
        """Replaces the first `old`; None stands for the end of the file, which may be new."""
        path = self.root / name
        text = path.read_text() if path.exists() else None
        self.saved.setdefault(path, text)
        if old is None:
            path.write_text((text or "") + new)
        else:
            assert old in text, f"{name} has no {old!r}: this test is out of date"
            path.write_text(text.replace(old, new, 1))

    def restore(self):
        for path, text in self.saved.items():
            if text is None:
                path.unlink()
            else:
                path.write_text(text)
        self.saved.clear()

    def complaint(self, check, *arguments):
        """What a check that must fail says."""
        done = self.run(self.root / "scripts/checks" / check, *arguments, check=False)
        assert done.returncode == 1, f"{check}: {done.returncode}\n{done.stdout}"
        return done.stdout

    def build_library(self, check=True, target="telinject_preload"):
        """What the build says, which must not fail if `check`, and must otherwise."""
        if not (self.root / "build").exists():
            options = []
            if can_reuse(build_directory()):
                (self.root / "reuse").write_text(REUSE)
                (self.root / "reuse").chmod(0o755)
                options = [f"-DCMAKE_CXX_COMPILER_LAUNCHER={self.root}/reuse"]
            self.run("cmake", "--preset", "release", "-DTELINJECT_TESTS=OFF", *options)
        done = self.run("cmake", "--build", "build", "--target", target, check=check)
        assert check or done.returncode != 0, done.stdout
        return done.stdout


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return Copy(tmp_path_factory.mktemp("copy"))


@pytest.fixture
def copy(whole):
    yield whole
    whole.restore()


@pytest.mark.parametrize("check", ["layers", "shell", "printing", "format", "settings", "schema",
                                   "docs"])
def test_passes_on_what_is_right(copy, check):
    copy.run(copy.root / "scripts/checks" / check)


@pytest.mark.parametrize("name, line, expected", [
    ("hooks/lane/space.cpp", '#include "preload/start/startup.h"', "preload/start/startup.h is of a layer"),
    ("arch/x86_64/tsc.h", '#include "shim/channel/ids.h"', "shim/channel/ids.h is of a layer"),
    ("shim/channel/ids.h", '#include "hooks/lane/state.h"', "hooks/lane/state.h is of a layer"),
    ("shim/symbols/die.h", '#include "shim/drain/naming/sites.h"', "shim/drain/naming/sites.h is of a layer"),
    ("shim/net/http_client.h", '#include "shim/metadata/cloud.h"', "shim/metadata/cloud.h is of a layer"),
    ("shim/drain/spans/processor.cpp", '#include "shim/events/json/json_text.h"',
     "shim/events/json/json_text.h is of a layer"),
    ("shim/http/url.cpp", '#include "shim/events/json/line_buffer.h"',
     "shim/events/json/line_buffer.h is of a layer"),
    ("shim/cli/run.cpp", '#include "shim/symbols/die.h"', "shim/symbols/die.h is of a layer"),
    ("shim/drain/main/convert.cpp", '#include "shim/events/json/json_lines.h"',
     "shim/events/json/json_lines.h is of a layer"),
    ("shim/drain/spans/processor.cpp", '#include "shim/drain/main/outputs.h"',
     "shim/drain/main/outputs.h is of a layer"),
    ("preload/start/start.cpp", "#include <string>", "string is of the C++ library"),
    ("shim/cli/run.cpp", '#include "absl/strings/str_cat.h"', "absl/strings/str_cat.h is of the C++ library"),
    ("hooks/calls/attach.cpp", "#  include <stdlib.h>", "stdlib.h is not for code in the traced program"),
    ("hooks/calls/attach.cpp", '#include "state.h"', "state.h does not exist"),
])
def test_layers(copy, name, line, expected):
    copy.edit(name, None, f"{line}\n")
    last = (copy.root / name).read_text().count("\n")
    assert copy.complaint("layers").startswith(f"{name}:{last}: {expected}")


def test_layers_of_new_folders_and_headers(copy):
    copy.edit("shim/new.h", None, "int x;\n")
    assert copy.complaint("layers") == "shim/new.h: is in no layer; scripts/checks/layers lists them\n"
    copy.restore()
    copy.edit("hooks/lane/new.h", None, "int x;\n")
    assert copy.complaint("layers") == "hooks/lane/new.h: no #pragma once\n"


@pytest.mark.long
def test_format(copy):
    copy.edit("hooks/calls/context.h", None, "int  x;\n")
    assert "hooks/calls/context.h" in copy.complaint("format")
    copy.run(copy.root / "scripts/checks/format", "--fix")
    copy.run(copy.root / "scripts/checks/format")
    for name, start in ("new.py", ""), ("scripts/new", "#!/usr/bin/env python3\n"):
        copy.edit(name, None, start + "x" * 111 + "\n")
        assert f"{name}:{1 + start.count(chr(10))}: more than 110 columns" in copy.complaint("format")
        copy.restore()


@pytest.mark.long
@pytest.mark.parametrize("first", ["#!/bin/sh", "#!/usr/bin/env bash", "# shellcheck shell=bash"])
def test_shell(copy, first):
    copy.edit("scripts/new", None, f"{first}\nrm -r $1/*\n")
    assert "SC2086" in copy.complaint("shell")


@pytest.mark.parametrize("name, line", [
    ("shim/drain/report/summary.cpp", 'void f() { fprintf(stderr, "%s", getenv("HOME")); }'),
    ("shim/drain/base/warn.cpp", "void f(const char* s) { std::cerr << s; }"),
    ("shim/cli/run.cpp", 'void f(const char* s) { (void)!write(2, s, 1); }'),
    ("shim/cli/options.cpp", "void f(const char* s) { perror(s); }"),
    ("preload/start/start.cpp", "void f(const char* s) { sys::call(SYS_write, 2, sys::arg(s), 1); }"),
    ("shim/drain/spans/final_reports.cpp",
     "void f() { StandardError::get().write_events(summary(), 1, nullptr); }"),
])
def test_printing(copy, name, line):
    copy.edit(name, None, line + "\n")
    assert name in copy.complaint("printing")


def test_printing_without_escapes(copy):
    copy.edit("shim/cli/warn.cpp", "add_printable(", "add(")
    assert "shim/cli/warn.cpp" in copy.complaint("printing")


def test_docs(copy):
    wrong = "\nSee `hooks/nope.cpp` and [costs](costs.md#nowhere).\n" + "word " * 30 + "\n"
    copy.edit("docs/http.md", None, wrong)
    text = copy.complaint("docs")
    assert "names hooks/nope.cpp, which does not exist" in text
    assert "costs.md#nowhere" in text
    assert "more than 100" in text


def test_settings(copy):
    copy.edit("docs/settings.md", "| `DEBUG` |", "| `BUG` |")
    text = copy.complaint("settings")
    assert "-| `BUG` |" in text and "+| `DEBUG` |" in text and "--write" in text
    copy.run(copy.root / "scripts/checks/settings", "--write")
    copy.run(copy.root / "scripts/checks/settings")


@pytest.mark.parametrize("name, old, new", [
    ("shim/events/telemetry-v3.schema.json", '"maxLength": 200', '"maxLength": 2000'),
    ("docs/events.md", "| `longjmp` |", "| `jump` |"),
    ("docs/schema.md", "| `url.full` | string |", "| `url.full` | int |"),
    ("contrib/elastic/elasticsearch-template.json", '"type": "date_nanos"', '"type": "date"'),
    ("contrib/elastic/opensearch-template.json", '"type": "flat_object"', '"type": "object"')])
def test_schema(copy, name, old, new):
    copy.edit(name, old, new)
    text = copy.complaint("schema")
    assert f"--- {name}" in text
    assert f"not what the registry says: {name}: scripts/checks/schema --fix" in text
    copy.run(copy.root / "scripts/checks/schema", "--fix")
    assert old in (copy.root / name).read_text()
    copy.run(copy.root / "scripts/checks/schema")


def test_schema_changes_are_explained(copy):
    copy.edit("docs/schema-changes.md", "## 3.0.0", "## 2.9.9")
    assert "new in 3.0.0: docs/schema-changes.md has no section for that" in copy.complaint("schema")


@pytest.mark.long
def test_tidy(copy):
    copy.run("cmake", "--preset", "clang", "-DTELINJECT_TESTS=OFF")
    copy.edit("shim/sinks/new.cpp", None, "#include <string>\n#include <utility>\n"
              "int f(std::string x) { std::string y = std::move(x); return (int)(x.size() + y.size()); }\n")
    file = "shim/sinks/new.cpp"
    for _ in range(2):  # a bad result is not remembered
        assert "bugprone-use-after-move" in copy.complaint("tidy", file)
    copy.restore()
    copy.edit(file, None, "int f(int x);\nint f(int x) { return x; }\n")
    for _ in range(2):
        copy.run(copy.root / "scripts/checks/tidy", file)


# What is wrong with the library: (file, old, new) ..., what is said.
CALL = "  ProcessState expected = ProcessState::kNotStarted;\n"
LIBRARY = {
    "import": ([("preload/start/start.cpp", "namespace telinject::program {",
                 'extern "C" int puts(const char*);\nnamespace telinject::program {'),
                ("preload/start/start.cpp", CALL, CALL + '  puts("");\n')],
               ["cannot do without puts", "calls puts of other libraries"]),
    "version": ([("preload/start/start.cpp", "namespace telinject::program {",
                  'extern "C" __attribute__((weak)) int gettid();\nnamespace telinject::program {'),
                 ("preload/start/start.cpp", CALL, CALL + "  gettid();\n")],
                ["imports gettid of GLIBC_2.30, not GLIBC_2.2.5", "calls gettid of other libraries"]),
    "needed": ([("preload/CMakeLists.txt", "-lc -Wl", "-lc -lm -Wl")],
               ["needs ['libc.so.6', 'libm.so.6'], not libc.so.6 only"]),
    "flag": ([("preload/CMakeLists.txt", "-Wl,-z,initfirst ", "")], ["is not linked with -z initfirst"]),
    "version of exports": ([("preload/real/export.map.in", "{\n  global:", "TELINJECT_1 {\n  global:")],
                           ["exports fork with a version, TELINJECT_1"]),
    "initialiser": ([("hooks/calls/context.cpp", "namespace telinject::program {",
                      "static long now = (long)__builtin_ia32_rdtsc();\n"
                      "long telinject_now() { return now; }\n"
                      "namespace telinject::program {")],
                    ["hooks/calls/context.cpp has 1 static initialisers, not 0"]),
    "first use": ([("hooks/calls/context.cpp", "namespace telinject::program {",
                    "long telinject_now() { static long now = (long)__builtin_ia32_rdtsc(); return now; }\n"
                    "namespace telinject::program {")],
                  ["hooks/calls/context.cpp has a variable that is initialised when first used: _ZGV"]),
    "hot call": ([("hooks/calls/function_hooks.cpp", "uint64_t ticks = arch::read_tsc();",
                   "uint64_t ticks = telinject::program::read_other();"),
                  ("hooks/calls/function_hooks.cpp", "namespace telinject::program {",
                   "namespace telinject::program {\nuint64_t read_other();"),
                  ("hooks/calls/context.cpp", "namespace telinject::program {",
                   "namespace telinject::program {\nunsigned long read_other();\n"
                   "unsigned long read_other() { return __builtin_ia32_rdtsc(); }\n")],
                 ["hooks/calls/function_hooks.cpp: __cyg_profile_func_enter has a call",
                  "__cyg_profile_func_enter goes to"]),
    "hot jump": ([("hooks/calls/function_hooks.cpp", "return telinject_slow_exit(",
                   "return telinject_slower("),
                  ("hooks/calls/function_hooks.cpp", "namespace telinject::program {",
                   'extern "C" void telinject_slower(...);\nnamespace telinject::program {')],
                 ["__cyg_profile_func_exit", "goes to telinject_slower"]),
}


@pytest.mark.parametrize("wrong", [None, *LIBRARY])
def test_library(copy, wrong):
    edits, expected = LIBRARY[wrong] if wrong else ([], [])
    for name, old, new in edits:
        copy.edit(name, old, new)
    copy.build_library()
    if wrong is None:
        copy.run(copy.root / "scripts/checks/library", copy.root / "build")
        return
    text = copy.complaint("library", copy.root / "build")
    for part in expected:
        assert part in text, text


def test_library_exports_what_is_listed(copy):
    copy.build_library()
    copy.edit("preload/real/interposed.def", "INTERPOSED(dlmopen)", "INTERPOSED(dlmopen2)")
    assert copy.complaint("library", copy.root / "build").splitlines() == [
        "libtelinject.so exports more than preload/real/interposed.def lists: dlmopen",
        "libtelinject.so does not export all of preload/real/interposed.def: dlmopen2"]


@pytest.mark.parametrize("row, instead, said", [
    ("INTERPOSED(fork)\n", "", "the wrapper of fork has no row in preload/real/interposed.def"),
    ("INTERPOSED(fork)", "USED(fork)", "the wrapper of fork has no row in preload/real/interposed.def"),
    ("INTERPOSED(vfork)\n", "", "the wrapper of vfork has no row in preload/real/interposed.def"),
    ("INTERPOSED(fork)", "INTERPOSED(fork)\nUSED(_Fork)", "kReal__Fork"),
])
def test_rows_and_wrappers_belong_together(copy, row, instead, said):
    copy.edit("preload/real/interposed.def", row, instead)
    text = copy.build_library(False, "preload/CMakeFiles/telinject_preload.dir/process/wrap_fork.cpp.o")
    assert said in text, text


@pytest.mark.long
def test_a_new_function_is_a_row_and_a_wrapper(copy):
    copy.edit("preload/real/interposed.def", "INTERPOSED(fork)", "INTERPOSED(fork)\nINTERPOSED(getpid)")
    assert "undefined reference to `wrapper_of_getpid'" in copy.build_library(check=False)
    copy.edit("preload/process/wrap_fork.cpp", None, "TELINJECT_WRAPPER(int, getpid) {\n"
              "  return real<int (*)()>(kReal_getpid)();\n}\n")
    copy.build_library()
    copy.run(copy.root / "scripts/checks/library", copy.root / "build")
