// The registry of events and attributes.
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "shim/events/registry/registry.h"

namespace telinject::test::registry_test {

TEST_CASE("names are registered once, and are found") {
  std::set<std::pair<registry::Place, std::string_view>> v3, otel;
  for (const registry::Attribute& attribute : registry::kAttributes) {
    INFO(attribute.v3 << " " << attribute.otel << " " << attribute.ecs);
    CHECK(!(attribute.v3.empty() && attribute.otel.empty() && attribute.ecs.empty()));
    if (!attribute.v3.empty()) CHECK(v3.emplace(attribute.place, attribute.v3).second);
    if (!attribute.otel.empty()) CHECK(otel.emplace(attribute.place, attribute.otel).second);
    bool own = attribute.otel.starts_with("telinject.");
    if (!attribute.otel.empty()) CHECK(own == (attribute.stability == registry::Stability::kOwn));
  }
  CHECK(registry::otel_name("function_file") == "code.file.path");
  CHECK(registry::otel_name("http.request.headers.*") == "http.request.header.");
  CHECK(registry::otel_name_of("curl.result") == "telinject.curl.result");
  CHECK(registry::otel_name_of("http.request.trailer.x") == "telinject.http.request.trailer.x");
  CHECK(registry::otel_name_of("exception_raised") == "");
  CHECK(registry::otel_name_of("new.thing") == "telinject.new.thing");
}

TEST_CASE("it is printed for people, as JSON, and as names") {
  auto document = nlohmann::json::parse(registry::schema_text(registry::View::kJson));
  CHECK(document.at("attributes").size() == registry::kAttributes.size());
  CHECK(document.at("events").size() == registry::kEvents.size());
  for (const auto& attribute : document.at("attributes")) {
    if (attribute.at("v3") != "network.peer.address") continue;
    CHECK(attribute.at("ecs").at("source.ip") == "ip");
    CHECK(attribute.at("ecs").at("source.address") == "keyword");
    CHECK(attribute.at("events").size() == 3);
    CHECK(attribute.at("limits").at("minLength") == 1);
  }
  CHECK(registry::schema_text(registry::View::kText).find("code.file.path") != std::string::npos);
  CHECK(registry::schema_text(registry::View::kOtel).find("\nthread.id\n") != std::string::npos);
}

}  // namespace telinject::test::registry_test
