"""Receivers that fail: nothing is lost that need not be, all that is lost is counted, the program and
its status are untouched, and the end comes within its deadline.
"""

import email.utils
import json
import re
import signal
import subprocess
import threading
import time

import pytest
from exporting import in_file, key, log_key, program, received, same, settings, steps
from teltest.proc import children_of, comm, wait_for
from teltest.receiver import GIGABYTE, HANGUP, RESET, SILENCE, Receiver, Say
from teltest.recording_server import make_certificate
from teltest.run import tool
from teltest.web.processes import refusing
from ways import TRACED, Outcome

OWN = re.compile(rb"sum \d+\n")
SLACK = 20  # seconds that a busy machine may add to a deadline


def run(ways, tmp_path, receiver, way="telrun", more=None, command=None, form="ndjson"):
    spool = tmp_path / "spool"
    spool.mkdir(exist_ok=True)
    began = time.monotonic()
    outcome = ways.run(command or [program(), *steps()], way,
                       settings(receiver, ways.trace, form, TELEMETRY_SPOOL_DIR=str(spool),
                                TELEMETRY_SUMMARY="always" if way == "telrun" else "never") | (more or {}))
    seconds = time.monotonic() - began
    ways.wait_for_no_drain()
    assert outcome.status == 7
    assert OWN.fullmatch(outcome.out)
    return outcome, seconds, sorted(spool.iterdir())


def counts(outcome):
    """Of the summary's line of the receiver."""
    line = re.search(rb"  http http\S*, (.*)", outcome.err)[1].decode()
    return {name: int(number) for number, name in
            re.findall(r"(\d+) (sent|rejected|too large|not answered in time|without room|kept|waiting)",
                       line)}


def convert(paths, receiver, form="ndjson", **more):
    environment = {"TELEMETRY_RECEIVER_FORMAT": form, "RECEIVER_URL": receiver.url, "PATH": "/usr/bin"} | more
    return subprocess.run([tool("telinject"), "convert", "--output=http", *map(str, paths)],
                          env=environment, capture_output=True, timeout=120)


def date_in(seconds):
    return email.utils.formatdate(time.time() + seconds, usegmt=True)


PASSING = {
    "429": lambda: Say(429),
    "429 with seconds": lambda: Say(429, headers={"Retry-After": "1"}),
    "502": lambda: Say(502),
    "503": lambda: Say(503, b"busy"),
    "503 with a date": lambda: Say(503, headers={"Retry-After": date_in(2)}),
    "504": lambda: Say(504),
    "reset": lambda: Say(RESET),
    "hangup": lambda: Say(HANGUP),
}


@pytest.mark.parametrize("fault", PASSING)
def test_what_passes_is_sent_again(ways, tmp_path, fault):
    with Receiver(lambda number: Say() if number >= 1 else PASSING[fault]()) as receiver:
        outcome, seconds, left = run(ways, tmp_path, receiver)
        same(received(receiver), in_file(ways.trace))
        assert left == []
        assert len(receiver.requests) >= 2
        assert b"requests repeated" in outcome.err
        assert b"telinject:" not in outcome.err
        assert seconds < 10 + SLACK


@pytest.mark.parametrize("form", ["event", "ndjson"])
@pytest.mark.parametrize("way", TRACED)
def test_nobody_listens_what_is_left_can_be_sent_later(ways, tmp_path, way, form):
    with refusing() as port:
        outcome, seconds, left = run(ways, tmp_path, f"http://127.0.0.1:{port}", way, form=form)
    assert seconds < 5 + SLACK
    assert len(left) == 1
    assert left[0].stat().st_mode & 0o777 == 0o600
    if way == "telrun":
        assert b"telinject convert --output=http " + str(left[0]).encode() in outcome.err
        assert counts(outcome) == {"sent": 0, "kept": len(in_file(ways.trace))}
    with Receiver() as receiver:
        sent = convert(left, receiver)
        assert (sent.returncode, sent.stderr) == (0, b"")
        same(received(receiver), in_file(ways.trace))


def left_over(ways, tmp_path):
    """What a run leaves whose receiver is not there."""
    with refusing() as port:
        return run(ways, tmp_path, f"http://127.0.0.1:{port}")[2]


