#include "fuzz/http_conversation.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "shim/channel/http_message.h"
#include "tests/fuzz/events.h"
#include "tests/fuzz/input.h"
#include "unit/drain/test_drain.h"
#include "unit/hooks/http/heard.h"

namespace telinject::program::heard {

namespace {

enum Change : unsigned char { kTurn, kUnseen, kEnd, kLiteral };

// Cuts that follow from a seed; none with the seed 0.
class Cuts {
 public:
  explicit Cuts(uint32_t seed) : state_(seed) {}
  size_t next(size_t rest) {
    if (state_ == 0) return rest;
    state_ = state_ * 1664525 + 1013904223;
    return std::min<size_t>(rest, 1 + (state_ >> 16) % ((state_ & 0x100) != 0 ? 4 : 64));
  }

 private:
  uint32_t state_;
};

void pass(Wire* wire, Cuts* cuts, Way way, std::string* bytes) {
  std::string_view rest = *bytes;
  while (!rest.empty()) {
    size_t part = cuts->next(rest.size());
    wire->pass(way, rest.substr(0, part));
    rest.remove_prefix(part);
  }
  bytes->clear();
}

std::string hear(const unsigned char* data, size_t size, const std::string& opening,
                 uint32_t seed) {
  g_lines.clear();
  Wire wire;
  Cuts cuts(seed);
  Way way = Way::kSent;
  std::string bytes = opening;
  for (size_t i = 0; i < size; i++) {
    if (data[i] != 0xff || i + 1 == size) {
      bytes += static_cast<char>(data[i]);
      continue;
    }
    unsigned char what = data[++i];
    if (what % 4 == kLiteral) {
      bytes += static_cast<char>(what);
      continue;
    }
    pass(&wire, &cuts, way, &bytes);
    switch (what % 4) {
      case kTurn:
        way = way == Way::kSent ? Way::kReceived : Way::kSent;
        break;
      case kUnseen:
        wire.unseen(way, what / 4);
        break;
      case kEnd:
        wire.ended(way);
        break;
    }
  }
  pass(&wire, &cuts, way, &bytes);
  wire.closed();
  // What is counted of a connection that is given up goes by calls, and so by the cuts.
  std::erase_if(g_lines, [](const std::string& line) { return line.starts_with('!'); });
  return text();
}

// What was told makes events: each line is one that fits the schema, and each exchange has a
// request and a response, in this order.
void check_told() {
  using test::kTestOsPid;
  test::TestSegment segment{1};
  test::LaneWriter lane(&segment, 0);
  uint64_t ticks = drain::ClockMap::now(ClockKind::kMonotonic);
  ThreadMessage thread = {};
  thread.pid = kTestOsPid;
  thread.tid = 1;
  thread.process = 1;
  thread.stack_lo = 0x7ffe00000000;
  thread.stack_hi = thread.stack_lo + 0x100000;
  lane.message(ticks, MessageType::kThread, &thread, sizeof thread);
  for (const Told& told : g_messages) {
    if (lane.offset() + 2 * kMaxBlockBytes > kChunkBytes) lane.next_chunk();
    if (segment.header()->fresh_chunks.load() == segment.chunk_count()) break;
    lane.message(++ticks, told.type, told.bytes.data(), told.bytes.size());
  }
  test::DrainRun run = test::drain(&segment, {{kTestOsPid, {true, 0}}});
  std::map<std::string, int> spans;
  fuzz::check_events(run.lines, [&](const nlohmann::json& event) {
    if (event["event_type"] == "http_request") fuzz::require(spans[event["span_id"]]++ == 0);
    if (event["event_type"] == "http_response") fuzz::require(spans[event["span_id"]]++ == 1);
  });
  for (const auto& [span, events] : spans) fuzz::require(events == 2);
}

}  // namespace

void check_conversation(const unsigned char* data, size_t size, const std::string& opening) {
  if (size < 1) return;
  // Events of one conversation in eight: making them takes a hundred times as long as hearing it.
  g_messages.clear();
  g_keeps_messages = data[0] % 8 == 0;
  std::string whole = hear(data + 1, size - 1, opening, 0);
  if (g_keeps_messages) check_told();
  g_keeps_messages = false;
  // A report takes some bytes: of a frame, a head; and each exchange has an end.
  fuzz::require(g_lines.size() <= 2 * (size + opening.size()) + 4);
  fuzz::require(hear(data + 1, size - 1, opening, 1 + data[0]) == whole);
  // Where answers are left unread, the cut tells where the next begins, so they may differ; what is
  // reported is bounded likewise.
  for (uint32_t seed : {0, 1 + data[0]}) {
    g_left_out = "0";
    hear(data + 1, size - 1, opening, seed);
    g_left_out.clear();
    fuzz::require(g_lines.size() <= 2 * (size + opening.size()) + 4);
  }
}

}  // namespace telinject::program::heard
