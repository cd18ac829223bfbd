"""What others may do to a trace: local users without its secret, and programs of other users that are
traced and hostile. docs/security.md says what is promised.

As root the others are user nobody; else they are processes of our own user that do not know the secret,
or do.
"""

import os
import pathlib
import re
import shlex
import shutil
import subprocess

import pytest
from teltest.events import read_events
from teltest.proc import children_of, comm, environment_of, read, wait_for
from teltest.run import build
from traced import wait_until_all_is_written
from ways import TRACED

ROOT = os.geteuid() == 0
NOBODY = 65534
AS_NOBODY = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"] if ROOT else []
# Sessions of other tests shall not be met: abstract names belong to a network namespace.
ALONE = ["unshare", "--net"] if ROOT else ["unshare", "--net", "--map-current-user"]
needs_root = pytest.mark.skipif(not ROOT, reason="acts as several users")


@pytest.fixture
def intruder(ways):
    return ways.build / "tests/intruder"


def hello(folder, calls=1):
    source = folder / "hello.c"
    source.write_text("#include <stdlib.h>\n#include <unistd.h>\n"
                      "__attribute__((noinline)) static int work(int n) { return n * 3; }\n"
                      "int main(int argc, char** argv) {\n"
                      f"  for (int i = 0; i < {calls}; i++) work(i);\n"
                      "  return argc > 1 && usleep(atoi(argv[1]) * 1000) != 0; }\n")
    return build("hello", [source])


def forged(ways):
    wait_until_all_is_written(ways.trace)
    return [event for event in read_events(ways.trace) if "--by-intruder" in str(event)]


ENDED = "until [ -e ended ]; do sleep .02; done"


def while_it_runs(ways, script, way="telrun", program=ENDED, options=(), lo=False, **changes):
    """Runs a program traced, and the script as another user once its session is there. Returns the
    program's status, the script's output and the lines on stderr; no other session can be seen. The program
    can wait for the script's end: ENDED."""
    traced = f"env LD_PRELOAD={ways.library}" if way == "preload" else " ".join(ways.prefix(way, options))
    steps = ("ip link set lo up; " if lo else "") + (
        f'{traced} sh -c {shlex.quote(program)} & P=$!; '
        'until grep -q @telinject- /proc/net/unix; do sleep .02; done; '
        f'{script} > {ways.directory}/said 2>&1; touch ended; wait $P')
    process = ways.start([*ALONE, "sh", "-c", steps], "alone", changes)
    _, err = process.communicate(timeout=100)
    ways.wait_for_no_drain()
    return process.returncode, (ways.directory / "said").read_text(), err.decode().splitlines()


def as_other(*command):
    return " ".join(map(str, [*AS_NOBODY, *command]))


@pytest.mark.parametrize("way", TRACED)
def test_who_sees_the_session_cannot_join(ways, place, intruder, way):
    """All that /proc/net/unix shows is not enough: nothing is written, and it is told in one line."""
    program = f"{ENDED}; {hello(place)}"
    status, said, lines = while_it_runs(ways, as_other(intruder, "join"), way, program)
    assert status == 0 and said.count("sent to") == 1, said
    assert forged(ways) == [] and ways.functions(2) == {"main": 1, "work": 1}
    assert len(lines) == 1 and "without its secret" in lines[0], lines


@pytest.mark.parametrize("way", TRACED)
def test_nothing_shown_leads_to_the_secret(ways, place, way):
    """Neither the secret nor the socket's file is in what other users see of a session's processes."""
    look = ('echo "$TELINJECT_SESSION" > secret; cat /proc/net/unix > unix; '
            'for p in /proc/[0-9]*; do tr "\\0" " " < $p/cmdline; readlink $p/fd/*; ls -l $p/map_files; '
            'cat $p/maps $p/comm; done > shown 2>/dev/null; ls -R $XDG_RUNTIME_DIR > listed; true')
    script = place / "look"
    script.write_text(look)
    assert ways.run(["sh", "-c", f"true; sh {script}"], way, cwd=place).status == 0
    session = (place / "secret").read_text().strip()
    secret = session.split(":")[5]
    assert re.fullmatch("[0-9a-f]{32}", secret)
    shown = (place / "shown").read_text(errors="replace") + (place / "unix").read_text()
    assert "telinject-" in shown and secret not in shown
    # Who may list the folder is its owner; its name there is in no table of sockets.
    files = re.findall("^[0-9a-f]{32}$", (place / "listed").read_text(), re.MULTILINE)
    assert (len(files) == 1) == (way == "telrun")
    assert not any(file in (place / "unix").read_text() for file in files)


