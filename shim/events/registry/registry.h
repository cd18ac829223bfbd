// The registry of events and attributes (registry.def): type, unit, stability, source, and what
// each is called in OpenTelemetry and in the Elastic Common Schema. OTLP's encoder takes its names
// from here; `telinject schema` prints it, and scripts/checks/schema makes documents of that.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace telinject::registry {

inline constexpr std::string_view kSchemaUrl = "https://opentelemetry.io/schemas/1.44.0";
inline constexpr std::string_view kFormatVersion = "3.0.0";

enum class AttributeType : uint8_t { kText, kTexts, kInt, kDouble, kBool };
enum class Stability : uint8_t { kStable, kDevelopment, kOwn };
// Where v3 has it: a field of the event, or a member of `attributes`.
enum class Place : uint8_t { kEvent, kAttributes };

// Lists of names are separated by spaces. `limits` are members of a JSON Schema.
struct Event {
  std::string_view type, category, otel, help;
  std::string_view kind;         // event.type
  std::string_view severity;     // that it may have
  std::string_view correlation;  // what its correlation_id may begin with
  std::string_view needs = {};   // fields and attributes that it always has
  std::string_view limits = {};  // what else is true of it
  bool reserved = false;         // v3 has it, telinject does not emit it yet
};
// The first columns are described in registry.def.
struct Attribute {
  Place place;
  std::string_view v3, otel;
  AttributeType type;
  std::string_view unit;
  Stability stability;
  std::string_view since, source;
  // Its fields in Elasticsearch: "url.full:wildcard". The type may be left out if it is the usual
  // one: keyword, long, double, boolean. With "+text" its words can be searched, too:
  // url.full.text.
  std::string_view ecs = {};
  std::string_view on = {};      // types of the events that may have it; "": all
  std::string_view help = {};    // what it means, for people
  std::string_view note = {};    // more of that, for the JSON Schema
  std::string_view limits = {};  // what its values may be, beyond its type
  bool reserved = false;         // v3 has it, telinject does not emit it yet
};
struct Value {
  std::string_view attribute, value, help;
};

namespace internal {

using enum AttributeType;
using enum Stability;

// For `on`.
inline constexpr std::string_view kOnCalls = "function_entry function_exit telemetry_function";
inline constexpr std::string_view kOnExits = "function_exit";
inline constexpr std::string_view kOnEnds =
    "function_exit http_response tls_connection database_result loop_exit";
inline constexpr std::string_view kOnExchanges = "http_request http_response";
inline constexpr std::string_view kOnConnections = "http_request http_response tls_connection";

#define TELINJECT_EVENT(event_type, event_category, in_otel, text, ...) \
  {.type = #event_type, .category = event_category, .otel = in_otel, .help = text, __VA_ARGS__},
#define TELINJECT_FIELD(...)
#define TELINJECT_ATTRIBUTE(...)
#define TELINJECT_VALUE(...)
inline constexpr Event kEvents[] = {
#include "shim/events/registry/registry.def"
};
#undef TELINJECT_EVENT
#undef TELINJECT_FIELD
#undef TELINJECT_ATTRIBUTE
#define TELINJECT_EVENT(...)
#define TELINJECT_ROW(where, in_v3, in_otel, of_type, of_unit, how_stable, since_when, from, ...) \
  {.place = where,                                                                                \
   .v3 = in_v3,                                                                                   \
   .otel = in_otel,                                                                               \
   .type = of_type,                                                                               \
   .unit = of_unit,                                                                               \
   .stability = how_stable,                                                                       \
   .since = since_when,                                                                           \
   .source = from,                                                                                \
   __VA_ARGS__},
#define TELINJECT_FIELD(...) TELINJECT_ROW(Place::kEvent, __VA_ARGS__)
#define TELINJECT_ATTRIBUTE(...) TELINJECT_ROW(Place::kAttributes, __VA_ARGS__)
inline constexpr Attribute kAttributes[] = {
#include "shim/events/registry/registry.def"
};
#undef TELINJECT_FIELD
#undef TELINJECT_ATTRIBUTE
#undef TELINJECT_ROW
#undef TELINJECT_VALUE
#define TELINJECT_FIELD(...)
#define TELINJECT_ATTRIBUTE(...)
#define TELINJECT_VALUE(attribute, value, help) {attribute, value, help},
inline constexpr Value kValues[] = {
#include "shim/events/registry/registry.def"
};
#undef TELINJECT_EVENT
#undef TELINJECT_FIELD
#undef TELINJECT_ATTRIBUTE
#undef TELINJECT_VALUE

constexpr const Attribute* find(std::string_view Attribute::*name, std::string_view text) {
  for (const Attribute& attribute : kAttributes) {
    if (attribute.*name == text) return &attribute;
  }
  return nullptr;
}

}  // namespace internal

inline constexpr std::span<const Event> kEvents = internal::kEvents;
inline constexpr std::span<const Attribute> kAttributes = internal::kAttributes;
inline constexpr std::span<const Value> kValues = internal::kValues;

// OTLP's name of an attribute of v3, or a name that is OTLP's only; for a name that ends in ".*"
// what all begin with, the dot included. Does not compile if the registry has no such attribute.
consteval std::string_view otel_name(std::string_view name) {
  const Attribute* found = internal::find(&Attribute::v3, name);
  if (found == nullptr) found = internal::find(&Attribute::otel, name);
  std::string_view otel = found->otel;
  if (otel.empty()) throw "has no name in OTLP";
  return otel.ends_with(".*") ? otel.substr(0, otel.size() - 1) : otel;
}

// The same for a name that is known at run time: OTLP's name, "" if OTLP has none. One that is not
// registered gets ours: telinject.NAME.
std::string otel_name_of(std::string_view v3);

// As `telinject schema` prints it: "string", "int", ...
std::string_view name_of(AttributeType type);

// For people, as JSON ({"events":[...],"attributes":[...]}), or a line a name of OpenTelemetry's:
// what was asked for.
enum class View : uint8_t { kText, kJson, kOtel };
std::string schema_text(View view);

}  // namespace telinject::registry
