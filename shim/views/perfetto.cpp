// Perfetto's trace format: protobuf messages whose field numbers are public
// (https://perfetto.dev/docs/reference/trace-packet-proto).
//
// Each track is a packet sequence of its own. Its defaults name the track and an incremental clock,
// so a call takes two packets of a few bytes.
#include <algorithm>
#include <protozero/pbf_writer.hpp>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "shim/views/exports.h"
#include "shim/views/names.h"

namespace telinject::views {

namespace {

using protozero::pbf_writer;

constexpr uint32_t kTraceClock = 6;  // Perfetto's default clock (boot time); ours counts from 1970
constexpr uint32_t kIncremental = 64;         // a clock of the sequence's own
constexpr int kBegin = 1, kEnd = 2;           // TrackEvent.Type
constexpr uint32_t kCleared = 1, kNeeds = 2;  // sequence flags
constexpr uint32_t kShared = 1;               // the sequence of what belongs to no track

namespace packet {
constexpr int kClockSnapshot = 6, kTimestamp = 8, kSequence = 10, kTrackEvent = 11, kInterned = 12,
              kFlags = 13, kClock = 58, kDefaults = 59, kTrack = 60;
}
namespace event {
constexpr int kAnnotation = 4, kType = 9, kNameId = 10, kTrack = 11, kName = 23, kLocation = 34,
              kFlow = 47, kLastFlow = 48;
}

// Calls that calls of other tracks come from, and those of exchanges: arrows.
class Flows {
 public:
  explicit Flows(const SpanLog& log);
  struct Ends {
    std::vector<uint64_t> leave, arrive;
  };
  const Ends* of(uint32_t track, uint32_t call) const {
    auto found = ends_.find(key(track, call));
    return found == ends_.end() ? nullptr : &found->second;
  }

 private:
  static uint64_t key(uint32_t track, uint32_t call) { return uint64_t{track} << 32 | call; }
  absl::flat_hash_map<uint64_t, Ends> ends_;
};

Flows::Flows(const SpanLog& log) {
  uint64_t id = 1;
  for (uint32_t track = 0; track < log.tracks.size(); track++) {
    for (const auto& [call, from] : log.tracks[track].origins()) {
      ends_[key(from.track, from.call)].leave.push_back(id);
      ends_[key(track, call)].arrive.push_back(id++);
    }
  }
  for (const Exchange& each : log.exchanges) {
    if (each.caller.known())
      ends_[key(each.caller.track, each.caller.call)].leave.push_back(each.id);
  }
}

class Writer {
 public:
  Writer(const SpanLog& log, ViewWriter* out) : log_(log), out_(out), flows_(log) {}
  void write();

 private:
  // `fill` sets the packet's fields.
  template <typename Fill>
  void put(Fill fill) {
    packet_.clear();
    pbf_writer writer(packet_);
    fill(writer);
    pbf_writer(out_->text()).add_message(1, packet_);
    out_->row();
  }
  void describe_process(uint32_t process);
  void describe(const Track& track, uint64_t uuid, uint64_t parent);
  void begin_sequence(const Track& track, uint64_t uuid);
  void begin_call(uint32_t track, uint32_t call, uint64_t* last_ns);
  void end_call(int64_t end_ns, uint64_t* last_ns);
  void write_track(uint32_t track);
  void write_exchange(const Exchange& exchange);
  void intern(uint32_t function, pbf_writer* packet);
  void add_annotations(const Mark& mark, pbf_writer* event);

