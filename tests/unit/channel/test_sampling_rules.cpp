// TELEMETRY_TAIL_SAMPLING and TELEMETRY_FLIGHT_RECORDER: what they take, and what they do not.
#include <catch2/catch.hpp>
#include <string>

#include "shim/channel/sampling_rules.h"
#include "shim/channel/settings.h"

namespace telinject::test::sampling_rules_test {

TEST_CASE("rules of tail sampling") {
  TailRules rules;
  REQUIRE(parse_tail_rules(
      "errors, slow=250ms,slow=p99.9,rate=0.01,wait=10s,memory=2GB,roots=handle_*,roots=a::b",
      &rules));
  CHECK(rules.errors);
  CHECK(rules.slow);
  CHECK(rules.slow_ns == 250000000);
  CHECK(rules.slow_rank == 99900);
  CHECK(rules.rate == kRateOne / 100);
  CHECK(rules.wait_ns == 10000000000);
  CHECK(rules.memory_bytes == 2000000000);
  REQUIRE(rules.root_count == 2);
  CHECK(std::string(rules.roots[0].text, rules.roots[0].bytes) == "handle_*");
  CHECK(std::string(rules.roots[1].text, rules.roots[1].bytes) == "a::b");
  REQUIRE(parse_tail_rules("rate=0.5", &rules));
  CHECK(rules.wait_ns == 30000000000);
  CHECK(rules.memory_bytes == 64000000);
  CHECK_FALSE(rules.errors);
  for (const char* bad : {"",
                          ",",
                          "errors,",
                          ",errors",
                          "error",
                          "slow",
                          "slow=",
                          "slow=fast",
                          "slow=p",
                          "slow=p0",
                          "slow=p100",
                          "slow=p99x",
                          "rate=2",
                          "rate=-1",
                          "rate=0",
                          "wait=10s",
                          "errors,wait=1ns",
                          "errors,wait=2h",
                          "errors,memory=64",
                          "errors,memory=10kB",
                          "errors,memory=64mb",
                          "errors,memory=99999999999GB",
                          "errors,roots=",
                          "errors=yes",
                          "errors;rate=0.1"}) {
    INFO(bad);
    CHECK_FALSE(parse_tail_rules(bad, &rules));
  }
}

TEST_CASE("rules of the flight recorder") {
  RecorderRules rules;
  REQUIRE(parse_recorder_rules("30s,64MB", &rules));
  CHECK(rules.keep_ns == 30000000000);
  CHECK(rules.memory_bytes == 64000000);
  CHECK((rules.errors && rules.crashes && rules.slow));
  CHECK(rules.slow_ns == 0);
  REQUIRE(parse_recorder_rules("16MB,crash,slow=2s", &rules));
  CHECK(rules.keep_ns == 0);
  CHECK((!rules.errors && rules.crashes && rules.slow));
  CHECK(rules.slow_ns == 2000000000);
  REQUIRE(parse_recorder_rules("30s,slow", &rules));
  CHECK((!rules.errors && !rules.crashes && rules.slow));
  CHECK(rules.slow_ns == 0);  // TELEMETRY_HTTP_SLOW
  REQUIRE(parse_recorder_rules("5s,asked", &rules));
  CHECK((!rules.errors && !rules.crashes && !rules.slow));
  for (const char* bad : {"", "30", "30s,", "64", "0", "64mb", "30s,rate=1", "30s,slow=0", "yes"}) {
    INFO(bad);
    CHECK_FALSE(parse_recorder_rules(bad, &rules));
  }
}

TEST_CASE("a value that is none is told in one line, and counts for nothing") {
  const char* environment[] = {"TELEMETRY_TAIL_SAMPLING=sometimes", "TELEMETRY_FLIGHT_RECORDER=3",
                               nullptr};
  Settings settings;
  SettingProblem problems[kSettingCount];
  REQUIRE(read_settings(const_cast<char* const*>(environment), &settings, problems,
                        kSettingCount) == 2);
  CHECK_FALSE(settings.given[kTailSampling]);
  CHECK_FALSE(settings.given[kFlightRecorder]);
  CHECK(std::string(settings.text[kTailSampling]).empty());
  char line[512];
  describe_problem(problems[0], line, sizeof line);
  CHECK(std::string(line) ==
        "TELEMETRY_TAIL_SAMPLING=sometimes is not a list such as "
        "errors,slow=250ms,slow=p99,rate=0.01 (docs/sampling.md); using the default");
}

}  // namespace telinject::test::sampling_rules_test