def test_what_is_left_can_be_written_to_a_file_or_in_another_format(ways, tmp_path):
    left = left_over(ways, tmp_path)
    again = tmp_path / "again.jsonl"
    subprocess.run([tool("telinject"), "convert", "-o", again, left[0]], check=True)
    same(in_file(again), in_file(ways.trace))
    with Receiver() as receiver:
        assert convert(left, receiver, "datadog-logs").returncode == 0
        logs = [log for body in receiver.bodies for log in json.loads(body)]
        assert sorted(map(log_key, logs)) == sorted(map(key, in_file(ways.trace)))


def test_convert_leaves_what_it_cannot_send(ways, tmp_path):
    left = left_over(ways, tmp_path)
    later = tmp_path / "later"
    later.mkdir()
    with refusing() as port:
        sent = convert(left, Receiver(port=port), TELEMETRY_SPOOL_DIR=str(later))
    assert sent.returncode == 1
    assert b"telinject convert --output=http" in sent.stderr
    with Receiver() as receiver:
        assert convert(later.iterdir(), receiver).returncode == 0
        same(received(receiver), in_file(ways.trace))


def test_a_recording_is_sent(ways, tmp_path):
    ways.run([program(), *steps()], "telrun", {"TELEMETRY_RECORD": str(tmp_path / "record")})
    subprocess.run([tool("telinject"), "convert", "-o", ways.trace, tmp_path / "record"], check=True)
    with Receiver() as receiver:
        sent = convert([tmp_path / "record"], receiver)
        assert (sent.returncode, sent.stderr) == (0, b"")
        wanted = in_file(ways.trace)
        assert sorted(map(key, received(receiver))) == sorted(map(key, wanted))


@pytest.mark.parametrize("way", TRACED)
def test_silence(ways, tmp_path, way):
    with Receiver(lambda number: Say(SILENCE)) as receiver:
        outcome, seconds, left = run(ways, tmp_path, receiver, way)
        assert seconds < 10 + SLACK
        assert len(left) == 1
        if way == "telrun":
            assert counts(outcome)["kept"] == len(in_file(ways.trace))


def test_silence_with_single_events_is_a_loss_that_is_counted(ways, tmp_path):
    """They are not sent twice: who does not answer may have them."""
    with Receiver(lambda number: Say(SILENCE) if number < 4 else Say()) as receiver:
        outcome, _, left = run(ways, tmp_path, receiver, form="event", more={
            "TELEMETRY_RECEIVER_TIMEOUT": "3s", "TELEMETRY_EXIT_WAIT": "60000"})
        wanted = in_file(ways.trace)
        found = counts(outcome)
        assert found["not answered in time"] == 4
        assert found["sent"] == len(wanted) - 4 == len({key(event) for event in received(receiver)})
        assert left == []
        assert b"lost       sink_error 4" in outcome.err
        assert outcome.err.count(b": losing events, ") == 1
        assert outcome.err.count(b": events are no longer lost; ") == 1


def test_an_endpoint_that_takes_its_time_ends_at_the_deadline(ways, tmp_path):
    over = threading.Event()
    with Receiver(lambda number: Say(hold=over if number >= 4 else None)) as receiver:
        process = start_waiting(ways, tmp_path, receiver, TELEMETRY_EXIT_WAIT="1000")
        wait_for(lambda: len(receiver.requests) > 4, "an answer that was heard")
        began = time.monotonic()
        _, err = process.communicate(b"x", timeout=60)
        assert time.monotonic() - began < 1 + SLACK
        assert process.returncode == 7
        over.set()
        assert counts(Outcome(7, b"", err))["sent"] > 0
        all_has_arrived(ways, tmp_path, receiver)


def start_waiting(ways, tmp_path, receiver, **more):
    """telrun, whose program has made its calls and waits for a byte."""
    return ways.start([program(), "calls", "150", "pause", "status", "7"], "telrun", settings(
        receiver, ways.trace, "event", TELEMETRY_RECEIVER_TIMEOUT="600s", TELEMETRY_SPOOL_DIR=str(tmp_path),
        TELEMETRY_SUMMARY="always", **more), stdin=subprocess.PIPE)


