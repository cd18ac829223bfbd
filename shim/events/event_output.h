// The interface that an output format implements. JSON lines: shim/events/json/.
//
// All functions are called by one thread, in the order of the stream. An output may encode in other
// threads, and keep text back until pass_on().
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "shim/events/event.h"
#include "shim/events/totals.h"
#include "shim/metadata/metadata.h"

namespace telinject {

class EventOutput {
 public:
  // Gives sequence numbers to events that an output adds itself.
  class Places {
   public:
    virtual ~Places() = default;
    // A span in a trace of its own, before the event that is being written.
    virtual EventPlace note(int64_t timestamp_ns) = 0;
    // What counts the events of the process, also when it executes another program: for an output
    // that numbers events itself.
    virtual std::shared_ptr<uint64_t> sequence() = 0;
  };

  virtual ~EventOutput() = default;

  // Called once each: before the first event of a process, before the first call of a function from
  // one place. `timestamp_ns` is that event's. The function's text stays as it is.
  virtual void introduce(const ProcessInfo& process, const Metadata& metadata, int64_t timestamp_ns,
                         Places* places) = 0;
  virtual void introduce(const FunctionInfo& function, const ProcessInfo& process,
                         int64_t timestamp_ns, Places* places) = 0;
  // No more events of this process will come; its number may be reused.
  virtual void forget(const ProcessInfo& process) = 0;
  // The same for this function and call site, which may be introduced again.
  virtual void forget(const FunctionInfo& function) = 0;

  virtual void start(const SpanStart& event) = 0;
  virtual void end(const SpanEnd& event) = 0;
  virtual void note(const PointEvent& event) = 0;

  // False if it is told of processes and totals only.
  virtual bool takes_events() const { return true; }
  // When it wants to be told the totals next; they are told at the end of all in any case.
  virtual std::chrono::steady_clock::time_point totals_due() const {
    return std::chrono::steady_clock::time_point::max();
  }
  virtual void take_totals(const TotalsSource&) {}
  // Spans that it kept back of its own accord, to keep their number sane.
  virtual uint64_t left_out_spans() const { return 0; }

  // Passes all events so far to the destination, which may delay them briefly.
  virtual void pass_on() = 0;
  // All events so far are at the destination, complete, when this returns.
  virtual void flush() = 0;
  // From now on, give up soon instead of waiting for the destination.
  virtual void hurry() {}
  // The number of events that could not be written since the last call.
  virtual uint64_t take_lost() { return 0; }
  // True if the output itself tells the user about them.
  virtual bool tells_losses() const { return false; }
  // True if nothing can be written any more and the user was told why.
  virtual bool hopeless() const { return false; }
  virtual std::string describe() const = 0;  // for the user: "file /var/log/app.jsonl"
  // The fate of the events, for the user: "12 sent, 3 rejected"; "" if their number says it all.
  virtual std::string outcome() const { return ""; }
  virtual uint64_t bytes_written() const = 0;

  // An output can continue the saved state of one of the same kind: "json".
  virtual std::string_view kind() const = 0;
  // Saves and loads the state that another output of this kind needs to continue. `processes` are
  // those that were introduced; load returns false if the state is unusable or lacks one of them.
  virtual std::string save() const = 0;
  virtual bool restore(std::string_view state,
                       const std::vector<const ProcessInfo*>& processes) = 0;

  // For an output that keeps events, and passes some of them on to others (shim/drain/sampling/).
  // Where they go in the end.
  virtual std::vector<const EventOutput*> destinations() const { return {this}; }
  // True if it numbers the events that it passes on: no event has a number before. One output at
  // most does, and after restore() all are told of processes anew.
  virtual bool numbers() const { return false; }
  // How many events it has numbered since this was asked last.
  virtual uint64_t take_numbered() { return 0; }
  // Nothing more comes, or another output goes on from here: what is not decided is decided now.
  virtual void conclude() {}
  // Writes all that is kept. How many events; nullopt if it keeps none to be asked for.
  virtual std::optional<uint64_t> dump() { return std::nullopt; }
  // For the summary, a line: what became of the events that it did not pass on. "" for none.
  virtual std::string account() const { return ""; }
};

using EventOutputs = std::vector<std::unique_ptr<EventOutput>>;

}  // namespace telinject
