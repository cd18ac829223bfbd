// Redactors take secrets out of messages before these leave the collector: out of HTTP's header
// blocks, for example. Their result may be written to disk.
//
// Each kind of operation has one. The collector (shim/drain/collect/message_gate.h) uses them
// through this interface only. It drops messages that no redactor takes.
#pragma once

#include <cstdint>
#include <memory>
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

  // Appends the redacted message, or nothing if the message is malformed. Returns false if the
  // message must wait for one from another lane: a later call of take() or give_up() then appends
  // it. Each result keeps the segment, lane and position of its message.
  virtual bool take(LaneMessage message, std::vector<LaneMessage>* out) = 0;

  // The messages that this lane's messages wait for will not come. Appends the waiting ones, as far
  // as they can be decoded, and those that waited for them.
  virtual void give_up(uint32_t segment, uint32_t lane, std::vector<LaneMessage>* out) = 0;

  // The segment is over: its state may be dropped.
  virtual void forget(uint32_t segment) = 0;
};

using MessageRedactors = std::vector<std::unique_ptr<MessageRedactor>>;

}  // namespace telinject
