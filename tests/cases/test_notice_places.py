"""Nobody notices where tracing is hard: sandboxes, limits, other users and roots, PID 1, closed
descriptors, no /proc; with an instrumented program (tests/apps/notice.c), whose calls must be traced all
the same where that is possible, and with the same program not instrumented.
"""

import os
import resource
import shutil
import subprocess

import pytest
from teltest.run import APPS, build
from ways import TRACED, WAYS, without_numbers

ROOT = os.geteuid() == 0
USER = 65533

needs_root = pytest.mark.skipif(not ROOT, reason="needs root")


def notice(compiler="gcc", level="-O0", instrument=True):
    return build("notice", [APPS / "notice.c"], compiler, (level, "-pthread"), ("-pthread",), instrument)


BUILDS = [("gcc", "-O0", True), ("clang", "-O2", True), ("gcc", "-O2", False)]
CALLS = 1000


@pytest.fixture(params=BUILDS, ids=["gcc", "clang", "plain"])
def program(request):
    return Program(notice(*request.param), request.param[2])


class Program:
    def __init__(self, path, instrumented):
        self.path = path
        self.instrumented = instrumented

    def command(self, steps):
        return [self.path, *steps.split()]


def check(ways, program, steps, expected=None, reachable=(), **start):
    """The same all ways; and the calls are in the trace, `expected` of each function."""
    outcome = None
    for way in WAYS:
        ways.forget()
        got = ways.run(program.command(steps), way, **start)
        got = got._replace(out=without_numbers(got.out), err=without_numbers(got.err))
        outcome = outcome or got
        assert got == outcome, way
        if way in TRACED and program.instrumented and expected is not None:
            assert ways.functions(sum(expected.values())) == expected, way
    return outcome


ALL = {"work": CALLS}

SANDBOXES = {
    # steps before the first event: (events expected, status)
    "strict": ({}, 3),  # reading the TSC is forbidden: tracing ends
    "kill": (ALL, 3),
    "errno": (ALL, 3),
    "kill fork": (ALL, 3),
    "errno fork": (ALL, 3),
    "thread errno": (ALL, 3),
    "fork kill": (ALL, 3),
    "closefrom 0": (ALL, 3),
    "closefrom 3 fork": (ALL, 3),
}


@pytest.mark.parametrize("steps", SANDBOXES)
def test_sandbox(ways, program, steps):
    expected, status = SANDBOXES[steps]
    outcome = check(ways, program, f"{steps} calls {CALLS}", expected)
    assert outcome.status == status
    if "closefrom 0" not in steps:
        assert b"sum 500500" in outcome.out


def test_sandbox_within_a_trace(ways, program):
    """The sandbox closes after the first events."""
    expected = {"work": 20, "inside": 1}
    for closing in ("kill", "errno"):
        outcome = check(ways, program, f"calls 10 in {closing} calls 10", expected)
        assert outcome == (3, b"sum 55\nsum 110\n", b"")
    outcome = check(ways, program, "calls 10 in strict calls 10", None)
    assert outcome == (3, b"sum 55\nsum 110\n", b"")


def test_sandbox_that_kills(ways, program):
    """What the program does against the rules has the same end."""
    outcome = check(ways, program, f"calls {CALLS} kill cwd", ALL, preexec_fn=no_core)
    assert outcome == (-31, b"sum 500500\n", b"")


def no_core():
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


@needs_root
@pytest.mark.parametrize("steps", [
    "chroot {empty}", f"setuid {USER}", f"chroot {{empty}} setuid {USER}",
    f"chroot {{empty}} setuid {USER} fork", f"setuid {USER} thread", f"chroot {{empty}} closefrom 3 fork",
])
def test_privileges_given_up(ways, program, tmp_path, steps):
    empty = tmp_path / "empty"
    empty.mkdir()
    outcome = check(ways, program, steps.format(empty=empty) + f" calls {CALLS} ids", ALL)
    assert outcome.status == 3 and b"sum 500500" in outcome.out
    assert not list(empty.iterdir())


# Limits. A program that cannot be traced under them runs untraced; telrun may say so in one line.

