// Header blocks of HTTP/1, digested: what comes out has valid names and no secret.
#include "shim/http/digest.h"
#include "tests/fuzz/exchange_lines.h"
#include "tests/fuzz/input.h"

using namespace telinject;

namespace {

// Returns the digest's fields. A secret is at the end of whatever the input is, if a line ends
// there.
template <typename Head>
std::string digest(HttpDigester* digester, MessageType type, std::string block, uint16_t flags) {
  Head head = {};
  head.flags = flags;
  head.header_bytes = static_cast<uint16_t>(block.size());
  LaneMessage message;
  message.type = type;
  message.bytes.assign(reinterpret_cast<const char*>(&head), sizeof head);
  message.bytes += block;
  std::vector<LaneMessage> out;
  digester->take(std::move(message), &out);
  fuzz::require(out.size() <= 1);
  if (out.empty()) return "";
  std::string_view fields = std::string_view(out[0].bytes).substr(sizeof head);
  fuzz::require(fields.size() <= kMaxFieldsBytes);
  HttpField field;
  while (next_field(&fields, &field)) {
    fuzz::require(field.name.starts_with(':') || is_http_token(field.name));
    bool secret = equal_ignoring_case(field.name, "authorization") ||
                  equal_ignoring_case(field.name, "cookie");
    fuzz::require(!secret || field.value == "REDACTED");
    fuzz::require(field.name.starts_with(':') || field.value.find('\n') == field.value.npos);
  }
  fuzz::require(fields.empty());
  return out[0].bytes.substr(sizeof head);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Input input(data, size);
  uint16_t flags = input.byte();
  std::string block = input.rest();
  HttpDigester digester;
  std::string request =
      digest<HttpRequestMessage>(&digester, MessageType::kHttpRequest, block, flags);
  std::string response =
      digest<HttpResponseMessage>(&digester, MessageType::kHttpResponse, block, flags);
  std::string trailers = digest<HttpResponseMessage>(&digester, MessageType::kHttpResponse, block,
                                                     flags | kHttpTrailers);
  std::string behind = digest<HttpRequestMessage>(&digester, MessageType::kHttpRequest,
                                                  "GET /?token=x HTTP/1.1\r\nCookie: x\r\n" + block,
                                                  flags & ~kHttpTrailers);
  fuzz::check_exchange(request, response, trailers, /*http2=*/false);
  fuzz::check_exchange(behind, response, trailers, /*http2=*/false);
  return 0;
}
