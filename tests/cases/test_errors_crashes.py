"""Crashes: the process dies as ever, and the trace says of what, and where."""

import os
import re
import resource
import signal
import subprocess
import time

import pytest

from teltest.check import check_tree
from teltest.gdb import gdb
from teltest.run import APPS, COMPILERS, build, clean_environment, library, run
from teltest.schema import errors_of
from teltest.story import stack_functions

SOURCE = APPS / "errors/crashes.cpp"
ABORT = ("__pthread_kill_implementation", "raise", "abort")

# How it dies: of what, the message, and the innermost functions of the stack.
KINDS = {
    "segv": ("SIGSEGV", "SIGSEGV: address not mapped, at 0x0", ["segv", "dies", "main"]),
    "jump": ("SIGSEGV", "SIGSEGV: address not mapped, at 0x0", ["??", "jump", "dies", "main"]),
    "general_protection": ("SIGSEGV", "SIGSEGV: general protection fault",
                           ["general_protection", "dies", "main"]),
    "fpe": ("SIGFPE", "SIGFPE: integer division by zero, at 0x", ["fpe", "dies", "main"]),
    "ill": ("SIGILL", "SIGILL: illegal instruction, at 0x", ["ill", "dies", "main"]),
    "bus": ("SIGBUS", "SIGBUS: nothing behind the address, beyond the end of a file perhaps, at 0x",
            ["bus", "dies", "main"]),
    "failed_assert": ("SIGABRT", "Assertion `zero == 1' failed.",
                      [*ABORT, "__assert_fail_base", "__assert_fail", "failed_assert", "dies"]),
    "aborts": ("SIGABRT", "SIGABRT: raised by the program itself", [*ABORT, "aborts", "dies", "main"]),
    "double_free": ("SIGABRT", "SIGABRT: free(): double free detected in tcache 2",
                    [*ABORT, "__libc_message", "malloc_printerr"]),
    "smash": ("SIGABRT", "stack smashing detected", [*ABORT, "__libc_message", "__fortify_fail"]),
    "uncaught": ("SIGABRT", "SIGABRT: raised by the program itself", [*ABORT]),
    "raised": ("SIGSEGV", "SIGSEGV: raised by the program itself",
               ["__pthread_kill_implementation", "raise", "raised", "dies", "main"]),
    "in_a_thread": ("SIGSEGV", "SIGSEGV: address not mapped, at 0x0", ["segv", "work", "start_thread"]),
    # Nothing of ours runs:
    "overflows": ("SIGSEGV", "the process was killed by SIGSEGV: this thread's stack was used up", None),
    "killed": ("SIGKILL", "the process was killed by SIGKILL", None),
    "terminated": ("SIGTERM", "the process was killed by SIGTERM", None),
    "reporter": ("SIGSEGV", "the process was killed by SIGSEGV", None),
}


def program(compiler="gcc"):
    return build("crashes", [SOURCE], compiler, ("-O1", "-w", "-fstack-protector-all"),
                 ("-lpthread",))


def spans(into):
    """The exit events, after all checks."""
    events = list(into)
    for event in events[:200]:
        assert errors_of(event) == []
    return [event for event in events if event["event_type"] == "function_exit"]


@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize("kind", KINDS)
def test_death(kind, compiler, tmp_path):
    path = program(compiler)
    plain = run([path, kind], tmp_path / "none", mode="none")
    result = run([path, kind], tmp_path / "events.jsonl")
    name, message, stack = KINDS[kind]
    assert result.status == plain.status == -getattr(signal, name)
    assert result.stdout == plain.stdout
    # libc's and libstdc++'s words are the same.
    assert result.stderr == plain.stderr
    checker = check_tree(result.events_path)
    assert not checker.problems, str(checker.problems)
    exits = spans(result.events())
    killed = [event for event in exits if event["attributes"].get("telinject.exit") == "killed"]
    assert {event["error"]["type"] for event in killed} == {name}
    assert killed[-1]["function_name"] == "main"
    assert any(message in event["error"]["message"] for event in killed), killed[0]["error"]
    stacks = [event["error"]["stacktrace"] for event in killed if "stacktrace" in event["error"]]
    if stack is None:
        assert stacks == []
        return
    assert len(set(stacks)) == 1
    assert [frame[0] for frame in stack_functions(stacks[0])][:len(stack)] == stack
    dying = [event for event in killed if "stacktrace" in event["error"]]
    assert len({event["attributes"]["thread_id"] for event in dying}) == 1
    if kind == "in_a_thread":
        assert {event["function_name"] for event in dying} == {"segv", "work"}
    else:
        assert [event["function_name"] for event in dying] == [
            event["function_name"] for event in killed]


def test_stack_overflow_message_is_for_the_thread_that_overflowed(tmp_path):
    result = run([program(), "overflows"], tmp_path / "events.jsonl")
    exits = spans(result.events())
    assert len(exits) > 1000
    # Most are further up the same stack: the innermost ones tell.
    assert "this thread's stack was used up" in exits[0]["error"]["message"]


def test_bare_preload_tells_the_signal(tmp_path):
    """Nobody has the wait status; the thread that died has told."""
    result = run([program(), "segv"], tmp_path / "events.jsonl", mode="preload")
    assert result.status == -signal.SIGSEGV
    # Nothing waits for the drain of a program that was killed.
    exits = []
    for _ in range(600):
        if result.events_path.exists():
            text = result.events_path.read_bytes()
            exits = re.findall(rb'"event_type":"function_exit".*"type":"SIGSEGV"', text)
        if len(exits) == 3:
            return
        time.sleep(0.1)
    pytest.fail(f"{len(exits)} spans end by SIGSEGV")


