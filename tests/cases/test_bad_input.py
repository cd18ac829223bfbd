"""Bad input, both under telrun and with a bare LD_PRELOAD: one clear line that says what, where and what
to do, while the program runs on as it would, with the status that is its own.

Missing parts of telrun are in test_telrun_faults.py.
"""

import os
import random
import re
import resource
import shutil
import signal
import socket
import subprocess
from contextlib import contextmanager

import pytest
from small_disk import needs_mounts, small_disk
from teltest.run import APPS, build
from ways import TRACED, comm, read, wait_for

ROOT = os.geteuid() == 0
CALLS = 1000


def build_notice(compiler="gcc"):
    return build("notice", [APPS / "notice.c"], compiler, ("-O0", "-pthread"), ("-pthread",))


@pytest.fixture
def program():
    return build_notice()


def run(ways, way, program, steps=f"calls {CALLS} status 7", changes=None, **start):
    """The program's own result is as ever; returns the lines that were added on stderr.

    stderr is a file: a line that comes after the program's end is in it, while a reader of a pipe may
    have left."""
    with open(ways.directory / "stderr", "w+b") as file:
        start.setdefault("stderr", file)
        outcome = ways.run([program, *steps.split()], way, changes, **start)
        assert outcome[:2] == (7, b"sum %d\n" % (CALLS * (CALLS + 1) // 2)), outcome
        ways.wait_for_no_drain()
        file.seek(0)
        return file.read().decode().splitlines()


def one_line(lines, *words):
    assert len(lines) == 1, lines
    assert lines[0].startswith(("telrun: ", "telinject: ")), lines
    for word in words:
        assert str(word) in lines[0], lines
    return lines[0]


# Where events go.

def not_a_file(kind, directory):
    path = directory / "target"
    if kind == "directory":
        path.mkdir()
    elif kind == "missing directory":
        path = directory / "missing/trace.jsonl"
    elif kind == "below a file":
        path.write_text("")
        path = path / "trace.jsonl"
    elif kind == "links in a circle":
        path.symlink_to(path)
    elif kind == "long name":
        path = directory / ("x" * 300)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as made:
            here = os.getcwd()
            os.chdir(directory)
            made.bind("target")
            os.chdir(here)
    elif kind == "FIFO that nobody reads":
        os.mkfifo(path)
    return path


@pytest.mark.parametrize("kind", ["directory", "missing directory", "below a file", "links in a circle",
                                  "long name", "socket", "FIFO that nobody reads"])
@pytest.mark.parametrize("way", TRACED)
def test_file_that_cannot_be_opened(ways, program, tmp_path, way, kind):
    path = not_a_file(kind, tmp_path)
    lines = run(ways, way, program, changes={"TELEMETRY_FILE": str(path)})
    one_line(lines, f"TELEMETRY_FILE={path}", "the program runs on")


@pytest.mark.skipif(not ROOT, reason="needs root")
@pytest.mark.parametrize("way", TRACED)
def test_file_without_permission(ways, program, tmp_path, way):
    for path in (tmp_path, *tmp_path.parents):
        if path != path.parent and not path.stat().st_mode & 0o001:
            path.chmod(path.stat().st_mode | 0o011)
    ways.runtime.chmod(0o777)
    ways.trace.touch()

    def prepare():
        os.setgid(65533)
        os.setuid(65533)

    reach = subprocess.run([program, "status", "7"], preexec_fn=prepare, capture_output=True)
    if reach.returncode != 7:
        pytest.skip("the build tree is not readable for other users")
    one_line(run(ways, way, program, preexec_fn=prepare), ways.trace, "Permission denied")


@pytest.mark.parametrize("way", TRACED)
def test_device_that_is_full(ways, program, way):
    one_line(run(ways, way, program, changes={"TELEMETRY_FILE": "/dev/full"}), "/dev/full")


@needs_mounts
@pytest.mark.parametrize("size", ["16k", "200k"])
@pytest.mark.parametrize("on_full", ["drop", "block"])
@pytest.mark.parametrize("way", TRACED)
def test_disk_that_fills_up(ways, program, tmp_path, way, on_full, size):
    """What fits is there, in whole lines."""
    steps = f"calls {CALLS} status 7"
    copy = tmp_path / "kept.jsonl"
    outer = [*small_disk(size), "sh", "-c", '"$@"; s=$?; sleep 0.3; cat disk/trace.jsonl > ' + str(copy) +
             "; exit $s", "-"]
    changes = {"TELEMETRY_FILE": str(ways.work / "disk/trace.jsonl"), "TELEMETRY_ON_FULL": on_full}
    lines = run(ways, way, program, steps, changes, outer=outer)
    one_line(lines, "disk/trace.jsonl")
    kept = copy.read_bytes()
    assert kept.endswith(b"\n") and kept.count(b'"event_type":"function_') == kept.count(b"\n")
    assert 0 < len(kept) <= {"16k": 16, "200k": 200}[size] << 10


@needs_mounts
def test_events_that_did_not_fit_are_not_counted_as_written(ways, program, tmp_path):
    copy = tmp_path / "kept.jsonl"
    outer = [*small_disk("200k"), "sh", "-c", '"$@"; s=$?; cat disk/trace.jsonl > ' + str(copy) +
             "; exit $s", "-"]
    changes = {"TELEMETRY_FILE": str(ways.work / "disk/trace.jsonl"), "TELEMETRY_ON_FULL": "block",
               "TELEMETRY_SUMMARY": "always"}
    summary = "\n".join(run(ways, "telrun", program, changes=changes, outer=outer))
    written = copy.read_bytes().count(b"\n")
    assert 0 < written < 2 * CALLS
    assert f"sink_error {2 * CALLS - written:,}" in summary
    assert f" {written:,} events," in summary


IN_DELETED = ["sh", "-c", 'mkdir gone && cd gone && rmdir ../gone && exec "$@"', "-"]
RELATIVE = {
    "TELEMETRY_FILE": "no events are written",
    "TELEMETRY_TOTALS_FILE": "no totals are written",
    "TELEMETRY_RECORD": "nothing is recorded",
    "TELEMETRY_SPOOL_DIR": "/var/tmp is used",
}


@pytest.mark.parametrize("way", TRACED)
@pytest.mark.parametrize("variable", RELATIVE)
def test_relative_path_in_a_deleted_directory(ways, program, way, variable):
    """It must not come to mean one in /, where the drain goes."""
    name = f"telinject-relative-{os.getpid()}"
    try:
        lines = run(ways, way, program, changes={variable: name}, outer=IN_DELETED)
        assert not os.path.exists(f"/{name}")
    finally:
        if os.path.exists(f"/{name}"):
            os.rename(f"/{name}", ways.directory / name)
    one_line(lines, f"{variable}={name}" if variable != "TELEMETRY_RECORD" else name,
             "working directory is deleted", RELATIVE[variable])


@pytest.mark.parametrize("way", TRACED)
def test_file_output_without_a_file(ways, program, way):
    lines = run(ways, way, program, changes={"TELEMETRY_FILE": "", "TELEMETRY_OUTPUT": "file"})
    events = [line for line in lines if line.startswith("{")]
    one_line([line for line in lines if line not in events], "TELEMETRY_FILE=path", "standard error")
    assert len(events) == 2 * CALLS


# Settings.

def settings(build_tree):
    """Settings that do not take any text, from the table that the program prints: they have values."""
    text = subprocess.run([build_tree / "bin/telinject", "help", "settings", "--markdown"],
                          capture_output=True, text=True, check=True).stdout
    return re.findall(r"^\| `([A-Z_]+)`[^|]*\|[^|]*\| *[^ |][^|]*\|", text, flags=re.M)


BAD = {"SAMPLE_RATE": ["banana", "-1", "1.5", "nan", "1e3", "0,5", " 1"],
       "TELEMETRY_QUEUE_BYTES": ["0", "lots", "99999999999999999999999", "-5"],
       "TELEMETRY_EXIT_WAIT": ["-1", "forever"]}


def test_every_bad_setting_gets_one_line(ways, program, build):
    """The line names the variable, the value and what is used instead; and tracing goes on."""
    names = settings(build)
    assert {"DEBUG", "SAMPLE_RATE", "TELEMETRY_OUTPUT", "TELEMETRY_CLOCK"} <= set(names)
    tried = 0
    for name in names:
        for value in BAD.get(name, ["banana"]):
            for way in TRACED:
                ways.forget()
                # TELEMETRY_FILE implies file output where TELEMETRY_OUTPUT says nothing.
                changes = {"TELEMETRY_OUTPUT": None} | {name: value}
                line = one_line(run(ways, way, program, changes=changes), f"{name}={value}", "using ")
                assert "is not" in line
                assert ways.functions(CALLS) == {"work": CALLS}, (name, value, way)
                tried += 1
    assert tried > 25


@pytest.mark.parametrize("way", TRACED)
def test_recording_that_cannot_be_made(ways, program, way):
    lines = run(ways, way, program, changes={"TELEMETRY_RECORD": f"{ways.telrun}/recording"})
    one_line(lines, f"{ways.telrun}/recording")


@pytest.mark.parametrize("way", TRACED)
@pytest.mark.parametrize("value", ["nonsense", "00-" + 32 * "0" + "-b7ad6b7169203331-01", "ff-x"])
def test_traceparent_without_sense(ways, program, way, value):
    lines = run(ways, way, program, changes={"TRACEPARENT": value})
    assert len(lines) <= 1
    assert ways.functions(CALLS) == {"work": CALLS}


@pytest.mark.parametrize("way", TRACED)
def test_closed_stderr(ways, program, tmp_path, way):
    """Complaints find nobody, and no file that the program opens instead."""
    target = tmp_path / "target"
    target.mkdir()

    def prepare():
        os.close(2)

    for changes in ({"SAMPLE_RATE": "banana"}, {"TELEMETRY_FILE": str(target)},
                    {"TELEMETRY_OUTPUT": "stderr"}):
        out = tmp_path / "out"
        command = [program, *f"to {out} calls {CALLS} fds status 7".split()]
        # `to` opens a file, which gets descriptor 2 for a moment; so does the shell's here.
        outer = ["sh", "-c", f'exec 2>>{tmp_path}/second; exec "$@"', "-"]
        for around in ((), outer):
            outcome = ways.run(command, way, changes, preexec_fn=prepare, outer=around)
            assert outcome[:2] == (7, b"")
            ways.wait_for_no_drain()
            text = out.read_text()
            assert text.startswith("sum 500500\nfd 0 ") and "tel" not in text.replace(str(tmp_path), "")
            out.unlink()


@contextmanager
def pipe_that_takes_nothing(full):
    """A pipe's writing end: nobody reads it, or it is full."""
    ours, theirs = os.pipe()
    if full:
        os.set_blocking(theirs, False)
        try:
            while True:
                os.write(theirs, bytes(4096))
        except BlockingIOError:
            os.set_blocking(theirs, True)
    else:
        os.close(ours)
    yield theirs
    os.close(theirs)
    if full:
        os.close(ours)


@pytest.mark.parametrize("way", TRACED)
@pytest.mark.parametrize("full", [False, True], ids=["nobody reads", "full"])
def test_stderr_that_takes_nothing(ways, program, way, full):
    with pipe_that_takes_nothing(full) as stderr:
        for changes in ({"SAMPLE_RATE": "banana"}, {"TELEMETRY_FILE": "/", "TELEMETRY_SUMMARY": "always"}):
            command = [program, *f"calls {CALLS} status 7".split()]
            assert ways.run(command, way, changes, stderr=stderr)[:2] == (7, b"sum 500500\n")


# Programs that cannot be run.

def test_commands_that_cannot_be_executed(ways):
    script = ("/no/such; echo $?; no-such-command; echo $?; /etc/passwd; echo $?; /; echo $?; "
              "printf '\\177ELF' > broken; chmod +x broken; ./broken; echo $?; exec /no/such")
    for shell in ("sh", "bash"):
        outcome = ways.same([shell, "-c", script])
        assert outcome.status == 127 and outcome.out.startswith(b"127\n127\n126\n126\n")


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


# The drain.

MANY = 400_000  # more than a lane holds
FLOOD = f"calls 10 pause calls {MANY} status 7"
SUM = MANY * (MANY + 1) // 2 + 55


@pytest.mark.parametrize("on_full", ["drop", "block"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP, signal.SIGABRT])
@pytest.mark.parametrize("way", TRACED)
def test_drain_ends_or_stops_in_mid_run(ways, program, tmp_path, way, number, on_full):
    with open(tmp_path / "stderr", "w+b") as file:
        process = ways.start([program, *FLOOD.split()], way, {"TELEMETRY_ON_FULL": on_full},
                             stdin=subprocess.PIPE, stderr=file, preexec_fn=no_core)
        assert process.stdout.readline() == b"sum 55\n" and process.stdout.readline() == b"paused\n"
        assert ways.functions(10) == {"work": 10}  # it is at work
        drain = ways.wait_for_drain()
        os.kill(drain, number)
        if number == signal.SIGSTOP:
            wait_for(lambda: b"\nState:\tT" in read(f"/proc/{drain}/status"), "the drain's stop")
        else:
            wait_for(lambda: not comm(drain), "the drain's end")
        process.stdin.write(b"x")
        process.stdin.flush()
        # The program has its result, whatever the drain does; under telrun it is waited for.
        assert process.stdout.readline() == b"sum %d\n" % SUM
        if number == signal.SIGSTOP and way == "telrun":
            wait_for(lambda: b"\n" in read(tmp_path / "stderr"), "telrun's line")
            os.kill(drain, signal.SIGCONT)
        assert process.wait(timeout=120) == 7
        if number == signal.SIGSTOP and way == "preload":
            os.kill(drain, signal.SIGCONT)
        ways.wait_for_no_drain()
        file.seek(0)
        lines = file.read().decode().splitlines()
    process.communicate()
    if way == "telrun":
        one_line(lines, "the drain")
    elif number == signal.SIGSTOP:
        assert lines == []  # it goes on
    else:
        one_line(lines, "telinject: the drain has died")
    if number == signal.SIGSTOP:
        assert ways.functions(1).get("work", 0) > 0


def no_core():
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


@pytest.mark.parametrize("session", ["", "x", "1:r:", "1:p:t:1048576:0:" + 32 * "a" + ":",
                                     "1:r:t:262144:0:" + 32 * "0" + ":/no/such", ":" * 60, "1:" + "9" * 3000])
def test_session_that_makes_no_sense(ways, program, session):
    lines = run(ways, "preload", program, changes={"TELINJECT_SESSION": session})
    assert len(lines) <= 1
    for way in ("telrun",):
        ways.forget()
        assert run(ways, way, program, changes={"TELINJECT_SESSION": session}) == []
        assert ways.functions(CALLS) == {"work": CALLS}


@pytest.mark.parametrize("way", TRACED)
def test_session_gone(ways, program, way):
    """Socket and drain are gone when a program is executed: it runs, in silence, and, where there was no
    telrun, with a drain of its own."""
    with open(ways.directory / "stderr", "w+b") as file:
        steps = f"pause exec {program} calls {CALLS} status 7"
        process = ways.start([program, *steps.split()], way, stdin=subprocess.PIPE, stderr=file)
        assert process.stdout.readline() == b"paused\n"
        shutil.rmtree(ways.runtime)
        ways.runtime.mkdir()
        drain = ways.wait_for_drain()
        os.kill(drain, signal.SIGKILL)
        wait_for(lambda: not comm(drain), "the drain's end")
        out, _ = process.communicate(b"x", timeout=120)
        assert (process.returncode, out) == (7, b"sum 500500\n")
        ways.wait_for_no_drain()
        file.seek(0)
        lines = file.read().decode().splitlines()
    if way == "telrun":
        one_line(lines, "the drain ended early")
    else:
        assert lines == []
        assert ways.functions(CALLS) == {"work": CALLS}


def test_session_directory_removed(ways, program):
    """The abstract name is left."""
    steps = f"pause exec {program} calls {CALLS} status 7"
    process = ways.start([program, *steps.split()], "telrun", stdin=subprocess.PIPE)
    assert process.stdout.readline() == b"paused\n"
    shutil.rmtree(ways.runtime)
    ways.runtime.mkdir()
    assert process.communicate(b"x", timeout=120) == (b"sum 500500\n", b"")
    assert process.returncode == 7
    assert ways.functions(CALLS) == {"work": CALLS}


# What lies beside the library. (telrun's view of it: test_telrun_faults.py.)

@pytest.mark.parametrize("drain", ["missing", "directory", "not executable", "text", "no interpreter", "half",
                                   "fails at once"])
def test_drain_beside_the_library(ways, program, build, tmp_path, drain):
    library = tmp_path / "copy/lib/libtelinject.so"
    path = tmp_path / "copy/libexec/telinject/telinject-drain"
    library.parent.mkdir(parents=True)
    path.parent.mkdir(parents=True)
    shutil.copy2(build / "lib/libtelinject.so", library)
    if drain == "directory":
        path.mkdir()
    elif drain == "not executable":
        path.write_bytes(b"x")
    elif drain != "missing":
        good = (build / "libexec/telinject/telinject-drain").read_bytes()
        path.write_bytes({"text": b"rubbish", "no interpreter": b"#!/no/such\n", "half": good[:5000],
                          "fails at once": b"#!/bin/false\n"}[drain])
        path.chmod(0o755)
    ways.library = str(library)
    lines = run(ways, "preload", program)
    if drain in ("half", "fails at once"):
        return  # it could be started; the program has run and did not wait
    one_line(lines, "telinject: ", "libexec/telinject/telinject-drain", "untraced")
    # A child of an untraced program says nothing more than its parent did.
    lines = run(ways, "preload", program, f"exec {program} calls {CALLS} status 7")
    assert len(lines) <= 2


@pytest.mark.parametrize("full", [False, True], ids=["nobody reads", "full"])
def test_line_of_the_library_that_nobody_takes(ways, program, build, tmp_path, full):
    """It neither kills the program (SIGPIPE) nor keeps it."""
    shutil.copy2(build / "lib/libtelinject.so", tmp_path / "libtelinject.so")
    ways.library = str(tmp_path / "libtelinject.so")
    with pipe_that_takes_nothing(full) as stderr:
        command = [program, *f"calls {CALLS} status 7".split()]
        assert ways.run(command, "preload", stderr=stderr)[:2] == (7, b"sum 500500\n")


def test_library_alone(ways, program, build, tmp_path):
    shutil.copy2(build / "lib/libtelinject.so", tmp_path / "libtelinject.so")
    ways.library = str(tmp_path / "libtelinject.so")
    one_line(run(ways, "preload", program), "telinject-drain", "untraced")


# Debug information.

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
