// Events of lean detail: the encoder's side. tests/lib/teltest/lean.py tells them in full again.
#include <catch2/catch.hpp>

#include <nlohmann/json.hpp>
#include <string>

#include "shim/events/json/event_encoder.h"
#include "shim/events/json/process_json.h"

namespace telinject::test::lean_events_test {
namespace {

using nlohmann::json;

const EventPlace kPlace = {3, 1795274220088208107, {0x11, 0x22}, 0x33, 0x44};

ProcessJson full_text() {
  Metadata metadata;
  metadata.service = {"shop", "1", "dev"};
  return make_process_json(metadata, {0, 12, 500000000, {}, "/app", "/app -x", "c", "GCC 12", ""});
}

template <typename Write>
json written(Write&& write) {
  LineBuffer lines(1 << 16);
  EventEncoder encoder(&lines, /*lean=*/true);
  write(&encoder);
  std::string text(lines.text());
  CHECK(text.back() == '\n');
  return json::parse(text);
}

FunctionInfo function_info() {
  FunctionInfo info;
  info.name = "f<\"x\">";
  info.module = "app";
  info.caller_file = "a.c";
  info.caller_line = 7;
  return info;
}

FunctionJson function_text() {
  return make_function_json(function_info(), /*lean=*/true);
}

}  // namespace

TEST_CASE("an entry refers to its process and its function, and repeats neither") {
  json event = written([](EventEncoder* encoder) {
    encoder->function_entry(kPlace, function_text(), 0xabc, "\"thread_id\":9",
                            make_lean_process_json(0xdef));
  });
  CHECK(event == json({{"timestamp", "2026-11-21T15:17:00.088Z"},
                       {"timestamp_ns", 1795274220088208107},
                       {"sequence", 3},
                       {"event_type", "function_entry"},
                       {"severity", "INFO"},
                       {"function_name", "f<\"x\">"},
                       {"trace_id", "00000000000000110000000000000022"},
                       {"span_id", "0000000000000033"},
                       {"parent_span_id", "0000000000000044"},
                       {"attributes", {{"thread_id", 9}}},
                       {"function_ref", "0000000000000abc"},
                       {"process_ref", "0000000000000def"}}));
}

TEST_CASE("an exit has its duration, how it ended and its error") {
  ExitNote note = {"killed", true};
  ErrorInfo error = {"SIGKILL", "the process was killed by SIGKILL"};
  json event = written([&](EventEncoder* encoder) {
    encoder->function_exit(kPlace, 1500, function_text(), 0xabc, "\"thread_id\":9", &note, &error,
                           make_lean_process_json(0xdef));
  });
  CHECK(event["duration_ns"] == 1500);
  CHECK(event["duration_ms"] == 0.0015);
  CHECK(event["attributes"] == json({{"telinject.exit", "killed"},
                                     {"telinject.duration_bound", "upper"},
                                     {"thread_id", 9}}));
  CHECK(event["error"]["type"] == "SIGKILL");
  CHECK(event["severity"] == "ERROR");
  for (const char* name : {"message", "event", "correlation_id", "schema", "service"}) {
    CHECK_FALSE(event.contains(name));
  }
}

TEST_CASE("what a process shares is written whole") {
  json event = written([](EventEncoder* encoder) {
    EventPlace place = kPlace;
    place.parent_span_id = 0;
    encoder->telemetry_process(place, full_text());
  });
  CHECK(event["event_type"] == "telemetry_process");
  CHECK(event["parent_span_id"].is_null());
  CHECK(event["schema"]["version"] == "3.0.0");
  CHECK(event["sample_rate"] == 0.5);
  CHECK(event["trace_flags"] == "01");
  CHECK(event["service"]["name"] == "shop");
  CHECK(event["process"]["pid"] == 12);
  CHECK(event["correlation_id"] == "ref_00000000");
}

TEST_CASE("what calls share is the function's attributes, with or without any") {
  json event = written([](EventEncoder* encoder) {
    encoder->telemetry_function(kPlace, function_info(), make_lean_process_json(0xdef));
  });
  CHECK(event["function_name"] == "f<\"x\">");
  CHECK(event["attributes"] ==
        json({{"module", "app"}, {"caller_file", "a.c"}, {"caller_line", 7}}));
  CHECK(event["process_ref"] == "0000000000000def");
  event = written([](EventEncoder* encoder) {
    FunctionInfo nothing;
    nothing.name = "g";
    encoder->telemetry_function(kPlace, nothing, make_lean_process_json(1));
  });
  CHECK(event["attributes"] == json::object());
}

}  // namespace telinject::test::lean_events_test
