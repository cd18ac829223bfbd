// The consuming side of one lane: finds what has been written, copies it out, gives the chunks
// back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "shim/channel/message.h"
#include "shim/drain/records/chunk_pool.h"
#include "shim/drain/records/record_memory.h"
#include "shim/drain/records/record_packing.h"
#include "shim/drain/records/segment_view.h"

namespace telinject::drain {

// A message in one piece, as the collector passes it on (collect/message_gate.h).
struct WholeMessage {
  MessageType type = {};
  uint64_t ticks = 0;
};

// Whole records that lie one behind the other in a lane; or a message.
struct Run {
  uint64_t position = 0;  // of the first record; the others follow
  RecordBytes bytes;
  bool messages = false;  // some of them are of messages
  // 0: `bytes` are the records; else they are packed (record_packing.h), so many bytes of them.
  size_t unpacked_bytes = 0;
  // If there is one, `bytes` are its content, of any size. Never packed.
  std::optional<WholeMessage> message = std::nullopt;

  size_t size() const { return unpacked_bytes != 0 ? unpacked_bytes : bytes.size(); }
};

class LaneReader {
 public:
  // `pool` and `memory` must outlive the reader.
  LaneReader(SegmentView* segment, uint32_t lane, ChunkPool* pool, RecordMemory* memory);

  // How much of a lane is taken. A chunk that is still written to shares cache lines with its
  // writer, and is left alone while the thread fills one after the other.
  enum class Take { kComplete, kAll };

  // Appends what has been written since the last call, at most one run for each chunk and
  // kMostChunks of them. Returns the bytes of the records.
  // With a packer, runs without messages are packed: in one pass, for what a thread at full speed
  // writes has to be taken as fast.
  size_t read(std::vector<Run>* out, RecordPacker* packer, Take take);
  static constexpr size_t kMostChunks = 16;

  // The thread has ended: what is there is all there will be. Reads on behind holes that its hooks
  // left (counted in lost_records()), then makes the lane ready for its next owner.
  size_t read_rest(std::vector<Run>* out, RecordPacker* packer);

  // The lane's thread has ended, by whatever means.
  bool owner_has_ended() const;

  // All records before this time have been read. `now` if nothing else is there.
  uint64_t read_until(uint64_t now) const;

  // Chunks that are complete and have not been read.
  uint64_t unread_chunks() const;

  // A hole keeps back the records behind it: a hook that a signal handler has interrupted, usually
  // for microseconds. True if so much has been written since that it will not be closed, or if the
  // program has no more room.
  bool is_stuck() const;
  void skip_hole();

  // What the lane's chain says makes no sense. It is read no further.
  bool is_broken() const { return broken_; }

  uint64_t lost_records() const { return lost_records_; }

 private:
  bool begin();
  bool is_chunk_of_ours(uint32_t chunk, uint64_t number) const;
  uint64_t open_number() const;
  uint64_t first_word(uint64_t offset) const;
  uint64_t end_of_chunk() const;
  void take_run(RecordPacker* packer, std::vector<Run>* out);
  bool pack(RecordPacker* packer, Run* run, uint64_t* at);
  void copy(Run* run, uint64_t* at);
  bool find_written(uint64_t from, uint64_t to, uint64_t* found) const;
  bool go_on_behind_hole(uint64_t reach);
  void enter_next_chunk();
  void give_up();
  void release_held();

  SegmentView* segment_;
  uint32_t lane_;
  ChunkPool* pool_;
  RecordMemory* memory_;
  LaneHeader* header_;
  // The chunk that is read, where its next record is, and how far it may go.
  bool begun_ = false;
  uint64_t number_ = 0;
  uint32_t chunk_ = 0;
  std::byte* base_ = nullptr;
  uint64_t offset_ = 0, end_ = 0;
  bool skipped_ = false;  // a hole in it: who reserved it may write there yet
  // The chunk before, over which the program walks back to find its current span.
  bool held_ = false;
  uint32_t held_chunk_ = 0;
  uint64_t held_end_ = 0;
  std::vector<uint32_t> kept_;  // with holes: not for others while the thread lives
  bool broken_ = false;
  uint64_t lost_records_ = 0;
};

}  // namespace telinject::drain
