"""HTTP on plain descriptors: duplicated, inherited, closed under way, sent from a file. Each exchange once
on each of its two sides."""

from collections import Counter

import pytest
from traced import wait_until_all_is_written

from teltest.run import APPS, build, run

PATHS = ("pieces", "dup", "file", "fork", "vfork", "half")


@pytest.fixture(name="program", scope="module")
def built_program():
    return build("descriptors", [APPS / "http/descriptors.c"], flags=("-O1", "-Wall", "-Wextra", "-Werror"),
                 instrument=False)


def path_of(event):
    return event["http"]["request"]["url"].rpartition("/")[2]


@pytest.mark.parametrize("mode", ["telrun", "preload"])
def test_every_exchange_once_on_either_side(mode, program, tmp_path):
    result = run([program], tmp_path / "events", mode)
    assert (result.status, result.stdout, result.stderr) == (0, b"", b"")
    wait_until_all_is_written(result.events_path)
    events = list(result.events())
    asked = {event["span_id"]: event for event in events if event["event_type"] == "http_request"}
    answered = {event["span_id"]: event for event in events if event["event_type"] == "http_response"}
    assert Counter(map(path_of, asked.values())) == {path: 2 for path in PATHS}
    assert asked.keys() == answered.keys()
    for span, answer in answered.items():
        path = path_of(asked[span])
        body = answer["http"]["response"]["body_bytes"]
        assert (path, body) == (path, 1000 if path == "file" else 4)
        assert (path, answer["severity"]) == (path, "ERROR" if path == "half" else "INFO")


def test_not_captured(program, tmp_path):
    result = run([program], tmp_path / "events", environment={"TELEMETRY_HTTP": "false"})
    assert (result.status, result.stdout) == (0, b"")
    assert not [event for event in result.events() if event["event_type"].startswith("http")]
