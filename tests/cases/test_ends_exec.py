"""Programs that one process executes one after the other: each ends as it did, not as another.

And the numbers of their events: they go on when a process executes a program, and start anew in a child.
"""

import json
import signal
import socket
import subprocess
import sys

import pytest
from teltest.proc import children_of, comm, wait_for
from teltest.run import clean_environment, tool
from traced import Traced, tree

ENDS = ("SIGSEGV", "SIGABRT", "SIGKILL", "3")


def status(end):
    return -signal.Signals[end] if end.startswith("SIG") else int(end)


def how_main_ends(end):
    return ("killed", end) if end.startswith("SIG") else ("", "exit_status")


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("execs", [1, 4])
def test_exec(traced, execs, end):
    run = traced.run("ends/chain.c", *["exec"] * execs, end, status=status(end))
    ends = [(span.how, span.error) for span in run.trace.named("main")]
    assert ends == [("exec", None)] * execs + [how_main_ends(end)]
    assert len({span.pid for span in run.trace.spans}) == 1


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("launcher", ["env", "sh -c", "env -i"])
def test_started_by_a_program_that_is_not_instrumented(traced, launcher, end):
    """As by an entry point of a container. `env -i` takes the session from its program, too."""
    program = str(traced.program("ends/chain.c"))
    command = {"env": ["env", program, end],
               "sh -c": ["sh", "-c", f"exec {program} exec {end}"],
               "env -i": ["env", "-i", program, end]}[launcher]
    gone = launcher == "env -i"
    run = traced.run("ends/chain.c", command=command, status=status(end), may_be_empty=gone)
    mains = [] if gone else run.trace.named("main")
    assert [(span.how, span.error) for span in mains[-1:]] == [how_main_ends(end)] * (not gone)
    assert all((span.how, span.error) == ("exec", None) for span in mains[:-1])


def test_exec_that_nobody_saw(tmp_path):
    """By a raw system call. (Under a bare LD_PRELOAD the next program then has a drain of its own.)"""
    traced = Traced("gcc", "-O0", "telrun", tmp_path)
    run = traced.run("ends/chain.c", "raw", "SIGSEGV", status=-signal.SIGSEGV)
    assert run.outline() == tree("""
        main !exec
          execute_unseen !exec
            work
        main !killed !SIGSEGV
          end !killed !SIGSEGV
            work
        """)


def test_exec_in_a_thread(traced):
    run = traced.run("ends/chain.c", "thread", "SIGSEGV", status=-signal.SIGSEGV)
    assert run.outline() == tree("""
        main !exec
          execute_in_thread !exec
            execute !exec [thread]
              work
              main !killed !SIGSEGV [process]
                end !killed !SIGSEGV
                  work
        """)


@pytest.mark.parametrize("end", ["SIGSEGV", "3"])
def test_exec_that_fails(traced, end):
    run = traced.run("ends/chain.c", "failing", end, status=status(end))
    mark = "!killed !SIGSEGV" if end == "SIGSEGV" else ""
    assert run.outline() == tree(f"""
        main {mark or "!exit_status"}
          fail
            work
          end {mark}
            work
        """.replace(" \n", "\n"))


@pytest.mark.parametrize("way", ["exec", "thread"])
def test_exec_by_a_forked_child(traced, way):
    """The child is waited for, so its parent tells the status, too: that of the last program."""
    run = traced.run("ends/chain.c", "fork", way, "fork", way, "SIGABRT")
    parent, *forked, last = run.trace.named("main")
    assert (parent.how, last.how, last.error) == ("", "killed", "SIGABRT")
    executed = [span for span in run.trace.spans if span.name.startswith("execute")]
    assert {(span.how, span.error) for span in executed} == {("exec", None)}
    # The one in the middle forks, too, and returns.
    assert [(span.how, span.error) for span in forked] == [("", None)]
    assert len({span.pid for span in run.trace.spans}) == 3


SERVER = """
import socket, sys, time
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
connection, _ = server.accept()
connection.recv(9999)
connection.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 1000\\r\\n\\r\\nabc")
time.sleep(120)
"""


@pytest.mark.parametrize("launcher", [[], ["sh", "-c", 'exec "$@"', "sh"], ["env", "env"]],
                         ids=["direct", "sh", "env"])
@pytest.mark.parametrize("name", ["SIGTERM", "SIGKILL"])
def test_exchange_that_is_open_when_a_signal_comes(tmp_path, launcher, name):
    path = tmp_path / "events.jsonl"
    server = subprocess.Popen([tool("telrun"), "-q", "-o", path, *launcher, sys.executable, "-c", SERVER],
                              env=clean_environment(), stdout=subprocess.PIPE)
    try:
        port = int(server.stdout.readline())
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(b"GET /x HTTP/1.1\r\nHost: here\r\n\r\n")
            received = b""
            while not received.endswith(b"abc"):
                received += client.recv(9999)
            pid = wait_for(lambda: process_of(server.pid), "the program")
            subprocess.run(["kill", "-s", name[3:], str(pid)], check=True)
            assert server.wait() == -signal.Signals[name]
    finally:
        server.kill()
        server.stdout.close()
    response, = (event for line in path.read_text().splitlines()
                 if (event := json.loads(line))["event_type"] == "http_response")
    assert response["attributes"]["telinject.http.end"] == "killed"


def process_of(telrun):
    """telrun's program: its child that is not the drain."""
    return next((pid for pid in children_of(telrun) if comm(pid) not in ("telinject-drain", "")), None)
