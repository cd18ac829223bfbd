"""Job control: what a shell's user sees and does is the same alone and under telrun.

Each case is a dialogue with an interactive bash on a pseudo-terminal, held twice. Compared is what the
programs and the shell print, with command lines and numbers that must differ taken out.
"""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time

import pytest
from telrun_pair import PYTHON

PROMPT = "ready> "

# Counts the signals that it gets for some seconds; what stops a job keeps its default.
COUNTER = r"""
import signal, sys, time
seen = {}
def count(number, frame):
    seen[number] = seen.get(number, 0) + 1
for s in (1, 2, 3, 10, 12, 15, 18):
    signal.signal(s, count)
end = time.monotonic() + float(sys.argv[1])
print("counting", flush=True)
while time.monotonic() < end:
    time.sleep(max(0, min(0.05, end - time.monotonic())))
print("got", sorted((signal.Signals(s).name, n) for s, n in seen.items()), flush=True)
"""


class Shell:
    def __init__(self, pair, traced, directory):
        """`traced`: the jobs by "telrun", the shell and its jobs by a "preload", or False."""
        environment = dict(pair.environment, PS1=PROMPT, TERM="dumb", HOME=str(directory),
                           R=pair.telrun if traced == "telrun" else "", HISTFILE="")
        if traced == "preload":
            environment["LD_PRELOAD"] = str(pair.build / "lib/libtelinject.so")
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(directory)
            os.execvpe("bash", ["bash", "--norc", "--noprofile", "-i"], environment)
        self.telrun = pair.telrun
        self.text = ""
        self.read_from = 0

    def expect(self, what, timeout=10):
        """Waits until `what` (a regular expression) is printed, after what was expected before."""
        end = time.monotonic() + timeout
        while True:
            found = re.compile(what).search(self.text, self.read_from)
            if found:
                self.read_from = found.end()
                return
            if not self.read(end - time.monotonic()):
                raise AssertionError(f"no {what!r} in: {self.text[self.read_from:]!r}")

    def read(self, timeout):
        if timeout <= 0 or not select.select([self.fd], [], [], timeout)[0]:
            return False
        try:
            data = os.read(self.fd, 65536)
        except OSError:
            return False
        self.text += data.decode(errors="replace").replace("\r", "")
        return bool(data)

    def read_for(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.read(end - time.monotonic())

    def send(self, what):
        os.write(self.fd, what.encode())

    def close(self):
        while self.read(0.05):
            pass
        os.close(self.fd)
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)

    def transcript(self):
        text = self.text.replace(self.telrun + " ", "").replace("$R ", "")
        text = re.sub(r"\x1b\[\?2004[hl]", "", text).replace(PROMPT, "")
        text = re.sub(r"\[(\d+)\] \d+", r"[\1] PID", text)  # "[1] 12345" of a background job
        text = re.sub(r"^(\[\d+\])[+-]?[ ]+(\w+)[ ]+", r"\1 \2 ", text, flags=re.M)
        lines = [line.strip() for line in text.split("\n")]
        # What a background job prints comes before or after the prompt, as it happens.
        return sorted(line for line in lines if line and not line.startswith("bash: "))


CTRL_C, CTRL_D, CTRL_Z, CTRL_BACKSLASH = "\x03", "\x04", "\x1a", "\x1c"
PAUSE = 0.3  # where nothing is printed that could be waited for

# Steps: a line to type at the prompt, whose output ends with the next prompt; or
#   type(text)     not waiting for anything
#   expect(text)   something printed
#   PAUSE          where nothing is printed that could be waited for
RUN_COUNTER = f"$R {PYTHON[0]} -IS counter.py"
RC = "echo rc=$?"


def type(text):  # noqa: A001
    return ("type", text)


def expect(text):
    return ("expect", text)


STOPPED = expect("Stopped(.|\n)*" + PROMPT)

