"""One good event of each kind, after the Telemetry v3 specification's own examples (with their
mistakes corrected), and small streams of them. Tests break them, one thing at a time.
"""

import copy

from teltest.tree import check_events

TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"
PARENT = "a1b2c3d4e5f6a7b8"
TIME = 1762197341499000000
TIME_TEXT = "2025-11-03T19:15:41.499Z"

_AWS = {"provider": "aws", "region": "us-east-1", "availability_zone": "us-east-1a",
        "account_id": "123456789012", "instance_id": "i-0b123456789abcdef",
        "machine_type": "t3.large", "image_id": "ami-0ff8a91507f77f867", "platform": "ec2",
        "metadata_source": "IMDSv2"}

_K8S = {"cluster_name": "prod-cluster-1", "namespace_name": "default",
        "namespace_labels": {"team": "platform"}, "pod_name": "data-fetcher-7d4c8f9b-xk2j9",
        "pod_uid": "a1b2c3d4-e5f6-7890-abcd-ef1234567890",
        "pod_labels": {"app": "data-fetcher", "version": "v1.0.0"},
        "pod_annotations": {"prometheus.io/scrape": "true"}, "pod_phase": "Running",
        "pod_ip": "10.244.1.5", "host_ip": "172.31.45.67", "container_name": "main",
        "container_id": "abc123def456", "node_name": "node-1", "deployment_name": "data-fetcher",
        "replicaset_name": "data-fetcher-7d4c8f9b", "service_account_name": "default",
        "services": ["data-fetcher", "data-fetcher-internal"], "cpu_request": "500m",
        "cpu_limit": "1", "memory_request": "256Mi", "memory_limit": "512Mi"}

_ENVELOPE = {
    "schema": {"format": "telemetry.v3", "version": "3.0.0"},
    "timestamp": TIME_TEXT, "timestamp_ns": TIME, "sequence": 5,
    "event_type": "", "severity": "INFO",
    "trace_id": TRACE, "span_id": SPAN, "parent_span_id": PARENT,
    "trace_flags": "01", "sample_rate": 1.0, "message": "", "event": {}, "attributes": {},
    "service": {"name": "data-fetcher", "version": "1.0.0"}, "environment": "prod",
    "resource": {"telemetry_sdk_name": "custom-injector", "telemetry_sdk_version": "3.0.0",
                 "runtime_name": "cpp", "runtime_version": "GNU C++17 12.2.0 -O2 -g",
                 "os_type": "linux", "os_description": "Linux 6.14.0-34-generic"},
    "cloud": {"provider": "local", "metadata_source": "none"},
    "host": {"name": "ip-172-31-23-45.ec2.internal", "ip": "172.31.23.45"},
    "process": {"pid": 3421, "executable": "/usr/bin/fetcher", "command_line": "fetcher --all"},
    "correlation_id": "func_b7ad6b71",
}


def _event(event_type, message, name, category, kind, **fields):
    event = copy.deepcopy(_ENVELOPE)
    event |= {"event_type": event_type, "message": message,
              "event": {"name": name, "category": category, "type": kind}}
    return event | fields


PROCESS_REF, FUNCTION_REF = "5ba3e8f17c1d2e44", "6cb4f9028d2e3f55"


def lean(event):
    """As TELEMETRY_DETAIL=lean has an event: what it shares with others is left out."""
    shared = {"schema", "trace_flags", "sample_rate", "service", "environment", "resource", "cloud",
              "host", "k8s", "process"}
    event = {name: value for name, value in event.items() if name not in shared}
    event["process_ref"] = PROCESS_REF
    if event["event_type"] in ("function_entry", "function_exit"):
        for name in ("message", "event", "correlation_id"):
            del event[name]
        event["attributes"] = {name: value for name, value in event["attributes"].items()
                               if name in _THREAD or name.startswith("telinject.")}
        event["function_ref"] = FUNCTION_REF
    return event


