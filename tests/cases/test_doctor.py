"""telinject doctor: what it says of programs, the machine, the settings and the outputs."""

import re
import shutil
import subprocess

import pytest
from teltest.receiver import Receiver
from teltest.run import clean_environment, run, tool


def doctor(*words, **settings):
    done = subprocess.run([tool("telinject"), "doctor", *words], capture_output=True, timeout=60, check=False,
                          env=clean_environment() | settings)
    assert done.stderr == b"" or done.returncode == 2, done.stderr
    return done.returncode, done.stdout.decode()


@pytest.fixture
def plain(tmp_path):
    """A program that is not instrumented, built with more flags."""
    source = tmp_path / "plain.c"
    source.write_text("int main(void) { return 0; }\n")

    def make(*flags):
        subprocess.run(["gcc", "-o", tmp_path / "plain", source, *flags], check=True)
        return tmp_path / "plain"
    return make


@pytest.fixture
def instrumented(tmp_path):
    source = tmp_path / "traced.c"
    source.write_text("int main(void) { return 0; }\n")
    subprocess.run([tool("telcc"), "-o", tmp_path / "traced", source], check=True, env=clean_environment())
    return tmp_path / "traced"


def test_all_is_well(instrumented, tmp_path):
    file = tmp_path / "events.jsonl"
    status, text = doctor(instrumented, TELEMETRY_FILE=str(file))
    assert status == 0 and "BAD" not in text
    assert f"ok    program     {instrumented} is dynamically linked to glibc\n" in text
    assert "ok    calls       it is instrumented: every call is recorded\n" in text
    assert "ok    names       it has debug information" in text
    assert "ok    settings    those that are set make sense\n" in text
    assert f"ok    output      {file} can be made\n" in text
    run([instrumented], file)  # and so it is
    assert file.read_bytes().count(b"\n") == 2
    assert f"{file} exists: events are appended" in doctor(instrumented, TELEMETRY_FILE=str(file))[1]


def test_names(instrumented):
    subprocess.run(["strip", "-g", instrumented], check=True)
    assert "note  names       it has no debug information: functions, but no files" in doctor(instrumented)[1]
    subprocess.run(["strip", instrumented], check=True)
    assert "note  names       it is stripped" in doctor(instrumented)[1]


def test_not_instrumented(plain):
    status, text = doctor(plain())
    assert status == 0
    assert ("note  calls       it is not instrumented: HTTP is recorded, function calls are not\n"
            "        to do     build it with CC=telcc CXX=telc++\n") in text


def test_programs_that_cannot_be_traced(plain, tmp_path):
    status, text = doctor(plain("-static"))
    assert status == 1 and "BAD   program     " in text and "is statically linked" in text
    assert "to do     link it without -static" in text
    if shutil.which("musl-gcc"):
        subprocess.run(["musl-gcc", "-o", tmp_path / "plain", tmp_path / "plain.c"], check=True)
        assert "uses another C library" in doctor(tmp_path / "plain")[1]
    status, text = doctor(plain("-m32", "-nostdlib", "-ffreestanding", "-Wl,-emain"))
    assert status == 1 and "is not an x86-64 program" in text


def test_what_is_no_program(tmp_path):
    text_file = tmp_path / "notes"
    text_file.write_text("hello\n")
    for word, said in [(tmp_path / "missing", "No such file or directory"), (tmp_path, "is a folder"),
                       (text_file, "cannot be executed: Permission denied"),
                       ("no-such-program", "is not found on PATH")]:
        status, text = doctor(word)
        assert status == 1 and "BAD   program" in text and said in text
    script = tmp_path / "script"
    script.write_text("#!/bin/sh\ntrue\n")
    script.chmod(0o755)
    assert "is a script: its interpreter is traced" in doctor(script)[1]


def test_settings_and_outputs(tmp_path):
    status, text = doctor(SAMPLE_RATE="banana")
    assert status == 0 and "note  settings    SAMPLE_RATE=banana is not a number" in text
    status, text = doctor(TELEMETRY_FILE=str(tmp_path / "missing/events.jsonl"))
    assert status == 1 and "BAD   output" in text and "to do     choose another file" in text
    with Receiver() as receiver:
        status, text = doctor(TELEMETRY_OUTPUT="http", RECEIVER_URL=receiver.url)
        assert status == 0 and re.search(rf"ok    http        {receiver.url}\S* takes connections", text)
        otlp = {"TELEMETRY_OUTPUT": "otlp", "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url}
        status, text = doctor(**otlp)
        assert status == 0 and text.count("takes connections") == 2  # traces and metrics
    status, text = doctor(**otlp)
    assert status == 1 and "cannot be reached: Connection refused" in text
    status, text = doctor(TELEMETRY_OUTPUT="http", RECEIVER_URL="http://user:secret@no.invalid/x?k=s")
    assert status == 1 and "http://no.invalid/x cannot be reached" in text and "secret" not in text


def test_bad_words():
    assert doctor("--fast")[0] == 2
    assert doctor("a", "b")[0] == 2
    status, text = doctor("--help")
    assert status == 0 and text.startswith("Usage: telinject doctor [PROGRAM]\n")
