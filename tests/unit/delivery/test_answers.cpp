// What answers mean, and how long a receiver wants to be left alone.
#include <catch2/catch.hpp>

#include "shim/delivery/endpoint.h"

namespace telinject::test::answers_test {
using namespace delivery;
namespace {

constexpr int64_t kNow = 1794614400;  // Sat, 14 Nov 2026 00:00:00 GMT

int64_t parsed_ms(std::string_view value) {
  std::optional<milliseconds> wait = parse_retry_after(value, kNow);
  return wait.has_value() ? wait->count() : -1;
}

Verdict::Kind kind_of(int status, const std::string& body = "") {
  return read_status({.status = status, .body = body}).kind;
}

}  // namespace

TEST_CASE("Retry-After in seconds") {
  CHECK(parsed_ms("0") == 0);
  CHECK(parsed_ms("7") == 7000);
  CHECK(parsed_ms(" 7\t") == 7000);
  CHECK(parsed_ms("30") == 30000);
  CHECK(parsed_ms("31") == 30000);
  CHECK(parsed_ms("86400") == 30000);
  CHECK(parsed_ms("99999999999999999999999999999999999999") == 30000);
  for (const char* no : {"", " ", "-1", "+5", "1.5", "5s", "0x10", "soon", "1e3"}) {
    CAPTURE(no);
    CHECK(parsed_ms(no) == -1);
  }
}

TEST_CASE("Retry-After as a date, in the three forms of HTTP") {
  CHECK(parsed_ms("Sat, 14 Nov 2026 00:00:12 GMT") == 12000);
  CHECK(parsed_ms("Saturday, 14-Nov-26 00:00:12 GMT") == 12000);
  CHECK(parsed_ms("Sat Nov 14 00:00:12 2026") == 12000);
  CHECK(parsed_ms("Fri, 13 Nov 2026 23:59:59 GMT") == 0);
  CHECK(parsed_ms("Sat, 14 Nov 2099 00:00:00 GMT") == 30000);
  CHECK(parsed_ms("Thu, 01 Jan 1970 00:00:00 GMT") == 0);
  for (const char* no : {"Sat, 14 Nov 2026 00:00:12", "Sat, 14 Nov 2026 00:00:12 GMT+1",
                         "14 Nov 2026", "Sat, 32 Nov 2026 00:00:00 GMT", "infinite-future"}) {
    CAPTURE(no);
    CHECK(parsed_ms(no) == -1);
  }
}

TEST_CASE("the header is found in any case, trailers come first") {
  Answer answer;
  answer.headers = {{"retry-AFTER", "4"}, {"grpc-status", "0"}};
  CHECK(retry_after(answer) == milliseconds(4000));
  answer.trailers = {{"Grpc-Status", "8"}};
  CHECK(answer.field("grpc-status") == "8");
  CHECK(answer.field("other").empty());
}

TEST_CASE("statuses") {
  for (int status : {200, 202, 204, 299}) CHECK(kind_of(status) == Verdict::kAccepted);
  for (int status : {429, 502, 503, 504}) CHECK(kind_of(status) == Verdict::kRetry);
  for (int status : {401, 403, 404}) CHECK(kind_of(status) == Verdict::kStop);
  for (int status : {100, 301, 302, 400, 402, 405, 408, 415, 418, 500, 501, 505, 599, 999, -1}) {
    CAPTURE(status);
    CHECK(kind_of(status, "no") == Verdict::kRefused);
  }
  CHECK(kind_of(413) == Verdict::kTooLarge);
  CHECK(kind_of(400, "http: request body too large") == Verdict::kTooLarge);
  CHECK(kind_of(400, "Request Too Large") == Verdict::kTooLarge);
  CHECK(kind_of(500, "too large") == Verdict::kRefused);
  Verdict verdict = read_status({.status = 503, .headers = {{"Retry-After", "3"}}, .body = "busy"});
  CHECK(verdict.retry_after == milliseconds(3000));
  CHECK(verdict.message == "busy");
}

}  // namespace telinject::test::answers_test