LIMITS = {
    "address space 64 MiB": ("RLIMIT_AS", 64 << 20, True),
    "address space 16 MiB": ("RLIMIT_AS", 16 << 20, None),
    "file size 0": ("RLIMIT_FSIZE", 0, None),
    "file size 1 block": ("RLIMIT_FSIZE", 512, None),
    "file size 4 MiB": ("RLIMIT_FSIZE", 4 << 20, True),
    "4 descriptors": ("RLIMIT_NOFILE", 4, None),
    "5 descriptors": ("RLIMIT_NOFILE", 5, None),
    "8 descriptors": ("RLIMIT_NOFILE", 8, None),
    "32 descriptors": ("RLIMIT_NOFILE", 32, True),
    "stack 128 KiB": ("RLIMIT_STACK", 128 << 10, True),
    "locked memory 0": ("RLIMIT_MEMLOCK", 0, True),
    "data 16 MiB": ("RLIMIT_DATA", 16 << 20, True),
    "data 8 MiB": ("RLIMIT_DATA", 8 << 20, None),
    "data 2 MiB": ("RLIMIT_DATA", 2 << 20, None),
    "no core": ("RLIMIT_CORE", 0, True),
    "signals 0": ("RLIMIT_SIGPENDING", 0, True),
}


def same_but_for_our_lines(alone, traced, most=1):
    assert traced[:2] == alone[:2]
    extra = traced.err.replace(alone.err, b"", 1) if alone.err else traced.err
    lines = extra.splitlines()
    assert len(lines) <= most, extra
    assert all(line.startswith((b"telrun: ", b"telinject: ")) for line in lines), extra
    return extra


@pytest.mark.parametrize("limit", LIMITS)
def test_limit(ways, program, limit):
    name, value, traced = LIMITS[limit]

    def prepare():
        resource.setrlimit(getattr(resource, name), (value, value))

    command = program.command(f"fds calls {CALLS} status 7")
    alone = ways.run(command, "alone", preexec_fn=prepare)
    assert alone.status == 7
    for way in TRACED:
        ways.forget()
        # Where memory is short, a file that cannot be mapped is told, and then the end of it all.
        extra = same_but_for_our_lines(clean(alone), clean(ways.run(command, way, preexec_fn=prepare)), 2)
        if traced:
            assert extra == b""
            if program.instrumented:
                assert ways.functions(CALLS) == ALL


def clean(outcome):
    return outcome._replace(out=without_numbers(outcome.out), err=without_numbers(outcome.err))


def as_user(processes=None):
    def prepare():
        os.setgroups([])
        os.setgid(USER)
        os.setuid(USER)
        if processes is not None:
            resource.setrlimit(resource.RLIMIT_NPROC, (processes, processes))
    return prepare


@pytest.fixture
def for_users(ways, tmp_path):
    """The program, the build and the trace's folder can be reached by another user."""
    if not ROOT:
        pytest.skip("needs root")
    for path in (tmp_path, *tmp_path.parents):
        if path != path.parent and not path.stat().st_mode & 0o001:
            path.chmod(path.stat().st_mode | 0o011)
    ways.trace.touch()
    ways.trace.chmod(0o666)
    ways.forget = lambda: ways.trace.write_bytes(b"")
    ways.runtime.chmod(0o777)
    reach = subprocess.run([ways.build / "bin/telinject", "version"], preexec_fn=as_user(),
                           capture_output=True, check=False)
    if reach.returncode != 0:
        pytest.skip("the build tree is not readable for other users")
    return ways


def test_another_user(for_users, program):
    outcome = check(for_users, program, f"calls {CALLS} ids", ALL, preexec_fn=as_user())
    assert outcome == (3, b"sum 500500\nids 65533 65533\n", b"")


@pytest.mark.parametrize("processes", range(1, 9))
def test_few_processes(for_users, program, processes):
    """ulimit -u: processes and threads of that user. Each further one lets a part of ours start."""
    ways = for_users
    command = program.command(f"calls {CALLS} status 7")
    for way in TRACED:
        ways.forget()
        outcome = ways.run(command, way, preexec_fn=as_user(processes))
        assert outcome[:2] == (7, b"sum 500500\n"), way
        # A line for each process of ours that could not start another: telrun, the drain.
        lines = outcome.err.splitlines()
        assert len(lines) <= 2, outcome.err
        assert all(line.startswith((b"telrun: ", b"telinject: ")) for line in lines), outcome.err
        if outcome.err == b"" and program.instrumented:
            assert ways.functions(CALLS) == ALL


# PID 1 of a namespace.

NAMESPACE = ["unshare", "--pid", "--fork", "--mount-proc"]


def works(*command):
    return subprocess.run([*command, "true"], capture_output=True).returncode == 0


needs_namespaces = pytest.mark.skipif(not works(*NAMESPACE), reason="no PID namespaces here")


@needs_namespaces
@pytest.mark.parametrize("steps", ["", "fork", "reap", "thread", f"setuid {USER}"])
def test_first_process_of_a_namespace(ways, program, steps):
    outcome = check(ways, program, f"{steps} fds calls {CALLS} reap", ALL, outer=NAMESPACE)
    assert outcome.status == 3 and b"sum 500500" in outcome.out and b"reaped 0" in outcome.out


