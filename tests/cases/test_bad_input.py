"""Bad input, both under telrun and with a bare LD_PRELOAD: one clear line that says what, where and what
to do, while the program runs on as it would, with the status that is its own.

Missing parts of telrun are in test_telrun_faults.py.
"""

import os
import re
import socket
import subprocess

import pytest
from bad_input import CALLS, one_line, pipe_that_takes_nothing, program, run
from small_disk import needs_mounts, small_disk
from ways import TRACED

ROOT = os.geteuid() == 0


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
