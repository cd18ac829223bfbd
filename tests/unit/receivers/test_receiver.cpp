// Receivers as settings have them.
#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "shim/receivers/receiver.h"

namespace telinject::test::receiver_test {
using namespace receivers;
using namespace std::chrono_literals;
namespace {

struct Made {
  std::optional<Receiver> receiver;
  std::string problem;
};

Made make(std::vector<std::string> environment) {
  std::vector<char*> pointers;
  for (std::string& one : environment) pointers.push_back(one.data());
  pointers.push_back(nullptr);
  Settings settings;
  CHECK(read_settings(pointers.data(), &settings, nullptr, 0) == 0);
  Made made;
  made.receiver = make_receiver(settings, &made.problem);
  CHECK(made.receiver.has_value() == made.problem.empty());
  return made;
}

std::string url_of(const std::string& format, const std::string& url) {
  Made made = make({"TELEMETRY_RECEIVER_FORMAT=" + format, "RECEIVER_URL=" + url});
  REQUIRE(made.receiver.has_value());
  return made.receiver->endpoint.url;
}

}  // namespace

TEST_CASE("addresses without a path get that of the format") {
  CHECK(url_of("event", "http://h:1") == "http://h:1/");
  CHECK(url_of("ndjson", "http://h/a?b=c") == "http://h/a?b=c");
  CHECK(url_of("hec", "https://h:8088") == "https://h:8088/services/collector/event");
  CHECK(url_of("hec", "https://h/raw") == "https://h/raw");
  CHECK(url_of("datadog-logs", "https://h/?x=1") == "https://h/api/v2/logs?x=1");
  const std::string filter =
      "filter_path=errors,items.*.status,items.*.error.type,items.*.error.reason";
  CHECK(url_of("elasticsearch", "http://h:9200") ==
        "http://h:9200/logs-telinject-default/_bulk?" + filter);
  CHECK(url_of("elasticsearch", "http://h:9200/index") == "http://h:9200/index/_bulk?" + filter);
  CHECK(url_of("elasticsearch", "http://h/x/_bulk?pipeline=p") ==
        "http://h/x/_bulk?pipeline=p&" + filter);
  for (const char* no : {"h:80", "ftp://h", "http://", "http:///x", "http://a b/", "http://h/\n"}) {
    CAPTURE(no);
    CHECK_FALSE(make({std::string("RECEIVER_URL=") + no}).receiver.has_value());
  }
}

TEST_CASE("single events are not sent twice after half a second; batches wait and repeat") {
  auto event = make({"RECEIVER_URL=http://h"}).receiver->endpoint;
  CHECK(event.request_timeout == 500ms);
  CHECK_FALSE(event.retry_timeouts);
  CHECK(event.compression == delivery::Compression::kNone);
  auto lines = make({"RECEIVER_URL=http://h", "TELEMETRY_RECEIVER_FORMAT=hec"}).receiver->endpoint;
  CHECK(lines.request_timeout == 10s);
  CHECK(lines.retry_timeouts);
  CHECK(lines.compression == delivery::Compression::kGzip);
  auto set = make({"RECEIVER_URL=http://h", "TELEMETRY_RECEIVER_TIMEOUT=1.5s",
                   "TELEMETRY_RECEIVER_FORMAT=hec", "TELEMETRY_RECEIVER_COMPRESSION=none"});
  CHECK(set.receiver->endpoint.request_timeout == 1500ms);
  CHECK(set.receiver->endpoint.compression == delivery::Compression::kNone);
}

TEST_CASE("tokens go where the format has them; what would be another header is refused") {
  auto header = [](const std::string& format) {
    Made made = make({"RECEIVER_URL=http://h", "TELEMETRY_RECEIVER_TOKEN=abc",
                      "TELEMETRY_RECEIVER_FORMAT=" + format, "TELEMETRY_RECEIVER_HEADERS=A=b"});
    REQUIRE(made.receiver->endpoint.headers.size() == 3);
    CHECK(made.receiver->endpoint.headers[2] == "A: b");
    return made.receiver->endpoint.headers[1];
  };
  CHECK(header("event") == "Authorization: Bearer abc");
  CHECK(header("hec") == "Authorization: Splunk abc");
  CHECK(header("elasticsearch") == "Authorization: ApiKey abc");
  CHECK(header("datadog-logs") == "DD-API-KEY: abc");
  CHECK_FALSE(make({"RECEIVER_URL=http://h", "TELEMETRY_RECEIVER_TOKEN=a\nb"}).receiver);
  CHECK_FALSE(make({"RECEIVER_URL=http://h", "TELEMETRY_RECEIVER_HEADERS=a b=c"}).receiver);
}

}  // namespace telinject::test::receiver_test
