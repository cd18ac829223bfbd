"""examples/: the commands in the README and in the sources build and trace them."""

import os
import pathlib
import subprocess

import pytest
from teltest import schema
from teltest.events import read_events
from teltest.recording_server import RecordingServer
from teltest.run import clean_environment
from teltest.tree import check_events

ROOT = pathlib.Path(__file__).parents[2]


def checked(trace):
    schema.hold(trace)
    events = list(read_events(trace))
    assert not check_events(events).problems
    return events


def lines_with(file, start):
    """The commands of a file that start so, without what comes before and behind."""
    commands = [line.lstrip("/ $").partition("  #")[0].strip() for line in file.read_text().splitlines()]
    return [command for command in commands if command.startswith(start)]


@pytest.fixture
def run(build, tmp_path):
    """Runs a command in an empty folder that has the examples."""
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    environment = clean_environment() | {"PATH": f"{build}/bin:{os.environ['PATH']}"}

    def run(command):
        return subprocess.run(["sh", "-c", command], cwd=tmp_path, env=environment, capture_output=True,
                              text=True, timeout=120)
    return run


def test_hello(run, tmp_path):
    [build] = lines_with(ROOT / "README.md", "telcc -O2 examples/hello.c")
    [trace] = lines_with(ROOT / "README.md", "telrun --summary -o trace.jsonl ./hello")
    assert run(build).returncode == 0
    done = run(trace)
    assert (done.returncode, done.stdout) == (0, "14\n")
    assert "telrun: 5 spans in 1 process\n  lost       nothing\n" in done.stderr
    events = checked(tmp_path / "trace.jsonl")
    ends = [e for e in events if e["event_type"] == "function_exit"]
    assert [e["function_name"] for e in ends] == ["square"] * 3 + ["sum_of_squares", "main"]


def test_a_dash_is_standard_output(run, tmp_path):
    [build] = lines_with(ROOT / "README.md", "telcc -O2 examples/hello.c")
    assert run(build).returncode == 0
    done = run("telrun -o - ./hello")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert "14" in lines and len(lines) == 11
    assert not (tmp_path / "-").exists()


def test_fetch(run, tmp_path):
    source = ROOT / "examples/fetch.cpp"
    [build], [trace] = lines_with(source, "telc++"), lines_with(source, "telrun")
    done = run(build)
    assert (done.returncode, done.stderr) == (0, "")
    server = RecordingServer()
    here = f"http://127.0.0.1:{server.port}"
    done = run(trace.replace("http://localhost:8000/nothing", f"{here}/status/404")
               .replace("http://localhost:8000/", f"{here}/"))
    server.close()
    assert done.returncode == 1
    assert done.stdout == f"{here}/: 0 links\n{here}/status/404: status 404\n"
    assert f"report file://{tmp_path}/fetch.html" in done.stderr
    events = checked(tmp_path / "fetch.jsonl")
    assert [e["http"]["response"]["status_code"] for e in events if e["event_type"] == "http_response"] \
        == [200, 404]
    failed = {e["function_name"]: e["error"] for e in events
              if e["event_type"] == "function_exit" and "error" in e}
    [inner] = [error for name, error in failed.items() if name.endswith("::fetch")]
    assert inner["message"] == "status 404"
    # A request belongs to the call that made it, and its trace reaches the server.
    calls = {e["span_id"]: e["function_name"] for e in events if e["event_type"] == "function_entry"}
    requests = [e for e in events if e["event_type"] == "http_request"]
    assert all(calls[e["parent_span_id"]].endswith("::fetch") for e in requests)
    assert [r.values("traceparent") for r in server.requests] \
        == [[f"00-{e['trace_id']}-{e['span_id']}-01"] for e in requests]
