// A connection, and one HTTP exchange on it.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "shim/channel/http_message.h"
#include "shim/channel/ids.h"
#include "shim/events/event.h"
#include "shim/http/url.h"

namespace telinject {

struct HttpConnection {
  HttpRole role = HttpRole::kUnknown;
  HttpLayer layer = HttpLayer::kSocket;
  bool proxied = false;
  uint16_t tls_version = 0;
  uint8_t family = 0;
  uint16_t peer_port = 0, local_port = 0;
  std::string peer_address, local_address;  // as text; the path for AF_UNIX; "" if unknown
  std::string server_name, protocol;        // SNI, ALPN
  // The client that a proxy before this server names (PROXY protocol), and the server that this
  // client asked a SOCKS proxy for; "" if there is none.
  std::string client_address, target_host;
  uint16_t client_port = 0, target_port = 0;
  uint32_t open = 0;  // exchanges

  // Takes what the message contains; the rest stays. False if the message is malformed.
  bool add(std::string_view message);
  void add_ends(const HttpConnectionMessage& head, std::string_view client,
                std::string_view target);
  std::string proxy_target() const;  // "host:port", "" if there is none
  bool tls() const { return tls_version != 0 || layer != HttpLayer::kSocket; }

  template <typename Archive>
  void io(Archive& a) {
    a(role, layer, proxied, tls_version, family, peer_port, local_port, peer_address, local_address,
      server_name, protocol, open);
    a(client_address, target_host, client_port, target_port);
    if (role > HttpRole::kServer || layer > HttpLayer::kGnutls) a.fail();
  }
};

// The connection data that events contain.
struct HttpPeer {
  bool proxied = false;
  uint8_t family = 0;
  uint16_t port = 0, tls_version = 0;
  std::string address;                       // as HttpConnection has it
  std::string client_address, proxy_target;  // likewise; "host:port"
  uint16_t client_port = 0;

  HttpPeer() = default;
  explicit HttpPeer(const HttpConnection& connection)
      : proxied(connection.proxied),
        family(connection.family),
        port(connection.peer_port),
        tls_version(connection.tls_version),
        address(connection.peer_address),
        client_address(connection.client_address),
        proxy_target(connection.proxy_target()),
        client_port(connection.client_port) {}

  template <typename Archive>
  void io(Archive& a) {
    a(proxied, family, port, tls_version, address, client_address, proxy_target, client_port);
  }
};

// libcurl's times of a transfer, in microseconds since its start; negative: unknown.
struct CurlFacts {
  int64_t name_lookup_us = -1, connect_us = -1, tls_us = -1, pretransfer_us = -1;
  int64_t first_byte_us = -1, redirect_us = -1, total_us = -1;
  int64_t redirects = 0, connects = -1, result = -1;
};

// How an exchange ended, for its attribute and its error.
enum class HttpEnd : uint8_t {
  kOpen,
  kComplete,
  kClosed,
  kReset,
  kFailed,
  kUnparsed,
  kUpgraded,
  kReused,
  kLost,         // unknown: the end was not recorded
  kProcessExit,  // this and all below: the process ended
  kExec,
  kKilled,
  kUnknown,
};
HttpEnd http_end(HttpEndReason reason);

struct HttpExchange {
  uint64_t connection = 0;
  uint64_t number = 0;  // within the connection: the exchange's, or the stream's
  bool http2 = false;
  HttpRole role = HttpRole::kUnknown;

  bool request_known = false, request_written = false, truncated = false;
  std::string method;
  Url url;
  NameValues request_headers;
  std::string user_agent;
  std::string version;              // "1.1", "2"
  HttpPeer peer;                    // as it was known at the request
  int64_t request_body_bytes = -1;  // -1: not known before its end

  bool response_known = false;
  int status = 0;
  NameValues response_headers;
  std::string content_type;
  uint64_t first_byte_ticks = 0;

  // Fields after the bodies.
  bool request_trailers_known = false, response_trailers_known = false;
  NameValues request_trailers, response_trailers;

  bool grpc = false;     // its request is a gRPC call
  int grpc_status = -1;  // -1: none came
  std::string grpc_message;

  HttpEnd end = HttpEnd::kOpen;
  bool sent_ended = false, received_ended = false;  // HTTP/2: each direction by itself
  uint64_t end_ticks = 0;
  uint64_t sent_bytes = 0, received_bytes = 0;
  int32_t error = 0;

  uint64_t transfer = 0;  // the libcurl transfer that it belongs to
  uint32_t resend = 0;    // which of its exchanges, from 0
  CurlFacts curl;
  std::string transfer_error, transfer_error_text;

  // There was a response whose header block could not be decoded.
  bool unread() const { return response_known && status == 0; }
  uint64_t request_bytes() const { return role == HttpRole::kServer ? received_bytes : sent_bytes; }
  uint64_t response_bytes() const {
    return role == HttpRole::kServer ? sent_bytes : received_bytes;
  }

  template <typename Archive>
  void io(Archive& a) {
    a(connection, number, http2, role);
    a(request_known, request_written, truncated, method, url, request_headers, user_agent, version,
      peer, request_body_bytes);
    a(response_known, status, response_headers, content_type, first_byte_ticks);
    a(request_trailers_known, response_trailers_known, request_trailers, response_trailers);
    a(grpc, grpc_status, grpc_message);
    a(end, sent_ended, received_ended, end_ticks, sent_bytes, received_bytes, error);
    a(transfer, resend, curl, transfer_error, transfer_error_text);
    if (role > HttpRole::kServer || end > HttpEnd::kUnknown) a.fail();
  }
};

// A TLS connection that telinject cannot decrypt.
struct TlsFacts {
  std::string server_name;  // requested by the client; "" if none
  std::string offered_version, offered_protocols;
  bool server = false;
  HttpPeer peer;

  template <typename Archive>
  void io(Archive& a) {
    a(server_name, offered_version, offered_protocols, server, peer);
  }
};
// Made from the fields of its digest.
TlsFacts read_tls(std::string_view fields, const HttpConnection& connection);

// Takes the fields of a request's or response's digest (fields.h). False if it is malformed.
bool read_request(std::string_view fields, const HttpConnection& connection,
                  HttpExchange* exchange);
bool read_response(std::string_view fields, HttpExchange* exchange);
// Takes the trailers of one direction; only the first block counts.
void read_trailers(std::string_view fields, bool of_request, HttpExchange* exchange);

}  // namespace telinject
