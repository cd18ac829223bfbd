#include "hooks/http/preamble.h"

#include <sys/socket.h>

#include "hooks/http/framing.h"
#include "hooks/http/http1_start.h"
#include "hooks/http/pools.h"

namespace telinject::program {

namespace {

constexpr uint8_t kSignature[] = {'\r', '\n', '\r', '\n', 0, '\r', '\n', 'Q', 'U', 'I', 'T', '\n'};
constexpr char kText[] = "PROXY ";
constexpr size_t kTextSize = sizeof kText - 1;
constexpr uint8_t kTlsHandshake = 0x16;
constexpr uint8_t kSocks4 = 4, kSocks5 = 5, kConnect = 1, kPassword = 1, kGranted4 = 0x5a;

uint16_t port_at(const uint8_t* at) {
  return static_cast<uint16_t>(at[0] << 8 | at[1]);
}

// How many of the bytes are the text's beginning.
template <typename Text>
size_t common(const uint8_t* bytes, size_t size, const Text& text, size_t text_size) {
  size_t n = 0;
  while (n < size && n < text_size && bytes[n] == static_cast<uint8_t>(text[n])) n++;
  return n;
}

// ---- what a connection begins with

// An empty line before a request, or the signature of the PROXY protocol's version 2.
Opening opening_of_line_end(const uint8_t* bytes, size_t size) {
  size_t same = common(bytes, size, kSignature, kOpeningBytes);
  if (same == kOpeningBytes) return {Protocol::kUnknown, PreambleKind::kProxy2};
  if (same == size) return {};
  for (size_t i = 0; i < size; i++) {
    if (bytes[i] == '\r' || bytes[i] == '\n') continue;
    return {is_token_character(bytes[i]) ? Protocol::kHttp1 : Protocol::kOther};
  }
  return {Protocol::kHttp1};
}

// "PRI " is no method of HTTP/1 but the preface of HTTP/2; "PROXY TCP4" and the like no request.
Opening opening_of_p(const uint8_t* bytes, size_t size) {
  constexpr char kPreface[] = "PRI ";
  constexpr size_t kPrefaceSize = sizeof kPreface - 1;
  if (size > 1 && bytes[1] != 'R') return {Protocol::kHttp1};
  size_t same = common(bytes, size, kPreface, kPrefaceSize);
  if (same == kPrefaceSize) return {Protocol::kHttp2};
  if (same == size) return {};
  same = common(bytes, size, kText, kTextSize);
  if (same == size) return {};
  bool proxy = same == kTextSize && (bytes[same] == 'T' || bytes[same] == 'U');
  return proxy ? Opening{Protocol::kUnknown, PreambleKind::kProxy1} : Opening{Protocol::kHttp1};
}

Opening opening_of_tls(const uint8_t* bytes, size_t size) {
  constexpr uint8_t kClientHello = 1, kServerHello = 2;
  constexpr size_t kHello = 6;  // the record's head and the message's type
  if (size > 1 && bytes[1] != 3) return {Protocol::kOther};
  if (size > 2 && bytes[2] > 4) return {Protocol::kOther};
  if (size < kHello) return {};
  // The answer may be read by one thread before another one is back from sending what it answers.
  bool hello = bytes[5] == kClientHello || bytes[5] == kServerHello;
  return {hello ? Protocol::kTls : Protocol::kOther};
}

// The SETTINGS of an HTTP/2 server that speaks first: length, type 4, no flags, stream 0.
Opening opening_of_settings(const uint8_t* bytes, size_t size) {
  for (size_t i = 1; i < size && i < 9; i++) {
    if (i != 2 && bytes[i] != (i == 3 ? 4 : i == 1 ? bytes[1] : 0)) return {Protocol::kOther};
    if (i == 1 && bytes[1] > 1) return {Protocol::kOther};
  }
  if (size < 9) return {};
  return {(bytes[1] * 256 + bytes[2]) % 6 == 0 ? Protocol::kHttp2 : Protocol::kOther};
}

// SOCKS: to connect (4), or with some methods of authentication to choose from (5). An answer may
// be seen before what it answers; the smallest method is 0.
Opening opening_of_socks(const uint8_t* bytes, size_t size) {
  if (size < 2) return {};
  if (bytes[0] == kSocks5) return {Protocol::kUnknown, PreambleKind::kSocks5};
  if (bytes[1] != kConnect) return {Protocol::kOther};
  return {Protocol::kUnknown, PreambleKind::kSocks4};
}

// ---- the pieces of a preamble

// A piece of `size` bytes; 0: it goes on in the bytes to come.
struct Piece {
  size_t size = 0;
  bool sound = true;
  bool last = false;  // of the preamble, in its direction
};
constexpr Piece kMore = {};
constexpr Piece kNonsense = {0, false, false};

// "PROXY TCP4 source destination port port\r\n", or "PROXY UNKNOWN" and anything.
Piece read_proxy1(Preamble* preamble, const uint8_t* bytes, size_t size) {
  constexpr size_t kMaxLine = 107, kFamilySize = 5;
  size_t end = 0;
  while (end < size && bytes[end] != '\n') end++;
  if (end == size) return size < kMaxLine ? kMore : kNonsense;
  if (end == 0 || end >= kMaxLine || bytes[end - 1] != '\r') return kNonsense;
  Piece line = {end + 1, true, true};
  const uint8_t* at = bytes + kTextSize;
  const uint8_t* line_end = bytes + end - 1;
  if (at + kFamilySize > line_end || at[0] != 'T' || at[4] != ' ') return line;
  at += kFamilySize;
  const uint8_t* source = at;
  while (at < line_end && *at != ' ') at++;
  auto length = static_cast<size_t>(at - source);
  if (length == 0 || length > sizeof preamble->client) return line;
  // Behind the destination.
  for (at++; at < line_end && *at != ' ';) at++;
  uint32_t port = 0;
  for (at++; at < line_end && *at >= '0' && *at <= '9' && port < 10000; at++) {
    port = port * 10 + (*at - '0');
  }
  if (at >= line_end || *at != ' ' || port > 0xffff) return line;
  __builtin_memcpy(preamble->client, source, length);
  preamble->client_bytes = static_cast<uint8_t>(length);
  preamble->client_port = static_cast<uint16_t>(port);
  preamble->client_form = AddressForm::kText;
  return line;
}

// Signature, version and command, family, length; then the addresses.
Piece read_proxy2(Preamble* preamble, const uint8_t* bytes, size_t size) {
  constexpr size_t kHead = 16;
  constexpr uint8_t kLocal = 0x20, kProxied = 0x21, kTcp4 = 0x11, kTcp6 = 0x21;
  if (common(bytes, size, kSignature, sizeof kSignature) <
      (size < sizeof kSignature ? size : sizeof kSignature)) {
    return kNonsense;
  }
  if (size < kHead) return kMore;
  uint8_t command = bytes[12], family = bytes[13];
  if (command != kLocal && command != kProxied) return kNonsense;
  size_t whole = kHead + port_at(bytes + 14);
  if (size < whole) return kMore;
  size_t address = family == kTcp4 ? 4 : family == kTcp6 ? 16 : 0;
  if (command == kProxied && address != 0 && whole >= kHead + 2 * address + 4) {
    __builtin_memcpy(preamble->client, bytes + kHead, address);
    preamble->client_bytes = static_cast<uint8_t>(address);
    preamble->client_port = port_at(bytes + kHead + 2 * address);
    preamble->client_form = AddressForm::kBinary;
  }
  return {whole, true, true};
}

void set_target(Preamble* preamble, AddressForm form, const uint8_t* bytes, size_t size,
                uint16_t port) {
  __builtin_memcpy(preamble->target, bytes, size);
  preamble->target_bytes = static_cast<uint8_t>(size);
  preamble->target_port = port;
  preamble->target_form = form;
}

// Up to a zero; 0: it is not there yet.
size_t terminated(const uint8_t* bytes, size_t size) {
  for (size_t i = 0; i < size; i++) {
    if (bytes[i] == 0) return i + 1;
  }
  return 0;
}

// Version, command, port, address, the user's name; of 4a the target's name behind it.
Piece read_socks4(Preamble* preamble, const uint8_t* bytes, size_t size) {
  constexpr size_t kHead = 8, kMaxUser = 256;
  if (size < kHead) return kMore;
  size_t user = terminated(bytes + kHead, size - kHead);
  if (user == 0) return size - kHead > kMaxUser ? kNonsense : kMore;
  const uint8_t* address = bytes + 4;
  uint16_t port = port_at(bytes + 2);
  size_t whole = kHead + user;
  if (address[0] != 0 || address[1] != 0 || address[2] != 0 || address[3] == 0) {
    set_target(preamble, AddressForm::kBinary, address, 4, port);
    return {whole, true, true};
  }
  size_t name = terminated(bytes + whole, size - whole);
  if (name == 0) return size - whole > kMaxServerName ? kNonsense : kMore;
  if (name > kMaxServerName) return kNonsense;
  set_target(preamble, AddressForm::kText, bytes + whole, name - 1, port);
  return {whole + name, true, true};
}

Piece read_socks4_answer(const uint8_t* bytes, size_t size) {
  constexpr size_t kSize = 8;
  if (size == 0) return kMore;
  if (bytes[0] != 0 || (size > 1 && bytes[1] != kGranted4)) return kNonsense;
  return size < kSize ? kMore : Piece{kSize, true, true};
}

// The size of a SOCKS 5 request or answer from its address on (form, address, port). 0: more is
// needed; ~0: that is none.
size_t socks5_address(const uint8_t* bytes, size_t size, AddressForm* form, size_t* at,
                      size_t* length) {
  constexpr uint8_t kIpv4 = 1, kName = 3, kIpv6 = 4;
  if (size < 2) return 0;
  *form = bytes[0] == kName ? AddressForm::kText : AddressForm::kBinary;
  *at = bytes[0] == kName ? 2 : 1;
  *length = bytes[0] == kIpv4 ? 4 : bytes[0] == kIpv6 ? 16 : bytes[0] == kName ? bytes[1] : 0;
  if (*length == 0) return ~size_t{0};
  size_t whole = *at + *length + 2;
  return size < whole ? 0 : whole;
}

// The methods; then, if the server wants them, user and password; then the request.
Piece read_socks5(Preamble* preamble, uint8_t step, const uint8_t* bytes, size_t size) {
  constexpr size_t kHead = 3;
  if (size < 2) return kMore;
  if (step == 0) {
    size_t whole = 2u + bytes[1];
    if (bytes[0] != kSocks5 || bytes[1] == 0) return kNonsense;
    return size < whole ? kMore : Piece{whole, true, false};
  }
  if (bytes[0] == kPassword) {
    size_t user = 2u + bytes[1];
    if (size <= user) return kMore;
    size_t whole = user + 1 + bytes[user];
    return size < whole ? kMore : Piece{whole, true, false};
  }
  if (bytes[0] != kSocks5 || bytes[1] != kConnect) return kNonsense;
  if (size < kHead) return kMore;
  AddressForm form;
  size_t at, length;
  size_t rest = socks5_address(bytes + kHead, size - kHead, &form, &at, &length);
  if (rest == ~size_t{0}) return kNonsense;
  if (rest == 0) return kMore;
  const uint8_t* address = bytes + kHead + at;
  set_target(preamble, form, address, length, port_at(address + length));
  return {kHead + rest, true, true};
}

// The method that it chooses; then whether the password is right; then whether it is connected.
Piece read_socks5_answer(uint8_t step, const uint8_t* bytes, size_t size) {
  constexpr size_t kHead = 3;
  constexpr uint8_t kNoMethod = 0, kUserAndPassword = 2, kGood = 0;
  if (size < 2) return kMore;
  if (step == 0) {
    bool known = bytes[1] == kNoMethod || bytes[1] == kUserAndPassword;
    return bytes[0] == kSocks5 && known ? Piece{2, true, false} : kNonsense;
  }
  if (bytes[1] != kGood) return kNonsense;
  if (bytes[0] == kPassword) return {2, true, false};
  if (bytes[0] != kSocks5) return kNonsense;
  if (size < kHead) return kMore;
  AddressForm form;
  size_t at, length;
  size_t rest = socks5_address(bytes + kHead, size - kHead, &form, &at, &length);
  if (rest == ~size_t{0}) return kNonsense;
  return rest == 0 ? kMore : Piece{kHead + rest, true, true};
}

Piece read_piece(Preamble* preamble, Way way, const uint8_t* bytes, size_t size) {
  bool asks = preamble->asks == way;
  uint8_t step = preamble->step[static_cast<int>(way)];
  switch (preamble->kind) {
    case PreambleKind::kProxy1:
      return read_proxy1(preamble, bytes, size);
    case PreambleKind::kProxy2:
      return read_proxy2(preamble, bytes, size);
    case PreambleKind::kSocks4:
      return asks ? read_socks4(preamble, bytes, size) : read_socks4_answer(bytes, size);
    case PreambleKind::kSocks5:
      return asks ? read_socks5(preamble, step, bytes, size)
                  : read_socks5_answer(step, bytes, size);
    case PreambleKind::kNone:
      break;
  }
  return kNonsense;
}

bool is_socks(PreambleKind kind) {
  return kind == PreambleKind::kSocks4 || kind == PreambleKind::kSocks5;
}

void preamble_over(Connection& connection, Direction& direction) {
  direction.undecided_bytes = 0;
  if (is_socks(connection.rest->preamble.kind)) connection.proxied = true;
  connection.announced = false;
}

}  // namespace

Opening opening_of(const uint8_t* bytes, size_t size) {
  uint8_t first = bytes[0];
  if (first == 'P') return opening_of_p(bytes, size);
  if (is_token_character(first)) return {Protocol::kHttp1};
  switch (first) {
    case '\r':
    case '\n':
      return opening_of_line_end(bytes, size);
    case kTlsHandshake:
      return opening_of_tls(bytes, size);
    case 0:
      return opening_of_settings(bytes, size);
    case kSocks4:
    case kSocks5:
      return opening_of_socks(bytes, size);
    default:
      return {Protocol::kOther};
  }
}

bool may_open(uint8_t first) {
  constexpr uint8_t kOthers[] = {'\r', '\n', kTlsHandshake, 0, kSocks4, kSocks5};
  for (uint8_t other : kOthers) {
    if (first == other) return true;
  }
  return is_token_character(first);
}

void begin_preamble(Connection& connection, Way way, PreambleKind kind) {
  Preamble& preamble = connection.rest->preamble;
  HttpRole role = connection.role.load(std::memory_order_relaxed);
  preamble.kind = kind;
  preamble.asks = role == HttpRole::kUnknown ? way : request_way(connection);
  preamble.step[0] = preamble.step[1] = 0;
  direction_of(connection, way).undecided_bytes = kInPreamble;
  if (is_socks(kind)) direction_of(connection, other(way)).undecided_bytes = kInPreamble;
}

size_t frame_preamble(Connection& connection, Way way, const uint8_t* data, size_t size,
                      const Moment& now) {
  Direction& direction = direction_of(connection, way);
  Preamble& preamble = connection.rest->preamble;
  size_t before = direction.gathering.bytes != nullptr ? direction.gathering.size : 0;
  Block block = gathered(&direction.gathering, data, size);
  Piece piece = read_piece(&preamble, way, block.data, block.size);
  // A second proxy is asked before the first has answered: what was gathered means something else.
  bool less = piece.size != 0 && piece.size <= before;
  if (!piece.sound || less || (piece.size == 0 && block.truncated)) {
    direction.undecided_bytes = 0;
    wipe_gathered(&direction.gathering);
    give_up(connection, now);
    return size;
  }
  if (piece.size == 0) {
    if (direction.gathering.bytes == nullptr) gather(&direction.gathering, data, size);
    return size;
  }
  wipe_gathered(&direction.gathering);
  preamble.step[static_cast<int>(way)] = 1;
  if (piece.last) preamble_over(connection, direction);
  return piece.size - before;
}

}  // namespace telinject::program
