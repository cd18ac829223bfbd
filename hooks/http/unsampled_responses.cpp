#include "hooks/http/unsampled_responses.h"

#include "hooks/http/http1_messages.h"
#include "hooks/http/report.h"
#include "hooks/http/single_thread_atomics.h"

namespace telinject::program {

namespace {

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

bool may_be_bare(const Connection& connection, const Block& block) {
  return block.no_upgrade && block.no_traceparent && !connection.pipelines &&
         connection.open.load(std::memory_order_relaxed) == 0 &&
         !g_process.context_asked.load(std::memory_order_relaxed);
}

void begin_bare(Connection& connection, uint32_t number, uint32_t flags, Lane* lane) {
  connection.bare_lane = lane;
  connection.bare.store(flags, std::memory_order_release);
  // After it: a thread that sees a request to answer also sees that it is bare.
  __atomic_store_n(&connection.asked, number, __ATOMIC_RELEASE);
}

bool answer_bare(Connection& connection) {
  if (connection.bare.load(std::memory_order_acquire) == 0) return false;
  Lane* lane = connection.bare_lane;
  if (single_thread_atomics::fetch_and(&connection.bare, 0) == 0) return false;
  connection.answered++;
  unrecorded_over(lane);
  return true;
}

bool see_pipelining(Connection& connection, uint32_t number) {
  uint32_t flags = connection.bare.load(std::memory_order_relaxed);
  if (flags == 0 && connection.open.load(std::memory_order_acquire) == 0) return true;
  connection.pipelines = true;
  // What was sent since may be the rest of an answer before, or something else than HTTP.
  if (request_way(connection) == Way::kReceived && direction_of(connection, Way::kSent).astray) {
    return false;
  }
  // What takes it away first decides: this request, or the answer's first byte.
  if (flags == 0 || single_thread_atomics::fetch_and(&connection.bare, 0) == 0) return true;
  Exchange* exchange = exchange_of(connection, number - 1);  // none is open, so there is one
  exchange->lane = connection.bare_lane;
  single_thread_atomics::fetch_or(&exchange->flags, flags);
  return true;
}

bool leave_unread(Connection& connection, const void* data, uint64_t size) {
  Direction& direction = direction_of(connection, Way::kSent);
  if (direction.unread) {
    if (is_unread(connection)) return true;
    // There may be more of the answer before, if a server reads ahead of what it answers.
    if (!begins_answer(data, size)) {
      direction.astray = true;
      return true;
    }
    direction.astray = false;
  } else if (direction.stage != Stage::kBetween || request_way(connection) == Way::kSent) {
    return false;
  }
  direction.unread = answer_bare(connection);
  return direction.unread;
}

}  // namespace telinject::program
