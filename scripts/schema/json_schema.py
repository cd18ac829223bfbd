"""The JSON Schema of events: the template (shim/events/registry/schema.template.json) and the registry.

The template has what is not of one attribute: objects, definitions, the two details. In it

    "x-field": true               is what the registry says of the field of that place
    "x-fields": "cloud"           are the fields that the registry has in that object
    "x-attributes": true          are all attributes
    "x-events": "is" or "events"  is a schema for each event
    "x-on": [...]                 the object is on these events only
"""

import json
import re

from registry import REPOSITORY, WILD

TEMPLATE = REPOSITORY / "shim/events/registry/schema.template.json"
TYPES = {"string": "string", "int": "integer", "double": "number", "boolean": "boolean", "string[]": "array"}
SAID_BY_LIMITS = {"type", "$ref", "const", "enum", "anyOf"}
NOT_HERE = {"$ref": "#/$defs/not_here"}


def fragment(row):
    """What the values of an attribute look like."""
    made = {"title": row["help"]}
    if row["note"]:
        made["description"] = row["note"]
    if row["values"]:
        meanings = "; ".join(f"{value}: {help}" for value, help in row["values"].items())
        made["description"] = (made.get("description", "") + " " + meanings).strip()
        return made | {"enum": list(row["values"])}
    if not SAID_BY_LIMITS & set(row["limits"]):
        made["type"] = TYPES[row["type"]]
    return made | row["limits"]


def shape_name(events):
    return "only_on_" + "_or_".join(events)


class Maker:
    def __init__(self, registry):
        self.registry = registry
        self.used = set()
        self.on = {}  # events: names of the fields and attributes that only they may have

    def note_events(self, kind, name, events):
        if events:
            self.on.setdefault(tuple(events), {"fields": [], "attributes": []})[kind].append(name)

    def field(self, name):
        row = self.registry.fields[name]
        self.used.add(name)
        self.note_events("fields", name, row["events"])
        if name == "event_type":
            return fragment(row | {"limits": {"enum": list(self.registry.events)}})
        return fragment(row)

    def fields_in(self, prefix):
        names = [name for name in self.registry.fields if name.startswith(prefix + ".")]
        return {name[len(prefix) + 1:].removesuffix(WILD): self.field(name) for name in names}

    def attributes(self):
        properties, patterns = {}, {}
        for name, row in self.registry.attributes.items():
            made = fragment(row)
            if name.endswith(WILD):
                patterns["^" + re.escape(name.removesuffix("*")).replace(r"\.", "[.]")] = made
                continue
            properties[name] = made
            self.note_events("attributes", name, row["events"])
        ours = [name for name in properties if name.startswith("telinject.")]
        names = {"minLength": 1, "if": {"pattern": "^telinject\\."}, "then": {"enum": ours}}
        return properties, patterns, names

    def is_event(self, event):
        return {"properties": {"event_type": {"const": event["event_type"]}}, "required": ["event_type"]}

    def event(self, event):
        attributes = [name for name in event["needs"] if name in self.registry.attributes]
        required = [name for name in event["needs"] if name not in attributes]
        severity = event["severity"]
        prefixes = event["correlation"]
        properties = {
            "severity": {"enum": severity} if len(severity) > 1 else {"const": severity[0]},
            "event": {"properties": {column: {"const": event[column]} for column in ("category", "type")}},
            "correlation_id": {"pattern": f"^({'|'.join(prefixes)})_" if len(prefixes) > 1
                               else f"^{prefixes[0]}_"}}
        if attributes:
            properties["attributes"] = {"required": attributes}
        limits = dict(event["limits"])
        properties |= limits.pop("properties", {})
        made = {"description": event["help"]} | ({"required": required} if required else {})
        made |= {"properties": properties} | limits
        others = [shape_name(events) for events in self.on if event["event_type"] not in events]
        return made | {"allOf": [{"$ref": f"#/$defs/shapes/{name}"} for name in others]}

    def shapes(self):
        made = {}
        for events, names in self.on.items():
            properties = {name: NOT_HERE for name in names["fields"]}
            if names["attributes"]:
                properties["attributes"] = {"properties": {name: NOT_HERE for name in names["attributes"]}}
            made[shape_name(events)] = {"properties": properties}
        return made

    def filled(self, part, path=()):
        if isinstance(part, list):
            return [self.filled(each, path) for each in part]
        if not isinstance(part, dict):
            return part
        made = {}
        for key, value in part.items():
            if key == "x-fields":
                made["properties"] = made.get("properties", {}) | self.fields_in(value)
            elif key == "x-field":
                made |= self.field(path[-1])
            elif key == "x-on":
                self.note_events("fields", path[-1], value)
            elif key == "x-attributes":
                made["properties"], made["patternProperties"], made["propertyNames"] = self.attributes()
                made["properties"] |= part.get("properties", {})
            elif key == "x-events":
                each = {"is": self.is_event, "events": self.event}[value]
                made |= {name: each(event) for name, event in self.registry.events.items()}
            elif key == "x-shapes":
                made |= self.shapes()
            elif key == "x-allOf":
                made["allOf"] = self.filled(value) + [
                    {"if": {"$ref": f"#/$defs/is/{name}"}, "then": {"$ref": f"#/$defs/events/{name}"}}
                    for name in self.registry.events]
            elif key not in made or key != "properties":
                made[key] = self.filled(value, (*path, key))
        return made


def schema_of(registry):
    maker = Maker(registry)
    made = maker.filled(json.loads(TEMPLATE.read_text()))
    forgotten = set(registry.fields) - maker.used
    assert not forgotten, f"{TEMPLATE} has no place for {', '.join(sorted(forgotten))}"
    return made
