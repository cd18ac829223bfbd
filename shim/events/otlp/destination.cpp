#include "shim/events/otlp/destination.h"

#include <algorithm>
#include <string>
#include <utility>

#include "shim/delivery/telling.h"
#include "shim/events/otlp/metrics_output.h"
#include "shim/events/otlp/optional_answers.h"
#include "shim/events/otlp/otlp_output.h"

namespace telinject::otlp {

namespace {

using delivery::Delivery;
using delivery::Totals;
using std::chrono::steady_clock;

// `batch_items`: what the user wants, 0: nothing.
Delivery::Limits limits_of(const Destination::Options& options, size_t batch_items, Format format) {
  Delivery::Limits limits = options.limits;
  if (batch_items != 0) limits.body_items = batch_items;
  // JSON is twice as long as the protobuf that is counted.
  if (format == Format::kJson) limits.body_bytes /= 2;
  return limits;
}

}  // namespace

struct Destination::Line {
  Line(const Exporter& exporter, const Delivery::Limits& limits, const Delivery::Tell& tell,
       std::string_view items)
      : format(exporter.format),
        what(items),
        signal(exporter.endpoint.name.substr(exporter.endpoint.name.rfind(' ') + 1)),
        delivery(exporter.endpoint, limits, tell),
        batcher(&delivery, limits) {}

  // Items that were lost since this was asked last.
  uint64_t take_lost() {
    uint64_t lost = delivery.totals().lost();
    return lost - std::exchange(lost_before, lost);
  }

  const Format format;
  const std::string_view what;
  const std::string signal;  // "traces", of "otlp traces"
  Delivery delivery;
  delivery::Batcher batcher;
  bool hurried = false;
  uint64_t lost_before = 0;
};

class Destination::DeliveryStream final : public Stream {
 public:
  DeliveryStream(Line* line, const Options& options) : line_(line), options_(options) {}

  void add(const std::shared_ptr<const delivery::Framing>& framing, std::string_view item,
           TraceId trace, uint32_t group) override {
    if (options_.waits_for_room) line_->delivery.wait_for_room();
    line_->batcher.add(framing, item, trace, group);
  }
  void pass_on() override { line_->batcher.pass_on_if_late(); }
  void pass_on_now() override { line_->batcher.pass_on(); }
  void flush() override {
    line_->batcher.pass_on();
    // hurry() has set a limit.
    line_->delivery.flush(line_->hurried ? steady_clock::time_point::max()
                                         : steady_clock::now() + options_.flush);
  }
  void hurry() override {
    line_->hurried = true;
    line_->batcher.pass_on();
    // Who waits for room has no deadline.
    if (!options_.waits_for_room) line_->delivery.hurry(steady_clock::now() + options_.end);
  }
  uint64_t take_lost() override { return line_->take_lost(); }
  bool hopeless() const override { return line_->delivery.hopeless(); }
  std::string describe() const override { return line_->delivery.describe(); }
  std::string outcome() const override {
    return delivery::outcome_of(line_->delivery.totals(), line_->what);
  }
  uint64_t bytes() const override { return line_->delivery.totals().bytes; }

 private:
  Line* line_;
  const Options options_;
};

Destination::Destination(Exporters exporters, const Options& options,
                         const delivery::Delivery::Tell& tell)
    : exporters_(std::move(exporters)), options_(options) {
  auto make = [&](const std::optional<Exporter>& exporter, std::string_view items,
                  size_t batch_items) {
    if (!exporter.has_value()) return std::unique_ptr<Line>();
    auto limits = limits_of(options_, batch_items, exporter->format);
    // A request that gets no answer in time is sent once more before the receiver is given up.
    if (options_.waits_for_room) {
      limits.patience = std::max(limits.patience, 2 * exporter->endpoint.request_timeout);
    }
    auto line = std::make_unique<Line>(*exporter, limits, tell, items);
    // A receiver that takes nothing for so long is given up, however much there is.
    if (options_.waits_for_room) line->delivery.hurry(steady_clock::time_point::max());
    return line;
  };
  traces_ = make(exporters_.traces, "spans", exporters_.batch_items);
  logs_ = make(exporters_.logs, "log records", exporters_.batch_items);
  std::optional<Exporter> metrics = exporters_.metrics;
  if (metrics.has_value() && !exporters_.metric_options.asked_for) {
    unwanted_ = std::make_shared<std::atomic<bool>>(false);
    metrics->endpoint.reader = optional_answers(metrics->endpoint.reader, unwanted_);
  }
  metrics_ = make(metrics, "data points", 0);
}

Destination::~Destination() = default;

std::unique_ptr<EventOutput> Destination::make_output(bool lean) {
  if (traces_ == nullptr && logs_ == nullptr) return nullptr;
  OtlpOutput::Options options;
  auto stream = [&](const std::unique_ptr<Line>& line) -> std::unique_ptr<Stream> {
    if (line == nullptr) return nullptr;
    return std::make_unique<DeliveryStream>(line.get(), options_);
  };
  options.traces = stream(traces_);
  options.logs = stream(logs_);
  if (traces_ != nullptr) options.traces_format = traces_->format;
  if (logs_ != nullptr) options.logs_format = logs_->format;
  options.all_events = exporters_.all_events;
  options.exceptions = exporters_.exceptions;
  options.budget = options_.budget;
  options.lean = lean;
  return std::make_unique<OtlpOutput>(std::move(options));
}

std::unique_ptr<EventOutput> Destination::make_metrics_output() {
  if (metrics_ == nullptr) return nullptr;
  MetricsOutput::Options options;
  options.format = metrics_->format;
  options.stream = std::make_unique<DeliveryStream>(metrics_.get(), options_);
  options.how = exporters_.metric_options;
  options.most_functions = options_.metric_functions;
  options.unwanted = unwanted_;
  options.exported = [this](const auto& tell) {
    for (const auto* line : {&traces_, &logs_, &metrics_}) {
      if (*line == nullptr) continue;
      Totals totals = (*line)->delivery.totals();
      auto add = [&](std::string_view outcome, uint64_t items) {
        if (items > 0) tell((*line)->signal, outcome, items);
      };
      add("sent", totals.sent);
      add("rejected", totals.rejected);
      add("oversize", totals.oversize);
      add("timeout", totals.timeout);
      add("sink_error", totals.sink_error);
    }
  };
  return std::make_unique<MetricsOutput>(std::move(options));
}

bool Destination::add_left(std::string_view kind, std::string_view framing, delivery::Batch batch) {
  Line* line = kind == "otlp-traces" ? traces_.get() : kind == "otlp-logs" ? logs_.get() : nullptr;
  if (kind == MetricsFraming::kKind) line = metrics_.get();
  if (line == nullptr) return false;
  batch.framing = line == metrics_.get() ? MetricsFraming::restore(framing, line->format)
                                         : restore_framing(kind, framing, line->format);
  if (batch.framing == nullptr) return false;
  if (options_.waits_for_room) line->delivery.wait_for_room();
  line->delivery.add(std::move(batch));
  return true;
}

void Destination::stop() {
  for (const auto& line : {&traces_, &logs_, &metrics_}) {
    if (*line != nullptr) (*line)->delivery.hurry(steady_clock::now());
  }
}

uint64_t Destination::finish() {
  uint64_t missing = 0;
  for (const auto& line : {&traces_, &logs_, &metrics_}) {
    if (*line == nullptr) continue;
    (*line)->batcher.pass_on();
    (*line)->delivery.finish();
    Totals totals = (*line)->delivery.totals();
    missing += (*line)->take_lost() + totals.left + totals.waiting;
  }
  return missing;
}

}  // namespace telinject::otlp
