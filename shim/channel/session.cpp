#include "shim/channel/session.h"

#include <sys/socket.h>

#include "shim/channel/limits.h"
#include "shim/channel/sha256.h"
#include "shim/channel/text.h"

namespace telinject {

namespace {

void add_hex(TextBuffer* text, const uint8_t* bytes, size_t count) {
  for (size_t i = 0; i < count; i++) text->hex(bytes[i], 2);
}

// Half of a hash of what it is for and the secret, in hex digits. `purpose` has one letter, so that
// none is the beginning of another.
void derive_name(char purpose, const uint8_t secret[kSecretBytes],
                 char out[kSessionNameDigits + 1]) {
  uint8_t input[kSecretBytes + 1] = {static_cast<uint8_t>(purpose)};
  for (size_t i = 0; i < kSecretBytes; i++) input[1 + i] = secret[i];
  TextBuffer text(out, kSessionNameDigits + 1);
  add_hex(&text, sha256(input, sizeof input).bytes, kSessionNameDigits / 2);
}

bool parse_secret(const char* digits, uint8_t out[kSecretBytes]) {
  for (size_t i = 0; i < kSecretBytes; i++) {
    uint64_t byte;
    if (!parse_hex(digits + 2 * i, 2, &byte)) return false;
    out[i] = static_cast<uint8_t>(byte);
  }
  return true;
}

}  // namespace

void set_session_secret(const uint8_t secret[kSecretBytes], Session* session) {
  for (size_t i = 0; i < kSecretBytes; i++) session->secret[i] = secret[i];
  derive_name('n', secret, session->name);
  derive_name('f', secret, session->file);
}

bool is_session_secret(const Session& session, const uint8_t secret[kSecretBytes]) {
  volatile uint8_t different = 0;  // so that no compiler ends the loop early
  for (size_t i = 0; i < kSecretBytes; i++) {
    different = static_cast<uint8_t>(different | (session.secret[i] ^ secret[i]));
  }
  return different == 0;
}

bool parse_session(const char* text, Session* out) {
  *out = {};
  const char* p = text;
  if (p[0] != '2' || p[1] != ':') return false;
  p += 2;
  if ((p[0] != 'r' && p[0] != 'p') || p[1] != ':') return false;
  out->mode = static_cast<SessionMode>(p[0]);
  p += 2;
  if ((p[0] != 't' && p[0] != 'm') || p[1] != ':') return false;
  out->clock = p[0] == 't' ? ClockKind::kTsc : ClockKind::kMonotonic;
  p += 2;
  uint64_t memory, uid;
  p = parse_number(p, &memory);
  if (p == nullptr || *p != ':' || memory > kMostWaitingBytes) return false;
  out->waiting_bytes = memory;
  p++;
  p = parse_number(p, &uid);
  if (p == nullptr || *p != ':' || uid > 0xffffffff) return false;
  out->uid = static_cast<uint32_t>(uid);
  p++;
  uint8_t secret[kSecretBytes];
  constexpr size_t kDigits = 2 * kSecretBytes;
  if (!parse_secret(p, secret) || p[kDigits] != ':') return false;
  set_session_secret(secret, out);
  p += kDigits + 1;
  size_t length = text_length(p);
  if (length >= kSessionDirectoryBytes || (length > 0 && p[0] != '/')) return false;
  for (size_t i = 0; i < length; i++) out->directory[i] = p[i];
  return true;
}

void format_session(const Session& session, char out[kSessionTextBytes]) {
  TextBuffer text(out, kSessionTextBytes);
  text.add("2:").add(static_cast<char>(session.mode)).add(':');
  text.add(session.clock == ClockKind::kTsc ? "t:" : "m:").number(session.waiting_bytes).add(':');
  text.number(session.uid).add(':');
  add_hex(&text, session.secret, kSecretBytes);
  text.add(':').add(session.directory);
}

bool parse_record_ref(const char* text, RecordRef* out) {
  *out = {};
  uint64_t segment, lane, position;
  if (text_length(text) != 16 + 1 + 3 + 1 + 16) return false;
  if (!parse_hex(text, 16, &segment) || text[16] != ':' || !parse_hex(text + 17, 3, &lane) ||
      text[20] != ':' || !parse_hex(text + 21, 16, &position)) {
    return false;
  }
  *out = {segment, position, static_cast<uint32_t>(lane), 0};
  return segment != 0;
}

void format_record_ref(const RecordRef& ref, char out[kParentTextBytes]) {
  TextBuffer text(out, kParentTextBytes);
  text.hex(ref.segment, 16).add(':').hex(ref.lane, 3).add(':').hex(ref.position, 16);
}

uint32_t session_path_address(const Session& session, sockaddr_un* out) {
  *out = {};
  if (session.directory[0] == 0) return 0;
  out->sun_family = AF_UNIX;
  TextBuffer text(out->sun_path, sizeof out->sun_path);
  text.add(session.directory).add('/').add(session.file);
  if (text.overflow()) return 0;
  return static_cast<uint32_t>(offsetof(sockaddr_un, sun_path) + text.size() + 1);
}

uint32_t session_abstract_address(const Session& session, sockaddr_un* out) {
  *out = {};
  out->sun_family = AF_UNIX;
  TextBuffer text(out->sun_path + 1, sizeof out->sun_path - 1);
  text.add("telinject-").add(session.name);
  return static_cast<uint32_t>(offsetof(sockaddr_un, sun_path) + 1 + text.size());
}

}  // namespace telinject
