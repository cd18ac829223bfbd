"""The OpenTelemetry Collector: OTLP over HTTP (protobuf and JSON) and gRPC. Its file exporter writes back
what came."""

from pathlib import Path

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from teltest.backends.otlp_service import OtlpService, of_service
from teltest.backends.service import go_steps
from teltest.otlp_receiver import parse_json

_CONFIG = """receivers:
  otlp: {{protocols: {{grpc: {{endpoint: 127.0.0.1:{grpc}}}, http: {{endpoint: 127.0.0.1:{http}}}}}}}
exporters:
  file/traces: {{path: {folder}/traces.json}}
  file/logs: {{path: {folder}/logs.json}}
service:
  telemetry: {{metrics: {{level: none}}}}
  pipelines:
    traces: {{receivers: [otlp], exporters: [file/traces]}}
    logs: {{receivers: [otlp], exporters: [file/logs]}}
"""


class Collector(OtlpService):
    NAME, VERSION, PROGRAM = "collector", "0.161.0", "telcol"
    TITLE, HOW = "OpenTelemetry Collector", "Go, with a main of its own"
    TAKES = "ten minutes"
    SOURCES = Path(__file__).parent / "collector_program"
    STEPS = go_steps(PROGRAM)
    FORMATS = OtlpService.FORMATS | {
        "protobuf, zstd": ("http/protobuf", "zstd"), "json, gzip": ("http/json", "gzip"),
        "grpc": ("grpc", "none")}

    def command(self):
        config = self.folder / "collector.yaml"
        config.write_text(_CONFIG.format(grpc=self.grpc_port, http=self.http_port, folder=self.folder))
        return [self.program, "--config", f"file:{config}"]

    def requests_of(self, service, traces):
        return [of_service(parse_json(line, ExportTraceServiceRequest()), service)
                for line in self._lines(service)]

    def arrived(self, service, traces):
        """Without parsing: that takes seconds."""
        return sum(line.count(b'"spanId":') for line in self._lines(service))

    def _lines(self, service):
        """What the file has of a service: it is written a moment after the answer."""
        path = self.folder / "traces.json"
        return [line for line in (path.read_bytes().splitlines() if path.exists() else [])
                if f'"{service}"'.encode() in line and line.endswith(b"}")]


class FleetCollector(Collector):
    """With the exporter that balances load and the processor that samples tails: only to be built."""

    PROGRAM, TAKES = "telcol-fleet", "twenty minutes"
    STEPS = go_steps(PROGRAM, tags="fleet")
