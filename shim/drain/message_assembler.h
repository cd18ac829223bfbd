// Puts messages together again that were written as several records (shim/channel/message.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>

#include "shim/channel/message.h"
#include "shim/channel/record.h"

namespace telinject {

struct AssembledMessage {
  MessageType type;
  std::string bytes;

  // The fixed part, if the message is long enough for it.
  template <typename T>
  std::optional<T> head() const {
    if (bytes.size() < sizeof(T)) return std::nullopt;
    T value;
    std::memcpy(&value, bytes.data(), sizeof value);
    return value;
  }
  std::string tail(size_t from) const { return from < bytes.size() ? bytes.substr(from) : ""; }

  template <typename Archive>
  void io(Archive& a) {
    a(type, bytes);
  }
};

class MessageAssembler {
 public:
  void begin(uint64_t type, uint64_t bytes);
  // The message, once this was its last piece.
  std::optional<AssembledMessage> add(const uint64_t* record);

  template <typename Archive>
  void io(Archive& a) {
    a(open_, wanted_);
    if (open_.has_value() && (open_->bytes.size() >= wanted_ || wanted_ > kMaxMessageBytes))
      a.fail();
  }

 private:
  std::optional<AssembledMessage> open_;
  size_t wanted_ = 0;
};

}  // namespace telinject
