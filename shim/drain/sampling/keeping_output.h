// What tail sampling and the flight recorder have in common: outputs that keep events, and stand
// before the others. Everything but the events is passed on to those; totals do not come here.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "shim/drain/sampling/event_relay.h"
#include "shim/events/event_output.h"

namespace telinject::drain {

class KeepingOutput : public EventOutput {
 public:
  void introduce(const ProcessInfo& process, const Metadata& metadata, int64_t timestamp_ns,
                 Places* places) override;
  void introduce(const FunctionInfo&, const ProcessInfo&, int64_t, Places*) override {}
  void forget(const ProcessInfo& process) override { relay_.forget(process, order_); }
  void forget(const FunctionInfo& function) override { relay_.forget(function, order_); }

  void pass_on() override;
  void flush() override;
  void hurry() override;
  uint64_t take_lost() override;
  uint64_t left_out_spans() const override;
  bool hopeless() const override;
  bool tells_losses() const override;
  std::string describe() const override;
  uint64_t bytes_written() const override;
  std::vector<const EventOutput*> destinations() const override;
  bool numbers() const override { return true; }
  uint64_t take_numbered() override;

  std::string save() const override { return relay_.save(); }
  bool restore(std::string_view state, const std::vector<const ProcessInfo*>&) override {
    return relay_.restore(state);
  }

 protected:
  // `live`: events are of now, so that time goes on while none come.
  KeepingOutput(EventRelay relay, bool live) : relay_(std::move(relay)), live_(live) {}

  static bool is_error(const SpanEnd& event) {
    return event.error != nullptr || event.severity == Severity::kError;
  }
  // Time has come to `ns`, by the events. While they are of now, time is never ahead of the
  // system's clock: one wrong time would be the time of all processes.
  void reach(int64_t ns) {
    if (live_ && ns > now_ns_ && ns > most_ns_) ns = within_reach(ns);
    now_ns_ = std::max(now_ns_, ns);
  }
  // While nothing happens.
  void let_time_pass();
  // What is due by now is done.
  virtual void keep_up() = 0;
  // As much as may be decided is decided.
  virtual void settle() = 0;

  EventRelay relay_;
  uint64_t order_ = 1;  // of the next event
  int64_t now_ns_ = 0;

 private:
  int64_t within_reach(int64_t ns);

  const bool live_;
  int64_t most_ns_ = 0;   // what may be reached, when the system's clock was looked at last
  int64_t told_ns_ = 0;   // now_ns_ when it was looked at last
  int64_t since_ns_ = 0;  // and the time on the wall, when it had come there
  uint64_t counted_ = 0;
};

}  // namespace telinject::drain
