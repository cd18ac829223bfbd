#include "shim/events/otlp/json_transcoder.h"

#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>
#include <protozero/pbf_reader.hpp>
#include <span>

#include "absl/strings/escaping.h"

namespace telinject::otlp {

namespace {

using protozero::pbf_reader;

enum class Kind : uint8_t {
  kText,
  kHex,  // bytes: an id
  kBool,
  kNumber,  // of up to 32 bits, or an enumeration
  kFixed32,
  kInt64,
  kFixed64,
  kDouble,
  kMessage,
  kZigzag32,
  kSfixed64,
  kPackedUint64,
  kPackedFixed64,
  kPackedDouble,
};

struct Field;
using Message = std::span<const Field>;

struct Field {
  protozero::pbf_tag_type number;
  const char* name;
  Kind kind;
  bool repeated = false;
  const Message* message = nullptr;
};

extern const Message kAnyValue, kKeyValue;

constexpr bool kRepeated = true;

const Field kArrayFields[] = {{1, "values", Kind::kMessage, kRepeated, &kAnyValue}};
const Message kArray = kArrayFields;
const Field kMapFields[] = {{1, "values", Kind::kMessage, kRepeated, &kKeyValue}};
const Message kMap = kMapFields;
const Field kAnyValueFields[] = {
    {1, "stringValue", Kind::kText},
    {2, "boolValue", Kind::kBool},
    {3, "intValue", Kind::kInt64},
    {4, "doubleValue", Kind::kDouble},
    {5, "arrayValue", Kind::kMessage, false, &kArray},
    {6, "kvlistValue", Kind::kMessage, false, &kMap},
};
const Message kAnyValue = kAnyValueFields;
const Field kKeyValueFields[] = {{1, "key", Kind::kText},
                                 {2, "value", Kind::kMessage, false, &kAnyValue}};
const Message kKeyValue = kKeyValueFields;

const Field kResourceFields[] = {{1, "attributes", Kind::kMessage, kRepeated, &kKeyValue},
                                 {2, "droppedAttributesCount", Kind::kNumber}};
const Message kResource = kResourceFields;
const Field kScopeFields[] = {{1, "name", Kind::kText}, {2, "version", Kind::kText}};
const Message kScope = kScopeFields;

const Field kEventFields[] = {{1, "timeUnixNano", Kind::kFixed64},
                              {2, "name", Kind::kText},
                              {3, "attributes", Kind::kMessage, kRepeated, &kKeyValue},
                              {4, "droppedAttributesCount", Kind::kNumber}};
const Message kEvent = kEventFields;
const Field kStatusFields[] = {{2, "message", Kind::kText}, {3, "code", Kind::kNumber}};
const Message kStatus = kStatusFields;
const Field kSpanFields[] = {
    {1, "traceId", Kind::kHex},
    {2, "spanId", Kind::kHex},
    {3, "traceState", Kind::kText},
    {4, "parentSpanId", Kind::kHex},
    {5, "name", Kind::kText},
    {6, "kind", Kind::kNumber},
    {7, "startTimeUnixNano", Kind::kFixed64},
    {8, "endTimeUnixNano", Kind::kFixed64},
    {9, "attributes", Kind::kMessage, kRepeated, &kKeyValue},
    {10, "droppedAttributesCount", Kind::kNumber},
    {11, "events", Kind::kMessage, kRepeated, &kEvent},
    {12, "droppedEventsCount", Kind::kNumber},
    {15, "status", Kind::kMessage, false, &kStatus},
    {16, "flags", Kind::kFixed32},
};
const Message kSpan = kSpanFields;

const Field kLogFields[] = {
    {1, "timeUnixNano", Kind::kFixed64},
    {2, "severityNumber", Kind::kNumber},
    {3, "severityText", Kind::kText},
    {5, "body", Kind::kMessage, false, &kAnyValue},
    {6, "attributes", Kind::kMessage, kRepeated, &kKeyValue},
    {7, "droppedAttributesCount", Kind::kNumber},
    {8, "flags", Kind::kFixed32},
    {9, "traceId", Kind::kHex},
    {10, "spanId", Kind::kHex},
    {11, "observedTimeUnixNano", Kind::kFixed64},
    {12, "eventName", Kind::kText},
};
const Message kLog = kLogFields;

const Field kNumberFields[] = {
    {2, "startTimeUnixNano", Kind::kFixed64},
    {3, "timeUnixNano", Kind::kFixed64},
    {4, "asDouble", Kind::kDouble},
    {6, "asInt", Kind::kSfixed64},
    {7, "attributes", Kind::kMessage, kRepeated, &kKeyValue},
};
const Message kNumber = kNumberFields;
const Field kSumFields[] = {{1, "dataPoints", Kind::kMessage, kRepeated, &kNumber},
                            {2, "aggregationTemporality", Kind::kNumber},
                            {3, "isMonotonic", Kind::kBool}};
const Message kSum = kSumFields;
const Field kHistogramPointFields[] = {
    {2, "startTimeUnixNano", Kind::kFixed64},
    {3, "timeUnixNano", Kind::kFixed64},
    {4, "count", Kind::kFixed64},
    {5, "sum", Kind::kDouble},
    {6, "bucketCounts", Kind::kPackedFixed64},
    {7, "explicitBounds", Kind::kPackedDouble},
    {9, "attributes", Kind::kMessage, kRepeated, &kKeyValue},
    {11, "min", Kind::kDouble},
    {12, "max", Kind::kDouble},
};
const Message kHistogramPoint = kHistogramPointFields;
const Field kHistogramFields[] = {{1, "dataPoints", Kind::kMessage, kRepeated, &kHistogramPoint},
                                  {2, "aggregationTemporality", Kind::kNumber}};
const Message kHistogram = kHistogramFields;
const Field kBucketsFields[] = {{1, "offset", Kind::kZigzag32},
                                {2, "bucketCounts", Kind::kPackedUint64}};
const Message kBuckets = kBucketsFields;
const Field kExponentialPointFields[] = {
    {1, "attributes", Kind::kMessage, kRepeated, &kKeyValue},
    {2, "startTimeUnixNano", Kind::kFixed64},
    {3, "timeUnixNano", Kind::kFixed64},
    {4, "count", Kind::kFixed64},
    {5, "sum", Kind::kDouble},
    {6, "scale", Kind::kZigzag32},
    {7, "zeroCount", Kind::kFixed64},
    {8, "positive", Kind::kMessage, false, &kBuckets},
    {12, "min", Kind::kDouble},
    {13, "max", Kind::kDouble},
};
const Message kExponentialPoint = kExponentialPointFields;
const Field kExponentialFields[] = {
    {1, "dataPoints", Kind::kMessage, kRepeated, &kExponentialPoint},
    {2, "aggregationTemporality", Kind::kNumber},
};
const Message kExponential = kExponentialFields;
const Field kMetricFields[] = {
    {1, "name", Kind::kText},
    {2, "description", Kind::kText},
    {3, "unit", Kind::kText},
    {7, "sum", Kind::kMessage, false, &kSum},
    {9, "histogram", Kind::kMessage, false, &kHistogram},
    {10, "exponentialHistogram", Kind::kMessage, false, &kExponential},
};
const Message kMetric = kMetricFields;

// The names of what differs between the signals.
struct Names {
  const char *resources, *scopes, *items;
  const Message* item;
};
constexpr Names kSignalNames[] = {{"resourceSpans", "scopeSpans", "spans", &kSpan},
                                  {"resourceLogs", "scopeLogs", "logRecords", &kLog},
                                  {"resourceMetrics", "scopeMetrics", "metrics", &kMetric}};

class Writer {
 public:
  explicit Writer(std::string* out) : out_(out) {}

