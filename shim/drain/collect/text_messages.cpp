#include "shim/drain/collect/text_messages.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace telinject::drain {

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

bool TextMessages::takes(MessageType type) {
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

void TextMessages::redact(MessageType type, std::string* message) {
  switch (type) {
    case MessageType::kThread:
      return thread(message);
    case MessageType::kThreadName:
      *message = redactor_.text(*message);
      return;
    case MessageType::kModule:
      return module(message);
    case MessageType::kThrow:
      return thrown(message);
    case MessageType::kCrash:
      return crash(message);
    default:
      return;
  }
}

void TextMessages::thrown(std::string* message) {
  ThrowMessage head;
  if (!read_head(*message, &head)) return;
  size_t at = sizeof head + head.frames * sizeof(uint64_t) + head.type_bytes;
  if (at > message->size()) return;
  replace_text(message, head, at,
               redactor_.text(std::string_view(*message).substr(at, head.text_bytes)));
}

void TextMessages::crash(std::string* message) {
  CrashMessage head;
  if (!read_head(*message, &head)) return;
  size_t at = sizeof head + head.frames * sizeof(uint64_t);
  if (at > message->size()) return;
  replace_text(message, head, at,
               redactor_.text(std::string_view(*message).substr(at, head.text_bytes)));
}

// Its name has room for 15 characters.
void TextMessages::thread(std::string* message) {
  ThreadMessage head;
  if (!read_head(*message, &head)) return;
  std::string name(head.name, strnlen(head.name, sizeof head.name));
  std::string redacted = redactor_.text(name);
  if (redacted == name) return;
  std::memset(head.name, 0, sizeof head.name);
  redacted.copy(head.name, sizeof head.name - 1);
  std::memcpy(message->data(), &head, sizeof head);
}

// A path with a secret in it leads nowhere any more: functions of that module have no names.
void TextMessages::module(std::string* message) {
  if (message->size() <= sizeof(ModuleMessage)) return;
  std::string path = redactor_.path(std::string_view(*message).substr(sizeof(ModuleMessage)));
  message->resize(sizeof(ModuleMessage));
  message->append(path, 0, kMaxMessageBytes - sizeof(ModuleMessage));
}

}  // namespace telinject::drain