_DURATION = {"duration_ns": 345678000, "duration_ms": 345.678}
_CALL = {"function.parameters": "user_id, include_profile", "function_file": "/app/fetch.cpp",
         "function_line": 17, "caller_function": "main", "caller_file": "/app/main.cpp",
         "caller_line": 42, "module": "/usr/bin/fetcher", "mangled_name": "_Z10fetch_dataib",
         "thread_id": 3421, "thread_name": "fetcher"}
_THREAD = {"thread_id": 3421, "thread_name": "fetcher"}


def good_events():
    """{name: event}: every event type, and variants that must be valid too. Fresh copies."""
    exit_message = "Function 'fetch_data' exit (345.68ms)"
    events = {
        "function_entry": _event(
            "function_entry", "Function 'fetch_data' entry", "fetch_data", "code", "start",
            function_name="fetch_data", attributes=dict(_CALL)),
        "function_exit": _event(
            "function_exit", exit_message, "fetch_data", "code", "end",
            function_name="fetch_data", attributes=dict(_CALL), **_DURATION),
        "http_request": _event(
            "http_request", "POST https://api.example.com/users", "POST", "network", "start",
            function_name="fetch_data", span_id="c8d9e1f2a3b4c5d6", correlation_id="http_c8d9e1f2",
            attributes=_THREAD | {"http.request.method": "POST", "server.port": 443},
            http={"request": {"method": "POST", "url": "https://api.example.com/users?id=7#top",
                              "headers": {"User-Agent": "MyApp/1.0", "Authorization": "REDACTED",
                                          "set-cookie": "REDACTED"},
                              "body_bytes": 120, "user_agent": "MyApp/1.0"}}),
        "http_response": _event(
            "http_response", "200 from https://api.example.com/users", "POST", "network", "end",
            span_id="c8d9e1f2a3b4c5d6", correlation_id="http_c8d9e1f2", attributes=dict(_THREAD),
            http={"response": {"status_code": 200, "headers": {"Content-Type": "application/json"},
                               "body_bytes": 1024, "content_type": "application/json"}},
            **_DURATION),
        "tls_connection": _event(
            "tls_connection", "TLS connection, not decrypted: api.example.com (1.50ms)", "TLS",
            "network", "end", span_id="d8d9e1f2a3b4c5d6", correlation_id="tls_d8d9e1f2",
            attributes=_THREAD | {"server.address": "api.example.com", "span.kind": "client",
                                  "telinject.tls.sent_bytes": 517,
                                  "telinject.tls.received_bytes": 4096},
            **_DURATION),
        "database_query": _event(
            "database_query", "SELECT from users", "SELECT users", "database", "start",
            correlation_id="db_b7ad6b71",
            attributes=_THREAD | {"db.system": "postgresql",
                                  "db.statement": "SELECT * FROM users WHERE id = ?"}),
        "database_result": _event(
            "database_result", "3 rows", "SELECT users", "database", "end",
            correlation_id="db_b7ad6b71", attributes=_THREAD | {"db.rows_returned": 3},
            **_DURATION),
        "exception_entry": _event(
            "exception_entry", "try block", "fetch_data", "error", "start",
            function_name="fetch_data", attributes={"exception_type": "std::exception"}),
        "exception_exit": _event(
            "exception_exit", "std::runtime_error thrown", "fetch_data", "error", "end",
            severity="ERROR", function_name="fetch_data", correlation_id="exc_b7ad6b71",
            attributes={"exception_raised": True, "exception_type": "std::runtime_error"},
            error={"type": "std::runtime_error", "message": "Connection timeout after 30s",
                   "stacktrace": "#0 fetch_data (fetch.cpp:42) fetcher+0x1234"}),
        "variable_change": _event(
            "variable_change", "x = 7", "x", "code", "change", severity="DEBUG",
            attributes={"variable_name": "x", "value": "7", "value_type": "int"}),
        "loop_entry": _event("loop_entry", "loop", "loop", "code", "start",
                             correlation_id="loop_b7ad6b71", attributes={"loop_type": "for"}),
        "loop_iteration": _event("loop_iteration", "iteration 3", "loop", "code", "info",
                                 severity="DEBUG", attributes={"iteration_count": 3}),
        "loop_exit": _event("loop_exit", "loop ends", "loop", "code", "end",
                            attributes={"total_iterations": 10}, **_DURATION),
        "conditional_entry": _event("conditional_entry", "if", "if", "code", "start",
                                    attributes={"condition_type": "if", "condition": "x > 0"}),
        "conditional_exit": _event("conditional_exit", "branch", "if", "code", "end",
                                   attributes={"branch_taken": True}),
        "telemetry_loss": _event(
            "telemetry_loss", "17 calls were not recorded (queue_full)", "telemetry_loss", "code",
            "info", severity="WARN", parent_span_id=None, correlation_id="loss_b7ad6b71",
            attributes={"telinject.loss_reason": "queue_full", "telinject.lost_calls": 17}),
    }
    shared = _event(
        "telemetry_process", "What the events of a process share", "telemetry_process", "code",
        "info", parent_span_id=None, span_id=PROCESS_REF, trace_id="1" * 32,
        correlation_id="ref_" + PROCESS_REF[:8])
    function = _event(
        "telemetry_function", "What the calls of a function from one place share",
        "telemetry_function", "code", "info", parent_span_id=None, span_id=FUNCTION_REF,
        trace_id="2" * 32, correlation_id="ref_" + FUNCTION_REF[:8], function_name="fetch_data",
        attributes={name: value for name, value in _CALL.items() if name not in _THREAD})
    events |= {"telemetry_process": shared, "telemetry_function": lean(function)}
    exit_event = events["function_exit"]
    request, response = events["http_request"], events["http_response"]
    variants = {
        "lean entry": lean(events["function_entry"]),
        "lean exit": lean(exit_event),
        "lean loss": lean(events["telemetry_loss"]),
        "root": exit_event | {"parent_span_id": None},
        "not sampled": exit_event | {"trace_flags": "00", "sample_rate": 0},
        "unwound": exit_event | {"attributes": _CALL | {"telinject.exit": "unwound",
                                                        "telinject.duration_bound": "upper"}},
        "waited": exit_event | {"attributes": _CALL | {"telinject.waited_ns": 12345}},
        "delayed": exit_event | {"attributes": _CALL | {"telinject.not_running_ns": 3000000}},
        "preempted": exit_event | {"attributes": _CALL | {"telinject.preempted_ns": 12345}},
        "lacks calls": exit_event | {"attributes": _CALL | {"telinject.lost_calls": 7}},
        "killed": exit_event | {"severity": "ERROR",
                                "attributes": _CALL | {"telinject.exit": "killed"},
                                "error": {"type": "SIGSEGV", "message": "Segmentation fault"}},
        "thrown": exit_event | {"severity": "ERROR",
                                "error": {"type": "DatabaseConnectionError", "message": "x" * 200,
                                          "stacktrace": "y" * 2000}},
        "in a cloud": exit_event | {"cloud": dict(_AWS), "k8s": copy.deepcopy(_K8S),
                                    "host": {"name": "h", "ip": "172.31.23.45",
                                             "public_ip": "2001:db8::1"}},
        "google": exit_event | {"cloud": {"provider": "gcp", "region": "us-central1",
                                          "image_id": "debian-12", "platform": "gce",
                                          "metadata_source": "metadata_server"}},
        "azure": exit_event | {"cloud": {"provider": "azure", "region": None,
                                         "availability_zone": None, "platform": "azure_vm",
                                         "metadata_source": "metadata_server"}},
        "eks": exit_event | {"cloud": {"provider": "aws", "platform": "eks",
                                       "metadata_source": "env"}},
        "no parameters": events["function_entry"] | {"attributes": {"function.parameters": ""}},
        "operator": exit_event | {"function_name": "Shape::operator()",
                                  "message": "Function 'Shape::operator()' exit (0.00ms)"},
        "unknown attribute": exit_event | {"attributes": _CALL | {"shop.basket": [1, {"a": None}]}},
        "own environment": exit_event | {"environment": "qa-7"},
        "url with credentials": request | {"http": {"request": request["http"]["request"] | {
            "url": "http://REDACTED:REDACTED@proxy.local:8080/a@b?x=y@z"}}},
        "no response": response | {
            "severity": "ERROR", "error": {"type": "ECONNREFUSED", "message": "refused"},
            "http": {"response": {"headers": {}, "body_bytes": 0, "content_type": "unknown"}}},
        "slow": response | {"severity": "WARN"},
        "failed query": events["database_result"] | {
            "severity": "ERROR", "attributes": {}, "error": {"type": "42P01", "message": "no table"}},
    }
    return copy.deepcopy(events | variants)


