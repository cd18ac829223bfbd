#include "shim/drain/records/message_assembler.h"

#include <utility>

namespace telinject::drain {

void MessageAssembler::begin(uint64_t type, uint64_t bytes, uint64_t position) {
  open_.reset();
  if (bytes == 0 || bytes > kMaxAssembledBytes) return;
  open_ = AssembledMessage{static_cast<MessageType>(type), {}, position};
  open_->bytes.reserve(bytes + kMessageDataBytes);
  wanted_ = bytes;
}

std::optional<AssembledMessage> MessageAssembler::add(const uint64_t* record) {
  if (!open_.has_value()) return std::nullopt;
  // Little-endian: the bytes lie in the words from the lowest on.
  uint64_t a = control_a(record[1]), b = control_b(record[2]);
  char piece[kMessageDataBytes];
  std::memcpy(piece, &a, 6);
  std::memcpy(piece + 6, &b, 7);
  std::memcpy(piece + 13, &record[3], 8);
  open_->bytes.append(piece, sizeof piece);
  if (open_->bytes.size() < wanted_) return std::nullopt;
  open_->bytes.resize(wanted_);
  return std::exchange(open_, std::nullopt);
}

}  // namespace telinject::drain
