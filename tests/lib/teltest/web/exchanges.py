"""The HTTP spans of a trace, and what is wrong with them by themselves."""

from collections import Counter
from urllib.parse import urlsplit

from teltest.check import check_tree
from teltest.events import read_events

try:
    from teltest.schema import errors_of, validator
    validator()
except ImportError:
    errors_of = None

OPAQUE = "tls_connection"


class Exchange:
    """A pair of events; `response` is None if there is none."""

    def __init__(self, request):
        self.request = request
        self.response = None
        self.id = request["span_id"]
        self.trace = request["trace_id"]
        self.parent = request["parent_span_id"]
        self.pid = request["process"]["pid"]
        self.role = request["attributes"].get("span.kind")
        self.method = request["http"]["request"]["method"]
        self.url = request["http"]["request"]["url"]
        self.version = request["attributes"].get("network.protocol.version")

    @property
    def status(self):
        return self.response and self.response["http"]["response"].get("status_code")

    @property
    def error(self):
        return (self.response or {}).get("error", {}).get("type")

    @property
    def path(self):
        parts = urlsplit(self.url)
        return parts.path + ("?" + parts.query if parts.query else "")

    def key(self):
        return self.method, self.path, self.status

    def __repr__(self):
        return f"{self.role} {self.method} {self.url} {self.status} {self.error or ''}".strip()


class Exchanges:
    """Reads and checks a whole file. `problems` are texts.

    remote_parents: (trace, span) that came in from elsewhere.
    """

    def __init__(self, path, remote_parents=()):
        self.all = []
        self.opaque = []
        self.functions = []
        self.problems = []
        self.losses = Counter()
        self.remote_parents = set(remote_parents)
        self.schema_checked = errors_of is not None
        self._by_id = {}
        self._spans = {}
        if path.exists():
            for event in read_events(path):
                self._feed(event)
        for exchange in self.all:
            if exchange.response is None:
                self.problems.append(f"no response event: {exchange}")
        # The tree as a whole: one start and one end a span, times, sequence numbers, parents.
        if path.exists():
            checker = check_tree(path, remote_parents=remote_parents)
            if checker.problems:
                self.problems.append(str(checker.problems))
        self.orphans = self._orphans()

    def _feed(self, event):
        kind = event["event_type"]
        if kind == "http_request":
            exchange = Exchange(event)
            if exchange.id in self._by_id:
                self.problems.append(f"span {exchange.id} twice")
            self._by_id[exchange.id] = exchange
            self.all.append(exchange)
        elif kind == "http_response":
            exchange = self._by_id.get(event["span_id"])
            if exchange is None:
                self.problems.append(f"a response without request: {event['span_id']}")
            elif exchange.response is not None:
                self.problems.append(f"two responses of {exchange}")
            else:
                exchange.response = event
        elif kind == OPAQUE:
            self.opaque.append(event)
        elif kind == "telemetry_loss":
            attributes = event["attributes"]
            self.losses[attributes["telinject.loss_reason"]] += attributes["telinject.lost_calls"]
        else:
            self.functions.append(event)
        if "span_id" in event:
            self._spans[event["span_id"]] = event
        if errors_of is not None and len(self.problems) < 5:
            for error in errors_of(event):
                if (text := f"{kind}: {error}") not in self.problems:
                    self.problems.append(text)

    def _orphans(self):
        """Parents that are in nobody's trace."""
        orphans = []
        for event in self._spans.values():
            parent = event.get("parent_span_id")
            if parent is None or (event["trace_id"], parent) in self.remote_parents:
                continue
            if parent not in self._spans or self._spans[parent]["trace_id"] != event["trace_id"]:
                orphans.append(f"{event['event_type']} {event['span_id']}: {parent}")
        return orphans

    def of(self, role):
        return [exchange for exchange in self.all if exchange.role == role]

    def emitted(self, traceparent):
        """The span that a traceparent names is in the file, in that trace."""
        _, trace, span, _ = traceparent.split("-")
        return span in self._spans and self._spans[span]["trace_id"] == trace
