"""Index templates for the documents that `--receiver-format=elasticsearch` sends (contrib/elastic)."""

KEYWORD_LIMIT = 1024  # characters, as ECS has it: what is longer is stored, not indexed
# A term of Lucene's has at most 32,766 bytes, and a character at most four: without this limit a
# long value makes Elasticsearch refuse the document.
FLATTENED_LIMIT = 8191
# What OpenSearch calls otherwise.
OPENSEARCH = {"flattened": "flat_object"}


def mapping(kind, opensearch):
    kind, _, words = kind.partition("+")
    made = {"type": OPENSEARCH.get(kind, kind) if opensearch else kind}
    if kind == "keyword":
        made["ignore_above"] = KEYWORD_LIMIT
    elif kind == "flattened" and not opensearch:
        made["ignore_above"] = FLATTENED_LIMIT
    elif kind == "ip":
        made["ignore_malformed"] = True
    if words:
        made["fields"] = {"text": {"type": "match_only_text"}}
    return made


def properties(registry, opensearch):
    made = {}
    fields = {name: kind for row in registry.rows for name, kind in row["ecs"].items()}
    for name, kind in sorted(fields.items()):
        place = made
        *outer, last = name.split(".")
        for step in outer:
            place = place.setdefault(step, {}).setdefault("properties", {})
        place.setdefault(last, {}).update(mapping(kind, opensearch))
    return made


def template(registry, opensearch):
    return {
        "index_patterns": ["logs-telinject-*"],
        "data_stream": {},
        "priority": 500,
        "template": {
            "settings": {"index": {"codec": "best_compression"}},
            "mappings": {
                "dynamic": False,
                "date_detection": False,
                "properties": properties(registry, opensearch),
            },
        },
        "_meta": {"description": "Events of telinject in the Elastic Common Schema",
                  "telemetry_version": registry.version},
    }
