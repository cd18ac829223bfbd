"""Programs whose events are sent: what arrived, compared with a file that has them all."""

import json

from teltest import schema
from teltest.run import APPS, build

CALLS = 150  # twice as many events


def program():
    return build("notice", [APPS / "notice.c"], "gcc", ("-O0", "-pthread"), ("-pthread",))


def steps(calls=CALLS):
    return ["calls", str(calls), "status", "7"]


def settings(receiver, file, form="ndjson", **more):
    """Of a run whose events go to a file and to a receiver (or an address). Single events are waited for half
    a second only; on a busy machine a receiver of ours may take longer."""
    url = receiver if isinstance(receiver, str) else receiver.url
    patience = {"TELEMETRY_RECEIVER_TIMEOUT": "60s"} if form == "event" else {}
    return {"TELEMETRY_OUTPUT": "file,http", "TELEMETRY_FILE": str(file), "RECEIVER_URL": url,
            "TELEMETRY_RECEIVER_FORMAT": form} | patience | more


def in_file(path):
    schema.hold(path)
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def received(receiver):
    """The events in bodies of JSON lines, or of one event each."""
    return [json.loads(line) for body in receiver.bodies for line in body.splitlines()]


def key(event):
    return (event["span_id"], event["event_type"], event["sequence"])


def log_key(log):
    """Of a log of Datadog."""
    return (log["span_id"], log["event_type"], int(log["sequence"]))


def same(events, wanted):
    """Each of the wanted events, once, as it is; in any order."""
    assert sorted(map(key, events)) == sorted(map(key, wanted))
    by_key = {key(event): event for event in wanted}
    assert all(event == by_key[key(event)] for event in events)
