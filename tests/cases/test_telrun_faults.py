"""When something of ours is missing or fails: one clear line, and the program runs on as it would."""

import os
import pty
import resource
import shutil
import signal
import subprocess
import sys
import time

import pytest
from telrun_pair import TIMEOUT
from teltest.proc import children_of, comm, is_zombie, wait_for

PROGRAM = ["sh", "-c", "echo out; echo err >&2; exit 7"]

# A drain that only speaks the protocol: `behave(control)` is put in. Receives (type, pid, status) and
# answers kWritten.
STAND_IN = """#!{python} -IS
import os, signal, socket, struct, sys, time
for s in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(s, signal.SIG_IGN)
control = socket.socket(fileno=3)
log = open({log!r}, "a", buffering=1)
def receive():
    message = control.recv(8192)
    if not message:
        return 0
    kind, pid, status, n = struct.unpack("=IiiI", message[:16])
    print(kind, pid, status, message[16:16 + n].decode(), file=log)
    return kind
def written(status=1):
    control.send(struct.pack("=IiiI", 4, 0, status, 0))
{behave}
"""


class Installation:
    """A copy of what telrun needs, to break."""

    def __init__(self, build, directory, flat=False):
        self.root = directory
        bin_, lib, libexec = (("", "", "") if flat else ("bin", "lib", "libexec/telinject"))
        for sub in (bin_, lib, libexec):
            (directory / sub).mkdir(parents=True, exist_ok=True)
        self.telrun = directory / bin_ / "telrun"
        shutil.copy2(build / "bin/telrun", self.telrun)
        self.library = directory / lib / "libtelinject.so"
        self.drain = directory / libexec / "telinject-drain"
        shutil.copy2(build / "lib/libtelinject.so", self.library)
        shutil.copy2(build / "libexec/telinject/telinject-drain", self.drain)
        self.log = directory / "drain.log"

    def stand_in(self, behave):
        self.drain.unlink()
        self.drain.write_text(STAND_IN.format(python=sys.executable, log=str(self.log), behave=behave))
        self.drain.chmod(0o755)


@pytest.fixture
def broken(pair, build, tmp_path):
    installation = Installation(build, tmp_path / "copy")
    pair.telrun = str(installation.telrun)
    pair.installation = installation
    return pair


def one_line(outcome, *words):
    """The program's own output and status, and one line of telrun's that says all of this."""
    assert (outcome.status, outcome.out) == (7, b"out\n")
    lines = outcome.err.decode().splitlines()
    assert "err" in lines
    lines.remove("err")
    assert len(lines) == 1 and lines[0].startswith("telrun: "), lines
    for word in words:
        assert str(word) in lines[0]
    return lines[0]


def test_all_in_one_directory(pair, build, tmp_path):
    pair.telrun = str(Installation(build, tmp_path / "flat", flat=True).telrun)
    outcome = pair.run(["sh", "-c", "echo $LD_PRELOAD; exit 3"])
    assert outcome == (3, os.fsencode(tmp_path / "flat/libtelinject.so") + b"\n", b"")


@pytest.mark.parametrize("part", ["drain", "library"])
def test_missing_part(broken, part):
    path = getattr(broken.installation, part)
    os.unlink(path)
    line = one_line(broken.run(PROGRAM), "untraced", path.name, path.parent,
                    broken.installation.telrun.parent)
    assert line.count(path.name) == 1
    assert broken.sessions() == []


@pytest.mark.parametrize("how", ["not executable", "no interpreter", "not a program"])
def test_drain_that_cannot_be_executed(broken, how):
    drain = broken.installation.drain
    if how == "not executable":
        drain.chmod(0o644)
    else:
        drain.unlink()
        drain.write_text("#!/no/such\n" if how == "no interpreter" else "nothing")
        drain.chmod(0o755)
    one_line(broken.run(PROGRAM), "cannot execute the drain", "untraced")
    assert broken.sessions() == []


def test_untraced_is_in_place(broken):
    """Nothing is left to supervise: the program gets telrun's process, untouched."""
    os.unlink(broken.installation.drain)
    process = broken.start(["sh", "-c", "echo $$ $LD_PRELOAD $TELINJECT_SESSION"])
    out, _ = process.communicate(timeout=TIMEOUT)
    assert out == f"{process.pid}\n".encode()


@pytest.mark.parametrize("name", ["with space", "with:colon"])
def test_library_path_that_ld_preload_cannot_carry(pair, build, tmp_path, name):
    pair.telrun = str(Installation(build, tmp_path / name).telrun)
    one_line(pair.run(PROGRAM), "LD_PRELOAD", name, "untraced")


