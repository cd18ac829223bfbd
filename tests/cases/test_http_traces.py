"""A trace that goes from one process to another: an instrumented client asks an instrumented server."""

import re

import pytest
from teltest.events import read_events
from teltest.run import APPS, COMPILERS, build, clean_environment, run, tool
from teltest.web.authority import Authority
from teltest.web.exchanges import Exchanges
from teltest.web.processes import Server, free_ports

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


def plain(name):
    """Without what compilers add: an argument list, an ABI tag."""
    return re.sub(r"\(.*|\[abi:.*", "", name)


class Two:
    """The client's run against the server, and what both have written, in one file."""

    def __init__(self, folder, authority, compiler, scheme, paths, traceparent=None, preloaded=False,
                 settings=None):
        server = build("server", [APPS / "http/server.cpp"], compiler, ("-O1",), ("-pthread", "-lssl",
                                                                                  "-lcrypto"))
        client = build("client", [APPS / "http/client.cpp"], compiler, ("-O1",), ("-lcurl",))
        port, = free_ports(1)
        served, asked = folder / "server.jsonl", folder / "client.jsonl"
        environment = clean_environment() | {
            "TELEMETRY_OUTPUT": "file", "TELEMETRY_FILE": str(served), "TELEMETRY_ON_FULL": "block"}
        tls = [authority.certificate, authority.key] if scheme == "https" else []
        self.urls = [f"{scheme}://localhost:{port}{path}" for path in paths]
        with Server([tool("telrun"), "--", server, port, *tls], ("127.0.0.1", port), folder / "server.log",
                    environment) as running:
            self.result = run([client, authority.ca, *self.urls], asked, "preload" if preloaded else "telrun",
                              {"TELEMETRY_ON_FULL": "block"} | (settings or {}),
                              {"TRACEPARENT": traceparent} if traceparent else None, timeout=60)
            assert running.stop() == 0
        self.lines = (folder / "server.log").read_text().splitlines()
        self.path = folder / "both.jsonl"
        self.path.write_bytes(b"".join(each.read_bytes() for each in (asked, served) if each.exists()))
        remote = [tuple(traceparent.split("-")[1:3])] if traceparent else []
        self.found = Exchanges(self.path, remote)
        self.spans = {event["span_id"]: event for event in read_events(self.path)
                      if event["event_type"] in ("function_entry", "http_request")}

    def chain(self, event):
        """Names of the span and all above it, the outermost first; a request by its role."""
        names = []
        while event is not None:
            names.insert(0, event.get("attributes", {}).get("span.kind")
                         if event["event_type"] == "http_request" else event["function_name"])
            event = self.spans.get(event["parent_span_id"])
        return names

    def named(self, name):
        return [event for event in self.spans.values()
                if event["event_type"] == "function_entry" and event.get("function_name") == name]


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("compiler", COMPILERS)
def test_one_trace(tmp_path, authority, compiler, scheme):
    """main, ..., the client's span, the server's, its handler: for each of three requests."""
    two = Two(tmp_path, authority, compiler, scheme, ["/a", "/bc", "/missing"])
    assert (two.result.status, two.result.stderr) == (0, b"")
    assert two.result.stdout == b"200 GET /a 2 0\n200 GET /bc 3 0\n404 \n"
    assert two.lines == ["GET /a 200", "GET /bc 200", "GET /missing 404"]
    assert not two.found.problems and not two.found.orphans and not two.found.losses
    clients, servers = two.found.of("client"), two.found.of("server")
    assert [each.url for each in clients] == two.urls
    assert [each.status for each in clients] == [each.status for each in servers] == [200, 200, 404]
    assert [each.parent for each in servers] == [each.id for each in clients]
    short = ["main", "visit_all", "fetch", "client", "server"]
    handlers = two.named("handle")
    assert [[plain(name) for name in two.chain(event)] for event in handlers] == [[*short, "handle"]] * 3
    assert [[plain(name) for name in two.chain(event)] for event in two.named("look_up")] == \
        [[*short, "handle", "render", "look_up"]] * 2
    trace, = {event["trace_id"] for event in two.named("main") if event["process"]["pid"] == clients[0].pid}
    assert {event["trace_id"] for event in handlers} == {trace}
    # In time, too: what is below lies within what is above.
    for client, server in zip(clients, servers):
        assert client.request["timestamp_ns"] <= server.request["timestamp_ns"]
        assert server.request["timestamp_ns"] <= server.response["timestamp_ns"]


def test_preloaded_alone(tmp_path, authority):
    """The same without telrun around the client."""
    two = Two(tmp_path, authority, "gcc", "https", ["/a"], preloaded=True)
    client, = two.found.of("client")
    server, = two.found.of("server")
    assert (server.parent, server.trace) == (client.id, client.trace)
    assert not two.found.problems and not two.found.orphans


def test_given_trace(tmp_path, authority):
    """A trace that was begun elsewhere goes through both."""
    two = Two(tmp_path, authority, "gcc", "http", ["/a", "/b"], f"00-{TRACE}-{SPAN}-01")
    assert {exchange.trace for exchange in two.found.all} == {TRACE}
    assert {event["trace_id"] for event in two.named("handle")} == {TRACE}
    assert not two.found.problems and not two.found.orphans


def test_given_trace_that_is_not_sampled(tmp_path, authority):
    """The server is told, and writes nothing of these requests: neither their spans nor what it calls for
    them. What it calls besides is its own trace's.
    """
    two = Two(tmp_path, authority, "gcc", "http", ["/a", "/b"], f"00-{TRACE}-{SPAN}-00")
    assert two.lines == ["GET /a 200", "GET /b 200"]
    assert two.found.all == [] and two.named("fetch") == []
    functions = {event["function_name"] for event in two.spans.values()}
    assert functions >= {"main", "serve"}
    assert two.named("handle") == [], functions
    assert TRACE not in {event["trace_id"] for event in two.spans.values()}
    assert not two.found.problems and not two.found.orphans


def test_sampling_is_the_clients(tmp_path, authority):
    """One trace in two is kept by the client; the server keeps the same ones."""
    seen = set()
    for attempt in range(40):  # one in 2^40 sees only one kind
        folder = tmp_path / str(attempt)
        folder.mkdir()
        two = Two(folder, authority, "gcc", "http", ["/a"], settings={"SAMPLE_RATE": "0.5"})
        clients, servers = two.found.of("client"), two.found.of("server")
        assert [each.parent for each in servers] == [each.id for each in clients]
        if clients:
            assert {event["parent_span_id"] for event in two.named("handle")} == {servers[0].id}
        assert not two.found.problems and not two.found.orphans
        seen.add(len(clients))
        if seen == {0, 1}:
            break
    assert seen == {0, 1}
