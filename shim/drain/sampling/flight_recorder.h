// The flight recorder: keeps the last events in memory, and writes them when something happens.
//
// Events are kept in a row of blocks. The oldest block goes when there are too many bytes, or when
// it is too old, counted from the latest event. If a span's start goes before its end has come, the
// start is kept. So what is written has the start of every span that ends in it, and of every open
// span.
//
// Errors, crashes and slow requests ask by themselves, but for a few times a minute. What they ask
// for is written a moment later, so that it has what follows them at once.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "shim/channel/sampling_rules.h"
#include "shim/channel/settings.h"
#include "shim/drain/sampling/keeping_output.h"

namespace telinject::drain {

class FlightRecorder final : public KeepingOutput {
 public:
  // Dumps a minute, of each reason but kAsked.
  static constexpr size_t kMostAMinute = 6;
  enum class Reason : uint8_t { kError, kCrash, kSlow, kAsked };
  struct Counts {
    std::array<uint64_t, 4> dumps = {};  // by their reason
    uint64_t refused = 0;                // too many in a minute
    uint64_t events_left_out = 0;
  };

  FlightRecorder(EventOutputs outputs, const RecorderRules& rules, bool live)
      : KeepingOutput(EventRelay(std::move(outputs), kRateOne, nullptr), live), rules_(rules) {}

  void start(const SpanStart& event) override;
  void end(const SpanEnd& event) override;
  void note(const PointEvent& event) override;

  void conclude() override { settle(); }
  std::optional<uint64_t> dump() override;
  std::string account() const override;
  std::string_view kind() const override { return "flight-recorder"; }

  const Counts& counts() const { return counts_; }
  size_t memory() const { return bytes_; }

 private:
  struct Block {
    EventTape tape;
    uint64_t first_order = 0;
    int64_t last_ns = 0;
  };
  // A start that went from the blocks, or was written, of a span whose end may come.
  struct Begun {
    EventTape tape;  // empty: it is written
    uint64_t order = 0;
  };

  void keep_up() override;
  void settle() override;
  template <typename Event>
  void keep(const Event& event);
  void trim();
  void drop_oldest();
  void remember(TapeReader* reader, bool written);
  void forget_start(uint64_t span);
  void ask(Reason reason);
  void write(Reason reason);
  void release();

  const RecorderRules rules_;
  std::deque<Block> blocks_;
  absl::flat_hash_map<uint64_t, Begun> begun_;
  size_t bytes_ = 0;
  std::optional<Reason> asked_;
  int64_t asked_ns_ = 0;
  std::array<std::deque<int64_t>, 3> times_;  // of the last dumps, by their reason
  Counts counts_;
};

}  // namespace telinject::drain
