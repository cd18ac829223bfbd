// What must hold of encoded events, whatever they were made of: each line is JSON and has what
// telemetry-v3.schema.json demands of every event, and of those of HTTP.
#pragma once

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "shim/http/fields.h"
#include "tests/fuzz/input.h"

namespace telinject::fuzz {

using nlohmann::json;

inline bool is_hex(const json& value, size_t digits) {
  if (!value.is_string()) return false;
  const auto& text = value.get_ref<const std::string&>();
  return text.size() == digits && text.find_first_not_of("0123456789abcdef") == text.npos;
}

inline bool is_text(const json& object, const char* name) {
  return object.contains(name) && object[name].is_string() &&
         !object[name].get_ref<const std::string&>().empty();
}

inline void check_headers(const json& message) {
  require(message.contains("headers") && message["headers"].is_object());
  require(message.contains("body_bytes") && message["body_bytes"].is_number_unsigned());
  for (const auto& [name, value] : message["headers"].items()) {
    require(is_http_token(name) && value.is_string());
  }
}

inline void check_http(const json& event) {
  bool request = event["event_type"] == "http_request";
  require(event.contains("http") && event["http"].size() == 1);
  const json& message = event["http"].value(request ? "request" : "response", json());
  require(message.is_object());
  check_headers(message);
  if (request) {
    require(is_text(message, "method") && is_text(message, "url") &&
            is_text(message, "user_agent"));
    return;
  }
  require(is_text(message, "content_type"));
  if (!message.contains("status_code")) return;
  auto status = message["status_code"].get<int64_t>();
  require(status >= 100 && status <= 999);
}

inline void check_attributes(const json& event) {
  require(event.contains("attributes") && event["attributes"].is_object());
  for (const auto& [name, value] : event["attributes"].items()) {
    require(!name.empty() && (value.is_string() || value.is_number() || value.is_boolean()));
  }
}

inline json check_event(std::string_view line) {
  json event = json::parse(line, nullptr, /*allow_exceptions=*/false);
  require(event.is_object());
  require(is_text(event, "timestamp") && event["timestamp_ns"].is_number_unsigned());
  require(event["sequence"].is_number_unsigned() && event["sequence"] > 0);
  require(is_text(event, "event_type") && is_text(event, "message"));
  require(event["severity"] == "INFO" || event["severity"] == "WARN" ||
          event["severity"] == "ERROR");
  require(is_hex(event["trace_id"], 32) && is_hex(event["span_id"], 16));
  require(event["parent_span_id"].is_null() || is_hex(event["parent_span_id"], 16));
  require(event["event"].is_object() && is_text(event["event"], "name"));
  check_attributes(event);
  if (event.contains("error")) {
    require(is_text(event["error"], "type") && event["error"]["message"].is_string());
  }
  if (event["event_type"] == "http_request" || event["event_type"] == "http_response") {
    check_http(event);
  }
  return event;
}

// Calls visit(event) for each line.
template <typename Visit>
void check_events(std::string_view lines, Visit&& visit) {
  while (!lines.empty()) {
    size_t end = lines.find('\n');
    require(end != lines.npos);
    visit(check_event(lines.substr(0, end)));
    lines.remove_prefix(end + 1);
  }
}

}  // namespace telinject::fuzz
