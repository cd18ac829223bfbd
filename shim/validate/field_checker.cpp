#include "shim/validate/field_checker.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace telinject::validate {

namespace {

using nlohmann::json;
using registry::Attribute;
using registry::AttributeType;

constexpr const char* kAlways[] = {"timestamp",  "timestamp_ns",   "sequence",
                                   "event_type", "severity",       "trace_id",
                                   "span_id",    "parent_span_id", "attributes"};
constexpr const char* kFull[] = {"schema", "trace_flags", "sample_rate", "message",
                                 "event",  "service",     "environment", "resource",
                                 "cloud",  "host",        "process",     "correlation_id"};
constexpr const char* kLeanCall[] = {"function_ref"};
constexpr const char* kLean[] = {"message", "event", "correlation_id"};
// Members of objects that are there.
constexpr const char* kMembers[] = {"schema.format",
                                    "schema.version",
                                    "process.pid",
                                    "process.executable",
                                    "process.command_line",
                                    "event.name",
                                    "event.category",
                                    "event.type",
                                    "error.type",
                                    "error.message",
                                    "service.name",
                                    "service.version",
                                    "host.name",
                                    "resource.telemetry_sdk_name",
                                    "resource.telemetry_sdk_version",
                                    "resource.runtime_name",
                                    "resource.runtime_version",
                                    "resource.os_type",
                                    "resource.os_description"};

absl::string_view abseil(std::string_view text) {
  return {text.data(), text.size()};
}

std::string in_quotes(std::string_view text) {
  return std::string("'").append(text).append("'");
}

bool has_word(std::string_view words, std::string_view word) {
  for (absl::string_view each : absl::StrSplit(abseil(words), ' ', absl::SkipEmpty())) {
    if (std::string_view(each.data(), each.size()) == word) return true;
  }
  return false;
}

bool is_text_list(const json& value) {
  return value.is_array() &&
         std::all_of(value.begin(), value.end(), [](const json& each) { return each.is_string(); });
}

bool is_of(AttributeType type, const json& value) {
  switch (type) {
    case AttributeType::kText:
      return value.is_string();
    case AttributeType::kTexts:
      return value.is_string() || is_text_list(value);
    case AttributeType::kInt:
      return value.is_number_integer();
    case AttributeType::kDouble:
      return value.is_number();
    case AttributeType::kBool:
      return value.is_boolean();
  }
  return false;
}

// For people. Not all of a list or an object, which may be of any depth.
std::string shown(const json& value) {
  constexpr size_t kMost = 80;
  if (value.is_structured()) return value.is_array() ? "a list" : "an object";
  std::string text = value.dump(-1, ' ', false, json::error_handler_t::replace);
  return text.size() > kMost ? text.substr(0, kMost) + "..." : text;
}

// A few may be of several types: their limits name them.
bool may_be_besides(const Attribute& field, const json& value) {
  return (value.is_null() && field.limits.find("\"null\"") != std::string_view::npos) ||
         (value.is_boolean() && field.limits.find("\"boolean\"") != std::string_view::npos);
}

// The number behind a keyword of the field's limits.
std::optional<uint64_t> limit_of(const Attribute& field, std::string_view keyword) {
  size_t at = field.limits.find(keyword);
  if (at == std::string_view::npos) return std::nullopt;
  std::string_view digits = field.limits.substr(at + keyword.size());
  uint64_t number;
  auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  return error == std::errc() ? std::optional(number) : std::nullopt;
}

bool is_within_limits(const Attribute& field, const json& value) {
  if (!value.is_number_integer()) return true;
  std::optional<uint64_t> least = limit_of(field, "\"minimum\": ");
  std::optional<uint64_t> most = limit_of(field, "\"maximum\": ");
  bool negative = !value.is_number_unsigned() && value.get<int64_t>() < 0;
  if (negative) return !least.has_value();
  auto number = value.get<uint64_t>();
  return number >= least.value_or(0) && number <= most.value_or(INT64_MAX);
}

bool is_hex_id(const json& value, size_t digits) {
  if (!value.is_string()) return false;
  const auto& text = value.get_ref<const std::string&>();
  return text.size() == digits && text.find_first_not_of("0123456789abcdef") == std::string::npos &&
         text.find_first_not_of('0') != std::string::npos;
}

std::string problem_of_ids(const json& event) {
  constexpr size_t kTraceDigits = 32, kSpanDigits = 16;
  if (!is_hex_id(event["trace_id"], kTraceDigits)) return "trace_id is not 32 hexadecimal digits";
  if (!is_hex_id(event["span_id"], kSpanDigits)) return "span_id is not 16 hexadecimal digits";
  const json& parent = event["parent_span_id"];
  if (!parent.is_null() && !is_hex_id(parent, kSpanDigits)) {
    return "parent_span_id is neither null nor 16 hexadecimal digits";
  }
  return "";
}

template <typename Names>
std::string missing_of(const json& event, const Names& names) {
  for (const char* name : names) {
    if (!event.contains(name)) return absl::StrCat(name, " is missing");
  }
  return "";
}

std::string missing_member(const json& event) {
  for (std::string_view name : kMembers) {
    size_t dot = name.find('.');
    auto object = event.find(std::string(name.substr(0, dot)));
    if (object == event.end()) continue;
    if (!object->is_object() || !object->contains(std::string(name.substr(dot + 1)))) {
      return std::string(name) + " is missing";
    }
  }
  return "";
}

std::string missing_field(const json& event, std::string_view type) {
  bool lean = event.contains("process_ref");
  bool call = type == "function_entry" || type == "function_exit";
  std::string missing = !lean  ? missing_of(event, kFull)
                        : call ? missing_of(event, kLeanCall)
                               : missing_of(event, kLean);
  return missing.empty() ? missing_member(event) : missing;
}

}  // namespace

