#include "shim/drain/sampling/flight_recorder.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "shim/drain/base/figures.h"

namespace telinject::drain {

namespace {

constexpr size_t kLargeBlockBytes = 64 << 10;
constexpr size_t kSmallBlocks = 64;  // of all memory, if that is less
constexpr size_t kStartBytes = 64;   // of a start that stays, besides its tape
constexpr int64_t kAskedNs = 100000000, kMinuteNs = 60000000000;

bool is_crash(const SpanEnd& event) {
  return event.note != nullptr && event.note->exit_kind == "killed";
}

}  // namespace

template <typename Event>
void FlightRecorder::keep(const Event& event) {
  reach(event.place.timestamp_ns);
  CastNumbers cast = relay_.cast_of(event.process, event.function);
  size_t block_bytes = std::min<size_t>(kLargeBlockBytes, rules_.memory_bytes / kSmallBlocks);
  if (blocks_.empty() || blocks_.back().tape.size() >= block_bytes) {
    Block& block = blocks_.emplace_back();
    block.first_order = order_;
    block.tape.reserve(block_bytes + block_bytes / 8);
    bytes_ += block.tape.memory();
  }
  Block& block = blocks_.back();
  size_t before = block.tape.memory();
  block.tape.add(event, cast, order_++);
  bytes_ += block.tape.memory() - before;
  block.last_ns = now_ns_;
  trim();
}

void FlightRecorder::trim() {
  while (blocks_.size() > 1) {
    bool too_old = rules_.keep_ns != 0 &&
                   now_ns_ - blocks_.front().last_ns > static_cast<int64_t>(rules_.keep_ns);
    if (!too_old && bytes_ <= rules_.memory_bytes) return;
    drop_oldest();
  }
}

void FlightRecorder::drop_oldest() {
  Block& block = blocks_.front();
  counts_.events_left_out += block.tape.events();
  for (TapeReader reader(block.tape); reader.next();) {
    if (reader.kind() == TapeReader::Kind::kStart) remember(&reader, /*written=*/false);
    if (reader.kind() == TapeReader::Kind::kEnd) forget_start(reader.place().span_id);
  }
  bytes_ -= block.tape.memory();
  blocks_.pop_front();
  if (relay_.has_forgotten()) release();
}

// The oldest start may be older than all blocks.
void FlightRecorder::release() {
  uint64_t oldest = blocks_.empty() ? order_ : blocks_.front().first_order;
  for (const auto& [span, begun] : begun_) {
    if (!begun.tape.empty()) oldest = std::min(oldest, begun.order);
  }
  relay_.release(oldest);
}

// One that is not written is kept: it is not left out, unless it is forgotten.
void FlightRecorder::remember(TapeReader* reader, bool written) {
  forget_start(reader->place().span_id);
  Begun& begun = begun_[reader->place().span_id];
  begun = {.tape = {}, .order = reader->order()};
  if (!written) {
    begun.tape.add(reader->start(), reader->cast(), reader->order());
    counts_.events_left_out--;
  }
  bytes_ += kStartBytes + begun.tape.memory();
}

void FlightRecorder::forget_start(uint64_t span) {
  auto found = begun_.find(span);
  if (found == begun_.end()) return;
  if (!found->second.tape.empty()) counts_.events_left_out++;
  bytes_ -= kStartBytes + found->second.tape.memory();
  begun_.erase(found);
}

void FlightRecorder::start(const SpanStart& event) {
  keep(event);
  keep_up();
}

void FlightRecorder::end(const SpanEnd& event) {
  keep(event);
  // What only its end is told of is no request: a connection may be open for long.
  bool request = event.operation != nullptr && !event.operation->names.start.empty();
  if (rules_.crashes && is_crash(event)) {
    ask(Reason::kCrash);
  } else if (rules_.errors && is_error(event)) {
    ask(Reason::kError);
  } else if (rules_.slow && rules_.slow_ns != 0 && request &&
             event.duration_ns > static_cast<int64_t>(rules_.slow_ns)) {
    ask(Reason::kSlow);
  }
  keep_up();
}

void FlightRecorder::note(const PointEvent& event) {
  keep(event);
  if (rules_.errors && event.kind == PointKind::kException) ask(Reason::kError);
  keep_up();
}

// What is asked for already has this, too.
void FlightRecorder::ask(Reason reason) {
  if (asked_.has_value()) return;
  std::deque<int64_t>& times = times_[static_cast<size_t>(reason)];
  while (!times.empty() && now_ns_ - times.front() >= kMinuteNs) times.pop_front();
  if (times.size() >= kMostAMinute) {
    counts_.refused++;
    return;
  }
  times.push_back(now_ns_);
  asked_ = reason;
  asked_ns_ = now_ns_;
}

void FlightRecorder::keep_up() {
  if (asked_.has_value() && now_ns_ - asked_ns_ >= kAskedNs) settle();
}

void FlightRecorder::settle() {
  if (asked_.has_value()) write(*asked_);
}

void FlightRecorder::write(Reason reason) {
  asked_.reset();
  counts_.dumps[static_cast<size_t>(reason)]++;
  std::vector<std::pair<uint64_t, uint64_t>> starts;  // by order
  for (const auto& [span, begun] : begun_) {
    if (!begun.tape.empty()) starts.emplace_back(begun.order, span);
  }
  std::sort(starts.begin(), starts.end());
  for (const auto& [order, span] : starts) {
    EventTape tape = std::move(begun_[span].tape);  // an empty one assigned would keep its memory
    for (TapeReader reader(tape); reader.next();) relay_.tell(&reader, EventRelay::Share::kItself);
    bytes_ -= tape.memory();
  }
  for (; !blocks_.empty(); blocks_.pop_front()) {
    Block& block = blocks_.front();
    for (TapeReader reader(block.tape); reader.next();) {
      relay_.tell(&reader, EventRelay::Share::kItself);
      if (reader.kind() == TapeReader::Kind::kStart) remember(&reader, /*written=*/true);
      if (reader.kind() == TapeReader::Kind::kEnd) forget_start(reader.place().span_id);
    }
    bytes_ -= block.tape.memory();
  }
  relay_.release(order_);
}

std::optional<uint64_t> FlightRecorder::dump() {
  uint64_t before = relay_.told();
  write(Reason::kAsked);
  flush();
  return relay_.told() - before;
}

std::string FlightRecorder::account() const {
  auto of = [&](Reason reason) { return counts_.dumps[static_cast<size_t>(reason)]; };
  uint64_t kept = 0;
  for (const Block& block : blocks_) kept += block.tape.events();
  for (const auto& [span, begun] : begun_) kept += begun.tape.empty() ? 0 : 1;
  std::string text =
      absl::StrCat("recorder   written ", grouped(of(Reason::kError)), " times after errors, ",
                   grouped(of(Reason::kCrash)), " after crashes, ", grouped(of(Reason::kSlow)),
                   " after slow requests, ", grouped(of(Reason::kAsked)), " as asked; ",
                   grouped(counts_.events_left_out + kept), " events left out");
  if (counts_.refused != 0) {
    absl::StrAppend(&text, "; ", grouped(counts_.refused),
                    " more reasons were ignored: ", kMostAMinute,
                    " dumps a minute at most of each kind");
  }
  return text;
}

}  // namespace telinject::drain
