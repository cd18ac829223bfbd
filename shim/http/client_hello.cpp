#include "shim/http/client_hello.h"

#include <algorithm>

namespace telinject {

namespace {

enum Extension : uint16_t { kServerName = 0, kApplicationProtocols = 16, kSupportedVersions = 43 };
constexpr size_t kMaxServerName = 255;

// Reads big-endian numbers and counted pieces; what is not there is empty.
class Bytes {
 public:
  explicit Bytes(std::string_view bytes) : bytes_(bytes) {}
  bool empty() const { return bytes_.empty(); }
  uint32_t number(int size) {
    uint32_t value = 0;
    for (int i = 0; i < size; i++) {
      value = value << 8 | (bytes_.empty() ? 0 : static_cast<unsigned char>(bytes_.front()));
      bytes_.remove_prefix(std::min<size_t>(1, bytes_.size()));
    }
    return value;
  }
  std::string_view take(size_t size) {
    std::string_view taken = bytes_.substr(0, size);
    bytes_.remove_prefix(taken.size());
    return taken;
  }
  Bytes counted(int size_bytes) {
    size_t size = number(size_bytes);
    return Bytes(take(size));
  }
  std::string_view rest() const { return bytes_; }

 private:
  std::string_view bytes_;
};

bool is_grease(uint32_t value) {
  return (value & 0x0f0f) == 0x0a0a;
}

bool is_host_name(std::string_view text) {
  return !text.empty() && text.size() <= kMaxServerName &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '-' || c == '.' || c == '_';
         });
}

void take_extension(uint32_t type, Bytes content, ClientHello* out) {
  if (type == kServerName) {
    Bytes names = content.counted(2);
    while (!names.empty()) {
      uint32_t kind = names.number(1);
      std::string_view name = names.counted(2).rest();
      if (kind == 0 && is_host_name(name)) out->server_name = name;
    }
  } else if (type == kApplicationProtocols) {
    Bytes names = content.counted(2);
    while (!names.empty() && out->protocols.size() < kMaxServerName) {
      std::string_view name = names.counted(1).rest();
      bool plain = std::all_of(name.begin(), name.end(), [](char c) { return c > ' ' && c < 127; });
      if (name.empty() || !plain) continue;
      out->protocols.append(out->protocols.empty() ? "" : ",").append(name);
    }
  } else if (type == kSupportedVersions) {
    Bytes versions = content.counted(1);
    while (versions.rest().size() >= 2) {
      uint32_t version = versions.number(2);
      if (is_grease(version)) continue;
      out->version = std::max(out->version, static_cast<uint16_t>(version));
    }
  }
}

}  // namespace

bool parse_client_hello(std::string_view bytes, ClientHello* out) {
  constexpr uint32_t kHandshake = 22, kHello = 1;
  *out = {};
  Bytes record(bytes);
  if (record.number(1) != kHandshake || record.number(1) != 3) return false;
  record.number(1);
  Bytes handshake = record.counted(2);
  if (handshake.number(1) != kHello) return false;
  Bytes hello = handshake.counted(3);
  auto legacy = static_cast<uint16_t>(hello.number(2));
  if (legacy >> 8 != 3) return false;
  out->version = legacy;
  hello.take(32);  // random
  hello.counted(1);
  hello.counted(2);
  hello.counted(1);
  Bytes extensions = hello.counted(2);
  while (extensions.rest().size() >= 4) {
    uint32_t type = extensions.number(2);
    take_extension(type, extensions.counted(2), out);
  }
  return true;
}

std::string_view tls_version_text(uint16_t version) {
  switch (version) {
    case 0x0300:
      return "3.0";
    case 0x0301:
      return "1.0";
    case 0x0302:
      return "1.1";
    case 0x0303:
      return "1.2";
    case 0x0304:
      return "1.3";
    default:
      return "";
  }
}

}  // namespace telinject
