"""telcc and telc++ as commands, and what the objects that they make are instrumented with, for
test_telcc*.py.

Most tests of flags run a compiler that is no compiler: a script called gcc or clang++ that prints what
it was given.
"""

import os
import re
import subprocess
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


def one_line(outcome, status, text):
    assert outcome.returncode == status
    assert outcome.stdout == ""
    assert re.fullmatch(rf"telcc: [^\n]*{re.escape(text)}[^\n]*\n", outcome.stderr), outcome.stderr


SPECIAL_MEMBER = re.compile(r"(C[1-3]|CI[12].+|D[0-2]|aS)E")


def belongs_to_the_library(mangled):
    """Of the C++ library, and not one that clang wrote itself: those it gives no attribute."""
    name = re.sub(r"^_ZN?K?", "", mangled)
    return name.startswith(("St", "Sa", "Sb", "Ss", "9__gnu_cxx")) and not SPECIAL_MEMBER.search(name)
