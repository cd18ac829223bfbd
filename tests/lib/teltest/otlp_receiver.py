"""A receiver of OTLP over HTTP that decodes with opentelemetry-proto, and keeps what it got."""

import base64
import json
import threading

from google.protobuf import json_format
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from teltest.quiet_http import QuietHandler, QuietServer, unpacked

MESSAGES = {"/v1/traces": ExportTraceServiceRequest, "/v1/logs": ExportLogsServiceRequest,
            "/v1/metrics": ExportMetricsServiceRequest}


def with_binary_ids(document):
    """OTLP's JSON has ids in hexadecimal, protobuf's own in base64."""
    if isinstance(document, dict):
        return {name: base64.b64encode(bytes.fromhex(value)).decode()
                if name in ("traceId", "spanId", "parentSpanId") and isinstance(value, str)
                else with_binary_ids(value) for name, value in document.items()}
    if isinstance(document, list):
        return [with_binary_ids(value) for value in document]
    return document


def parse_json(text, message):
    """Unknown members are errors."""
    return json_format.ParseDict(with_binary_ids(json.loads(text)), message)


class _Handler(QuietHandler):
    def do_POST(self):  # noqa: N802 (its name in the base class)
        status, answer, kind = self.server.owner.take(self.path, self.fields(), self.read_body())
        self.send(status, answer, {"Content-Type": kind})


class OtlpReceiver:
    """A context; `answers` are statuses for the first requests, then each is 200. certificate: (file, key),
    for TLS; client_authority: whose certificates clients must have; paths: others are 404."""

    def __init__(self, answers=(), certificate=None, client_authority=None, paths=tuple(MESSAGES)):
        self.requests, self.headers, self.bodies, self.problems = [], [], [], []
        self.answers = list(answers)
        self.paths = paths
        self.lock = threading.Lock()
        self.server = QuietServer(("127.0.0.1", 0), _Handler, self, certificate, client_authority)
        self.url = f"http{'s' if certificate else ''}://127.0.0.1:{self.server.server_address[1]}"

    def __enter__(self):
        self.server.start()
        return self

    def __exit__(self, *_):
        self.server.stop()

    def take(self, path, headers, body):
        kind = headers.get("content-type", "none")
        if path not in self.paths:
            return 404, b"404 page not found", "text/plain"
        try:
            raw = unpacked(body, headers.get("content-encoding"))
            if kind == "application/json":
                message = parse_json(raw, MESSAGES[path]())
            else:
                assert kind == "application/x-protobuf", kind
                message = MESSAGES[path].FromString(raw)
        except Exception as problem:  # noqa: BLE001 (whatever it is, it fails the test)
            self.problems.append(repr(problem))
            return 400, b"", kind
        with self.lock:
            if self.answers:
                return self.answers.pop(0), b"", kind
            self.requests.append(message)
            self.headers.append(headers)
            self.bodies.append(raw)
        return 200, b"{}" if kind == "application/json" else b"", kind

    @property
    def traces(self):
        assert not self.problems, self.problems
        return [request for request in self.requests if isinstance(request, ExportTraceServiceRequest)]

    @property
    def metrics(self):
        assert not self.problems, self.problems
        return [request for request in self.requests if isinstance(request, ExportMetricsServiceRequest)]

    @property
    def logs(self):
        assert not self.problems, self.problems
        return [request for request in self.requests if isinstance(request, ExportLogsServiceRequest)]