CASES = {
    "ctrl-C, caught": [type(f"{RUN_COUNTER} 1\n"), expect("counting"), type(CTRL_C),
                       expect("got .*INT"), expect(PROMPT), RC],
    "ctrl-C": [type("$R sleep 20\n"), PAUSE, type(CTRL_C), expect(PROMPT), RC],
    "ctrl-backslash": ["ulimit -c 0", type("$R sleep 20\n"), PAUSE, type(CTRL_BACKSLASH),
                       expect(PROMPT), RC],
    "ctrl-Z, jobs, fg": [type("$R sleep 1\n"), PAUSE, type(CTRL_Z), STOPPED, "jobs", "fg", RC],
    "ctrl-Z, bg, wait": [type("$R sleep 1\n"), PAUSE, type(CTRL_Z), STOPPED, "bg", "wait", RC],
    "ctrl-Z, bg, fg, ctrl-C": [type("$R sleep 20\n"), PAUSE, type(CTRL_Z), STOPPED, "bg",
                               type("fg\n"), PAUSE, type(CTRL_C), expect(PROMPT), RC],
    "ctrl-Z, fg: one SIGCONT": [type(f"{RUN_COUNTER} 2\n"), expect("counting"), type(CTRL_Z),
                                STOPPED, type("fg\n"), expect("got .*CONT"), expect(PROMPT), RC],
    "twice stopped": [type("$R sleep 1\n"), PAUSE, type(CTRL_Z), STOPPED, type("fg\n"), PAUSE,
                      type(CTRL_Z), STOPPED, "fg", RC],
    "kill -STOP the program, jobs, fg": [
        "$R sleep 1.31 & sleep 0.3", "pkill -STOP -fx 'sleep 1.31'; sleep 0.3", "jobs", "fg", RC],
    "kill -STOP and -CONT the program alone": [
        "$R sleep 2.32 & sleep 0.3", "pkill -STOP -fx 'sleep 2.32'; sleep 0.3", "jobs",
        "pkill -CONT -fx 'sleep 2.32'; sleep 0.5", "jobs", "wait", RC],
    "kill -KILL the stopped program": [
        "$R sleep 20.33 & sleep 0.3", "pkill -STOP -fx 'sleep 20.33'; sleep 0.3", "jobs",
        "pkill -KILL -fx 'sleep 20.33'; sleep 0.5", "jobs", "wait", RC],
    "reads the terminal in the background": [
        "$R cat & sleep 0.3", "jobs", type("fg\n"), expect("cat\n"), PAUSE, type("hey\n"),
        expect("hey\nhey\n"), type(CTRL_D), expect(PROMPT), RC],
    "writes in the background, tostop": [
        "stty tostop", "$R echo written & sleep 0.3", "jobs", "fg", RC],
    "signal for the process": [
        type(f"{RUN_COUNTER} 1 &\n"), expect("counting"), type("kill -TERM $!\n"), expect("got .*\n")],
    "signal for the group": [
        type(f"{RUN_COUNTER} 1 &\n"), expect("counting"), type("kill -TERM -$!\n"), PAUSE,
        type("kill -USR1 %1\n"), expect("got .*\n")],
    "timeout": [f"timeout 0.8 {RUN_COUNTER} 1.5", RC],
    "a shell that suspends itself": [
        "$R bash --norc", "echo in-$((40+2))", type("kill -STOP $$\n"), STOPPED, "jobs",
        "fg", "echo back-$((40+3))", type("sleep 20\n"), PAUSE, type(CTRL_C), expect(PROMPT), "exit 7",
        RC],
    "a stopped job inside a shell": [
        "$R bash --norc", type("sleep 20\n"), PAUSE, type(CTRL_Z), STOPPED, type("fg\n"), PAUSE,
        type(CTRL_C), expect(PROMPT), "exit 8", RC],
    "the terminal comes back from a killed shell": [
        "$R bash --norc", "kill -KILL $$", type("cat\n"), PAUSE, type("line\n"),
        expect("line\nline\n"), type(CTRL_D), expect(PROMPT), RC],
    "pipeline, ctrl-C": [type("$R sleep 20 | cat\n"), PAUSE, type(CTRL_C), expect(PROMPT),
                         "echo rc=${PIPESTATUS[*]}"],
    "stops its own group": [
        type("$R perl -e 'kill TSTP, 0; print qq(resumed\\n)'\n"), STOPPED, "fg", RC],
    "less, stopped and resumed": [
        "seq 100 > lines", type("$R less lines\n"), PAUSE, PAUSE, type(CTRL_Z), STOPPED,
        type("fg\n"), PAUSE, PAUSE, type("q"), expect(PROMPT), RC],
    "window size": [
        type("$R bash -c 'trap \"stty size\" WINCH; echo waiting; sleep 1; sleep 0.1'\n"),
        expect("\nwaiting"), ("resize", 30, 90), expect("30 90"), expect(PROMPT), RC],
}


