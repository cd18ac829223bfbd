// What is decided together (tail_sampler.h).
#pragma once

#include <cstdint>
#include <list>
#include <queue>
#include <string>
#include <utility>
#include <vector>

#include "shim/drain/sampling/tail_sampler.h"

namespace telinject::drain {

struct TailSampler::Unit {
  static constexpr size_t kOwnBytes = 400;  // about, with what tables have of it

  Units* list = nullptr;
  Units::iterator place;
  TraceId trace = {};
  uint64_t root = 0;         // the span that it began with
  uint64_t root_parent = 0;  // of the root, while that is not known
  uint64_t waits_for = 0;    // the root's parent, which may come yet; 0: no
  size_t waits_at = 0;       // its place among those that wait for the same
  bool whole = false;        // a trace, else a part of one
  bool named = false;        // its root is one that the rules name
  bool fresh = true;         // has no span yet
  bool needed = false;       // a long span hangs below it
  bool error = false;
  bool written = false;  // decided while open: what comes is passed on
  EventRelay::Share share = EventRelay::Share::kItself;
  uint32_t open = 0;  // spans
  bool root_ended = false;
  int64_t root_start_ns = 0, root_ns = 0;  // the duration, once it has ended
  std::string root_name;                   // likewise, if it is needed
  int64_t began_ns = 0, over_ns = 0;
  uint64_t first_order = 0;
  std::vector<EventTape> tapes;  // the first is its own, others are of units that joined it

  size_t memory() const {
    size_t bytes = kOwnBytes;
    for (const EventTape& tape : tapes) bytes += tape.memory();
    return bytes;
  }
  uint64_t events() const {
    uint64_t events = 0;
    for (const EventTape& tape : tapes) events += tape.events();
    return events;
  }
};

// Calls read(reader) for each event of the tapes, in the order in which they came.
template <typename Read>
void read_in_order(const std::vector<EventTape>& tapes, Read read) {
  if (tapes.size() == 1) {
    for (TapeReader reader(tapes.front()); reader.next();) read(&reader);
    return;
  }
  std::list<TapeReader> readers;
  using Next = std::pair<uint64_t, TapeReader*>;
  std::priority_queue<Next, std::vector<Next>, std::greater<>> next;
  for (const EventTape& tape : tapes) {
    TapeReader& reader = readers.emplace_back(tape);
    if (reader.next()) next.emplace(reader.order(), &reader);
  }
  while (!next.empty()) {
    TapeReader* reader = next.top().second;
    next.pop();
    read(reader);
    if (reader->next()) next.emplace(reader->order(), reader);
  }
}

}  // namespace telinject::drain
