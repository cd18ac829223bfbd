// What is read from a tape is what was put there.
#include <catch2/catch.hpp>
#include <random>
#include <string>
#include <vector>

#include "shim/drain/sampling/event_tape.h"

namespace telinject::test::event_tape_test {

using drain::CastNumbers;
using drain::EventTape;
using drain::TapeReader;

namespace {

const ThreadInfo kThread = {5, 77, "one"}, kOther = {6, 78, "two"};

SpanStart start_at(int64_t ns, uint64_t span, uint64_t parent, const ThreadInfo* thread) {
  SpanStart event;
  event.place = {0, ns, {1, 2}, span, parent};
  event.thread = thread;
  return event;
}

}  // namespace

TEST_CASE("plain calls are read as they were written, whatever their thread and trace") {
  std::mt19937_64 random(1);
  EventTape tape;
  std::vector<SpanStart> all;
  for (uint64_t i = 0; i < 1000; i++) {
    SpanStart event = start_at(static_cast<int64_t>(random() >> 2), random(), random(),
                               random() % 2 == 0 ? &kThread : &kOther);
    if (random() % 3 == 0) event.place.trace = {random(), random()};
    tape.add(event, {static_cast<uint32_t>(i % 5), i % 7 == 0 ? CastNumbers::kNone : 9},
             10 + 2 * i);
    all.push_back(event);
  }
  CHECK(tape.events() == all.size());
  TapeReader reader(tape);
  for (uint64_t i = 0; i < all.size(); i++) {
    REQUIRE(reader.next());
    REQUIRE(reader.kind() == TapeReader::Kind::kStart);
    SpanStart event = reader.start();
    CHECK(reader.order() == 10 + 2 * i);
    CHECK(reader.cast().process == i % 5);
    CHECK(reader.cast().function == (i % 7 == 0 ? CastNumbers::kNone : 9));
    CHECK(event.place.timestamp_ns == all[i].place.timestamp_ns);
    CHECK(event.place.trace.hi == all[i].place.trace.hi);
    CHECK(event.place.trace.lo == all[i].place.trace.lo);
    CHECK(event.place.span_id == all[i].place.span_id);
    CHECK(event.place.parent_span_id == all[i].place.parent_span_id);
    CHECK(event.thread->number == all[i].thread->number);
    CHECK(event.thread->tid == all[i].thread->tid);
    CHECK(event.thread->name == all[i].thread->name);
    CHECK(event.operation == nullptr);
  }
  CHECK_FALSE(reader.next());
}

TEST_CASE("a call, start and end, takes some 50 bytes") {
  EventTape tape;
  int64_t ns = 1700000000000000000;
  for (uint64_t i = 0; i < 10000; i++, ns += 1500) {
    tape.add(start_at(ns, i, i / 2, &kThread), {0, 40}, 2 * i);
    SpanEnd end;
    end.place = {0, ns + 700, {1, 2}, i, i / 2};
    end.thread = &kThread;
    end.start_ns = ns;
    end.duration_ns = 700;
    tape.add(end, {0, 40}, 2 * i + 1);
  }
  CHECK(tape.size() / 10000 <= 52);
}

TEST_CASE("all that an end says is kept") {
  NameValues headers = {{"accept", "a"}, {"x", std::string("\0\xff", 2)}};
  HttpRequestInfo request = {"GET", "http://a/b", "curl", &headers, 12};
  HttpResponseInfo response = {503, "text/plain", nullptr, 99};
  std::vector<Attribute> attributes = {{"text", std::string_view("value")},
                                       {"signed", int64_t{-5}},
                                       {"unsigned", ~uint64_t{0}},
                                       {"flag", true},
                                       {"time", std::chrono::microseconds(1234)}};
  Operation operation = {{"http_request", "http_response", "network", "http_"},
                         "GET",
                         "GET http://a/b",
                         attributes,
                         &request,
                         &response};
  ExitNote note = {"killed", true, 1, 2, 3, 4, 5};
  ErrorInfo error = {"Type", "message", "stack"};
  SpanEnd event;
  event.place = {0, 1000, {1, 2}, 3, 4};
  event.thread = &kThread;
  event.operation = &operation;
  event.start_ns = 100;
  event.duration_ns = 850;  // it waited
  event.severity = Severity::kWarn;
  event.note = &note;
  event.error = &error;
  EventTape tape;
  tape.add(event, {0, CastNumbers::kNone}, 1);
  TapeReader reader(tape);
  REQUIRE(reader.next());
  REQUIRE(reader.kind() == TapeReader::Kind::kEnd);
  SpanEnd read = reader.end();
  CHECK(read.start_ns == 100);
  CHECK(read.duration_ns == 850);
  CHECK(read.severity == Severity::kWarn);
  REQUIRE(read.operation != nullptr);
  CHECK(read.operation->names.end == "http_response");
  CHECK(read.operation->message == "GET http://a/b");
  REQUIRE(read.operation->attributes.size() == attributes.size());
  for (size_t i = 0; i < attributes.size(); i++) {
    CHECK(read.operation->attributes[i].name == attributes[i].name);
    CHECK(read.operation->attributes[i].value == attributes[i].value);
  }
  REQUIRE(read.operation->request != nullptr);
  CHECK(*read.operation->request->headers == headers);
  CHECK(read.operation->request->body_bytes == 12);
  REQUIRE(read.operation->response != nullptr);
  CHECK(read.operation->response->status == 503);
  CHECK(read.operation->response->headers == nullptr);
  REQUIRE(read.note != nullptr);
  CHECK(read.note->exit_kind == "killed");
  CHECK(read.note->upper_bound);
  CHECK(read.note->http_wait_ns == 5);
  REQUIRE(read.error != nullptr);
  CHECK(read.error->stack == "stack");
  CHECK_FALSE(reader.next());
}

TEST_CASE("a loss that is no thread's, between events of threads") {
  EventTape tape;
  tape.add(start_at(1, 1, 0, &kThread), {0, 1}, 1);
  PointEvent loss;
  loss.place = {0, 2, {9, 9}, 7, 0};
  loss.message = "2 calls were not recorded";
  tape.add(loss, {0, CastNumbers::kNone}, 2);
  tape.add(start_at(3, 2, 1, &kThread), {0, 1}, 3);
  TapeReader reader(tape);
  REQUIRE(reader.next());
  REQUIRE(reader.next());
  REQUIRE(reader.kind() == TapeReader::Kind::kNote);
  CHECK(reader.note().thread == nullptr);
  CHECK(reader.note().kind == PointKind::kLoss);
  CHECK(reader.note().message == "2 calls were not recorded");
  REQUIRE(reader.next());
  CHECK(reader.start().thread->name == "one");
  CHECK(reader.place().trace.lo == 2);
}

}  // namespace telinject::test::event_tape_test