def handler_output(kind, into, **options):
    path = program()
    plain = run([path, kind], into, mode="none")
    result = run([path, kind], into, **options)
    assert (result.status, result.stdout, result.stderr) == (plain.status, plain.stdout, plain.stderr)
    assert b"there was" not in result.stdout and b"it was not" not in result.stdout
    return result


@pytest.mark.parametrize("mode", ("telrun", "preload"))
@pytest.mark.parametrize("kind", ("own_handler", "reporter", "alternate_stack", "ignores", "looks"))
def test_programs_own_handlers(kind, mode, tmp_path):
    """They see no trace of ours, and work as without."""
    result = handler_output(kind, tmp_path / "events.jsonl", mode=mode)
    expected = {"own_handler": 7, "reporter": -signal.SIGSEGV, "alternate_stack": -signal.SIGSEGV,
                "ignores": -signal.SIGFPE, "looks": 0}
    assert result.status == expected[kind]


def test_overflow_on_an_alternate_stack_has_a_stack(tmp_path):
    """The program has given the kernel a place to run the handler."""
    result = handler_output("alternate_stack", tmp_path / "events.jsonl")
    exits = spans(result.events())
    frames = stack_functions(exits[0]["error"]["stacktrace"])
    assert {frame[0] for frame in frames} == {"overflow"}
    assert len(frames) > 10


def test_no_handler_without_stacks(tmp_path):
    result = run([program(), "segv"], tmp_path / "events.jsonl",
                 settings={"ENABLE_STACKTRACES": "no"})
    errors = [event["error"] for event in spans(result.events())]
    assert errors == [{"type": "SIGSEGV", "message": "the process was killed by SIGSEGV"}] * 3


def caught_signals(settings):
    """SigCgt of a traced process, as the kernel has it."""
    environment = clean_environment() | {"LD_PRELOAD": str(library()), "TELEMETRY_FILE": "/dev/null"}
    text = subprocess.run(["cat", "/proc/self/status"], env=environment | settings,
                          capture_output=True, text=True, check=True).stdout
    mask = int(re.search(r"SigCgt:\s*([0-9a-f]+)", text)[1], 16)
    return {number for number in range(1, 65) if mask & 1 << (number - 1)}


def test_which_signals_are_caught():
    fatal = {signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGABRT}
    plain = caught_signals({"DEBUG": "false"})
    assert caught_signals({}) - plain == fatal
    assert caught_signals({"ENABLE_STACKTRACES": "false"}) == plain


# Cores.

def core_of(command, folder, environment):
    """Runs a command that dumps its core there; returns (signal, dumped, gdb's backtrace of it)."""
    folder.mkdir()
    pid = os.fork()
    if pid == 0:
        os.chdir(folder)
        resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY,) * 2)
        os.dup2(os.open("/dev/null", os.O_WRONLY), 2)
        os.execvpe(command[0], command, environment)
    _, status = os.waitpid(pid, 0)
    cores = list(folder.glob("core*"))
    trace = gdb(["-c", cores[0], command[0]]) if cores else None
    for core in cores:
        core.unlink()
    return os.WTERMSIG(status), os.WCOREDUMP(status), trace


@pytest.mark.parametrize("kind", ("segv", "jump", "general_protection", "fpe", "ill", "bus", "aborts",
                                  "failed_assert", "double_free", "raised", "in_a_thread"))
def test_core(kind, tmp_path):
    """The same core, as far as gdb's backtrace shows it."""
    path = program()
    environment = clean_environment()
    plain = core_of([str(path), kind], tmp_path / "plain", environment)
    if plain[2] is None:
        pytest.skip("cores are not written to the working directory here")
    traced = environment | {"LD_PRELOAD": str(library()), "TELEMETRY_FILE": "/dev/null"}
    assert plain[2], "gdb shows no frames"
    assert core_of([str(path), kind], tmp_path / "traced", traced) == plain


@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize("kind", ("segv", "jump", "general_protection", "in_a_thread"))
def test_stack_is_gdbs(kind, compiler, tmp_path):
    """Functions, files and lines of the program's part, as gdb has them when the signal comes."""
    path = program(compiler)
    expected = gdb(["--args", path, kind], "run")
    result = run([path, kind], tmp_path / "events.jsonl")
    stack = next(event["error"]["stacktrace"] for event in spans(result.events())
                 if "stacktrace" in event["error"])
    frames = stack_functions(stack)
    own = [frame for frame in expected if frame[1] and frame[1].endswith("crashes.cpp")]
    assert len(own) >= 2
    assert [frame for frame in frames if frame[1] == str(SOURCE)] == own
    assert frames[0][0] == expected[0][0]



ASAN = """\
__attribute__((noinline)) int inner(int* p) { return p[1]; }
int main() {
  int* p = new int[4];
  delete[] p;
  return inner(p);
}
"""


@pytest.mark.parametrize(("option", "status", "name"), [
    ("abort_on_error=1", -signal.SIGABRT, "SIGABRT"), ("abort_on_error=0", 1, "exit_status")])
def test_address_sanitizer(option, status, name, tmp_path):
    """Its report and its end are its own."""
    source = tmp_path / "asan.cpp"
    source.write_text(ASAN)
    path = build("asan", [source], "clang", ("-O1", "-fsanitize=address"), ("-fsanitize=address",))
    result = run([path], tmp_path / "events.jsonl", environment={"ASAN_OPTIONS": option})
    assert result.status == status
    assert b"heap-use-after-free" in result.stderr
    exits = spans(result.events())
    assert [event["function_name"] for event in exits] == ["inner", "main"]
    assert exits[1]["error"]["type"] == name
