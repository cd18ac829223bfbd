// Elasticsearch's answers to _bulk.
#include <catch2/catch.hpp>

#include "shim/receivers/formats.h"

namespace telinject::test::bulk_answer_test {
using namespace receivers;
using delivery::Verdict;
namespace {

Verdict read(const std::string& body, size_t items = 4, int status = 200) {
  return BulkAnswerReader().read({.status = status, .body = body}, items);
}

}  // namespace

TEST_CASE("items are judged one by one") {
  Verdict verdict = read(R"({"took":30,"errors":true,"items":[
    {"create":{"_index":"i","status":201,"_shards":{"total":2,"status":500}}},
    {"create":{"status":429,"error":{"type":"es_rejected_execution_exception","reason":"full"}}},
    {"create":{"status":400,"error":{"type":"mapper_parsing_exception","reason":"no number",
      "caused_by":{"type":"other","reason":"deep"}}}},
    {"create":{"status":409,"error":{"type":"version_conflict_engine_exception"}}}]})");
  CHECK(verdict.kind == Verdict::kAccepted);
  CHECK(verdict.rejected == 1);
  CHECK(verdict.again == std::vector<size_t>{1});
  CHECK(verdict.message == "item status 400, mapper_parsing_exception: no number");
}

TEST_CASE("the reason is that of the item, not of what caused it") {
  Verdict verdict = read(R"({"items":[{"index":{"error":{"type":"a","reason":"b",
    "caused_by":{"type":"c","reason":"d"}},"status":400}}]})");
  CHECK(verdict.message == "item status 400, a: b");
  CHECK(read(R"({"items":[{"create":{"status":400,"error":"just words"}}]})").message ==
        "item status 400: just words");
}

TEST_CASE("other answers") {
  CHECK(read("").rejected == 0);
  CHECK(read("<html>").rejected == 0);
  CHECK(read(R"({"errors":false})").rejected == 0);
  CHECK(read(R"({"items":[1,"a",null,[{"create":{"status":400}}]]})").rejected == 0);
  CHECK(read(R"({"x":[{"create":{"status":400}}]})").rejected == 0);
  CHECK(read("", 4, 413).kind == Verdict::kTooLarge);
  CHECK(read("", 4, 429).kind == Verdict::kRetry);
  CHECK(read("", 4, 404).kind == Verdict::kStop);
  CHECK(read(R"({"items":[{"create":{"status":18446744073709551615}}]})").rejected == 1);
  CHECK(read(R"({"items":[{"create":{"status":-1}}]})").rejected == 1);
}

TEST_CASE("an item without a status is not sent") {
  Verdict verdict = read(R"({"items":[{"create":{"status":201}},{"create":{}},{"create":1}]})");
  CHECK(verdict.rejected == 2);
  CHECK(verdict.message == "item without a status");
  verdict = read(R"({"errors":true,"items":[{"create":{"status":201}}]})");
  CHECK(verdict.rejected == 3);
  CHECK(verdict.message == "an answer with errors, and without a status for each item");
  CHECK(read(R"({"errors":true,"items":{}})").rejected == 4);
}

TEST_CASE("an answer that breaks off counts as far as it goes") {
  std::string whole =
      R"({"errors":true,"items":[{"create":{"status":400}},{"create":{"status":400)";
  CHECK(read(whole).rejected == 1);
  CHECK(read(whole).again == std::vector<size_t>{1, 2, 3});
}

TEST_CASE("of an answer that is cut, the items that it does not tell are sent again") {
  auto cut = [](const std::string& body) {
    return BulkAnswerReader().read({.status = 200, .body = body, .body_is_cut = true}, 3);
  };
  CHECK(cut("").again == std::vector<size_t>{0, 1, 2});
  Verdict verdict = cut(R"({"errors":true,"items":[{"create":{"status":201}},{"create":{"sta)");
  CHECK(verdict.again == std::vector<size_t>{1, 2});
  CHECK(verdict.rejected == 0);
}

TEST_CASE("more items than were sent are none, and depth is no danger") {
  std::string many = R"({"items":[)";
  for (int i = 0; i < 100; i++) many += R"({"create":{"status":400}},)";
  CHECK(read(many, 3).rejected == 3);
  CHECK(read(std::string(1 << 20, '['), 3).rejected == 0);
  CHECK(read(R"({"items":[)" + std::string(1 << 20, '['), 3).rejected == 0);
}

}  // namespace telinject::test::bulk_answer_test