@needs_root
def test_environment_is_not_readable_by_others(ways, place):
    """What holds the secret: the environments of traced programs and of the drain."""
    process = ways.start(["cat"], "telrun", stdin=subprocess.PIPE)
    drain = ways.wait_for_drain()
    program, = wait_for(lambda: [pid for pid in children_of(process.pid) if comm(pid) == "cat"],
                        "the program")
    for pid in (drain, process.pid, program):
        for file in ("environ", "mem", "maps"):
            done = subprocess.run([*AS_NOBODY, "head", "-c1", f"/proc/{pid}/{file}"], capture_output=True,
                                  check=False)
            assert done.returncode != 0 and b"Permission denied" in done.stderr, (pid, file, done)
    assert b"TELINJECT_SESSION=" in b"".join(environment_of(program))
    assert process.communicate(b"it lived", timeout=60) == (b"it lived", b"")


@pytest.mark.parametrize("way", TRACED)
def test_idle_connections_keep_nobody_out(ways, place, intruder, way):
    """Others hold as many connections as they can, and make new ones all the time."""
    count = 20
    program = f"sleep 1; for i in $(seq {count}); do {hello(place)}; done"
    flood = " & ".join([as_other(intruder, "idle", 6)] * 2)
    status, said, lines = while_it_runs(ways, f"{flood} & {as_other(intruder, 'idle', 6)}", way, program)
    assert (status, lines) == (0, [])
    assert ways.functions(2 * count) == {"main": count, "work": count}


def test_idle_connection_is_closed(ways, place, intruder):
    """While the session goes on, and not at once."""
    status, said, lines = while_it_runs(ways, as_other(intruder, "wait-for-close"))
    assert (status, lines) == (0, [])
    assert int(re.search(r"closed 0 after (\d+) ms", said)[1]) > 1000


@pytest.mark.parametrize("way", ["half", "linger", "many", "as-memory /dev/zero", "sealed", "twice"])
def test_strangers_do_nothing(ways, place, intruder, way):
    """Half a Hello, and descriptors of all kinds, without the secret: the program is traced, and the drain
    ends with it."""
    program = f"{ENDED}; {hello(place)}"
    status, said, lines = while_it_runs(ways, as_other(intruder, way), program=program, lo=True)
    assert status == 0 and forged(ways) == []
    assert ways.functions(2) == {"main": 1, "work": 1}
    assert len(lines) == 1 and "without its secret" in lines[0], lines


# With the secret: a traced program of another user, which is hostile.

HOSTILE = {
    "as-memory /dev/zero": "no memory file",
    "as-memory /etc/passwd": "no memory file",
    "as-memory /": "no memory file",
    "as-memory socket": "no memory file",
    "as-memory pipe": "no memory file",
    "as-pidfd /etc/passwd": None,
    "as-pidfd socket": None,
    "as-pidfd /dev/zero": None,
    "linger": "no memory file",
    "many": None,
    "twice": "already in use",
    "sealed": "unexpected seals",
    "sealed-later": "has added unexpected seals",
    "shrink": "not sealed against shrinking",
}


@pytest.mark.parametrize("attack", HOSTILE)
def test_hostile_program_with_the_secret(ways, place, intruder, attack):
    """It may write what it likes into the trace, but not stop the drain from serving others and ending."""
    script = " ".join(map(str, [*AS_NOBODY, intruder, attack]))
    outcome = ways.run(["sh", "-c", f"{script}; sleep 1; {hello(place)}"], "telrun",
                       {"INTRUDER_HOLD_MS": "1000", "TELEMETRY_CLOCK": "monotonic"}, stderr=subprocess.STDOUT)
    ways.wait_for_no_drain()
    assert outcome.status == 0, outcome
    lines = [line for line in outcome.out.decode().splitlines() if line.startswith("telinject: ")]
    told = HOSTILE[attack]
    assert (lines == []) if told is None else len(lines) == 1 and told in lines[0], lines
    functions = ways.functions()
    assert functions["main"] == 1 and functions["work"] == 1, functions
    accepted = HOSTILE[attack] is None or attack == "twice"
    assert bool(forged(ways)) == accepted or attack == "sealed-later"