  const SpanLog& log_;
  ViewWriter* out_;
  Flows flows_;
  std::string packet_;
  uint32_t sequence_ = kShared;
  uint64_t uuid_ = 1;
  std::vector<uint64_t> process_uuids_;
  std::vector<uint32_t> interned_in_;  // by function: the sequence that knows its name
  absl::flat_hash_map<std::pair<uint32_t, int>, uint64_t> thread_uuids_;
};

void Writer::describe_process(uint32_t process) {
  const ProcessRow& row = log_.processes[process];
  put([&](pbf_writer& packet) {
    pbf_writer track(packet, packet::kTrack);
    track.add_uint64(1, process_uuids_[process]);
    pbf_writer about(track, 3);
    about.add_int32(1, row.pid);
    if (!row.command_line.empty()) about.add_string(2, row.command_line);
    about.add_string(6, plain_name(row.name));
  });
}

void Writer::describe(const Track& track, uint64_t uuid, uint64_t parent) {
  put([&](pbf_writer& packet) {
    {
      pbf_writer descriptor(packet, packet::kTrack);
      descriptor.add_uint64(1, uuid);
      descriptor.add_uint64(5, parent);
      if (track.stack > 0) {
        descriptor.add_string(2, absl::StrCat("stack ", track.stack + 1));
      } else {
        pbf_writer thread(descriptor, 4);
        thread.add_int32(1, log_.processes[track.process].pid);
        thread.add_int32(2, track.tid);
        thread.add_string(5, plain_name(track.thread_name));
      }
    }
    packet.add_uint32(packet::kSequence, sequence_);
  });
}

void Writer::begin_sequence(const Track& track, uint64_t uuid) {
  put([&](pbf_writer& packet) {
    {
      pbf_writer snapshot(packet, packet::kClockSnapshot);
      {
        pbf_writer clock(snapshot, 1);
        clock.add_uint32(1, kTraceClock);
        clock.add_uint64(2, static_cast<uint64_t>(track.start_ns(0)));
      }
      pbf_writer clock(snapshot, 1);
      clock.add_uint32(1, kIncremental);
      clock.add_uint64(2, 0);
      clock.add_bool(3, true);
    }
    packet.add_uint32(packet::kSequence, sequence_);
    packet.add_uint32(packet::kFlags, kCleared);
    pbf_writer defaults(packet, packet::kDefaults);
    {
      pbf_writer of_events(defaults, 11);
      of_events.add_uint64(event::kTrack, uuid);
    }
    defaults.add_uint32(packet::kClock, kIncremental);
  });
}

void Writer::intern(uint32_t function, pbf_writer* packet) {
  interned_in_[function] = sequence_;
  const FunctionTotals& row = log_.functions[function];
  pbf_writer interned(*packet, packet::kInterned);
  {
    pbf_writer name(interned, 2);
    name.add_uint64(1, function + 1);
    name.add_string(2, plain_name(row.name));
  }
  if (row.file.empty()) return;
  pbf_writer location(interned, 4);
  location.add_uint64(1, function + 1);
  location.add_string(2, plain_name(row.file));
  location.add_string(3, plain_name(row.name));
  if (row.line != 0) location.add_uint32(4, static_cast<uint32_t>(row.line));
}

void Writer::add_annotations(const Mark& mark, pbf_writer* event) {
  auto add = [&](std::string_view name, const std::string& value) {
    if (value.empty()) return;
    pbf_writer annotation(*event, event::kAnnotation);
    annotation.add_string(10, name.data(), name.size());
    annotation.add_string(6, value);
  };
  add("exit", mark.exit_kind);
  add("error.type", mark.type);
  add("error.message", mark.message);
  add("error.stack", mark.stack);
  if (mark.lost_calls > 0) add("lost_calls", absl::StrCat(mark.lost_calls));
}

void Writer::begin_call(uint32_t number, uint32_t call, uint64_t* last_ns) {
  const Track& track = log_.tracks[number];
  uint32_t function = log_.sites[track.site(call)].function;
  auto now = std::max(*last_ns, static_cast<uint64_t>(track.start_ns(call)));
  put([&](pbf_writer& packet) {
    packet.add_uint64(packet::kTimestamp, now - std::exchange(*last_ns, now));
    packet.add_uint32(packet::kSequence, sequence_);
    packet.add_uint32(packet::kFlags, kNeeds);
    if (interned_in_[function] != sequence_) intern(function, &packet);
    pbf_writer event(packet, packet::kTrackEvent);
    event.add_enum(event::kType, kBegin);
    event.add_uint64(event::kNameId, function + 1);
    if (!log_.functions[function].file.empty()) event.add_uint64(event::kLocation, function + 1);
    if (const Flows::Ends* ends = flows_.of(number, call)) {
      for (uint64_t id : ends->leave) event.add_fixed64(event::kFlow, id);
      for (uint64_t id : ends->arrive) event.add_fixed64(event::kLastFlow, id);
    }
    auto mark = track.marks().find(call);
    if (mark != track.marks().end()) add_annotations(mark->second, &event);
  });
}

void Writer::end_call(int64_t end_ns, uint64_t* last_ns) {
  auto now = std::max(*last_ns, static_cast<uint64_t>(end_ns));
  put([&](pbf_writer& packet) {
    packet.add_uint64(packet::kTimestamp, now - std::exchange(*last_ns, now));
    packet.add_uint32(packet::kSequence, sequence_);
    packet.add_uint32(packet::kFlags, kNeeds);
    pbf_writer event(packet, packet::kTrackEvent);
    event.add_enum(event::kType, kEnd);
  });
}

void Writer::write_track(uint32_t number) {
  const Track& track = log_.tracks[number];
  if (track.size() == 0) return;
  sequence_++;
  uint64_t uuid = ++uuid_;
  uint64_t& thread = thread_uuids_[{track.process, track.tid}];
  if (thread == 0) thread = uuid;
  describe(track, uuid, thread == uuid ? process_uuids_[track.process] : thread);
  begin_sequence(track, uuid);
  auto last = static_cast<uint64_t>(track.start_ns(0));
  walk(
      track, [&](uint32_t call) { begin_call(number, call, &last); },
      [&](uint32_t, int64_t end_ns) { end_call(end_ns, &last); });
}

// Exchanges overlap, so each has a track. Perfetto's UI joins those of the same name.
void Writer::write_exchange(const Exchange& exchange) {
  uint64_t uuid = ++uuid_;
  put([&](pbf_writer& packet) {
    pbf_writer track(packet, packet::kTrack);
    track.add_uint64(1, uuid);
    track.add_string(2, exchange.server ? "HTTP server" : "HTTP client");
    track.add_uint64(5, process_uuids_[exchange.process]);
  });
  auto put_event = [&](int64_t ns, int type, auto fill) {
    put([&](pbf_writer& packet) {
      packet.add_uint64(packet::kTimestamp, static_cast<uint64_t>(ns));
      packet.add_uint32(packet::kSequence, kShared);
      pbf_writer event(packet, packet::kTrackEvent);
      event.add_enum(event::kType, type);
      event.add_uint64(event::kTrack, uuid);
      fill(event);
    });
  };
  put_event(exchange.start_ns, kBegin, [&](pbf_writer& event) {
    event.add_string(event::kName, plain_name(absl::StrCat(exchange.method, " ", exchange.url)));
    // From the call that made it, and from the client's exchange to the server's.
    event.add_fixed64(event::kFlow, exchange.id);
    if (!exchange.caller.known() && exchange.parent != 0)
      event.add_fixed64(event::kFlow, exchange.parent);
    auto add = [&](std::string_view name, const std::string& value) {
      pbf_writer annotation(event, event::kAnnotation);
      annotation.add_string(10, name.data(), name.size());
      annotation.add_string(6, value);
    };
    if (exchange.status != 0) add("http.response.status_code", absl::StrCat(exchange.status));
    if (!exchange.error_type.empty()) add("error.type", exchange.error_type);
  });
  put_event(exchange.end_ns, kEnd, [](pbf_writer&) {});
}

void Writer::write() {
  interned_in_.resize(log_.functions.size());
  for (uint32_t i = 0; i < log_.processes.size(); i++) process_uuids_.push_back(++uuid_);
  for (uint32_t i = 0; i < log_.processes.size(); i++) describe_process(i);
  for (uint32_t i = 0; i < log_.tracks.size(); i++) write_track(i);
  for (const Exchange& exchange : log_.exchanges) write_exchange(exchange);
}

}  // namespace

void write_perfetto(const SpanLog& log, ViewWriter* out) {
  Writer(log, out).write();
}

}  // namespace telinject::views
