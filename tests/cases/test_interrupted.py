"""An interrupt while telrun only waits for the drain: what is not written yet is left as a recording,
and `telinject convert` goes on where the drain stopped, as if nothing had happened.
"""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from teltest import schema
from teltest.check import check_tree
from teltest.events import read_events
from teltest.proc import wait_for
from teltest.run import APPS, build, clean_environment, tool


class Pipe:
    """A FIFO as the events' file, read as far as the test says: whoever writes it has to wait."""

    FIRST = 100000

    def __init__(self, path):
        os.mkfifo(path)
        self.path = path
        self.bytes = bytearray()
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


def wait_for_the_end_of(program, telrun):
    """By what it leaves: its number. telrun has then reaped it."""
    wait_for(lambda: telrun.poll() is not None or program.exists() and program.read_text().endswith("\n"),
             "the program's number")
    number = program.read_text().strip()
    wait_for(lambda: not os.path.exists(f"/proc/{number}"), "the program's end")


def start_and_wait_for_the_end(command, pipe, tmp_path, **settings):
    """telrun, whose program has ended and whose drain has most of its work before it."""
    environment = clean_environment() | {"TELEMETRY_FILE": str(pipe.path), "TELEMETRY_SUMMARY": "never",
                                         "TELEMETRY_SPOOL_DIR": str(tmp_path)} | settings
    pipe.open()
    telrun = subprocess.Popen([tool("telrun"), "--on-full=block", "--detail=lean", "--", *command,
                               tmp_path / "pid"],
                              env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE)
    pipe.read_some()
    wait_for_the_end_of(tmp_path / "pid", telrun)
    return telrun


def finish(telrun, pipe):
    pipe.read_on()
    out, err = telrun.communicate(timeout=120)
    assert (telrun.returncode, out) == (0, b"")
    return err.decode()


def interrupt(telrun, pipe, number):
    """Returns what is said."""
    telrun.send_signal(number)
    # The drain hears of it while it waits for room for what it has in hand.
    status = Path(f"/proc/{telrun.pid}/status")
    wait_for(lambda: re.search(r"ShdPnd:\s0+\n", status.read_text()), "the signal to be taken")
    for _ in range(200):
        time.sleep(0.01)
        pipe.bytes += os.read(pipe.fd, 1 << 16)
        if telrun.poll() is not None:
            break
    return finish(telrun, pipe)


@pytest.fixture(scope="module")
def busy():
    return [build("busy", [APPS / "output/busy.c"], "gcc", ("-O0",), ("-pthread",)), "30000"]


def unpacked(path, data):
    if path.suffix != ".zst":
        return bytes(data)
    return subprocess.run(["zstdcat"], input=bytes(data), capture_output=True, check=True, timeout=60).stdout


@pytest.mark.parametrize("output, words", [
    ("file,otlp", r"--output=file,otlp -o (\S+)"), ("file,http", r"--output=file,http -o (\S+)"),
    ("file", r"-o (\S+)")])
def test_the_command_has_all_outputs(busy, tmp_path, output, words):
    """The receivers are not there, which nothing waits for."""
    pipe = Pipe(tmp_path / "events")
    telrun = start_and_wait_for_the_end(busy, pipe, tmp_path, TELEMETRY_OUTPUT=output,
                                        RECEIVER_URL="http://127.0.0.1:1", TELEMETRY_EXIT_WAIT="100",
                                        OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:1")
    said = interrupt(telrun, pipe, signal.SIGINT)
    line = re.search(rf"interrupted: .* this writes the rest: telinject convert {words} \S+ && rm", said)
    assert line, said
    assert line[1] == str(pipe.path)


@pytest.mark.long
@pytest.mark.parametrize("number, options, name", [
    (signal.SIGINT, {}, "events"),
    (signal.SIGTERM, {"TELEMETRY_QUEUE_BYTES": "1048576"}, "events"),
    (signal.SIGINT, {"TELEMETRY_QUEUE_BYTES": "1048576"}, "events.zst"),
], ids=["from memory", "from the spool", "compressed"])
def test_the_rest_is_converted(busy, tmp_path, number, options, name):
    pipe = Pipe(tmp_path / name)
    telrun = start_and_wait_for_the_end(busy, pipe, tmp_path, **options)
    said = interrupt(telrun, pipe, number)
    first = unpacked(pipe.path, pipe.bytes)
    beginning, size = first.count(b"\n"), len(pipe.bytes)
    assert beginning > 0 and first.endswith(b"\n")
    line = re.fullmatch(r"telinject: interrupted: ([\d,]+) events are written, .* of records are left; "
                        r"this writes the rest: (telinject convert -o (\S+) (\S+) && rm -r \S+)\n", said)
    assert line, said
    assert int(line[1].replace(",", "")) == beginning
    assert line[3] == str(pipe.path) and os.path.dirname(line[4]) == str(tmp_path)

    pipe.open()
    convert = subprocess.Popen(["sh", "-ec", line[2]], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, env=clean_environment() | {
                                   "PATH": f"{tool('telinject').parent}:{os.environ['PATH']}"})
    while len(pipe.bytes) == size and convert.poll() is None:
        pipe.bytes += os.read(pipe.fd, 1 << 20)
    pipe.read_on()
    assert convert.communicate(timeout=300) == (b"", b"") and convert.returncode == 0
    assert not os.path.exists(line[4])

    both = tmp_path / "both.jsonl"
    both.write_bytes(unpacked(pipe.path, pipe.bytes))
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


class Screen:
    """A terminal, and what it shows: lines, drawn over by carriage returns and erased to their end."""

    COLUMNS = 100

    def __init__(self):
        self.main, self.terminal = pty.openpty()
        fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, self.COLUMNS, 0, 0))
        self.raw = ""

    def read(self):
        """True if there was something."""
        if not select.select([self.main], [], [], 0.05)[0]:
            return False
        self.raw += os.read(self.main, 65536).decode()
        return True

    def lines(self):
        lines, column = [""], 0
        for part in re.findall(r"\x1b\[K|.|\n", self.raw, re.DOTALL):
            if part == "\x1b[K":
                lines[-1] = lines[-1][:column]
            elif part == "\r":
                column = 0
            elif part == "\n":
                lines.append("")
            else:
                if column == self.COLUMNS:
                    lines.append("")
                    column = 0
                lines[-1] = lines[-1][:column] + part + lines[-1][column + 1:]
                column += 1
        return [line.rstrip() for line in lines]


