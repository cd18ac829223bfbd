"""Real programs that nobody here wrote, built for tracing: SQLite's shell, Lua's interpreter, and
yaml-cpp's parser.

Their sources come from Debian's packages (scripts/fetch-sources). Objects are built once for each
compiler and level and shared by all tests (run.py's cache). The build target test-programs does that
beforehand, several at once:

    python3 -m teltest.programs NAME COMPILER LEVEL
"""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from teltest.run import APPS, REPOSITORY, build, build_directory, build_object


@dataclass
class Case:
    """A program and what to do with it."""
    name: str
    path: object
    command: list      # argv
    stdin: bytes
    expected: bytes    # on stdout
    calls_at_least: int  # if a run has fewer, the driver has stopped driving


def sources(name):
    """The folder of a program's source; fetches it on first use."""
    folder = build_directory() / "sources" / name
    if not folder.exists():
        subprocess.run([REPOSITORY / "scripts/fetch-sources", name], check=True)
    return folder


def _build(name, files, compiler, flags, link_flags):
    with ThreadPoolExecutor(2) as pool:  # the compilers are the work; two cores
        list(pool.map(lambda file: build_object(file, compiler, flags), files))
    return build(name, files, compiler, flags, link_flags)


def sqlite(compiler, level):
    folder = sources("sqlite3")
    path = _build("sqlite3", [folder / "sqlite3.c", folder / "shell.c"], compiler, (level, "-w"),
                  ("-lm", "-ldl", "-lpthread"))
    # -init: not the file of whoever runs the test.
    command = [path, "-batch", "-init", "/dev/null", ":memory:"]
    return Case("sqlite", path, command, _sqlite_statements(), _sqlite_answer(), 200_000)


ITEMS = 400


def _sqlite_statements():
    """Many inserts, each a statement of its own, in a transaction; then a join."""
    lines = ["CREATE TABLE item(id INTEGER PRIMARY KEY, name TEXT, price REAL, kind INTEGER);",
             "CREATE TABLE kind(id INTEGER PRIMARY KEY, label TEXT);",
             "BEGIN;"]
    lines += [f"INSERT INTO kind VALUES({i}, 'kind-{i}');" for i in range(10)]
    lines += [f"INSERT INTO item VALUES({i}, 'item-{i * 7919 % 1000}', {i * 37 % 1000}.25, {i % 10});"
              for i in range(ITEMS)]
    lines += ["COMMIT;",
              "SELECT k.label, count(*), round(avg(i.price), 2), max(i.name) FROM item i "
              "JOIN kind k ON k.id = i.kind GROUP BY k.id ORDER BY 3 DESC;"]
    return "\n".join(lines).encode() + b"\n"


def _sqlite_answer():
    rows = []
    for kind in range(10):
        items = range(kind, ITEMS, 10)
        average = sum(i * 37 % 1000 + 0.25 for i in items) / len(items)
        rows.append((average, f"kind-{kind}|{len(items)}|{average}|"
                              + max(f"item-{i * 7919 % 1000}" for i in items)))
    return "".join(row + "\n" for _, row in sorted(rows, reverse=True)).encode()


def lua(compiler, level):
    folder = sources("lua5.4") / "src"
    files = sorted(file for file in folder.glob("*.c") if file.name != "luac.c")
    # A fixed seed for string hashes; what is left to chance is where the loader puts things.
    flags = (level, "-DLUA_USE_LINUX", "-Dluai_makeseed(L)=1")
    path = _build("lua", files, compiler, flags, ("-lm", "-ldl"))
    return Case("lua", path, [path, APPS / "calls.lua"], b"", _LUA_ANSWER, 200_000)


_LUA_ANSWER = b"""\
closures\t1963500
errors\t2485\t350
nested\t30
callbacks\t50
coroutines\t300970\t1300\t45
overflow\tfalse\tC stack overflow
texts\t875\t381\t54380\t200
"""


def yaml_parser(compiler, level):
    """yaml-cpp's own tool that parses a document: a C++ program that throws at bad input."""
    folder = sources("yaml-cpp")
    files = sorted((folder / "src").glob("*.cpp")) + [folder / "util/parse.cpp"]
    flags = (level, "-w", "-std=c++14", f"-I{folder}/include", f"-I{folder}/src")
    return _build("yaml-parse", files, compiler, flags, ())


if __name__ == "__main__":
    {"sqlite": sqlite, "lua": lua, "yaml": yaml_parser}[sys.argv[1]](*sys.argv[2:])
