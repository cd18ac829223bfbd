// A connection as the program's side of HTTP capture sees it: where in which message each of its
// two directions is, and the exchanges that are open.
//
// Two threads may work on one connection at once, one in each direction; never two in the same one
// (`state`, below). What both touch is atomic: the exchanges, and what is decided once (protocol,
// role). All zero is a connection that nothing has passed yet.
#pragma once

#include <http_parser.h>

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "hooks/http/chunks.h"
#include "hooks/http/traffic.h"
#include "hooks/lane/state.h"
#include "shim/channel/http_message.h"

namespace telinject::program {

struct Lane;
struct Connection;

inline constexpr uint32_t kPipeline = 64;  // requests that may wait for their responses
inline constexpr size_t kMaxBlockBytes = 16 * 1024;
inline constexpr size_t kMaxHelloBytes = 2 * 1024;
inline constexpr size_t kMaxServerName = 255;
inline constexpr size_t kMaxProtocol = 15;

enum class Protocol : uint8_t {
  kUnknown,  // nothing or too little has passed
  kHttp1,
  kHttp2,
  kTls,      // not decrypted here
  kGivenUp,  // HTTP that is not read any more (given_up.h)
  kOther,    // nothing that is looked at
};

// When something passed. The clock is not read before it is asked for.
class Moment {
 public:
  Moment() = default;
  Moment(uint64_t ticks) : ticks_(ticks) {}  // NOLINT(google-explicit-constructor)
  operator uint64_t() const {                // NOLINT(google-explicit-constructor)
    if (ticks_ == 0) ticks_ = read_ticks();
    return ticks_;
  }

