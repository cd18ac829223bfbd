// The output of OTLP's metrics: the totals of calls and requests, at an interval and at the end.
//
// It takes no events: what it sends is exact whatever the filters and the span budget leave out.
// All is of the whole session, so the resource has no process, but the instance id of the first.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "shim/events/event_output.h"
#include "shim/events/otlp/metric_options.h"
#include "shim/events/otlp/metrics_framing.h"
#include "shim/events/otlp/otlp_output.h"

namespace telinject::otlp {

// What became of items of a signal: read(signal, outcome, items) for each outcome.
using ReadExported = std::function<void(
    const std::function<void(std::string_view signal, std::string_view outcome, uint64_t items)>&)>;

class MetricsOutput final : public EventOutput {
 public:
  struct Options {
    Format format = Format::kProtobuf;
    std::unique_ptr<Stream> stream;
    MetricOptions how;
    // Functions that have data points of their own; what is beyond counts as "others". 0: all have.
    size_t most_functions = 0;
    std::shared_ptr<const std::atomic<bool>> unwanted;  // by the receiver
    ReadExported exported;
  };

  explicit MetricsOutput(Options options);

  bool takes_events() const override { return false; }
  std::chrono::steady_clock::time_point totals_due() const override { return due_; }
  void take_totals(const TotalsSource& totals) override;

  // The first process that is told stands for the session.
  void introduce(const ProcessInfo& process, const Metadata& metadata, int64_t timestamp_ns,
                 Places* places) override;
  void introduce(const FunctionInfo&, const ProcessInfo&, int64_t, Places*) override {}
  void forget(const ProcessInfo&) override {}
  void forget(const FunctionInfo&) override {}
  void start(const SpanStart&) override {}
  void end(const SpanEnd&) override {}
  void note(const PointEvent&) override {}

  void pass_on() override { options_.stream->pass_on(); }
  void flush() override { options_.stream->flush(); }
  void hurry() override { options_.stream->hurry(); }
  // Data points are no events: what is lost of them is in outcome().
  uint64_t take_lost() override { return 0; }
  bool hopeless() const override { return unwanted() || options_.stream->hopeless(); }
  bool tells_losses() const override { return true; }
  std::string describe() const override { return options_.stream->describe(); }
  std::string outcome() const override;
  uint64_t bytes_written() const override { return options_.stream->bytes(); }

  std::string_view kind() const override { return "otlp-metrics"; }
  std::string save() const override;
  bool restore(std::string_view state, const std::vector<const ProcessInfo*>& processes) override;

 private:
  class Sender;

  bool unwanted() const { return options_.unwanted != nullptr && options_.unwanted->load(); }

  Options options_;
  std::chrono::steady_clock::time_point due_;
  std::string resource_;  // encoded; "" until it is known
  std::shared_ptr<const MetricsFraming> framing_;
  // Names of functions that have data points of their own: they keep them.
  absl::flat_hash_set<std::string> chosen_;
};

}  // namespace telinject::otlp
