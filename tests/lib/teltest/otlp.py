"""What OTLP spans have to say of v3 events: the mapping of docs/export.md, written a second time."""

import functools
import re
from collections import defaultdict
from pathlib import Path

GRPC_CODES = ("OK CANCELLED UNKNOWN INVALID_ARGUMENT DEADLINE_EXCEEDED NOT_FOUND ALREADY_EXISTS "
              "PERMISSION_DENIED RESOURCE_EXHAUSTED FAILED_PRECONDITION ABORTED OUT_OF_RANGE UNIMPLEMENTED "
              "INTERNAL UNAVAILABLE DATA_LOSS UNAUTHENTICATED").split()
RENAMED = {"function_file": "code.file.path", "function_line": "code.line.number", "thread_id": "thread.id",
           "thread_name": "thread.name", "module": "telinject.module",
           "mangled_name": "telinject.mangled_name", "function.parameters": "telinject.parameters",
           "caller_function": "telinject.caller.function", "caller_file": "telinject.caller.file",
           "caller_line": "telinject.caller.line", "rpc.system": "rpc.system.name"}
DROPPED = {"span.kind", "exception_raised", "exception_type", "rpc.service"}
KINDS = {"server": 2, "client": 3}
PLATFORMS = {"ec2": "aws_ec2", "ecs": "aws_ecs", "eks": "aws_eks", "lambda": "aws_lambda",
             "gce": "gcp_compute_engine", "gke": "gcp_kubernetes_engine", "aks": "azure.aks",
             "azure_vm": "azure.vm"}
MOST_TEXT_BYTES = 4096


def cut(value):
    if not isinstance(value, str) or len(value.encode()) <= MOST_TEXT_BYTES:
        return value
    return value.encode()[:MOST_TEXT_BYTES].decode(errors="ignore")


def attributes_of(event):
    found = {}
    for name, value in event["attributes"].items():
        if name in DROPPED:
            continue
        if name == "rpc.method":
            value = f"{event['attributes']['rpc.service']}/{value}"
        elif name == "rpc.grpc.status_code":
            name, value = "rpc.response.status_code", GRPC_CODES[value]
        elif ".trailer." in name or name.startswith("curl."):
            name = "telinject." + name
        found[RENAMED.get(name, name)] = cut(value)
    if event.get("function_name"):
        found["code.function.name"] = cut(event["function_name"])
    for side in ("request", "response"):
        headers = ((event.get("http") or {}).get(side) or {}).get("headers") or {}
        for name, value in headers.items():
            found.setdefault(f"http.{side}.header.{name.lower()}", []).append(cut(value))
    agent = ((event.get("http") or {}).get("request") or {}).get("user_agent")
    if agent and agent != "unknown":
        found["user_agent.original"] = cut(agent)
    return found


def exception_of(event):
    error = event["error"]
    facts = {"exception.type": error["type"], "exception.message": error.get("message"),
             "exception.stacktrace": error.get("stacktrace")}
    own = {name: value for name, value in event["attributes"].items() if name.startswith("telinject.")}
    return event["timestamp_ns"], {name: value for name, value in (facts | own).items() if value is not None}


def resource_of(event):
    resource, host, process = event["resource"], event["host"], event["process"]
    cloud, k8s = event["cloud"], event.get("k8s") or {}
    executable = process.get("executable")
    found = {"service.name": event["service"]["name"], "service.version": event["service"]["version"],
             "deployment.environment.name": event["environment"],
             "telemetry.sdk.name": "telinject", "telemetry.sdk.language": "cpp",
             "process.runtime.name": resource["runtime_name"],
             "process.runtime.version": resource["runtime_version"], "os.type": resource["os_type"],
             "os.description": resource["os_description"], "host.name": host["name"],
             "host.ip": [host["ip"]] if "ip" in host else None, "process.pid": process["pid"],
             "process.executable.path": executable,
             "process.executable.name": executable and executable.rsplit("/", 1)[-1],
             "process.command_line": cut(process.get("command_line"))}
    if cloud["provider"] != "local":
        found |= {"cloud.provider": cloud["provider"], "cloud.region": cloud.get("region"),
                  "cloud.availability_zone": cloud.get("availability_zone"),
                  "cloud.account.id": cloud.get("account_id"), "host.id": cloud.get("instance_id"),
                  "host.type": cloud.get("machine_type"), "host.image.id": cloud.get("image_id"),
                  "cloud.platform": PLATFORMS.get(cloud.get("platform"))}
    found |= {"k8s.pod.name": k8s.get("pod_name"), "k8s.namespace.name": k8s.get("namespace_name")}
    return {name: value for name, value in found.items() if value is not None}


def expected_spans(events):
    """{span id: what a span says} of the events of v3 in full detail."""
    starts, exceptions, spans = {}, defaultdict(list), {}
    for event in events:
        kind = event["event_type"]
        if kind in ("function_entry", "http_request"):
            starts[event["span_id"]] = event
        elif kind == "exception_exit":
            exceptions[event["span_id"]].append(exception_of(event))
        elif kind in ("function_exit", "http_response", "tls_connection"):
            spans[event["span_id"]] = expected_span(event, starts.pop(event["span_id"], None),
                                                    exceptions.pop(event["span_id"], []))
    return spans


