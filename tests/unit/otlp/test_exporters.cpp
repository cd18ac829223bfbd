// OpenTelemetry's variables about exporting.
#include <algorithm>
#include <catch2/catch.hpp>
#include <map>

#include "shim/events/otlp/exporters.h"

namespace telinject::test::exporters_test {

namespace {

using delivery::Compression;
using otlp::Exporters;

struct Read {
  Exporters all;
  std::vector<std::string> lines;
};

Read read(std::map<std::string, std::string> variables) {
  Read result;
  result.all =
      otlp::read_exporters([&](std::string_view name) { return variables[std::string(name)]; },
                           [](const std::string& path) { return "/abs/" + path; },
                           [&](const std::string& line) { result.lines.push_back(line); });
  return result;
}

std::string url(std::map<std::string, std::string> variables) {
  return read(std::move(variables)).all.traces->endpoint.url;
}

bool has(const std::vector<std::string>& lines, const std::string& word) {
  return std::any_of(lines.begin(), lines.end(),
                     [&](const std::string& line) { return line.find(word) != line.npos; });
}

}  // namespace

TEST_CASE("endpoints: a path is appended to the general one, not to a signal's own") {
  CHECK(url({}) == "http://localhost:4318/v1/traces");
  CHECK(url({{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://h:1"}}) == "http://h:1/v1/traces");
  CHECK(url({{"OTEL_EXPORTER_OTLP_ENDPOINT", "https://h:1/a/"}}) == "https://h:1/a/v1/traces");
  CHECK(url({{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://h/a?k=v"}}) == "http://h/a/v1/traces?k=v");
  CHECK(url({{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://h:1/a"}}) == "http://h:1/a");
  CHECK(url({{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://h:1"}}) == "http://h:1/");
  CHECK(url({{"OTEL_EXPORTER_OTLP_ENDPOINT", "HTTP://h:1"}}) == "http://h:1/v1/traces");
  auto bare = read({{"OTEL_EXPORTER_OTLP_ENDPOINT", "h:1"}});
  CHECK(bare.all.traces->endpoint.url == "http://h:1/v1/traces");
  CHECK(bare.lines.size() == 1);
}

TEST_CASE("gRPC: the service's path, TLS where nothing else is said") {
  std::string path = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
  std::map<std::string, std::string> grpc = {{"OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"}};
  CHECK(url(grpc) == "http://localhost:4317" + path);
  grpc["OTEL_EXPORTER_OTLP_ENDPOINT"] = "h:5/v1";
  CHECK(url(grpc) == "https://h:5" + path);
  grpc["OTEL_EXPORTER_OTLP_INSECURE"] = "true";
  CHECK(url(grpc) == "http://h:5" + path);
  grpc["OTEL_EXPORTER_OTLP_ENDPOINT"] = "https://h:5/";
  CHECK(url(grpc) == "https://h:5" + path);
  auto endpoint = read(grpc).all.traces->endpoint;
  CHECK(endpoint.grpc);
  CHECK(std::count(endpoint.headers.begin(), endpoint.headers.end(), "grpc-encoding: gzip") == 1);
}

TEST_CASE("headers are decoded, and their values are in no message") {
  auto good = read({{"OTEL_EXPORTER_OTLP_HEADERS", "Authorization=Bearer%20s3cret%3D, x-a = 1 "}});
  const auto& headers = good.all.traces->endpoint.headers;
  CHECK(std::count(headers.begin(), headers.end(), "Authorization: Bearer s3cret=") == 1);
  CHECK(std::count(headers.begin(), headers.end(), "x-a: 1") == 1);
  CHECK(good.lines.empty());
  auto bad = read({{"OTEL_EXPORTER_OTLP_HEADERS", "api-key=s3cret%0d%0aX: y,s3cret,b=%zz"}});
  CHECK(bad.all.traces->endpoint.headers.size() == 1);  // the content type
  CHECK(bad.lines.size() == 3);
  CHECK(has(bad.lines, "api-key"));
  CHECK_FALSE(has(bad.lines, "s3cret%0d"));
  CHECK_FALSE(has(bad.lines, "zz"));
  CHECK_FALSE(has(bad.lines, ": y"));
  // A password that is cut off from its host is still none of the message's.
  auto endpoint = read({{"OTEL_EXPORTER_OTLP_ENDPOINT", "me:" + std::string(200, 's') + "@h:1"}});
  REQUIRE(endpoint.lines.size() == 1);
  CHECK(has(endpoint.lines, "OTEL_EXPORTER_OTLP_ENDPOINT=h:1 has no"));
  // Where the name is missing, what is there may be the secret.
  auto nameless = read({{"OTEL_EXPORTER_OTLP_HEADERS", "hunter2"}});
  CHECK(nameless.lines.size() == 1);
  CHECK_FALSE(has(nameless.lines, "hunter2"));
}

TEST_CASE("a signal's own variables go before the general ones") {
  auto all = read({{"OTEL_EXPORTER_OTLP_COMPRESSION", "none"},
                   {"OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "zstd"},
                   {"OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"},
                   {"OTEL_EXPORTER_OTLP_LOGS_PROTOCOL", "http/protobuf"},
                   {"OTEL_EXPORTER_OTLP_TIMEOUT", "500"},
                   {"OTEL_EXPORTER_OTLP_CERTIFICATE", "ca.pem"},
                   {"OTEL_LOGS_EXPORTER", "otlp"}});
  REQUIRE(all.all.traces);
  REQUIRE(all.all.logs);
  CHECK(all.all.traces->endpoint.compression == Compression::kZstd);
  CHECK(all.all.logs->endpoint.compression == Compression::kNone);
  CHECK(all.all.traces->format == otlp::Format::kJson);
  CHECK(all.all.logs->format == otlp::Format::kProtobuf);
  CHECK(all.all.logs->endpoint.request_timeout.count() == 500);
  CHECK(all.all.logs->endpoint.connect_timeout.count() == 500);
  CHECK(all.all.traces->endpoint.ca_file == "/abs/ca.pem");
  CHECK(all.all.logs->endpoint.url == "http://localhost:4318/v1/logs");
}

TEST_CASE("what makes no sense, and what has no effect, is told in a line each") {
  auto all = read({{"OTEL_EXPORTER_OTLP_PROTOCOL", "carrier pigeon"},
                   {"OTEL_EXPORTER_OTLP_TIMEOUT", "soon"},
                   {"OTEL_EXPORTER_OTLP_COMPRESSION", "rar"},
                   {"OTEL_PROPAGATORS", "b3"},
                   {"OTEL_BSP_MAX_QUEUE_SIZE", "9"},
                   {"OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "77"},
                   {"OTEL_METRICS_EXPORTER", "prometheus"},
                   {"OTEL_TRACES_EXPORTER", "console,otlp"}});
  CHECK(all.lines.size() == 7);
  CHECK(all.all.traces->endpoint.compression == Compression::kGzip);
  CHECK(all.all.batch_items == 77);
  CHECK(read({{"OTEL_PROPAGATORS", "tracecontext,baggage"}}).lines.empty());
  CHECK_FALSE(all.all.metrics);
  auto nothing = read({{"OTEL_TRACES_EXPORTER", "none"}, {"OTEL_METRICS_EXPORTER", "none"}});
  CHECK_FALSE(nothing.all.traces);
  CHECK(has(nothing.lines, "sends nothing"));
  CHECK(read({{"OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN", "logs"}}).all.logs);
}

TEST_CASE("metrics: on unless they are switched off, every minute, cumulative and exponential") {
  auto usual = read({});
  REQUIRE(usual.all.metrics);
  CHECK(usual.all.metrics->endpoint.url == "http://localhost:4318/v1/metrics");
  CHECK(usual.all.metric_options.interval.count() == 60000);
  CHECK_FALSE(usual.all.metric_options.explicit_buckets);
  CHECK_FALSE(usual.all.metric_options.asked_for);
  auto own = read(
      {{"OTEL_METRICS_EXPORTER", "otlp"},
       {"OTEL_METRIC_EXPORT_INTERVAL", "1500"},
       {"OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "grpc"},
       {"OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "Cumulative"},
       {"OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION", "explicit_bucket_histogram"}});
  CHECK(own.lines.empty());
  CHECK(own.all.metrics->endpoint.grpc);
  CHECK(own.all.metrics->endpoint.url ==
        "http://localhost:4317/opentelemetry.proto.collector.metrics.v1.MetricsService/Export");
  CHECK(own.all.metric_options.interval.count() == 1500);
  CHECK(own.all.metric_options.explicit_buckets);
  CHECK(own.all.metric_options.asked_for);
  auto told = read({{"OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "delta"},
                    {"OTEL_METRIC_EXPORT_INTERVAL", "0"},
                    {"OTEL_METRIC_EXPORT_TIMEOUT", "5"},
                    {"OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION", "pie_chart"}});
  CHECK(told.lines.size() == 4);
  CHECK(has(told.lines, "cumulativetodelta"));
  CHECK(told.all.metric_options.interval.count() == 60000);
}

}  // namespace telinject::test::exporters_test
