// The constant part of a process's events.
#include <catch2/catch.hpp>

#include <nlohmann/json.hpp>
#include <string>

#include "shim/channel/settings.h"
#include "shim/events/json/process_json.h"

namespace telinject::test::process_json_test {
namespace {

using nlohmann::json;

ProcessJson text_of(ProcessInfo facts, uint64_t rate = kRateOne, const Host& host = {}) {
  Service service;
  service.name = "shop \"1\"";
  service.version = "abc1234";
  service.environment = "dev";
  Metadata metadata;
  metadata.service = service;
  metadata.host = host;
  facts.sample_rate = rate;
  return make_process_json(metadata, facts);
}

json document(const ProcessJson& text) {
  CHECK(text.sampling.front() == ',');
  CHECK(text.tail.front() == ',');
  CHECK(text.tail.back() == '\n');
  CHECK(text.tail.find('\n') == text.tail.size() - 1);
  return json::parse("{\"a\":0" + text.sampling + text.tail);
}

std::string rate_of(uint64_t rate) {
  std::string sampling = text_of({}, rate).sampling;
  return sampling.substr(sampling.rfind(':') + 1);
}

}  // namespace

TEST_CASE("all of a process's facts") {
  ProcessInfo facts;
  facts.pid = 4711;
  facts.executable = "/usr/bin/shop";
  facts.command_line = "shop --token=REDACTED";
  facts.language = "cpp";
  facts.runtime_version = "g++ 12.2.0";
  Host host;
  host.name = "box";
  host.ip = "192.0.2.1";
  host.os_description = "Debian 12";
  json all = document(text_of(facts, kRateOne, host));
  CHECK(all["service"] == json({{"name", "shop \"1\""}, {"version", "abc1234"}}));
  CHECK(all["environment"] == "dev");
  CHECK(all["process"] == json({{"pid", 4711},
                                {"executable", "/usr/bin/shop"},
                                {"command_line", "shop --token=REDACTED"}}));
  CHECK(all["host"] == json({{"name", "box"}, {"ip", "192.0.2.1"}}));
  CHECK(all["resource"]["runtime_name"] == "cpp");
  CHECK(all["resource"]["runtime_version"] == "g++ 12.2.0");
  CHECK(all["resource"]["os_type"] == "linux");
  CHECK(all["cloud"]["provider"] == "local");
  CHECK(all["trace_flags"] == "01");
}

TEST_CASE("a service has a name and a version, whatever is known") {
  Metadata metadata;
  auto service_of = [&](const ProcessInfo& process) {
    return document(make_process_json(metadata, process))["service"];
  };
  ProcessInfo daemon;
  CHECK(service_of(daemon) == json({{"name", "unknown"}, {"version", "unknown"}}));
  daemon.executable = "/usr/sbin/shopd";
  daemon.build_id = "c0ffee";
  CHECK(service_of(daemon) == json({{"name", "shopd"}, {"version", "c0ffee"}}));
  metadata.service = {"shop", "1", "dev"};
  CHECK(service_of(daemon) == json({{"name", "shop"}, {"version", "1"}}));
}

TEST_CASE("what is not known is left out") {
  json all = document(text_of({}));
  CHECK_FALSE(all["process"].contains("executable"));
  CHECK_FALSE(all["process"].contains("command_line"));
  CHECK_FALSE(all["host"].contains("ip"));
}

TEST_CASE("a command line that is no UTF-8, or has line ends, is one line of JSON") {
  ProcessInfo facts;
  facts.command_line = "sh -c \xff\xc3 a\nb";
  json all = document(text_of(facts));
  CHECK(all["process"]["command_line"] == "sh -c \xef\xbf\xbd\xef\xbf\xbd a\nb");
}

TEST_CASE("rates are exact decimals with a fraction") {
  CHECK(rate_of(kRateOne) == "1.0");
  CHECK(rate_of(kRateOne / 4) == "0.25");
  CHECK(rate_of(1) == "0.000000001");
  CHECK(rate_of(100000000) == "0.1");
  CHECK(rate_of(0) == "0.0");
}

}  // namespace telinject::test::process_json_test
