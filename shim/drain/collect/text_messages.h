// The texts in a program's messages: what exceptions and failed assertions say, the names of
// threads, the paths of modules. They may hold secrets, so they are redacted before they go on.
#pragma once

#include <string>
#include <utility>

#include "shim/channel/message.h"
#include "shim/redaction/redactor.h"

namespace telinject::drain {

class TextMessages {
 public:
  explicit TextMessages(redaction::Redactor redactor) : redactor_(std::move(redactor)) {}

  static bool takes(MessageType type);
  // A message of a type that it takes. What makes no sense stays as it is but for its end: nothing
  // of a text is left that the sizes in the message do not cover.
  void redact(MessageType type, std::string* message);

 private:
  void thrown(std::string* message);
  void crash(std::string* message);
  void thread(std::string* message);
  void module(std::string* message);

  redaction::Redactor redactor_;
};

}  // namespace telinject::drain
