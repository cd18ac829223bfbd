// The table of settings, and what becomes of values that make no sense.
#include <catch2/catch.hpp>

#include <cstring>
#include <set>
#include <string>
#include <vector>

#include "environ.h"
#include "shim/channel/settings.h"

namespace telinject::test::settings_test {
namespace {

const Setting& setting(SettingId id) {
  return kSettings[id];
}

bool accepts(SettingId id, const char* text) {
  uint64_t value;
  return parse_setting(setting(id), text, &value);
}

uint64_t value_of(SettingId id, const char* text) {
  uint64_t value = ~uint64_t{0};
  CAPTURE(text);
  REQUIRE(parse_setting(setting(id), text, &value));
  return value;
}

// The lines that a user would see.
std::vector<std::string> problems_of(Environ* environment, Settings* settings) {
  SettingProblem problems[kSettingCount];
  size_t count = read_settings(environment->get(), settings, problems, kSettingCount);
  std::vector<std::string> lines;
  for (size_t i = 0; i < count; i++) {
    char line[256];
    describe_problem(problems[i], line, sizeof line);
    lines.push_back(line);
  }
  return lines;
}

}  // namespace

TEST_CASE("the table is in the order of its ids, with names, options and defaults that hold") {
  std::set<std::string> names, options;
  for (uint32_t id = 0; id < kSettingCount; id++) {
    const Setting& each = kSettings[id];
    CAPTURE(each.name);
    CHECK(each.id == id);
    CHECK(names.insert(each.name).second);
    if (each.long_option != nullptr) CHECK(options.insert(each.long_option).second);
    if (each.option != 0) CHECK(options.insert(std::string(1, each.option)).second);
    CHECK((each.placeholder != nullptr) == (each.long_option != nullptr));
    CHECK(std::strlen(each.help) > 20);
    // None: it is derived from others.
    if (each.default_text[0] != 0) CHECK(accepts(each.id, each.default_text));
    bool has_values = each.type == SettingType::kChoice || each.type == SettingType::kChoices ||
                      each.type == SettingType::kNumber;
    CHECK((each.values[0] != 0) == has_values);
  }
}

TEST_CASE("an empty environment gives the defaults, and they mean on") {
  Environ environment({});
  Settings settings;
  CHECK(problems_of(&environment, &settings).empty());
  CHECK_FALSE(settings.off());
  CHECK(settings.number[kSampleRate] == kRateOne);
  CHECK(settings.number[kOutput] == kOutputStderr);
  CHECK(settings.number[kOnFull] == kDrop);
  CHECK(settings.number[kThreads] == kContinueTrace);
  CHECK(settings.number[kSummary] == kSummaryAuto);
  CHECK(settings.number[kQueueBytes] == 0);
  CHECK(settings.number[kExitWait] == 10000);
  CHECK(settings.number[kClock] == kClockAuto);
  CHECK(std::string(settings.text[kEnvironment]) == "dev");
  CHECK(std::string(settings.text[kServiceName]) == "");
  for (bool given : settings.given) CHECK_FALSE(given);
  CHECK(read_settings(nullptr, &settings, nullptr, 0) == 0);
}

TEST_CASE("words for yes and no, in any case") {
  for (const char* text : {"true", "TRUE", "1", "yes", "On"}) CHECK(value_of(kDebug, text) == 1);
  for (const char* text : {"false", "False", "0", "no", "OFF"}) CHECK(value_of(kDebug, text) == 0);
  for (const char* text : {"", "2", "tru", "truee", " true", "n"})
    CHECK_FALSE(accepts(kDebug, text));
}

TEST_CASE("a rate is kept exactly as it is written, to nine digits") {
  CHECK(value_of(kSampleRate, "0") == 0);
  CHECK(value_of(kSampleRate, "1") == kRateOne);
  CHECK(value_of(kSampleRate, "1.000000000000") == kRateOne);
  CHECK(value_of(kSampleRate, ".5") == 500000000);
  CHECK(value_of(kSampleRate, "0.") == 0);
  CHECK(value_of(kSampleRate, "0.1") == 100000000);
  CHECK(value_of(kSampleRate, "0.123456789") == 123456789);
  CHECK(value_of(kSampleRate, "000.25") == 250000000);
  for (const char* text : {"", ".", "1.1", "1.000000001", "2", "-0.5", "+1", "1e-3", "0,5", "0.5 ",
                           " 0.5", "banana", "10%", "nan", "inf", "0x1", "0.5.5",
                           "18446744073709551617", "99999999999999999999999999999999"}) {
    CAPTURE(text);
    CHECK_FALSE(accepts(kSampleRate, text));
  }
}

TEST_CASE("a rate above zero is never taken for off") {
  // Only what is written as zero is "off means off"; less than a billionth is the least there is.
  CHECK(value_of(kSampleRate, "0.0000000001") == 1);
  CHECK(value_of(kSampleRate, "0.0000000000") == 0);
  CHECK(value_of(kSampleRate, "0.1234567891") == 123456789);
}

TEST_CASE("choices are whole words of the list, by their index") {
  CHECK(value_of(kOutput, "stderr") == kOutputStderr);
  CHECK(value_of(kOutput, "file") == kOutputFile);
  CHECK(value_of(kSummary, "auto") == kSummaryAuto);
  CHECK(value_of(kSummary, "always") == kSummaryAlways);
  CHECK(value_of(kSummary, "never") == kSummaryNever);
  CHECK(value_of(kClock, "monotonic") == kClockMonotonic);
  for (const char* text : {"", "std", "stderrr", "STDERR", "stderr|file", "|", "file|", "fil"}) {
    CAPTURE(text);
    CHECK_FALSE(accepts(kOutput, text));
  }
}

TEST_CASE("several choices are a bit each, in any order") {
  CHECK(value_of(kOutput, "file,http") == (kOutputFile | kOutputHttp));
  CHECK(value_of(kOutput, "http,file") == (kOutputFile | kOutputHttp));
  CHECK(value_of(kOutput, "http , file,http") == (kOutputFile | kOutputHttp));
  CHECK(value_of(kOutput, "stderr,file,http") == (kOutputStderr | kOutputFile | kOutputHttp));
  for (const char* text :
       {",", "file,", ",file", "file,,http", "file;http", "file http", "file,htt", "file,http2"}) {
    CAPTURE(text);
    CHECK_FALSE(accepts(kOutput, text));
  }
}

TEST_CASE("numbers are decimal and within their bounds") {
  CHECK(value_of(kExitWait, "0") == 0);
  CHECK(value_of(kExitWait, "600000") == 600000);
  CHECK(value_of(kQueueBytes, "1048576") == 1048576);
  for (const char* text : {"", "600001", "-1", "+1", "1s", "1.5", "0x10", " 1", "1 ",
                           "18446744073709551616", "184467440737095516160"}) {
    CAPTURE(text);
    CHECK_FALSE(accepts(kExitWait, text));
  }
  CHECK_FALSE(accepts(kQueueBytes, "1048575"));
}

TEST_CASE("a time is a number and its unit, in nanoseconds") {
  CHECK(value_of(kMinDuration, "0") == 0);
  CHECK(value_of(kMinDuration, "7ns") == 7);
  CHECK(value_of(kMinDuration, "10us") == 10000);
  CHECK(value_of(kMinDuration, "1.5ms") == 1500000);
  CHECK(value_of(kMinDuration, "2s") == 2000000000);
  CHECK(value_of(kMinDuration, "0.0000000019s") == 1);  // cut, not rounded
  CHECK(value_of(kMinDuration, "1.9ns") == 1);
  for (const char* text : {"", "10", "10 us", "us", ".5ms", "1.ms", "-1ms", "1e3ns", "10min",
                           "10US", "1.5", "0.0", "99999999999999999999s", "9999999999999s"}) {
    CAPTURE(text);
    CHECK_FALSE(accepts(kMinDuration, text));
  }
}

TEST_CASE("a value that makes no sense gives one line and the default") {
  Environ environment({"SAMPLE_RATE=banana", "TELEMETRY_OUTPUT=kafka", "DEBUG=maybe",
                       "TELEMETRY_EXIT_WAIT=-5", "TELEMETRY_ON_FULL=block", "ENVIRONMENT=prod"});
  Settings settings;
  CHECK(problems_of(&environment, &settings) ==
        std::vector<std::string>{
            "DEBUG=maybe is not true or false; using true",
            "TELEMETRY_OUTPUT=kafka is not one or several, separated by commas, of stderr, file, "
            "http, otlp; using TELEMETRY_FILE if it is set, else stderr",
            "SAMPLE_RATE=banana is not a number from 0 to 1; using 1.0",
            "TELEMETRY_EXIT_WAIT=-5 is not a whole number in 0..600000; using 10000"});
  CHECK_FALSE(settings.off());
  CHECK(settings.number[kSampleRate] == kRateOne);
  CHECK_FALSE(settings.given[kSampleRate]);
  CHECK(settings.number[kExitWait] == 10000);
  CHECK(settings.number[kOnFull] == kBlock);
  CHECK(settings.given[kOnFull]);
  CHECK(std::string(settings.text[kEnvironment]) == "prod");
}

TEST_CASE("problems beyond the caller's room are counted") {
  Environ environment({"DEBUG=maybe", "SAMPLE_RATE=x", "TELEMETRY_CLOCK=sundial"});
  Settings settings;
  SettingProblem one[1];
  CHECK(read_settings(environment.get(), &settings, one, 1) == 3);
  CHECK(one[0].setting->id == kDebug);
  CHECK(read_settings(environment.get(), &settings, nullptr, 0) == 3);
}

TEST_CASE("a value of any length or content makes one line that still says what is wrong") {
  std::string value = "a\nb\tc\x7f" + std::string(10000, 'x');
  Environ environment({"SAMPLE_RATE=" + value});
  Settings settings;
  std::vector<std::string> lines = problems_of(&environment, &settings);
  REQUIRE(lines.size() == 1);
  CHECK(lines[0] == "SAMPLE_RATE=a\\nb\\tc\\x7f" + std::string(88, 'x') +
                        "... is not a number from 0 to 1; using 1.0");
  SettingProblem problem;
  read_settings(environment.get(), &settings, &problem, 1);
  char line[20];
  describe_problem(problem, line, sizeof line);
  CHECK(std::string(line) == "SAMPLE_RATE=a\\nb\\tc");
}

TEST_CASE("an alias counts where the name is unset or empty") {
  Settings settings;
  Environ alias({"SERVICE_NAME=", "OTEL_SERVICE_NAME=shop"});
  CHECK(problems_of(&alias, &settings).empty());
  CHECK(std::string(settings.text[kServiceName]) == "shop");
  Environ both({"OTEL_SERVICE_NAME=shop", "SERVICE_NAME=till"});
  CHECK(problems_of(&both, &settings).empty());
  CHECK(std::string(settings.text[kServiceName]) == "till");
}

TEST_CASE("names are matched whole, and empty values are as good as none") {
  Settings settings;
  Environ environment(
      {"SAMPLE_RATE2=0", "XSAMPLE_RATE=0", "SAMPLE_RAT=0", "SAMPLE_RATE", "DEBUG="});
  CHECK(problems_of(&environment, &settings).empty());
  CHECK(settings.number[kSampleRate] == kRateOne);
  CHECK(settings.number[kDebug] == 1);
  CHECK_FALSE(settings.given[kDebug]);
}

TEST_CASE("off by DEBUG, by a rate of zero, by OpenTelemetry's switch unless DEBUG says on") {
  Settings settings;
  auto off = [&](std::initializer_list<std::string> entries) {
    Environ environment(entries);
    read_settings(environment.get(), &settings, nullptr, 0);
    return settings.off();
  };
  CHECK(off({"DEBUG=false"}));
  CHECK(off({"SAMPLE_RATE=0"}));
  CHECK(off({"SAMPLE_RATE=0.000"}));
  CHECK(off({"OTEL_SDK_DISABLED=True"}));
  CHECK_FALSE(off({"OTEL_SDK_DISABLED=1"}));
  CHECK_FALSE(off({"OTEL_SDK_DISABLED=true", "DEBUG=true"}));
  CHECK_FALSE(off({"SAMPLE_RATE=0.000000001"}));
}

TEST_CASE("a file alone implies that events go to it, but an output that is named counts") {
  Settings settings;
  Environ alone({"TELEMETRY_FILE=/tmp/x"});
  read_settings(alone.get(), &settings, nullptr, 0);
  CHECK(settings.number[kOutput] == kOutputFile);
  CHECK_FALSE(settings.given[kOutput]);
  Environ both({"TELEMETRY_FILE=/tmp/x", "TELEMETRY_OUTPUT=stderr"});
  read_settings(both.get(), &settings, nullptr, 0);
  CHECK(settings.number[kOutput] == kOutputStderr);
  Environ wrong({"TELEMETRY_FILE=/tmp/x", "TELEMETRY_OUTPUT=smoke"});
  std::vector<std::string> lines = problems_of(&wrong, &settings);
  CHECK(settings.number[kOutput] == kOutputFile);
  REQUIRE(lines.size() == 1);
  CHECK(lines[0].find("; using TELEMETRY_FILE if it is set, else stderr") != std::string::npos);
}

TEST_CASE("an output without its address is standard error, too, if there is no other") {
  auto output = [](std::initializer_list<std::string> variables) {
    Settings settings;
    Environ environment(variables);
    read_settings(environment.get(), &settings, nullptr, 0);
    return settings.number[kOutput];
  };
  CHECK(output({"TELEMETRY_OUTPUT=http"}) == (kOutputHttp | kOutputStderr));
  CHECK(output({"TELEMETRY_OUTPUT=file"}) == (kOutputFile | kOutputStderr));
  CHECK(output({"TELEMETRY_OUTPUT=file,http"}) == (kOutputFile | kOutputHttp | kOutputStderr));
  CHECK(output({"TELEMETRY_OUTPUT=file,otlp"}) == (kOutputFile | kOutputOtlp));
  CHECK(output({"TELEMETRY_OUTPUT=file,http", "RECEIVER_URL=http://h"}) ==
        (kOutputFile | kOutputHttp));
  CHECK(output({"TELEMETRY_OUTPUT=http", "RECEIVER_URL=http://h"}) == kOutputHttp);
  CHECK(output({"TELEMETRY_OUTPUT=file,http", "TELEMETRY_FILE=/x"}) == (kOutputFile | kOutputHttp));
}

TEST_CASE("standard error under the name of a file is standard error, once") {
  Settings settings;
  Environ both({"TELEMETRY_FILE=/dev/stderr", "TELEMETRY_OUTPUT=file,http"});
  read_settings(both.get(), &settings, nullptr, 0);
  CHECK(settings.number[kOutput] == (kOutputStderr | kOutputHttp));
  CHECK(output_descriptor(settings) == -1);
}

TEST_CASE("thresholds are exact at both ends") {
  CHECK(sampling_threshold(kRateOne) == 0);
  CHECK(sampling_threshold(0) == uint64_t{1} << 56);
  CHECK(sampling_threshold(kRateOne / 2) == uint64_t{1} << 55);
  CHECK(sampling_threshold(1) < uint64_t{1} << 56);
  CHECK(sampling_threshold(kRateOne - 1) > 0);
}

TEST_CASE("a path may name a descriptor of the program") {
  CHECK(descriptor_of_path("/dev/stdin") == 0);
  CHECK(descriptor_of_path("/dev/stdout") == 1);
  CHECK(descriptor_of_path("/dev/stderr") == 2);
  CHECK(descriptor_of_path("/dev/fd/0") == 0);
  CHECK(descriptor_of_path("/dev/fd/250") == 250);
  CHECK(descriptor_of_path("/proc/self/fd/1") == 1);
  CHECK(descriptor_of_path("/proc/thread-self/fd/12") == 12);
  for (const char* path : {"", "/dev/fd/", "/dev/fd", "/dev/fd/x", "/dev/fd/1x", "/dev/fd/-1",
                           "/dev/fd/99999999999999999999", "/dev/fd/4294967297", "/dev/stdout.zst",
                           "dev/stdout", "/proc/1/fd/1", "/proc/self/fd"}) {
    CHECK(descriptor_of_path(path) == -1);
  }
}

}  // namespace telinject::test::settings_test
