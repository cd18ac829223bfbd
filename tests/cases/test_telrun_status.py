"""What a program is given and what its end tells: the same alone and under telrun."""

import fcntl
import os
import resource
import signal
import subprocess
import time

import pytest
from telrun_pair import PYTHON, TIMEOUT

DEADLY = [
    s for s in signal.valid_signals()
    if s not in (signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU, signal.SIGCHLD,
                 signal.SIGCONT, signal.SIGURG, signal.SIGWINCH)
]


def no_core():
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


@pytest.mark.parametrize("status", [0, 1, 2, 7, 125, 126, 127, 128, 255])
def test_exit_status(pair, status):
    assert pair.run(["sh", "-c", f"echo out; echo err >&2; exit {status}"]) == (
        status, b"out\n", b"err\n")


@pytest.mark.parametrize("number", sorted(DEADLY))
def test_dies_of_the_same_signal(pair, number):
    # Python ignores SIGPIPE and SIGXFSZ and catches SIGINT.
    code = f"import os, signal\nif {number} != 9: signal.signal({number}, signal.SIG_DFL)\n"
    code += f"os.kill(os.getpid(), {number})"
    outcome = pair.run([*PYTHON, "-c", code], preexec_fn=no_core)
    assert outcome == (-number, b"", b"")


def test_leaves_one_core(pair, tmp_path):
    """The program's. telrun dies of the same signal, but its status says that it left none."""
    def dumps_core(command):
        pid = os.fork()
        if pid == 0:
            os.chdir(tmp_path)
            resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY,) * 2)
            os.execvpe(command[0], command, pair.environment)
        _, status = os.waitpid(pid, 0)
        assert os.WTERMSIG(status) == signal.SIGSEGV
        return os.WCOREDUMP(status)

    crash = ["sh", "-c", "kill -SEGV $$"]
    if not dumps_core(crash):
        pytest.skip("no cores are written here")
    assert not dumps_core([pair.telrun, *crash])


def test_status_with_child_signals_ignored(pair):
    """With SIGCHLD ignored wait(2) tells no status: telrun wants it, the program shall not see that."""
    def ignore():
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)

    command = [*PYTHON, "-c", "import signal, sys; sys.exit(7 + signal.getsignal(17).value)"]
    assert pair.both(command, preexec_fn=ignore) == ((8, b"", b""),) * 2


@pytest.mark.parametrize("make", ["missing", "directory", "not executable", "no interpreter"])
@pytest.mark.parametrize("by_path", [True, False])
def test_cannot_execute(pair, tmp_path, make, by_path):
    program = tmp_path / "program-that-fails"
    if make == "directory":
        program.mkdir()
    elif make == "not executable":
        program.write_text("#!/bin/sh\n")
    elif make == "no interpreter":
        program.write_text("#!/no/such/interpreter\n")
        program.chmod(0o755)
    environment = dict(pair.environment, PATH=f"{os.environ['PATH']}:{tmp_path}")
    name = str(program) if by_path else program.name
    env = subprocess.run(["env", name], env=environment, capture_output=True, timeout=TIMEOUT)
    outcome = pair.run([name], env=environment)
    assert outcome.status == env.returncode
    assert outcome.status == (127 if make in ("missing", "no interpreter") else 126)
    assert outcome.out == b""
    assert outcome.err.startswith(b"telrun: ") and outcome.err.count(b"\n") == 1
    assert name.encode() in outcome.err
    assert pair.sessions() == []


@pytest.mark.parametrize("by_path", [True, False])
def test_script_without_interpreter_line(pair, tmp_path, by_path):
    script = tmp_path / "plain-script"
    script.write_text('echo "ran with $# arguments: $2"; exit 3\n')
    script.chmod(0o755)
    environment = dict(pair.environment, PATH=f"{tmp_path}:{os.environ['PATH']}")
    command = ["env", str(script) if by_path else script.name, "a", "b c"]
    alone = pair.run(command, False, env=environment)
    assert pair.run(command[1:], True, env=environment) == alone
    assert alone == (3, b"ran with 2 arguments: b c\n", b"")


def descriptors(pair, traced, tmp_path, prepare, **popen):
    """Each descriptor of a program with what it refers to, its flags and position."""
    code = """
import os
for fd in range(100):
    try:
        info = open(f"/proc/self/fdinfo/{fd}").read().split("mnt_id")[0]
        print(fd, os.readlink(f"/proc/self/fd/{fd}"), info.split(), file=out)
    except OSError:
        pass
"""
    result = tmp_path / f"descriptors-{traced}"
    # The result's own descriptor is high, out of the way of what is looked at.
    code = (f"import os\nfd = os.open({str(result)!r}, os.O_WRONLY | os.O_CREAT)\n"
            "os.dup2(fd, 200)\nos.close(fd)\nout = os.fdopen(200, 'w')\n") + code
    process = pair.start([*PYTHON, "-c", code], traced, preexec_fn=prepare, close_fds=False, **popen)
    assert process.wait(timeout=TIMEOUT) == 0
    return result.read_text()