def names_of_forged(ways):
    wait_until_all_is_written(ways.trace)
    return {event["function_name"] for event in forged(ways) if event["event_type"] == "function_entry"}


def name(ways, intruder, path, *before, way="name"):
    """What the drain calls a function of that file, on the word of a traced program."""
    ways.forget()
    command = [*before, intruder, way, path]
    outcome = ways.run(command, "telrun", {"INTRUDER_HOLD_MS": "1500", "TELEMETRY_CLOCK": "monotonic"})
    assert outcome.status == 0, outcome
    names = names_of_forged(ways)
    assert len(names) == 1
    return names.pop(), outcome.err.decode()


@needs_root
def test_program_that_its_user_may_not_read_is_not_named(ways, place, intruder):
    """Root's drain opens a program with the rights of the process that names it."""
    program = place / "named"
    shutil.copy(intruder, program)  # has a function at 0x1000 or not: it is the message that counts
    os.utime(program, (1e9, 1e9))
    program.chmod(0o700)
    name_for_nobody, err = name(ways, intruder, program, *AS_NOBODY)
    assert name_for_nobody.startswith("named+0x")
    assert "Permission denied, as user 65534 sees it" in err
    program.chmod(0o755)
    _, err = name(ways, intruder, program, *AS_NOBODY)
    assert "Permission denied" not in err
    program.chmod(0o700)
    _, err = name(ways, intruder, program)
    assert "Permission denied" not in err


SPLIT = """
__attribute__((noinline)) int secret_function(int secret_parameter) { return secret_parameter * 3; }
int main(void) { return secret_function(1) - 3; }
"""


@needs_root
@pytest.mark.parametrize("mode", [0o644, 0o600])
def test_split_debug_information_that_its_user_may_not_read(ways, place, mode):
    """libdw opens .dwo files by itself, and does it with the program's rights, too."""
    (place / "split.c").write_text(SPLIT)
    subprocess.run([ways.build / "bin/telcc", "-O1", "-g", "-gsplit-dwarf", "-c", "split.c"], cwd=place,
                   check=True)
    subprocess.run([ways.build / "bin/telcc", "split.o", "-o", "split"], cwd=place, check=True)
    (place / "split").chmod(0o755)
    (place / "split.dwo").chmod(mode)
    with open(place / "err", "wb") as file:
        assert ways.run([*AS_NOBODY, place / "split"], "telrun", stderr=file).status == 0
    assert ways.functions(2) == {"main": 1, "secret_function": 1}
    assert ("secret_parameter" in ways.trace.read_text()) == (mode == 0o644)
    assert ("split.dwo" in (place / "err").read_text()) == (mode == 0o600)


@needs_root
def test_device_is_not_opened(ways, place, intruder):
    device = place / "device"
    os.mknod(device, 0o20666, os.makedev(1, 5))
    trace = place / "calls"
    ways.forget()
    process = ways.start(["sh", "-c", f"read go; {intruder} name {device}"], "telrun",
                         {"INTRUDER_HOLD_MS": "1000", "TELEMETRY_CLOCK": "monotonic"}, stdin=subprocess.PIPE)
    drain = ways.wait_for_drain()
    with subprocess.Popen(["strace", "-f", "-y", "-p", str(drain), "-e", "trace=open,openat,openat2", "-o",
                           trace], stderr=subprocess.DEVNULL) as strace:
        tasks = pathlib.Path(f"/proc/{drain}/task")
        wait_for(lambda: all(b"TracerPid:\t%d\n" % strace.pid in read(task / "status")
                             for task in tasks.iterdir()), "strace")
        _, err = process.communicate(b"go\n", timeout=60)
        strace.wait(timeout=30)
    assert process.returncode == 0 and b"not a regular file" in err
    opened = [line for line in trace.read_text().splitlines() if "/device" in line and "O_PATH" not in line]
    assert opened == [], opened
    assert "/device" in trace.read_text()


