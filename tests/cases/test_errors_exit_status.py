"""A process that exits with another status than 0 says so on the span of its main function."""

import pytest

from teltest.check import check_tree
from teltest.run import APPS, COMPILERS, build, run
from teltest.schema import errors_of


@pytest.mark.parametrize("mode", ("telrun", "preload"))
@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize("how", ("return", "exit", "_exit"))
@pytest.mark.parametrize("status", (0, 1, 3, 255))
def test_exit_status(status, how, compiler, mode, tmp_path):
    path = build("exit_status", [APPS / "errors/exit_status.c"], compiler)
    result = run([path, how, status], tmp_path / "events.jsonl", mode=mode)
    assert result.status == status
    assert not check_tree(result.events_path).problems
    events = list(result.events())
    assert [errors_of(event) for event in events] == [[]] * len(events)
    errors = {event["function_name"]: event["error"] for event in events if "error" in event}
    expected = {"main": {"type": "exit_status",
                         "message": f"the process ended with exit status {status}"}}
    assert errors == (expected if status else {})
    assert events[-1]["function_name"] == "main"
