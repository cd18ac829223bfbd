"""Tables of the registry in Markdown: docs/schema.md, and those that docs/events.md asks for with

    <!-- registry: events -->
    <!-- registry: attributes of function_entry function_exit -->
    <!-- registry: values of telinject.exit -->

A table is between such a line and the next `<!-- registry: end -->`.
"""

import re

from registry import REPOSITORY

EVENTS = REPOSITORY / "docs/events.md"
BLOCK = re.compile(r"(<!-- registry: (?!end)(.+?) -->\n).*?(<!-- registry: end -->)", re.DOTALL)


def table(heads, rows):
    lines = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    lines += [f"| {' | '.join(cell.replace('|', '&#124;') for cell in row)} |" for row in rows]
    return "\n".join(lines) + "\n"


def code(*names):
    return ", ".join(f"`{name}`" for name in names if name)


def type_of(row):
    return row["type"] + (f", {row['unit']}" if row["unit"] else "")


def events(registry, reserved=False):
    return table(("event type", "category, type", "severity", "in OpenTelemetry", "meaning"), [
        (code(name), f"{event['category']}, {event['type']}", ", ".join(event["severity"]), event["otel"],
         event["help"]) for name, event in registry.events.items() if event["reserved"] == reserved])


def attributes_on(registry, wanted):
    """Those that such an event may have; said of those that only the last of them has."""
    rows = []
    for name, row in registry.attributes.items():
        if row["reserved"] or row["events"] and not set(wanted) & set(row["events"]):
            continue
        only = [event for event in wanted if event in row["events"]]
        where = "" if not only or only == wanted else f"on {', '.join(code(each) for each in only)}: "
        rows.append((code(name), type_of(row), where + row["help"]))
    return table(("attribute", "type", "meaning"), rows)


def values(registry, name):
    return table(("value", "meaning"),
                 [(code(value), help) for value, help in registry.attributes[name]["values"].items()])


def asked_for(registry, words):
    if words == ["events"]:
        return events(registry)
    if words[:2] == ["attributes", "of"]:
        return attributes_on(registry, words[2:])
    if words[:2] == ["values", "of"]:
        return values(registry, words[2])
    raise ValueError(f"docs/events.md asks the registry for {' '.join(words)}")


def events_page(registry):
    return BLOCK.sub(lambda match: match[1] + asked_for(registry, match[2].split()) + match[3],
                     EVENTS.read_text())


def everything(registry, rows, first):
    return table((first, "type", "OpenTelemetry", "Elasticsearch", "since", "source"), [
        (code(row["v3"] or row["otel"]), type_of(row),
         code(row["otel"]) + (" (development)" if row["stability"] == "development" and row["otel"] else ""),
         code(*row["ecs"]), row["since"], row["source"]) for row in rows])


def metrics(registry):
    return table(("OpenTelemetry", "Prometheus", "kind", "unit", "meaning"), [
        (code(row["otel"]), code(row["prometheus"]), row["kind"], row["unit"], row["help"])
        for row in registry.metrics])


def schema_page(registry):
    rows = registry.rows
    fields = [row for row in rows if row["place"] == "event"]
    emitted = [row for row in rows if row["place"] == "attributes" and row["v3"] and not row["reserved"]]
    otlp = [row for row in rows if not row["v3"] and row["otel"]]
    reserved = [row for row in rows if row["reserved"]]
    elastic = [row for row in rows if not row["v3"] and not row["otel"]]
    return f"""# Schema

All events, fields, attributes and metrics: their types, their units (as UCUM writes them), and their names in
OpenTelemetry and Elasticsearch.
`telinject schema` prints this list; `telinject schema --json` is for programs, `--otel` prints the
OpenTelemetry names. The JSON Schema is
[telemetry-v3.schema.json](../shim/events/telemetry-v3.schema.json).
[schema-changes.md](schema-changes.md) says what changed, and how to migrate.

This page is written by `scripts/checks/schema --fix` from `shim/events/registry/registry.def`.

Names in OpenTelemetry are those of the semantic conventions {registry.conventions}, or begin with
`telinject.`. Those marked *development* are not stable there. Without a name in
Elasticsearch, an attribute is in `telinject.attributes`, and a field is not in the document.

## Events

{events(registry)}
## Fields

A dot leads into an object: `process.pid` is the member `pid` of `process`. `NAME.*` stands for every
name that begins with `NAME.`

{everything(registry, fields, "field")}
## Attributes

Members of `attributes`.

{everything(registry, emitted, "attribute")}
## In OTLP only

{everything(registry, otlp, "attribute")}
## In Elasticsearch only

{table(("field", "source"), [(code(*row["ecs"]), row["source"]) for row in elastic])}
## Metrics

What `--output=otlp` sends besides spans: [export.md](export.md#metrics).

{metrics(registry)}
## Not emitted yet

v3 has these, and telinject does not emit them.

{events(registry, reserved=True)}
{table(("attribute", "type", "meaning"),
       [(code(row["v3"]), type_of(row), row["help"]) for row in reserved])}"""
