// HTTP messages in batches: each is taken out and its digest (shim/http/digest.h) put in its place,
// before the batch goes on. What comes after the collector, the spool and recordings included,
// never sees a raw header block.
//
// A digest is written as records again, in a run of its own that has the message's position: spans
// are named by that. It may be longer than what was there.
#pragma once

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "shim/drain/queue/batch_queue.h"
#include "shim/drain/records/message_assembler.h"
#include "shim/drain/records/record_memory.h"
#include "shim/http/digest.h"

namespace telinject::drain {

class HttpRecords {
 public:
  HttpRecords(HttpRedaction redaction, RecordMemory* memory)
      : digester_(std::move(redaction)), memory_(memory) {}

  void digest(Batch* batch);

 private:
  using Lane = std::pair<SegmentId, uint32_t>;
  // What a lane's pieces belong to: the last may not have been collected yet.
  struct Open {
    MessageAssembler messages;
    uint64_t ticks = 0;
    bool http = false;
    size_t pieces_left = 0;  // without a message they may be of anything: they go no further
  };

  void walk(const LaneRun& run, std::vector<LaneRun>* out);
  void whole(const LaneRun& run, AssembledMessage message, uint64_t ticks,
             std::vector<LaneRun>* out);

  HttpDigester digester_;
  RecordMemory* memory_;
  std::map<Lane, Open> open_;
  std::vector<HttpMessage> digests_;
};

// A message as records, as the program writes them.
RecordBytes message_as_records(MessageType type, uint64_t ticks, const std::string& bytes,
                               RecordMemory* memory);

}  // namespace telinject::drain
