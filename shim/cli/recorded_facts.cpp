#include "shim/cli/recorded_facts.h"

#include <nlohmann/json.hpp>

namespace telinject {

namespace {

using nlohmann::json;

constexpr int kVersion = 2;

json to_json(const Metadata& metadata) {
  const Service& service = metadata.service;
  const Host& host = metadata.host;
  return {{"service",
           {{"name", service.name},
            {"version", service.version},
            {"environment", service.environment}}},
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
  metadata.service = {service.at("name"), service.at("version"), service.at("environment")};
  const json& host = document.at("host");
  metadata.host = {host.at("name"), host.at("ip"), host.at("public_ip"), host.at("os_description")};
  metadata.cloud = cloud_from_json(document.at("cloud")).value_or(Cloud());
  metadata.kubernetes = kubernetes_from_json(document.at("k8s"));
  metadata.container_id = document.at("container_id");
  return metadata;
}

}  // namespace

std::string facts_to_json(const RecordedFacts& facts) {
  json document = {{"version", kVersion},
                   {"clock", facts.clock == ClockKind::kTsc ? "tsc" : "monotonic"},
                   {"realtime_ns", facts.realtime_ns},
                   {"sample_rate", facts.sample_rate},
                   {"metadata", to_json(facts.metadata)}};
  return document.dump(-1, ' ', false, json::error_handler_t::replace);
}

std::optional<RecordedFacts> facts_from_json(const std::string& text) {
  json document = json::parse(text, nullptr, /*allow_exceptions=*/false);
  RecordedFacts facts;
  try {
    if (document.at("version") != kVersion) return std::nullopt;
    facts.clock = document.at("clock") == "tsc" ? ClockKind::kTsc : ClockKind::kMonotonic;
    facts.realtime_ns = document.at("realtime_ns");
    facts.sample_rate = document.at("sample_rate");
    facts.metadata = metadata_from_json(document.at("metadata"));
  } catch (const json::exception&) {
    return std::nullopt;
  }
  return facts;
}

}  // namespace telinject
