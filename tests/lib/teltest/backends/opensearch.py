"""OpenSearch, which has Elasticsearch's API: a real node, embedded in a Java program. Documents go by _bulk
into a data stream with a mapping as docs/export.md has it, and are asked for by _search."""

import json
from contextlib import ExitStack
from pathlib import Path

from teltest.backends.expected import ecs_document, flat
from teltest.backends.lost_answers import LostAnswers
from teltest.backends.service import Service, http, http_json, poll, run_sent
from teltest.backends.victorialogs import differences
from teltest.web.processes import free_ports

_STREAM = "logs-telinject-default"
_ANY = {"type": "flat_object"}
_TEMPLATE = {
    "index_patterns": ["logs-telinject-*"], "data_stream": {}, "priority": 200,
    "template": {
        "settings": {"number_of_replicas": 0, "index.max_result_window": 1000000},
        "mappings": {
            "dynamic_templates": [{"words": {"match_mapping_type": "string",
                                             "mapping": {"type": "keyword", "ignore_above": 8191}}}],
            "properties": {
                "@timestamp": {"type": "date_nanos"}, "message": {"type": "text"},
                "event": {"properties": {"duration": {"type": "long"}}},
                "telinject": {"properties": {"attributes": _ANY, "headers": _ANY, "pod_labels": _ANY}}}}}}
# Fields that are read from the index, too, not only from the document that was sent.
_INDEXED = ["event.duration", "event.action", "trace.id", "span.id",
            {"field": "@timestamp", "format": "strict_date_optional_time_nanos"}]


class OpenSearch(Service):
    NAME, VERSION, PROGRAM = "opensearch", "2.19.6", "lib"
    TITLE, HOW = "OpenSearch (Elasticsearch's API)", "Maven, a node embedded in a Java program"
    TAKES, COUNTS = "two minutes", "events"
    SOURCES = Path(__file__).parent / "opensearch_program"
    STEPS = (("mvn", "-q", "-B", "compile", "dependency:copy-dependencies", "-DincludeScope=runtime",
              f"-DoutputDirectory={PROGRAM}"),)
    # Whether the first answer is lost on its way, so that the documents are sent twice.
    FORMATS = {"_bulk, ECS": False, "_bulk, answer lost": True}

    def __init__(self, cache, folder):
        super().__init__(cache, folder)
        self.port, self.transport_port = free_ports(2)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def addresses(self):
        return {"HTTP": self.url}

    def command(self):
        return ["java", "-Xms512m", "-Xmx512m", "-cp", f"{self.cache}/target/classes:{self.cache}/lib/*",
                "OpenSearchNode", self.folder / "node", self.port, self.transport_port]

    def ready(self):
        try:
            return http(f"{self.url}/_cluster/health?wait_for_status=yellow", seconds=5)[0] == 200
        except OSError:
            return False

    def __enter__(self):
        super().__enter__()
        http_json(f"{self.url}/_index_template/telinject", _TEMPLATE, "PUT")
        self._warm_up()
        return self

    def _warm_up(self):
        """Its first requests take seconds each; at a program's end the drain gives up after five."""
        item = '{"create":{}}\n{"@timestamp":"2026-01-01T00:00:00.000000001Z","message":"warm"}\n'
        for _ in range(5):
            status, body = http(f"{self.url}/logs-telinject-warm/_bulk", (item * 2000).encode(), "POST",
                                "application/x-ndjson")
            assert status == 200, body

    def compare(self, form, name, run):
        """Sends a trace, asks for it; (problems, number of events)."""
        service = f"{name}-{'lost' if self.FORMATS[form] else 'bulk'}"
        with ExitStack() as stack:
            url = self.url
            if self.FORMATS[form]:
                proxy = stack.enter_context(LostAnswers(url, 1))
                url = proxy.url
            lines = run_sent(run, self.folder, service, {
                "TELEMETRY_OUTPUT": "file,http", "RECEIVER_URL": url,
                "TELEMETRY_RECEIVER_FORMAT": "elasticsearch"})
            problems = [] if not self.FORMATS[form] or proxy.lost else ["no answer was lost"]
        events = [json.loads(line, parse_float=str) for line in lines]
        hits = poll(lambda: self.search(service), lambda had: len(had) >= len(events))
        found = [flat(json.loads(json.dumps(hit["_source"]), parse_float=str)) for hit in hits]
        problems += differences([flat(ecs_document(event)) for event in events], found)
        return problems + _index_problems(hits), len(events)

    def search(self, service):
        """The documents of a service that are there now."""
        http(f"{self.url}/{_STREAM}/_refresh", b"", "POST")
        status, body = http(f"{self.url}/{_STREAM}/_search", json.dumps({
            "size": 1000000, "query": {"term": {"service.name": service}},
            "docvalue_fields": _INDEXED}).encode(), "POST", "application/json")
        return json.loads(body, parse_float=str)["hits"]["hits"] if status == 200 else []


def _index_problems(hits):
    """Where the index says otherwise than the document."""
    problems = []
    for hit in hits:
        document, indexed = flat(hit["_source"]), hit["fields"]
        for each in _INDEXED:
            name = each if isinstance(each, str) else each["field"]
            had, sent = str(indexed[name][0]) if name in indexed else None, document.get(name)
            if name == "@timestamp":
                sent = sent.rstrip("Z").rstrip("0").rstrip(".") + "Z"  # so it writes fractions
            if had != sent:
                problems.append(f"the index has {name} {had!r}, the document {sent!r}")
    return problems