def expected_span(event, start, exceptions):
    facts = (attributes_of(start) if start else {}) | attributes_of(event)
    error = event.get("error")
    if error:
        facts["error.type"] = error["type"]
        if "stacktrace" in error:
            facts["code.stacktrace"] = error["stacktrace"]
    kind = KINDS.get(event["attributes"].get("span.kind"), 1)
    if event["event_type"] == "function_exit":
        name = event["function_name"]
    else:
        name = event["event"]["name"]
    began = start["timestamp_ns"] if start else event["timestamp_ns"] - event["duration_ns"]
    remote = 0x200 if kind == 2 and event["parent_span_id"] else 0
    return {"trace": event["trace_id"], "parent": event["parent_span_id"] or "", "name": cut(name),
            "kind": kind, "start": began, "end": began + max(event["duration_ns"], 1),
            "status": 2 if error else 0, "message": (error or {}).get("message", ""),
            "flags": int(event["trace_flags"], 16) | 0x100 | remote, "attributes": facts,
            "exceptions": exceptions}


def value_of(value):
    which = value.WhichOneof("value")
    if which == "array_value":
        return [value_of(each) for each in value.array_value.values]
    return getattr(value, which)


def as_dict(attributes):
    found = {each.key: value_of(each.value) for each in attributes}
    assert len(found) == len(attributes), sorted(each.key for each in attributes)
    return found


def spans_of(requests):
    """{span id: what it says} of ExportTraceServiceRequests."""
    spans = {}
    for request in requests:
        for resource in request.resource_spans:
            for scope in resource.scope_spans:
                for span in scope.spans:
                    assert span.span_id.hex() not in spans, "sent twice"
                    spans[span.span_id.hex()] = {
                        "trace": span.trace_id.hex(), "parent": span.parent_span_id.hex(),
                        "name": span.name, "kind": span.kind, "start": span.start_time_unix_nano,
                        "end": span.end_time_unix_nano, "status": span.status.code,
                        "message": span.status.message, "flags": span.flags,
                        "attributes": as_dict(span.attributes),
                        "exceptions": [(event.time_unix_nano, as_dict(event.attributes))
                                       for event in span.events if event.name == "exception"],
                        "scope": scope.scope.name, "state": span.trace_state,
                        "resource": as_dict(resource.resource.attributes)}
    return spans


def differences(events, requests):
    """What spans say otherwise than the events do: [text]; none if they say the same."""
    expected, got = expected_spans(events), spans_of(requests)
    found = [f"{span}: not sent" for span in expected.keys() - got.keys()]
    found += [f"{span}: of no event" for span in got.keys() - expected.keys()]
    for span in expected.keys() & got.keys():
        for what, value in expected[span].items():
            if got[span][what] != value:
                found.append(f"{span}: {what} is {got[span][what]!r}, not {value!r}")
    by_span = {event["span_id"]: event for event in events if "duration_ns" in event}
    for span in expected.keys() & got.keys():
        for name, value in resource_of(by_span[span]).items():
            if got[span]["resource"].get(name) != value:
                had = got[span]["resource"].get(name)
                found.append(f"{span}: resource has {name} {had!r}, not {value!r}")
    return found


_CONSTANT = re.compile(r'^[A-Z0-9_]+\s*:\s*Final\s*=\s*\(?\s*"([^"]+)"\s*\)?\n(?:"""(.*?)""")?',
                       re.MULTILINE | re.DOTALL)


class Conventions:
    """Attribute names of the semantic conventions, as PyPI's opentelemetry-semantic-conventions has them; one
    that takes a key ends before it."""

    def __init__(self):
        import opentelemetry.semconv as package
        from opentelemetry.semconv.schemas import Schemas

        self.schema_url = list(Schemas)[-1].value
        self.stable, self.development, self.deprecated = set(), set(), set()
        for path in (path for folder in package.__path__ for path in Path(folder).rglob("attributes/*.py")):
            incubating = "_incubating" in path.parts
            for name, text in _CONSTANT.findall(path.read_text()):
                # Those that became stable are named there, too, as deprecated.
                kind = self.deprecated if "Deprecated" in text else \
                    self.development if incubating else self.stable
                kind.add(name)
        assert len(self.stable) > 50 and len(self.development) > 300

    def stability_of(self, name):
        if name in self.stable:
            return "stable"
        if name in self.deprecated:
            return "deprecated"
        return "development" if name in self.development else "unknown"


@functools.cache
def conventions():
    return Conventions()


def unknown_names(names):
    """Those that are neither in the semantic conventions nor ours."""
    known = conventions().stable | conventions().development
    keyed = ("http.request.header", "http.response.header", "k8s.pod.label", "k8s.pod.annotation",
             "k8s.namespace.label")
    assert known.issuperset(keyed)
    return {name for name in names if name not in known and not name.startswith("telinject.")
            and not name.startswith(tuple(each + "." for each in keyed))}
