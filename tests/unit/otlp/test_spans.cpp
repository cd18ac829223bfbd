// What a span of OTLP says: of calls, operations, errors, exceptions.
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "decoded.h"

namespace telinject::test::spans_test {
namespace {

// That an exception passed through span 1, a call of f; to the bench's output unless one is given.
void note_exception(Bench* bench, FunctionInfo* f, EventOutput* output = nullptr) {
  ErrorInfo error = {"E", "m", ""};
  PointEvent thrown;
  thrown.place = {3, 120, {1, 2}, 1, 0};
  thrown.kind = PointKind::kException;
  thrown.process = &bench->process;
  thrown.thread = &bench->thread;
  thrown.function = f;
  thrown.error = &error;
  (output != nullptr ? output : bench->output.get())->note(thrown);
}

}  // namespace

TEST_CASE("a call is one span, with its function, thread and resource") {
  Bench bench;
  FunctionInfo* f = bench.function("ns::f");
  f->parameters = "a, b";
  f->file = "f.cpp";
  f->line = 7;
  f->caller = "main";
  f->module = "app";
  bench.start(0x11, 0, 100, f);
  bench.start(0x12, 0x11, 150, f);
  bench.end(0x12, 0x11, 150, 150, f);
  bench.end(0x11, 0, 100, 400, f);
  auto spans = bench.spans();
  REQUIRE(spans.size() == 2);
  const DecodedSpan& inner = spans[0];
  const DecodedSpan& outer = spans[1];
  CHECK(outer.trace == "00000000000000010000000000000002");
  CHECK(outer.id == "0000000000000011");
  CHECK(outer.parent.empty());
  CHECK(inner.parent == outer.id);
  CHECK(outer.name == "ns::f");
  CHECK(outer.kind == 1);
  CHECK(outer.start == 100);
  CHECK(outer.end == 400);
  CHECK(inner.end == 151);  // not before it started, for any receiver
  CHECK(outer.flags == 0x101);
  CHECK(outer.status == 0);
  CHECK(outer.scope == "telinject.function");
  CHECK(outer.attributes ==
        std::map<std::string, std::string>{{"code.function.name", "ns::f"},
                                           {"code.file.path", "f.cpp"},
                                           {"code.line.number", "7"},
                                           {"telinject.parameters", "a, b"},
                                           {"telinject.caller.function", "main"},
                                           {"telinject.module", "app"},
                                           {"thread.id", "77"},
                                           {"thread.name", "worker"}});
  CHECK(outer.resource.at("service.name") == "shop");
  CHECK_THAT(outer.resource.at("service.instance.id"),
             Catch::Matches("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"));
  CHECK(outer.resource.at("host.ip") == "[10.0.0.1]");
  CHECK(outer.resource.at("telemetry.sdk.name") == "telinject");
}

TEST_CASE("a process has an instance id of its own, always the same") {
  auto id_of = [](uint64_t key, int pid, const std::string& set) {
    Bench bench;
    bench.process.key = {key, 7};
    bench.process.pid = pid;
    if (!set.empty()) bench.metadata.service.attributes = {{"service.instance.id", set}};
    bench.output->introduce(bench.process, bench.metadata, 1, nullptr);
    FunctionInfo* f = bench.function("f");
    bench.start(1, 0, 1, f);
    bench.end(1, 0, 1, 2, f);
    return bench.spans().at(0).resource.at("service.instance.id");
  };
  CHECK(id_of(1, 42, "") == id_of(1, 42, ""));
  CHECK(id_of(1, 42, "") != id_of(1, 43, ""));
  CHECK(id_of(1, 42, "") != id_of(2, 42, ""));
  CHECK(id_of(1, 42, "mine") == "mine");
}

TEST_CASE("the user's resource attributes win, but for the settings of the service") {
  Bench bench;
  bench.metadata.service.attributes = {
      {"team", "red"}, {"host.name", "mine"}, {"process.pid", "1"}, {"service.name", "other"}};
  bench.output->introduce(bench.process, bench.metadata, 1, nullptr);
  FunctionInfo* f = bench.function("f");
  bench.start(1, 0, 1, f);
  bench.end(1, 0, 1, 2, f);
  auto resource = bench.spans().at(0).resource;
  CHECK(resource.at("team") == "red");
  CHECK(resource.at("host.name") == "mine");
  CHECK(resource.at("process.pid") == "1");
  CHECK(resource.at("service.name") == "shop");
  for (int i = 0; i < 200; i++) {
    bench.metadata.kubernetes.pod_labels["label" + std::to_string(i)] = "x";
  }
  bench.output->introduce(bench.process, bench.metadata, 1, nullptr);
  bench.start(2, 0, 3, f);
  bench.end(2, 0, 3, 4, f);
  resource = bench.spans().back().resource;
  CHECK(resource.size() == otlp::kMostAttributes);
  CHECK(resource.at("team") == "red");
}

TEST_CASE("errors, exits and exceptions are on the span that they belong to") {
  Bench bench;
  FunctionInfo* f = bench.function("f");
  bench.start(1, 0, 100, f);
  bench.start(2, 1, 110, f);
  ErrorInfo error = {"std::runtime_error", "no", "f\ng"};
  const Attribute attributes[] = {{"exception_raised", true},
                                  {"exception_type", std::string_view("std::runtime_error")},
                                  {"telinject.caught", true},
                                  {"telinject.caught_line", uint64_t{5}}};
  PointEvent thrown;
  thrown.place = {3, 120, {1, 2}, 2, 1};
  thrown.kind = PointKind::kException;
  thrown.process = &bench.process;
  thrown.thread = &bench.thread;
  thrown.function = f;
  thrown.attributes = attributes;
  thrown.error = &error;
  bench.output->note(thrown);
  ExitNote note;
  note.exit_kind = "unwound";
  note.upper_bound = true;
  note.lost_calls = 3;
  bench.end(2, 1, 110, 130, f, &note, &error);
  bench.end(1, 0, 100, 140, f);
  auto spans = bench.spans();
  REQUIRE(spans.size() == 2);
  CHECK(spans[0].status == 2);
  CHECK(spans[0].status_message == "no");
  CHECK(spans[0].attributes.at("error.type") == "std::runtime_error");
  CHECK(spans[0].attributes.at("code.stacktrace") == "f\ng");
  CHECK(spans[0].attributes.at("telinject.exit") == "unwound");
  CHECK(spans[0].attributes.at("telinject.duration_bound") == "upper");
  CHECK(spans[0].attributes.at("telinject.lost_calls") == "3");
  REQUIRE(spans[0].events.size() == 1);
  CHECK(spans[0].events[0] ==
        std::map<std::string, std::string>{{"time", "120"},
                                           {"name", "exception"},
                                           {"exception.type", "std::runtime_error"},
                                           {"exception.message", "no"},
                                           {"exception.stacktrace", "f\ng"},
                                           {"telinject.caught", "true"},
                                           {"telinject.caught_line", "5"}});
  CHECK(spans[1].status == 0);
  CHECK(spans[1].events.empty());
}

TEST_CASE("an operation's span has what its start and its end said, each attribute once") {
  Bench bench;
  FunctionInfo* f = bench.function("fetch");
  const NameValues headers = {{"Accept", "a"}, {"accept", "b"}, {"X-Y", "1"}};
  const NameValues answer = {{"Content-Type", "text/html"}};
  const Attribute at_start[] = {{"http.request.method", std::string_view("GET")},
                                {"url.full", std::string_view("http://h/p")},
                                {"rpc.service", std::string_view("pkg.S")},
                                {"rpc.method", std::string_view("M")},
                                {"span.kind", std::string_view("server")}};
  const Attribute at_end[] = {{"http.request.method", std::string_view("GET")},
                              {"http.response.status_code", int64_t{500}},
                              {"rpc.grpc.status_code", int64_t{5}},
                              {"curl.total_ms", std::chrono::microseconds(1500)},
                              {"http.response.trailer.x", std::string_view("y")},
                              {"span.kind", std::string_view("server")}};
  HttpRequestInfo request = {"GET", "http://h/p", "curl/8", &headers, 0};
  HttpResponseInfo response = {500, "text/html", &answer, 3};
  Operation begun = {
      {"http_request", "http_response", "network", "http_"}, "GET", "m", at_start, &request};
  Operation over = {begun.names, "GET", "m", at_end, nullptr, &response};
  SpanStart start;
  start.place = {1, 10, {1, 2}, 9, 8};
  start.process = &bench.process;
  start.thread = &bench.thread;
  start.function = f;
  start.operation = &begun;
  bench.output->start(start);
  ErrorInfo error = {"500", "HTTP 500", ""};
  SpanEnd end;
  end.place = {2, 30, {1, 2}, 9, 8};
  end.process = &bench.process;
  end.thread = &bench.thread;
  end.function = f;
  end.operation = &over;
  end.start_ns = 10;
  end.duration_ns = 20;
  end.error = &error;
  bench.output->end(end);
  auto spans = bench.spans();
  REQUIRE(spans.size() == 1);
  const DecodedSpan& span = spans[0];
  CHECK(span.name == "GET");
  CHECK(span.kind == 2);
  CHECK(span.flags == 0x301);
  CHECK(span.scope == "telinject.http");
  CHECK(span.attributes ==
        std::map<std::string, std::string>{{"http.request.method", "GET"},
                                           {"url.full", "http://h/p"},
                                           {"rpc.method", "pkg.S/M"},
                                           {"rpc.response.status_code", "NOT_FOUND"},
                                           {"http.response.status_code", "500"},
                                           {"telinject.curl.total_ms", "1.500000"},
                                           {"telinject.http.response.trailer.x", "y"},
                                           {"http.request.header.accept", "[a][b]"},
                                           {"http.request.header.x-y", "[1]"},
                                           {"http.response.header.content-type", "[text/html]"},
                                           {"user_agent.original", "curl/8"},
                                           {"code.function.name", "fetch"},
                                           {"error.type", "500"},
                                           {"thread.id", "77"},
                                           {"thread.name", "worker"}});
}

TEST_CASE("attributes beyond the limit are counted") {
  Bench bench;
  NameValues headers;
  for (int i = 0; i < 300; i++) headers.emplace_back("h" + std::to_string(i), "v");
  HttpRequestInfo request = {"GET", "u", "", &headers, 0};
  Operation operation = {
      {"http_request", "http_response", "network", "http_"}, "GET", "m", {}, &request};
  SpanStart start;
  start.place = {1, 10, {1, 2}, 9, 0};
  start.process = &bench.process;
  start.thread = &bench.thread;
  start.operation = &operation;
  bench.output->start(start);
  Operation over = {operation.names, "GET", "m", {}};
  SpanEnd end;
  end.place = start.place;
  end.process = &bench.process;
  end.thread = &bench.thread;
  end.operation = &over;
  end.start_ns = 10;
  bench.output->end(end);
  auto spans = bench.spans();
  REQUIRE(spans.size() == 1);
  CHECK(spans[0].attributes.size() == otlp::kMostAttributes);
  CHECK(spans[0].dropped_attributes == 302 - otlp::kMostAttributes);
}

TEST_CASE("exceptions are span events, log records, or both") {
  using otlp::ExceptionSignal;
  for (auto signal :
       {ExceptionSignal::kSpanEvents, ExceptionSignal::kLogs, ExceptionSignal::kBoth}) {
    Bench bench({0, 0}, {}, signal);
    FunctionInfo* f = bench.function("f");
    bench.start(1, 0, 100, f);
    note_exception(&bench, f);
    bench.end(1, 0, 100, 130, f);
    auto spans = bench.spans();
    CHECK(spans.at(0).events.size() == (signal == ExceptionSignal::kLogs ? 0 : 1));
    CHECK(bench.log_requests.size() == (signal == ExceptionSignal::kSpanEvents ? 0 : 1));
  }
}

TEST_CASE("without spans nothing is kept for them") {
  Bench bench;
  otlp::OtlpOutput::Options options;
  options.logs = std::make_unique<Receiver>(&bench.log_batch, &bench.log_requests);
  options.exceptions = otlp::ExceptionSignal::kBoth;
  otlp::OtlpOutput output(std::move(options));
  output.introduce(bench.process, bench.metadata, 1, nullptr);
  std::string before = output.save();
  note_exception(&bench, nullptr, &output);
  CHECK(output.save() == before);
  output.flush();
  CHECK(bench.log_requests.size() == 1);
}

TEST_CASE("a span has at most 128 exceptions, and says how many it left out") {
  Bench bench;
  FunctionInfo* f = bench.function("f");
  bench.start(1, 0, 100, f);
  for (int i = 0; i < 130; i++) note_exception(&bench, f);
  Bench other;
  REQUIRE(other.output->restore(bench.output->save(), {&other.process}));
  for (Bench* one : {&bench, &other}) {
    one->end(1, 0, 100, 130, one->function("f"));
    auto spans = one->spans();
    CHECK(spans.at(0).events.size() == 128);
    CHECK(spans.at(0).dropped_events == 2);
  }
}

TEST_CASE("JSON says the same: hexadecimal ids, numbers as texts") {
  Bench bench({0, 0}, otlp::Format::kJson);
  FunctionInfo* f = bench.function("f \"quoted\"");
  bench.start(0xab, 0, 100, f);
  ErrorInfo error = {"E", "m", ""};
  bench.end(0xab, 0, 100, 1795264496000000123, f, nullptr, &error);
  bench.output->flush();
  REQUIRE(bench.requests.size() == 1);
  auto document = nlohmann::json::parse(bench.requests[0]);
  const auto& resource = document.at("resourceSpans").at(0);
  CHECK(resource.at("schemaUrl") == "https://opentelemetry.io/schemas/1.44.0");
  const auto& scope = resource.at("scopeSpans").at(0);
  CHECK(scope.at("scope").at("name") == "telinject.function");
  const auto& span = scope.at("spans").at(0);
  CHECK(span.at("traceId") == "00000000000000010000000000000002");
  CHECK(span.at("spanId") == "00000000000000ab");
  CHECK_FALSE(span.contains("parentSpanId"));
  CHECK(span.at("endTimeUnixNano") == "1795264496000000123");
  CHECK(span.at("kind") == 1);
  CHECK(span.at("flags") == 0x101);
  CHECK(span.at("status") == nlohmann::json{{"message", "m"}, {"code", 2}});
  bool found = false;
  for (const auto& attribute : span.at("attributes")) {
    found = found || (attribute.at("key") == "thread.id" &&
                      attribute.at("value") == nlohmann::json{{"intValue", "77"}});
  }
  CHECK(found);
}

TEST_CASE("more processes than a framing has groups for are in several requests") {
  Bench bench;
  FunctionInfo* f = bench.function("f");
  constexpr uint32_t kProcesses = 200;
  std::vector<ProcessInfo> processes(kProcesses, bench.process);
  for (uint32_t i = 0; i < kProcesses; i++) {
    processes[i].number = i;
    processes[i].pid = static_cast<int>(1000 + i);
    bench.output->introduce(processes[i], bench.metadata, 1, nullptr);
  }
  for (uint32_t round = 0; round < 2; round++) {
    for (uint32_t i = 0; i < kProcesses; i++) {
      bench.process.number = i;
      bench.start(round * 1000 + i + 1, 0, 1, f);
      bench.end(round * 1000 + i + 1, 0, 1, 5, f);
    }
  }
  auto spans = bench.spans();
  CHECK(spans.size() == 2 * kProcesses);
  for (const DecodedSpan& span : spans) {
    uint64_t number = (std::stoull(span.id, nullptr, 16) - 1) % 1000;
    CHECK(span.resource.at("process.pid") == std::to_string(1000 + number));
  }
}

TEST_CASE("an output goes on where another one stopped") {
  Bench first, second;
  FunctionInfo* f = first.function("f");
  first.start(1, 0, 100, f);
  note_exception(&first, f);
  std::string state = first.output->save();
  REQUIRE(second.output->restore(state, {&second.process}));
  second.end(1, 0, 100, 130, second.function("f"));
  auto spans = second.spans();
  REQUIRE(spans.size() == 1);
  CHECK(spans[0].events.size() == 1);
  CHECK(spans[0].resource.at("service.name") == "shop");
  ProcessInfo unknown;
  unknown.number = 7;
  CHECK_FALSE(Bench().output->restore(state, {&unknown}));
  for (size_t length = 0; length < state.size(); length++) {
    Bench().output->restore(state.substr(0, length), {});
  }
}

}  // namespace telinject::test::spans_test