@needs_namespaces
def test_program_that_unshares(ways, program):
    """Its children are born elsewhere: the first of them is the namespace's PID 1, and not ours."""
    outcome = check(ways, program, f"in exec unshare --pid --fork --mount-proc {program.path} calls {CALLS}",
                    ALL | {"inside": 1})
    assert outcome == (3, b"sum 500500\n", b"")


# Descriptors.

@pytest.mark.parametrize("closed", [(), (0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2)])
def test_standard_descriptors_closed(ways, program, tmp_path, closed):
    """Closed stay closed, and nothing of ours takes their numbers, in the program and in its children."""
    def prepare():
        for fd in closed:
            os.close(fd)

    results = {}
    for way in WAYS:
        ways.forget()
        out = tmp_path / f"out-{way}"
        command = program.command(f"fds to {out} fds calls {CALLS} fork fds exec {program.path} to {out} fds")
        status = ways.run(command, way, preexec_fn=prepare).status
        results[way] = status, without_numbers(out.read_bytes().replace(os.fsencode(way), b""))
        if way in TRACED and program.instrumented:
            assert ways.functions(CALLS) == ALL
    assert results["alone"][0] == 3 and results["alone"][1].count(b"fd ") >= 2 * (3 - len(closed))
    assert results["telrun"] == results["alone"]
    assert results["preload"] == results["alone"]


# Surroundings.

def mounted(script):
    return ["unshare", "--mount", "sh", "-c", script + ' && exec "$@"', "-"]


SURROUNDINGS = {
    "no /proc": "mount -t tmpfs none /proc",
    "no /dev/shm": "mount -t tmpfs none /dev && touch /dev/null /dev/zero",
    "nothing in /dev": "mount -t tmpfs none /dev",
    "/tmp read-only": "mount -t tmpfs -o ro none /run && mount -t tmpfs -o ro none /dev/shm",
}


@needs_root
@pytest.mark.skipif(not works("unshare", "--mount"), reason="no mount namespaces here")
@pytest.mark.parametrize("place", SURROUNDINGS)
def test_surroundings(ways, program, place):
    command = program.command(f"calls {CALLS} fork ids")
    outer = mounted(SURROUNDINGS[place])
    alone = ways.run(command, "alone", outer=outer)
    assert alone == (3, b"sum 500500\nids 0 0\nchild 768\n", b"")
    for way in TRACED:
        ways.forget()
        extra = same_but_for_our_lines(alone, ways.run(command, way, outer=outer))
        if program.instrumented and not extra:
            assert ways.functions(CALLS) == ALL
        # telrun finds its parts by /proc/self/exe, and without /dev/null it starts nothing.
        assert bool(extra) == (way == "telrun" and place in ("no /proc", "nothing in /dev")), extra


def test_working_directory_removed(ways, program):
    def prepare():
        os.mkdir("gone")
        os.chdir("gone")
        os.rmdir("../gone")

    outcome = check(ways, program, f"cwd calls {CALLS}", ALL, preexec_fn=prepare)
    assert outcome == (3, b"cwd No such file or directory\nsum 500500\n", b"")


@pytest.mark.parametrize("mask", [0o000, 0o077, 0o777])
def test_umask(ways, program, tmp_path, mask):
    def prepare():
        os.umask(mask)

    made = tmp_path / "made"
    modes = set()
    for way in WAYS:
        ways.forget()
        command = program.command(f"to {made} calls {CALLS}")
        assert ways.run(command, way, preexec_fn=prepare) == (3, b"", b"")
        modes.add(made.stat().st_mode)
        made.unlink()
        if way in TRACED and program.instrumented and ROOT:
            assert ways.functions(CALLS) == ALL
    assert len(modes) == 1


def test_much_environment_and_many_arguments(ways, program):
    changes = {f"LARGE_{i}": f"{i}" * 30000 for i in range(20)} | {f"MANY_{i}": "" for i in range(5000)}
    arguments = " ".join(f"argument-{i}" for i in range(40000))
    outcome = check(ways, program, f"calls {CALLS} in exec {program.path} args {arguments}",
                    ALL | {"inside": 1}, changes=changes)
    assert outcome.status == 3 and outcome.out.startswith(b"sum 500500\narguments 40001\n")


