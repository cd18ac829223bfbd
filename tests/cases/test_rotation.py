"""Files that are rotated while a program runs: together they have every event once."""

import subprocess
import time

import pytest
from teltest.events import read_events
from teltest.run import build, clean_environment, tool
from teltest.tree import check_events

CALLS = 100_000
SOURCE = """
#include <stdlib.h>
#include <time.h>
volatile int sink;
void leaf(int i) { sink = i; }
int main(int argc, char** argv) {
  int calls = atoi(argv[1]);
  for (int i = 0; i < calls; i++) {
    leaf(i);
    if (i % 5000 == 0) nanosleep(&(struct timespec){0, 50000000}, 0);
  }
  return 0;
}
"""


@pytest.fixture
def program(tmp_path):
    source = tmp_path / "calls.c"
    source.write_text(SOURCE)
    return build("calls", [source], flags=("-O1",))


def start(program, trace, *options):
    return subprocess.Popen([tool("telrun"), "-o", trace, *options, program, str(CALLS)],
                            env=clean_environment() | {"TELEMETRY_SUMMARY": "never"},
                            stderr=subprocess.PIPE, text=True)


def unpacked(file):
    if file.suffix != ".zst":
        return file
    subprocess.run(["zstd", "-dqf", file], check=True)
    return file.with_suffix("")


def all_events(files):
    for file in files:
        yield from read_events(unpacked(file))


def check_all(files):
    checker = check_events(all_events(files))
    assert not checker.problems
    assert len(checker.spans) == CALLS + 1


def test_by_logrotate(program, tmp_path):
    trace, state, rules = tmp_path / "trace.jsonl", tmp_path / "state", tmp_path / "rules"
    rules.write_text(f"{trace} {{\n  rotate 1000\n  size 1\n  missingok\n  nocompress\n}}\n")
    tmp_path.chmod(0o755)
    running, rotations = start(program, trace), 0
    while running.poll() is None:
        subprocess.run(["logrotate", "--force", "--state", state, rules], check=True, timeout=60)
        rotations += 1
        time.sleep(0.05)
    assert (running.returncode, running.stderr.read()) == (0, "")
    older = sorted(tmp_path.glob("trace.jsonl.*"), key=lambda file: -int(file.suffix[1:]))
    assert rotations > 5 and len(older) > 5
    check_all([*older, *([trace] if trace.exists() else [])])


@pytest.mark.parametrize("name, older_name", [("trace.jsonl", "trace.jsonl.{}"),
                                              ("trace.jsonl.zst", "trace.jsonl.{}.zst")])
def test_by_size(program, tmp_path, name, older_name):
    trace = tmp_path / name
    size = 2_000_000 if name.endswith(".zst") else 50_000_000
    running = start(program, trace, f"--max-file-size={size // 1_000_000}MB", "--max-files=1000")
    assert (running.wait(300), running.stderr.read()) == (0, "")
    older = []
    while (tmp_path / older_name.format(len(older) + 1)).exists():
        older.insert(0, tmp_path / older_name.format(len(older) + 1))
    assert len(older) >= 2
    assert all(size <= file.stat().st_size < size + 4_000_000 for file in older)
    check_all([*older, trace])


def test_files_beyond_their_number_go(program, tmp_path):
    trace = tmp_path / "trace.jsonl"
    running = start(program, trace, "--max-file-size=10MB", "--max-files=3")
    assert (running.wait(300), running.stderr.read()) == (0, "")
    assert sorted(file.name for file in tmp_path.glob("trace*")) \
        == ["trace.jsonl", "trace.jsonl.1", "trace.jsonl.2"]
