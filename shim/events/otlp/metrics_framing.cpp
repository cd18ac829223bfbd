#include "shim/events/otlp/metrics_framing.h"

#include <array>
#include <protozero/pbf_reader.hpp>
#include <protozero/pbf_writer.hpp>
#include <utility>

#include "shim/events/otlp/json_transcoder.h"
#include "shim/events/otlp/metric_fields.h"
#include "shim/events/otlp/proto_fields.h"
#include "shim/events/registry/metrics.h"
#include "shim/events/registry/registry.h"

namespace telinject::otlp {

namespace {

using protozero::pbf_reader;
using protozero::pbf_writer;
using registry::kMetrics;
using registry::MetricKind;
namespace request = field::request;
namespace metric = field::metric;

constexpr size_t kMetricCount = kMetrics.size();
// Of a saved framing.
constexpr field::Tag kSavedResource = 1, kSavedExplicit = 2;

void add_view(pbf_writer* writer, field::Tag tag, std::string_view text) {
  writer->add_string(tag, text.data(), text.size());
}

field::Tag data_of(MetricKind kind, bool explicit_buckets) {
  if (kind != MetricKind::kDuration) return metric::kSum;
  return explicit_buckets ? metric::kHistogram : metric::kExponentialHistogram;
}

// A metric with these data points.
std::string encoded_metric(const registry::Metric& about, field::Tag data,
                           const std::string& points) {
  std::string encoded, inner = points;
  pbf_writer inner_writer(inner);
  inner_writer.add_enum(metric::kTemporality, metric::kCumulative);
  if (data == metric::kSum) inner_writer.add_bool(metric::kMonotonic, true);
  pbf_writer writer(encoded);
  add_view(&writer, metric::kName, about.name);
  add_view(&writer, metric::kDescription, about.description);
  add_view(&writer, metric::kUnit, about.unit);
  writer.add_message(data, inner);
  return encoded;
}

}  // namespace

MetricsFraming::MetricsFraming(Format format, std::string resource, bool explicit_buckets)
    : format_(format), resource_(std::move(resource)), explicit_buckets_(explicit_buckets) {}

void MetricsFraming::append_protobuf(const delivery::Batch& batch, size_t from, size_t to,
                                     std::string* body) const {
  std::array<std::string, kMetricCount> points;
  for (size_t i = from; i < to; i++) {
    if (batch.group(i) < kMetricCount) points[batch.group(i)].append(batch.item(i));
  }
  std::string resource;
  pbf_writer writer(resource);
  writer.add_message(request::kResource, resource_);
  // Metrics of one scope follow each other in the registry.
  for (size_t i = 0; i < kMetricCount;) {
    std::string_view name = kMetrics[i].scope;
    std::string scope;
    pbf_writer scope_writer(scope);
    scope_writer.add_message(request::kScope, encoded_scope(name));
    bool any = false;
    for (; i < kMetricCount && kMetrics[i].scope == name; i++) {
      if (points[i].empty()) continue;
      any = true;
      field::Tag data = data_of(kMetrics[i].kind, explicit_buckets_);
      scope_writer.add_message(request::kItems, encoded_metric(kMetrics[i], data, points[i]));
    }
    add_view(&scope_writer, request::kScopeSchemaUrl, registry::kSchemaUrl);
    if (any) writer.add_message(request::kScopes, scope);
  }
  add_view(&writer, request::kResourceSchemaUrl, registry::kSchemaUrl);
  pbf_writer(*body).add_message(request::kResources, resource);
}

void MetricsFraming::append_body(const delivery::Batch& batch, size_t from, size_t to,
                                 std::string* body) const {
  if (format_ == Format::kProtobuf) return append_protobuf(batch, from, to, body);
  std::string message;
  append_protobuf(batch, from, to, &message);
  append_json(message, Signal::kMetrics, body);
}

std::string MetricsFraming::save() const {
  std::string saved;
  pbf_writer writer(saved);
  writer.add_bytes(kSavedResource, resource_);
  writer.add_bool(kSavedExplicit, explicit_buckets_);
  return saved;
}

std::shared_ptr<const delivery::Framing> MetricsFraming::restore(std::string_view saved,
                                                                 Format format) {
  std::string resource;
  bool explicit_buckets = false;
  try {
    pbf_reader reader(saved.data(), saved.size());
    while (reader.next()) {
      if (reader.tag() == kSavedResource) {
        resource = reader.get_bytes();
      } else if (reader.tag() == kSavedExplicit) {
        explicit_buckets = reader.get_bool();
      } else {
        return nullptr;
      }
    }
  } catch (const protozero::exception&) {
    return nullptr;
  }
  return std::make_shared<MetricsFraming>(format, std::move(resource), explicit_buckets);
}

}  // namespace telinject::otlp
