// OpenTelemetry's environment variables about metrics, but for where they go (exporters.h).
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <string_view>

namespace telinject::otlp {

struct MetricOptions {
  std::chrono::milliseconds interval{60000};  // OTEL_METRIC_EXPORT_INTERVAL
  // OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION=explicit_bucket_histogram
  bool explicit_buckets = false;
  // OTEL_METRICS_EXPORTER says so: a receiver that takes none is worth a line.
  bool asked_for = false;
};

// As read_exporters() has it.
MetricOptions read_metric_options(const std::function<std::string(std::string_view name)>& get,
                                  const std::function<void(const std::string& line)>& tell);

}  // namespace telinject::otlp
