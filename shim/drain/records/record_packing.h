// Records in an eighth of their room, while they wait: a plain call's 48 bytes are 6.
//
// A program calls the same functions from the same places again and again, and what returns is what
// was entered last. So a table of entries that were seen, and a stack of those that are open, tell
// most of a record; its time is little later than the one before. Packer and unpacker learn the
// same from the same records, and begin anew with each run: any run can be unpacked by itself.
//
//   A run, packed, in units of 16 bits, little-endian:
//     time << 1 | 1             the exit of the last open entry
//     slot << 2 | 0, time       an entry as the one in that slot, its frame as far below the last
//                               open one's as it was then
//     0 << 2 | 2, 64 bits       no record: so much later is it now (modulo 2^64)
//     1 << 2 | 2, 16 bytes      as it is: a record of one unit, or what else is there
//     2 << 2 | 2, 32 bytes      as it is: a record of two
//   `time`: ticks since the record before.
//
// Any records can be packed, and come back as they were; if they are many different ones, packed is
// what they are.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "shim/channel/record.h"

namespace telinject::drain {

namespace packing {

// Entries that were seen, but for their times.
class SeenEntries {
 public:
  // 32 bytes, so that none spans two cache lines.
  struct alignas(32) Slot {
    uint64_t function, call_site;
    uint64_t step;  // return address << 32 | how far its frame is below the last open one's
    uint32_t run;   // in which it was seen; 0: never
  };
  static constexpr size_t kSlots = 4096;

  void begin_run();
  // Where it is, or kSlots.
  size_t find(uint64_t function, uint64_t call_site, uint64_t step) const;
  void add(uint64_t function, uint64_t call_site, uint64_t step);
  // Null if it is in use by no entry of this run.
  const Slot* at(size_t slot) const {
    return slot < kSlots && slots_[slot].run == run_ ? &slots_[slot] : nullptr;
  }

 private:
  std::unique_ptr<Slot[]> slots_ = std::make_unique<Slot[]>(kSlots);
  uint32_t run_ = 0;
};

}  // namespace packing

class RecordPacker {
 public:
  // Replaces packed() by that run; if it would not become smaller it stays as it is. `size` is a
  // multiple of kUnitBytes.
  void pack(const std::byte* records, size_t size);

  // The same of what a thread has written to its lane by now, as far as these are whole records:
  // up to one of a message, or `room`.
  struct Written {
    size_t size;   // of the records
    bool message;  // is what comes next
  };
  Written pack_written(const std::byte* records, size_t room);

  std::span<const std::byte> packed() const { return {buffer_.get(), used_}; }

 private:
  void make_room(size_t size);
  void end_run(const std::byte* records, size_t size, const std::byte* end);

  packing::SeenEntries seen_;
  std::unique_ptr<std::byte[]> buffer_;
  size_t used_ = 0, room_ = 0;
};

class RecordUnpacker {
 public:
  // The `size` bytes of records that were packed into `packed` bytes, of which the first are there.
  // Returns how many of them could be unpacked: less if some are missing or make no sense.
  size_t unpack(std::span<const std::byte> there, size_t packed, std::byte* to, size_t size);

 private:
  packing::SeenEntries seen_;
};

}  // namespace telinject::drain
