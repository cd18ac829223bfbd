#include "shim/drain/records/record_packing.h"

#include <algorithm>
#include <atomic>
#include <cstring>

namespace telinject::drain {

namespace {

enum Code : uint16_t {
  kEntry = 0,
  kLater = 0 << 2 | 2,
  kUnit = 1 << 2 | 2,
  kTwoUnits = 2 << 2 | 2
};

constexpr uint64_t kMostOfExit = 0x7fff, kMostOfEntry = 0xffff;
// A unit takes no more: itself and its code, or a packed record and its time.
constexpr size_t kMostOfUnit = kUnitBytes + sizeof(uint16_t);

template <typename T>
std::byte* put(std::byte* to, T value) {
  memcpy(to, &value, sizeof value);
  return to + sizeof value;
}

template <typename T>
T get(const std::byte* from) {
  T value;
  memcpy(&value, from, sizeof value);
  return value;
}

std::byte* put_as_it_is(std::byte* to, Code code, const uint64_t* record, size_t bytes) {
  to = put<uint16_t>(to, code);
  memcpy(to, record, bytes);
  return to + bytes;
}

// The second words of the exits to come. In a place of its own on the stack, where no store to what
// is packed can change it: so the compiler keeps much of it in registers.
class OpenEntries {
 public:
  void push(uint64_t function, uint64_t sp) {
    exits_[++top_ % kDepth] = (function & 0xffffffff) | sp << 32;
  }
  void pop() { top_--; }
  uint64_t last() const { return exits_[top_ % kDepth]; }
  // An entry's step, from its last word: return address << 32 | how far its frame is below the
  // last one's.
  uint64_t step(uint64_t word) const {
    return (word & 0xffffffff00000000) | static_cast<uint32_t>((last() >> 32) - word);
  }
  // Its callees never returned (an exception, a longjmp); or it was entered before the run began.
  void pop_to(uint64_t exit) {
    for (size_t i = 0; i < kSearched; i++) {
      if (exits_[(top_ - i) % kDepth] != exit) continue;
      top_ -= i + 1;
      return;
    }
  }

 private:
  static constexpr size_t kDepth = 256;  // deeper ones are forgotten
  static constexpr size_t kSearched = 64;
  uint64_t exits_[kDepth] = {};
  size_t top_ = 0;
};

// What is known after a run's records up to some one, beside the entries.
struct Known {
  OpenEntries open;
  uint64_t time = 0;  // of the last record that has one

  // Remembers a record that could not be told by what is known.
  void learn_exit(const uint64_t* record) {
    if (record[0] == kVoid) return;
    time = record[0] & kTicksMask;
    open.pop_to(record[1]);
  }
  void learn_entry(const uint64_t* record, packing::SeenEntries* seen) {
    time = record[0];
    seen->add(record[1], record[2], open.step(record[3]));
    open.push(record[1], record[3]);
  }
};

}  // namespace

namespace packing {

void SeenEntries::begin_run() {
  if (++run_ != 0) return;
  std::fill_n(slots_.get(), kSlots, Slot{});
  run_ = 1;
}

namespace {

size_t slot_of(uint64_t function, uint64_t call_site, uint64_t step) {
  static_assert(SeenEntries::kSlots == size_t{1} << (64 - 52));
  uint64_t mixed = function ^ call_site << 17 ^ step << 40 ^ step >> 23;
  return mixed * 0x9e3779b97f4a7c15 >> 52;
}

}  // namespace

size_t SeenEntries::find(uint64_t function, uint64_t call_site, uint64_t step) const {
  size_t first = slot_of(function, call_site, step);
  for (size_t slot : {first, first ^ 1}) {
    const Slot& known = slots_[slot];
    if (((known.function ^ function) | (known.call_site ^ call_site) | (known.step ^ step)) == 0 &&
        known.run == run_) {
      return slot;
    }
  }
  return kSlots;
}

// Two neighbours share two places: else of two hot entries with one place each would be learnt anew
// all the time.
void SeenEntries::add(uint64_t function, uint64_t call_site, uint64_t step) {
  size_t slot = slot_of(function, call_site, step);
  if (at(slot) != nullptr) slots_[slot ^ 1] = slots_[slot];
  slots_[slot] = {function, call_site, step, run_};
}

}  // namespace packing

namespace {

// A run on its way into a packer's buffer, where there is room for it.
class Packing {
 public:
  Packing(std::byte* out, packing::SeenEntries* seen) : out_(out), seen_(seen) {
    seen->begin_run();
  }
  std::byte* end() const { return out_; }

  // Packs a record of one unit: an exit, or another one.
  [[gnu::always_inline]] void unit(const uint64_t* record) {
    uint64_t ticks = record[0] ^ kExitBit;
    if (record[1] == known_.open.last() && ticks <= kTicksMask) {
      uint64_t later = take_time(ticks, kMostOfExit);
      out_ = put(out_, static_cast<uint16_t>(later << 1 | 1));
      known_.open.pop();
      return;
    }
    out_ = put_as_it_is(out_, kUnit, record, kUnitBytes);
    if (is_exit(record[0])) known_.learn_exit(record);
  }
  void control(const uint64_t* record) {
    out_ = put_as_it_is(out_, kTwoUnits, record, kControlBytes);
    known_.time = record[0];
  }
  [[gnu::always_inline]] void entry(const uint64_t* record) {
    size_t slot = seen_->find(record[1], record[2], known_.open.step(record[3]));
    if (slot == packing::SeenEntries::kSlots) {
      out_ = put_as_it_is(out_, kTwoUnits, record, kEntryBytes);
      known_.learn_entry(record, seen_);
      return;
    }
    uint64_t later = take_time(record[0], kMostOfEntry);
    out_ = put(out_, static_cast<uint32_t>(slot << 2 | kEntry | later << 16));
    known_.open.push(record[1], record[3]);
  }