def all_has_arrived(ways, tmp_path, receiver):
    """There, or now that what was left is sent."""
    left, = tmp_path.glob("*.telleft")
    with Receiver() as other:
        assert convert([left], other).returncode == 0
        ids = {key(event) for event in received(receiver)} | {key(event) for event in received(other)}
        assert ids == {key(event) for event in in_file(ways.trace)}


def test_an_interrupt_ends_the_waiting(ways, tmp_path):
    """What is not sent yet is kept, as at the deadline."""
    over = threading.Event()
    with Receiver(lambda number: Say(hold=over if number >= 4 else None)) as receiver:
        process = start_waiting(ways, tmp_path, receiver, TELEMETRY_EXIT_WAIT="600000")
        traced = wait_for(lambda: [pid for pid in children_of(process.pid) if comm(pid) == "notice"],
                          "the program")
        wait_for(lambda: len(receiver.requests) > 4, "requests that are not answered")
        process.stdin.write(b"x")
        process.stdin.flush()
        wait_for(lambda: not comm(traced[0]), "the program's end")
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
        assert process.returncode == 7
        assert b"telinject convert --output=http " in err
        over.set()
        all_has_arrived(ways, tmp_path, receiver)


def test_too_large_is_halved(ways, tmp_path):
    def answer(number, request):
        return Say(400, b"http: request body too large") if request.body.count(b"\n") > 20 else Say()

    with Receiver(answer) as receiver:
        _, _, left = run(ways, tmp_path, receiver)
        same(received(receiver), in_file(ways.trace))
        assert left == []


@pytest.mark.parametrize("status, body", [(413, b""), (400, b"too large")])
def test_what_is_too_large_alone_is_counted(ways, tmp_path, status, body):
    with Receiver(lambda number: Say(status, body)) as receiver:
        outcome, _, _ = run(ways, tmp_path, receiver)
        assert counts(outcome) == {"sent": 0, "too large": len(in_file(ways.trace))}
        assert outcome.err.count(b": losing events, ") == 1


@pytest.mark.parametrize("status", [400, 301, 405, 500, 501])
def test_other_answers_are_final(ways, tmp_path, status):
    with Receiver(lambda number: Say(status, b"\x1b[31mno\xff")) as receiver:
        outcome, _, left = run(ways, tmp_path, receiver)
        assert counts(outcome) == {"sent": 0, "rejected": len(in_file(ways.trace))}
        assert left == []
        assert b"status %d" % status in outcome.err
        assert b"\x1b" not in outcome.err and b"\xff" not in outcome.err


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_receiver_that_does_not_want_us_is_left_alone(ways, tmp_path, status):
    with Receiver(lambda number: Say(status, b"who are you?")) as receiver:
        outcome, seconds, _ = run(ways, tmp_path, receiver, form="event")
        assert len(receiver.requests) <= 4
        assert counts(outcome) == {"sent": 0, "rejected": len(in_file(ways.trace))}
        told = [line for line in outcome.err.splitlines() if line.startswith(b"telinject:")]
        assert len(told) == 1
        assert b'status %d: "who are you?"; sending stops' % status in told[0]
        assert seconds < SLACK


def test_bulk_errors_are_read(ways, tmp_path):
    """With status 200, some items are refused for good, and some for now."""
    documents, refused = [], []

    def answer(number, request):
        items = [json.loads(line) for line in request.body.splitlines()[1::2]]
        said = []
        for i, document in enumerate(items):
            if number == 0 and i % 3 == 0:
                said.append({"create": {"status": 429, "error": {"type": "es_rejected_execution_exception"}}})
            elif document["event"]["sequence"] % 10 == 0:
                refused.append(document)
                said.append({"create": {"status": 400, "error": {
                    "type": "mapper_parsing_exception", "reason": "failed to parse"}}})
            else:
                documents.append(document)
                said.append({"create": {"status": 201}})
        return Say(200, json.dumps({"took": 3, "errors": True, "items": said}).encode())

    with Receiver(answer) as receiver:
        outcome, _, left = run(ways, tmp_path, receiver, form="elasticsearch")
        found = counts(outcome)
        assert found == {"sent": len(documents), "rejected": len(refused)}
        ids = [(one["span"]["id"], one["event"]["action"]) for one in documents + refused]
        assert len(ids) == len(set(ids)) == len(in_file(ways.trace))
        assert left == []
        assert b"item status 400, mapper_parsing_exception: failed to parse" in outcome.err