void FieldChecker::Fields::add(const Attribute& field) {
  named[field.v3] = &field;
  if (field.v3.ends_with(".*"))
    beginning.emplace_back(field.v3.substr(0, field.v3.size() - 1), &field);
}

const Attribute* FieldChecker::Fields::find(std::string_view name) const {
  auto found = named.find(name);
  if (found != named.end()) return found->second;
  auto any = std::find_if(beginning.begin(), beginning.end(),
                          [&](const auto& each) { return name.starts_with(each.first); });
  return any == beginning.end() ? nullptr : any->second;
}

FieldChecker::FieldChecker() {
  for (const registry::Event& event : registry::kEvents) events_[event.type] = &event;
  for (const Attribute& each : registry::kAttributes) {
    if (each.v3.empty()) continue;
    bool of_event = each.place == registry::Place::kEvent;
    (of_event ? fields_ : attributes_).add(each);
    for (size_t dot = each.v3.find('.'); of_event && dot != std::string_view::npos;
         dot = each.v3.find('.', dot + 1)) {
      objects_.emplace(each.v3.substr(0, dot));
    }
  }
  for (const registry::Value& each : registry::kValues) values_[each.attribute].insert(each.value);
}

std::string FieldChecker::problem_of(const json& event) const {
  if (!event.is_object()) return "not a JSON object";
  std::string problem = missing_of(event, kAlways);
  if (!problem.empty()) return problem;
  if (!event["attributes"].is_object()) return "attributes is not an object";
  if (!event["event_type"].is_string()) return "event_type is not a text";
  const auto& type = event["event_type"].get_ref<const std::string&>();
  auto found = events_.find(type);
  if (found == events_.end()) return absl::StrCat("event_type ", in_quotes(type), " is not known");
  problem = problem_of_ids(event);
  if (problem.empty()) problem = missing_field(event, type);
  if (problem.empty()) problem = problem_of_needs(event, *found->second);
  if (problem.empty()) problem = problem_of_object(event, "", type);
  if (problem.empty()) problem = problem_of_attributes(event["attributes"], type);
  return problem.empty() ? problem_of_type(event, *found->second) : problem;
}

