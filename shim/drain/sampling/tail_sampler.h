// Tail sampling: whole traces are written, or left out, once it is known how they went.
//
// A *unit* is what is decided together. As long as everything goes well it is a trace: all of its
// spans, in whatever process. Its events are kept until none of its spans is open and a moment has
// passed, in which a span may come that another process begins. Then rules decide.
//
// Programs that run for long have spans that do not end (main, the loops in it), and traces that
// are never over. A span that is open longer than TailRules::wait_ns is *long*: it is written, and
// its unit falls into *parts*, one for each span below long ones, which are decided each on their
// own. Spans below the roots that the rules name are cut off in the same way, at once.
//
// Promises: what is written has its parents written, unless they were left out with a part of their
// own. Memory is bounded. When it is full, units that are over are decided at once. Then the oldest
// open unit is decided by what is known: if it has failed or is slow already, it is written from
// here on, else it is cut into parts.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "shim/channel/sampling_rules.h"
#include "shim/drain/sampling/keeping_output.h"
#include "shim/drain/sampling/slow_roots.h"

namespace telinject::drain {

class TailSampler final : public KeepingOutput {
 public:
  enum class Verdict : uint8_t { kLeaveOut, kErrors, kSlow, kRate, kNeeded };
  struct Counts {
    std::array<uint64_t, 5> of = {};  // units, by their verdict
    uint64_t late = 0;                // traces that went on when they were decided
    uint64_t forced = 0;              // units, for whose end there was no memory to wait
    uint64_t undecided = 0;           // units that were open at the end: written
    uint64_t events_left_out = 0;
  };

  TailSampler(EventOutputs outputs, const TailRules& rules, bool live);
  ~TailSampler() override;

  void start(const SpanStart& event) override;
  void end(const SpanEnd& event) override;
  void note(const PointEvent& event) override;

  void conclude() override;
  std::string account() const override;
  std::string_view kind() const override { return "tail-sampling"; }
  std::string save() const override;
  bool restore(std::string_view state, const std::vector<const ProcessInfo*>& processes) override;

  const Counts& counts() const { return counts_; }
  size_t memory() const { return bytes_; }

 private:
  struct Unit;
  using Units = std::list<Unit>;
  struct Open {
    Unit* unit = nullptr;  // null: it is long, and written
    TraceId trace = {};
    uint64_t parent = 0;
    int64_t start_ns = 0;
  };
  // What is known of a trace that is undecided, has long spans, or was decided not long ago.
  struct Trace {
    Unit* unit = nullptr;  // that all of it belongs to
    uint32_t units = 0;    // of it
    uint32_t long_spans = 0;
    bool decided = false, written = false;
  };
  struct Cut;
  using IsLong = std::function<bool(uint64_t span, const Open& open)>;

  void keep_up() override;
  void settle() override;

  Unit* unit_below(const SpanStart& event, const CastNumbers& cast);
  Unit* unit_without_parent(TraceId trace, uint64_t span, uint64_t parent, int64_t ns);
  Unit* make_unit(TraceId trace, uint64_t root, bool whole, int64_t began_ns);
  template <typename Event>
  void keep(Unit* unit, const Event& event, const CastNumbers& cast);
  void end_unseen(const SpanEnd& event, const CastNumbers& cast);
  void root_ended(Unit* unit, const SpanEnd& event);
  void over_if_closed(Unit* unit);
  static void move_root(Unit* unit, const EventPlace& place);
  void reopen(Unit* unit);
  void adopt_orphans(uint64_t span, Unit* unit);
  void join(Unit* from, Unit* into);

  Verdict judge(const Unit& unit);
  bool chosen_by_rate(const Unit& unit) const;
  bool slow_already(const Unit& unit) const;
  void decide(Unit* unit);
  void write(Unit* unit, EventRelay::Share share);
  void write_from_here(Unit* unit);
  void make_room();
  void cut(Unit* unit, int64_t before_ns);
  void cut_above(uint64_t span);
  void cut_if(Unit* unit, const IsLong& is_long);
  void cut_start(Cut* cut, TapeReader* reader);
  void cut_end(Cut* cut, TapeReader* reader);
  void cut_note(Cut* cut, TapeReader* reader);
  uint32_t make_part(Cut* cut, const TapeReader& first);
  uint32_t part_below(Cut* cut, const TapeReader& first);
  void hand_over(Cut* cut);
  void file_parts(Cut* cut);
  void let_go(Open* open);
  void cut_written();
  void file(Unit* unit);
  void wait_for(Unit* unit, uint64_t parent);
  void wait_no_more(Unit* unit);
  void remove(Unit* unit);
  void decided(TraceId trace, bool written);
  void forget_if_idle(TraceId trace);
  void release();

  const TailRules rules_;
  std::unique_ptr<SlowRoots> slow_roots_;  // null: not asked
  // By the time since when they are open; over, by the time since then; written while open.
  Units open_units_, over_units_, written_units_;
  absl::flat_hash_map<uint64_t, Open> open_;
  absl::flat_hash_map<TraceId, Trace> traces_;
  std::deque<TraceId> decided_;  // the last ones
  // Units whose parent may come yet, by its id.
  absl::flat_hash_map<uint64_t, std::vector<Unit*>> orphans_;
  size_t bytes_ = 0;
  int64_t released_ns_ = 0;
  Counts counts_;
};

}  // namespace telinject::drain
