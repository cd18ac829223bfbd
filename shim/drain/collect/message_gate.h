// Messages of operations, and others that may hold secrets, in batches: each is put together, taken
// out, and what its redactor makes of it (shim/messages/message_redactor.h) put in its place,
// before the batch goes on. What comes after the collector, the spool and recordings included,
// never sees the raw message.
//
// From here on such a message is one piece: a run of its own (Run::message) at the position of its
// first record.
//
// A message may wait for one of another lane (HTTP/2's header blocks are compressed, each needs the
// one before). Then its lane stops there: what follows is kept back, and the batch vouches for no
// time behind it. So the order of records stays as it was, and each lane has one message that waits
// at most. It is given up when all that was written before has been read, and kMostNs have gone by
// (a record that a signal handler has interrupted is read later); or when the lane has kMostBytes
// more, ends, or is flushed.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "shim/drain/queue/batch_queue.h"
#include "shim/drain/records/message_assembler.h"
#include "shim/drain/records/record_memory.h"
#include "shim/messages/message_redactor.h"

namespace telinject::drain {

class MessageGate {
 public:
  static constexpr uint64_t kMostNs = 100000000;
  static constexpr uint64_t kMostNsAnyway = 5000000000;  // where clocks differ
  static constexpr size_t kMostBytes = 4 << 20;

  // `memory` is for what redactors make, and must outlive the gate.
  MessageGate(MessageRedactors redactors, RecordMemory* memory)
      : redactors_(std::move(redactors)), memory_(memory) {}

  // `now_ns`: of any clock that only goes forward.
  void pass(Batch* batch, uint64_t now_ns);

 private:
  using LaneKey = std::pair<SegmentId, uint32_t>;
  struct Waiting {
    uint64_t position, ticks;
  };
  struct Lane {
    // What its pieces belong to: the last may not have been collected yet.
    MessageAssembler messages;
    uint64_t ticks = 0;
    MessageRedactor* redactor = nullptr;
    bool open = false;       // a message of an operation or with a redactor has begun
    size_t pieces_left = 0;  // without a message they may be of anything: they go no further
    // A message that waits, and what follows it, as it was read.
    std::optional<Waiting> waiting;
    uint64_t waits_since_ns = 0;
    std::deque<LaneRun> kept;
    size_t kept_bytes = 0;
  };

  void feed(LaneRun run);
  void walk(Lane* lane, const LaneRun& run);
  bool begin(Lane* lane, const uint64_t* record, uint64_t position);
  void whole(Lane* lane, const LaneRun& run, AssembledMessage message);
  MessageRedactor* redactor_of(MessageType type) const;
  void place(LaneMessage message);
  void place_all();
  void go_on(Lane* lane);
  void resume();
  void give_up(const LaneKey& key);
  void give_up_late(const Batch& batch);
  void end_lanes(const Batch& batch);
  void finish(Batch* batch);

  MessageRedactors redactors_;
  RecordMemory* memory_;
  std::map<LaneKey, Lane> lanes_;
  size_t stopped_ = 0;          // lanes with a message that waits
  std::vector<LaneKey> ready_;  // lanes that can go on
  uint64_t now_ns_ = 0;
  std::vector<LaneRun> out_;           // of the batch in hand
  std::vector<LaneMessage> redacted_;  // of the message in hand
};

}  // namespace telinject::drain