def test_what_the_drain_is_told(broken):
    broken.installation.stand_in("while receive(): written()")
    process = broken.start(["sh", "-c", "exit 7"])
    assert process.wait(timeout=TIMEOUT) == 7
    process.communicate()
    started, ended = broken.installation.log.read_text().splitlines()
    assert started.split()[0] == "1" and started.split()[3] == shutil.which("sh")
    assert ended.split()[0] == "2" and int(ended.split()[2]) == 7 << 8
    assert started.split()[1] == ended.split()[1] != str(process.pid)


def test_what_the_drain_is_given(broken):
    """Descriptors, session, signals and environment, whatever telrun was given."""
    broken.installation.stand_in("""
import os
fds = {}
for fd in range(300):
    try:
        fds[fd] = os.readlink(f"/proc/self/fd/{fd}").split(":")[0]
    except OSError:
        pass
del fds[log.fileno()]
print("fds", fds, file=log)
print("listening", [socket.socket(fileno=os.dup(fd)).getsockopt(1, 30) for fd in (4, 5)], file=log)
print("leader", os.getsid(0) == os.getpid() == os.getpgrp(), file=log)
print("cwd", os.getcwd(), file=log)
status = dict(line.split(":\\t") for line in open("/proc/self/status") if line.startswith("Sig"))
print("blocked", int(status["SigBlk"], 16), file=log)
print("ignored", int(status["SigIgn"], 16) & ~(1 << 12 | 1 << 24 | 1 << 14 | 1 << 1 | 1 << 0), file=log)
print("environment", sorted(n for n in os.environ if n.startswith(("LD_", "MALLOC", "GLIBC", "ASAN",
      "RTSAN", "SERVICE", "TELINJECT_S"))), file=log)
while receive(): written()
""")

    def prepare():
        os.dup2(1, 9)
        os.chdir("/usr")
        for number in (signal.SIGUSR1, signal.SIGCHLD):
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_SETMASK, [signal.SIGUSR2])

    environment = dict(broken.environment, LD_LIBRARY_PATH="/nowhere", MALLOC_ARENA_MAX="1",
                       GLIBC_TUNABLES="glibc.malloc.check=0", ASAN_OPTIONS="x=1", RTSAN_OPTIONS="x=1")
    outcome = broken.run(["true"], options=["-s", "name"], env=environment, preexec_fn=prepare,
                         close_fds=False, stderr=subprocess.DEVNULL)
    assert outcome.status == 0
    seen = dict(line.split(" ", 1) for line in broken.installation.log.read_text().splitlines())
    assert seen["fds"] == str({0: "/dev/null", 1: "/dev/null", 2: "/dev/null", 3: "socket",
                               4: "socket", 5: "socket"})
    assert seen["listening"] == "[1, 1]" and seen["leader"] == "True" and seen["cwd"] == "/usr"
    assert seen["blocked"] == "0" and seen["ignored"] == "0"
    assert seen["environment"] == "['SERVICE_NAME', 'TELINJECT_SESSION']"


def test_session_can_be_joined_from_the_start(broken):
    """Both addresses are listening when the program starts, however slow the drain is."""
    broken.installation.stand_in("time.sleep(1); receive(); receive(); written()")
    code = """
import hashlib, os, socket, stat
version, mode, clock, ring, uid, secret, directory = os.environ["TELINJECT_SESSION"].split(":")
name, file = (hashlib.sha256(purpose + bytes.fromhex(secret)).hexdigest()[:32] for purpose in (b"n", b"f"))
for address in (f"{directory}/{file}", f"\\0telinject-{name}"):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    s.connect(address)
    s.send(b"hello")
print(version, mode, len(secret), oct(os.stat(directory).st_mode & 0o7777),
      oct(os.stat(f"{directory}/{file}").st_mode & 0o7777), int(uid) == os.geteuid())
"""

    def prepare():
        os.umask(0o077)

    outcome = broken.run([sys.executable, "-IS", "-c", code], preexec_fn=prepare)
    assert outcome == (0, b"2 r 32 0o711 0o666 True\n", b"")


@pytest.mark.parametrize("runtime", ["/no/such/directory", "relative", "/" + 70 * "x", None])
def test_runtime_directory_that_cannot_be_used(pair, runtime):
    environment = dict(pair.environment)
    del environment["XDG_RUNTIME_DIR"]
    if runtime is not None:
        environment["XDG_RUNTIME_DIR"] = runtime
    outcome = pair.run(["sh", "-c", "echo $TELINJECT_SESSION"], env=environment)
    assert outcome.status == 0 and outcome.err == b""
    assert outcome.out.decode().split(":")[-1].startswith("/tmp/telinject-")


