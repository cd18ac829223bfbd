#include "shim/drain/sampling/tail_sampler.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "shim/channel/ids.h"
#include "shim/drain/naming/span_filter.h"
#include "shim/drain/sampling/saved_numbers.h"
#include "shim/drain/sampling/tail_unit.h"

namespace telinject::drain {

namespace {

EventRelay::Marks marks_of(const TailRules& rules) {
  if (rules.root_count == 0) return nullptr;
  std::string list;
  for (size_t i = 0; i < rules.root_count; i++) {
    list.append(list.empty() ? "" : ",").append(rules.roots[i].text, rules.roots[i].bytes);
  }
  return [globs = Globs(list)](const FunctionInfo& function) {
    return globs.match(function.name) ||
           (!function.linkage_name.empty() && globs.match(function.linkage_name));
  };
}

}  // namespace

TailSampler::TailSampler(EventOutputs outputs, const TailRules& rules, bool live)
    : KeepingOutput(EventRelay(std::move(outputs), rules.rate, marks_of(rules)), live),
      rules_(rules) {
  constexpr double kRanks = 100000;
  if (rules.slow_rank != 0) {
    slow_roots_ = std::make_unique<SlowRoots>(static_cast<double>(rules.slow_rank) / kRanks);
  }
}

TailSampler::~TailSampler() = default;

TailSampler::Unit* TailSampler::make_unit(TraceId trace, uint64_t root, bool whole,
                                          int64_t began_ns) {
  Unit& unit = open_units_.emplace_back();
  unit.place = std::prev(open_units_.end());
  unit.list = &open_units_;
  unit.trace = trace;
  unit.root = root;
  unit.whole = whole;
  unit.began_ns = unit.root_start_ns = began_ns;
  unit.first_order = order_;
  unit.tapes.emplace_back();
  traces_[trace].units++;
  bytes_ += Unit::kOwnBytes;
  file(&unit);
  return &unit;
}

// Into its list, at its place: usually at the end.
void TailSampler::file(Unit* unit) {
  Units& list = unit->written                   ? written_units_
                : unit->open > 0 || unit->fresh ? open_units_
                                                : over_units_;
  auto time = [&](const Unit& each) {
    return &list == &over_units_ ? each.over_ns : each.began_ns;
  };
  auto at = list.end();
  if (unit->list == &list) {
    while (at != list.begin() && &*std::prev(at) == unit) --at;
  }
  while (at != list.begin() && (&*std::prev(at) == unit || time(*std::prev(at)) > time(*unit))) {
    --at;
  }
  list.splice(at, *unit->list, unit->place);
  unit->list = &list;
}

TailSampler::Unit* TailSampler::unit_without_parent(TraceId trace, uint64_t span, uint64_t parent,
                                                    int64_t ns) {
  Trace& known = traces_[trace];
  if (known.unit != nullptr) return known.unit;
  bool in_parts = known.units > 0 || known.long_spans > 0;
  bool goes_on = known.decided, written = known.written;
  Unit* unit = make_unit(trace, span, !in_parts, ns);
  unit->root_parent = parent;
  if (in_parts) {
    if (parent == 0) return unit;
    wait_for(unit, parent);
    return unit;
  }
  traces_[trace].unit = unit;
  if (!goes_on) return unit;
  counts_.late++;
  if (written) write_from_here(unit);
  return unit;
}

TailSampler::Unit* TailSampler::unit_below(const SpanStart& event, const CastNumbers& cast) {
  const EventPlace& place = event.place;
  auto parent = open_.find(place.parent_span_id);
  if (place.parent_span_id == 0 || parent == open_.end()) {
    return unit_without_parent(place.trace, place.span_id, place.parent_span_id,
                               place.timestamp_ns);
  }
  bool is_root = cast.function != CastNumbers::kNone && event.operation == nullptr &&
                 relay_.is_marked(cast.function);
  if (is_root && parent->second.unit != nullptr && !parent->second.unit->named) {
    cut_above(place.parent_span_id);
    parent = open_.find(place.parent_span_id);
  }
  if (parent->second.unit != nullptr) return parent->second.unit;
  Unit* part = make_unit(place.trace, place.span_id, /*whole=*/false, place.timestamp_ns);
  part->named = is_root;
  return part;
}

template <typename Event>
void TailSampler::keep(Unit* unit, const Event& event, const CastNumbers& cast) {
  if (unit->written) return relay_.tell(event, cast, unit->share);
  size_t before = unit->tapes.front().memory();
  unit->tapes.front().add(event, cast, order_++);
  bytes_ += unit->tapes.front().memory() - before;
}

void TailSampler::start(const SpanStart& event) {
  const EventPlace& place = event.place;
  reach(place.timestamp_ns);
  keep_up();
  CastNumbers cast = relay_.cast_of(event.process, event.function);
  Unit* unit = unit_below(event, cast);
  if (place.span_id == unit->root_parent) move_root(unit, place);
  keep(unit, event, cast);
  auto [at, is_new] = open_.try_emplace(place.span_id);
  if (is_new) {
    at->second = {unit, place.trace, place.parent_span_id, place.timestamp_ns};
    unit->fresh = false;
    if (unit->open++ == 0 && unit->list == &over_units_) reopen(unit);
  }
  if (!orphans_.empty()) adopt_orphans(place.span_id, unit);
  make_room();
}

// The span above the root comes later than that: another process has told of it.
void TailSampler::move_root(Unit* unit, const EventPlace& place) {
  unit->root = place.span_id;
  unit->root_parent = place.parent_span_id;
  unit->root_start_ns = place.timestamp_ns;
  unit->root_ended = false;
}

void TailSampler::reopen(Unit* unit) {
  unit->began_ns = now_ns_;
  file(unit);
}

void TailSampler::root_ended(Unit* unit, const SpanEnd& event) {
  unit->root_ended = true;
  unit->root_ns = event.duration_ns;
  if (slow_roots_ == nullptr) return;
  unit->root_name =
      event.operation != nullptr ? event.operation->name : std::string_view(event.function->name);
}

void TailSampler::end(const SpanEnd& event) {
  const EventPlace& place = event.place;
  reach(place.timestamp_ns);
  keep_up();
  CastNumbers cast = relay_.cast_of(event.process, event.function);
  auto found = open_.find(place.span_id);
  if (found == open_.end()) return end_unseen(event, cast);
  Open open = found->second;  // its trace is the one that counts it, whatever the end says
  Unit* unit = open.unit;
  open_.erase(found);
  if (unit == nullptr) {
    relay_.tell(event, cast, EventRelay::Share::kItself);
    traces_[open.trace].long_spans--;
    return forget_if_idle(open.trace);
  }
  keep(unit, event, cast);
  unit->error = unit->error || is_error(event);
  if (place.span_id == unit->root) root_ended(unit, event);
  unit->open--;
  over_if_closed(unit);
  make_room();
}

// A connection whose only event is its end.
void TailSampler::end_unseen(const SpanEnd& event, const CastNumbers& cast) {
  SpanStart start;
  start.place = event.place;
  start.operation = event.operation;
  Unit* unit = unit_below(start, cast);
  keep(unit, event, cast);
  unit->error = unit->error || is_error(event);
  if (event.place.span_id == unit->root) root_ended(unit, event);
  unit->fresh = false;
  over_if_closed(unit);
  make_room();
}

void TailSampler::note(const PointEvent& event) {
  reach(event.place.timestamp_ns);
  keep_up();
  CastNumbers cast = relay_.cast_of(event.process, event.function);
  auto span = open_.find(event.place.span_id);
  Unit* unit = span != open_.end() ? span->second.unit : nullptr;
  if (event.kind == PointKind::kLoss) unit = nullptr;  // told in any case
  if (span == open_.end() && event.kind != PointKind::kLoss) {
    auto trace = traces_.find(event.place.trace);
    if (trace != traces_.end()) unit = trace->second.unit;
    if (unit == nullptr && trace != traces_.end() && trace->second.decided &&
        !trace->second.written) {
      counts_.events_left_out++;
      return;
    }
  }
  if (unit == nullptr) return relay_.tell(event, cast, EventRelay::Share::kItself);
  keep(unit, event, cast);
  unit->error = true;
  make_room();
}

void TailSampler::over_if_closed(Unit* unit) {
  if (unit->open > 0) return;
  unit->over_ns = now_ns_;
  if (!unit->written) return file(unit);
  decided(unit->trace, true);
  remove(unit);
}

void TailSampler::wait_for(Unit* unit, uint64_t parent) {
  std::vector<Unit*>& waiting = orphans_[parent];
  unit->waits_for = parent;
  unit->waits_at = waiting.size();
  waiting.push_back(unit);
}

// The last of those that wait takes its place: thousands may wait for the same.
void TailSampler::wait_no_more(Unit* unit) {
  auto found = orphans_.find(std::exchange(unit->waits_for, 0));
  if (found == orphans_.end()) return;
  std::vector<Unit*>& waiting = found->second;
  waiting[unit->waits_at] = waiting.back();
  waiting[unit->waits_at]->waits_at = unit->waits_at;
  waiting.pop_back();
  if (waiting.empty()) orphans_.erase(found);
}

void TailSampler::adopt_orphans(uint64_t span, Unit* unit) {
  auto found = orphans_.find(span);
  if (found == orphans_.end()) return;
  std::vector<Unit*> children = std::move(found->second);
  orphans_.erase(found);
  for (Unit* child : children) {
    child->waits_for = 0;
    if (child != unit) join(child, unit);
  }
}

void TailSampler::join(Unit* from, Unit* into) {
  if (from->written) return;
  for (const EventTape& tape : from->tapes) {
    for (TapeReader reader(tape); reader.next();) {
      auto open = open_.find(reader.place().span_id);
      if (open != open_.end() && open->second.unit == from) open->second.unit = into;
      if (into->written) relay_.tell(&reader, into->share);
    }
  }
  into->open += from->open;
  into->error = into->error || from->error;
  into->first_order = std::min(into->first_order, from->first_order);
  if (!into->written) {
    // With their memory, which remains counted.
    std::move(from->tapes.begin(), from->tapes.end(), std::back_inserter(into->tapes));
    from->tapes.clear();
  }
  remove(from);
}

// The spans that are open, which conclude() has written.
std::string TailSampler::save() const {
  std::string state = absl::StrCat(open_.size(), "\n");
  for (const auto& [id, open] : open_) {
    absl::StrAppend(&state, id, " ", open.trace.hi, " ", open.trace.lo, " ", open.parent, " ",
                    open.start_ns, "\n");
  }
  return state + KeepingOutput::save();
}

bool TailSampler::restore(std::string_view state, const std::vector<const ProcessInfo*>& known) {
  uint64_t count, id;
  if (!take_number(&state, &count) || count > state.size()) return false;
  for (; count > 0; count--) {
    Open open;
    bool good = take_number(&state, &id) && take_number(&state, &open.trace.hi) &&
                take_number(&state, &open.trace.lo) && take_number(&state, &open.parent) &&
                take_number(&state, &open.start_ns);
    if (!good || !open_.emplace(id, open).second) return false;
    traces_[open.trace].long_spans++;
  }
  return KeepingOutput::restore(state, known);
}

}  // namespace telinject::drain
