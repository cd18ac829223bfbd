#include "shim/events/json/function_json.h"

#include "shim/events/json/json_text.h"

namespace telinject {

std::string function_attributes(const FunctionInfo& f) {
  JsonText json;
  auto add = [&](std::string_view name, std::string_view value) {
    if (!value.empty()) json.member(name, value);
  };
  if (f.parameters.has_value()) json.member("function.parameters", *f.parameters);
  add("caller_function", f.caller);
  if (!f.caller_file.empty()) {
    json.member("caller_file", f.caller_file);
    json.member("caller_line", f.caller_line);
  }
  if (!f.file.empty()) {
    json.member("function_file", f.file);
    json.member("function_line", f.line);
  }
  add("module", f.module);
  add("mangled_name", f.linkage_name);
  return std::string(json.view());
}

FunctionJson make_function_json(const FunctionInfo& function, bool lean) {
  std::string escaped = json_escaped(function.name);
  FunctionJson text;
  text.name.append(",\"function_name\":\"").append(escaped).append("\"");
  text.entry_head = ",\"event_type\":\"function_entry\",\"severity\":\"INFO\"" + text.name;
  text.exit_head = ",\"event_type\":\"function_exit\",\"severity\":\"INFO\"" + text.name;
  if (lean) return text;
  std::string attributes = function_attributes(function);
  auto event = [&](std::string_view type) {
    std::string json;
    json.append("\"event\":{\"name\":\"")
        .append(escaped)
        .append("\",\"category\":\"code\",\"type\":\"")
        .append(type);
    json.append("\"},\"attributes\":{").append(attributes);
    return json;
  };
  std::string message = ",\"message\":\"Function '";
  message.append(escaped);
  text.entry.append(message).append("' entry\",").append(event("start"));
  text.exit_before.append(message).append("' exit (");
  text.exit_after.append("ms)\",").append(event("end"));
  return text;
}

}  // namespace telinject
