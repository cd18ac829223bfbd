// What a format implements to get events. JSON lines: shim/events/json/.
//
// All functions are called by one thread, in the order of the stream. An output says by itself how
// it keeps up: it may encode in other threads, and hold back text until pass_on().
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "shim/events/event.h"
#include "shim/metadata/metadata.h"

namespace telinject {

class EventOutput {
 public:
  // Numbers events that an output makes of its own accord.
  class Places {
   public:
    virtual ~Places() = default;
    // A span of its own trace in the stream of the process, before the event that is under way.
    virtual EventPlace note(int64_t timestamp_ns) = 0;
  };

  virtual ~EventOutput() = default;

  // Called once each: before the first event of a process, before the first call of a function from
  // one place. `timestamp_ns` is that event's. The function's text stays as it is.
  virtual void introduce(const ProcessInfo& process, const Metadata& metadata, int64_t timestamp_ns,
                         Places* places) = 0;
  virtual void introduce(const FunctionInfo& function, const ProcessInfo& process,
                         int64_t timestamp_ns, Places* places) = 0;
  // No more events of this process will come: its number goes to another one.
  virtual void forget(const ProcessInfo& process) = 0;

  virtual void start(const SpanStart& event) = 0;
  virtual void end(const SpanEnd& event) = 0;
  virtual void note(const PointEvent& event) = 0;

  // All events so far, to the destination, which may keep them back for a moment.
  virtual void pass_on() = 0;
  // All events so far are at the destination, complete, when this returns.
  virtual void flush() = 0;
  // From now on give up soon rather than wait for the destination.
  virtual void hurry() {}
  // Events that could not be written since this was asked last.
  virtual uint64_t take_lost() { return 0; }
  // True if nothing can be written and the user knows why.
  virtual bool hopeless() const { return false; }
  virtual std::string describe() const = 0;  // for the user: "file /var/log/app.jsonl"
  virtual uint64_t bytes_written() const = 0;

  // What another output of this kind needs to go on where this one stopped. `processes` are those
  // that were introduced; false if the state is not of use, or does not know one of them.
  virtual std::string save() const = 0;
  virtual bool restore(std::string_view state,
                       const std::vector<const ProcessInfo*>& processes) = 0;
};

using EventOutputs = std::vector<std::unique_ptr<EventOutput>>;

}  // namespace telinject
