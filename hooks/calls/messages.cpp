#include "hooks/calls/messages.h"

#include "hooks/calls/attach.h"
#include "hooks/lane/record_writer.h"
#include "hooks/lane/space.h"

namespace telinject::program {

namespace {

class Bytes {
 public:
  Bytes(const void* head, size_t head_bytes, const void* tail, size_t tail_bytes)
      : head_(static_cast<const unsigned char*>(head)),
        tail_(static_cast<const unsigned char*>(tail)),
        head_bytes_(head_bytes),
        size_(head_bytes + tail_bytes) {}
  // The next `count` bytes, 8 at most, little endian; zeros behind the end.
  uint64_t take(int count) {
    uint64_t value = 0;
    const unsigned char* whole = at_ + sizeof value <= head_bytes_ ? head_ + at_
                                 : at_ >= head_bytes_ && at_ + sizeof value <= size_
                                     ? tail_ + (at_ - head_bytes_)
                                     : nullptr;
    if (whole != nullptr) {
      __builtin_memcpy(&value, whole, sizeof value);
      at_ += static_cast<size_t>(count);
      return count == sizeof value ? value : value & ((uint64_t{1} << (8 * count)) - 1);
    }
    for (int i = 0; i < count && at_ < size_; i++, at_++) {
      uint64_t byte = at_ < head_bytes_ ? head_[at_] : tail_[at_ - head_bytes_];
      value |= byte << (8 * i);
    }
    return value;
  }

 private:
  const unsigned char* head_;
  const unsigned char* tail_;
  size_t head_bytes_, size_;
  size_t at_ = 0;
};

}  // namespace

bool write_message(Lane* lane, MessageType type, const void* head, size_t head_bytes,
                   const void* tail, size_t tail_bytes) {
  uint64_t position;
  return write_placed_message(lane, type, head, head_bytes, tail, tail_bytes, 0, &position);
}

bool write_placed_message(Lane* lane, MessageType type, const void* head, size_t head_bytes,
                          const void* tail, size_t tail_bytes, size_t records, uint64_t* position) {
  if (head_bytes + tail_bytes > kMaxMessageBytes) tail_bytes = kMaxMessageBytes - head_bytes;
  size_t size = head_bytes + tail_bytes;
  // Its size says how many records there are: zeros at its end make it longer.
  if (message_records(size) < records) size = (records - 1) * kMessageDataBytes;
  records = message_records(size);
  if (!make_room(lane, records * kControlBytes, /*for_entry=*/false)) return false;
  uint64_t ticks = read_ticks();
  uint64_t* record = reserve(records * kControlBytes);
  *position = position_of(lane, reinterpret_cast<uintptr_t>(record));
  put_control(record, ticks, ControlKind::kMessage, static_cast<uint64_t>(type), size, 0);
  Bytes bytes(head, head_bytes, tail, tail_bytes);
  for (size_t i = 1; i < records; i++) {
    record += kControlBytes / sizeof *record;
    uint64_t a = bytes.take(6), b = bytes.take(7), c = bytes.take(8);
    put_control(record, ticks, ControlKind::kMessageData, a, b, c);
  }
  return true;
}

}  // namespace telinject::program
