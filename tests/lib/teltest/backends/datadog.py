"""Datadog, as far as it runs without an account: the test agent that its tracers are tested with, which takes
OTLP and shows it, and the agent's own code that makes Datadog's spans of OTLP."""

import json
import re
from pathlib import Path

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from teltest.backends.otlp_service import OtlpService, of_service, otlp_settings
from teltest.backends.service import Service, go_steps, http, http_answers, http_json, poll, run_sent
from teltest.otlp import expected_spans
from teltest.otlp_receiver import parse_json
from teltest.web.processes import answers, free_ports


class DatadogTestAgent(OtlpService):
    NAME, VERSION = "datadog-test-agent", "1.69.1"
    TITLE, HOW = "Datadog's test agent", "PyPI, `ddapm-test-agent`"
    PROGRAM, PLACE, TAKES = "venv/bin/ddapm-test-agent", "venv", "a minute"
    SETTINGS = {"OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "1000"}
    NOTE = ("It takes at most 1 MiB in a request. Over gRPC it says so in a partial success, which is final. "
            "So 1,000 spans a request are sent (`OTEL_BSP_MAX_EXPORT_BATCH_SIZE`).")
    STEPS = (("python3", "-m", "venv", "venv"),
             ("venv/bin/pip", "install", "-q", f"ddapm-test-agent=={VERSION}"))

    def __init__(self, cache, folder):
        super().__init__(cache, folder)
        (self.port,) = free_ports(1)

    def command(self):
        return [self.program, "--host", "127.0.0.1", "--port", self.port, "--otlp-http-port", self.http_port,
                "--otlp-grpc-port", self.grpc_port]

    def addresses(self):
        return super().addresses() | {"agent": f"http://127.0.0.1:{self.port}"}

    def ready(self):
        return super().ready() and http_answers(f"http://127.0.0.1:{self.port}/info")

    def compare(self, form, name, run):
        """It gives back all that it has each time: the fewer the better."""
        http(f"http://127.0.0.1:{self.port}/test/session/clear")
        return super().compare(form, name, run)

    def requests_of(self, service, traces):
        found = http_json(f"http://127.0.0.1:{self.http_port}/test/session/traces")
        return [of_service(parse_json(json.dumps(each), ExportTraceServiceRequest()), service)
                for each in found]


# What Datadog's code calls otherwise; it keeps the other attributes under their names.
_RENAMED = {
    "http.request.method": "http.method", "url.full": "http.url", "server.address": "http.server_name",
    "network.protocol.version": "http.version", "http.response.status_code": "http.status_code",
    "http.request.body.size": "http.request.content_length",
    "http.response.body.size": "http.response.content_length"}
_HEADER = re.compile(r"^(http\.request)\.header\.")


class DatadogCode(Service):
    """Spans are Datadog's: other names, 64 bits of the trace id, numbers are doubles."""

    NAME, VERSION, PROGRAM = "datadog-code", "0.85.4", "ddotlp"
    TITLE, HOW = "Datadog's agent: its OTLP receiver", "Go, `pkg/trace` with a main of its own"
    TAKES, COUNTS = "ten minutes", "spans"
    NOTE = ("It keeps the low 64 bits of the trace id, and all of it as `otel.trace_id`; "
            "numbers are doubles, "
            "lists are JSON texts. `http.request.method` becomes `http.method`, `url.full` `http.url`, "
            "`server.address` `http.server_name`, `network.protocol.version` `http.version`, "
            "`http.response.status_code` `http.status_code`, `http.*.body.size` `http.*.content_length`, "
            "`http.request.header.*` `http.request.headers.*`.")
    SOURCES = Path(__file__).parent / "datadog_program"
    STEPS = go_steps(PROGRAM)
    FORMATS = {"grpc": "none", "grpc, gzip": "gzip"}

    def __init__(self, cache, folder):
        super().__init__(cache, folder)
        (self.port,) = free_ports(1)

    def command(self):
        return [self.program, self.port]

    def addresses(self):
        return {"OTLP/gRPC": f"http://127.0.0.1:{self.port}"}

    def ready(self):
        return answers(("127.0.0.1", self.port))

    def compare(self, form, name, run):
        service = f"{name}-{self.FORMATS[form]}"
        lines = run_sent(run, self.folder, service, otlp_settings("grpc", self.FORMATS[form], self.port))
        wanted = expected_spans([json.loads(line) for line in lines])
        found = poll(lambda: self.spans_of(service), lambda had: len(had) >= len(wanted))
        return _differences(wanted, found), len(wanted)

    def spans_of(self, service):
        lines = self.log.read_bytes().splitlines()
        spans = [json.loads(line)["span"] for line in lines
                 if line.startswith(b"{") and line.endswith(b"}") and f'"{service}"'.encode() in line]
        return [span for span in spans if span["service"] == service]


def _differences(wanted, found):
    problems, had = [], {}
    for span in found:
        key = f"{span['span_id']:016x}"
        if key in had:
            problems.append(f"{key}: is there twice")
        had[key] = span
    problems += [f"{key}: of no event" for key in had.keys() - wanted.keys()]
    for key, span in wanted.items():
        if key not in had:
            problems.append(f"{key}: is missing")
            continue
        got, parent = had[key], had[key].get("parent_id")
        facts = {"trace": (f"{got['trace_id']:016x}", span["trace"][16:]),
                 "whole trace id": (got["meta"].get("otel.trace_id"), span["trace"]),
                 "parent": (f"{parent:016x}" if parent else "", span["parent"]),
                 "start": (got["start"], span["start"]),
                 "duration": (got["duration"], span["end"] - span["start"]),
                 "error": (got.get("error", 0), int(span["status"] == 2)),
                 "message": (got["meta"].get("error.msg", ""), span["message"])}
        problems += [f"{key}: {what} is {a!r}, not {b!r}" for what, (a, b) in facts.items() if a != b]
        problems += [f"{key}: {text}" for text in _attribute_differences(got, span["attributes"])]
    return problems


def _attribute_differences(got, attributes):
    texts, numbers = got.get("meta", {}), got.get("metrics", {})
    for name, value in attributes.items():
        name = _HEADER.sub(r"\1.headers.", _RENAMED.get(name, name))
        if isinstance(value, list):
            value = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
        if isinstance(value, bool):
            value = "true" if value else "false"
        number = not isinstance(value, str)
        had = numbers.get(name, texts.get(name)) if number else texts.get(name)
        if had is None or (float(had) != float(value) if number else had != value):
            yield f"{name} is {had!r}, not {value!r}"
