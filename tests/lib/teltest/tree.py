"""The invariants of a trace that no single line shows.

In the order of the file:
  sequence         1, 2, 3, ... without gaps in each process, whatever it executes
  timestamp        `timestamp` is `timestamp_ns` cut to milliseconds
  thread-time      time does not run backwards on a thread
  span-twice, end-without-start, end-twice, never-ended    one start and one end a span
  mismatch         both carry the same name, trace, parent, correlation id and thread
  duration         duration_ns is end less start, less what the thread waited for room or for a processor;
                   duration_ms is that / 1e6
  nesting          calls of a thread nest: the parent of a call is the innermost open one, and the
                   innermost open one ends first
  outside-span     loops, variables, exceptions belong to a span that is open
  text             message and event.name say what the fields say

At the end, for parents may come later in the file than children of other threads:
  parent-missing   every parent is emitted (or an expected remote one)
  parent-trace     ... in the same trace
  outside-parent   children start no earlier and, on the same thread, end no later than their parent
  two-roots        a trace has at most one root

A thread or process may outlive the call that created it, so only calls on the parent's own thread
have to end before it. HTTP and database spans may be asynchronous: they take no part in nesting.
"""

import datetime

from teltest.problems import Problems
from teltest.spans import DATABASE, FUNCTION, HTTP, NO_PARENT, OPEN, SpanTable

STARTS = {"function_entry": FUNCTION, "http_request": HTTP, "database_query": DATABASE}
ENDS = {"function_exit": FUNCTION, "http_response": HTTP, "database_result": DATABASE}
LOSS = "telemetry_loss"
TLS = "tls_connection"  # a span in one event, at its end
SHARED = ("telemetry_process", "telemetry_function")  # of lean detail: no spans

# Two processes take their clocks' anchors each for itself.
CLOCK_TOLERANCE_NS = 1_000_000

_MILLISECONDS = [f"{ms:03d}Z" for ms in range(1000)]


class Image:
    """One program in one process: what exec replaces."""

    def __init__(self, process, number):
        self.process = process
        self.number = number
        self.open = 0


class Process:
    def __init__(self, pid):
        self.pid = pid
        self.next_sequence = 1
        self.gap = False
        self.images = []


class Thread:
    __slots__ = ("stack", "time", "others")

    def __init__(self):
        self.stack = []    # rows of open function spans, outermost first
        self.time = 0
        self.others = set()  # rows of open spans of other kinds


