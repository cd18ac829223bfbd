"""The program of scripts/demo: SQLite's shell, built with telcc, and 1,000 inserts and a join for it."""

import subprocess

from measure import BUILD, REPOSITORY, SOURCES, run
from teltest.run import build_object

FOLDER = BUILD / "demo"
SHELL = FOLDER / "sqlite3"
QUERY = FOLDER / "query.sql"  # to be its standard input
ARGUMENTS = ["-batch", "-init", "/dev/null", ":memory:"]


def build_demo():
    """The command. Builds what is missing."""
    run([REPOSITORY / "scripts/demo-program"])
    return [SHELL, *ARGUMENTS]


def timed_demo(folder):
    """The command of the same program with time_main.c in it."""
    build_demo()
    program = folder / "sqlite3-timed"
    timer = build_object(SOURCES / "time_main.c", "gcc", ("-O2",), instrument=False)
    subprocess.run(["gcc", FOLDER / "sqlite3.o", FOLDER / "shell.o", timer, "-Wl,--wrap=main", "-rdynamic",
                    "-lm", "-o", program], check=True)
    return [program, *ARGUMENTS]
