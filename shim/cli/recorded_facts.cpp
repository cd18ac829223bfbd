#include "shim/cli/recorded_facts.h"

#include <nlohmann/json.hpp>

namespace telinject {

using nlohmann::json;

std::string facts_to_json(const RecordedFacts& facts) {
  json document = {{"version", 1},
                   {"clock", facts.clock == ClockKind::kTsc ? "tsc" : "monotonic"},
                   {"realtime_ns", facts.realtime_ns},
                   {"sample_rate", facts.sample_rate},
                   {"service",
                    {{"name", facts.service.name},
                     {"version", facts.service.version},
                     {"environment", facts.service.environment}}},
                   {"host",
                    {{"name", facts.host.name},
                     {"ip", facts.host.ip},
                     {"os_description", facts.host.os_description}}}};
  return document.dump(-1, ' ', false, json::error_handler_t::replace);
}

std::optional<RecordedFacts> facts_from_json(const std::string& text) {
  json document = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!document.is_object() || document.value("version", 0) != 1) return std::nullopt;
  RecordedFacts facts;
  try {
    facts.clock = document.at("clock") == "tsc" ? ClockKind::kTsc : ClockKind::kMonotonic;
    facts.realtime_ns = document.at("realtime_ns");
    facts.sample_rate = document.at("sample_rate");
    const json& service = document.at("service");
    facts.service = {service.at("name"), service.at("version"), service.at("environment")};
    const json& host = document.at("host");
    facts.host = {host.at("name"), host.at("ip"), host.at("os_description")};
  } catch (const json::exception&) {
    return std::nullopt;
  }
  return facts;
}

}  // namespace telinject
