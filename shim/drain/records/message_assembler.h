// Puts messages together again that were written as several records (shim/channel/message.h).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

#include "shim/channel/message.h"
#include "shim/channel/record.h"

namespace telinject::drain {

// What the program writes, and digests of HTTP messages (shim/http/digest.h).
inline constexpr size_t kMaxAssembledBytes = 24 * 1024;
static_assert(kMaxMessageBytes <= kMaxAssembledBytes);

struct AssembledMessage {
  MessageType type;
  std::string bytes;
  uint64_t position = 0;  // of its first record: spans are named after it

  // The fixed part, if the message is long enough for it.
  template <typename T>
  std::optional<T> head() const {
    if (bytes.size() < sizeof(T)) return std::nullopt;
    T value;
    std::memcpy(&value, bytes.data(), sizeof value);
    return value;
  }
  // As much of the part behind it as is there. Valid as long as the message lives.
  std::string_view text(size_t from, size_t size) const {
    return std::string_view(bytes).substr(std::min(from, bytes.size()), size);
  }
  std::string tail(size_t from) const { return from < bytes.size() ? bytes.substr(from) : ""; }

  template <typename Archive>
  void io(Archive& a) {
    a(type, bytes, position);
  }
};

class MessageAssembler {
 public:
  void begin(uint64_t type, uint64_t bytes, uint64_t position = 0);
  // A message has begun and is not whole yet.
  bool is_open() const { return open_.has_value(); }
  // The message, once this was its last piece.
  std::optional<AssembledMessage> add(const uint64_t* record);

  template <typename Archive>
  void io(Archive& a) {
    a(open_, wanted_);
    if (!open_.has_value()) return;
    if (open_->bytes.size() >= wanted_ || wanted_ > kMaxAssembledBytes) a.fail();
  }

 private:
  std::optional<AssembledMessage> open_;
  size_t wanted_ = 0;
};

}  // namespace telinject::drain
