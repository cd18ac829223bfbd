"""What shells complete, and the man pages: all that telrun's own help tells of."""

import os
import pty
import re
import select
import shutil
import subprocess
import time

import pytest
from teltest.run import REPOSITORY, clean_environment

COMPLETION = REPOSITORY / "scripts/completion"


@pytest.fixture
def environment(build, tmp_path):
    return clean_environment() | {"PATH": f"{build}/bin:{os.environ['PATH']}", "HOME": str(tmp_path),
                                  "TERM": "dumb"}


@pytest.fixture(scope="module")
def options(build):
    text = subprocess.run([build / "bin/telrun", "--help"], capture_output=True, text=True, check=True).stdout
    return set(re.findall(r"^ +(?:-., )?(--[a-z-]+)", text, flags=re.M))


def in_bash(environment, *words):
    script = f"""
        source /usr/share/bash-completion/bash_completion
        source {COMPLETION}/telinject.bash
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_LINE="$*"
        COMP_LINE=${{COMP_LINE// = /=}} COMP_POINT=${{#COMP_LINE}}
        _{words[0]} {words[0]} "${{COMP_WORDS[COMP_CWORD]}}" "${{COMP_WORDS[COMP_CWORD-1]}}"
        printf '%s\\n' "${{COMPREPLY[@]}}\""""
    done = subprocess.run(["bash", "-c", script, "-", *words], env=environment, capture_output=True,
                          text=True, timeout=60)
    return set(done.stdout.split())


def test_bash(environment, options, tmp_path):
    assert {option.rstrip("=") for option in in_bash(environment, "telrun", "--")} >= options
    assert in_bash(environment, "telrun", "--sampl") == {"--sample-rate="}
    assert in_bash(environment, "telrun", "--output", "=", "") >= {"stderr", "file", "http", "otlp"}
    assert in_bash(environment, "telrun", "-O", "f") == {"file"}
    assert in_bash(environment, "telrun", "--detail", "=", "l") == {"lean"}
    assert in_bash(environment, "telrun", "--detail", "l") == {"lean"}
    assert "zstdcat" in in_bash(environment, "telrun", "-q", "-o", "x", "--sample-rate", "1", "zstdca")
    assert in_bash(environment, "telinject", "va") == {"validate"}
    assert {"report", "top", "graph", "tree"} <= in_bash(environment, "telinject", "")


def in_fish(environment, line):
    script = f"source {COMPLETION}/telrun.fish; source {COMPLETION}/telinject.fish; complete -C '{line}'"
    done = subprocess.run(["fish", "-c", script], env=environment, capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    return {row.split("\t")[0] for row in done.stdout.splitlines()}


def test_fish(environment, options):
    assert {option.rstrip("=") for option in in_fish(environment, "telrun --")} >= options
    assert {"validate"} <= in_fish(environment, "telinject val")
    assert {"top", "graph", "tree"} <= in_fish(environment, "telinject ")
    assert "zstdcat" in in_fish(environment, "telrun zstdca")


def typed_in_zsh(environment, folder, line):
    """What the screen shows after the line and a tab."""
    shutil.copy(COMPLETION / "_telinject", folder)
    process, terminal = pty.fork()
    if process == 0:
        os.execvpe("zsh", ["zsh", "-f", "-i"], environment)
    start = f"fpath=({folder} $fpath); autoload -U compinit; compinit -u -D; LISTMAX=1000; echo re''ady\n"
    shown = ""
    os.write(terminal, start.encode())
    for wanted, more in (("ready\r\n", line + "\t"), (line, "")):
        end = time.monotonic() + 30
        while wanted not in shown and time.monotonic() < end:
            if select.select([terminal], [], [], 0.1)[0]:
                shown += os.read(terminal, 65536).decode(errors="replace")
        shown = "" if more else shown
        os.write(terminal, more.encode())
    quiet = time.monotonic() + 3
    while time.monotonic() < quiet:
        if select.select([terminal], [], [], 0.1)[0]:
            shown += os.read(terminal, 65536).decode(errors="replace")
            quiet = time.monotonic() + 1
    os.kill(process, 9)
    os.waitpid(process, 0)
    os.close(terminal)
    return shown


def test_zsh(environment, tmp_path):
    environment["COLUMNS"], environment["LINES"] = "200", "100"
    assert "--sample-rate" in typed_in_zsh(environment, tmp_path, "telrun --sampl")
    assert "zstdcat" in typed_in_zsh(environment, tmp_path, "telrun zstdca")
    assert "validate" in typed_in_zsh(environment, tmp_path, "telinject val")
    assert "graph" in typed_in_zsh(environment, tmp_path, "telinject gra")


@pytest.mark.parametrize("page", ["telrun", "telinject", "telcc", "telc++"])
def test_man_pages(build, page, options):
    text = (build / f"share/man/man1/{page}.1").read_text()
    done = subprocess.run(["groff", "-man", "-Tutf8", "-ww", "-rHY=0"], input=text, capture_output=True,
                          text=True)
    assert done.returncode == 0 and done.stderr == ""
    shown = re.sub(r"\x1b\[\d*m|.\x08", "", done.stdout)  # without what makes it bold
    if page == "telrun":
        assert all(option in shown for option in options)
    if page == "telinject":
        assert "validate FILE" in shown
