"""The schema field by field: a value of another JSON type, an empty text, a missing or an unknown
key, a classification of another event type. What test_schema.py does by hand, by rule.
"""

import copy
import json

import pytest
from teltest import schema
from teltest.examples import good_events

DOCUMENT = json.loads(schema.SCHEMA_PATH.read_text())
GOOD = good_events()
TYPES = DOCUMENT["properties"]["event_type"]["enum"]

# Texts that may be empty.
FREE = {"error/message", "process/command_line", "attributes/function.parameters",
        "attributes/thread_name", "attributes/db.statement", "attributes/value",
        "k8s/namespace_labels/team", "k8s/pod_labels/app", "k8s/pod_labels/version",
        "k8s/pod_annotations/prometheus.io/scrape", "http/response/headers/Content-Type",
        "http/request/headers/User-Agent"}

# Keys that a fixed object may lack.
OPTIONAL = {"host": {"ip", "public_ip"}, "error": {"stacktrace"},
            "cloud": {"region", "availability_zone", "account_id", "instance_id", "machine_type",
                      "image_id", "platform"}}


def leaves(node, path=()):
    """(path, value) of all that is no object."""
    for key, value in node.items():
        if isinstance(value, dict):
            yield from leaves(value, (*path, key))
        else:
            yield (*path, key), value


def with_value(event, path, value):
    event = copy.deepcopy(event)
    place = event
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return event


def valid(event):
    return schema.validator(is_open=True).is_valid(event)


FULL = ["function_entry", "function_exit", "in a cloud", "thrown", "unwound", "http_request",
        "http_response", "tls_connection", "database_query", "database_result", "exception_entry",
        "exception_exit", "variable_change", "loop_entry", "loop_iteration", "loop_exit", "conditional_entry",
        "conditional_exit", "telemetry_loss", "telemetry_process", "telemetry_function",
        "lean entry", "lean exit", "lean loss"]


@pytest.mark.parametrize("name", FULL)
def test_other_type(name):
    for path, value in leaves(GOOD[name]):
        wrong = {} if isinstance(value, (str, list)) or value is None else "7"
        if "/".join(path) == "attributes/branch_taken":
            wrong = 7
        assert not valid(with_value(GOOD[name], path, wrong)), path


@pytest.mark.parametrize("name", FULL)
def test_empty_text(name):
    for path, value in leaves(GOOD[name]):
        if isinstance(value, str) and "/".join(path) not in FREE:
            assert not valid(with_value(GOOD[name], path, "")), path


@pytest.mark.parametrize("name", FULL)
def test_objects_are_objects(name):
    for key, value in GOOD[name].items():
        if isinstance(value, dict):
            for wrong in ([], "x", None, 1):
                assert not valid(GOOD[name] | {key: wrong}), key


@pytest.mark.parametrize("where", ["schema", "event", "service", "resource", "cloud", "host", "k8s",
                                   "process", "error", "http/request", "http/response"])
def test_fixed_objects(where):
    """No unknown key; no key missing but the optional ones."""
    names = {"cloud": "in a cloud", "k8s": "in a cloud", "host": "in a cloud", "error": "thrown",
             "http/request": "http_request", "http/response": "http_response"}
    event = GOOD[names.get(where, "function_exit")]
    path = where.split("/")
    place = event
    for step in path:
        place = place[step]
    assert not valid(with_value(event, path, place | {"unexpected": "x"}))
    for key in place:
        rest = {name: value for name, value in place.items() if name != key}
        optional = where == "k8s" or key in OPTIONAL.get(where, ())
        assert valid(with_value(event, path, rest)) == optional, key


@pytest.mark.parametrize("key", DOCUMENT["$defs"]["attributes"]["properties"])
def test_known_attributes_are_typed(key):
    """On whatever event they stand."""
    for event_type in TYPES:
        event = GOOD[event_type]
        wrong = event | {"attributes": event["attributes"] | {key: {}}}
        assert not valid(wrong), event_type


@pytest.mark.parametrize("key", DOCUMENT["$defs"]["attributes"]["properties"])
def test_known_attributes_have_ranges(key):
    field = DOCUMENT["$defs"]["attributes"]["properties"][key]
    field = field | DOCUMENT["$defs"].get(field.get("$ref", "").removeprefix("#/$defs/"), {})
    event = GOOD["loop_exit"]
    if "minimum" in field:
        assert not valid(with_value(event, ("attributes", key), field["minimum"] - 1))
    if "maximum" in field:
        assert not valid(with_value(event, ("attributes", key), field["maximum"] + 1))
    if field.get("minLength"):
        assert not valid(with_value(event, ("attributes", key), ""))
    if "pattern" in field or "enum" in field or "const" in field:
        assert not valid(with_value(event, ("attributes", key), "no,such"))
    assert {"minimum", "minLength", "pattern", "enum", "const", "type", "not"} & field.keys()


