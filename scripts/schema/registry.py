"""The registry as `telinject schema --json` prints it (shim/events/registry/registry.def)."""

import json
import subprocess
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
WILD = ".*"


class Registry:
    def __init__(self, text):
        document = json.loads(text)
        self.version = document["version"]
        self.conventions = document["schema_url"].rsplit("/", 1)[-1]
        self.events = {event["event_type"]: event for event in document["events"]}
        self.rows = document["attributes"]
        self.metrics = document["metrics"]
        self.fields = {row["v3"]: row for row in self.rows if row["place"] == "event"}
        self.attributes = {row["v3"]: row for row in self.rows if row["place"] == "attributes" and row["v3"]}

    def problems(self):
        """What a row says that cannot be."""
        for event in self.events.values():
            for column in ("type", "severity", "correlation"):
                if not event[column]:
                    yield f"event {event['event_type']}: says nothing of its {column}"
            for need in event["needs"]:
                known = need in self.attributes or any(
                    name == need or name.startswith(need + ".") for name in self.fields)
                if not known:
                    yield f"event {event['event_type']}: needs {need}, which is not registered"
        if self.fields["schema.version"]["limits"] != {"const": self.version}:
            yield f"schema.version is not {self.version}"
        for row in self.rows:
            name = row["v3"] or row["otel"] or next(iter(row["ecs"]), "")
            for unknown in set(row["events"]) - set(self.events):
                yield f"{name}: is on {unknown}, which is no event"
            for ending, unit in (("_ns", "ns"), ("_ms", "ms"), ("_bytes", "By"), (".size", "By")):
                if name.endswith(ending) and row["unit"] != unit:
                    yield f"{name}: its unit should be {unit}"
            if row["v3"] and not row["help"]:
                yield f"{name}: has no help"


def from_build(build):
    program = Path(build) / "bin/telinject"
    return Registry(subprocess.run([program, "schema", "--json"], capture_output=True, text=True,
                                   check=True).stdout)
