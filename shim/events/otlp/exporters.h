// OpenTelemetry's environment variables about exporting: where each signal goes, and how.
//
// Values of headers may be secrets: they are in Endpoint::headers only, never in a message.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "shim/delivery/endpoint.h"
#include "shim/events/otlp/framing.h"
#include "shim/events/otlp/metric_options.h"

namespace telinject::otlp {

struct Exporter {
  delivery::Endpoint endpoint;
  Format format = Format::kProtobuf;
};

// OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN
enum class ExceptionSignal : uint8_t { kSpanEvents, kLogs, kBoth };

struct Exporters {
  std::optional<Exporter> traces;   // nullopt: OTEL_TRACES_EXPORTER=none
  std::optional<Exporter> logs;     // of every event if all_events, else of exceptions
  std::optional<Exporter> metrics;  // nullopt: OTEL_METRICS_EXPORTER=none
  MetricOptions metric_options;
  bool all_events = false;  // OTEL_LOGS_EXPORTER=otlp
  ExceptionSignal exceptions = ExceptionSignal::kSpanEvents;
  size_t batch_items = 0;  // OTEL_BSP_MAX_EXPORT_BATCH_SIZE; 0: not set
};

using GetVariable = std::function<std::string(std::string_view name)>;  // "" if it is not set
using Tell = std::function<void(const std::string& line)>;

// `absolute`: makes a path of the user's one that can be opened later. `tell` gets a line for each
// variable that makes no sense, with what is used instead, and for those that are set but have no
// effect here.
Exporters read_exporters(const GetVariable& get,
                         const std::function<std::string(const std::string&)>& absolute,
                         const Tell& tell);

}  // namespace telinject::otlp