def drain_of(process):
    def find():
        return next((pid for pid in children_of(process.pid) if comm(pid) == "telinject-drain"), None)
    return wait_for(find, "telrun's drain")


def test_drain_killed_in_the_middle(pair):
    process = pair.start(["sh", "-c", "echo out; read line; echo err >&2; exit 7"],
                         stdin=subprocess.PIPE)
    assert process.stdout.readline() == b"out\n"
    drain = drain_of(process)
    os.kill(drain, signal.SIGKILL)
    while os.path.exists(f"/proc/{drain}"):
        time.sleep(0.01)
    out, err = process.communicate(b"\n", timeout=TIMEOUT)
    assert (process.returncode, out) == (7, b"")
    lines = err.decode().splitlines()
    assert len(lines) == 2 and lines[0] == "err"
    assert lines[1].startswith("telrun: the drain ended early (signal 9)")
    assert pair.sessions() == []


@pytest.mark.parametrize("behave, words", [
    ("sys.exit(3)", "(status 3)"),
    ("receive(); os.kill(os.getpid(), 11)", "(signal 11)"),
    ("receive(); receive(); sys.exit(0)", "(status 0)"),
])
def test_drain_that_ends_early(broken, behave, words):
    broken.installation.stand_in(behave)
    one_line(broken.run_with_file(PROGRAM), "the drain ended early", words)
    assert broken.sessions() == []


def test_drain_that_ends_early_and_a_program_killed(broken):
    broken.installation.stand_in("sys.exit(3)")
    outcome = broken.run_with_file(["sh", "-c", "kill -TERM $$"])
    assert outcome.status == -signal.SIGTERM
    assert outcome.err.count(b"\n") == 1


@pytest.mark.parametrize("asked", [{"TELEMETRY_SUMMARY": "always"}, {"TELEMETRY_OUTPUT": "stderr"}])
def test_pipe_is_held_where_words_were_asked_for(broken, asked):
    """A reader leaves at the pipe's end: what comes after the program must come before that."""
    broken.installation.stand_in("os.close(2); receive(); receive(); time.sleep(0.3); sys.exit(3)")
    outcome = broken.run(PROGRAM, env=dict(broken.environment, **asked))
    one_line(outcome, "the drain ended early (status 3)")


def test_drain_that_hangs_up_and_lives(broken):
    broken.installation.stand_in("receive(); control.close(); time.sleep(2)")
    one_line(broken.run_with_file(PROGRAM), "the drain gave no answer")


def test_waits_as_long_as_it_takes(broken):
    broken.installation.stand_in("receive(); receive(); time.sleep(1.5); written()")
    started = time.monotonic()
    assert broken.run(PROGRAM) == (7, b"out\n", b"err\n")
    assert time.monotonic() - started > 1.4


def test_does_not_wait_for_a_drain_that_stays(broken):
    number = broken.installation.root / "number"
    broken.installation.stand_in(f"open('{number}', 'w').write(str(os.getpid())); "
                                 "receive(); receive(); written(0); time.sleep(100)")
    # Its stderr is the drain's, too: a pipe would have no end.
    assert broken.run(["sh", "-c", "exit 7"], stderr=subprocess.DEVNULL).status == 7
    drain = int(number.read_text())
    assert not is_zombie(drain)
    os.kill(drain, signal.SIGKILL)


def wait_for_log(broken, kind):
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        log = broken.installation.log
        if log.exists() and f"\n{kind}" in "\n" + log.read_text():
            return
        time.sleep(0.02)
    raise AssertionError(f"the drain was not told {kind}")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_while_waiting(broken, number):
    broken.installation.stand_in("receive(); receive(); receive(); written()")
    process = broken.start(PROGRAM)
    wait_for_log(broken, "2 ")
    os.kill(process.pid, number)
    assert process.communicate(timeout=TIMEOUT) == (b"out\n", b"err\n")
    assert process.returncode == 7
    assert [line[0] for line in broken.installation.log.read_text().splitlines()] == ["1", "2", "3"]


def test_interrupted_twice_while_waiting(broken):
    broken.installation.stand_in("while receive(): pass")
    process = broken.start(PROGRAM)
    wait_for_log(broken, "2 ")
    os.kill(process.pid, signal.SIGINT)
    wait_for_log(broken, "3 ")
    assert process.poll() is None
    os.kill(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=TIMEOUT)
    assert (process.returncode, out) == (7, b"out\n")
    assert err.startswith(b"err\ntelrun: ") and err.count(b"\n") == 2


