// Passes events on to outputs, later than they came, or never.
//
// An event may be passed on when its process or function is gone, and the number that outputs knew
// it by belongs to another one. So the relay gives processes and functions numbers of its own, and
// keeps them as long as it has an event that speaks of them. Only when the first such event is
// passed on are outputs told of them, and only then are events numbered: what is left out leaves no
// trace.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "shim/drain/sampling/event_tape.h"
#include "shim/events/event_output.h"

namespace telinject::drain {

class EventRelay {
 public:
  // What an event stands for: itself; or others of its kind, too, that were left out by rate.
  enum class Share : uint8_t { kItself, kByRate };
  using Marks = std::function<bool(const FunctionInfo&)>;

  // `rate`, in billionths: of what is passed on kByRate. `marks` may be null.
  EventRelay(EventOutputs outputs, uint64_t rate, Marks marks);

  void introduce(const ProcessInfo& process, const Metadata& metadata,
                 std::shared_ptr<uint64_t> sequence);
  CastNumbers cast_of(const ProcessInfo* process, const FunctionInfo* function);
  const ProcessInfo& process(uint32_t number) const { return processes_[number].infos[0]; }
  const FunctionInfo& function(uint32_t number) const { return *functions_[number].info; }
  // As `marks` says.
  bool is_marked(uint32_t function) const { return functions_[function].marked; }

  // No event comes any more that speaks of it. Events before `order` may be kept.
  void forget(const ProcessInfo& process, uint64_t order);
  void forget(const FunctionInfo& function, uint64_t order);
  bool has_forgotten() const { return !forgotten_.empty(); }
  // No event before `order` is kept any more.
  void release(uint64_t order);

  void tell(SpanStart event, const CastNumbers& cast, Share share);
  void tell(SpanEnd event, const CastNumbers& cast, Share share);
  void tell(PointEvent event, const CastNumbers& cast, Share share);
  // What the reader stands at.
  void tell(TapeReader* reader, Share share);

  const EventOutputs& outputs() const { return outputs_; }
  uint64_t told() const { return told_; }  // events, with those that outputs made

  std::string save() const;
  bool restore(std::string_view state);

 private:
  class Places;
  static constexpr uint32_t kShares = 2;
  struct Process {
    std::array<ProcessInfo, kShares> infos;
    std::array<bool, kShares> introduced = {};
    std::shared_ptr<const Metadata> metadata;
    std::shared_ptr<uint64_t> sequence;
  };
  struct Function {
    std::unique_ptr<FunctionInfo> info;
    bool introduced = false, marked = false;
  };
  struct Forgotten {
    uint64_t order;
    bool is_process;
    uint32_t number;
  };

  uint32_t number_of(const FunctionInfo& function);
  Process* introduced(uint32_t number, Share share, int64_t ns);
  const FunctionInfo* introduced_function(uint32_t number, Process* process, Share share,
                                          int64_t ns);
  template <typename Event>
  void prepare(Event* event, const CastNumbers& cast, Share share);

  EventOutputs outputs_;
  const uint64_t rate_;
  const Marks marks_;
  // By our numbers; those before first_... belong to another relay, whose work this one goes on
  // with.
  std::vector<Process> processes_;
  std::vector<Function> functions_;
  std::vector<uint32_t> free_processes_, free_functions_;
  uint32_t first_process_ = 0, first_function_ = 0;
  std::vector<uint32_t> process_numbers_, function_numbers_;  // ours, by theirs; kNone
  std::deque<Forgotten> forgotten_;
  uint64_t notes_ = 0, told_ = 0;
};

}  // namespace telinject::drain
