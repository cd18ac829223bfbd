// Redacts texts in a program's messages: texts of exceptions and failed assertions, thread names
// and module paths.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "shim/channel/message.h"
#include "shim/messages/message_redactor.h"
#include "shim/redaction/redactor.h"

namespace telinject {

class TextMessages final : public MessageRedactor {
 public:
  explicit TextMessages(redaction::Redactor redactor = redaction::Redactor())
      : redactor_(std::move(redactor)) {}

  bool takes(MessageType type) const override;
  bool take(LaneMessage message, std::vector<LaneMessage>* out) override;
  void give_up(uint32_t, uint32_t, std::vector<LaneMessage>*) override {}
  void forget(uint32_t) override {}

 private:
  // Each returns false if the message is malformed; it is then dropped.
  bool redact(MessageType type, std::string* message);
  bool thrown(std::string* message);
  bool crash(std::string* message);
  bool thread(std::string* message);
  bool module(std::string* message);

  redaction::Redactor redactor_;
};

}  // namespace telinject
