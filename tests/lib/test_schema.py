"""The schema accepts one good event of each type and rejects each of many single mistakes."""

import json

import jsonschema_rs
import pytest
from teltest import schema
from teltest.examples import good_events

GOOD = good_events()
REMOVE = object()

ENVELOPE = ["schema", "timestamp", "timestamp_ns", "sequence", "event_type", "severity", "trace_id",
            "span_id", "parent_span_id", "trace_flags", "sample_rate", "message", "event",
            "attributes", "service", "environment", "resource", "cloud", "host", "process",
            "correlation_id"]

# (what is wrong, the event to start from, path, value). One violation each.
BAD = [
    ("seed's 31-digit trace id", "function_exit", "trace_id", "0af7651916cd43dd8448eb211c80319"),
    ("seed's 16-digit trace id", "function_exit", "trace_id", "f1e2d3c4b5a69788"),
    ("trace id of zeros", "function_exit", "trace_id", "0" * 32),
    ("trace id in capitals", "function_exit", "trace_id", "0AF7651916CD43DD8448EB211C80319C"),
    ("trace id not hexadecimal", "function_exit", "trace_id", "g" * 32),
    ("trace id null", "function_exit", "trace_id", None),
    ("span id of zeros", "function_exit", "span_id", "0" * 16),
    ("span id too long", "function_exit", "span_id", "b7ad6b71692033310"),
    ("span id with a newline", "function_exit", "span_id", "b7ad6b7169203331\n"),
    ("parent of zeros", "function_exit", "parent_span_id", "0" * 16),
    ("parent empty", "function_exit", "parent_span_id", ""),
    ("random flag of level 2", "function_exit", "trace_flags", "03"),
    ("flags a number", "function_exit", "trace_flags", 1),
    ("seed's timestamp with +00:00", "function_exit", "timestamp", "2025-11-03T19:15:41.499+00:00"),
    ("timestamp without decimals", "function_exit", "timestamp", "2025-11-03T19:15:41Z"),
    ("timestamp in microseconds", "function_exit", "timestamp", "2025-11-03T19:15:41.499123Z"),
    ("timestamp with a space", "function_exit", "timestamp", "2025-11-03 19:15:41.499Z"),
    ("month 13", "function_exit", "timestamp", "2025-13-03T19:15:41.499Z"),
    ("hour 24", "function_exit", "timestamp", "2025-11-03T24:15:41.499Z"),
    ("timestamp_ns a text", "function_exit", "timestamp_ns", "1762197341499000000"),
    ("timestamp_ns negative", "function_exit", "timestamp_ns", -1),
    ("timestamp_ns a fraction", "function_exit", "timestamp_ns", 1.5),
    ("timestamp_ns beyond 63 bits", "function_exit", "timestamp_ns", 2**63),
    ("sequence 0", "function_exit", "sequence", 0),
    ("format of v2", "function_exit", "schema/format", "telemetry.v2"),
    ("version of v2", "function_exit", "schema/version", "2.0.0"),
    ("schema without version", "function_exit", "schema/version", REMOVE),
    ("unknown event type", "function_exit", "event_type", "error"),
    ("unknown severity", "function_exit", "severity", "FATAL"),
    ("severity in lower case", "function_exit", "severity", "info"),
    ("WARN on a function", "function_exit", "severity", "WARN"),
    ("INFO on a loop iteration", "loop_iteration", "severity", "INFO"),
    ("INFO on an exception", "exception_exit", "severity", "INFO"),
    ("INFO on a loss", "telemetry_loss", "severity", "INFO"),
    ("ERROR without error", "function_exit", "severity", "ERROR"),
    ("error without ERROR", "killed", "severity", "INFO"),
    ("error on an entry", "function_entry", "error", {"type": "x", "message": ""}),
    ("exception without error", "exception_exit", "error", REMOVE),
    ("error without type", "killed", "error/type", REMOVE),
    ("error without message", "killed", "error/message", REMOVE),
    ("error with a code", "killed", "error/code", 11),
    ("message of 201 characters", "killed", "error/message", "x" * 201),
    ("stack of 2001 characters", "thrown", "error/stacktrace", "x" * 2001),
    ("seed's null stack", "thrown", "error/stacktrace", None),
    ("sample rate 1.1", "function_exit", "sample_rate", 1.1),
    ("sample rate negative", "function_exit", "sample_rate", -0.1),
    ("sample rate in percent", "function_exit", "sample_rate", "100%"),
    ("entry with duration null, as the seed's template", "function_entry", "duration_ns", None),
    ("duration on an entry", "function_entry", "duration_ms", 1.0),
    ("duration on a request", "http_request", "duration_ns", 1),
    ("duration on an iteration", "loop_iteration", "duration_ns", 1),
    ("exit without duration_ms", "function_exit", "duration_ms", REMOVE),
    ("exit without duration_ns", "function_exit", "duration_ns", REMOVE),
    ("response without duration", "http_response", "duration_ns", REMOVE),
    ("loop exit without duration", "loop_exit", "duration_ms", REMOVE),
    ("duration negative", "function_exit", "duration_ns", -1),
    ("duration_ms negative", "function_exit", "duration_ms", -0.001),
    ("duration_ns a fraction", "function_exit", "duration_ns", 0.5),
    ("entry without name", "function_entry", "function_name", REMOVE),
    ("exit without name", "function_exit", "function_name", REMOVE),
    ("empty name", "function_exit", "function_name", ""),
    ("name null", "function_exit", "function_name", None),
    ("message of an exit on an entry", "function_entry", "message", "Function 'f' exit (1.00ms)"),
    ("message with one decimal", "function_exit", "message", "Function 'f' exit (1.0ms)"),
    ("message without unit", "function_exit", "message", "Function 'f' exit (1.00)"),
    ("message without quotes", "function_entry", "message", "Function f entry"),
    ("message empty", "loop_entry", "message", ""),
    ("category of ECS", "function_exit", "event/category", "process"),
    ("category of another type", "function_exit", "event/category", "network"),
    ("event.type of an entry on an exit", "function_exit", "event/type", "start"),
    ("event.type of another type", "variable_change", "event/type", "info"),
    ("event without name", "function_exit", "event/name", REMOVE),
    ("event with an action", "function_exit", "event/action", "x"),
    ("unknown field", "function_exit", "level", "INFO"),
    ("parent_correlation_id at the root", "function_exit", "parent_correlation_id", "func_b7ad6b71"),
    ("service without version", "function_exit", "service/version", REMOVE),
    ("service with a namespace", "function_exit", "service/namespace", "shop"),
    ("service name null", "function_exit", "service/name", None),
    ("environment empty", "function_exit", "environment", ""),
    ("another emitter", "function_exit", "resource/telemetry_sdk_name", "telinject"),
    ("emitter of v2", "function_exit", "resource/telemetry_sdk_version", "2.0.0"),
    ("v2's dotted resource key", "function_exit", "resource/runtime.name", "cpp"),
    ("unknown runtime", "function_exit", "resource/runtime_name", "C++"),
    ("os type in capitals", "function_exit", "resource/os_type", "Linux"),
    ("resource without os", "function_exit", "resource/os_description", REMOVE),
    ("unknown provider", "function_exit", "cloud/provider", "alibaba"),
    ("local with a region", "function_exit", "cloud/region", "here"),
    ("local by IMDS", "function_exit", "cloud/metadata_source", "IMDSv2"),
    ("local without source", "function_exit", "cloud/metadata_source", REMOVE),
    ("cloud from nowhere", "in a cloud", "cloud/metadata_source", "none"),
    ("v2's source", "google", "cloud/metadata_source", "GCE metadata"),
    ("v2's platform", "azure", "cloud/platform", "vm"),
    ("platform of another provider", "google", "cloud/platform", "ec2"),
    ("v2's dotted cloud key", "in a cloud", "cloud/account.id", "123456789012"),
    ("account a number", "in a cloud", "cloud/account_id", 123456789012),
    ("machine type null", "in a cloud", "cloud/machine_type", None),
    ("host without name", "function_exit", "host/name", REMOVE),
    ("host ip null, as the seed's code", "function_exit", "host/ip", None),
    ("host ip a name", "function_exit", "host/ip", "localhost"),
    ("host ip out of range", "function_exit", "host/ip", "172.31.23.256"),
    ("host with os", "function_exit", "host/os", "linux"),
    ("k8s empty", "in a cloud", "k8s", {}),
    ("v2's dotted k8s key", "in a cloud", "k8s/pod.name", "p"),
    ("label a number", "in a cloud", "k8s/pod_labels", {"replicas": 3}),
    ("no quantity", "in a cloud", "k8s/memory_limit", "512 MB"),
    ("unknown phase", "in a cloud", "k8s/pod_phase", "running"),
    ("services a text", "in a cloud", "k8s/services", "a,b"),
    ("pid 0", "function_exit", "process/pid", 0),
    ("pid a text", "function_exit", "process/pid", "3421"),
    ("process without program", "function_exit", "process/executable", REMOVE),
    ("process with a name", "function_exit", "process/name", "x"),
    ("attributes a list", "function_exit", "attributes", []),
    ("parameters without space", "function_entry", "attributes/function.parameters", "a,b"),
    ("parameters with a type", "function_entry", "attributes/function.parameters", "int a, int b"),
    ("caller line 0", "function_entry", "attributes/caller_line", 0),
    ("caller line a text", "function_entry", "attributes/caller_line", "42"),
    ("v2's dotted caller", "function_entry", "attributes/caller.function", "main"),
    ("v2's flat method", "http_request", "attributes/http.method", "POST"),
    ("thread id 0", "function_entry", "attributes/thread_id", 0),
    ("thread name too long", "function_entry", "attributes/thread_name", "sixteen-letters!"),
    ("unknown way to end", "unwound", "attributes/telinject.exit", "returned"),
    ("way to end on an entry", "function_entry", "attributes/telinject.exit", "unwound"),
    ("bound on an entry", "function_entry", "attributes/telinject.duration_bound", "upper"),
    ("lower bound", "unwound", "attributes/telinject.duration_bound", "lower"),
    ("wait of no time", "waited", "attributes/telinject.waited_ns", 0),
    ("wait that is a text", "waited", "attributes/telinject.waited_ns", "1 ms"),
    ("preempted for no time", "preempted", "attributes/telinject.preempted_ns", 0),
    ("preempted on an entry", "function_entry", "attributes/telinject.preempted_ns", 3),
    ("wait on an entry", "function_entry", "attributes/telinject.waited_ns", 3),
    ("delay of no time", "delayed", "attributes/telinject.not_running_ns", 0),
    ("delay on an entry", "function_entry", "attributes/telinject.not_running_ns", 3),
    ("unknown key of ours", "function_exit", "attributes/telinject.lostcalls", 3),
    ("loss on an entry", "function_entry", "attributes/telinject.lost_calls", 3),
    ("loss of nothing below a call", "lacks calls", "attributes/telinject.lost_calls", 0),
    ("reason on a function", "function_exit", "attributes/telinject.loss_reason", "queue_full"),
    ("unknown loss reason", "telemetry_loss", "attributes/telinject.loss_reason", "unsampled"),
    ("loss of nothing", "telemetry_loss", "attributes/telinject.lost_calls", 0),
    ("loss without number", "telemetry_loss", "attributes/telinject.lost_calls", REMOVE),
    ("loss without reason", "telemetry_loss", "attributes/telinject.loss_reason", REMOVE),
    ("lean with a block of its process", "lean exit", "host", {"name": "h"}),
    ("lean with the schema", "lean entry", "schema",
     {"format": "telemetry.v3", "version": "3.0.0"}),
    ("lean with a rate", "lean exit", "sample_rate", 1.0),
    ("lean with a message", "lean exit", "message", "Function 'fetch_data' exit (345.68ms)"),
    ("lean with a correlation id", "lean entry", "correlation_id", "func_b7ad6b71"),
    ("lean without its function", "lean entry", "function_ref", REMOVE),
    ("lean without its process", "lean entry", "process_ref", REMOVE),
    ("lean without a name", "lean exit", "function_name", REMOVE),
    ("lean referring to nothing", "lean exit", "process_ref", None),
    ("lean referring by number", "lean exit", "function_ref", 3),
    ("lean loss without message", "lean loss", "message", REMOVE),
    ("lean loss of a function", "lean loss", "function_ref", "5ba3e8f17c1d2e44"),
    ("full with a function to look up", "function_exit", "function_ref", "5ba3e8f17c1d2e44"),
    ("shared blocks elsewhere", "telemetry_process", "process_ref", "5ba3e8f17c1d2e44"),
    ("shared blocks without one", "telemetry_process", "cloud", REMOVE),
    ("shared blocks with a parent", "telemetry_process", "parent_span_id", "a1b2c3d4e5f6a7b8"),
    ("function without process", "telemetry_function", "process_ref", REMOVE),
    ("function without name", "telemetry_function", "function_name", REMOVE),
    ("function with a loss", "telemetry_function", "attributes/telinject.lost_calls", 3),
    ("loss with a parent", "telemetry_loss", "parent_span_id", "a1b2c3d4e5f6a7b8"),
    ("loss in a function", "telemetry_loss", "function_name", "f"),
    ("seed's six-digit correlation", "function_exit", "correlation_id", "func_abc123"),
    ("correlation of another kind", "function_exit", "correlation_id", "http_b7ad6b71"),
    ("http on a function", "function_exit", "http", {}),
    ("request without http", "http_request", "http", REMOVE),
    ("request without url", "http_request", "http/request/url", REMOVE),
    ("request without size", "http_request", "http/request/body_bytes", REMOVE),
    ("v2's null user agent", "http_request", "http/request/user_agent", None),
    ("url relative", "http_request", "http/request/url", "/users"),
    ("url with a password", "http_request", "http/request/url", "https://me:pw@example.com/"),
    ("method with a space", "http_request", "http/request/method", "GET /"),
    ("header a list", "http_request", "http/request/headers", {"Accept": ["a", "b"]}),
    ("header name with a colon", "http_request", "http/request/headers", {":path": "/"}),
    ("authorization in the clear", "http_request", "http/request/headers",
     {"AUTHORIZATION": "Bearer abc"}),
    ("cookie in the clear", "http_request", "http/request/headers", {"cookie": "a=b"}),
    ("api key in the clear", "http_request", "http/request/headers", {"X-Api-Key": "k"}),
    ("response on a request", "http_request", "http/response",
     {"status_code": 200, "headers": {}, "body_bytes": 0, "content_type": "unknown"}),
    ("body on a request", "http_request", "http/request/body", "secret"),
    ("response without status", "http_response", "http/response/status_code", REMOVE),
    ("status a text", "http_response", "http/response/status_code", "200"),
    ("status 99", "http_response", "http/response/status_code", 99),
    ("response without response", "http_response", "http/response", REMOVE),
    ("size negative", "http_response", "http/response/body_bytes", -1),
    ("query without statement", "database_query", "attributes/db.statement", REMOVE),
    ("query without system", "database_query", "attributes/db.system", REMOVE),
    ("result without rows", "database_result", "attributes/db.rows_returned", REMOVE),
    ("try without type", "exception_entry", "attributes/exception_type", REMOVE),
    ("exception_raised a text", "exception_exit", "attributes/exception_raised", "true"),
    ("variable without name", "variable_change", "attributes/variable_name", REMOVE),
    ("variable without value", "variable_change", "attributes/value", REMOVE),
    ("loop without type", "loop_entry", "attributes/loop_type", REMOVE),
    ("iteration without number", "loop_iteration", "attributes/iteration_count", REMOVE),
    ("loop exit without number", "loop_exit", "attributes/total_iterations", REMOVE),
    ("condition without text", "conditional_entry", "attributes/condition", REMOVE),
    ("request empty", "http_request", "http", {}),
    ("http with a version", "http_response", "http/version", "1.1"),
    ("http a text", "http_request", "http/request", "GET /"),
    ("labels a list", "in a cloud", "k8s/pod_labels", ["app"]),
    ("services of numbers", "in a cloud", "k8s/services", [1]),
    ("attribute without name", "function_exit", "attributes/", "x"),
    ("exception not told whether raised", "exception_exit", "attributes/exception_raised", REMOVE),
    ("variable without type", "variable_change", "attributes/value_type", REMOVE),
    ("condition without kind", "conditional_entry", "attributes/condition_type", REMOVE),
    ("branch not told", "conditional_exit", "attributes/branch_taken", REMOVE),
]


