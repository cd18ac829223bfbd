#include "shim/drain/message_assembler.h"

#include <utility>

namespace telinject {

namespace {

void append(std::string* out, uint64_t value, int bytes) {
  for (int i = 0; i < bytes; i++) out->push_back(static_cast<char>(value >> (8 * i) & 0xff));
}

}  // namespace

void MessageAssembler::begin(uint64_t type, uint64_t bytes) {
  open_.reset();
  if (bytes == 0 || bytes > kMaxMessageBytes) return;
  open_ = AssembledMessage{static_cast<MessageType>(type), {}};
  wanted_ = bytes;
}

std::optional<AssembledMessage> MessageAssembler::add(const uint64_t* record) {
  if (!open_.has_value()) return std::nullopt;
  append(&open_->bytes, control_a(record[1]), 6);
  append(&open_->bytes, control_b(record[2]), 7);
  append(&open_->bytes, record[3], 8);
  if (open_->bytes.size() < wanted_) return std::nullopt;
  open_->bytes.resize(wanted_);
  return std::exchange(open_, std::nullopt);
}

}  // namespace telinject
