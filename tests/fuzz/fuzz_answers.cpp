// What receivers say, as it comes from the net: Retry-After, statuses, the items of a _bulk answer,
// words that are told to the user; and what is made of lines of events and of left files.
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "shim/delivery/batch_bytes.h"
#include "shim/delivery/endpoint.h"
#include "shim/delivery/header_list.h"
#include "shim/delivery/telling.h"
#include "shim/receivers/event_line.h"
#include "shim/receivers/formats.h"

using namespace telinject;
using namespace telinject::delivery;

namespace {

void check(bool good) {
  if (!good) __builtin_trap();
}

void judge(std::string_view text, int status, size_t items) {
  Answer answer;
  answer.status = status;
  answer.body = text;
  answer.headers = {{"Retry-After", std::string(text.substr(0, 80))}};
  answer.now_seconds = 1794614400;
  receivers::BulkAnswerReader bulk;
  for (const Verdict& verdict : {read_status(answer), bulk.read(answer, items)}) {
    check(verdict.rejected + verdict.again.size() <= items);
    for (size_t i = 1; i < verdict.again.size(); i++) {
      check(verdict.again[i - 1] < verdict.again[i] && verdict.again[i] < items);
    }
    if (verdict.retry_after.has_value()) {
      check(verdict.retry_after->count() >= 0 && verdict.retry_after->count() <= 30000);
    }
  }
}

void tell(std::string_view text) {
  Endpoint endpoint;
  endpoint.url = text;
  endpoint.headers = {"Authorization: Splunk abcdefgh"};
  for (const std::string& told : {words_to_tell(endpoint, text), url_to_tell(text)}) {
    for (char c : told) check(c >= ' ' && c < 0x7f);
  }
  std::vector<std::string> headers;
  parse_header_list(text, &headers);
  for (const std::string& header : headers) check(is_header_value(header));
}

// A line of JSON must give JSON.
void transform(std::string_view line) {
  std::string ecs, datadog, hec;
  receivers::append_ecs_document(line, &ecs);
  receivers::append_datadog_log(line, &datadog);
  receivers::append_hec(line, &hec);
  receivers::trace_of_line(line);
  // To the oracle a zero byte is the end.
  if (line.find('\0') != std::string_view::npos) return;
  nlohmann::json event = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!event.is_object()) return;
  check(nlohmann::json::accept(ecs));
  check(nlohmann::json::accept(datadog));
  check(nlohmann::json::accept(hec));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 3) return 0;
  int status = 100 + (data[0] | (data[1] & 3) << 8) % 500;
  std::string_view text(reinterpret_cast<const char*>(data) + 3, size - 3);
  judge(text, status, data[2]);
  judge(text, 200, data[2]);
  tell(text);
  transform(text);
  if (auto batch = read_batch(text)) {
    std::string bytes;
    append_batch(*batch, &bytes);
    check(bytes == text);
  }
  return 0;
}
