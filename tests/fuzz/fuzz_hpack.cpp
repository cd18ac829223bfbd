// Header blocks of an HTTP/2 connection: any bytes, in any order of their sequence numbers.
#include "shim/http/digest.h"
#include "tests/fuzz/exchange_lines.h"
#include "tests/fuzz/input.h"

using namespace telinject;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Input input(data, size);
  HttpDigester digester;
  size_t taken = 0, told = 0;
  while (!input.empty() && taken < 200) {
    HttpHeadersMessage head = {};
    head.connection = input.byte() % 3;
    head.sequence = input.byte();
    head.flags = input.byte();
    std::string block = input.bytes(input.byte());
    head.block_bytes = static_cast<uint16_t>(block.size());
    LaneMessage message;
    message.type = MessageType::kHttpHeaders;
    message.bytes.assign(reinterpret_cast<const char*>(&head), sizeof head);
    message.bytes += block;
    std::vector<LaneMessage> out;
    digester.take(std::move(message), &out);
    taken++;
    told += out.size();
    for (const LaneMessage& each : out) {
      std::string_view fields = std::string_view(each.bytes).substr(sizeof head);
      fuzz::require(fields.size() <= kMaxFieldsBytes);
      HttpField field;
      while (next_field(&fields, &field)) {
        fuzz::require(field.name.starts_with(':') || is_http_token(field.name));
        fuzz::require(!equal_ignoring_case(field.name, "cookie") || field.value == "REDACTED");
      }
      fuzz::require(fields.empty());
      std::string_view all = std::string_view(each.bytes).substr(sizeof head);
      fuzz::check_exchange(all, all, all, /*http2=*/true);
    }
  }
  fuzz::require(told <= taken);
  digester.forget(0);
  fuzz::require(digester.connections() == 0);
  return 0;
}
