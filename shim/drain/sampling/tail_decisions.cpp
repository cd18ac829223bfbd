// When units are decided, and how.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "shim/channel/ids.h"
#include "shim/channel/settings.h"
#include "shim/drain/base/figures.h"
#include "shim/drain/sampling/tail_sampler.h"
#include "shim/drain/sampling/tail_unit.h"

namespace telinject::drain {

namespace {

// After its last span has ended: a program that it started, or the client's side of a request that
// was served, may tell of itself later.
constexpr int64_t kMomentNs = 200000000;
constexpr int64_t kReleaseNs = 1000000000;
constexpr size_t kMostDecided = 65536;

}  // namespace

void TailSampler::keep_up() {
  while (!over_units_.empty() && now_ns_ - over_units_.front().over_ns >= kMomentNs) {
    decide(&over_units_.front());
  }
  auto wait = static_cast<int64_t>(rules_.wait_ns);
  while (!open_units_.empty() && now_ns_ - open_units_.front().began_ns >= wait) {
    cut(&open_units_.front(), now_ns_ - wait);
  }
  if (!written_units_.empty() && now_ns_ - written_units_.front().began_ns >= wait) cut_written();
  if (relay_.has_forgotten() && now_ns_ - released_ns_ >= kReleaseNs) release();
}

void TailSampler::settle() {
  while (!over_units_.empty()) decide(&over_units_.front());
  if (relay_.has_forgotten()) release();
}

void TailSampler::release() {
  uint64_t oldest = order_;
  for (const Units* units : {&open_units_, &over_units_}) {
    for (const Unit& unit : *units) oldest = std::min(oldest, unit.first_order);
  }
  relay_.release(oldest);
  released_ns_ = now_ns_;
}

// Spans that stay open are of no unit from now on.
void TailSampler::conclude() {
  settle();
  for (Unit& unit : open_units_) {
    counts_.undecided++;
    write(&unit, EventRelay::Share::kItself);
  }
  for (auto& [id, open] : open_) {
    if (std::exchange(open.unit, nullptr) != nullptr) traces_[open.trace].long_spans++;
  }
  while (!open_units_.empty()) remove(&open_units_.front());
  while (!written_units_.empty()) remove(&written_units_.front());
  relay_.release(order_);
}

bool TailSampler::chosen_by_rate(const Unit& unit) const {
  if (rules_.rate == 0) return false;
  // A part is chosen by its root, for all parts have the same trace.
  if (!unit.whole) return (unit.root & kRandomBits) >= sampling_threshold(rules_.rate);
  TapeReader first(unit.tapes.front());
  if (!first.next()) return false;
  // Of the traces that were sampled at their roots, consistently with that.
  uint64_t before = relay_.process(first.cast().process).sample_rate;
  return sampled(unit.trace, sampling_threshold(rate_of_both(before, rules_.rate)));
}

TailSampler::Verdict TailSampler::judge(const Unit& unit) {
  // Counted in any case.
  bool slow_of_name = slow_roots_ != nullptr && unit.root_ended &&
                      slow_roots_->is_slow(unit.root_name, unit.root_ns);
  if (rules_.errors && unit.error) return Verdict::kErrors;
  bool slow = rules_.slow && unit.root_ended && unit.root_ns > static_cast<int64_t>(rules_.slow_ns);
  if (slow || slow_of_name) return Verdict::kSlow;
  if (unit.needed) return Verdict::kNeeded;
  return chosen_by_rate(unit) ? Verdict::kRate : Verdict::kLeaveOut;
}

void TailSampler::decide(Unit* unit) {
  Verdict verdict = judge(*unit);
  counts_.of[static_cast<size_t>(verdict)]++;
  if (verdict == Verdict::kLeaveOut) {
    counts_.events_left_out += unit->events();
  } else {
    write(unit,
          verdict == Verdict::kRate ? EventRelay::Share::kByRate : EventRelay::Share::kItself);
  }
  if (unit->whole) decided(unit->trace, verdict != Verdict::kLeaveOut);
  remove(unit);
}

void TailSampler::write(Unit* unit, EventRelay::Share share) {
  read_in_order(unit->tapes, [&](TapeReader* reader) { relay_.tell(reader, share); });
}

void TailSampler::write_from_here(Unit* unit) {
  write(unit, EventRelay::Share::kItself);
  bytes_ -= unit->memory();
  unit->tapes.clear();
  unit->tapes.emplace_back();
  bytes_ += unit->memory();
  unit->written = true;
  file(unit);
}

bool TailSampler::slow_already(const Unit& unit) const {
  return rules_.slow && !unit.root_ended &&
         now_ns_ - unit.root_start_ns > static_cast<int64_t>(rules_.slow_ns);
}

void TailSampler::make_room() {
  while (bytes_ > rules_.memory_bytes) {
    if (!over_units_.empty()) {
      decide(&over_units_.front());
      continue;
    }
    if (open_units_.empty()) return;
    Unit* oldest = &open_units_.front();
    counts_.forced++;
    if (rules_.errors && oldest->error) {
      counts_.of[static_cast<size_t>(Verdict::kErrors)]++;
      write_from_here(oldest);
    } else if (slow_already(*oldest)) {
      counts_.of[static_cast<size_t>(Verdict::kSlow)]++;
      write_from_here(oldest);
    } else {
      cut(oldest, oldest->began_ns + (now_ns_ - oldest->began_ns) / 2);
    }
  }
}

void TailSampler::decided(TraceId id, bool written) {
  Trace& trace = traces_[id];
  trace.written = trace.written || written;
  if (std::exchange(trace.decided, true)) return;
  decided_.push_back(id);
  if (decided_.size() <= kMostDecided) return;
  TraceId oldest = decided_.front();
  decided_.pop_front();
  auto found = traces_.find(oldest);
  if (found == traces_.end()) return;
  found->second.decided = false;
  forget_if_idle(oldest);
}

void TailSampler::forget_if_idle(TraceId id) {
  auto found = traces_.find(id);
  if (found == traces_.end()) return;
  const Trace& trace = found->second;
  if (trace.units == 0 && trace.long_spans == 0 && !trace.decided) traces_.erase(found);
}

void TailSampler::remove(Unit* unit) {
  bytes_ -= unit->memory();
  TraceId id = unit->trace;
  Trace& trace = traces_[id];
  trace.units--;
  if (trace.unit == unit) trace.unit = nullptr;
  if (unit->waits_for != 0) wait_no_more(unit);
  unit->list->erase(unit->place);
  forget_if_idle(id);
}

std::string TailSampler::account() const {
  auto of = [&](Verdict verdict) { return counts_.of[static_cast<size_t>(verdict)]; };
  uint64_t left_out = of(Verdict::kLeaveOut);
  uint64_t written =
      of(Verdict::kErrors) + of(Verdict::kSlow) + of(Verdict::kRate) + of(Verdict::kNeeded);
  std::string text = absl::StrCat(
      "sampled    ", grouped(written), written == 1 ? " trace" : " traces",
      " written: ", grouped(of(Verdict::kErrors)), " with errors, ", grouped(of(Verdict::kSlow)),
      " slow, ", grouped(of(Verdict::kRate)), " by rate; ", grouped(left_out), " left out (",
      grouped(counts_.events_left_out), " events)");
  auto add = [&](uint64_t count, const char* what) {
    if (count != 0) absl::StrAppend(&text, ", ", grouped(count), what);
  };
  add(of(Verdict::kNeeded), " as parents");
  add(counts_.forced, " decided early for want of memory");
  add(counts_.late, " went on after they were decided");
  add(counts_.undecided, " not over at the end, written");
  return text + "; totals have all";
}

}  // namespace telinject::drain
