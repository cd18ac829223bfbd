#include "hooks/http/given_up.h"

#include "hooks/http/http1_start.h"
#include "hooks/http/report.h"

namespace telinject::program {

bool looks_like_request(const uint8_t* data, size_t size) {
  constexpr char kVersion[] = " HTTP/1.";
  constexpr size_t kVersionSize = sizeof kVersion - 1;
  size_t at = 0;
  while (at < size && is_token_character(data[at])) at++;
  if (at == 0 || at + 1 >= size || data[at] != ' ') return false;
  bool path = data[at + 1] == '/' || data[at + 1] == '*';
  size_t matched = 0;
  for (; at < size && data[at] != '\r' && data[at] != '\n'; at++) {
    auto byte = static_cast<char>(data[at]);
    matched = byte == kVersion[matched] ? matched + 1 : byte == ' ' ? 1 : 0;
    if (matched == kVersionSize) return true;
  }
  return at == size && path;
}

void count_given_up(Connection& connection, Way way, const uint8_t* data, size_t size) {
  GivenUp& state = connection.rest->given_up;
  if (way != request_way(connection)) {
    state.answered.store(1, std::memory_order_relaxed);
    return;
  }
  bool begins = state.http2 ? state.answered.exchange(0, std::memory_order_relaxed) != 0
                            : data != nullptr && looks_like_request(data, size);
  if (begins) report_unread_exchange(connection);
}

}  // namespace telinject::program