def broken(name, path, value):
    event = good_events()[name]
    *steps, last = path.split("/")
    place = event
    for step in steps:
        place = place[step]
    if value is REMOVE:
        del place[last]
    else:
        place[last] = value
    return event


def test_is_a_schema():
    jsonschema_rs.meta.validate(json.loads(schema.SCHEMA_PATH.read_text()))


def test_every_type_has_an_example():
    types = json.loads(schema.SCHEMA_PATH.read_text())["properties"]["event_type"]["enum"]
    assert len(types) == 18
    assert {event["event_type"] for event in GOOD.values()} == set(types)


@pytest.mark.parametrize("name", GOOD)
def test_good(name):
    assert schema.errors_of(GOOD[name], is_open=True) == []


@pytest.mark.parametrize(("what", "name", "path", "value"), BAD, ids=[row[0] for row in BAD])
def test_bad(what, name, path, value):
    assert not schema.validator(is_open=True).is_valid(broken(name, path, value))


@pytest.mark.parametrize("field", ENVELOPE)
@pytest.mark.parametrize("name", ["function_entry", "http_response", "telemetry_loss"])
def test_required(name, field):
    event = good_events()[name]
    del event[field]
    assert not schema.validator().is_valid(event)


@pytest.mark.parametrize("name", [name for name, event in GOOD.items()
                                  if "duration_ns" not in event])
