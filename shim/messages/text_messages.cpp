#include "shim/messages/text_messages.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace telinject {

namespace {

template <typename Head>
bool read_head(const std::string& message, Head* head) {
  if (message.size() < sizeof *head) return false;
  std::memcpy(head, message.data(), sizeof *head);
  return true;
}

// What lies from `at` on, at most `size` bytes, becomes `text`; the message ends there.
template <typename Head>
void replace_text(std::string* message, Head head, size_t at, const std::string& text) {
  size_t most = kMaxMessageBytes - std::min(at, kMaxMessageBytes);
  head.text_bytes = static_cast<uint16_t>(std::min({text.size(), most, size_t{UINT16_MAX}}));
  std::memcpy(message->data(), &head, sizeof head);
  message->resize(at);
  message->append(text, 0, head.text_bytes);
}

}  // namespace

bool TextMessages::takes(MessageType type) const {
  switch (type) {
    case MessageType::kThread:
    case MessageType::kThreadName:
    case MessageType::kModule:
    case MessageType::kThrow:
    case MessageType::kCrash:
      return true;
    default:
      return false;
  }
}

bool TextMessages::take(LaneMessage message, std::vector<LaneMessage>* out) {
  if (redact(message.type, &message.bytes)) out->push_back(std::move(message));
  return true;
}

bool TextMessages::redact(MessageType type, std::string* message) {
  switch (type) {
    case MessageType::kThread:
      return thread(message);
    case MessageType::kModule:
      return module(message);
    case MessageType::kThrow:
      return thrown(message);
    case MessageType::kCrash:
      return crash(message);
    default:  // a thread's name
      *message = redactor_.text(*message);
      return true;
  }
}

bool TextMessages::thrown(std::string* message) {
  ThrowMessage head;
  if (!read_head(*message, &head)) return false;
  size_t at = sizeof head + head.frames * sizeof(uint64_t) + head.type_bytes;
  if (at > message->size()) return false;
  replace_text(message, head, at,
               redactor_.text(std::string_view(*message).substr(at, head.text_bytes)));
  return true;
}

bool TextMessages::crash(std::string* message) {
  CrashMessage head;
  if (!read_head(*message, &head)) return false;
  size_t at = sizeof head + head.frames * sizeof(uint64_t);
  if (at > message->size()) return false;
  replace_text(message, head, at,
               redactor_.text(std::string_view(*message).substr(at, head.text_bytes)));
  return true;
}

// Its name has room for 15 characters.
bool TextMessages::thread(std::string* message) {
  ThreadMessage head;
  if (!read_head(*message, &head)) return false;
  std::string name(head.name, strnlen(head.name, sizeof head.name));
  std::string redacted = redactor_.text(name);
  std::memset(head.name, 0, sizeof head.name);
  redacted.copy(head.name, sizeof head.name - 1);
  std::memcpy(message->data(), &head, sizeof head);
  message->resize(sizeof head);
  return true;
}

// A path with a secret in it leads nowhere any more: functions of that module have no names.
bool TextMessages::module(std::string* message) {
  if (message->size() < sizeof(ModuleMessage)) return false;
  std::string path = redactor_.path(std::string_view(*message).substr(sizeof(ModuleMessage)));
  message->resize(sizeof(ModuleMessage));
  message->append(path, 0, kMaxMessageBytes - sizeof(ModuleMessage));
  return true;
}

}  // namespace telinject
