"""The command line: what it says, and its exit status."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from teltest import check
from teltest.examples import Stream

LIB = Path(__file__).parent


def write(path, events):
    path.write_text("".join(json.dumps(event) + "\n" for event in events))
    return str(path)


@pytest.fixture
def events():
    stream = Stream()
    main = stream.enter("main")
    stream.leave(stream.enter("f", main))
    stream.leave(main)
    return stream.events


def test_good(tmp_path, events, capsys):
    assert check.main([write(tmp_path / "t", events)]) == 0
    out = capsys.readouterr().out
    assert "schema: 4 lines" in out
    assert out.count("no problems") == 2
    assert "2 spans, 1 traces, 1 threads" in out


def test_wrong_tree(tmp_path, events, capsys):
    events[2]["duration_ns"] += 1
    path = write(tmp_path / "t", events)
    assert check.main([path]) == 1
    assert "duration: 2" in capsys.readouterr().out
    assert check.main([path, "--no-tree"]) == 0


def test_wrong_schema(tmp_path, events, capsys):
    events[2]["sample_rate"] = 2
    path = write(tmp_path / "t", events)
    assert check.main([path]) == 1
    assert "line 3: /sample_rate" in capsys.readouterr().out
    assert check.main([path, "--no-schema"]) == 0


def test_remote_parent(tmp_path, events):
    events[0]["parent_span_id"] = events[3]["parent_span_id"] = "00000000000000ff"
    path = write(tmp_path / "t", events)
    assert check.main([path]) == 1
    remote = events[0]["trace_id"] + ":00000000000000ff"
    assert check.main([path, "--remote-parent", remote]) == 0


def test_outline(tmp_path, events, capsys):
    check.main([write(tmp_path / "t", events), "--outline"])
    assert capsys.readouterr().out.endswith("main\n  f\n")


def test_losses_are_told(tmp_path, capsys):
    stream = Stream()
    stream.add("telemetry_loss")
    check.main([write(tmp_path / "t", stream.events)])
    assert "17 calls, queue_full" in capsys.readouterr().out


def test_as_a_command(tmp_path, events):
    """As people start it; and without orjson, which is optional."""
    events[2]["sequence"] = 9
    path = write(tmp_path / "t", events)
    code = ("import sys; sys.modules['orjson'] = None\n"
            "from teltest.check import main; sys.exit(main(sys.argv[1:]))")
    for command in (["-m", "teltest.check"], ["-c", code]):
        run = subprocess.run([sys.executable, *command, path], capture_output=True, text=True,
                             env={"PYTHONPATH": str(LIB), "PATH": "/usr/bin:/bin"})
        assert run.returncode == 1, run.stderr
        assert "sequence: 1\n  line 3: process 100: 9 where 3 was due" in run.stdout
