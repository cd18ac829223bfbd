// Units fall into parts: below spans that are open for long, and below those above a root that the
// rules name.
#include <algorithm>
#include <deque>
#include <limits>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "shim/drain/sampling/tail_sampler.h"
#include "shim/drain/sampling/tail_unit.h"

namespace telinject::drain {

namespace {

constexpr int64_t kNever = std::numeric_limits<int64_t>::max();
// Parts that are complete wait for so many others, in case that more of them follows.
constexpr size_t kMostComplete = 4096;
constexpr size_t kCompleteShare = 16;  // of all memory, likewise

}  // namespace

// A unit that is being cut.
struct TailSampler::Cut {
  static constexpr uint32_t kLong = 0xffffffff;
  struct Part {
    Unit* unit = nullptr;  // null: it is decided
    uint32_t begun = 0;    // spans whose end was not read yet
    size_t bytes = 0;      // while it is among those that are complete
  };

  // That the span is of, if it is of one that is undecided.
  Part* of_span(uint64_t span) {
    auto found = part_of.find(span);
    if (found == part_of.end() || found->second == kLong) return nullptr;
    Part* part = &parts[found->second];
    return part->unit != nullptr ? part : nullptr;
  }
  bool is_long_span(uint64_t span) const {
    auto found = part_of.find(span);
    return found != part_of.end() && found->second == kLong;
  }

