// Answers of OTLP receivers, over HTTP and gRPC.
#include <catch2/catch.hpp>

#include "shim/events/otlp/answers.h"
#include "shim/sinks/compressor.h"

namespace telinject::test::answers_test {

namespace {

using delivery::Answer;
using delivery::Verdict;
using namespace std::string_literals;

Verdict http(int status, std::string body, otlp::Format format = otlp::Format::kProtobuf,
             std::string type = "application/x-protobuf") {
  Answer answer;
  answer.status = status;
  answer.headers = {{"Content-Type", type}};
  answer.body = std::move(body);
  return otlp::http_answers(format)->read(answer, 10);
}

Verdict grpc(std::vector<std::pair<std::string, std::string>> trailers, std::string body = {},
             int status = 200) {
  Answer answer;
  answer.status = status;
  answer.trailers = std::move(trailers);
  answer.body = std::move(body);
  return otlp::grpc_answers()->read(answer, 10);
}

}  // namespace

TEST_CASE("accepted in part, wholly, and with an empty partial success") {
  CHECK(http(200, "").kind == Verdict::kAccepted);
  Verdict empty = http(200, "\x0a\x00"s);
  CHECK(empty.kind == Verdict::kAccepted);
  CHECK(empty.rejected == 0);
  CHECK(empty.message.empty());
  Verdict part = http(200, "\x0a\x06\x08\x03\x12\x02no"s);
  CHECK(part.kind == Verdict::kAccepted);
  CHECK(part.rejected == 3);
  CHECK(part.message == "no");
  CHECK(http(200, "\x0a\x02\x08\x7f"s).rejected == 10);  // not more than there were
  Verdict json = http(200, R"({"partialSuccess":{"rejectedSpans":"4","errorMessage":"x"}})",
                      otlp::Format::kJson, "application/json");
  CHECK(json.rejected == 4);
  CHECK(json.message == "x");
  CHECK(http(200, "<html>", otlp::Format::kJson, "text/html").rejected == 0);
  CHECK(http(200, "\xff\xff\xff").rejected == 0);
}

TEST_CASE("refusals say why") {
  Verdict bad = http(400, "\x08\x03\x12\x03why"s);
  CHECK(bad.kind == Verdict::kRefused);
  CHECK(bad.message == "why");
  CHECK(http(503, "").kind == Verdict::kRetry);
  CHECK(http(404, "").kind == Verdict::kStop);
  CHECK(http(413, "").kind == Verdict::kTooLarge);
}

TEST_CASE("gRPC's messages are unpacked as their headers say") {
  std::string part = "\x0a\x02\x08\x03"s;
  auto frame = [](const std::string& message) { return "\1\0\0\0\x20"s + message; };
  auto rejected = [&](const std::string& encoding, const std::string& message) {
    return grpc({{"grpc-status", "0"}, {"grpc-encoding", encoding}}, frame(message)).rejected;
  };
  std::string gzip, zstd;
  REQUIRE(make_gzip()->compress(part, &gzip));
  REQUIRE(make_zstd()->compress(part, &zstd));
  CHECK(rejected("gzip", gzip) == 3);
  CHECK(rejected("zstd", zstd) == 3);
  CHECK(rejected("zstd", gzip) == 0);
  CHECK(rejected("identity", part) == 0);
  CHECK(rejected("gzip", gzip.substr(0, gzip.size() - 1)) == 0);
  std::string large = std::string(1 << 20, '\0');
  REQUIRE(make_gzip()->compress(part + large, &gzip));
  REQUIRE(make_zstd()->compress(part + large, &zstd));
  CHECK(rejected("gzip", gzip) == 0);
  CHECK(rejected("zstd", zstd) == 0);
}

TEST_CASE("gRPC's codes") {
  CHECK(grpc({{"grpc-status", "0"}}).kind == Verdict::kAccepted);
  CHECK(grpc({{"grpc-status", "0"}}, "\0\0\0\0\x04\x0a\x02\x08\x03"s).rejected == 3);
  CHECK(grpc({{"grpc-status", "14"}}).kind == Verdict::kRetry);
  CHECK(grpc({{"grpc-status", "3"}, {"grpc-message", "bad%20id"}}).message == "bad id");
  CHECK(grpc({{"grpc-status", "3"}}).kind == Verdict::kRefused);
  CHECK(grpc({{"grpc-status", "16"}}).kind == Verdict::kStop);
  CHECK(grpc({{"grpc-status", "8"}}).kind == Verdict::kTooLarge);
  // google.rpc.Status with RetryInfo of 2.5 seconds, in base64.
  std::string details =
      "CAgaNgoodHlwZS5nb29nbGVhcGlzLmNvbS9nb29nbGUucnBjLlJldHJ5SW5mbxIKCggIAhCAyrXuAQ==";
  Verdict later = grpc({{"grpc-status", "8"}, {"grpc-status-details-bin", details}});
  CHECK(later.kind == Verdict::kRetry);
  REQUIRE(later.retry_after);
  CHECK(later.retry_after->count() == 2500);
  CHECK(grpc({}, "", 502).kind == Verdict::kRetry);
  CHECK(grpc({}, "", 404).kind == Verdict::kStop);
  CHECK(grpc({}, "<html>").kind == Verdict::kRefused);
  CHECK(grpc({{"grpc-status", "banana"}}).kind == Verdict::kRefused);
}

}  // namespace telinject::test::answers_test
