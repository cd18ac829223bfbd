// Messages in batches that may hold secrets: each is taken out, and what may be written to a disk
// put in its place before the batch goes on: of HTTP's the digest (shim/http/digest.h), of others
// the same with its texts redacted (text_messages.h). What comes after the collector, the spool and
// recordings included, never sees a raw header block or an error's raw text.
//
// A digest is written as records again, in a run of its own that has the message's position: spans
// are named by that. It may be longer than what was there.
#pragma once

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "shim/drain/collect/text_messages.h"
#include "shim/drain/queue/batch_queue.h"
#include "shim/drain/records/message_assembler.h"
#include "shim/drain/records/record_memory.h"
#include "shim/http/digest.h"

namespace telinject::drain {

class HttpRecords {
 public:
  HttpRecords(redaction::Redactor redactor, RecordMemory* memory)
      : digester_(redactor), texts_(std::move(redactor)), memory_(memory) {}

  void digest(Batch* batch);

 private:
  using Lane = std::pair<SegmentId, uint32_t>;
  // What a lane's pieces belong to: the last may not have been collected yet.
  struct Open {
    MessageAssembler messages;
    uint64_t ticks = 0;
    bool ours = false;
    size_t pieces_left = 0;  // without a message they may be of anything: they go no further
  };

  void walk(const LaneRun& run, std::vector<LaneRun>* out);
  void whole(const LaneRun& run, AssembledMessage message, uint64_t ticks,
             std::vector<LaneRun>* out);

  HttpDigester digester_;
  TextMessages texts_;
  RecordMemory* memory_;
  std::map<Lane, Open> open_;
  std::vector<HttpMessage> digests_;
};

// A message as records, as the program writes them.
RecordBytes message_as_records(MessageType type, uint64_t ticks, const std::string& bytes,
                               RecordMemory* memory);

}  // namespace telinject::drain