  Unit* unit;
  const IsLong& is_long;
  absl::flat_hash_map<uint64_t, uint32_t> part_of;  // spans
  std::vector<Part> parts;
  std::deque<uint32_t> complete;
  size_t complete_bytes = 0;
};

// It counts as open since never, until it is known which of its spans are: so it goes to the end.
uint32_t TailSampler::make_part(Cut* cut, const TapeReader& first) {
  const EventPlace& place = first.place();
  Unit* part = make_unit(place.trace, place.span_id, /*whole=*/false, kNever);
  part->root_start_ns = place.timestamp_ns;
  part->first_order = first.order();
  part->fresh = false;
  if (part->root == cut->unit->root && cut->unit->waits_for != 0) {
    wait_for(part, cut->unit->waits_for);
  }
  cut->parts.push_back({part});
  return static_cast<uint32_t>(cut->parts.size() - 1);
}

// That of its parent, if that is of one, else a new one.
uint32_t TailSampler::part_below(Cut* cut, const TapeReader& first) {
  uint64_t parent = first.place().parent_span_id;
  return cut->of_span(parent) != nullptr ? cut->part_of[parent] : make_part(cut, first);
}

void TailSampler::cut_start(Cut* cut, TapeReader* reader) {
  const EventPlace& place = reader->place();
  auto open = open_.find(place.span_id);
  bool is_open = open != open_.end() && open->second.unit == cut->unit;
  if (is_open && cut->is_long(place.span_id, open->second)) {
    if (Cut::Part* parent = cut->of_span(place.parent_span_id)) parent->unit->needed = true;
    cut->part_of[place.span_id] = Cut::kLong;
    open->second.unit = nullptr;
    traces_[place.trace].long_spans++;
    return relay_.tell(reader, EventRelay::Share::kItself);
  }
  uint32_t number = part_below(cut, *reader);
  cut->part_of[place.span_id] = number;
  cut->parts[number].begun++;
  Unit* part = cut->parts[number].unit;
  part->tapes.front().add(reader->start(), reader->cast(), reader->order());
  if (!is_open) return;
  open->second.unit = part;
  part->open++;
  part->began_ns = std::min(part->began_ns, place.timestamp_ns);
}

void TailSampler::cut_end(Cut* cut, TapeReader* reader) {
  const EventPlace& place = reader->place();
  if (cut->is_long_span(place.span_id)) return relay_.tell(reader, EventRelay::Share::kItself);
  bool known = cut->of_span(place.span_id) != nullptr;
  uint32_t number = known ? cut->part_of[place.span_id] : part_below(cut, *reader);
  Cut::Part& part = cut->parts[number];
  if (known && part.begun > 0) part.begun--;
  Unit* unit = part.unit;
  SpanEnd event = reader->end();
  const CastNumbers& cast = reader->cast();
  unit->tapes.front().add(event, cast, reader->order());
  unit->error = unit->error || is_error(event);
  if (place.span_id == unit->root) {
    if (cast.function != CastNumbers::kNone) event.function = &relay_.function(cast.function);
    root_ended(unit, event);
  }
  if (part.begun > 0 || !unit->root_ended || part.bytes != 0) return;
  part.bytes = unit->memory();
  cut->complete_bytes += part.bytes;
  cut->complete.push_back(number);
  hand_over(cut);
}

// Decides parts that are complete while others are still made, if they are many: else all of them
// would be in memory besides the unit itself.
void TailSampler::hand_over(Cut* cut) {
  while (cut->complete.size() > kMostComplete ||
         cut->complete_bytes > rules_.memory_bytes / kCompleteShare) {
    Cut::Part& part = cut->parts[cut->complete.front()];
    cut->complete.pop_front();
    cut->complete_bytes -= std::exchange(part.bytes, 0);
    if (part.begun > 0 || part.unit->open > 0) continue;  // more of it follows
    bytes_ += part.unit->tapes.front().memory();
    decide(std::exchange(part.unit, nullptr));
  }
}

void TailSampler::cut_note(Cut* cut, TapeReader* reader) {
  Cut::Part* part = cut->of_span(reader->place().span_id);
  if (part == nullptr) return relay_.tell(reader, EventRelay::Share::kItself);
  part->unit->tapes.front().add(reader->note(), reader->cast(), reader->order());
  part->unit->error = true;
}

void TailSampler::cut_if(Unit* unit, const IsLong& is_long) {
  Cut cut = {unit, is_long, {}, {}, {}};
  read_in_order(unit->tapes, [&](TapeReader* reader) {
    switch (reader->kind()) {
      case TapeReader::Kind::kStart:
        return cut_start(&cut, reader);
      case TapeReader::Kind::kEnd:
        return cut_end(&cut, reader);
      case TapeReader::Kind::kNote:
        return cut_note(&cut, reader);
    }
  });
  file_parts(&cut);
  remove(unit);
}

// Those with open spans all at once, in one pass over the list: it may have many others.
void TailSampler::file_parts(Cut* cut) {
  Units open;
  for (const Cut::Part& part : cut->parts) {
    if (part.unit == nullptr) continue;
    part.unit->over_ns = now_ns_;
    bytes_ += part.unit->tapes.front().memory();
    if (part.unit->open == 0) {
      file(part.unit);
    } else {
      open.splice(open.end(), open_units_, part.unit->place);
    }
  }
  auto earlier = [](const Unit& a, const Unit& b) { return a.began_ns < b.began_ns; };
  open.sort(earlier);
  open_units_.merge(open, earlier);
}

void TailSampler::cut(Unit* unit, int64_t before_ns) {
  cut_if(unit, [before_ns](uint64_t, const Open& open) { return open.start_ns <= before_ns; });
}

// The span and those above it.
void TailSampler::cut_above(uint64_t span) {
  Unit* unit = open_.find(span)->second.unit;
  absl::flat_hash_set<uint64_t> above;
  for (uint64_t at = span; at != 0;) {
    auto open = open_.find(at);
    if (open == open_.end() || open->second.unit != unit || !above.insert(at).second) break;
    at = open->second.parent;
  }
  if (!unit->written) {
    return cut_if(unit, [&](uint64_t id, const Open&) { return above.contains(id); });
  }
  for (uint64_t id : above) let_go(&open_.find(id)->second);
  over_if_closed(unit);
}

// A span of a unit that is written: it is long from now on.
void TailSampler::let_go(Open* open) {
  std::exchange(open->unit, nullptr)->open--;
  traces_[open->trace].long_spans++;
}

// All units that are written, in one pass over the open spans: it is due once in each wait.
void TailSampler::cut_written() {
  int64_t before_ns = now_ns_ - static_cast<int64_t>(rules_.wait_ns);
  for (auto& [id, open] : open_) {
    if (open.unit != nullptr && open.unit->written && open.start_ns <= before_ns) let_go(&open);
  }
  for (auto at = written_units_.begin(); at != written_units_.end();) {
    Unit* unit = &*at++;
    unit->began_ns = now_ns_;
    over_if_closed(unit);
  }
}

}  // namespace telinject::drain