 private:
  [[gnu::always_inline]] uint64_t take_time(uint64_t ticks, uint64_t most) {
    uint64_t later = ticks - known_.time;
    known_.time = ticks;
    if (later <= most) return later;
    out_ = put(put<uint16_t>(out_, kLater), later);
    return 0;
  }

  std::byte* out_;
  packing::SeenEntries* seen_;
  Known known_;
};

}  // namespace

void RecordPacker::make_room(size_t size) {
  if (room_ >= size) return;
  room_ = size;
  buffer_ = std::make_unique_for_overwrite<std::byte[]>(size);
}

void RecordPacker::end_run(const std::byte* records, size_t size, const std::byte* end) {
  used_ = static_cast<size_t>(end - buffer_.get());
  if (used_ < size) return;
  used_ = size;
  if (size > 0) memcpy(buffer_.get(), records, size);
}

void RecordPacker::pack(const std::byte* records, size_t size) {
  make_room(size / kUnitBytes * kMostOfUnit);
  Packing packing(buffer_.get(), &seen_);
  for (size_t at = 0; at < size;) {
    uint64_t record[4];
    memcpy(record, records + at, kUnitBytes);
    bool two_units = record[0] >> 62 == 0 && size - at >= kEntryBytes;
    at += kUnitBytes;
    if (!two_units) {
      packing.unit(record);
      continue;
    }
    memcpy(record + 2, records + at, kUnitBytes);
    at += kUnitBytes;
    is_control(record[1]) ? packing.control(record) : packing.entry(record);
  }
  end_run(records, size, packing.end());
}

RecordPacker::Written RecordPacker::pack_written(const std::byte* records, size_t room) {
  make_room(room / kUnitBytes * kMostOfUnit);
  Packing packing(buffer_.get(), &seen_);
  Written written = {};
  size_t& at = written.size;
  while (at + kUnitBytes <= room) {
    uint64_t record[4];
    const auto* place = reinterpret_cast<const uint64_t*>(records + at);
    record[0] =
        reinterpret_cast<const std::atomic<uint64_t>*>(place)->load(std::memory_order_acquire);
    if (record[0] == 0) break;
    record[1] = place[1];
    if (record[0] >> 62 != 0) {
      packing.unit(record);
      at += kUnitBytes;
      continue;
    }
    if (at + kEntryBytes > room) break;
    record[2] = place[2];
    record[3] = place[3];
    if (is_control(record[1])) {
      ControlKind kind = control_kind(record[1]);
      written.message = kind == ControlKind::kMessage || kind == ControlKind::kMessageData;
      if (written.message) break;
      packing.control(record);
    } else {
      packing.entry(record);
    }
    at += kEntryBytes;
  }
  end_run(records, at, packing.end());
  return written;
}

size_t RecordUnpacker::unpack(std::span<const std::byte> there, size_t packed_bytes, std::byte* to,
                              size_t size) {
  if (there.empty()) return 0;
  if (packed_bytes == size) {
    size_t whole = there.size() / kUnitBytes * kUnitBytes;
    memcpy(to, there.data(), whole);
    return whole;
  }
  const std::byte *packed = there.data(), *end = packed + there.size();
  size_t at = 0;
  Known known;
  seen_.begin_run();
  while (static_cast<size_t>(end - packed) >= sizeof(uint16_t)) {
    auto code = get<uint16_t>(packed);
    packed += sizeof code;
    auto left = static_cast<size_t>(end - packed);
    if ((code & 1) != 0) {
      if (size - at < kExitBytes) break;
      known.time += code >> 1;
      put(put(to + at, known.time | kExitBit), known.open.last());
      at += kExitBytes;
      known.open.pop();
    } else if ((code & 3) == kEntry) {
      const packing::SeenEntries::Slot* entry = seen_.at(code >> 2);
      if (left < sizeof(uint16_t) || size - at < kEntryBytes || entry == nullptr) break;
      known.time += get<uint16_t>(packed);
      packed += sizeof(uint16_t);
      auto sp = static_cast<uint32_t>((known.open.last() >> 32) - entry->step);
      uint64_t record[] = {known.time, entry->function, entry->call_site,
                           (entry->step & 0xffffffff00000000) | sp};
      memcpy(to + at, record, kEntryBytes);
      at += kEntryBytes;
      known.open.push(record[1], sp);
    } else if (code == kLater) {
      if (left < sizeof(uint64_t)) break;
      known.time += get<uint64_t>(packed);
      packed += sizeof(uint64_t);
    } else {
      size_t bytes = code == kTwoUnits ? kEntryBytes : kUnitBytes;
      if ((code != kUnit && code != kTwoUnits) || left < bytes || size - at < bytes) break;
      uint64_t record[4] = {};
      memcpy(record, packed, bytes);
      memcpy(to + at, packed, bytes);
      packed += bytes;
      at += bytes;
      if (code == kUnit) {
        if (is_exit(record[0])) known.learn_exit(record);
      } else if (is_control(record[1])) {
        known.time = record[0];
      } else {
        known.learn_entry(record, &seen_);
      }
    }
  }
  return at;
}

}  // namespace telinject::drain