def test_fifo_is_not_waited_for(ways, place, intruder):
    os.mkfifo(place / "fifo", 0o666)
    _, err = name(ways, intruder, place / "fifo")
    assert "not a regular file" in err


DROPS = """
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
__attribute__((noinline)) int later(int n) { return n + 1; }
int main(void) {
  if (setresgid(65534, 65534, 65534) != 0 || setresuid(65534, 65534, 65534) != 0) return 1;
  usleep(300000);
  int n = later(1);
  usleep(700000);
  return n - 2;
}
"""


@needs_root
@pytest.mark.parametrize("way", TRACED)
def test_program_that_gives_up_its_rights_is_named(ways, place, way):
    """It was executed with root's rights, though as nobody it could not be read any more."""
    source = place / "drops.c"
    source.write_text(DROPS)
    private = place / "private"
    private.mkdir(mode=0o700)
    program = private / "drops"
    shutil.copy(build("drops", [source]), program)
    program.chmod(0o700)
    assert ways.run([program], way).status == 0
    wait_until_all_is_written(ways.trace)
    assert ways.functions(2) == {"main": 1, "later": 1}


@needs_root
def test_secret_program_after_giving_up_rights(ways, place, intruder):
    """Started by root, nobody by now: what it names is opened as nobody."""
    target = place / "private"
    shutil.copy(intruder, target)
    os.utime(target, (1e9, 1e9))
    target.chmod(0o700)
    _, err = name(ways, intruder, target, way="drop")
    assert "Permission denied, as user 65534 sees it" in err
    target.chmod(0o755)
    _, err = name(ways, intruder, target, way="drop")
    assert "Permission denied" not in err


# Permissions of what is written.

@pytest.mark.parametrize("file", ["trace.jsonl", "trace.jsonl.zst", "trace.jsonl.gz"])
def test_files_are_their_owners(ways, place, file):
    path, totals = place / file, place / "totals.json"
    program = hello(place)

    def modes(options, **settings):
        for each in (path, totals):
            each.unlink(missing_ok=True)
        before = os.umask(0o022)
        try:
            outcome = ways.run([program], "telrun", {"TELEMETRY_FILE": str(path), **settings},
                               options=["--totals", str(totals), *options])
        finally:
            os.umask(before)
        assert outcome == (0, b"", b"")
        return [oct(each.stat().st_mode & 0o7777) for each in (path, totals)]

    assert modes([]) == ["0o600", "0o600"]
    assert modes(["--file-mode", "0640"]) == ["0o640", "0o640"]
    assert modes([], TELEMETRY_FILE_MODE="664") == ["0o664", "0o664"]


def test_converted_file_is_its_owners(ways, place):
    recorded, out = place / "recorded", place / "out.jsonl"
    assert ways.run([hello(place)], "telrun", options=["--record", str(recorded)]).status == 0
    telinject = ways.build / "bin/telinject"
    for options, mode in (([], 0o600), (["--file-mode=644"], 0o644)):
        out.unlink(missing_ok=True)
        subprocess.run([telinject, "convert", *options, "-o", out, recorded], check=True)
        assert out.stat().st_mode & 0o7777 == mode
    # What is there keeps its permissions.
    out.chmod(0o640)
    subprocess.run([telinject, "convert", "-o", out, recorded], check=True)
    assert out.stat().st_mode & 0o7777 == 0o640


def test_recordings_are_their_owners(ways, place):
    """Whatever the umask, and whatever the trace's own permissions are to be."""
    before = os.umask(0)
    try:
        outcome = ways.run([hello(place)], "telrun", {"TELEMETRY_FILE_MODE": "644"},
                           options=["--record", str(place / "recorded")])
    finally:
        os.umask(before)
    assert outcome == (0, b"", b"")
    assert {oct(path.stat().st_mode & 0o7777) for path in (place / "recorded").iterdir()} == {"0o600"}


@pytest.mark.parametrize("value", ["0888", "rw", "1777", "06000", "-1"])
def test_file_mode_that_makes_no_sense(ways, place, value):
    outcome = ways.run([hello(place)], "telrun", {"TELEMETRY_FILE_MODE": value})
    assert outcome.status == 0 and outcome.err.count(b"\n") == 1 and b"TELEMETRY_FILE_MODE" in outcome.err
    assert ways.trace.stat().st_mode & 0o7777 == 0o600
