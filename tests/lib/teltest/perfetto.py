"""Perfetto's traces, read by its own protobuf definitions (PyPI's perfetto)."""

from collections import defaultdict
from dataclasses import dataclass, field

from perfetto.protos.perfetto.trace.perfetto_trace_pb2 import Trace, TrackEvent

INCREMENTAL = 64  # the clock of a sequence


@dataclass
class Slice:
    name: str
    track: int
    start_ns: int
    depth: int
    end_ns: int = -1
    flows: list = field(default_factory=list)
    annotations: dict = field(default_factory=dict)


class _Sequence:
    """The state that packets of one sequence share."""

    def __init__(self):
        self.clock, self.track, self.names = 0, 0, {}


def read_perfetto(data):
    """([Slice], [problem]): names interned, timestamps added up, each end matched with its start."""
    sequences, open_slices = defaultdict(_Sequence), defaultdict(list)
    slices, problems = [], []
    for packet in Trace.FromString(data).packet:
        sequence = sequences[packet.trusted_packet_sequence_id]
        if packet.HasField("clock_snapshot"):
            clocks = {clock.clock_id: clock for clock in packet.clock_snapshot.clocks}
            if INCREMENTAL in clocks:
                sequence.clock = clocks[6].timestamp
        if packet.HasField("trace_packet_defaults"):
            sequence.track = packet.trace_packet_defaults.track_event_defaults.track_uuid
        for name in packet.interned_data.event_names:
            sequence.names[name.iid] = name.name
        if not packet.HasField("track_event"):
            continue
        event = packet.track_event
        track = event.track_uuid or sequence.track
        now = packet.timestamp
        if sequence.track:
            sequence.clock += packet.timestamp
            now = sequence.clock
        if event.type == TrackEvent.TYPE_SLICE_BEGIN:
            name = event.name or sequence.names.get(event.name_iid)
            if name is None:
                problems.append(f"unknown name {event.name_iid}")
            annotations = {each.name: each.string_value for each in event.debug_annotations}
            made = Slice(name, track, now, len(open_slices[track]), annotations=annotations,
                         flows=[*event.flow_ids, *event.terminating_flow_ids])
            slices.append(made)
            open_slices[track].append(made)
        elif event.type == TrackEvent.TYPE_SLICE_END:
            if not open_slices[track]:
                problems.append(f"an end without a start on track {track}")
                continue
            open_slices[track].pop().end_ns = now
    problems += [f"{each.name} has no end" for calls in open_slices.values() for each in calls]
    return slices, problems
