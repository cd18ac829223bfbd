"""Events of TELEMETRY_DETAIL=lean, told in full.

What all events of a process share stands in a telemetry_process event, what the calls of a function
from one place share in a telemetry_function event; the others refer to them by span id. See
docs/output.md.
"""

SHARED = ("schema", "trace_flags", "sample_rate", "service", "environment", "resource", "cloud",
          "host", "k8s", "process")


class UnknownReference(ValueError):
    pass


class Expander:
    """full() takes every event in the order of the stream."""

    def __init__(self):
        self._processes = {}
        self._functions = {}

    def full(self, event):
        if event.get("event_type") == "telemetry_process":
            self._processes[event["span_id"]] = {name: event[name] for name in SHARED
                                                 if name in event}
        if "process_ref" not in event:
            return event
        event = dict(event)
        event |= self._look_up(self._processes, event.pop("process_ref"), "process")
        if event["event_type"] == "telemetry_function":
            self._functions[event["span_id"]] = event["attributes"]
        reference = event.pop("function_ref", None)
        if reference is None:
            return event
        attributes = self._look_up(self._functions, reference, "function")
        event["attributes"] = attributes | event["attributes"]
        return event | _derived(event)

    @staticmethod
    def _look_up(known, reference, what):
        if reference not in known:
            raise UnknownReference(f"{what}_ref {reference} is of no telemetry_{what} event above")
        return known[reference]


def _derived(event):
    name = event["function_name"]
    if event["event_type"] == "function_entry":
        message, kind = f"Function '{name}' entry", "start"
    else:
        hundredths = (event["duration_ns"] + 5000) // 10000
        message = f"Function '{name}' exit ({hundredths // 100}.{hundredths % 100:02d}ms)"
        kind = "end"
    return {"message": message, "event": {"name": name, "category": "code", "type": kind},
            "correlation_id": "func_" + event["span_id"][:8]}