BAR = re.compile(r"telrun: writing events +(\d+) % \[(=*)>? *\] [\d.]+ \w+ left(?:, .*)?")


def run_on(screen, command, pipe, tmp_path, *options, shell=()):
    """telrun on that terminal, as a shell's job; a part of the events has been read."""
    def job():
        os.setsid()
        fcntl.ioctl(screen.terminal, termios.TIOCSCTTY, 0)
    environment = clean_environment() | {"TELEMETRY_FILE": str(pipe.path),
                                         "TELEMETRY_SPOOL_DIR": str(tmp_path)}
    pipe.open()
    telrun = subprocess.Popen([*shell, tool("telrun"), "--on-full=block", *options, "--", "sh", "-c",
                               'printf "left standing"; exec "$@"', "sh", *command, tmp_path / "pid"],
                              env=environment, stdin=subprocess.DEVNULL, stdout=screen.terminal,
                              stderr=screen.terminal, preexec_fn=job)
    pipe.read_some()
    wait_for_the_end_of(tmp_path / "pid", telrun)
    return telrun


def read_for(screen, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        screen.read()


def test_a_bar_is_drawn(busy, tmp_path):
    """While the drain has work left. It does not touch what the program has printed, and goes when the
    summary comes."""
    pipe, screen = Pipe(tmp_path / "events"), Screen()
    telrun = run_on(screen, busy, pipe, tmp_path, "--detail=lean")
    wait_for(lambda: BAR.fullmatch(screen.lines()[-1]), "the bar", pause=screen.read)
    assert screen.lines()[0] == "left standing"
    reader = threading.Thread(target=pipe.read_on)
    reader.start()
    seen = []
    while telrun.poll() is None:
        if screen.read() and (found := BAR.fullmatch(screen.lines()[-1])):
            seen.append(int(found[1]))
    reader.join()
    while screen.read():
        pass
    lines = screen.lines()
    assert telrun.returncode == 0
    assert seen == sorted(seen)
    assert lines[0] == "left standing" and lines[1].startswith("telrun: ") and "spans in" in lines[1], lines
    assert not any("writing events" in line for line in lines)


IN_BACKGROUND = ["bash", "-c", 'set -m; "$@" & wait', "bash"]


@pytest.mark.parametrize("options, shell", [(["-q"], []), ([], IN_BACKGROUND)],
                         ids=["quiet", "in the background"])
def test_no_bar_is_drawn(busy, tmp_path, options, shell):
    pipe, screen = Pipe(tmp_path / "events"), Screen()
    telrun = run_on(screen, busy, pipe, tmp_path, "--detail=lean", *options, shell=shell)
    read_for(screen, 1.5)  # three times the moment after which one would be
    assert screen.raw == "left standing"
    pipe.read_on()
    telrun.wait(timeout=60)


STOPPED_FOR_A_WHILE = ["bash", "-c", 'set -m; "$@"; echo "ready> "; sleep 1; fg > /dev/null', "bash"]


def test_the_bar_makes_room_for_a_shell(busy, tmp_path):
    """ctrl-Z: the line is gone before the shell writes its prompt, and comes again with fg."""
    pipe, screen = Pipe(tmp_path / "events"), Screen()
    shell = run_on(screen, busy, pipe, tmp_path, "--detail=lean", shell=STOPPED_FOR_A_WHILE)
    wait_for(lambda: BAR.fullmatch(screen.lines()[-1]), "the bar", pause=screen.read)
    os.write(screen.main, b"\x1a")
    wait_for(lambda: "ready>" in screen.lines(), "the prompt", pause=screen.read)
    assert screen.lines()[0] == "left standing"
    assert not any("writing events" in line for line in screen.lines()), screen.lines()
    wait_for(lambda: BAR.fullmatch(screen.lines()[-1]), "the bar", pause=screen.read)
    assert screen.lines()[-2] == "ready>"
    pipe.read_on()
    wait_for(lambda: shell.poll() is not None, "the shell's end", pause=screen.read)
    assert shell.returncode == 0


@pytest.mark.long
def test_a_drain_that_is_done_at_once(tmp_path):
    """On a terminal telrun tells the drain that it may draw there. It may have ended by then."""
    said = b""
    for pause in range(150):
        pid, terminal = pty.fork()
        if pid == 0:
            os.environ |= clean_environment() | {"TELEMETRY_OUTPUT": "file", "TELEMETRY_SUMMARY": "never",
                                                 "TELEMETRY_FILE": str(tmp_path / "events")}
            os.execv(tool("telrun"), ["telrun", "--", "sleep", f"0.0{pause % 10}"])
        while data := read_terminal(terminal):
            said += data
        os.close(terminal)
        assert os.waitpid(pid, 0)[1] == 0
    assert said == b""


def read_terminal(fd):
    try:
        return os.read(fd, 4096)
    except OSError:  # the other side is closed
        return b""
