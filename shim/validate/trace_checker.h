// What no single event shows: that spans have one start and one end, which agree; that parents are
// of the same trace and began before; that numbers and times run on.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "shim/channel/ids.h"
#include "shim/validate/fault.h"

namespace telinject::validate {

class TraceChecker {
 public:
  // What may be as it is, or not: the file does not tell.
  struct Notes {
    uint64_t never_ended = 0;  // spans; of a program that runs, or that was killed with its drain
    uint64_t foreign_parents = 0;  // spans whose parent is not there: of another service or file
    uint64_t not_nested = 0;       // calls that are not in the innermost one, as with coroutines
    uint64_t lost_calls = 0;       // as telemetry_loss tells
    uint64_t spans = 0, processes = 0, traces = 0;
  };

  explicit TraceChecker(TellFault tell) : tell_(std::move(tell)) {}

  // Each event, in the order of the file, with all fields that FieldChecker wants.
  void feed(uint64_t line, const nlohmann::json& event);
  // One that FieldChecker does not let pass: what can be read of it is known from now on, so that
  // it gives no further faults.
  void skip(uint64_t line, const nlohmann::json& event);
  void finish();
  const Notes& notes() const { return notes_; }

 private:
  static constexpr int64_t kOpen = -1;
  enum class Kind : uint8_t { kCall, kOperation };
  struct Span {
    TraceId trace;
    uint64_t parent, line;
    int64_t start, end = kOpen;
    uint32_t thread, name;
    uint64_t correlation;  // the text's hash
    Kind kind;
  };
  // What counts its events from 1. Several may have one pid: in other PID namespaces, of other
  // drains that append to the file, or one after the other.
  struct Process {
    uint64_t next_sequence = 1;
    uint32_t executed = 0;  // other programs
    bool gap = false;
  };
  struct Thread {
    std::vector<uint64_t> calls;  // open ones, outermost first
    int64_t time = 0;
  };
  // What every event of a span says.
  struct Said {
    uint64_t span, parent;  // 0: none
    TraceId trace;
    int64_t time;
    size_t process;
    uint32_t thread;
    std::string_view type;
    std::string_view name;  // of the call, or of the operation
    uint64_t correlation;
  };

  void fault(std::string_view rule, std::string text);
  Said said_by(const nlohmann::json& event, size_t process);
  std::optional<int64_t> pid_of(const nlohmann::json& event);
  size_t process_of(int64_t pid, uint64_t sequence);
  uint32_t thread_of(const nlohmann::json& event, size_t process);
  uint32_t number_of_name(std::string_view name);
  void check_timestamp(const nlohmann::json& event, int64_t time);
  void remember(std::string_view type, const nlohmann::json& event);
  void check_reference(const nlohmann::json& event);
  void check_text(const nlohmann::json& event, const Said& said, bool end);
  void check_duration(const nlohmann::json& event, const Said& said, const Span& span);
  void check_time(uint32_t thread, int64_t time);
  Span* add(const Said& said, Kind kind);
  void start(const nlohmann::json& event, const Said& said, Kind kind);
  void end(const nlohmann::json& event, const Said& said, Kind kind);
  void nest(const Said& said);
  void leave(Thread* thread, uint64_t span);

  TellFault tell_;
  uint64_t line_ = 0;
  Notes notes_;
  absl::flat_hash_map<uint64_t, Span> spans_;  // by id
  absl::flat_hash_set<TraceId> roots_, traces_;
  absl::flat_hash_set<uint64_t> damaged_;  // spans of which an event was skipped
  std::vector<Process> processes_;
  std::unordered_map<int64_t, std::vector<size_t>> of_pid_;   // processes
  std::unordered_map<std::string, uint32_t> thread_numbers_;  // "process/executed/tid"
  std::vector<Thread> threads_;
  std::unordered_map<std::string, uint32_t> names_;
  // Lean: by what process_ref and function_ref say.
  std::unordered_map<std::string, int64_t> pids_;
  std::unordered_set<std::string> functions_;
  int64_t second_ = -1;
  std::string second_text_;
};

}  // namespace telinject::validate