  void message(pbf_reader reader, Message fields) {
    constexpr int kDeepest = 32;  // values in values: what was kept in a file may be anything
    out_->push_back('{');
    size_t begin = out_->size();
    depth_++;
    for (const Field& field : fields) {
      if (depth_ <= kDeepest) member(reader, field);
    }
    depth_--;
    if (out_->size() > begin) out_->pop_back();
    out_->push_back('}');
  }

 private:
  // The field may occur several times, and among others: of one that is not repeated the last
  // counts.
  void member(pbf_reader reader, const Field& field) {
    size_t start = out_->size(), last = start;
    try {
      while (reader.next()) {
        if (reader.tag() != field.number) {
          reader.skip();
          continue;
        }
        if (!field.repeated) out_->resize(last = start);
        if (out_->size() == start) {
          out_->append("\"").append(field.name).append("\":");
          if (field.repeated) out_->push_back('[');
        }
        value(&reader, field);
        out_->push_back(',');
        last = out_->size();
      }
    } catch (const protozero::exception&) {
      out_->resize(last);
    }
    if (field.repeated && last != start) out_->insert(last - 1, 1, ']');
  }

  template <typename Number>
  void number(Number value) {
    char digits[24];
    auto end = std::to_chars(digits, digits + sizeof digits, value);
    out_->append(digits, end.ptr);
  }
  template <typename Number>
  void quoted(Number value) {
    out_->push_back('"');
    number(value);
    out_->push_back('"');
  }
  void text(std::string_view text) {
    using nlohmann::json;
    out_->append(json(text).dump(-1, ' ', false, json::error_handler_t::replace));
  }
  void hex(std::string_view bytes) {
    std::string digits = absl::BytesToHexString({bytes.data(), bytes.size()});
    out_->append("\"").append(digits).append("\"");
  }
  void real(double value) {
    if (std::isfinite(value)) return number(value);
    text(std::isnan(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity");
  }

  template <typename Range, typename Write>
  void list(const Range& values, Write&& write) {
    out_->push_back('[');
    for (auto value : values) {
      write(value);
      out_->push_back(',');
    }
    if (out_->back() == ',') out_->pop_back();
    out_->push_back(']');
  }

  void value(pbf_reader* reader, const Field& field) {
    switch (field.kind) {
      case Kind::kText:
        return text(reader->get_string());
      case Kind::kHex:
        return hex(reader->get_bytes());
      case Kind::kBool:
        out_->append(reader->get_bool() ? "true" : "false");
        return;
      case Kind::kNumber:
        return number(reader->get_int32());
      case Kind::kFixed32:
        return number(reader->get_fixed32());
      case Kind::kInt64:
        return quoted(reader->get_int64());
      case Kind::kFixed64:
        return quoted(reader->get_fixed64());
      case Kind::kDouble:
        return real(reader->get_double());
      case Kind::kMessage:
        return message(reader->get_message(), *field.message);
      case Kind::kZigzag32:
        return number(reader->get_sint32());
      case Kind::kSfixed64:
        return quoted(reader->get_sfixed64());
      case Kind::kPackedUint64:
        return list(reader->get_packed_uint64(), [this](uint64_t each) { quoted(each); });
      case Kind::kPackedFixed64:
        return list(reader->get_packed_fixed64(), [this](uint64_t each) { quoted(each); });
      case Kind::kPackedDouble:
        return list(reader->get_packed_double(), [this](double each) { real(each); });
    }
  }

  std::string* out_;
  int depth_ = 0;
};

}  // namespace

void append_json(std::string_view request, Signal signal, std::string* json) {
  const Names& names = kSignalNames[static_cast<size_t>(signal)];
  const Field scope_fields[] = {{1, "scope", Kind::kMessage, false, &kScope},
                                {2, names.items, Kind::kMessage, kRepeated, names.item},
                                {3, "schemaUrl", Kind::kText}};
  const Message scope = scope_fields;
  const Field resource_fields[] = {{1, "resource", Kind::kMessage, false, &kResource},
                                   {2, names.scopes, Kind::kMessage, kRepeated, &scope},
                                   {3, "schemaUrl", Kind::kText}};
  const Message resource = resource_fields;
  const Field request_fields[] = {{1, names.resources, Kind::kMessage, kRepeated, &resource}};
  Writer(json).message(pbf_reader(request.data(), request.size()), request_fields);
}

}  // namespace telinject::otlp