 private:
  mutable uint64_t ticks_ = 0;  // 0: not read yet
};

// A part of a message that may come in pieces: header block, ClientHello. Bounded.
struct Gathering {
  uint8_t* bytes;  // of the pool of blocks; null while nothing was gathered
  uint32_t size;
  bool truncated;
};

// A gathered part in one piece.
struct Block {
  const uint8_t* data;
  uint32_t size;
  bool truncated;
  bool no_traceparent = false;  // there is none, as is known already
  bool no_upgrade = false;      // likewise
};

// Where in HTTP/1 a direction is.
enum class Stage : uint8_t { kBetween, kStart, kHead, kBody, kTrailers };

struct StreamBytes {
  std::atomic<uint32_t> stream;  // 0: free
  uint32_t reserved;
  std::atomic<uint64_t> bytes;
};
inline constexpr uint32_t kStreams = 256;  // of a direction
static_assert(2 * kStreams * sizeof(StreamBytes) <= kMaxBlockBytes);

// Where in HTTP/2 a direction is.
struct FrameReader {
  uint32_t left;      // of the frame's payload
  uint32_t stream;    // of the frame
  uint32_t promised;  // of a PUSH_PROMISE
  uint32_t opened;    // the highest stream that this direction's HEADERS have opened
  uint32_t sequence;  // of its next header block
  uint32_t block_stream;
  uint64_t frame_ticks;  // when its first byte passed
  uint8_t preface;       // how much of the connection preface has passed
  uint8_t head_bytes;    // of the frame's head
  uint8_t head[9];
  uint8_t type, flags;
  uint8_t fixed_bytes, fixed_wanted;  // pad length, priority, promised stream, error code
  uint8_t fixed[8];
  uint8_t padding;
  bool in_block;  // HEADERS or PUSH_PROMISE without END_HEADERS has passed
  uint8_t block_type, block_flags;
  bool settled;  // SETTINGS has passed, as it must first
};

// How many bytes at the start of a connection decide what it is (preamble.h).
inline constexpr size_t kOpeningBytes = 11;
// In place of their number: what passes stands before HTTP or TLS.
inline constexpr uint8_t kInPreamble = 0xff;

struct Direction {
  http_parser parser;
  uint64_t start_ticks;  // of the message's or block's first byte; 0: not read yet
  uint64_t bytes;        // of the body so far; of TLS: of all
  uint64_t call_ticks;   // when the call began that sends now; 0: not known
  uint32_t exchange;     // whose message this is
  Stage stage;
  ChunkStep chunk;
  bool interim;   // the message is a 1xx
  bool bare;      // the message has no exchange: a request that is not recorded
                  // (unsampled_responses.h), a response to one that was not seen
  bool unread;    // an answer to one of these passes
  bool to_http2;  // the message is a 101 to HTTP/2
  bool astray;    // since then something has passed that begins no answer, though one is due
  uint8_t undecided_bytes;
  uint8_t undecided[kOpeningBytes];  // the first bytes, while they are too few to say what they are
  Gathering gathering;
};

// What the sides of an exchange that ask and answer share.
enum ExchangeFlags : uint32_t {
  kAsked = 1,            // its request's header block is complete
  kRequestDone = 2,      // all of its request has passed
  kResponseDone = 4,     // all of its response has passed
  kRecorded = 8,         // the drain has been told of it
  kHeadRequest = 16,     // its response has no body
  kConnectRequest = 32,  // a 2xx makes a tunnel
  kUpgraded = 64,
  kToHttp2 = 128,  // with kUpgraded: it is answered in HTTP/2, on stream 1
};

struct Exchange {
  std::atomic<uint32_t> number;  // 0: free
  std::atomic<uint32_t> flags;
  uint64_t request_bytes, response_bytes;  // of the bodies, once they are complete
  uint64_t response_ticks;                 // of the response's last byte
  Lane* lane;                              // of a server: the thread that took the request
};

// Who is at work on a connection, and what the last of them has to do.
enum ConnectionState : uint32_t {
  kReceiveBusy = 1,
  kSendBusy = 2,
  kClosing = 4,  // closed meanwhile: the thread at work ends it
  kGiveUp = 8,   // two threads met in one direction: not looked at any more
};

// The state of a header block that the parser reads (http1_start.h, http1.cpp).
struct HeadReader {
  uint64_t length;  // what Content-Length says, if there is one
  bool has_length;
  uint8_t method_bytes;
  uint8_t method[8];  // its beginning
};

// What stands before HTTP or TLS on a connection (preamble.h).
enum class PreambleKind : uint8_t { kNone, kProxy1, kProxy2, kSocks4, kSocks5 };

struct Preamble {
  PreambleKind kind;
  Way asks;         // the direction that begins it
  uint8_t step[2];  // by Way: pieces that have passed
  // Whom a proxy before a server speaks for, and whom one before a client is asked to connect to.
  AddressForm client_form, target_form;
  uint8_t client_bytes, target_bytes;
  uint16_t client_port, target_port;
  uint8_t client[40];
  uint8_t target[kMaxServerName];
};

// The state of a connection that is given up (given_up.h).
struct GivenUp {
  std::atomic<uint8_t> answered;  // the last bytes were the server's
  bool http2;
};

// The served request that a client's connection was made for (turns.h).
struct Cause {
  TraceContext span;  // valid 0: none is known
  Connection* served;
  uint64_t served_id;
  uint32_t exchange;
  uint32_t doubts;  // the count of doubts (turns.cpp) when the connection was made
};

// What an exchange does not touch if it is alone: many connections take little of the caches.
struct ConnectionRest {
  Exchange exchanges[kPipeline - 1];  // those after the first that is open
  FrameReader frames[2];              // HTTP/2, by Way
  HeadReader heads[2];                // HTTP/1, by Way
  Preamble preamble;
  GivenUp given_up;
  HttpContext context;  // of an opaque TLS connection
  Cause cause;          // of a client's first request
  uint32_t caused;      // of a server: the last exchange whose connection has been used
  char server_name[kMaxServerName];
  char alpn[kMaxProtocol];
};

struct alignas(64) Connection {
  std::atomic<uint32_t> state;
  int32_t descriptor;  // of which the addresses are asked; -1: not known
  uint64_t process;    // that looks at it: a forked child has a copy
  uint64_t id;         // unique in its segment
  const void* tls;     // the TLS library's object, or null
  HttpLayer layer;
  std::atomic<HttpRole> role;
  std::atomic<Protocol> protocol;
  bool proxied;
  bool announced;  // its kHttpConnection is written, as it is now
  bool ever_announced;
  bool tls_announced;
  std::atomic<bool> pending;  // connected; nothing has passed yet (turns.h)
  bool noted;                 // turn_connects() was called when it was made
  bool pipelines;             // requests have been sent before the one before was answered
  // A request without an exchange has come, and its answer has not begun: the flags that the
  // exchange would have. 0: there is none.
  std::atomic<uint32_t> bare;
  Lane* bare_lane;  // the thread that took it
  uint16_t tls_version;
  uint8_t server_name_bytes, protocol_bytes;
  uint32_t asked;                    // how many requests have begun
  uint32_t answered;                 // how many have had their final response
  std::atomic<uint32_t> open;        // exchanges
  std::atomic<uint32_t> first_open;  // the number of the first since none was open
  Direction direction[2];            // by Way
  Exchange exchange;                 // that of the number first_open
  ConnectionRest* rest;
  std::atomic<uint32_t> references;  // descriptors that are this connection
  uint32_t number;                   // in the pool
  StreamBytes* streams;              // HTTP/2: kStreams of each direction
  uint64_t start_ticks;              // of an opaque TLS connection
  int32_t send_error;                // errno of a send that failed
};

inline Direction& direction_of(Connection& connection, Way way) {
  return connection.direction[static_cast<int>(way)];
}
inline const Direction& direction_of(const Connection& connection, Way way) {
  return connection.direction[static_cast<int>(way)];
}
inline FrameReader& frame_of(Connection& connection, Way way) {
  return connection.rest->frames[static_cast<int>(way)];
}
// A moment before: what the traffic will need is brought near while the kernel, or the TLS library,
// is at work. (A server has many connections, and much else in its caches.)
inline void expect_traffic(const Connection& connection, Way way) {
  const Direction& direction = connection.direction[static_cast<int>(way)];
  __builtin_prefetch(&connection, 1);
  __builtin_prefetch(&direction, 1);
  __builtin_prefetch(&direction.gathering, 1);
  __builtin_prefetch(&connection.exchange, 1);
}
// A client's of which nothing has passed yet.
inline bool is_before_first(const Connection& connection) {
  return connection.role.load(std::memory_order_relaxed) == HttpRole::kClient &&
         connection.protocol.load(std::memory_order_relaxed) == Protocol::kUnknown &&
         connection.direction[0].undecided_bytes == 0 &&
         connection.direction[1].undecided_bytes == 0;
}
constexpr Way other(Way way) {
  return way == Way::kSent ? Way::kReceived : Way::kSent;
}
// The direction that requests pass in. Once the role is known.
inline Way request_way(const Connection& connection) {
  return connection.role.load(std::memory_order_relaxed) == HttpRole::kServer ? Way::kReceived
                                                                              : Way::kSent;
}

}  // namespace telinject::program
