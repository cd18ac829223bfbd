"""Nothing is emitted that the registry (shim/events/registry) does not have: in v3, in OTLP, in documents of
Elasticsearch; and the registry's names are those of OpenTelemetry and of the Elastic Common Schema.

Every event of every case is held against the registry (teltest.schema). Here are the other outputs, of
programs that do what most do not: exceptions, a crash, HTTP as client and as server.
"""

import json
import re
import socket
import ssl
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from teltest import ecs, otlp, schema
from teltest.backends import programs
from teltest.otlp_receiver import OtlpReceiver
from teltest.receiver import Receiver, Say
from teltest.run import REPOSITORY, clean_environment, run

TYPES = {"string": str, "string[]": list, "int": int, "double": float, "boolean": bool}
# What the mapping of a field takes.
MAPPED = {"keyword": str, "wildcard": str, "match_only_text": str, "ip": str, "date_nanos": str, "long": int,
          "double": float, "flattened": dict, "flat_object": dict}


@pytest.fixture(scope="module")
def registry(build):
    return json.loads(subprocess.run([build / "bin/telinject", "schema", "--json"], capture_output=True,
                                     check=True).stdout)


def taken(_):
    return Say(200, b'{"errors":false,"items":[]}')


class Everything:
    """What came of all programs."""

    def __init__(self, folder):
        self.events, self.documents, self.traces, self.logs, self.metrics = [], [], [], [], []
        for name in ("exceptions", "crash", "http"):
            file = folder / f"{name}.jsonl"
            with Receiver(taken) as elastic, OtlpReceiver() as collector:
                programs.ALL[name](clean_environment() | {
                    "TELEMETRY_OUTPUT": "file,http,otlp", "TELEMETRY_FILE": str(file),
                    "RECEIVER_URL": elastic.url, "TELEMETRY_RECEIVER_FORMAT": "elasticsearch",
                    "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_LOGS_EXPORTER": "otlp",
                    "TELEMETRY_SPOOL_DIR": str(folder), "TELEMETRY_SUMMARY": "never"})
            self.events += [json.loads(line) for line in file.read_bytes().splitlines()]
            self.documents += [json.loads(line) for body in elastic.bodies
                               for line in body.splitlines()[1::2]]
            self.traces += collector.traces
            self.logs += collector.logs
            self.metrics += collector.metrics


@pytest.fixture(scope="module")
def everything(tmp_path_factory):
    return Everything(tmp_path_factory.mktemp("everything"))


def test_events(everything):
    assert {"function_exit", "http_response", "exception_exit"} <= {
        event["event_type"] for event in everything.events}
    for event in everything.events:
        assert schema.errors_of(event) == []


def test_metrics(everything, registry):
    registered = {row["otel"]: row for row in registry["metrics"]}
    seen = set()
    for request in everything.metrics:
        for scope in (scope for resource in request.resource_metrics for scope in resource.scope_metrics):
            for metric in scope.metrics:
                row = registered[metric.name]
                kind = "sum" if metric.HasField("sum") else "histogram"
                assert (kind, metric.unit, scope.scope.name, metric.description) \
                    == (row["kind"], row["unit"], row["scope"], row["help"])
                seen.add(metric.name)
    assert {"function.calls", "function.duration", "http.client.request.duration", "telemetry.errors"} <= seen


class _Answers(BaseHTTPRequestHandler):
    """/again sends one elsewhere; all else has more header fields than are recorded."""

    def do_GET(self):  # noqa: N802 (its name in the base class)
        self.send_response(302 if self.path == "/again" else 200)
        self.send_header("Location", "/many")
        self.send_header("Content-Length", "0")
        for number in range(0 if self.path == "/again" else 90):
            self.send_header(f"X-Field-{number}", "v" * 500)
        self.end_headers()

    def log_message(self, *_):
        pass


def _client_hello():
    hello = ssl.MemoryBIO()
    context = ssl.create_default_context()
    context.set_alpn_protocols(["h2", "http/1.1"])
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), hello, server_hostname="shop.example").do_handshake()
    return hello.read()


