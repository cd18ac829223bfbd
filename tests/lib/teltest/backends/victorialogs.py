"""VictoriaLogs: one program that takes JSON lines, Splunk's HEC, Elasticsearch's _bulk and Datadog's logs."""

import json
import urllib.parse

from teltest.backends.expected import datadog_log, ecs_document, flat
from teltest.backends.service import Service, go_steps, http, http_answers, poll, run_sent
from teltest.web.processes import free_ports

_MODULE = "github.com/VictoriaMetrics/VictoriaLogs/app/victoria-logs"
_FIELDS = "_time_field=timestamp&_msg_field=message&_stream_fields=service.name"
_ECS_FIELDS = "_time_field=@timestamp&_msg_field=message&_stream_fields=service.name"


class VictoriaLogs(Service):
    NAME, VERSION, PROGRAM = "victorialogs", "1.52.1", "victoria-logs"
    TITLE, HOW = "VictoriaLogs", "Go, its own program"
    TAKES, COUNTS = "some minutes", "events"
    STEPS = go_steps(PROGRAM, _MODULE, (f"{_MODULE}@v{VERSION}",))
    # Format of the receiver: path, what is expected of an event, the field that has the service's name.
    FORMATS = {
        "ndjson": (f"/insert/jsonline?{_FIELDS}", lambda event: event, "service.name"),
        "hec": ("/services/collector/event", lambda event: {"event": event}, "source"),
        "elasticsearch": (f"/insert/elasticsearch/_bulk?{_ECS_FIELDS}", ecs_document, "service.name"),
        "datadog-logs": ("/insert/datadog/api/v2/logs", datadog_log, "service"),
    }

    def __init__(self, cache, folder):
        super().__init__(cache, folder)
        self.port = free_ports(1)[0]

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def addresses(self):
        return {"HTTP": self.url}

    def command(self):
        return [self.program, f"-httpListenAddr=127.0.0.1:{self.port}",
                f"-storageDataPath={self.folder}/data", "-retentionPeriod=10y", "-futureRetention=10y"]

    def ready(self):
        return http_answers(f"{self.url}/health")

    def query(self, text):
        data = urllib.parse.urlencode({"query": text, "limit": 1000000}).encode()
        status, body = http(f"{self.url}/select/logsql/query", data)
        assert status == 200, body
        return [json.loads(line) for line in body.splitlines()]

    def compare(self, form, name, run):
        """Sends a trace, asks for it; (problems, number of events)."""
        path, expected, service_field = self.FORMATS[form]
        service = f"{name}-{form}"
        lines = run_sent(run, self.folder, service, {
            "TELEMETRY_OUTPUT": "file,http", "RECEIVER_URL": self.url + path,
            "TELEMETRY_RECEIVER_FORMAT": form, "TELEMETRY_RECEIVER_TOKEN": "unused-token"})
        # Fractions as they are written.
        events = [json.loads(line, parse_float=str) for line in lines]
        found = poll(lambda: self.query(f'{service_field}:="{service}"'),
                     lambda had: len(had) >= len(events))
        return differences([flat(expected(event)) for event in events], found), len(events)


# By what an event is known in one of the formats: its span, what happened, its number.
_KEYS = (("event.span_id", "event.event_type", "event.sequence"),
         ("span.id", "event.action", "event.sequence"), ("span_id", "event_type", "sequence"))
# What VictoriaLogs keeps under names of its own.
_OWN = {"message": "_msg", "timestamp": "_time", "@timestamp": "_time", "event.message": "_msg"}


def _key(record):
    for names in _KEYS:
        if all(name in record for name in names):
            return tuple(record[name] for name in names)
    return ("no key", json.dumps(record)[:200])


def differences(wanted, found):
    """What is missing, there twice, or other than it was sent, as lines."""
    problems = []
    by_key = {}
    for record in found:
        key = _key(record)
        if key in by_key:
            problems.append(f"{key} is there twice")
        by_key[key] = record
    for record in wanted:
        key = _key(record)
        there = by_key.pop(key, None)
        if there is None:
            problems.append(f"{key} is missing")
            continue
        for name, value in record.items():
            if name in _OWN and name not in there:
                name = _OWN[name]
                if name == "_time":
                    continue  # in another form
            if value != "" and there.get(name) != value:
                problems.append(f"{key}: {name} is {there.get(name)!r}, not {value!r}")
    problems += [f"{key} was never sent" for key in by_key]
    return problems
