"""--drain-threads: however many threads encode and compress, the bytes are those of one."""

import json
import subprocess

import pytest
from teltest.check import check_tree
from teltest.events import normalised
from teltest.run import APPS, REPOSITORY, build, build_directory, clean_environment, run, tool
from teltest.web.processes import free_ports

READERS = {".jsonl": ["cat"], ".jsonl.zst": ["zstd", "-dcq"], ".jsonl.gz": ["gzip", "-dc"]}

# Threads and processes that come and go, exceptions, requests and answers, ends of all kinds, and more
# calls than a few chunks hold.
ALL_AT_ONCE = """
comings=$1 recorded=$2 tiny=$3 crowd=$4 port=$5
"$crowd" server $port & server=$!
"$comings" 60 &
"$tiny" 18 &
until { exec 3<>/dev/tcp/127.0.0.1/$port; } 2>/dev/null; do sleep .05; done
exec 3>&-
for each in 1 2 3; do "$recorded"; done
"$crowd" client $port 30 10
kill $server
wait
"""


def comings():
    return build("comings", [APPS / "output/comings.cpp"], "gcc", ("-O0",), ("-pthread",))


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    folder = tmp_path_factory.mktemp("threads") / "record"
    programs = [comings(), build("recorded", [APPS / "recorded.c"], "gcc", ("-O0",), ("-pthread",)),
                build("tiny", [REPOSITORY / "tests/bench/tiny.c"], "gcc", ("-O0",)),
                build("crowd", [APPS / "http/crowd.cpp"], "gcc", ("-O0",))]
    subprocess.run([tool("telrun"), "-q", "--on-full=block", "--record", folder, "--", "bash", "-c",
                    ALL_AT_ONCE, "bash", *programs, *map(str, free_ports(1))],
                   env=clean_environment(), stdin=subprocess.DEVNULL, capture_output=True, timeout=120,
                   check=True)
    return folder


def converted(recording, into, threads, *options):
    done = subprocess.run([tool("telinject"), "convert", "-q", f"--drain-threads={threads}", *options, "-o",
                           into, recording], env=clean_environment(), capture_output=True, timeout=300,
                          check=True)
    assert (done.stdout, done.stderr) == (b"", b"")
    suffix = "".join(into.suffixes)
    plain = subprocess.run([*READERS[suffix], into], capture_output=True, timeout=60, check=True).stdout
    into.unlink()
    return plain


def count(events, kind):
    return events.count(f'"event_type":"{kind}"'.encode())


@pytest.mark.long
@pytest.mark.parametrize("options", [[], ["--detail=lean"], ["--min-duration=20us"]],
                         ids=["full", "lean", "filtered"])
def test_the_bytes_are_those_of_one_thread(recording, tmp_path, options, figure):
    alone = converted(recording, tmp_path / "alone.jsonl", 1, *options)
    if not options:
        assert count(alone, "exception_exit") == 60 * 3
        assert count(alone, "http_response") >= 2 * 30
        assert alone.count(b'"telinject.exit":"killed"') > 0
        figure(f"{count(alone, 'function_entry')} calls")
    for suffix in READERS:
        for threads in (1, 2, 4, 0):
            assert converted(recording, tmp_path / f"events{suffix}", threads, *options) == alone, \
                (suffix, threads)


def test_the_totals_are_those_of_one_thread(recording, tmp_path):
    totals = []
    for threads in (1, 4):
        path = tmp_path / f"totals{threads}"
        converted(recording, tmp_path / "events.jsonl", threads, f"--totals={path}")
        totals.append(json.loads(path.read_text()))
    assert totals[0] == totals[1]


def test_standard_output_gets_them_too(recording, tmp_path):
    command = [tool("telinject"), "convert", "-q", "--drain-threads=3", recording]
    done = subprocess.run(command, env=clean_environment(), capture_output=True, timeout=300, check=True)
    assert done.stdout == converted(recording, tmp_path / "alone.jsonl", 1)


@pytest.mark.long
@pytest.mark.parametrize("options", [["full"], ["lean"], ["full", "2000"]], ids=" ".join)
def test_any_moment_will_do(recording, options):
    """An interrupt, wherever it comes: what the pool has is written before the state is left."""
    def split(how, threads):
        few = options if len(options) == 2 else [*options, "0"]
        done = subprocess.run([build_directory() / "tests/split_convert",
                               next(recording.glob("*.telrec")), "1500", how, *few, str(threads)],
                              env=clean_environment(), capture_output=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout
    alone = split("alone", 1)
    assert split("relay", 3) == alone
    assert split("alone", 3) == alone


@pytest.mark.long
@pytest.mark.parametrize("mode", ["telrun", "preload"])
def test_live(tmp_path, mode):
    events = []
    for threads in ("1", "4"):
        result = run([comings(), "40"], tmp_path / f"{threads}.jsonl", mode,
                     {"TELEMETRY_DRAIN_THREADS": threads, "TELEMETRY_ON_FULL": "block"})
        assert (result.status, result.stdout, result.stderr) == (0, b"", b"")
        checker = check_tree(result.events_path)
        assert not checker.problems, str(checker.problems)
        assert checker.lost == {}
        events.append(normalised(result.events_path))
    assert events[0] == events[1]
    # An entry and an exit each, and the exceptions.
    descents, refusals = 40 * 8 * 3 * 21, 40 * 3
    names = [event for event in events[1] if '"function_name": "(anonymous namespace)::descend' in event]
    assert len(names) == 2 * descents
    assert sum('"exception_exit"' in event for event in events[1]) == refusals


def test_as_an_option(tmp_path):
    path = tmp_path / "events.jsonl.zst"
    subprocess.run([tool("telrun"), "-q", "--on-full=block", "--drain-threads=4", "-o", path, "--",
                    build("tiny", [REPOSITORY / "tests/bench/tiny.c"], "gcc", ("-O0",)), "20"],
                   env=clean_environment(), stdin=subprocess.DEVNULL, capture_output=True, timeout=120,
                   check=True)
    plain = tmp_path / "events.jsonl"
    with open(plain, "wb") as file:
        subprocess.run(["zstd", "-dcq", path], stdout=file, check=True, timeout=60)
    checker = check_tree(plain)
    assert not checker.problems, str(checker.problems)
    assert checker.lines == 2 * (2 * 10946 - 1 + 1)


@pytest.mark.parametrize("value", ["65", "-1", "all"])
def test_a_value_that_makes_no_sense(recording, tmp_path, value):
    line = f"TELEMETRY_DRAIN_THREADS={value} is not a whole number in 0..64; using 1\n"
    result = run([comings(), "1"], tmp_path / "events.jsonl",
                 settings={"TELEMETRY_DRAIN_THREADS": value})
    assert (result.status, result.stderr.decode()) == (0, f"telrun: {line}")
    convert = [tool("telinject"), "convert", "-q"]
    done = subprocess.run([*convert, recording], env=clean_environment() | {"TELEMETRY_DRAIN_THREADS": value},
                          capture_output=True, timeout=120, check=True)
    assert done.stderr.decode() == f"telinject: {line}"
    assert done.stdout.count(b"\n") > 1000
    # Whoever types an option can mend it.
    done = subprocess.run([*convert, f"--drain-threads={value}", recording], env=clean_environment(),
                          capture_output=True, timeout=120)
    assert (done.returncode, done.stdout) == (125, b"")
    assert done.stderr.decode() == f"telinject: --drain-threads: {value} is not a whole number in 0..64; " \
                                   "try telinject help convert\n"
