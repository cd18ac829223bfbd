// What JsonLines takes of a saved state: text that becomes part of lines as it is.
#include <catch2/catch.hpp>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "shim/events/json/json_lines.h"

namespace telinject::test::json_lines_test {

namespace {

using nlohmann::json;

class NoSink final : public Sink {
 public:
  uint64_t write(std::string_view) override { return 0; }
  std::string describe() const override { return "nothing"; }
};

bool takes(const std::string& sampling, const std::string& tail) {
  JsonLines lines(std::make_unique<NoSink>(), {});
  json texts = json::array({sampling, tail}), state;
  state["processes"] = json::array({texts});
  state["functions"] = json::array();
  return lines.restore(state.dump(), {});
}

}  // namespace

TEST_CASE("prepared text of a state has to be JSON, and of one line") {
  std::string sampling = ",\"trace_flags\":\"01\",\"sample_rate\":1.0";
  CHECK(takes(sampling, ",\"process\":{\"pid\":1}}\n"));
  CHECK(takes("", ",\"process_ref\":\"0123\"}\n"));
  CHECK_FALSE(takes(sampling, ",\"process\":{\"pid\":1}}"));
  CHECK_FALSE(takes(sampling, ",\"process\":}\n"));
  CHECK_FALSE(takes(sampling, ",\"a\":1}\n{\"event\":2}\n"));
  CHECK_FALSE(takes(",\"a\":", ",\"process\":{\"pid\":1}}\n"));
  CHECK_FALSE(takes(sampling + "}\n{\"a\":1", ",\"b\":1}\n"));
}

}  // namespace telinject::test::json_lines_test
