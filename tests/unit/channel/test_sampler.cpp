// OTEL_TRACES_SAMPLER: another name for SAMPLE_RATE.
#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "shim/channel/settings.h"

namespace telinject::test::sampler_test {

namespace {

struct Read {
  uint64_t rate;
  size_t problems;
  std::string line;
};

Read read(std::vector<std::string> variables) {
  std::vector<char*> envp;
  for (std::string& variable : variables) envp.push_back(variable.data());
  envp.push_back(nullptr);
  Settings settings;
  SettingProblem problems[4];
  Read result = {};
  result.problems = read_settings(envp.data(), &settings, problems, 4);
  result.rate = settings.number[kSampleRate];
  char line[512] = {};
  if (result.problems > 0) describe_problem(problems[0], line, sizeof line);
  result.line = line;
  return result;
}

}  // namespace

TEST_CASE("OpenTelemetry's samplers set the rate") {
  CHECK(read({"OTEL_TRACES_SAMPLER=always_on"}).rate == kRateOne);
  CHECK(read({"OTEL_TRACES_SAMPLER=parentbased_always_on"}).rate == kRateOne);
  CHECK(read({"OTEL_TRACES_SAMPLER=always_off"}).rate == 0);
  CHECK(read({"OTEL_TRACES_SAMPLER=traceidratio", "OTEL_TRACES_SAMPLER_ARG=0.25"}).rate ==
        kRateOne / 4);
  CHECK(
      read({"OTEL_TRACES_SAMPLER=parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG=0.5"}).rate ==
      kRateOne / 2);
  CHECK(read({"OTEL_TRACES_SAMPLER=traceidratio"}).rate == kRateOne);
  CHECK(read({"OTEL_TRACES_SAMPLER="}).rate == kRateOne);
}

TEST_CASE("SAMPLE_RATE goes before them") {
  CHECK(read({"OTEL_TRACES_SAMPLER=always_off", "SAMPLE_RATE=0.5"}).rate == kRateOne / 2);
  // Even if it makes no sense, for the user is told that the default is used.
  Read banana = read({"OTEL_TRACES_SAMPLER=always_off", "SAMPLE_RATE=banana"});
  CHECK(banana.rate == kRateOne);
  CHECK(banana.line == "SAMPLE_RATE=banana is not a number from 0 to 1; using 1.0");
}

TEST_CASE("what is no sampler is told") {
  Read unknown = read({"OTEL_TRACES_SAMPLER=xray"});
  CHECK(unknown.rate == kRateOne);
  CHECK(unknown.problems == 1);
  CHECK(unknown.line.find("OTEL_TRACES_SAMPLER=xray is not ") == 0);
  Read banana = read({"OTEL_TRACES_SAMPLER=traceidratio", "OTEL_TRACES_SAMPLER_ARG=banana"});
  CHECK(banana.rate == kRateOne);
  CHECK(banana.line.find("OTEL_TRACES_SAMPLER_ARG=banana is not a number from 0 to 1") == 0);
}

}  // namespace telinject::test::sampler_test