def test_duration_only_on_ends(name):
    event = good_events()[name] | {"duration_ns": 5000000, "duration_ms": 5.0}
    assert not schema.validator().is_valid(event)


def test_every_field_is_explained():
    document = json.loads(schema.SCHEMA_PATH.read_text())
    for place in (document["properties"], document["$defs"]["attributes"]["properties"],
                  document["$defs"]["k8s"]["properties"], document["$defs"]["cloud"]["properties"]):
        for name, field in place.items():
            target = field
            while "title" not in target and "description" not in target:
                target = document["$defs"][target["$ref"].removeprefix("#/$defs/")]
            assert target.get("title") or target.get("description"), name


def write(path, events, end=b"\n"):
    path.write_bytes(b"\n".join(json.dumps(event).encode() for event in events) + end)
    return path


def test_file(tmp_path):
    """Others may add attributes; telinject itself has none that is not registered."""
    registered = [event for name, event in GOOD.items() if name != "unknown attribute"]
    report = schema.check_file(write(tmp_path / "good", registered))
    assert report.lines == len(registered)
    assert not report.problems
    report = schema.check_file(write(tmp_path / "more", [GOOD["unknown attribute"]]))
    assert report.problems.counts == {"schema": 1}
    assert "shop.basket" in report.problems.examples["schema"][0]