class TreeChecker:
    """feed() it every event in the order of the file, then finish().

    remote_parents: set of (trace_id, span_id), as texts, that may be parents without being emitted.
    stack_switches: the program switches stacks (coroutines): a call's parent must be open, but calls
    need not end in the reverse order of their starts, nor inside their parent, nor on the thread that
    they began on.
    """

    def __init__(self, remote_parents=(), stack_switches=False, keep=5):
        self.problems = Problems(keep)
        self.spans = SpanTable()
        self.lost = {}
        self.lines = 0
        self.deepest = 0         # calls open at once on a thread
        self._remote = {(trace, int(span, 16)) for trace, span in remote_parents}
        self._switches = stack_switches
        self._images = {}
        self._processes = {}
        self._threads = []       # Thread by number
        self._open = {}          # row -> (name, trace, parent, correlation id) of its start
        self._roots = set()      # numbers of traces that have one
        self._second = -1
        self._second_text = ""

    def feed(self, event):
        self.lines += 1
        try:
            self._feed(event)
        except (KeyError, TypeError, ValueError, OverflowError, OSError) as error:
            self._bad("malformed", f"{type(error).__name__}: {error}")

    def finish(self):
        for row, (name, *_) in self._open.items():
            self._bad("never-ended", f"{name} (span {self.spans.ids[row]:016x})",
                      self.spans.lines[row])
        self._finish_parents()
        return self.problems

    # One event.

    def _bad(self, kind, text, line=None):
        self.problems.add(kind, text, line if line is not None else self.lines)

    def _feed(self, event):
        time = event["timestamp_ns"]
        self._check_timestamp(time, event["timestamp"])
        image = self._image(event["process"])
        self._check_sequence(image.process, event["sequence"])
        event_type = event["event_type"]
        kind = STARTS.get(event_type)
        if kind is not None:
            return self._start(event, kind, image, time)
        kind = ENDS.get(event_type)
        if kind is not None:
            return self._end(event, kind, image, time)
        if event_type == LOSS:
            attributes = event["attributes"]
            reason = attributes["telinject.loss_reason"]
            self.lost[reason] = self.lost.get(reason, 0) + attributes["telinject.lost_calls"]
            return None
        if event_type in SHARED:
            return None
        if event_type == TLS:
            return self._whole(event, image, time)
        row = self.spans.rows.get(int(event["span_id"], 16))
        if row is None or self.spans.ends[row] != OPEN:
            self._bad("outside-span", f"{event_type} in span {event['span_id']}, which is not open")
        return None

    def _check_timestamp(self, time, text):
        if type(time) is not int:  # 1.0 is an integer to JSON Schema
            raise TypeError(f"timestamp_ns is {time!r}")
        second, rest = divmod(time, 1_000_000_000)
        if second != self._second:
            moment = datetime.datetime.fromtimestamp(second, datetime.timezone.utc)
            self._second, self._second_text = second, moment.strftime("%Y-%m-%dT%H:%M:%S.")
        if text != self._second_text + _MILLISECONDS[rest // 1_000_000]:
            self._bad("timestamp", f"{text} is not {time} ns cut to milliseconds")

    def _image(self, process):
        key = (process["pid"], process.get("executable"), process.get("command_line"))
        image = self._images.get(key)
        if image is None:
            process = self._processes.setdefault(key[0], Process(key[0]))
            image = self._images[key] = Image(process, len(self._images))
            process.images.append(image)
        return image

    def _check_sequence(self, process, sequence):
        """The number of a process that has ended may be used again."""
        again = sequence == 1 and not any(image.open for image in process.images)
        if sequence != process.next_sequence and not again:
            # Once a process: what follows a gap is wrong, too.
            if not process.gap:
                self._bad("sequence",
                          f"process {process.pid}: {sequence} where {process.next_sequence} was due")
            process.gap = True
        process.next_sequence = sequence + 1

    def _thread(self, image, event):
        number = self.spans.thread((image.number, event["attributes"]["thread_id"]))
        if number == len(self._threads):
            self._threads.append(Thread())
        return number, self._threads[number]

    def _start(self, event, kind, image, time):
        span_id = int(event["span_id"], 16)
        if span_id in self.spans.rows:
            return self._bad("span-twice", f"a second start of span {event['span_id']}")
        parent_text = event["parent_span_id"]
        parent = int(parent_text, 16) if parent_text is not None else NO_PARENT
        trace = self.spans.trace(event["trace_id"])
        number, thread = self._thread(image, event)
        row = self.spans.add(span_id, parent, trace, number, kind, time, self.lines)
        image.open += 1
        if parent_text is None:
            if trace in self._roots:
                self._bad("two-roots", f"a second root in trace {event['trace_id']}")
            self._roots.add(trace)
        if kind == FUNCTION:
            name = event["function_name"]
            self._check_time(thread, time)
            self._check_parent(thread, parent, name)
            thread.stack.append(row)
            self.deepest = max(self.deepest, len(thread.stack))
            if event["message"] != f"Function '{name}' entry" or event["event"]["name"] != name:
                self._bad("text", f"{name}: message {event['message']!r}, "
                                  f"event.name {event['event']['name']!r}")
        else:
            name = event["event"]["name"]
            thread.others.add(row)
        self._open[row] = (name, trace, parent, event["correlation_id"])
        return None

    def _whole(self, event, image, time):
        span_id = int(event["span_id"], 16)
        if span_id in self.spans.rows:
            return self._bad("span-twice", f"a second start of span {event['span_id']}")
        parent_text = event["parent_span_id"]
        parent = int(parent_text, 16) if parent_text is not None else NO_PARENT
        trace = self.spans.trace(event["trace_id"])
        number, _ = self._thread(image, event)
        row = self.spans.add(span_id, parent, trace, number, HTTP, time - event["duration_ns"],
                             self.lines)
        self.spans.ends[row] = time
        if parent_text is None:
            if trace in self._roots:
                self._bad("two-roots", f"a second root in trace {event['trace_id']}")
            self._roots.add(trace)
        return None

    def _check_time(self, thread, time):
        if time < thread.time:
            self._bad("thread-time", f"{thread.time - time} ns before the event before it")
        thread.time = time

    def _check_parent(self, thread, parent, name):
        ids = self.spans.ids
        if thread.stack and ids[thread.stack[-1]] == parent:
            return
        if any(ids[row] == parent for row in thread.others):
            return
        if thread.stack:
            if self._switches and self.spans.rows.get(parent) in self._open:
                return
            self._bad("nesting", f"parent of {name} is {parent:016x}, but the innermost open call "
                                 f"is {self._open[thread.stack[-1]][0]} "
                                 f"({ids[thread.stack[-1]]:016x})")

    def _end(self, event, kind, image, time):
        spans = self.spans
        row = spans.rows.get(int(event["span_id"], 16))
        if row is None:
            return self._bad("end-without-start", f"span {event['span_id']}")
        start = self._open.pop(row, None)
        if start is None:
            return self._bad("end-twice", f"span {event['span_id']}")
        spans.ends[row] = time
        image.open -= 1
        number, thread = self._thread(image, event)
        parent_text = event["parent_span_id"]
        name = event["function_name"] if kind == FUNCTION else event["event"]["name"]
        end = (name, spans.trace(event["trace_id"]),
               int(parent_text, 16) if parent_text is not None else NO_PARENT,
               event["correlation_id"])
        moved = number != spans.threads[row] and not (self._switches and kind == FUNCTION)
        if end != start or moved or kind != spans.kinds[row]:
            self._bad("mismatch", f"start and end of span {event['span_id']} differ: name, trace, "
                                  f"parent, correlation: {start} and {end}; thread "
                                  f"{spans.threads[row]} and {number}")
        duration = event["duration_ns"]
        waited = 0
        if kind == FUNCTION:
            waited = sum(event["attributes"].get(name, 0)
                         for name in ("telinject.waited_ns", "telinject.preempted_ns"))
        if duration != time - spans.starts[row] - waited:
            self._bad("duration", f"duration_ns {duration} of {name} is not "
                                  f"{time} - {spans.starts[row]} - {waited}")
        if round(event["duration_ms"] * 1e6) != duration:
            self._bad("duration", f"duration_ms {event['duration_ms']} of {name} is not "
                                  f"{duration} ns")
        owner = self._threads[spans.threads[row]]
        if kind == FUNCTION:
            self._check_time(thread, time)
            self._leave(owner, row, name)
            self._check_exit_text(event, name)
        else:
            owner.others.discard(row)
        return None

    def _leave(self, thread, row, name):
        if thread.stack and thread.stack[-1] == row:
            thread.stack.pop()
        elif row in thread.stack:
            if not self._switches:
                self._bad("nesting", f"{name} ends before {self._open[thread.stack[-1]][0]}, "
                                     "which it called")
            thread.stack.remove(row)

    def _check_exit_text(self, event, name):
        message = event["message"]
        start = f"Function '{name}' exit ("
        good = message.startswith(start) and message.endswith("ms)")
        if good:
            shown = float(message[len(start):-3])
            good = abs(shown - event["duration_ms"]) <= 0.0050001
        if not good or event["event"]["name"] != name:
            self._bad("text", f"{name}, {event['duration_ms']} ms: message {message!r}, "
                              f"event.name {event['event']['name']!r}")

    # All events.

    def _finish_parents(self):
        spans = self.spans
        rows, traces, threads = spans.rows, spans.traces, spans.threads
        kinds, starts, ends = spans.kinds, spans.starts, spans.ends
        thread_images = [image for image, _ in spans.thread.values()]
        trace_ids = spans.trace.values()
        for row, parent in enumerate(spans.parents):
            if parent == NO_PARENT:
                continue
            above = rows.get(parent)
            if above is None:
                if (trace_ids[traces[row]], parent) not in self._remote:
                    self._bad("parent-missing", f"parent {parent:016x} of span "
                                                f"{spans.ids[row]:016x} is not in the trace",
                              spans.lines[row])
                continue
            if traces[above] != traces[row]:
                self._bad("parent-trace", f"span {spans.ids[row]:016x} and its parent "
                                          f"{parent:016x} are of different traces", spans.lines[row])
            same_image = thread_images[threads[above]] == thread_images[threads[row]]
            early = starts[above] - starts[row]
            if early > (0 if same_image else CLOCK_TOLERANCE_NS):
                self._bad("outside-parent", f"span {spans.ids[row]:016x} starts {early} ns before "
                                            "its parent", spans.lines[row])
            if (threads[above] == threads[row] and kinds[row] == kinds[above] == FUNCTION
                    and not self._switches and ends[above] != OPEN and ends[row] > ends[above]):
                self._bad("outside-parent", f"span {spans.ids[row]:016x} ends "
                                            f"{ends[row] - ends[above]} ns after its parent",
                          spans.lines[row])


def check_events(events, **options):
    """Runs a TreeChecker over events and returns it, finished."""
    checker = TreeChecker(**options)
    feed = checker.feed
    for event in events:
        feed(event)
    checker.finish()
    return checker