class Stream:
    """Builds a valid stream of function events call by call; the clock advances by a microsecond."""

    def __init__(self, pid=100, time=TIME):
        self.events = []
        self.time = time
        self.pid = pid
        self._sequence = {}
        self._spans = 0
        self._templates = good_events()

    def _stamp(self, event, pid, thread):
        self._sequence[pid] = self._sequence.get(pid, 0) + 1
        self.time += 1000
        text = TIME_TEXT[:-4] + f"{self.time // 1_000_000 % 1000:03d}Z"
        event |= {"timestamp": text, "timestamp_ns": self.time, "sequence": self._sequence[pid]}
        event["process"] = dict(event["process"], pid=pid)
        event["attributes"] = dict(event["attributes"], thread_id=thread)
        self.events.append(event)
        return event

    def enter(self, name, parent=None, thread=1, pid=None, trace=TRACE):
        """`parent` is what enter() returned for the caller."""
        self._spans += 1
        event = copy.deepcopy(self._templates["function_entry"])
        span = f"{self._spans:016x}"
        event |= {"function_name": name, "message": f"Function '{name}' entry", "span_id": span,
                  "parent_span_id": parent["span_id"] if parent else None, "trace_id": trace,
                  "correlation_id": f"func_{self._spans:08x}"}
        event["event"]["name"] = name
        return self._stamp(event, pid or self.pid, thread)

    def leave(self, entry, how=None, error=None):
        event = copy.deepcopy(entry)
        event["event_type"] = "function_exit"
        event["event"]["type"] = "end"
        if how:
            event["attributes"]["telinject.exit"] = how
        if error:
            event |= {"severity": "ERROR", "error": {"type": error, "message": error}}
        self._stamp(event, entry["process"]["pid"], entry["attributes"]["thread_id"])
        duration = event["timestamp_ns"] - entry["timestamp_ns"]
        name = entry["function_name"]
        event |= {"duration_ns": duration, "duration_ms": duration / 1e6,
                  "message": f"Function '{name}' exit ({duration / 1e6:.2f}ms)"}
        return event

    def add(self, kind, parent=None, thread=1, pid=None, **fields):
        """An event of another kind, in the span of `parent` unless told otherwise."""
        event = self._templates[kind] | fields
        event = copy.deepcopy(event)
        if parent is not None and "span_id" not in fields:
            event |= {"span_id": parent["span_id"], "parent_span_id": parent["parent_span_id"]}
        return self._stamp(event, pid or self.pid, thread)


def program():
    """main calls f, which calls g twice, then main calls h."""
    stream = Stream()
    main = stream.enter("main")
    f = stream.enter("f", main)
    for _ in range(2):
        stream.leave(stream.enter("g", f))
    stream.leave(f)
    stream.leave(stream.enter("h", main))
    stream.leave(main)
    return stream


def kinds(stream, **options):
    """Of the problems that tree.py finds."""
    return check_events(stream.events, **options).problems.kinds