def test_a_gigabyte_of_an_answer(ways, tmp_path):
    with Receiver(lambda number: Say(GIGABYTE)) as receiver:
        outcome, seconds, left = run(ways, tmp_path, receiver)
        same(received(receiver), in_file(ways.trace))
        assert seconds < 10 + SLACK
        assert left == []
        assert counts(outcome)["sent"] == len(in_file(ways.trace))
        assert receiver.gigabyte_taken < 100 << 20  # by the client and the kernel's buffers


def test_tls(ways, tmp_path):
    certificate = make_certificate(tmp_path)
    with Receiver(tls=certificate) as receiver:
        _, _, left = run(ways, tmp_path, receiver,
                         more={"TELEMETRY_RECEIVER_CA_FILE": str(certificate[0])})
        same(received(receiver), in_file(ways.trace))
        assert left == []


@pytest.mark.parametrize("fault", ["unknown authority", "other name", "no TLS", "no such file"])
def test_tls_errors(ways, tmp_path, fault):
    certificate = make_certificate(tmp_path)  # for localhost and 127.0.0.1
    address = "127.0.0.2" if fault == "other name" else "127.0.0.1"
    more = {"TELEMETRY_RECEIVER_CA_FILE": str(certificate[0])}
    if fault == "unknown authority":
        more = {}
    elif fault == "no such file":
        more = {"TELEMETRY_RECEIVER_CA_FILE": "/nowhere.pem"}
    with Receiver(tls=None if fault == "no TLS" else certificate, address=address) as receiver:
        url = f"https://{address}:{receiver.port}"
        outcome, seconds, left = run(ways, tmp_path, url, more=more)
        assert seconds < 10 + SLACK
        assert len(left) == 1
        assert counts(outcome) == {"sent": 0, "kept": len(in_file(ways.trace))}
        assert receiver.requests == []
        assert b"Couldn't connect" not in outcome.err


def test_it_dies_and_comes_back(ways, tmp_path):
    """While the program runs: all arrives, and that more than once only if an answer was lost."""
    with Receiver() as receiver:
        process = ways.start([program(), "calls", "100", "sleep", "1500", "calls", "100", "sleep", "2500",
                              "calls", "100", "status", "7"], "telrun",
                             settings(receiver, ways.trace, "ndjson", TELEMETRY_SUMMARY="always"))
        wait_for(lambda: receiver.requests, "the first request")
        receiver.die()
        time.sleep(2)
        receiver.start()
        _, err = process.communicate(timeout=60)
        assert process.returncode == 7
        wanted = in_file(ways.trace)
        assert {key(event) for event in received(receiver)} == {key(event) for event in wanted}
        assert b"telinject:" not in err


def test_beyond_memory_and_disk_it_is_counted(ways, tmp_path):
    """A receiver that takes nothing, and more events than may wait."""
    more = {"TELEMETRY_SPOOL_MAX": "1000000", "TELEMETRY_QUEUE_BYTES": "1048576"}
    with Receiver(lambda number: Say(503)) as receiver:
        outcome, _, left = run(ways, tmp_path, receiver, command=[program(), *steps(8000)], more=more)
        found = counts(outcome)
        wanted = len(in_file(ways.trace))
        assert found["sent"] == 0
        assert found["kept"] > 1000 and found["without room"] > 1000
        assert found["kept"] + found["without room"] == wanted
        assert outcome.err.count(b": losing events, ") == 1
    with Receiver() as receiver:
        assert convert(left, receiver).returncode == 0
        assert len(received(receiver)) == found["kept"]


def test_where_nothing_can_be_left(ways, tmp_path):
    """The spool's folder cannot be written."""
    with refusing() as port:
        outcome, seconds, _ = run(ways, tmp_path, f"http://127.0.0.1:{port}",
                                  more={"TELEMETRY_SPOOL_DIR": "/proc/self"})
    assert counts(outcome) == {"sent": 0, "without room": len(in_file(ways.trace))}
    assert b"cannot make a file in /proc/self" in outcome.err
    assert seconds < 10 + SLACK