def test_descriptors_are_the_same(pair, tmp_path):
    opened = os.open(tmp_path / "extra", os.O_RDWR | os.O_CREAT)
    extra = fcntl.fcntl(opened, fcntl.F_DUPFD, 77)
    os.close(opened)

    def prepare():
        os.closerange(3, extra)
        for fd in (3, 5, 6, 9, 63):
            os.dup2(extra, fd)
        os.close(extra)

    streams = {"stdin": open("/dev/zero"), "stdout": open(tmp_path / "out", "w"),
               "stderr": open(tmp_path / "err", "w")}
    alone = descriptors(pair, False, tmp_path, prepare, **streams)
    assert alone.count("\n") == 8
    assert descriptors(pair, True, tmp_path, prepare, **streams) == alone
    os.close(extra)


@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1), (1, 2), (0, 1, 2)])
def test_closed_descriptors_stay_closed(pair, tmp_path, closed):
    def prepare():
        os.closerange(3, 100)
        for fd in closed:
            os.close(fd)

    alone = descriptors(pair, False, tmp_path, prepare, stderr=subprocess.DEVNULL,
                        stdout=subprocess.DEVNULL)
    traced = descriptors(pair, True, tmp_path, prepare, stderr=subprocess.DEVNULL,
                         stdout=subprocess.DEVNULL)
    # A program may open files of its own in a gap: what counts is that they are the same.
    assert traced == alone


STATE = r"""
import os, resource, signal
status = open("/proc/self/status").read().splitlines()
for line in status:
    if line.split(":")[0] in ("Umask", "Groups", "NoNewPrivs", "Seccomp", "SigQ", "SigPnd", "ShdPnd",
                              "SigBlk", "SigIgn", "CapEff", "CapBnd", "Cpus_allowed", "Uid", "Gid"):
        print(line)
print(open("/proc/self/limits").read())
print("nice", os.nice(0), "scheduler", os.sched_getscheduler(0), "cwd", os.getcwd())
print("oom", open("/proc/self/oom_score_adj").read().strip())
print("timers", [signal.getitimer(t)[1] for t in range(3)], signal.getitimer(0)[0] > 10)
print("session", os.getsid(0))
print("terminal", open("/proc/self/stat").read().rsplit(")")[-1].split()[4])
"""


def test_process_state_is_the_same(pair, tmp_path):
    """Limits, mask, ignored signals, umask, niceness, timers, group: as telrun was given them."""
    def prepare():
        os.umask(0o027)
        os.nice(3)
        os.chdir("/usr")
        for number in (signal.SIGHUP, signal.SIGTSTP, signal.SIGUSR2, signal.SIGCHLD):
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_SETMASK, [signal.SIGUSR1, signal.SIGTERM])
        resource.setrlimit(resource.RLIMIT_NOFILE, (60, 70))
        resource.setrlimit(resource.RLIMIT_CORE, (4096, 8192))
        signal.setitimer(signal.ITIMER_REAL, 100, 5)
        signal.setitimer(signal.ITIMER_PROF, 50, 2)

    alone, traced = pair.both([*PYTHON, "-c", STATE], preexec_fn=prepare)
    assert alone.status == 0, alone.err
    strip = lambda out: [l for l in out.splitlines() if not l.startswith(b"SigQ")]  # noqa: E731
    assert strip(traced.out) == strip(alone.out)
    assert traced == (alone.status, traced.out, alone.err)


def test_group_is_the_one_telrun_was_started_in(pair):
    code = "import os; print(os.getpgrp(), os.getsid(0))"
    process = pair.start([*PYTHON, "-c", code], start_new_session=True)
    out, _ = process.communicate(timeout=TIMEOUT)
    assert out.split() == [str(process.pid).encode()] * 2


