"""Lean events are told in full: as full detail would have them."""

import json

import pytest
from teltest import schema
from teltest.events import BadLine, read_events
from teltest.examples import good_events

GOOD = good_events()


def expanded(tmp_path, events):
    path = tmp_path / "events"
    path.write_text("".join(json.dumps(event) + "\n" for event in events))
    return list(read_events(path))


@pytest.mark.parametrize(("lean", "full"), [("lean entry", "function_entry"),
                                            ("lean exit", "function_exit"),
                                            ("lean loss", "telemetry_loss")])
def test_full_again(tmp_path, lean, full):
    shared, function = GOOD["telemetry_process"], GOOD["telemetry_function"]
    event = expanded(tmp_path, [shared, function, GOOD[lean]])[-1]
    assert event == GOOD[full]
    assert schema.errors_of(event) == []


def test_the_second_process_has_its_own(tmp_path):
    other = GOOD["telemetry_process"] | {"span_id": "7" * 16, "environment": "qa"}
    events = [GOOD["telemetry_process"], GOOD["telemetry_function"], other,
              GOOD["lean entry"], GOOD["lean exit"] | {"process_ref": "7" * 16}]
    assert [event["environment"] for event in expanded(tmp_path, events)[3:]] == ["prod", "qa"]


@pytest.mark.parametrize("missing", ["telemetry_process", "telemetry_function"])
def test_refers_to_nothing(tmp_path, missing):
    rest = {"telemetry_process", "telemetry_function"} - {missing}
    events = [GOOD[name] for name in sorted(rest, reverse=True)]
    with pytest.raises(BadLine, match=f"of no {missing} event above"):
        expanded(tmp_path, [*events, GOOD["lean entry"]])