def test_the_interrupt_that_ended_the_program_does_not_stop_the_drain(broken):
    broken.installation.stand_in("receive(); receive(); time.sleep(0.5); written()")
    process = broken.start(["sh", "-c", "echo out; exec sleep 20"], start_new_session=True)
    assert process.stdout.readline() == b"out\n"
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=TIMEOUT)
    assert process.returncode == -signal.SIGINT
    assert [line[0] for line in broken.installation.log.read_text().splitlines()] == ["1", "2"]


def test_drain_hears_that_telrun_was_killed(broken):
    broken.installation.stand_in("receive(); receive(); print('over', file=log)")
    process = broken.start(["sleep", "20"], stderr=subprocess.DEVNULL)
    wait_for_log(broken, "1 ")
    process.kill()
    process.wait(timeout=TIMEOUT)
    wait_for_log(broken, "over")


def test_stderr_that_nobody_reads(broken):
    """A line for a pipe whose reader has gone, or is full, is lost; the status is not."""
    broken.installation.stand_in("sys.exit(3)")
    for fill in (False, True):
        ours, theirs = os.pipe()
        if fill:
            os.set_blocking(theirs, False)
            try:
                while True:
                    os.write(theirs, bytes(4096))
            except BlockingIOError:
                pass
            os.set_blocking(theirs, True)
        else:
            os.close(ours)
        outcome = broken.run(["sh", "-c", "exit 7"], stderr=theirs)
        assert outcome.status == 7
        os.close(theirs)
        if fill:
            os.close(ours)


@pytest.mark.parametrize("limit", range(4, 20))
def test_few_descriptors(pair, limit):
    """Where there are not enough for a session the program runs untraced, with one line at most."""
    def prepare():
        os.closerange(3, 100)
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))

    alone, traced = pair.both(["sh", "-c", "exit 7"], preexec_fn=prepare, close_fds=False)
    assert traced[:2] == alone[:2]
    assert traced.err == alone.err or traced.err.count(b"\n") == alone.err.count(b"\n") + 1


def test_no_more_processes(pair, tmp_path):
    if os.geteuid() != 0:
        pytest.skip("needs another user")

    def prepare():
        os.setgroups([])
        os.setgid(65533)
        os.setuid(65533)
        resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))

    reachable = tmp_path
    while reachable != reachable.parent:
        reachable.chmod(reachable.stat().st_mode | 0o011)
        reachable = reachable.parent
    environment = dict(pair.environment, XDG_RUNTIME_DIR="", TELEMETRY_FILE="/dev/null")
    outcome = pair.run(["/bin/sh", "-c", "echo out; exit 7"], env=environment, preexec_fn=prepare)
    assert outcome[:2] == (7, b"out\n")
    assert outcome.err.count(b"\n") == 1 and b"untraced" in outcome.err


@pytest.mark.parametrize("by", ["terminal", "user"])
def test_interrupted_at_any_moment_of_the_start(pair, by):
    """A signal is never lost, and no session is left behind."""
    for delay in range(40):
        ours, theirs = os.pipe()
        handler = signal.signal(signal.SIGINT, signal.SIG_DFL)
        pid, terminal = pty.fork()
        if pid == 0:
            os.write(theirs, b"x")
            os.execve(pair.telrun, [pair.telrun, "sleep", "20"], pair.environment)
        signal.signal(signal.SIGINT, handler)
        os.read(ours, 1)
        os.close(ours)
        os.close(theirs)
        time.sleep(delay / 8000)
        if by == "terminal":
            os.write(terminal, b"\x03")
        else:
            os.kill(pid, signal.SIGINT)
        end = time.monotonic() + 10
        while os.waitpid(pid, os.WNOHANG)[0] == 0:
            assert time.monotonic() < end, f"still running, interrupted after {delay / 8} ms"
            time.sleep(0.002)
        os.close(terminal)
    assert pair.sessions(10) == []


def test_supervises_without_standard_descriptors(pair):
    """Its own descriptors must not end up where /dev/null is put later."""
    def prepare():
        for fd in (0, 1, 2):
            os.close(fd)

    process = pair.start(["sleep", "20"], preexec_fn=prepare)
    drain_of(process)
    time.sleep(0.3)
    process.terminate()
    assert process.wait(timeout=TIMEOUT) == -signal.SIGTERM
