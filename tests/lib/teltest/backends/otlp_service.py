"""Backends that take OTLP and give back the spans that they keep."""

import json

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from teltest.backends.service import Service, poll, run_sent
from teltest.otlp import differences, expected_spans
from teltest.web.processes import answers, free_ports

ALL_SPANS = {"TELEMETRY_OTLP_TRACE_SPANS": "0", "TELEMETRY_OTLP_SPAN_RATE": "0"}


def otlp_settings(protocol, compression, port):
    return ALL_SPANS | {"TELEMETRY_OUTPUT": "file,otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
                        "OTEL_EXPORTER_OTLP_COMPRESSION": compression,
                        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}"}


def spans_in(requests):
    return sum(len(scope.spans) for request in requests for resource in request.resource_spans
               for scope in resource.scope_spans)


def of_service(request, service):
    """What a request has of a service."""
    return ExportTraceServiceRequest(resource_spans=[
        resource for resource in request.resource_spans
        if any(each.key == "service.name" and each.value.string_value == service
               for each in resource.resource.attributes)])


class OtlpService(Service):
    COUNTS = "spans"
    SETTINGS = {}  # that it needs besides
    # Name: protocol, compression.
    FORMATS = {"protobuf": ("http/protobuf", "none"), "protobuf, gzip": ("http/protobuf", "gzip"),
               "grpc, gzip": ("grpc", "gzip")}

    def __init__(self, cache, folder):
        super().__init__(cache, folder)
        self.http_port, self.grpc_port = free_ports(2)

    def ready(self):
        return answers(("127.0.0.1", self.http_port)) and answers(("127.0.0.1", self.grpc_port))

    def addresses(self):
        return {"OTLP/HTTP": f"http://127.0.0.1:{self.http_port}",
                "OTLP/gRPC": f"http://127.0.0.1:{self.grpc_port}"}

    def requests_of(self, service, traces):
        """What it has now of a service, whose traces have these ids: [ExportTraceServiceRequest]."""
        raise NotImplementedError

    def arrived(self, service, traces):
        """How many spans that are."""
        return spans_in(self.requests_of(service, traces))

    def compare(self, form, name, run):
        """Sends a trace, reads it back; (problems, number of spans)."""
        protocol, compression = self.FORMATS[form]
        service = f"{name}-{form.replace(', ', '-')}"
        port = self.grpc_port if protocol == "grpc" else self.http_port
        lines = run_sent(run, self.folder, service,
                         otlp_settings(protocol, compression, port) | self.SETTINGS)
        events = [json.loads(line) for line in lines]
        traces, count = {event["trace_id"] for event in events}, len(expected_spans(events))
        poll(lambda: self.arrived(service, traces), lambda had: had >= count)
        return differences(events, self.requests_of(service, traces)), count
