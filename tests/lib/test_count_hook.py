"""The counting hook counts exactly, wherever calls happen, and the next hook cannot tell that it is
there. Without telinject: libc's own empty hooks, or a witness, are the next ones.
"""

import os
import re
import subprocess

import pytest
from teltest.counts import read_hook_file
from teltest.names import functions_at
from teltest.run import clean_environment, count_hook


def compile_program(folder, text, *options, name="prog"):
    source = folder / f"{name}.c"
    source.write_text(text)
    target = folder / name
    subprocess.run(["gcc", "-O1", "-w", source, "-o", target, *options], check=True)
    return target


def counts_of(program, folder, status=0, preload=()):
    """{pid: {function: calls}}, the parent (the smallest pid) first."""
    path = folder / "counts"
    path.unlink(missing_ok=True)
    environment = clean_environment() | {
        "COUNT_HOOK_FILE": str(path), "LD_PRELOAD": ":".join(map(str, [count_hook(), *preload]))}
    run = subprocess.run([program], env=environment, capture_output=True, timeout=60)
    assert run.returncode == status, run.stderr
    result = {}
    for (pid, module, address), calls in read_hook_file(path).items():
        name = functions_at(module)[address][0][0] if os.path.exists(module) else module
        result.setdefault(pid, {})[name] = calls
    return dict(sorted(result.items()))


def only(counts):
    assert len(counts) == 1
    return next(iter(counts.values()))


INSTRUMENTED = "-finstrument-functions"
HEAD = """
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>
#define PLAIN __attribute__((no_instrument_function))
#define NOINLINE __attribute__((noinline))
volatile long sink;
NOINLINE void f(void) { sink++; }
NOINLINE void g(void) { f(); f(); }
"""


@pytest.mark.parametrize("options", [(), ("-no-pie",), ("-static-pie",)])
def test_simple(tmp_path, options):
    program = compile_program(tmp_path, HEAD + "int main() { for (int i = 0; i < 10; i++) g(); }",
                              INSTRUMENTED, *options)
    if "-static-pie" in options:  # nothing is preloaded there
        subprocess.run([program], env={"LD_PRELOAD": str(count_hook())}, check=True)
        return
    assert only(counts_of(program, tmp_path)) == {"main": 1, "g": 10, "f": 20}


@pytest.mark.parametrize("end", ["return 0;", "exit(0);", "_exit(0);", "_Exit(0);",
                                 "quick_exit(0);", "pthread_exit(0);"])
def test_ways_to_end(tmp_path, end):
    program = compile_program(tmp_path, HEAD + "int main() { g(); " + end + " }", INSTRUMENTED)
    assert only(counts_of(program, tmp_path)) == {"main": 1, "g": 1, "f": 2}


def test_before_and_after_main(tmp_path):
    text = HEAD + """
static void early(void) { f(); }
__attribute__((section(".preinit_array"), used)) static void (*first)(void) = early;
__attribute__((constructor)) static void before(void) { f(); }
__attribute__((destructor)) static void after(void) { f(); }
static void last(void) { f(); }
int main() { atexit(last); return 0; }
"""
    program = compile_program(tmp_path, text, INSTRUMENTED)
    assert only(counts_of(program, tmp_path)) == {"main": 1, "early": 1, "before": 1, "after": 1,
                                                  "last": 1, "f": 4}


def test_library_initialised_before_the_hook(tmp_path):
    """Its destructor runs after the hook's own, if that were how the hook learned of the end."""
    library = tmp_path / "libearly.so"
    source = tmp_path / "early.c"
    source.write_text("volatile int x; void shown(void) { x++; }\n"
                      "__attribute__((constructor)) void library_start(void) { shown(); }\n"
                      "__attribute__((destructor)) void library_end(void) { shown(); }\n")
    subprocess.run(["gcc", INSTRUMENTED, "-shared", "-fPIC", source, "-o", library], check=True)
    program = compile_program(tmp_path, "void shown(void); int main() { shown(); }", INSTRUMENTED,
                              library, f"-Wl,-rpath,{tmp_path}")
    assert only(counts_of(program, tmp_path)) == {"main": 1, "library_start": 1, "library_end": 1,
                                                  "shown": 3}


def test_64_threads(tmp_path):
    text = HEAD + """
void *work(void *p) { for (int i = 0; i < 20000; i++) g(); return 0; }
int main() {
  pthread_t t[64];
  for (int i = 0; i < 64; i++) pthread_create(&t[i], 0, work, 0);
  for (int i = 0; i < 64; i++) pthread_join(t[i], 0);
}
"""
    program = compile_program(tmp_path, text, INSTRUMENTED, "-pthread")
    assert only(counts_of(program, tmp_path)) == {"main": 1, "work": 64, "g": 64 * 20000,
                                                  "f": 64 * 40000}


