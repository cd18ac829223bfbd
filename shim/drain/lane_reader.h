// The consuming side of one lane: finds what has been written, copies it out, gives the space back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "shim/drain/record_memory.h"
#include "shim/drain/record_packing.h"
#include "shim/drain/segment_view.h"

namespace telinject {

// Whole records that lie one behind the other in a lane; Wrap records are left out.
struct Run {
  uint64_t position = 0;  // of the first record; the others follow
  RecordBytes bytes;
  bool messages = false;  // some of them are of messages
  // 0: `bytes` are the records; else they are packed (record_packing.h), so many bytes of them.
  size_t unpacked_bytes = 0;

  size_t size() const { return unpacked_bytes != 0 ? unpacked_bytes : bytes.size(); }
};

class LaneReader {
 public:
  // `memory` must outlive the reader.
  LaneReader(SegmentView* segment, uint32_t lane, RecordMemory* memory);

  // Appends what has been written since the last call, one run for each lap of the ring it lies in.
  // Returns the bytes
  // of the records; at most a ring full.
  // With a packer, runs without messages are packed: in one pass, for what a thread at full speed
  // writes has to be taken as fast.
  size_t read(std::vector<Run>* out, RecordPacker* packer = nullptr);

  // The thread has ended: what is there is all there will be. Reads on behind holes that its hooks
  // left (counted in lost_records()), then makes the lane ready for its next owner.
  size_t read_rest(std::vector<Run>* out);

  // The lane's thread has ended, by whatever means.
  bool owner_has_ended() const;

  // A hole keeps back the records behind it: a hook that a signal handler has interrupted, usually
  // for microseconds. True if the ring has meanwhile filled up behind it: then it will not be
  // closed.
  bool is_stuck() const;
  void skip_hole();

  uint64_t lost_records() const { return lost_records_; }

 private:
  const uint64_t* words(uint64_t offset) const;
  uint64_t first_word(uint64_t offset) const;
  uint64_t limit() const;
  bool read_lap(RecordPacker* packer, std::vector<Run>* out);
  bool pack_lap(RecordPacker* packer, Run* run, uint64_t* at, bool* wrapped);
  void copy_lap(Run* run, uint64_t* at, bool* wrapped);
  bool find_written(uint64_t from, uint64_t to, uint64_t* found) const;
  void release_to(uint64_t lap, uint64_t offset);
  void zero(uint64_t from, uint64_t to);

  RecordMemory* memory_;
  LaneHeader* header_;
  std::byte* ring_;
  uint64_t ring_bytes_;
  uint64_t end_;                             // of ring and spill
  uint64_t history_bytes_;                   // left in place behind the reader
  uint64_t lap_, offset_;                    // next record to read
  uint64_t released_lap_, released_offset_;  // next byte to give back
  uint64_t previous_end_ = 0;                // where the lap before ended, its Wrap record included
  uint64_t lost_records_ = 0;
};

}  // namespace telinject