@pytest.mark.parametrize("event_type", TYPES)
def test_classification_follows_from_the_type(event_type):
    event = GOOD[event_type]
    for category in ("code", "network", "error", "auth", "database"):
        assert valid(with_value(event, ("event", "category"), category)) == (
            category == event["event"]["category"])
    for kind in ("start", "end", "info", "error", "change"):
        assert valid(with_value(event, ("event", "type"), kind)) == (kind == event["event"]["type"])


WARNINGS = {"http_request", "http_response", "database_query", "database_result"}
ERRORS = {"function_exit", "http_response", "database_result", "exception_exit"}


@pytest.mark.parametrize("event_type", TYPES)
def test_severity_follows_from_the_type(event_type):
    event = {key: value for key, value in GOOD[event_type].items() if key != "error"}
    for severity in ("TRACE", "DEBUG", "INFO", "WARN"):
        own = severity == GOOD[event_type]["severity"]
        allowed = own or (severity == "WARN" and event_type in WARNINGS)
        assert valid(event | {"severity": severity}) == allowed, severity
    error = event | {"severity": "ERROR", "error": {"type": "x", "message": "y"}}
    assert valid(error) == (event_type in ERRORS)


@pytest.mark.parametrize("event_type", TYPES)
def test_parts_of_other_types(event_type):
    """http on http events only, losses on telemetry_loss only, ways to end on exits only."""
    event = GOOD[event_type]
    http = {"request": GOOD["http_request"]["http"]["request"]}
    if not event_type.startswith("http_"):
        assert not valid(event | {"http": http})
    if event_type != "telemetry_loss":
        assert not valid(with_value(event, ("attributes", "telinject.loss_reason"), "early"))
        # A call says how many are missing below it.
        lacks = with_value(event, ("attributes", "telinject.lost_calls"), 1)
        assert valid(lacks) == (event_type == "function_exit")
    for key, value in (("telinject.exit", "unknown"), ("telinject.duration_bound", "upper")):
        assert valid(with_value(event, ("attributes", key), value)) == (event_type == "function_exit")
    assert not valid(event | {"correlation_id": "x_12345678"})
    assert not valid(event | {"correlation_id": "func_1234567"})


@pytest.mark.parametrize("event_type", TYPES)
def test_correlation_id_follows_from_the_type(event_type):
    own = {"function_entry": "func", "function_exit": "func", "http_request": "http",
           "http_response": "http", "tls_connection": "tls", "database_query": "db", "database_result": "db",
           "exception_entry": "func exc", "exception_exit": "func exc", "variable_change": "func var",
           "loop_entry": "func loop", "loop_iteration": "func loop", "loop_exit": "func loop",
           "conditional_entry": "func cond", "conditional_exit": "func cond",
           "telemetry_loss": "loss", "telemetry_process": "ref",
           "telemetry_function": "ref"}[event_type].split()
    for prefix in ("func", "http", "tls", "db", "exc", "var", "loop", "cond", "loss", "ref"):
        event = GOOD[event_type] | {"correlation_id": f"{prefix}_0123abcd"}
        assert valid(event) == (prefix in own), prefix


@pytest.mark.parametrize(("name", "path", "wrong"), [
    ("http_request", "http/request/body_bytes", -1),
    ("http_response", "http/response/status_code", 1000),
    ("http_response", "http/response/headers", []),
    ("http_request", "http/request/headers", {"x-amz-security-token": "FwoG"}),
    ("function_exit", "process/pid", 4194305),
    ("in a cloud", "host/public_ip", "1.2.3"),
    ("in a cloud", "k8s/pod_ip", "pod"),
    ("in a cloud", "k8s/host_ip", "::1::zz"),
    ("in a cloud", "k8s/pod_uid", "a b"),
    ("in a cloud", "k8s/services", ["a", "a"]),
    ("in a cloud", "k8s/services", [""]),
    ("in a cloud", "k8s/cpu_request", "half"),
    ("in a cloud", "k8s/cpu_limit", "1 core"),
    ("in a cloud", "k8s/memory_request", "-1"),
    ("in a cloud", "cloud/platform", "gce"),
    ("azure", "cloud/platform", "gke"),
    ("google", "cloud/platform", "aks"),
    ("azure", "cloud/region", ""),
    ("azure", "cloud/availability_zone", 1),
])
def test_values(name, path, wrong):
    assert not valid(with_value(GOOD[name], path.split("/"), wrong))
