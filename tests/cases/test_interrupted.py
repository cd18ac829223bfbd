"""An interrupt while telrun only waits for the drain: what is not written yet is left as a recording,
and `telinject convert` goes on where the drain stopped, as if nothing had happened.
"""

import os
import re
import shlex
import signal
import subprocess
import time
from collections import Counter

import pytest

from teltest import schema
from teltest.check import check_tree
from teltest.events import read_events
from teltest.run import APPS, build, build_directory, clean_environment, tool

PROGRAMS = {
    "everything": ("recorded.c", ["-pthread"], []),
    "coroutines": ("tree/coroutines.c", [], []),
    "thrown": ("tree/exceptions.cpp", [], []),
    "exceptions": ("errors/exceptions.cpp", ["-pthread"], ["five_frames"]),
    "crash": ("errors/crashes.cpp", ["-pthread"], ["segv"]),
    "longjmp": ("tree/longjmp.c", [], []),
    "signals": ("tree/signal_jumps.c", [], []),
    "threads": ("tree/threads.c", ["-pthread"], ["together", "8", "5"]),
    "thread_ends": ("tree/thread_ends.c", ["-pthread"], []),
}


def recording_of(name, folder):
    source, link, arguments = PROGRAMS[name]
    program = build(name, [APPS / source], "gcc", ("-O0",), tuple(link))
    subprocess.run([tool("telrun"), "--on-full=block", "--record", folder / "record", "--", program, *arguments],
                   env=clean_environment() | {"TELEMETRY_SUMMARY": "never"}, timeout=120, check=False,
                   stdin=subprocess.DEVNULL, capture_output=True)
    return next((folder / "record").glob("*.telrec"))


def split_convert(recording, records, how, *options):
    done = subprocess.run([build_directory() / "tests/split_convert", recording, str(records), how, *options],
                          env=clean_environment(), capture_output=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout, int(done.stderr.split()[-1])


@pytest.mark.parametrize("name", PROGRAMS)
def test_any_moment_will_do(name, tmp_path, figure):
    """The state that a processor leaves is all that the next one needs: byte for byte, ids and times
    included, wherever the seam is."""
    recording = recording_of(name, tmp_path)
    size = recording.stat().st_size
    most = 0
    for options in (["full"], ["lean"], ["full", "2000"]):
        for records in (max(1, size // 20000), 7 + size // 5000):
            alone, changes = split_convert(recording, records, "alone", *options)
            relay, _ = split_convert(recording, records, "relay", *options)
            assert relay == alone, (records, options)
            most = max(most, changes)
    assert b'"function_exit"' in alone
    figure(f"{most} changes")


class Pipe:
    """A FIFO as the events' file, read as far as the test says: whoever writes it has to wait."""

    FIRST = 100000

    def __init__(self, path):
        os.mkfifo(path)
        self.path = path
        self.bytes = b""
        self.fd = None

    def open(self):
        self.fd = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK)
        os.set_blocking(self.fd, True)

    def read_some(self):
        while len(self.bytes) < self.FIRST:
            self.bytes += os.read(self.fd, self.FIRST)

    def read_on(self):
        while data := os.read(self.fd, 1 << 20):
            self.bytes += data
        os.close(self.fd)


def wait_until_gone(pid):
    while os.path.exists(f"/proc/{pid}"):
        time.sleep(0.01)


def start_and_wait_for_the_end(command, pipe, tmp_path, **settings):
    """telrun, whose program has ended and whose drain has most of its work before it."""
    environment = clean_environment() | {"TELEMETRY_FILE": str(pipe.path), "TELEMETRY_SUMMARY": "never",
                                         "TELEMETRY_SPOOL_DIR": str(tmp_path)} | settings
    pipe.open()
    telrun = subprocess.Popen([tool("telrun"), "--on-full=block", "--detail=lean", "--", *command, tmp_path / "pid"],
                              env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE)
    pipe.read_some()
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text().endswith("\n"):
        time.sleep(0.01)
    wait_until_gone((tmp_path / "pid").read_text().strip())
    return telrun


def finish(telrun, pipe):
    pipe.read_on()
    out, err = telrun.communicate(timeout=120)
    assert (telrun.returncode, out) == (0, b"")
    return err.decode()


@pytest.fixture(scope="module")
def busy():
    return [build("busy", [APPS / "output/busy.c"], "gcc", ("-O0",), ("-pthread",)), "60000"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("options", [{}, {"TELEMETRY_QUEUE_BYTES": "1048576"}],
                         ids=["from memory", "from the spool"])
def test_the_rest_is_converted(busy, tmp_path, number, options):
    pipe = Pipe(tmp_path / "events")
    telrun = start_and_wait_for_the_end(busy, pipe, tmp_path, **options)
    telrun.send_signal(number)
    said = finish(telrun, pipe)
    beginning = pipe.bytes.count(b"\n")
    assert beginning > 0 and pipe.bytes.endswith(b"\n")
    line = re.fullmatch(r"telinject: interrupted: ([\d,]+) events are written, .* of records are left; "
                        r"this writes the rest: (telinject convert -o (\S+) (\S+) && rm -r \S+)\n", said)
    assert line, said
    assert int(line[1].replace(",", "")) == beginning
    assert line[3] == str(pipe.path) and os.path.dirname(line[4]) == str(tmp_path)

    pipe.open()
    convert = subprocess.Popen(["sh", "-ec", line[2]], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, env=clean_environment() | {
                                   "PATH": f"{tool('telinject').parent}:{os.environ['PATH']}"})
    while not pipe.bytes.count(b"\n") > beginning and convert.poll() is None:
        pipe.bytes += os.read(pipe.fd, 1 << 20)
    pipe.read_on()
    assert convert.communicate(timeout=300) == (b"", b"") and convert.returncode == 0
    assert not os.path.exists(line[4])

    both = tmp_path / "both.jsonl"
    both.write_bytes(pipe.bytes)
    assert not check_tree(both).problems
    assert not schema.check_file(both).problems
    sequence = [event["sequence"] for event in read_events(both)]
    assert sequence == list(range(1, len(sequence) + 1))
    whole = tmp_path / "whole.jsonl"
    subprocess.run([tool("telrun"), "--on-full=block", "--detail=lean", "-q", "-o", whole, *busy], check=True,
                   env=clean_environment(), timeout=300)
    assert shapes(both) == shapes(whole)


def shapes(path):
    """How many events of each kind there are, without what differs from run to run."""
    return Counter((event["event_type"], event["thread"], event.get("function_name"),
                    *(event["attributes"].get(name) for name in ("caller_function", "caller_line", "module")))
                   for event in with_thread_kind(path))


def with_thread_kind(path):
    pid = None
    for event in read_events(path):
        pid = event["process"]["pid"] if "process" in event else pid
        event["thread"] = event["attributes"].get("thread_id", pid) == pid
        yield event
