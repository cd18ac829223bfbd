// Attributes of operations: HTTP exchanges and connections.
#include <iterator>
#include <map>

#include "absl/strings/ascii.h"
#include "shim/events/otlp/span_encoder.h"
#include "shim/events/registry/registry.h"

namespace telinject::otlp {

namespace {

using registry::otel_name;

std::string_view grpc_code_name(int64_t code) {
  constexpr std::string_view kNames[] = {"OK",
                                         "CANCELLED",
                                         "UNKNOWN",
                                         "INVALID_ARGUMENT",
                                         "DEADLINE_EXCEEDED",
                                         "NOT_FOUND",
                                         "ALREADY_EXISTS",
                                         "PERMISSION_DENIED",
                                         "RESOURCE_EXHAUSTED",
                                         "FAILED_PRECONDITION",
                                         "ABORTED",
                                         "OUT_OF_RANGE",
                                         "UNIMPLEMENTED",
                                         "INTERNAL",
                                         "UNAVAILABLE",
                                         "DATA_LOSS",
                                         "UNAUTHENTICATED"};
  bool known = code >= 0 && code < static_cast<int64_t>(std::size(kNames));
  return known ? kNames[code] : std::string_view();
}

std::string_view text_of(Attributes attributes, std::string_view name) {
  for (const Attribute& attribute : attributes) {
    if (attribute.name != name) continue;
    const auto* text = std::get_if<std::string_view>(&attribute.value);
    return text != nullptr ? *text : std::string_view();
  }
  return {};
}

// OTLP has the service in the method, and the status as a word.
bool add_rpc(const Attribute& attribute, Attributes all, AttributeSet* to) {
  if (attribute.name == "rpc.method") {
    std::string method(text_of(all, "rpc.service"));
    if (!method.empty()) method += '/';
    to->text(otel_name("rpc.method"), method.append(text_of(all, attribute.name)));
    return true;
  }
  if (attribute.name == "rpc.grpc.status_code") {
    const auto* code = std::get_if<int64_t>(&attribute.value);
    if (code == nullptr) return true;
    std::string_view name = grpc_code_name(*code);
    to->text(otel_name("rpc.response.status_code"), name.empty() ? std::to_string(*code) : name);
    return true;
  }
  return false;
}

// Each name once, in lower case, with all of its values.
void add_headers(std::string_view prefix, const NameValues* headers, AttributeSet* to) {
  if (headers == nullptr) return;
  std::map<std::string, std::vector<std::string_view>> values;
  for (const auto& [name, value] : *headers) {
    values[std::string(prefix) + absl::AsciiStrToLower(name)].push_back(value);
  }
  for (const auto& [name, all] : values) to->texts(name, all);
}

}  // namespace

void add_operation_attributes(const Operation& operation, const FunctionInfo* function,
                              AttributeSet* to) {
  for (const Attribute& attribute : operation.attributes) {
    if (add_rpc(attribute, operation.attributes, to)) continue;
    std::string name = registry::otel_name_of(attribute.name);
    if (!name.empty()) to->value(name, attribute.value);
  }
  if (function != nullptr) to->text(otel_name("function_name"), function->name);
  if (operation.request != nullptr) {
    std::string_view agent = operation.request->user_agent;
    if (!agent.empty() && agent != "unknown") to->text(otel_name("user_agent.original"), agent);
    add_headers(otel_name("http.request.headers.*"), operation.request->headers, to);
  }
  if (operation.response != nullptr) {
    add_headers(otel_name("http.response.headers.*"), operation.response->headers, to);
  }
}

int span_kind(const Operation& operation) {
  std::string_view side = text_of(operation.attributes, "span.kind");
  if (side == "client") return kClient;
  return side == "server" ? kServer : kInternal;
}

}  // namespace telinject::otlp