def test_environment_of_the_program_and_of_its_children(ways, program):
    """Ours are added, and no other; those of a child inside of a span name that span."""
    def variables(out):
        return dict(entry.split(b"=", 1) for entry in out.split(b"\n") if b"=" in entry)

    names = {}
    for steps in ("env", "exec env", "fork exec env", "in exec env"):
        alone = variables(ways.run(program.command(steps), "alone").out)
        for way in TRACED:
            seen = variables(ways.run(program.command(steps), way).out)
            names[steps, way] = set(seen) - set(alone)
            assert {name: seen[name] for name in alone if name in seen} == alone
    ours = {b"LD_PRELOAD", b"TELINJECT_SESSION"}
    span = {b"TRACEPARENT", b"TELINJECT_PARENT"} if program.instrumented else set()
    assert names["env", "telrun"] == ours
    assert names["env", "preload"] == {b"LD_PRELOAD"}
    for way in TRACED:
        assert names["exec env", way] == names["fork exec env", way] == ours
        assert names["in exec env", way] == ours | span


MARK = """
#include <unistd.h>
__attribute__((constructor)) static void mark(void) {{ if (write(2, "{0}", 1) < 0) _exit(9); }}
"""


@pytest.mark.parametrize("preload", ["{a}:{b}", "{b} {a}", "{b}", "{a}:/no/such/library.so:{b}",
                                     ":{a}::{b}:"])
def test_preload_that_was_set_is_kept(ways, program, tmp_path, preload):
    """The others' libraries are loaded in their order, in the program and in its children."""
    libraries = {}
    for name in "ab":
        source = tmp_path / f"{name}.c"
        source.write_text(MARK.format(name))
        libraries[name] = tmp_path / f"lib{name}.so"
        subprocess.run(["gcc", "-shared", "-fPIC", "-o", libraries[name], source], check=True)
    preload = preload.format(**libraries)
    outcomes = {}
    for way in WAYS:
        ways.forget()
        outcomes[way] = ways.run(program.command(f"calls {CALLS} env fork exec {program.path} env"), way,
                                 changes={"LD_PRELOAD": preload})
        if way in TRACED and program.instrumented:
            assert ways.functions(CALLS) == ALL
    # telrun is itself a program with that environment.
    assert outcomes["preload"].err == outcomes["alone"].err
    assert outcomes["telrun"].err.endswith(outcomes["alone"].err)
    assert outcomes["alone"].out.count(os.fsencode(preload)) == 2
    for way in TRACED:
        values = [line.removeprefix(b"LD_PRELOAD=").decode() for line in outcomes[way].out.splitlines()
                  if line.startswith(b"LD_PRELOAD=")]
        assert len(values) == 2
        for value in values:
            words = [word for word in value.replace(":", " ").split() if word != ways.library]
            assert words == preload.replace(":", " ").split()


@needs_root
def test_set_user_id_program(for_users, program, tmp_path):
    """The loader ignores the preload; nothing of ours shows, and its children are not traced either."""
    ways = for_users
    copy = tmp_path / "set-id"
    shutil.copy2(program.path, copy)
    os.chown(copy, USER - 1, USER)
    copy.chmod(0o4755)
    if os.statvfs(tmp_path).f_flag & os.ST_NOSUID:
        pytest.skip("a file system without set-user-id")
    outcome = ways.same([copy, *f"ids fds calls {CALLS} fork exec {program.path} ids".split()],
                        clean=without_numbers, preexec_fn=as_user())
    assert outcome.out.startswith(b"ids 65533 65532\n") and outcome.status == 3


@needs_root
@pytest.mark.parametrize("command", ["passwd -S nobody", "mount", "su nobody -c id", "newgrp no-such-group",
                                     "chsh -s /nonsense"])
def test_real_set_user_id_commands(for_users, command):
    if shutil.which(command.split()[0]) is None:
        pytest.skip("not here")
    for_users.same(command.split(), preexec_fn=as_user())


# Programs of other kinds.

KINDS = {
    # name: (compiler, flags, runs with the library)
    "static": ("gcc", ["-static"]),
    "static-pie": ("gcc", ["-static-pie"]),
    "musl": ("musl-gcc", ["-idirafter", "/usr/include", "-idirafter", "/usr/include/x86_64-linux-gnu"]),
    "musl static": ("musl-gcc", ["-static", "-idirafter", "/usr/include", "-idirafter",
                                 "/usr/include/x86_64-linux-gnu"]),
    "i386": ("gcc", ["-m32"]),
    "asan gcc": ("gcc", ["-fsanitize=address"]),
    "asan gcc static": ("gcc", ["-fsanitize=address", "-static-libasan"]),
    "asan clang": ("clang", ["-fsanitize=address"]),
    "ubsan": ("gcc", ["-fsanitize=undefined"]),
    "tsan gcc": ("gcc", ["-fsanitize=thread"]),
    "tsan clang": ("clang", ["-fsanitize=thread"]),
    "hardened": ("gcc", ["-O2", "-D_FORTIFY_SOURCE=2", "-fstack-protector-all", "-Wl,-z,now",
                         "-fcf-protection"]),
    "not PIE": ("gcc", ["-no-pie"]),
}


