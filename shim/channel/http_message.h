// What the traced program tells about HTTP, as messages (message.h) in the lanes of the threads
// that sent or received.
//
// The program finds where each message begins and ends, copies its header block and counts its
// body; URLs, header maps, HPACK, redaction and the pairing of it all are the drain's work. One
// exchange is a kHttpRequest, a kHttpResponse and a kHttpEnd; they may come from different threads'
// lanes, and so in any order, but for a kHttpConnection, which is written before its connection's
// first exchange.
//
// HTTP/2: header blocks are sent as they are on the wire (kHttpHeaders), all of them, sampled or
// not, because HPACK needs every block in the order of `sequence`. The drain makes the exchanges of
// them.
//
// Ids. A request's span id is span_id() of its message's place, unless its header block carries a
// traceparent that a transfer of this process issued (kHttpTransfer): then that one is its id.
#pragma once

#include <cstdint>

#include "shim/channel/operation.h"

namespace telinject {

enum class HttpRole : uint8_t { kUnknown, kClient, kServer };
enum class HttpLayer : uint8_t { kSocket, kOpenssl, kGnutls };

using HttpParent = OperationParent;
using HttpContext = OperationContext;

// How an address stands in a message.
enum class AddressForm : uint8_t {
  kNone,
  kText,    // a name, or an address as text
  kBinary,  // IPv4 or IPv6, by its size
};

// Facts about a connection; sent again when they change (what was not known is 0).
struct HttpConnectionMessage {
  uint64_t connection;  // unique in its segment, forked children included
  HttpRole role;
  HttpLayer layer;
  uint8_t family;        // AF_INET, AF_INET6, AF_UNIX; 0: not known (a memory BIO)
  uint8_t proxied;       // behind a CONNECT of ours
  uint16_t tls_version;  // as on the wire: 0x0303 TLS 1.2, 0x0304 TLS 1.3; 0: none or unknown
  uint16_t peer_port, local_port;  // host order
  uint16_t peer_path_bytes;        // AF_UNIX
  uint16_t server_name_bytes;      // SNI
  uint16_t protocol_bytes;         // ALPN, as "h2"
  uint16_t client_port, target_port;
  uint8_t peer_address[16], local_address[16];
  // Whom a proxy before this server speaks for (PROXY protocol), and whom one before this client
  // was asked to connect to (SOCKS).
  AddressForm client_form, target_form;
  uint8_t client_bytes, target_bytes;
  uint32_t reserved;
  // followed by the path, the server name, the protocol, the client, the target
};

enum HttpFlags : uint16_t {
  kHttpTruncated = 1,    // the header block did not fit: what follows is its beginning
  kHttpTrailers = 2,     // trailers, not the header block
  kHttpInterim = 4,      // 1xx
  kHttpEndOfStream = 8,  // HTTP/2: END_STREAM came with it
  kHttpFromPeer = 16,    // received; else sent
  kHttpPush = 32,        // PUSH_PROMISE
  kHttpServed = 64,      // of a server's request: its thread serves nothing else. Functions that it
                     // calls from here on, and client requests, are the request's children, until
                     // its kHttpEnd, or the next kHttpRequest with kHttpFromPeer in this lane
  kHttpAllTold = 128,  // of a client's request: the drain has been told of each request that the
                       // process has been sent
};

// An HTTP/1 request whose header block is complete.
struct HttpRequestMessage {
  uint64_t connection;
  uint64_t start_ticks;  // of its first byte
  uint64_t transfer;     // kHttpTransfer that was under way on this thread; 0: none
  HttpContext context;
  uint32_t exchange;  // 1.. within the connection
  uint16_t flags;
  uint16_t header_bytes;
  // followed by the header block: request line, fields, without the empty line at its end
};

// An HTTP/1 response whose header block is complete.
struct HttpResponseMessage {
  uint64_t connection;
  uint64_t start_ticks;  // of its first byte
  uint32_t exchange;
  uint16_t flags;
  uint16_t header_bytes;
  // followed by the header block
};

// A block of an HTTP/2 stream, CONTINUATIONs joined.
struct HttpHeadersMessage {
  uint64_t connection;
  uint64_t start_ticks;  // of the frame's first byte
  uint64_t transfer;     // as above
  HttpContext context;   // of a block that opens a stream
  uint32_t stream;
  uint32_t sequence;  // of the blocks of one direction of the connection: 0, 1, ...
  uint16_t flags;
  uint16_t block_bytes;
  uint32_t promised;  // PUSH_PROMISE
  // followed by the block
};

enum class HttpEndReason : uint8_t {
  kComplete,
  kClosed,    // the connection was closed, here or there, before the end
  kReset,     // HTTP/2: RST_STREAM, `error` its code; or GOAWAY
  kFailed,    // the system call or TLS library reported an error: `error` is its errno, or 0
  kUnparsed,  // not what the parser understands; the connection is no longer looked at
  kUpgraded,  // 101, or CONNECT 2xx: what follows is not HTTP
  kReused,    // its descriptor was seen for another socket
};

// The last byte of an exchange, both ways; or, of HTTP/2, of one direction of a stream if `half`.
// With both, an HTTP/1 request goes on as that stream: its answer will come in HTTP/2 (Upgrade:
// h2c). With neither exchange nor stream it is the connection's own: of HTTP/2 that of all streams
// that are open still; of HTTP/1 `half` is set, for its exchanges have ends of their own. The
// thread that closes a connection is often another one than those that used it: so of HTTP/2 it
// says how many blocks there were, which other lanes may still hold.
struct HttpEndMessage {
  uint64_t connection;
  uint64_t ticks;       // of the last byte of the response (or of what ended it)
  uint64_t sent_bytes;  // of the body, without chunk sizes, framing and padding
  uint64_t received_bytes;
  uint32_t exchange;  // HTTP/2: 0
  uint32_t stream;    // HTTP/2
  int32_t error;
  HttpEndReason reason;
  uint8_t half;  // HTTP/2: this direction only, by kHttpFromPeer in `flags`
  uint16_t flags;
  uint32_t sent_blocks, received_blocks;  // HTTP/2, of the connection: kHttpHeaders in all
};

// libcurl begins a transfer: perform, or add_handle of a multi handle. It may make several
// exchanges (redirects, authentication), each with an id of its own, and in that order: the first
// is span_id() of this message's place, the n-th of the place n units of 16 bytes behind it.
struct HttpTransferMessage {
  uint64_t transfer;  // unique in its segment
  HttpContext context;
  uint32_t ids;  // how many ids it may issue: the records that this message takes
  uint16_t url_bytes;
  uint16_t reserved;
  // followed by the URL that was set
};

// ... and ends.
struct HttpTransferEndMessage {
  uint64_t transfer;
  int32_t result;  // CURLcode; -1: removed or cleaned up before it was done
  int32_t http_version, response_code, redirects, connects, peer_port;
  uint32_t issued;  // ids that went out in headers
  uint32_t reserved;
  // microseconds since the start, as CURLINFO_*_TIME_T has them
  int64_t name_lookup_us, connect_us, tls_us, pretransfer_us, first_byte_us, total_us, redirect_us;
  int64_t sent_bytes, received_bytes;
  uint16_t peer_bytes, url_bytes, error_bytes, method_bytes;
  // followed by the peer's address in text, the effective URL, the error's text, the method
};

// A TLS connection that is not decrypted here (its TLS library is none that we know, or static).
// Sent when its ClientHello has been seen, and again (closed) with the bytes when it is closed.
struct TlsConnectionMessage {
  uint64_t connection;
  uint64_t start_ticks, end_ticks;  // end 0: still open
  uint64_t sent_bytes, received_bytes;
  HttpContext context;
  uint16_t hello_bytes;
  uint16_t reserved[3];
  // followed by the ClientHello, from its record header, at most 2 KiB
};

}  // namespace telinject