def hold(pair, traced, steps, directory):
    directory.mkdir()
    (directory / "counter.py").write_text(COUNTER)
    shell = Shell(pair, traced, directory)
    try:
        shell.expect(PROMPT)
        for step in steps:
            if isinstance(step, str):
                shell.send(step + "\n")
                shell.expect(r"\n(.|\n)*" + PROMPT)
            elif step == PAUSE:
                shell.read_for(step)
            elif step[0] == "type":
                shell.send(step[1])
            elif step[0] == "resize":
                resize(shell.fd, *step[1:])
            else:
                shell.expect(step[1])
    finally:
        shell.close()
    return shell.transcript()


def without_chance(transcript):
    """timeout(1) signals its program, then the group that both are in: twice, unless the program has
    not yet taken the first when the second comes."""
    return [re.sub(r"\('(SIGTERM|SIGCONT)', [12]\)", r"('\1', once or twice)", line)
            for line in transcript]


def resize(fd, rows, columns):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


@pytest.mark.parametrize("case", CASES)
def test_dialogue(pair, tmp_path, case):
    alone = hold(pair, False, CASES[case], tmp_path / "alone")
    traced = hold(pair, "telrun", CASES[case], tmp_path / "traced")
    if case == "timeout":
        traced, alone = without_chance(traced), without_chance(alone)
    assert traced == alone


# Those in which a library in the shell and in its jobs might be felt.
WITH_A_PRELOAD = ["ctrl-C, caught", "ctrl-C", "ctrl-Z, bg, fg, ctrl-C", "ctrl-Z, fg: one SIGCONT",
                  "kill -KILL the stopped program", "reads the terminal in the background",
                  "writes in the background, tostop", "a stopped job inside a shell", "pipeline, ctrl-C"]


@pytest.mark.parametrize("case", WITH_A_PRELOAD)
def test_dialogue_with_a_bare_preload(pair, tmp_path, case):
    alone = hold(pair, False, CASES[case], tmp_path / "alone")
    traced = hold(pair, "preload", CASES[case], tmp_path / "traced")
    assert traced == alone


def counting(pair, seconds, **popen):
    process = pair.start([*PYTHON, "-c", COUNTER, str(seconds)], **popen)
    assert process.stdout.readline() == b"counting\n"
    return process


@pytest.mark.alone  # two signals that are pending at once are one
def test_group_signals_are_delivered_once(pair):
    """Many in a row: neither doubled nor lost."""
    process = counting(pair, 3, start_new_session=True)
    for _ in range(100):
        os.killpg(process.pid, signal.SIGUSR1)
        time.sleep(0.02)
    out, _ = process.communicate(timeout=30)
    assert out == b"got [('SIGUSR1', 100)]\n"


@pytest.mark.alone  # the same
def test_signals_to_telrun_are_passed_on(pair):
    process = counting(pair, 3)
    for _ in range(50):
        os.kill(process.pid, signal.SIGUSR1)
        time.sleep(0.04)
    out, _ = process.communicate(timeout=30)
    assert out == b"got [('SIGUSR1', 50)]\n"


def test_signals_by_name_of_command_line_hit_the_program_once(pair):
    """`pkill -f` finds telrun and the program, and nothing else that would mislead telrun."""
    mark = f"telrun-test-mark-{os.getpid()}"
    process = pair.start([*PYTHON, "-c", COUNTER, "1.5", mark])
    assert process.stdout.readline() == b"counting\n"
    found = [pid for pid in os.listdir("/proc") if pid.isdigit() and mark in command_line(pid)]
    assert len(found) == 2
    os.kill(process.pid, signal.SIGTERM)
    out, _ = process.communicate(timeout=30)
    assert out == b"got [('SIGTERM', 1)]\n"


def command_line(pid):
    try:
        with open(f"/proc/{pid}/cmdline", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def test_stopped_and_continued_without_a_shell(pair):
    process = pair.start(["sh", "-c", "echo $$; sleep 0.6; exit 5"])
    program = int(process.stdout.readline())
    os.kill(program, signal.SIGSTOP)
    _, status = os.waitpid(process.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status) and os.WSTOPSIG(status) == signal.SIGSTOP
    os.kill(program, signal.SIGCONT)
    assert process.wait(timeout=30) == 5
    process.communicate()
