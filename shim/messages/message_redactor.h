// Messages that may not leave the collector as a program wrote them, because they may hold secrets:
// HTTP's header blocks, for example. A redactor makes of each what may be written to a disk.
//
// Each kind of operation has one. The collector (shim/drain/collect/message_gate.h) knows them by
// this interface only. A message of an operation that no redactor takes goes no further.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "shim/channel/message.h"

namespace telinject {

// A message in one piece, and its place. `segment` is the drain's number of the program's memory;
// `position` is that of the message's first record in the lane: spans are named after it.
struct LaneMessage {
  uint32_t segment = 0, lane = 0;
  uint64_t position = 0, ticks = 0;
  MessageType type = {};
  std::string bytes;
};

// Used by one thread at a time.
class MessageRedactor {
 public:
  virtual ~MessageRedactor() = default;

  virtual bool takes(MessageType type) const = 0;

  // Appends what goes on in the message's place, or nothing if it makes no sense. Returns false if
  // the message waits for one that another lane brings: then a later call of take() or give_up()
  // appends it. Each result has segment, lane and position of the message that it was made of.
  virtual bool take(LaneMessage message, std::vector<LaneMessage>* out) = 0;

  // What messages of this lane wait for does not come: appends them, as far as they can be told,
  // and whatever waited for them.
  virtual void give_up(uint32_t segment, uint32_t lane, std::vector<LaneMessage>* out) = 0;

  // The segment is over: what is known of it may be dropped.
  virtual void forget(uint32_t segment) = 0;
};

}  // namespace telinject
