// Events, byte by byte as they are written, and as a parser that is not ours reads them.
#include <catch2/catch.hpp>

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>

#include "shim/events/json/event_encoder.h"

namespace telinject::test::event_encoder_test {
namespace {

using nlohmann::json;

constexpr int64_t kNoon = 1763726400123456789;  // 2025-11-21T12:00:00.123456789Z

const ProcessJson kProcess = {R"(,"trace_flags":"01","sample_rate":1.0)",
                              R"(,"service":{"name":"shop"}})"
                              "\n"};

EventPlace place() {
  return {
      7, kNoon, {0x0af7651916cd43dd, 0x8448eb211c80319c}, 0xb7ad6b7169203331, 0x00f067aa0ba902b7};
}

FunctionInfo function_info(std::string_view name) {
  FunctionInfo info;
  info.name = name;
  return info;
}

std::string entry(const EventPlace& where, std::string_view name = "f",
                  std::optional<std::string> parameters = std::nullopt) {
  LineBuffer buffer(1);
  EventEncoder encoder(&buffer);
  FunctionInfo info = function_info(name);
  info.parameters = std::move(parameters);
  encoder.function_entry(where, make_function_json(info, /*lean=*/false), 0, R"("thread_id":12)",
                         kProcess);
  return std::string(buffer.text());
}

std::string exit_line(int64_t duration_ns, const ExitNote* note = nullptr,
                      const ErrorInfo* error = nullptr) {
  LineBuffer buffer(1);
  EventEncoder encoder(&buffer);
  FunctionInfo info = function_info("ns::f");
  info.caller = "main";
  encoder.function_exit(place(), duration_ns, make_function_json(info, /*lean=*/false), 0,
                        R"("thread_id":12)", note, error, kProcess);
  return std::string(buffer.text());
}

// The number as it is written, not as a parser rounds it.
std::string milliseconds(int64_t duration_ns) {
  std::string line = exit_line(duration_ns);
  size_t at = line.find("\"duration_ms\":") + 14;
  return line.substr(at, line.find(',', at) - at);
}

}  // namespace

TEST_CASE("an entry, byte by byte") {
  CHECK(entry(place(), "ns::f", "a, b") ==
        R"({"schema":{"format":"telemetry.v3","version":"3.0.0"},)"
        R"("timestamp":"2025-11-21T12:00:00.123Z","timestamp_ns":1763726400123456789,"sequence":7,)"
        R"("event_type":"function_entry","severity":"INFO","function_name":"ns::f",)"
        R"("trace_id":"0af7651916cd43dd8448eb211c80319c","span_id":"b7ad6b7169203331",)"
        R"("parent_span_id":"00f067aa0ba902b7","trace_flags":"01","sample_rate":1.0,)"
        R"("message":"Function 'ns::f' entry",)"
        R"("event":{"name":"ns::f","category":"code","type":"start"},)"
        R"("attributes":{"function.parameters":"a, b","thread_id":12},)"
        R"("correlation_id":"func_b7ad6b71","service":{"name":"shop"}})"
        "\n");
}

TEST_CASE("an exit, byte by byte") {
  CHECK(exit_line(1234567) ==
        R"({"schema":{"format":"telemetry.v3","version":"3.0.0"},)"
        R"("timestamp":"2025-11-21T12:00:00.123Z","timestamp_ns":1763726400123456789,"sequence":7,)"
        R"("event_type":"function_exit","severity":"INFO","function_name":"ns::f",)"
        R"("trace_id":"0af7651916cd43dd8448eb211c80319c","span_id":"b7ad6b7169203331",)"
        R"("parent_span_id":"00f067aa0ba902b7","trace_flags":"01","sample_rate":1.0,)"
        R"j("duration_ns":1234567,"duration_ms":1.234567,)j"
        R"j("message":"Function 'ns::f' exit (1.23ms)",)j"
        R"("event":{"name":"ns::f","category":"code","type":"end"},)"
        R"("attributes":{"caller_function":"main","thread_id":12},)"
        R"("correlation_id":"func_b7ad6b71","service":{"name":"shop"}})"
        "\n");
}

TEST_CASE("an exit that nobody returned from says how, and its error") {
  ExitNote note;
  note.exit_kind = "killed";
  note.upper_bound = true;
  ErrorInfo error = {"SIGKILL", "the process was killed by SIGKILL"};
  json event = json::parse(exit_line(1, &note, &error));
  CHECK(event["severity"] == "ERROR");
  CHECK(event["error"] ==
        json({{"type", "SIGKILL"}, {"message", "the process was killed by SIGKILL"}}));
  CHECK(event["attributes"] == json({{"caller_function", "main"},
                                     {"telinject.exit", "killed"},
                                     {"telinject.duration_bound", "upper"},
                                     {"thread_id", 12}}));
  ExitNote plain;
  plain.exit_kind = "unwound";
  event = json::parse(exit_line(1, &plain));
  CHECK(event["severity"] == "INFO");
  CHECK_FALSE(event.contains("error"));
  CHECK(event["attributes"]["telinject.exit"] == "unwound");
  CHECK_FALSE(event["attributes"].contains("telinject.duration_bound"));
}

TEST_CASE("an exit says how long the thread waited for room, and what was lost") {
  ExitNote note, lost;
  note.waited_ns = 1234;
  lost.lost_calls = 7;
  ExitNote delayed;
  delayed.not_running_ns = 5;
  CHECK(json::parse(exit_line(1, &delayed))["attributes"]["telinject.not_running_ns"] == 5);
  CHECK(json::parse(exit_line(1, &lost))["attributes"] ==
        json({{"caller_function", "main"}, {"telinject.lost_calls", 7}, {"thread_id", 12}}));
  json event = json::parse(exit_line(1, &note));
  CHECK(event["attributes"] ==
        json({{"caller_function", "main"}, {"telinject.waited_ns", 1234}, {"thread_id", 12}}));
  CHECK(event["severity"] == "INFO");
}

TEST_CASE("a point event says what happened, in a thread or in none") {
  LineBuffer buffer(1);
  EventEncoder encoder(&buffer);
  const Attribute attributes[] = {{"telinject.loss_reason", "queue_full"},
                                  {"telinject.lost_calls", uint64_t{1}}};
  PointEvent event;
  event.place = place();
  event.message = "1 call was not recorded";
  event.attributes = attributes;
  encoder.note(event, R"("thread_id":12)", kProcess);
  encoder.note(event, {}, kProcess);
  std::string text(buffer.text());
  size_t end = text.find('\n');
  json one = json::parse(text.substr(0, end)), none = json::parse(text.substr(end + 1));
  CHECK(one["event_type"] == "telemetry_loss");
  CHECK(one["severity"] == "WARN");
  CHECK(one["message"] == "1 call was not recorded");
  CHECK(one["attributes"] == json({{"telinject.loss_reason", "queue_full"},
                                   {"telinject.lost_calls", 1},
                                   {"thread_id", 12}}));
  CHECK_FALSE(one.contains("function_name"));
  CHECK(one["correlation_id"] == "loss_b7ad6b71");
  CHECK(none["attributes"] ==
        json({{"telinject.loss_reason", "queue_full"}, {"telinject.lost_calls", 1}}));
}

TEST_CASE("an operation has its message, typed attributes, headers and error") {
  LineBuffer buffer(1);
  EventEncoder encoder(&buffer);
  const Attribute attributes[] = {{"url.full", "http://a/\"b\""},
                                  {"http.response.status_code", int64_t{500}},
                                  {"telinject.http.truncated", true},
                                  {"curl.connect_ms", std::chrono::microseconds(12034)}};
  const NameValues headers = {{"Content-Type", "text/html"}, {"x", "\n"}};
  HttpResponseInfo response = {500, "text/html", &headers, 7};
  Operation operation = {{"http_request", "http_response", "network", "http_"},
                         "GET",
                         "GET http://a/ 500",
                         attributes,
                         nullptr,
                         &response};
  ErrorInfo error = {"500", "HTTP 500 \"oops\""};
  FunctionInfo function = function_info("fetch<int>");
  SpanEnd end;
  end.place = place();
  end.function = &function;
  end.operation = &operation;
  end.duration_ns = 1500000;
  end.severity = Severity::kError;
  end.error = &error;
  encoder.end(end, R"("thread_id":12)", kProcess);
  CHECK(buffer.text().find(R"("curl.connect_ms":12.034,)") != std::string_view::npos);
  json event = json::parse(buffer.text());
  CHECK(event["event_type"] == "http_response");
  CHECK(event["severity"] == "ERROR");
  CHECK(event["function_name"] == "fetch<int>");
  CHECK(event["duration_ms"] == 1.5);
  CHECK(event["message"] == "GET http://a/ 500");
  CHECK(event["event"] == json({{"name", "GET"}, {"category", "network"}, {"type", "end"}}));
  CHECK(event["attributes"] == json({{"url.full", "http://a/\"b\""},
                                     {"http.response.status_code", 500},
                                     {"telinject.http.truncated", true},
                                     {"curl.connect_ms", 12.034},
                                     {"thread_id", 12}}));
  CHECK(event["http"]["response"] ==
        json({{"status_code", 500},
              {"headers", {{"Content-Type", "text/html"}, {"x", "\n"}}},
              {"body_bytes", 7},
              {"content_type", "text/html"}}));
  CHECK(event["error"] == json({{"type", "500"}, {"message", "HTTP 500 \"oops\""}}));
  CHECK(event["correlation_id"] == "http_b7ad6b71");
}

TEST_CASE("a root has no parent") {
  EventPlace root = place();
  root.parent_span_id = 0;
  CHECK(json::parse(entry(root))["parent_span_id"].is_null());
}

TEST_CASE("milliseconds are exact to the nanosecond, without trailing zeros") {
  CHECK(milliseconds(0) == "0");
  CHECK(milliseconds(1) == "0.000001");
  CHECK(milliseconds(1000) == "0.001");
  CHECK(milliseconds(1500000) == "1.5");
  CHECK(milliseconds(2000000) == "2");
  CHECK(milliseconds(1000001) == "1.000001");
  CHECK(milliseconds(1100000) == "1.1");
  CHECK(milliseconds(86400000000000) == "86400000");
}

TEST_CASE("the message rounds to hundredths") {
  auto message = [](int64_t ns) {
    return json::parse(exit_line(ns))["message"].get<std::string>();
  };
  CHECK(message(0) == "Function 'ns::f' exit (0.00ms)");
  CHECK(message(4999) == "Function 'ns::f' exit (0.00ms)");
  CHECK(message(5000) == "Function 'ns::f' exit (0.01ms)");
  CHECK(message(999995000) == "Function 'ns::f' exit (1000.00ms)");
}

TEST_CASE("times of one encoder, across seconds, days and leap years") {
  LineBuffer buffer(1);
  EventEncoder encoder(&buffer);
  auto timestamp = [&](int64_t ns) {
    buffer.clear();
    EventPlace at = place();
    at.timestamp_ns = ns;
    encoder.function_entry(at, make_function_json(function_info("f"), false), 0,
                           R"("thread_id":12)", kProcess);
    return json::parse(buffer.text())["timestamp"].get<std::string>();
  };
  CHECK(timestamp(0) == "1970-01-01T00:00:00.000Z");
  CHECK(timestamp(999999999) == "1970-01-01T00:00:00.999Z");
  CHECK(timestamp(1000000000) == "1970-01-01T00:00:01.000Z");
  CHECK(timestamp(1709251199001000000) == "2024-02-29T23:59:59.001Z");
  CHECK(timestamp(1709251200000000000) == "2024-03-01T00:00:00.000Z");
  CHECK(timestamp(1709251199001000000) == "2024-02-29T23:59:59.001Z");
  CHECK(timestamp(INT64_MAX) == "2262-04-11T23:47:16.854Z");
}

TEST_CASE("names of any length fit") {
  std::string name(100000, 'n');
  json event = json::parse(entry(place(), name));
  CHECK(event["function_name"] == name);
  CHECK(event["message"] == "Function '" + name + "' entry");
}

TEST_CASE("events stand one behind the other, a line each") {
  LineBuffer buffer(1);
  EventEncoder encoder(&buffer);
  for (uint64_t i = 0; i < 1000; i++) {
    EventPlace where = place();
    where.sequence = i;
    encoder.function_entry(where, make_function_json(function_info("f"), false), 0,
                           R"("thread_id":12)", kProcess);
  }
  std::string text(buffer.text());
  size_t begin = 0;
  for (uint64_t i = 0; i < 1000; i++) {
    size_t end = text.find('\n', begin);
    REQUIRE(end != std::string::npos);
    CHECK(json::parse(text.substr(begin, end - begin))["sequence"] == i);
    begin = end + 1;
  }
  CHECK(begin == text.size());
}

}  // namespace telinject::test::event_encoder_test