def test_file_says_which_line(tmp_path):
    events = [GOOD["function_exit"]] * 10
    events[6] = broken("function_exit", "sequence", 0)
    report = schema.check_file(write(tmp_path / "bad", events))
    assert report.problems.counts == {"schema": 1}
    assert report.problems.examples["schema"][0].startswith("line 7: /sequence")


def test_file_in_pieces(tmp_path, monkeypatch):
    """Line numbers and counts are those of the file, also from several processes."""
    events = [GOOD["function_exit"]] * 6000  # about 9 MB: three pieces
    events[5999] = broken("function_exit", "trace_id", "0" * 32)
    path = write(tmp_path / "large", events)
    for processes in (1, 2):
        report = schema.check_file(path, processes)
        assert report.lines == 6000
        assert report.problems.examples == {"schema": [report.problems.examples["schema"][0]]}
        assert report.problems.examples["schema"][0].startswith("line 6000: /trace_id")


@pytest.mark.parametrize("line", [b"{", b"", b'{"a": NaN}', b'{"a": "\xff"}', b'{"a": 1, "a": 2}'])
def test_not_json(tmp_path, line):
    path = tmp_path / "lines"
    path.write_bytes(json.dumps(GOOD["root"]).encode() + b"\n" + line + b"\n")
    assert schema.check_file(path).problems.counts == {"json": 1}


@pytest.mark.parametrize("line", [b"[]", b"1", b'"x"', b"null"])
def test_not_an_object(tmp_path, line):
    path = tmp_path / "lines"
    path.write_bytes(line + b"\n")
    assert schema.check_file(path).problems.counts == {"schema": 1}


def test_torn_line(tmp_path):
    path = write(tmp_path / "torn", [GOOD["root"]], end=b"")
    assert schema.check_file(path).problems.kinds == {"json"}
