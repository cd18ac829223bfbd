"""The Elastic Common Schema, by its official definitions: what a document may say."""

import functools
import json
import subprocess

from teltest.node_packages import installed

INTEGERS, TEXTS = {"long"}, {"keyword", "wildcard", "match_only_text", "constant_keyword", "ip"}


@functools.cache
def definitions():
    """{"url.full": {"type": "wildcard", ...}}"""
    folder = installed("ecs", "fields.js")
    return json.loads(subprocess.run(["node", "fields.js"], cwd=folder, capture_output=True,
                                     check=True).stdout)


def leaves(document, prefix=""):
    """(name, value) of all fields; what is ours ends at the objects that are indexed as one."""
    for name, value in document.items():
        if isinstance(value, dict) and prefix + name not in OURS:
            yield from leaves(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


OURS = {"telinject.attributes", "telinject.headers.request", "telinject.headers.response",
        "telinject.pod_labels"}


def _allowed(definition, value):
    allowed = {each["name"] for each in definition.get("allowed_values") or ()}
    return not allowed or set(value if isinstance(value, list) else [value]) <= allowed


def problems(document):
    for name, value in leaves(document):
        if name.startswith("telinject."):
            continue
        definition = definitions().get(name)
        if definition is None:
            yield f"{name} is not of ECS"
            continue
        values = value if isinstance(value, list) else [value]
        wanted = int if definition["type"] in INTEGERS else str
        if "array" in (definition.get("normalize") or ()) and not isinstance(value, list):
            yield f"{name} is no array"
        if not all(isinstance(each, wanted) and not isinstance(each, bool) for each in values):
            yield f"{name}: {value!r} is no {definition['type']}"
        if not _allowed(definition, value):
            yield f"{name}: {value!r} is not allowed"
    categories = {each["name"]: each for each in definitions()["event.category"]["allowed_values"]}
    for category in document["event"]["category"]:
        expected = categories[category].get("expected_event_types") or ()
        if expected and not set(document["event"]["type"]) <= set(expected):
            yield f"event.type: {document['event']['type']} is not expected of {category}"
