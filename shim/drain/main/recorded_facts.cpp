#include "shim/drain/main/recorded_facts.h"

#include <nlohmann/json.hpp>

namespace telinject::drain {

namespace {

using nlohmann::json;

constexpr int kVersion = 2;
// With the state of a processor, which releases before know nothing of.
constexpr int kGoesOnVersion = 3;

json to_json(const Metadata& metadata) {
  const Service& service = metadata.service;
  const Host& host = metadata.host;
  return {{"service",
           {{"name", service.name},
            {"version", service.version},
            {"environment", service.environment},
            {"attributes", service.attributes}}},
          {"host",
           {{"name", host.name},
            {"ip", host.ip},
            {"public_ip", host.public_ip},
            {"os_description", host.os_description}}},
          {"cloud", telinject::to_json(metadata.cloud)},
          {"k8s", telinject::to_json(metadata.kubernetes)},
          {"container_id", metadata.container_id}};
}

// Throws json::exception if something is missing.
Metadata metadata_from_json(const json& document) {
  Metadata metadata;
  const json& service = document.at("service");
  metadata.service.name = service.at("name");
  metadata.service.version = service.at("version");
  metadata.service.environment = service.at("environment");
  if (service.contains("attributes")) {
    for (const auto& [name, value] : service.at("attributes").items()) {
      metadata.service.attributes[name] = value;
    }
  }
  const json& host = document.at("host");
  metadata.host = {host.at("name"), host.at("ip"), host.at("public_ip"), host.at("os_description")};
  metadata.cloud = cloud_from_json(document.at("cloud")).value_or(Cloud());
  metadata.kubernetes = kubernetes_from_json(document.at("k8s"));
  metadata.container_id = document.at("container_id");
  return metadata;
}

json to_json(OutputChoice choice) {
  json document;
  choice.each([&](const char* name, const auto& value) { document[name] = value; });
  return document;
}

OutputChoice choice_from_json(const json& document) {
  OutputChoice choice;
  choice.each([&](const char* name, auto& value) { document.at(name).get_to(value); });
  return choice;
}

}  // namespace

OutputChoice OutputChoice::of(const Settings& settings) {
  auto text = [&](SettingId id) { return std::string(settings.text[id]); };
  return {settings.number[kDetail] == kDetailLean,
          settings.number[kMinDuration],
          settings.number[kMaxDepth],
          text(kInclude),
          text(kExclude),
          text(kIncludeFiles),
          text(kExcludeFiles),
          text(kIncludeModules),
          text(kExcludeModules),
          OperationOptions::of(settings),
          settings.given[kFlightRecorder] ? "" : text(kTailSampling),
          text(kFlightRecorder)};
}

SpanFilter filter_of(const OutputChoice& choice) {
  SpanFilter filter;
  filter.min_duration_ns = static_cast<int64_t>(choice.min_duration_ns);
  filter.max_depth = static_cast<uint32_t>(choice.max_depth);
  filter.functions = {Globs(choice.include), Globs(choice.exclude)};
  filter.files = {Globs(choice.include_files), Globs(choice.exclude_files)};
  filter.modules = {Globs(choice.include_modules), Globs(choice.exclude_modules)};
  return filter;
}

std::string facts_to_json(const RecordedFacts& facts) {
  json document = {{"version", facts.goes_on.has_value() ? kGoesOnVersion : kVersion},
                   {"clock", facts.clock == ClockKind::kTsc ? "tsc" : "monotonic"},
                   {"realtime_ns", facts.realtime_ns},
                   {"sample_rate", facts.sample_rate},
                   {"exact_totals", facts.exact_totals},
                   {"metadata", to_json(facts.metadata)}};
  if (facts.goes_on.has_value()) document["goes_on"] = to_json(*facts.goes_on);
  return document.dump(-1, ' ', false, json::error_handler_t::replace);
}

std::optional<RecordedFacts> facts_from_json(const std::string& text) {
  json document = json::parse(text, nullptr, /*allow_exceptions=*/false);
  RecordedFacts facts;
  try {
    int version = document.at("version");
    if (version != kVersion && version != kGoesOnVersion) return std::nullopt;
    if (version == kGoesOnVersion) facts.goes_on = choice_from_json(document.at("goes_on"));
    facts.clock = document.at("clock") == "tsc" ? ClockKind::kTsc : ClockKind::kMonotonic;
    facts.realtime_ns = document.at("realtime_ns");
    facts.sample_rate = document.at("sample_rate");
    facts.exact_totals = document.value("exact_totals", false);
    facts.metadata = metadata_from_json(document.at("metadata"));
  } catch (const json::exception&) {
    return std::nullopt;
  }
  return facts;
}

}  // namespace telinject::drain
