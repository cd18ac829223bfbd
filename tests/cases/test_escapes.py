"""Nothing that others have named reaches the terminal as it is: no control character, nothing that turns
text round, and one line stays one line. Whatever it is the name of: a program, a symbol, a module, a
thread, a file, a URL, a setting, an option, what an exception says.
"""

import os
import shutil
import subprocess

import pytest
from teltest.run import APPS, build, clean_environment, library, tool

EVIL = "x\x1b]0;PWNED\x07\nroot# \x9b31m\u202e\u200b"
EVIL_BYTES = EVIL.encode() + b"\xff\x9b"
FORBIDDEN = [*map(chr, range(0x20)), *map(chr, range(0x7f, 0xa0)), "\u202e", "\u200b"]


def check(text, lines=None, shown=True):
    """All that was printed; each line begins as ours do."""
    said = text.decode()  # strictly
    for c in FORBIDDEN:
        assert c == "\n" or c not in said, (c, said)
    assert not any(line.startswith("root#") for line in said.splitlines()), said
    if shown:
        assert "PWNED" in said, said
    if lines is not None:
        assert len(said.splitlines()) == lines, said
    return said


def telrun(*words, cwd, settings=None, way="telrun"):
    environment = {os.fsencode(name): os.fsencode(value) for name, value in clean_environment().items()}
    environment |= {os.fsencode(name): os.fsencode(value) for name, value in (settings or {}).items()}
    if way == "preload":
        environment[b"LD_PRELOAD"] = os.fsencode(library())
    command = [tool("telrun"), *words] if way == "telrun" else words
    with open(cwd / "stderr", "w+b") as err:
        subprocess.run(command, cwd=cwd, env=environment, stderr=err, stdout=subprocess.PIPE, timeout=120,
                       check=False)
        err.seek(0)
        return err.read()


@pytest.fixture
def program(tmp_path):
    path = tmp_path / "app"
    shutil.copy(build("tiny", [APPS.parent / "bench/tiny.c"], "gcc", ("-O0",)), path)
    return path


@pytest.mark.parametrize("traced", [True, False])
def test_program(program, tmp_path, traced):
    evil = tmp_path / os.fsdecode(EVIL_BYTES.replace(b"/", b"_"))
    shutil.copy(program if traced else "/usr/bin/true", evil)
    check(telrun("--summary", "-o", "/dev/null", evil, "3", cwd=tmp_path), shown=not traced)


def test_program_that_is_not_there(tmp_path):
    check(telrun(b"./" + EVIL_BYTES, cwd=tmp_path), lines=1)


def test_symbols(program, tmp_path):
    name = 'wo\x1b]0;PWNED\x07\nroot# '
    subprocess.run(["objcopy", "--strip-debug", "--redefine-sym", f"fib={name}", program], check=True)
    said = telrun("--summary", "-o", "/dev/null", program, "3", cwd=tmp_path)
    check(said)
    assert b"wo\\x1b]0;PWNED\\x07\\nroot#" in said


@pytest.mark.parametrize("suffix", ["", ".zst", ".gz"])
@pytest.mark.parametrize("option", ["-o", "--totals", "--spool-dir", "--record"])
def test_output_paths(program, tmp_path, option, suffix):
    words = ["-o", "/dev/null"] if option in ("--totals", "--spool-dir") else []
    path = EVIL_BYTES + os.fsencode(suffix)
    check(telrun("--summary", *words, option, path, program, "3", cwd=tmp_path), shown=option == "-o")
    check(telrun("--summary", *words, option, b"none/" + path, program, "3", cwd=tmp_path),
          shown=option != "--spool-dir")


@pytest.mark.parametrize("way", ["telrun", "preload"])
@pytest.mark.parametrize("name", ["SAMPLE_RATE", "TELEMETRY_ON_FULL", "TELEMETRY_FILE",
                                  "TELEMETRY_TOTALS_FILE", "TELEMETRY_MIN_DURATION"])
def test_settings(program, tmp_path, way, name):
    value = b"none/" + EVIL_BYTES
    settings = {"TELEMETRY_OUTPUT": "file", "TELEMETRY_FILE": "/dev/null", name: value}
    check(telrun(program, "3", cwd=tmp_path, settings=settings, way=way), lines=1)


@pytest.mark.parametrize("words", [[b"--" + EVIL_BYTES], [b"--on-full=" + EVIL_BYTES, "true"],
                                   [b"--min-duration=" + EVIL_BYTES, "true"]])
def test_options(tmp_path, words):
    check(telrun("-q", "-o", "/dev/null", *words, cwd=tmp_path), lines=1)


@pytest.mark.parametrize("words", [["help", EVIL_BYTES], [EVIL_BYTES], ["convert", EVIL_BYTES],
                                   ["convert", "-o", b"none/" + EVIL_BYTES, EVIL_BYTES]])
def test_commands(tmp_path, words):
    (tmp_path / "s").mkdir()
    done = subprocess.run([tool("telinject"), *words], cwd=tmp_path, capture_output=True, check=False,
                          timeout=60)
    assert done.returncode != 0
    check(done.stderr)


def test_compiler_wrapper(tmp_path):
    done = subprocess.run([tool("telcc"), b"--telcc-" + EVIL_BYTES], capture_output=True, check=False)
    assert done.returncode != 0
    check(done.stderr.replace(b"\xff\x9b", b""), shown=False)


def test_modules(program, tmp_path):
    """A library whose path is evil, and which then is another file."""
    evil = tmp_path / os.fsdecode(EVIL_BYTES)
    evil.mkdir()
    source = tmp_path / "lib.c"
    source.write_text("__attribute__((noinline)) int in_library(int n) { return n + 1; }\n")
    lib = evil / "lib.so"
    subprocess.run([tool("telcc"), "-O0", "-shared", "-fPIC", source, "-o", lib], check=True)
    main = tmp_path / "main.c"
    main.write_text("""
        #include <dlfcn.h>
        #include <unistd.h>
        int main(int argc, char** argv) {
          void* lib = dlopen(argv[1], RTLD_NOW);
          unlink(argv[1]);
          int (*f)(int) = lib ? (int (*)(int))dlsym(lib, "in_library") : 0;
          return f ? f(argc) : 99;
        }
    """)
    loads = tmp_path / "loads"
    subprocess.run([tool("telcc"), "-O0", main, "-o", loads, "-ldl"], check=True)
    check(telrun("--summary", "-o", "/dev/null", loads, lib, cwd=tmp_path))


def test_events_on_the_terminal(tmp_path):
    """Events are JSON: what a terminal would act on is escaped there, too."""
    program = build("secrets", [APPS / "errors/secrets.cpp"], "gcc", ("-O1", "-w"), ("-lpthread",))
    for words in (["throw", EVIL_BYTES], ["thread", "\x9b31m\u202e\n"]):
        said = telrun("-q", program, *words, cwd=tmp_path)
        check(said, shown=words[0] == "throw")