def test_rare_attributes(tmp_path):
    """Of redirections, of header blocks that are too large, of TLS that is not decrypted."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}/again"
        done = run(["curl", "-sL", url], tmp_path / "redirect.jsonl")
        last = [event for event in done.events() if event["event_type"] == "http_response"][-1]["attributes"]
        server.shutdown()
    assert last["http.request.resend_count"] == last["curl.redirects"] == 1
    assert last["telinject.http.truncated"] is True
    with socket.create_server(("127.0.0.1", 0)) as listener:
        script = f"import socket; s = socket.create_connection({listener.getsockname()!r})\n" \
            f"s.sendall({_client_hello()!r})"
        done = run(["/usr/bin/python3", "-c", script], tmp_path / "tls.jsonl")
    (event,) = done.events()
    assert event["attributes"]["telinject.tls.offered_version"] == "1.3"
    assert event["attributes"]["telinject.tls.offered_protocols"] == "h2,http/1.1"
    assert event["attributes"]["server.address"] == "shop.example"


def test_attributes_of_otlp(everything, registry):
    types = {row["otel"]: row["type"] for row in registry["attributes"] if row["otel"]}
    wild = {name[:-1]: kind for name, kind in types.items() if name.endswith(".*")}

    def check(attributes):
        for name, value in otlp.as_dict(attributes).items():
            kind = types.get(name) or next(
                (kind for start, kind in wild.items() if name.startswith(start)), None)
            assert kind is not None, f"{name} is not registered"
            assert type(value) is TYPES[kind], f"{name}: {value!r} is no {kind}"

    assert everything.traces and everything.logs
    for request in everything.traces:
        for resource in request.resource_spans:
            check(resource.resource.attributes)
            for span in (span for scope in resource.scope_spans for span in scope.spans):
                check(span.attributes)
                for event in span.events:
                    check(event.attributes)
    for request in everything.logs:
        for resource in request.resource_logs:
            check(resource.resource.attributes)
            for record in (record for scope in resource.scope_logs for record in scope.log_records):
                check(record.attributes)


def test_instance_ids(everything):
    """A UUID each, for each process."""
    ids = {}
    for request in everything.traces:
        for resource in request.resource_spans:
            facts = otlp.as_dict(resource.resource.attributes)
            ids.setdefault(facts["service.instance.id"], set()).add(facts["process.pid"])
    assert len(ids) >= 4
    for name, processes in ids.items():
        assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", name)
        assert len(processes) == 1


def test_documents_are_of_ecs(everything):
    assert len(everything.documents) == len(everything.events)
    for document in everything.documents:
        assert list(ecs.problems(document)) == [], document


def mapped(properties, prefix=""):
    """{field: type} of a mapping."""
    found = {}
    for name, each in properties.items():
        if "type" in each and isinstance(each["type"], str):
            found[prefix + name] = each["type"]
        found |= mapped(each.get("properties", {}), f"{prefix}{name}.")
    return found


@pytest.mark.parametrize("name", ["elasticsearch", "opensearch"])
def test_documents_fit_the_template(everything, name):
    assert everything.documents
    template = json.loads((REPOSITORY / f"contrib/elastic/{name}-template.json").read_text())
    fields = mapped(template["template"]["mappings"]["properties"])
    for document in everything.documents:
        for field, value in ecs.leaves(document):
            assert field in fields, f"{field} is not in the template"
            for each in value if isinstance(value, list) else [value]:
                assert type(each) is MAPPED[fields[field]], f"{field}: {each!r} is no {fields[field]}"


def test_fields_have_the_types_of_ecs(registry):
    for row in registry["attributes"]:
        for field, kind in row["ecs"].items():
            if not field.startswith("telinject."):
                definition = ecs.definitions()[field]
                words = [each["name"].rpartition(".")[2] for each in definition.get("multi_fields") or ()]
                wanted = "+".join([definition["type"], *words])
                assert kind == {"date": "date_nanos"}.get(wanted, wanted), field


def test_names_are_those_of_the_conventions(registry):
    """And as stable as the registry says."""
    conventions = otlp.conventions()
    assert registry["schema_url"] == conventions.schema_url
    for row in registry["attributes"]:
        name = row["otel"].removesuffix(".*")
        if not name or name.startswith("telinject."):
            continue
        assert conventions.stability_of(name) == row["stability"], name


def test_names_are_printed(build, registry):
    lines = subprocess.run([build / "bin/telinject", "schema", "--otel"], capture_output=True, check=True,
                           text=True).stdout.splitlines()
    assert len(lines) == len(set(lines))
    assert set(lines) == {row["otel"] for row in registry["attributes"]} - {""}
