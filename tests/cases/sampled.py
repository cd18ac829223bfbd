"""What the cases on tail sampling and the flight recorder share: their program, and how to read a trace of
which parts were left out."""

import http.client
import subprocess
from collections import defaultdict

from teltest.run import APPS, build, clean_environment, tool
from teltest.schema import errors_of

FAILS, IS_SLOW = 7, 8  # of a hundred requests


def program(compiler="gcc"):
    return build("requests", [APPS / "sampling/requests.cpp"], compiler, ("-O0", "-w"))


def environment(into, **settings):
    return clean_environment() | {"TELEMETRY_FILE": str(into), "TELEMETRY_SUMMARY": "never"} | settings


class Served:
    """A program that serves `count` requests, as a child of telrun."""

    def __init__(self, command, count, variables, prefix=()):
        self.process = subprocess.Popen([*prefix, tool("telrun"), *command, "serve", str(count)],
                                        env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.port = int(self.process.stdout.readline())

    def ask(self, numbers):
        """All over one connection; the statuses."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port)
        statuses = []
        for number in numbers:
            connection.request("GET", f"/{number}")
            response = connection.getresponse()
            response.read()
            statuses.append(response.status)
        connection.close()
        return statuses

    def finish(self, timeout=300):
        stdout, stderr = self.process.communicate(timeout=timeout)
        return self.process.returncode, stdout, stderr


def check_events(events, every=1, missing_parents=False):
    """Valid events, numbered without a gap, each end behind its start, each child behind its parent."""
    started, sequence = set(), defaultdict(int)
    for number, event in enumerate(events):
        if number % every == 0:
            assert errors_of(event) == []
        sequence[event["process"]["pid"]] += 1
        assert event["sequence"] == sequence[event["process"]["pid"]]
        span, kind = event["span_id"], event["event_type"]
        if kind in ("function_entry", "http_request"):
            assert span not in started
            started.add(span)
        elif kind in ("function_exit", "http_response"):
            assert span in started, event
        parent = event.get("parent_span_id")
        if not missing_parents and kind == "function_entry" and parent is not None:
            assert parent in started, event
    return started


def name_of(event):
    """Of its function, without the namespace."""
    return event["function_name"].rsplit("::", 1)[-1]


def traces_of(events):
    traces = defaultdict(list)
    for event in events:
        traces[event["trace_id"]].append(event)
    return traces
