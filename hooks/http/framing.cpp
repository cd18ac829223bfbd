#include "hooks/http/framing.h"

#include "hooks/http/at_work.h"
#include "hooks/http/given_up.h"
#include "hooks/http/pools.h"
#include "hooks/http/preamble.h"
#include "hooks/http/report.h"
#include "hooks/http/unsampled_responses.h"

namespace telinject::program {

namespace {

size_t frame_as(Connection& connection, Protocol protocol, Way way, const uint8_t* data,
                size_t size, const Moment& now) {
  switch (protocol) {
    case Protocol::kHttp1:
      return frame_http1(connection, way, data, size, now);
    case Protocol::kHttp2:
      return frame_http2(connection, way, data, size, now);
    case Protocol::kTls:
      return frame_tls(connection, way, data, size, now);
    case Protocol::kGivenUp:
      count_given_up(connection, way, data, size);
      break;
    case Protocol::kUnknown:
    case Protocol::kOther:
      break;
  }
  return size;
}

void decide(Connection& connection, Way way, Protocol found) {
  // A connection that is decrypted already, or whose library is watched, is not told as TLS.
  if (found == Protocol::kTls &&
      (connection.tls != nullptr || tls_without_descriptor(connection))) {
    found = Protocol::kOther;
  }
  if (found == Protocol::kTls) leave_out_of(connection);
  if (found == Protocol::kHttp2 && connection.role.load() == HttpRole::kUnknown) {
    bool preface = direction_of(connection, way).undecided[0] == 'P';
    connection.role.store((way == Way::kSent) == preface ? HttpRole::kClient : HttpRole::kServer);
  }
  Protocol unknown = Protocol::kUnknown;
  connection.protocol.compare_exchange_strong(unknown, found);
}

// A preamble begins. Behind SOCKS a server passes on what it does not serve itself.
void decide(Connection& connection, Way way, PreambleKind preamble) {
  bool relays = preamble == PreambleKind::kSocks4 || preamble == PreambleKind::kSocks5;
  if (relays && connection.role.load() == HttpRole::kServer) {
    decide(connection, way, Protocol::kOther);
  } else {
    begin_preamble(connection, way, preamble);
  }
}

// Gathers the first bytes until they tell what they are, and then passes them on. The usual ones
// need not be gathered, and so are read in one piece with what follows them.
size_t frame_first(Connection& connection, Way way, const uint8_t* data, size_t size,
                   const Moment& now) {
  Direction& direction = direction_of(connection, way);
  if (direction.undecided_bytes == kInPreamble) {
    return frame_preamble(connection, way, data, size, now);
  }
  if (direction.undecided_bytes == 0) {
    Opening opening = opening_of(data, size);
    if (opening.protocol == Protocol::kHttp1) {
      decide(connection, way, Protocol::kHttp1);
      return 0;
    }
    if (opening.preamble != PreambleKind::kNone) {
      decide(connection, way, opening.preamble);
      return 0;
    }
    direction.start_ticks = now;
  }
  size_t taken = 0;
  while (taken < size && direction.undecided_bytes < sizeof direction.undecided) {
    direction.undecided[direction.undecided_bytes++] = data[taken++];
    Opening opening = opening_of(direction.undecided, direction.undecided_bytes);
    if (opening.preamble != PreambleKind::kNone) {
      gather(&direction.gathering, direction.undecided, direction.undecided_bytes);
      decide(connection, way, opening.preamble);
      break;
    }
    if (opening.protocol == Protocol::kUnknown) continue;
    decide(connection, way, opening.protocol);
    break;
  }
  return taken;
}

// What has been gathered. A preamble's may hold a password.
void drop(Direction& direction) {
  if (direction.undecided_bytes == kInPreamble) return wipe_gathered(&direction.gathering);
  drop_gathered(&direction.gathering);
}

// The bytes that were held back while it was not known what they are.
void replay(Connection& connection, Direction& direction, Way way) {
  uint8_t bytes[sizeof direction.undecided];
  size_t size = direction.undecided_bytes;
  if (size > sizeof bytes) return;  // a preamble that the other direction has begun just now
  __builtin_memcpy(bytes, direction.undecided, size);
  direction.undecided_bytes = 0;
  Protocol protocol = connection.protocol.load();
  frame_as(connection, protocol, way, bytes, size, direction.start_ticks);
}

}  // namespace

void frame_bytes(Connection& connection, Way way, const uint8_t* data, size_t size,
                 const Moment& now) {
  if (way == Way::kSent && leave_unread(connection, data, size)) return;
  Direction& direction = direction_of(connection, way);
  while (size > 0) {
    Protocol protocol = connection.protocol.load(std::memory_order_relaxed);
    if (protocol == Protocol::kOther) return;
    size_t taken = 0;
    if (protocol == Protocol::kHttp1 && direction.undecided_bytes == 0) {
      taken = frame_http1(connection, way, data, size, now);
    } else if (protocol == Protocol::kUnknown) {
      taken = frame_first(connection, way, data, size, now);
    } else if (direction.undecided_bytes == kInPreamble) {
      taken = frame_preamble(connection, way, data, size, now);
    } else if (direction.undecided_bytes > 0) {
      replay(connection, direction, way);
    } else {
      taken = frame_as(connection, protocol, way, data, size, now);
    }
    data += taken;
    size -= taken;
  }
  // All of it may have been needed to decide.
  if (direction.undecided_bytes > 0 && direction.undecided_bytes != kInPreamble &&
      connection.protocol.load() != Protocol::kUnknown) {
    replay(connection, direction, way);
  }
}

void frame_unseen(Connection& connection, Way way, uint64_t size, const Moment& now) {
  if (way == Way::kSent && leave_unread(connection, nullptr, size)) return;
  Direction& direction = direction_of(connection, way);
  switch (connection.protocol.load(std::memory_order_relaxed)) {
    case Protocol::kHttp1:
      return skip_http1(connection, way, size, now);
    case Protocol::kHttp2:
      return skip_http2(connection, way, size, now);
    case Protocol::kTls:
      direction.bytes += size;
      return;
    case Protocol::kGivenUp:
      return count_given_up(connection, way, nullptr, size);
    case Protocol::kUnknown:
    case Protocol::kOther:
      connection.protocol.store(Protocol::kOther);
      return;
  }
}

void frame_end_of_stream(Connection& connection, Way way, const Moment& now) {
  if (connection.protocol.load() == Protocol::kHttp1) end_of_http1(connection, way, now);
}

void frame_closed(Connection& connection, HttpEndReason reason, int error, const Moment& now) {
  switch (connection.protocol.load()) {
    case Protocol::kHttp1:
      return close_http1(connection, reason, error, now);
    case Protocol::kHttp2:
      return close_http2(connection, reason, error, now);
    case Protocol::kTls:
      return close_tls(connection, now);
    case Protocol::kGivenUp:
    case Protocol::kUnknown:
    case Protocol::kOther:
      return;
  }
}

namespace {

// Header blocks, of whichever side.
bool has_passed_http2(const Connection& connection) {
  return connection.rest->frames[0].sequence + connection.rest->frames[1].sequence != 0;
}

}  // namespace

void give_up(Connection& connection, const Moment& now) {
  Protocol before = connection.protocol.load();
  if (before == Protocol::kGivenUp) return;
  bool spoke_http = connection.asked != 0 || connection.answered != 0 ||
                    (before == Protocol::kHttp2 && has_passed_http2(connection));
  frame_closed(connection, HttpEndReason::kUnparsed, 0, now);
  connection.rest->given_up.http2 = before == Protocol::kHttp2;
  connection.protocol.store(spoke_http ? Protocol::kGivenUp : Protocol::kOther);
  if (spoke_http) report_given_up(connection);
}

void switch_protocol(Connection& connection, Protocol protocol) {
  for (Direction& direction : connection.direction) {
    drop(direction);
    uint32_t exchange = direction.exchange;
    __builtin_memset(static_cast<void*>(&direction), 0, sizeof direction);
    direction.exchange = exchange;
  }
  for (FrameReader& frame : connection.rest->frames) frame = {};
  connection.protocol.store(protocol);
}

void release_memory(Connection& connection) {
  for (Direction& direction : connection.direction) {
    drop(direction);
  }
  free_block(reinterpret_cast<uint8_t*>(connection.streams));
  connection.streams = nullptr;
}

}  // namespace telinject::program
