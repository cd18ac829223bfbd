#include "shim/events/registry/registry.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "shim/events/registry/metrics.h"

namespace telinject::registry {

std::string_view name_of(AttributeType type) {
  switch (type) {
    case AttributeType::kText:
      return "string";
    case AttributeType::kTexts:
      return "string[]";
    case AttributeType::kInt:
      return "int";
    case AttributeType::kDouble:
      return "double";
    case AttributeType::kBool:
      return "boolean";
  }
  return "";
}

namespace {

using nlohmann::ordered_json;

constexpr std::string_view kAny = ".*";

std::string_view name_of(Stability stability) {
  switch (stability) {
    case Stability::kStable:
      return "stable";
    case Stability::kDevelopment:
      return "development";
    case Stability::kOwn:
      return "telinject";
  }
  return "";
}

void add_column(std::string* line, std::string_view text, size_t width) {
  line->append(text.empty() ? std::string_view("-") : text);
  line->append(text.size() < width ? width - text.size() : 1, ' ');
}

std::string_view name_of(MetricKind kind) {
  return kind == MetricKind::kDuration ? "histogram" : "sum";
}

// As Prometheus and the Collector have it.
std::string prometheus_name(const Metric& metric) {
  std::string name(metric.name);
  std::replace(name.begin(), name.end(), '.', '_');
  if (metric.unit == "s") name += "_seconds";
  if (metric.kind != MetricKind::kDuration) name += "_total";
  return name;
}

std::string as_text() {
  constexpr size_t kNameWidth = 36, kTypeWidth = 10;
  std::string text = "Events\n";
  for (const Event& event : kEvents) {
    text += "  ";
    add_column(&text, event.type, kNameWidth);
    add_column(&text, event.reserved ? "not emitted yet" : event.otel, kNameWidth);
    text.append(event.help).append("\n");
  }
  text += "Attributes: in v3, in OpenTelemetry, type, unit, stability of that name, source\n";
  for (const Attribute& attribute : kAttributes) {
    if (attribute.v3.empty() && attribute.otel.empty()) continue;
    text += "  ";
    add_column(&text, attribute.v3, kNameWidth);
    add_column(&text, attribute.otel, kNameWidth);
    add_column(&text, name_of(attribute.type), kTypeWidth);
    add_column(&text, attribute.unit, kTypeWidth);
    add_column(&text, name_of(attribute.stability), kTypeWidth + 2);
    text.append(attribute.source).append("\n");
  }
  text += "Metrics: in OpenTelemetry, in Prometheus, kind, unit, meaning\n";
  for (const Metric& metric : kMetrics) {
    text += "  ";
    add_column(&text, metric.name, kNameWidth);
    add_column(&text, prometheus_name(metric), kNameWidth + kTypeWidth);
    add_column(&text, name_of(metric.kind), kTypeWidth);
    add_column(&text, metric.unit, kTypeWidth);
    text.append(metric.description).append("\n");
  }
  return text;
}

ordered_json list_of(std::string_view words) {
  ordered_json list = ordered_json::array();
  while (!words.empty()) {
    std::string_view word = words.substr(0, words.find(' '));
    list.push_back(word);
    words.remove_prefix(std::min(words.size(), word.size() + 1));
  }
  return list;
}

ordered_json limits_of(std::string_view members) {
  return ordered_json::parse(std::string("{").append(members).append("}"));
}

ordered_json json_of(const Event& event) {
  return {{"event_type", event.type},
          {"category", event.category},
          {"type", event.kind},
          {"severity", list_of(event.severity)},
          {"correlation", list_of(event.correlation)},
          {"needs", list_of(event.needs)},
          {"otel", event.otel},
          {"help", event.help},
          {"limits", limits_of(event.limits)},
          {"reserved", event.reserved}};
}

std::string_view usual_ecs_type(AttributeType type) {
  switch (type) {
    case AttributeType::kText:
    case AttributeType::kTexts:
      return "keyword";
    case AttributeType::kInt:
      return "long";
    case AttributeType::kDouble:
      return "double";
    case AttributeType::kBool:
      return "boolean";
  }
  return "";
}

// {"url.full":"wildcard"}
ordered_json ecs_of(const Attribute& attribute) {
  ordered_json fields = ordered_json::object();
  for (const std::string word : list_of(attribute.ecs)) {
    size_t colon = word.find(':');
    bool usual = colon == std::string::npos;
    fields[word.substr(0, colon)] = usual ? usual_ecs_type(attribute.type) : word.substr(colon + 1);
  }
  return fields;
}

ordered_json json_of(const Attribute& attribute) {
  ordered_json values = ordered_json::object();
  for (const Value& value : kValues) {
    bool its = value.attribute == attribute.v3 && attribute.place == Place::kAttributes;
    if (its) values[value.value] = value.help;
  }
  return {{"v3", attribute.v3},
          {"place", attribute.place == Place::kEvent ? "event" : "attributes"},
          {"otel", attribute.otel},
          {"ecs", ecs_of(attribute)},
          {"type", name_of(attribute.type)},
          {"unit", attribute.unit},
          {"stability", name_of(attribute.stability)},
          {"since", attribute.since},
          {"source", attribute.source},
          {"events", list_of(attribute.on)},
          {"help", attribute.help},
          {"note", attribute.note},
          {"limits", limits_of(attribute.limits)},
          {"values", values},
          {"reserved", attribute.reserved}};
}

ordered_json json_of(const Metric& metric) {
  return {{"otel", metric.name},          {"prometheus", prometheus_name(metric)},
          {"kind", name_of(metric.kind)}, {"unit", metric.unit},
          {"scope", metric.scope},        {"help", metric.description}};
}

std::string as_json() {
  ordered_json events = ordered_json::array(), attributes = ordered_json::array(),
               metrics = ordered_json::array();
  for (const Event& event : kEvents) events.push_back(json_of(event));
  for (const Attribute& attribute : kAttributes) attributes.push_back(json_of(attribute));
  for (const Metric& metric : kMetrics) metrics.push_back(json_of(metric));
  ordered_json all = {{"format", "telemetry.v3"}, {"version", kFormatVersion},
                      {"schema_url", kSchemaUrl}, {"events", events},
                      {"attributes", attributes}, {"metrics", metrics}};
  return all.dump(2) + "\n";
}

std::string as_otel_names() {
  std::set<std::string_view> told;
  std::string text;
  for (const Attribute& attribute : kAttributes) {
    if (attribute.otel.empty() || !told.insert(attribute.otel).second) continue;
    text.append(attribute.otel).append("\n");
  }
  return text;
}

}  // namespace

std::string otel_name_of(std::string_view v3) {
  for (const Attribute& attribute : kAttributes) {
    if (attribute.v3 == v3) return std::string(attribute.otel);
    if (!attribute.v3.ends_with(kAny) || attribute.otel.empty()) continue;
    std::string_view beginning = attribute.v3.substr(0, attribute.v3.size() - 1);
    if (!v3.starts_with(beginning)) continue;
    std::string name(attribute.otel.substr(0, attribute.otel.size() - 1));
    return name.append(v3.substr(beginning.size()));
  }
  return std::string("telinject.").append(v3);
}

std::string schema_text(View view) {
  switch (view) {
    case View::kText:
      return as_text();
    case View::kJson:
      return as_json();
    case View::kOtel:
      return as_otel_names();
  }
  return {};
}

}  // namespace telinject::registry
