"""What receivers' formats make of an event, written a second time: as documents, to compare with."""

import json
import time


def flat(document):
    """Nested objects as names with dots, values as text; what is null or empty is left out."""
    found = {}

    def walk(prefix, value):
        if isinstance(value, dict):
            for name, inner in value.items():
                walk(f"{prefix}.{name}" if prefix else name, inner)
        elif isinstance(value, bool):
            found[prefix] = "true" if value else "false"
        elif isinstance(value, list):
            found[prefix] = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
        elif value is not None:
            found[prefix] = value if isinstance(value, str) else json.dumps(value)

    walk("", document)
    return found


_CATEGORY = {"code": "process", "error": "process", "auth": "authentication"}


def ecs_document(event):
    """Of the Elastic Common Schema, by names with dots."""
    attributes, http = event["attributes"], event.get("http") or {}
    request, response = http.get("request") or {}, http.get("response") or {}
    error, k8s = event.get("error") or {}, event.get("k8s") or {}
    peer = "destination" if attributes.get("span.kind") == "client" else "source"
    agent = request.get("user_agent")
    method = request.get("method") or attributes.get("http.request.method")
    seconds, nanoseconds = divmod(event["timestamp_ns"], 10**9)
    moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    document = {
        "@timestamp": f"{moment}.{nanoseconds:09}Z", "message": event["message"], "ecs.version": "9.4.0",
        "trace.id": event["trace_id"], "span.id": event["span_id"],
        "event.kind": "event", "event.action": event["event_type"], "event.sequence": event["sequence"],
        "event.category": [_CATEGORY.get(event["event"]["category"], event["event"]["category"])],
        "event.type": [event["event"]["type"]], "event.duration": event.get("duration_ns"),
        "event.outcome": ("failure" if error else "success") if "duration_ns" in event else None,
        "event.module": "telinject", "event.dataset": "telinject.events",
        "error.type": error.get("type"), "error.message": error.get("message"),
        "error.stack_trace": error.get("stacktrace"),
        "log.level": event["severity"].lower(), "log.origin.function": event.get("function_name"),
        "log.origin.file.name": attributes.get("function_file"),
        "log.origin.file.line": attributes.get("function_line"),
        "process.pid": event["process"]["pid"], "process.executable": event["process"]["executable"],
        "process.command_line": event["process"]["command_line"],
        "process.thread.id": attributes.get("thread_id"),
        "process.thread.name": attributes.get("thread_name"),
        "service.name": event["service"]["name"], "service.version": event["service"]["version"],
        "service.environment": event["environment"], "host.name": event["host"]["name"],
        "host.ip": [event["host"]["ip"]] if event["host"].get("ip") else None,
        "host.os.type": event["resource"]["os_type"], "host.os.full": event["resource"]["os_description"],
        "container.id": k8s.get("container_id"),
        "url.full": attributes.get("url.full"), "url.path": attributes.get("url.path"),
        "url.query": attributes.get("url.query"), "url.scheme": attributes.get("url.scheme"),
        "network.protocol": attributes.get("network.protocol.name"),
        "network.transport": attributes.get("network.transport"),
        "server.address": attributes.get("server.address"), "server.port": attributes.get("server.port"),
        f"{peer}.address": attributes.get("network.peer.address"),
        f"{peer}.ip": attributes.get("network.peer.address") if attributes.get("network.transport") == "tcp"
        else None,
        f"{peer}.port": attributes.get("network.peer.port"),
        "http.request.method": method if http else None,
        "http.request.body.bytes": request.get("body_bytes"),
        "http.response.status_code": response.get("status_code"),
        "http.response.body.bytes": response.get("body_bytes"),
        "user_agent.original": None if agent == "unknown" else agent,
    }
    ours = {"parent_span_id": event.get("parent_span_id"), "sample_rate": event["sample_rate"],
            "trace_flags": event["trace_flags"], "correlation_id": event.get("correlation_id"),
            "attributes": attributes,
            "headers": {"request": request.get("headers"), "response": response.get("headers")}}
    return document | {"telinject": ours}


def datadog_log(event):
    """Of Datadog's logs: flat."""
    error, http = event.get("error") or {}, event.get("http") or {}
    request, response = http.get("request") or {}, http.get("response") or {}
    return {
        "ddsource": "telinject", "service": event["service"]["name"], "message": event["message"],
        "hostname": event["host"]["name"], "status": event["severity"].lower(),
        "dd.trace_id": event["trace_id"], "dd.span_id": str(int(event["span_id"], 16)),
        "span_id": event["span_id"], "parent_span_id": event.get("parent_span_id"),
        "timestamp_ns": str(event["timestamp_ns"]), "event_type": event["event_type"],
        "sequence": event["sequence"], "function_name": event.get("function_name"),
        "duration": event.get("duration_ns"), "error.kind": error.get("type"),
        "error.message": error.get("message"), "error.stack": error.get("stacktrace"),
        "http.method": request.get("method"), "http.url": request.get("url"),
        "http.status_code": response.get("status_code"), "process.pid": event["process"]["pid"],
    } | dict(event["attributes"])