def test_signal_handlers(tmp_path):
    """The handler's calls interrupt the hook itself; the program counts them too."""
    text = HEAD + """
volatile long handled;
void on_alarm(int s) { handled++; f(); }
int main() {
  struct sigaction a = {.sa_handler = on_alarm};
  struct itimerval t = {{0, 50}, {0, 50}};
  sigaction(SIGALRM, &a, 0);
  setitimer(ITIMER_REAL, &t, 0);
  long calls = 0;
  while (handled < 2000) { g(); calls++; }
  memset(&t, 0, sizeof t);
  setitimer(ITIMER_REAL, &t, 0);
  char line[64];
  write(1, line, sprintf(line, "%ld %ld\\n", calls, handled));
}
"""
    program = compile_program(tmp_path, text, INSTRUMENTED, "-include", "stdio.h")
    path = tmp_path / "counts"
    environment = clean_environment() | {"COUNT_HOOK_FILE": str(path),
                                         "LD_PRELOAD": str(count_hook())}
    run = subprocess.run([program], env=environment, capture_output=True, timeout=60, check=True)
    calls, handled = map(int, run.stdout.split())
    found = {functions_at(module)[address][0][0]: count
             for (_, module, address), count in read_hook_file(path).items()}
    assert handled >= 2000
    assert found == {"main": 1, "on_alarm": handled, "g": calls, "f": 2 * calls + handled}


@pytest.mark.parametrize("child_end", ["exit(0)", "_exit(0)"])
def test_fork(tmp_path, child_end):
    """Each process counts its own calls only."""
    text = HEAD + """
int main() {
  g();
  if (fork() == 0) { f(); f(); f(); %s; }
  wait(0);
  g();
}
""" % child_end
    program = compile_program(tmp_path, text, INSTRUMENTED)
    assert list(counts_of(program, tmp_path).values()) == [{"main": 1, "g": 2, "f": 4}, {"f": 3}]


def test_vfork_child_does_not_end_its_parent(tmp_path):
    text = HEAD + "int main() { g(); if (vfork() == 0) _exit(0); wait(0); g(); }"
    program = compile_program(tmp_path, text, INSTRUMENTED)
    assert only(counts_of(program, tmp_path)) == {"main": 1, "g": 2, "f": 4}


def test_status_is_kept(tmp_path):
    program = compile_program(tmp_path, HEAD + "int main() { f(); _exit(7); }", INSTRUMENTED)
    assert only(counts_of(program, tmp_path, status=7)) == {"main": 1, "f": 1}


def test_nothing_without_a_file(tmp_path):
    program = compile_program(tmp_path, HEAD + "int main() { g(); }", INSTRUMENTED)
    environment = clean_environment() | {"LD_PRELOAD": str(count_hook())}
    run = subprocess.run([program], env=environment, capture_output=True, check=True, cwd=tmp_path)
    assert run.stdout + run.stderr == b""


def disassembly(function):
    text = subprocess.run(["objdump", "-d", "--no-show-raw-insn", count_hook()], check=True,
                          capture_output=True, text=True).stdout
    return re.search(rf"<{function}>:\n(.*?)\n\n", text + "\n\n", re.DOTALL)[1]


@pytest.mark.parametrize("function", ["__cyg_profile_func_enter", "__cyg_profile_func_exit"])
def test_forwarding_is_a_jump(function):
    code = disassembly(function)
    assert re.search(r"\tjmp +\*", code), code
    assert not re.search(r"\tcall +\*", code), code


WITNESS = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
static int enters, exits, strangers;
static void check(void *return_address) {
  Dl_info info;
  if (!dladdr(return_address, &info) || !strstr(info.dli_fname, "/prog")) strangers++;
}
void __cyg_profile_func_enter(void *f, void *c) { enters++; check(__builtin_return_address(0)); }
void __cyg_profile_func_exit(void *f, void *c) { exits++; check(__builtin_return_address(0)); }
__attribute__((destructor)) static void end(void) {
  fprintf(stderr, "%d %d %d\\n", enters, exits, strangers);
}
"""


def test_next_hook_sees_its_true_caller(tmp_path):
    """The return address, which lies where the stack pointer says, is in the program."""
    witness = compile_program(tmp_path, WITNESS, "-shared", "-fPIC", "-ldl", name="libwitness.so")
    program = compile_program(tmp_path, HEAD + "int main() { for (int i = 0; i < 9; i++) g(); }",
                              INSTRUMENTED)
    environment = clean_environment() | {"LD_PRELOAD": f"{count_hook()}:{witness}",
                                         "COUNT_HOOK_FILE": str(tmp_path / "counts")}
    run = subprocess.run([program], env=environment, capture_output=True, text=True, check=True)
    assert run.stderr == "28 28 0\n"


def test_other_exit_functions_are_reached(tmp_path):
    """A library after the hook that has an _exit of its own gets to run it."""
    text = """
#include <sys/syscall.h>
#include <unistd.h>
void _exit(int s) { write(2, "mine\\n", 5); for (;;) syscall(SYS_exit_group, s); }
"""
    other = compile_program(tmp_path, text, "-shared", "-fPIC", name="libother.so")
    program = compile_program(tmp_path, HEAD + "int main() { f(); _exit(3); }", INSTRUMENTED)
    environment = clean_environment() | {"LD_PRELOAD": f"{count_hook()}:{other}"}
    run = subprocess.run([program], env=environment, capture_output=True)
    assert (run.returncode, run.stderr) == (3, b"mine\n")
