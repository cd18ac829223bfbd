"""A program whose file is replaced, removed or broken while it runs, or whose debug information is of no
use: one clear line at most, while the program runs on as it would.
"""

import os
import random
import re
import shutil
import subprocess

import pytest
from bad_input import CALLS, one_line, program, run
from teltest.proc import read
from teltest.run import APPS
from ways import TRACED


# Debug information that is no use.

def scrambled(path, seed):
    """The file with rubbish in its symbol and debug sections: headers and code stay."""
    data = bytearray(path.read_bytes())
    dice = random.Random(seed)
    listing = subprocess.run(["readelf", "-SW", path], capture_output=True, text=True, check=True).stdout
    changed = 0
    for match in re.finditer(r"\] (\.(?:debug_\w+|symtab|strtab|eh_frame\w*|dynsym|dynstr|note\S*))\s+\w+\s+"
                             r"[0-9a-f]+ ([0-9a-f]+) ([0-9a-f]+)", listing):
        offset, size = int(match[2], 16), int(match[3], 16)
        for _ in range(max(1, size // (1 + seed % 7) // 4)):
            data[offset + dice.randrange(size)] = dice.randrange(256)
        changed += 1
    assert changed >= 5
    return bytes(data)


def broken_files(path):
    good = path.read_bytes()
    yield "empty", b""
    yield "text", b"nothing of the kind\n" * 1000
    yield "zeros", bytes(len(good))
    yield "half", good[:len(good) // 2]
    yield "header only", good[:64]
    yield "section table beyond the end", good[:40] + (1 << 62).to_bytes(8, "little") + good[48:]
    yield "many sections", good[:60] + b"\xff\xff" + good[62:]
    yield "another program", read("/bin/true")
    for seed in range(4):
        yield f"scrambled {seed}", scrambled(path, seed)


def pause_and(ways, way, program, change, changes=None):
    """Runs it up to a pause, does `change`, lets it make its calls; returns the lines on stderr."""
    with open(ways.directory / "stderr", "w+b") as file:
        process = ways.start([program, *f"pause calls {CALLS} status 7".split()], way, changes,
                             stdin=subprocess.PIPE, stderr=file)
        assert process.stdout.readline() == b"paused\n"
        change(process)
        out, _ = process.communicate(b"x", timeout=120)
        assert (process.returncode, out) == (7, b"sum 500500\n")
        ways.wait_for_no_drain()
        file.seek(0)
        return file.read().decode().splitlines()


@pytest.mark.parametrize("way", TRACED)
def test_program_replaced_on_disk(ways, program, tmp_path, way):
    """By something else or by rubbish, while it runs: its calls are traced, with names or without."""
    for name, content in broken_files(program):
        copy = tmp_path / "copy"
        copy.unlink(missing_ok=True)
        shutil.copy2(program, copy)
        new = tmp_path / "new"
        new.write_bytes(content)
        ways.forget()
        lines = pause_and(ways, way, copy, lambda process: os.replace(new, copy))  # noqa: B023
        assert len(lines) <= 1, (name, lines)
        assert sum(ways.functions(CALLS).values()) == CALLS, name


@pytest.mark.parametrize("way", TRACED)
def test_program_removed(ways, program, tmp_path, way):
    copy = tmp_path / "copy"
    shutil.copy2(program, copy)
    assert len(pause_and(ways, way, copy, lambda process: copy.unlink())) <= 1
    assert sum(ways.functions(CALLS).values()) == CALLS


@pytest.mark.parametrize("way", TRACED)
def test_separate_debug_file(ways, program, tmp_path, way):
    """A good one gives names; one that is rubbish costs the names and nothing else."""
    stripped, debug = tmp_path / "stripped", tmp_path / "stripped.debug"
    subprocess.run(["objcopy", "--only-keep-debug", program, debug], check=True)
    subprocess.run(["objcopy", "--strip-all", f"--add-gnu-debuglink={debug}", program, stripped], check=True)
    assert run(ways, way, stripped) == []
    assert ways.functions(CALLS) == {"work": CALLS}
    for name, content in broken_files(debug):
        debug.write_bytes(content)
        ways.forget()
        lines = run(ways, way, stripped)
        assert len(lines) <= 1, (name, lines)
        counts = ways.functions(CALLS)
        assert sum(counts.values()) == CALLS, name
    debug.unlink()
    ways.forget()
    assert run(ways, way, stripped) == []
    assert sum(ways.functions(CALLS).values()) == CALLS


@pytest.mark.parametrize("way", TRACED)
@pytest.mark.parametrize("version", ["-gdwarf-4", "-gdwarf-5"])
def test_split_debug_information_that_is_not_there(ways, tmp_path, version, way):
    """Packed into a .dwp file, or lost: that parameters are missing is told, once."""
    program = tmp_path / "notice"
    flags = ["-g", version, "-gsplit-dwarf", "-finstrument-functions", "-pthread"]
    subprocess.run(["gcc", *flags, "-c", APPS / "notice.c", "-o", "notice.o"], cwd=tmp_path, check=True)
    subprocess.run(["gcc", "-pthread", "notice.o", "-o", program], cwd=tmp_path, check=True)
    assert run(ways, way, program) == []
    (tmp_path / "notice.dwo").rename(tmp_path / "notice.dwp")
    one_line(run(ways, way, program), program, "notice.dwo is not there", ".dwp")
