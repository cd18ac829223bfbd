// What surrounds data points in a request of OTLP: resource, scope and metric.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "shim/delivery/batch.h"
#include "shim/events/otlp/framing.h"

namespace telinject::otlp {

// An item of a batch is the field of its metric that holds one data point, tag and length included.
// Its group is the metric: a registry::MetricId, and whether durations have explicit buckets.
class MetricsFraming final : public delivery::Framing {
 public:
  // The resource is an encoded one.
  MetricsFraming(Format format, std::string resource, bool explicit_buckets);

  void append_body(const delivery::Batch& batch, size_t from, size_t to,
                   std::string* body) const override;
  std::string_view kind() const override { return kKind; }
  std::string save() const override;

  static constexpr std::string_view kKind = "otlp-metrics";
  // Null if it is none.
  static std::shared_ptr<const delivery::Framing> restore(std::string_view saved, Format format);

 private:
  void append_protobuf(const delivery::Batch& batch, size_t from, size_t to,
                       std::string* body) const;

  const Format format_;
  const std::string resource_;
  const bool explicit_buckets_;
};

}  // namespace telinject::otlp
