#include "hooks/http/unread_answers.h"

#include "hooks/http/exclusive.h"
#include "hooks/http/http1_messages.h"

namespace telinject {

namespace {

// Whoever takes the flag away decides: the request behind, or the answer's first byte.
bool take_unneeded(Exchange& exchange) {
  return (exchange.flags.load(std::memory_order_relaxed) & kAnswerUnneeded) != 0 &&
         (exclusive::fetch_and(&exchange.flags, ~kAnswerUnneeded) & kAnswerUnneeded) != 0;
}

bool begins_answer(const void* data, uint64_t size) {
  constexpr char kVersion[] = "HTTP/1.";
  constexpr size_t kVersionSize = sizeof kVersion - 1;
  if (data == nullptr) return false;
  const auto* bytes = static_cast<const char*>(data);
  for (size_t i = 0; i < kVersionSize && i < size; i++) {
    if (bytes[i] != kVersion[i]) return false;
  }
  return true;
}

}  // namespace

bool is_answer_unneeded(const Connection& connection, const Block& block) {
  return block.no_upgrade && !connection.pipelines &&
         connection.open.load(std::memory_order_relaxed) == 1 &&
         !g_process.context_asked.load(std::memory_order_relaxed);
}

bool see_pipelining(Connection& connection, uint32_t number) {
  connection.pipelines = true;
  // What was sent since may be the rest of an answer before, or something else than HTTP.
  if (direction_of(connection, Way::kSent).astray) return false;
  Exchange& before = exchange_at(connection, number - 1);
  if (before.number.load() == number - 1) exclusive::fetch_and(&before.flags, ~kAnswerUnneeded);
  return true;
}

bool leave_unread(Connection& connection, const void* data, uint64_t size) {
  Direction& direction = direction_of(connection, Way::kSent);
  if (direction.unread) {
    if (is_unread(connection)) return true;
    // Of the answer before there may be more, if a server reads ahead of what it answers.
    if (!begins_answer(data, size)) {
      direction.astray = true;
      return true;
    }
    direction.astray = false;
  } else if (direction.stage != Stage::kBetween || request_way(connection) == Way::kSent) {
    return false;
  }
  uint32_t number = connection.answered + 1;
  Exchange& exchange = exchange_at(connection, number);
  direction.unread = take_unneeded(exchange);
  if (!direction.unread) return false;
  connection.answered = number;
  side_done(connection, exchange, kResponseDone);
  return true;
}

}  // namespace telinject
