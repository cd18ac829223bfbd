// OTLP's receivers, for one or several outputs in turn: they outlive the processors that write to
// them.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "shim/delivery/delivery.h"
#include "shim/events/event_output.h"
#include "shim/events/otlp/exporters.h"
#include "shim/events/otlp/span_budget.h"

namespace telinject::otlp {

class Destination {
 public:
  struct Options {
    delivery::Delivery::Limits limits;
    // Of flush(), with a receiver that answers; and from hurry() to the end of all.
    std::chrono::milliseconds flush{5000}, end{10000};
    // Rather wait for room than lose or use the disk: nothing waits for us.
    bool waits_for_room = false;
    SpanBudget::Limits budget;
    size_t metric_functions = 0;  // that have data points of their own; 0: all
  };

  Destination(Exporters exporters, const Options& options, const delivery::Delivery::Tell& tell);
  ~Destination();
  Destination(const Destination&) = delete;
  Destination& operator=(const Destination&) = delete;

  // One at a time. It must not outlive this; null if neither spans nor log records are wanted.
  // `lean`: TELEMETRY_DETAIL.
  std::unique_ptr<EventOutput> make_output(bool lean);
  // Likewise, of the totals; null if no metrics are wanted.
  std::unique_ptr<EventOutput> make_metrics_output();

  // Items that an earlier run left in a file (left_file.h). False if they are none of OTLP's, or no
  // exporter for their signal is there.
  bool add_left(std::string_view kind, std::string_view framing, delivery::Batch batch);

  // From any thread: nothing is waited for any more.
  void stop();
  // Nothing more will be written: all is sent, or kept. Returns how many items were not sent.
  uint64_t finish();

 private:
  class DeliveryStream;
  struct Line;  // a delivery, and what collects for it

  Exporters exporters_;
  Options options_;
  std::unique_ptr<Line> traces_, logs_, metrics_;
  std::shared_ptr<std::atomic<bool>> unwanted_;  // metrics, by their receiver; null: asked for
};

}  // namespace telinject::otlp
