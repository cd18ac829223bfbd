#include "shim/events/otlp/metric_options.h"

#include <charconv>
#include <cstdint>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "shim/sinks/printable_text.h"

namespace telinject::otlp {

namespace {

constexpr char kInterval[] = "OTEL_METRIC_EXPORT_INTERVAL";
constexpr char kTemporality[] = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE";
constexpr char kAggregation[] = "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION";

}  // namespace

MetricOptions read_metric_options(const std::function<std::string(std::string_view name)>& get,
                                  const std::function<void(const std::string& line)>& tell) {
  MetricOptions options;
  options.asked_for = !get("OTEL_METRICS_EXPORTER").empty();
  if (std::string text = get(kInterval); !text.empty()) {
    uint32_t ms = 0;
    const char* end = text.data() + text.size();
    auto read = std::from_chars(text.data(), end, ms);
    if (read.ec == std::errc() && read.ptr == end && ms != 0) {
      options.interval = std::chrono::milliseconds(ms);
    } else {
      tell(absl::StrCat(kInterval, "=", printable(text, kMostOfAValue),
                        " is not a number of milliseconds above 0; using ",
                        options.interval.count()));
    }
  }
  std::string temporality = absl::AsciiStrToLower(get(kTemporality));
  if (!temporality.empty() && temporality != "cumulative") {
    tell(absl::StrCat(kTemporality, "=", printable(temporality, kMostOfAValue),
                      " has no effect: metrics are cumulative; the Collector's "
                      "cumulativetodelta processor makes deltas of them"));
  }
  std::string aggregation = absl::AsciiStrToLower(get(kAggregation));
  options.explicit_buckets = aggregation == "explicit_bucket_histogram";
  if (!aggregation.empty() && !options.explicit_buckets &&
      aggregation != "base2_exponential_bucket_histogram") {
    tell(absl::StrCat(kAggregation, "=", printable(aggregation, kMostOfAValue),
                      " is not one of base2_exponential_bucket_histogram, "
                      "explicit_bucket_histogram; using base2_exponential_bucket_histogram"));
  }
  constexpr std::pair<const char*, const char*> kUnused[] = {
      {"OTEL_METRIC_EXPORT_TIMEOUT", "OTEL_EXPORTER_OTLP_METRICS_TIMEOUT limits a request"},
      {"OTEL_METRICS_EXEMPLAR_FILTER", "metrics have no exemplars"},
  };
  for (const auto& [name, why] : kUnused) {
    if (!get(name).empty()) tell(absl::StrCat(name, " has no effect: ", why));
  }
  return options;
}

}  // namespace telinject::otlp
