"""What filters should leave of a trace, worked out from the whole trace by the rules of
docs/output.md: an independent model of the drain's own decisions.
"""

from dataclasses import dataclass, field


@dataclass
class Span:
    name: str
    attributes: dict
    parent: str | None
    thread: tuple
    depth: int
    duration: int = 0
    killed: bool = False
    begins_another: bool = field(default=False)  # a thread, process or coroutine, in it


def spans_of(events, coroutines=()):
    """{span id: Span} of the function spans, in the order of their entries.

    `coroutines`: functions that are the outermost of a stack of their own.
    """
    spans = {}
    for event in events:
        if event["event_type"] == "function_entry":
            parent = event["parent_span_id"]
            thread = (event["process"]["pid"], event["attributes"]["thread_id"])
            above = spans.get(parent)
            depth = above.depth + 1 if above is not None and above.thread == thread else 1
            if above is not None and (above.thread != thread
                                      or event["function_name"] in coroutines):
                above.begins_another = True
            spans[event["span_id"]] = Span(event["function_name"], event["attributes"], parent,
                                           thread, depth)
        elif event["event_type"] == "function_exit":
            span = spans[event["span_id"]]
            span.duration = event["duration_ns"]
            span.killed = event["attributes"].get("telinject.exit") in ("killed", "unknown")
    return spans


def expected(spans, min_duration=0, max_depth=0, wanted=lambda span: True):
    """{span id: parent's span id} of what is written."""
    def passes(span):
        return wanted(span) and not (max_depth and span.depth > max_depth)

    may_be_parent = {name for name, span in spans.items() if passes(span) or span.parent is None}

    def nearest(span_id):
        """The span itself or the nearest one above that may stand in the output."""
        while span_id in spans and span_id not in may_be_parent:
            span_id = spans[span_id].parent
        return span_id

    kept = set()
    for span_id, span in spans.items():
        right = passes(span) and (span.duration >= min_duration or span.killed)
        at = span_id if right else nearest(span_id) if span.begins_another else None
        while at in spans and at not in kept:
            kept.add(at)
            at = nearest(spans[at].parent)
    return {span_id: nearest(spans[span_id].parent) for span_id in kept}
