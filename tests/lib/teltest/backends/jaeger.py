"""Jaeger: OTLP over HTTP and gRPC, asked by the query API that answers in OTLP's JSON (the other one cuts
times to microseconds and makes texts of lists)."""

import json

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from teltest.backends.otlp_service import OtlpService, of_service
from teltest.backends.service import go_steps, http, http_answers, http_json
from teltest.otlp_receiver import parse_json
from teltest.web.processes import free_ports

_MODULE = "github.com/jaegertracing/jaeger/cmd/jaeger"
_CONFIG = """service:
  extensions: [jaeger_storage, jaeger_query]
  pipelines:
    traces: {{receivers: [otlp], processors: [batch], exporters: [jaeger_storage_exporter]}}
  telemetry: {{metrics: {{level: none}}}}
extensions:
  jaeger_query:
    storage: {{traces: memory}}
    http: {{endpoint: 127.0.0.1:{query}}}
    grpc: {{endpoint: 127.0.0.1:{query_grpc}}}
  jaeger_storage:
    backends: {{memory: {{memory: {{max_traces: 100000}}}}}}
receivers:
  otlp: {{protocols: {{grpc: {{endpoint: 127.0.0.1:{grpc}}}, http: {{endpoint: 127.0.0.1:{http}}}}}}}
processors: {{batch: {{}}}}
exporters:
  jaeger_storage_exporter: {{trace_storage: memory}}
"""


class Jaeger(OtlpService):
    NAME, VERSION, PROGRAM = "jaeger", "1.76.0", "jaeger"
    TITLE, HOW = "Jaeger v2", "Go, its own program; without the pages of its UI"
    TAKES = "half an hour to an hour"
    STEPS = go_steps(PROGRAM, _MODULE, ("-tool", f"{_MODULE}@v{VERSION}"))

    def __init__(self, cache, folder):
        super().__init__(cache, folder)
        self.query, self.query_grpc = free_ports(2)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.query}"

    def addresses(self):
        return super().addresses() | {"queries": self.url}

    def command(self):
        config = self.folder / "jaeger.yaml"
        config.write_text(_CONFIG.format(grpc=self.grpc_port, http=self.http_port, query=self.query,
                                         query_grpc=self.query_grpc))
        return [self.program, "--config", f"file:{config}"]

    def ready(self):
        return super().ready() and http_answers(f"{self.url}/api/services")

    def requests_of(self, service, traces):
        found = []
        for trace in traces:
            status, body = http(f"{self.url}/api/v3/traces/{trace}")
            if status == 200:
                request = parse_json(json.dumps(json.loads(body)["result"]), ExportTraceServiceRequest())
                found.append(of_service(request, service))
        return found

    def compare(self, form, name, run):
        problems, count = super().compare(form, name, run)
        service = f"{name}-{form.replace(', ', '-')}"
        if service not in http_json(f"{self.url}/api/services")["data"]:
            problems.append(f"{service} is not in the list of services")
        return problems, count