# Not instrumented ones for musl: it has no empty hooks, so that they do not link without ours.
@pytest.mark.parametrize(("kind", "instrument"), [
    pytest.param(kind, instrument, id=f"{'instrumented' if instrument else 'plain'}-{kind}")
    for kind in KINDS for instrument in (False, True) if not (instrument and "musl" in kind)])
def test_kind_of_program(ways, tmp_path, kind, instrument):
    compiler, flags = KINDS[kind]
    if shutil.which(compiler) is None:
        pytest.skip(f"no {compiler}")
    program = tmp_path / "program"
    hooked = ["-finstrument-functions"] if instrument else []
    made = subprocess.run([compiler, "-g", "-pthread", *hooked, *flags, "-o", program, APPS / "notice.c"],
                          capture_output=True, text=True)
    if made.returncode != 0:
        pytest.skip(f"{kind}: cannot be built here: {made.stderr.splitlines()[:1]}")
    steps = f"fds calls {CALLS} thread fork fds exec {program} fds calls {CALLS} status 6".split()
    # i386's loader itself complains about a preload of another class that it is handed directly.
    first = ways.same(["sh", "-c", '"$@"; echo $?', "-", program, *steps], clean=without_numbers)
    assert first.out.endswith(b"\n6\n") and first.out.count(b"sum 500500") == 2
    # What a loader or gcc's shared ASan says to a preload that it is handed directly is theirs to say;
    # for ASan there is an option.
    direct = ("alone", "telrun") if kind == "i386" else WAYS
    changes = {"ASAN_OPTIONS": "verify_asan_link_order=0"} if kind == "asan gcc" else None
    assert ways.same([program, *steps], changes, clean=without_numbers, ways=direct).status == 6


@pytest.mark.long
@pytest.mark.parametrize("language", ["go", "go with cgo", "rust"])
def test_other_languages(ways, tmp_path, language):
    tool = {"rust": "rustc"}.get(language, "go")
    if shutil.which(tool) is None:
        pytest.skip(f"no {tool}")
    program = tmp_path / "program"
    if tool == "go":
        (tmp_path / "main.go").write_text(GO.replace("//CGO", 'import "C"' if "cgo" in language else ""))
        environment = os.environ | {"GOFLAGS": "-mod=mod", "GOPROXY": "off", "GO111MODULE": "off",
                                    "CGO_ENABLED": str(int("cgo" in language))}
        command = ["go", "build", "-o", program, "main.go"]
    else:
        (tmp_path / "main.rs").write_text(RUST)
        environment = os.environ
        command = ["rustc", "-o", program, "main.rs"]
    made = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    if made.returncode != 0:
        pytest.skip(f"{language}: cannot be built here: {made.stderr[:200]}")
    outcome = ways.same([program], clean=without_numbers)
    assert outcome.status == 5 and b"child 3" in outcome.out and outcome.err == b"end\n", outcome


GO = """
package main
//CGO
import ("fmt"; "os"; "os/exec"; "sync")
func main() {
  var group sync.WaitGroup
  for i := 0; i < 50; i++ { group.Add(1); go func() { defer group.Done() }() }
  group.Wait()
  command := exec.Command("sh", "-c", "ls -l --time-style=+ /proc/self/fd; exit 3")
  out, _ := command.Output()
  fmt.Print(string(out))
  fmt.Println("child", command.ProcessState.ExitCode())
  fmt.Fprintln(os.Stderr, "end")
  os.Exit(5)
}
"""

RUST = """
use std::process::Command;
fn main() {
    let threads: Vec<_> = (0..20).map(|i| std::thread::spawn(move || i * 2)).collect();
    println!("{}", threads.into_iter().map(|t| t.join().unwrap()).sum::<i32>());
    let out = Command::new("sh").args(["-c", "ls -l --time-style=+ /proc/self/fd; exit 3"]).output().unwrap();
    print!("{}", String::from_utf8_lossy(&out.stdout));
    println!("child {}", out.status.code().unwrap());
    let caught = std::panic::catch_unwind(|| { std::panic::resume_unwind(Box::new(1)) });
    println!("{}", caught.is_err());
    eprintln!("end");
    std::process::exit(5);
}
"""
