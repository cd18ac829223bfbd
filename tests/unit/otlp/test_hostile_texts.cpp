// Names and texts of programs may be of any bytes; requests are protobuf and UTF-8 all the same.
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <random>

#include "decoded.h"
#include "shim/events/otlp/json_transcoder.h"

namespace telinject::test::hostile_texts_test {

namespace {

std::string any_text(std::mt19937_64* random) {
  static const std::string kParts[] = {"\xff",
                                       "\xc3",
                                       "\xe2\x82",
                                       "\xed\xa0\x80",
                                       "\xf4\x90\x80\x80",
                                       "\xe2\x82\xac",
                                       std::string(1, '\0'),
                                       "\xf0\x9f\x98\x80",
                                       "\"\\\n",
                                       "plain"};
  std::string text;
  size_t parts = (*random)() % 30 == 0 ? 2000 : (*random)() % 8;
  for (size_t i = 0; i < parts; i++) text += kParts[(*random)() % std::size(kParts)];
  return text;
}

}  // namespace

TEST_CASE("whatever a program calls its functions, threads, headers and errors") {
  std::mt19937_64 random(5);
  for (auto format : {otlp::Format::kProtobuf, otlp::Format::kJson}) {
    Bench bench({0, 0}, format);
    bench.process.executable = any_text(&random);
    bench.process.command_line = any_text(&random);
    bench.metadata.service.attributes[any_text(&random)] = any_text(&random);
    bench.output->introduce(bench.process, bench.metadata, 1, nullptr);
    constexpr uint64_t kSpans = 300;
    for (uint64_t id = 1; id <= kSpans; id++) {
      FunctionInfo* f = bench.function(any_text(&random));
      f->file = any_text(&random);
      f->parameters = any_text(&random);
      f->linkage_name = any_text(&random);
      bench.thread = {id, 1, any_text(&random)};
      std::string type = any_text(&random), message = any_text(&random), stack = any_text(&random);
      ErrorInfo error = {type, message, stack};
      NameValues headers = {{any_text(&random), any_text(&random)},
                            {any_text(&random), any_text(&random)}};
      HttpRequestInfo request = {"GET", "u", message, &headers, 0};
      std::string trailer = "http.response.trailer." + any_text(&random);
      const Attribute attributes[] = {{"url.full", std::string_view(message)},
                                      {trailer, std::string_view(type)}};
      Operation operation = {{"http_request", "http_response", "network", "http_"},
                             type,
                             message,
                             attributes,
                             &request};
      SpanStart start;
      start.place = {id, 10, {1, 2}, id, 0};
      start.process = &bench.process;
      start.thread = &bench.thread;
      start.function = f;
      if (id % 2 == 0) start.operation = &operation;
      bench.output->start(start);
      SpanEnd end;
      end.place = {id, 20, {1, 2}, id, 0};
      end.process = &bench.process;
      end.thread = &bench.thread;
      end.function = f;
      end.operation = start.operation;
      end.start_ns = 10;
      end.duration_ns = 10;
      end.error = id % 3 == 0 ? &error : nullptr;
      bench.output->end(end);
    }
    if (format == otlp::Format::kProtobuf) {
      auto spans = bench.spans();
      CHECK(spans.size() == kSpans);
      for (const DecodedSpan& span : spans) {
        CHECK(span.name.size() <= otlp::kMostTextBytes);
        for (const auto& [name, value] : span.attributes) {
          CHECK(value.size() <= otlp::kMostTextBytes + 2);
        }
      }
    } else {
      bench.output->flush();
      for (const std::string& request : bench.requests) {
        CHECK(nlohmann::json::accept(request));
      }
    }
  }
}

TEST_CASE("JSON of a request that is damaged is JSON") {
  Bench bench;
  FunctionInfo* f = bench.function("f");
  for (uint64_t id = 1; id < 5; id++) {
    bench.start(id, 0, 1, f);
    bench.end(id, 0, 1, 5, f);
  }
  bench.output->flush();
  const std::string request = bench.requests.at(0);
  std::mt19937_64 random(7);
  for (int i = 0; i < 3000; i++) {
    std::string damaged = request.substr(0, random() % (request.size() + 1));
    for (uint64_t n = random() % 4; n > 0 && !damaged.empty(); n--) {
      damaged[random() % damaged.size()] = static_cast<char>(random());
    }
    std::string json;
    otlp::append_json(damaged, otlp::Signal::kTraces, &json);
    REQUIRE(nlohmann::json::accept(json));
  }
  std::string deep;
  for (int i = 0; i < 100000; i++) {
    // AnyValue in ArrayValue in AnyValue ...
    if (deep.size() > 60) break;
    deep = std::string("\x2a") + static_cast<char>(deep.size() + 2) + "\x0a" +
           static_cast<char>(deep.size()) + deep;
  }
  std::string json;
  otlp::append_json(deep, otlp::Signal::kLogs, &json);
  CHECK(nlohmann::json::accept(json));
}

TEST_CASE("saved framings come back, and damaged ones do no harm") {
  otlp::OtlpFraming framing(otlp::Signal::kTraces, otlp::Format::kProtobuf);
  uint32_t group = 9;
  REQUIRE(framing.add_group(std::make_shared<std::string>("\x0a\x02\x0a\x00"), "scope", &group));
  delivery::Batch batch;
  batch.add(std::string("\x12\x00", 2), {1, 1}, group);
  std::string body, again;
  framing.append_body(batch, 0, 1, &body);
  auto restored = otlp::restore_framing("otlp-traces", framing.save(), otlp::Format::kProtobuf);
  REQUIRE(restored != nullptr);
  restored->append_body(batch, 0, 1, &again);
  CHECK(body == again);
  CHECK(otlp::restore_framing("ndjson", framing.save(), otlp::Format::kProtobuf) == nullptr);
  std::mt19937_64 random(9);
  for (int i = 0; i < 2000; i++) {
    std::string damaged = framing.save();
    damaged[random() % damaged.size()] = static_cast<char>(random());
    auto made = otlp::restore_framing("otlp-traces", damaged, otlp::Format::kJson);
    std::string any;
    if (made != nullptr) made->append_body(batch, 0, 1, &any);
  }
}

}  // namespace telinject::test::hostile_texts_test