std::string FieldChecker::problem_of_needs(const json& event, const registry::Event& type) const {
  for (absl::string_view each : absl::StrSplit(abseil(type.needs), ' ', absl::SkipEmpty())) {
    std::string name(each);
    bool of_event = fields_.named.contains(name) || objects_.contains(name);
    if (!(of_event ? event : event["attributes"]).contains(name)) {
      return absl::StrCat(name, " is missing, which every ", std::string(type.type), " has");
    }
  }
  return "";
}

std::string FieldChecker::problem_of_type(const json& event, const registry::Event& type) const {
  std::string of_type = " of " + std::string(type.type) + " is ";
  const json& severity = event["severity"];
  if (!has_word(type.severity, severity.get_ref<const std::string&>())) {
    return absl::StrCat("severity", of_type, shown(severity));
  }
  if (event.contains("error") != (severity == "ERROR")) {
    return absl::StrCat(
        "severity is ", shown(severity),
        event.contains("error") ? ", but there is an error" : ", but error is missing");
  }
  if (auto what = event.find("event"); what != event.end()) {
    for (const auto& [name, wanted] :
         {std::pair("category", type.category), std::pair("type", type.kind)}) {
      if ((*what)[name] != std::string(wanted)) {
        return absl::StrCat("event.", name, of_type, shown((*what)[name]));
      }
    }
  }
  auto correlation = event.find("correlation_id");
  if (correlation == event.end() || !correlation->is_string()) return "";
  const auto& id = correlation->get_ref<const std::string&>();
  if (!has_word(type.correlation, std::string_view(id).substr(0, id.find('_')))) {
    return absl::StrCat("correlation_id", of_type, shown(*correlation));
  }
  return "";
}

std::string FieldChecker::problem_of_object(const json& object, const std::string& prefix,
                                            std::string_view type) const {
  for (const auto& [key, value] : object.items()) {
    if (prefix.empty() && key == "attributes") continue;
    std::string name = prefix + key, problem;
    const Attribute* field = fields_.find(name);
    if (field != nullptr) {
      problem = problem_of_value(*field, name, value, type);
    } else if (!objects_.contains(name)) {
      return absl::StrCat("there is no field ", in_quotes(name));
    } else if (!value.is_object()) {
      return absl::StrCat(name, " is not an object");
    } else {
      problem = problem_of_object(value, name + ".", type);
    }
    if (!problem.empty()) return problem;
  }
  return "";
}

std::string FieldChecker::problem_of_attributes(const json& attributes,
                                                std::string_view type) const {
  for (const auto& [name, value] : attributes.items()) {
    const Attribute* attribute = attributes_.find(name);
    if (attribute == nullptr) continue;
    std::string problem = problem_of_value(*attribute, "attributes." + name, value, type);
    if (!problem.empty()) return problem;
  }
  return "";
}

std::string FieldChecker::problem_of_value(const Attribute& field, const std::string& name,
                                           const json& value, std::string_view type) const {
  if (!field.on.empty() && !has_word(field.on, type)) {
    return absl::StrCat(name, " is not for ", std::string(type));
  }
  if (may_be_besides(field, value)) return "";
  if (!is_of(field.type, value)) {
    return absl::StrCat(name, " is ", shown(value), "; its type is ",
                        std::string(registry::name_of(field.type)));
  }
  if (!is_within_limits(field, value)) {
    return absl::StrCat(name, " is ", shown(value), ", which is out of its range");
  }
  auto values = values_.find(field.v3);
  if (values != values_.end() && value.is_string() &&
      !values->second.contains(value.get_ref<const std::string&>())) {
    return absl::StrCat(name, " is ", shown(value), ", which is none of its values");
  }
  return "";
}

}  // namespace telinject::validate