def test_environment_is_the_same(pair):
    """Also names that no shell would keep; ours are added, behind what was set already."""
    environment = {
        b"PATH": os.environb[b"PATH"], b"A.B": b"1", b"x-y": b"2", b"BASH_FUNC_f%%": b"() { :; }",
        b"PWD": b"/somewhere/else", b"OLDPWD": b"/not/here", b"_": b"underscore", b"EMPTY": b"",
        b"BYTES": b"\xff\xfe", b"LD_PRELOAD": b"/no/such/library.so",
        b"XDG_RUNTIME_DIR": os.fsencode(pair.runtime), b"TELEMETRY_SUMMARY": b"never",
        b"TELEMETRY_FILE": b"/dev/null",
    }
    alone, traced = pair.both(["env", "-0"], env=environment)
    alone, traced = (dict(entry.split(b"=", 1) for entry in outcome.out.split(b"\0")[:-1])
                     for outcome in (alone, traced))
    preload = traced.pop(b"LD_PRELOAD").split(b":")
    assert preload == [alone.pop(b"LD_PRELOAD"), os.fsencode(pair.build / "lib/libtelinject.so")]
    assert traced.pop(b"TELINJECT_SESSION").startswith(b"2:r:")
    assert traced == alone


def wait_for_end_of(stream):
    while os.read(stream.fileno(), 4096):
        pass


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_end_of_output_is_seen_when_the_program_closes_it(pair, stream):
    number = {"stdout": 1, "stderr": 2}[stream]
    with pair.start(["sh", "-c", f"echo x >&{number}; exec {number}>&-; exec sleep 100"]) as process:
        wait_for_end_of(getattr(process, stream))
        assert process.poll() is None
        process.terminate()
        assert process.wait(timeout=TIMEOUT) == -signal.SIGTERM


def test_other_descriptors_are_not_held_open(pair):
    ours, theirs = os.pipe()
    process = pair.start(["sh", "-c", f"exec {theirs}>&-; exec sleep 100"], pass_fds=[theirs])
    os.close(theirs)
    with os.fdopen(ours) as stream:
        wait_for_end_of(stream)
    assert process.poll() is None
    process.terminate()
    process.communicate(timeout=TIMEOUT)


def test_input_is_not_held_open(pair):
    """Who writes to the program's stdin gets SIGPIPE when the program does not read any more."""
    with pair.start(["sh", "-c", "exec <&-; exec sleep 100"], stdin=subprocess.PIPE) as process:
        with pytest.raises(BrokenPipeError):
            for _ in range(6000):
                os.write(process.stdin.fileno(), b"x")
                time.sleep(0.01)
        assert process.poll() is None
        process.terminate()


def test_inherited_timer_reaches_the_program(pair):
    def alarm():
        signal.setitimer(signal.ITIMER_REAL, 0.3)

    alone, traced = pair.both(["sleep", "5"], preexec_fn=alarm)
    assert traced == alone == (-signal.SIGALRM, b"", b"")


def test_program_dies_with_telrun(pair, tmp_path):
    process = pair.start(["sh", "-c", "echo $$; exec sleep 20"])
    program = int(process.stdout.readline())
    process.kill()
    process.wait(timeout=TIMEOUT)
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            os.kill(program, 0)
        except ProcessLookupError:
            return
        time.sleep(0.02)
    os.kill(program, signal.SIGKILL)
    pytest.fail("the program outlived telrun")


def in_pid_namespace(pair, script, traced=True):
    prefix = ["unshare", "--pid", "--fork", "--mount-proc"]
    if subprocess.run([*prefix, "true"], capture_output=True).returncode != 0:
        pytest.skip("no PID namespaces here")
    telrun = [pair.telrun] if traced else []
    return pair.run([*prefix, *telrun, "sh", "-c", script], traced=False)


def test_first_process_of_a_namespace(pair):
    assert in_pid_namespace(pair, "echo out; exit 9") == (9, b"out\n", b"")
    assert in_pid_namespace(pair, "kill -TERM $$").status == 128 + signal.SIGTERM
    assert in_pid_namespace(pair, "kill -KILL $$").status == 128 + signal.SIGKILL


def test_first_process_reaps_orphans(pair):
    script = "for i in 1 2 3; do (sleep 0.1 &) ; done; sleep 0.5; ps -e -o stat= | grep -c Z; exit 4"
    assert in_pid_namespace(pair, script) == (4, b"0\n", b"")


def test_orphans_are_not_telruns(pair):
    """No subreaper: an orphan's parent is the same as without telrun."""
    script = "( (sleep 0.2; ps -o ppid= -p $BASHPID) & ); sleep 0.5"
    alone, traced = pair.both(["bash", "-c", script])
    assert alone.out.strip() and traced == alone


def test_signal_to_the_parent_reaches_telruns_parent(pair):
    """X servers say that they are ready by SIGUSR1 to their parent."""
    script = '"$@" & trap "echo ready; exit 3" USR1; wait; wait'
    program = [*PYTHON, "-c", "import os, time; os.kill(os.getppid(), 10); time.sleep(1)"]
    for telrun in ([], [pair.telrun]):
        command = ["bash", "-c", script, "-", *telrun, *program]
        assert pair.run(command, traced=False)[:2] == (3, b"ready\n"), telrun
