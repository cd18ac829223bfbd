#include "shim/http/exchange_events.h"

#include <http_parser.h>
#include <string.h>
#include <sys/socket.h>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "shim/events/milliseconds.h"
#include "shim/http/client_hello.h"
#include "shim/http/fields.h"
#include "shim/http/grpc.h"

namespace telinject {

namespace {

constexpr OperationNames kExchange = {"http_request", "http_response", "network", "http_"};
constexpr OperationNames kOpaqueTls = {"", "tls_connection", "network", "tls_"};
constexpr size_t kMaxMessageUrlBytes = 200;
constexpr size_t kMaxErrorCharacters = 200;

std::string_view end_name(HttpEnd end) {
  switch (end) {
    case HttpEnd::kOpen:
    case HttpEnd::kComplete:
      return "";
    case HttpEnd::kClosed:
      return "closed";
    case HttpEnd::kReset:
      return "reset";
    case HttpEnd::kFailed:
      return "failed";
    case HttpEnd::kUnparsed:
      return "unparsed";
    case HttpEnd::kUpgraded:
      return "upgraded";
    case HttpEnd::kReused:
      return "reused";
    case HttpEnd::kLost:
      return "lost";
    case HttpEnd::kProcessExit:
      return "process_exit";
    case HttpEnd::kExec:
      return "exec";
    case HttpEnd::kKilled:
      return "killed";
    case HttpEnd::kUnknown:
      return "unknown";
  }
  return "";
}

std::string_view status_text(int status) {
  std::string_view text = http_status_str(static_cast<http_status>(status));
  return text == "<unknown>" ? "" : text;
}

// Cut at a character: what is longer than a schema allows.
std::string_view cut(std::string_view text, size_t size) {
  if (text.size() <= size) return text;
  while (size > 0 && (text[size] & 0xc0) == 0x80) size--;
  return text.substr(0, size);
}

// "GET http://host/path", without the query.
std::string operation_text(const HttpExchange& exchange) {
  return absl::StrCat(exchange.method, " ",
                      std::string(cut(exchange.url.without_query(), kMaxMessageUrlBytes)));
}

std::string_view side(bool server) {
  return server ? "server" : "client";
}

}  // namespace

// What both events have: method, URL, server, peer, protocol, TLS.
void ExchangeEvents::add_both(const HttpExchange& exchange) {
  attributes_.clear();
  names_.clear();
  name_ = exchange.method;
  const Url& url = exchange.url;
  bool server = exchange.role == HttpRole::kServer;
  add_text("http.request.method", exchange.method);
  add_text("url.full", url.text);
  add_text("url.scheme", url.scheme);
  if (server) {
    add_text("url.path", url.path().empty() ? "/" : url.path());
    add_text("url.query", url.query());
  }
  add_text("server.address", url.host);
  add("server.port", uint64_t{url.port});
  add("network.protocol.name", "http");
  add_text("network.protocol.version", exchange.version);
  add_peer(exchange.peer);
  add_text("tls.protocol.version", tls_version_text(exchange.peer.tls_version));
  add("span.kind", side(server));
  if (exchange.resend > 0) add("http.request.resend_count", uint64_t{exchange.resend});
  if (exchange.peer.proxied) add("telinject.http.proxied", true);
  add_ends(exchange.peer, server);
  if (exchange.grpc) add_grpc(exchange);
}

// The client that a proxy speaks for, the server that one was asked for.
void ExchangeEvents::add_ends(const HttpPeer& peer, bool server) {
  if (server && !peer.client_address.empty()) {
    add_text("client.address", peer.client_address);
    add("client.port", uint64_t{peer.client_port});
  }
  if (!server) add_text("telinject.http.proxy_target", peer.proxy_target);
}

// The event is called as the remote procedure is.
void ExchangeEvents::add_grpc(const HttpExchange& exchange) {
  GrpcNames names = grpc_names(exchange.url.path());
  add("rpc.system", "grpc");
  add_text("rpc.service", names.service);
  add_text("rpc.method", names.method);
  if (names.method.empty()) return;
  name_ = absl::StrCat(std::string(names.service), "/", std::string(names.method));
}

void ExchangeEvents::add_trailers(std::string_view prefix, const NameValues& trailers) {
  for (const auto& [name, value] : trailers) {
    // A recording may say anything; names of attributes need no escapes (event.h).
    std::string& attribute = names_.emplace_back(prefix);
    for (char c : name) attribute += is_http_token({&c, 1}) ? absl::ascii_tolower(c) : '_';
    add(attribute, value);
  }
}

void ExchangeEvents::add_peer(const HttpPeer& peer) {
  if (peer.family != 0) add("network.transport", peer.family == AF_UNIX ? "unix" : "tcp");
  add_text("network.peer.address", peer.address);
  if (peer.port != 0 && !peer.address.empty()) add("network.peer.port", uint64_t{peer.port});
}

void ExchangeEvents::add_curl(const CurlFacts& curl) {
  auto add_time = [&](std::string_view name, int64_t us) {
    if (us >= 0) add(name, std::chrono::microseconds(us));
  };
  add_time("curl.name_lookup_ms", curl.name_lookup_us);
  add_time("curl.connect_ms", curl.connect_us);
  add_time("curl.tls_ms", curl.tls_us);
  add_time("curl.pretransfer_ms", curl.pretransfer_us);
  add_time("curl.first_byte_ms", curl.first_byte_us);
  add_time("curl.redirect_ms", curl.redirect_us);
  add_time("curl.total_ms", curl.total_us);
  if (curl.redirects > 0) add("curl.redirects", curl.redirects);
  if (curl.connects >= 0) add("curl.connects", curl.connects);
  if (curl.result >= 0) add("curl.result", curl.result);
}

const Operation& ExchangeEvents::tls(const TlsFacts& facts, uint64_t sent_bytes,
                                     uint64_t received_bytes, int64_t duration_ns) {
  std::string_view name = !facts.server_name.empty() ? facts.server_name : facts.peer.address;
  if (name.empty()) name = "an unknown server";
  message_ =
      absl::StrCat("TLS connection, not decrypted: ", std::string(cut(name, kMaxMessageUrlBytes)),
                   " (", hundredths_of_ms(duration_ns), "ms)");
  attributes_.clear();
  add_text("server.address", facts.server_name);
  add("network.protocol.name", "tls");
  add_peer(facts.peer);
  add_ends(facts.peer, facts.server);
  add_text("telinject.tls.offered_version", facts.offered_version);
  add_text("telinject.tls.offered_protocols", facts.offered_protocols);
  add("span.kind", side(facts.server));
  add("telinject.tls.sent_bytes", sent_bytes);
  add("telinject.tls.received_bytes", received_bytes);
  operation_ = {kOpaqueTls, "TLS", message_, attributes_};
  return operation_;
}

const Operation& ExchangeEvents::request(const HttpExchange& exchange) {
  message_ = operation_text(exchange);
  add_both(exchange);
  if (exchange.truncated) add("telinject.http.truncated", true);
  request_ = {exchange.method, exchange.url.text, exchange.user_agent, &exchange.request_headers,
              exchange.request_body_bytes >= 0 ? static_cast<uint64_t>(exchange.request_body_bytes)
                                               : exchange.request_bytes()};
  operation_ = {kExchange, name_, message_, attributes_, &request_};
  return operation_;
}

void ExchangeEvents::find_error(const HttpExchange& exchange) {
  error_type_.clear();
  error_text_.clear();
  bool server = exchange.role == HttpRole::kServer;
  int status = exchange.status;
  if (!exchange.transfer_error.empty()) {
    error_type_ = exchange.transfer_error;
    error_text_ = exchange.transfer_error_text;
    return;
  }
  // After an answer that is whole as far as can be told, its status counts.
  bool whole = exchange.end == HttpEnd::kComplete || exchange.end == HttpEnd::kUpgraded;
  if (exchange.end == HttpEnd::kLost && status == 0) return;
  if (!whole) {
    switch (exchange.end) {
      case HttpEnd::kFailed:
        if (const char* name = exchange.error > 0 ? strerrorname_np(exchange.error) : nullptr) {
          error_type_ = name;
          error_text_ = strerrordesc_np(exchange.error);
        } else {
          error_type_ = "connection_failed";
          error_text_ = "the connection failed before the exchange was over";
        }
        return;
      case HttpEnd::kClosed:
        error_type_ = "connection_closed";
        error_text_ = status == 0 ? "the connection was closed before a response came"
                                  : "the connection was closed before the end of the exchange";
        return;
      case HttpEnd::kReset:
        error_type_ = http2_error_name(static_cast<uint32_t>(exchange.error));
        error_text_ = "the stream was reset";
        return;
      case HttpEnd::kKilled:
        error_type_ = "killed";
        error_text_ = "the process was killed before the exchange was over";
        return;
      default:
        if (status != 0) break;
        error_type_ = std::string(end_name(exchange.end));
        error_text_ = exchange.end == HttpEnd::kUnparsed
                          ? "what came is no response that can be understood"
                          : "the process ended before a response came";
        return;
    }
  }
  if (status >= 500 || (status >= 400 && !server)) {
    error_type_ = std::to_string(status);
    std::string_view text = status_text(status);
    error_text_ = absl::StrCat("HTTP ", status, text.empty() ? "" : " ", std::string(text));
  } else if (exchange.grpc && is_grpc_error(exchange.grpc_status, server)) {
    error_type_ = grpc_status_name(exchange.grpc_status);
    error_text_ = absl::StrCat("gRPC ", error_type_, exchange.grpc_message.empty() ? "" : ": ",
                               exchange.grpc_message);
  } else if (status == 0 && !exchange.unread()) {
    error_type_ = "no_response";
    error_text_ = "no response was seen";
  }
}

const Operation& ExchangeEvents::response(const HttpExchange& exchange, int64_t duration_ns,
                                          int64_t first_byte_ns, int64_t slow_ns) {
  find_error(exchange);
  bool slow =
      (slow_ns > 0 && duration_ns > slow_ns) || exchange.end == HttpEnd::kLost || exchange.unread();
  severity_ = !error_type_.empty() ? Severity::kError : slow ? Severity::kWarn : Severity::kInfo;
  error_ = {error_type_, cut(error_text_, kMaxErrorCharacters)};
  message_ = operation_text(exchange);
  if (exchange.status != 0) absl::StrAppend(&message_, " ", exchange.status);
  if (!error_type_.empty() && error_type_ != std::to_string(exchange.status)) {
    absl::StrAppend(&message_, " failed: ", error_type_);
  }
  absl::StrAppend(&message_, " (", hundredths_of_ms(duration_ns), "ms)");

  add_both(exchange);
  if (exchange.status != 0) add("http.response.status_code", int64_t{exchange.status});
  if (exchange.grpc && exchange.grpc_status >= 0) {
    add("rpc.grpc.status_code", int64_t{exchange.grpc_status});
  }
  add("http.request.body.size", exchange.request_bytes());
  add("http.response.body.size", exchange.response_bytes());
  if (first_byte_ns >= 0) add("telinject.http.first_byte_ns", first_byte_ns);
  add_text("telinject.http.end", end_name(exchange.end));
  add_text("error.type", error_type_);
  if (exchange.truncated) add("telinject.http.truncated", true);
  add_curl(exchange.curl);
  add_trailers("http.request.trailer.", exchange.request_trailers);
  add_trailers("http.response.trailer.", exchange.response_trailers);

  static const NameValues kNone;
  bool known = exchange.response_known && !exchange.unread();
  response_ = {exchange.status, known ? std::string_view(exchange.content_type) : "unknown",
               known ? &exchange.response_headers : &kNone, exchange.response_bytes()};
  operation_ = {kExchange, name_, message_, attributes_, nullptr, &response_};
  return operation_;
}

std::string http2_error_name(uint32_t code) {
  constexpr std::string_view kNames[] = {"NO_ERROR",
                                         "PROTOCOL_ERROR",
                                         "INTERNAL_ERROR",
                                         "FLOW_CONTROL_ERROR",
                                         "SETTINGS_TIMEOUT",
                                         "STREAM_CLOSED",
                                         "FRAME_SIZE_ERROR",
                                         "REFUSED_STREAM",
                                         "CANCEL",
                                         "COMPRESSION_ERROR",
                                         "CONNECT_ERROR",
                                         "ENHANCE_YOUR_CALM",
                                         "INADEQUATE_SECURITY",
                                         "HTTP_1_1_REQUIRED"};
  if (code < std::size(kNames)) return std::string(kNames[code]);
  return absl::StrCat("HTTP2_ERROR_", code);
}

std::string curl_error_name(int code) {
  struct Name {
    int code;
    std::string_view name;
  };
  // curl/curl.h; numbers are never given twice.
  constexpr Name kNames[] = {{-1, "CANCELLED"},
                             {1, "CURLE_UNSUPPORTED_PROTOCOL"},
                             {2, "CURLE_FAILED_INIT"},
                             {3, "CURLE_URL_MALFORMAT"},
                             {4, "CURLE_NOT_BUILT_IN"},
                             {5, "CURLE_COULDNT_RESOLVE_PROXY"},
                             {6, "CURLE_COULDNT_RESOLVE_HOST"},
                             {7, "CURLE_COULDNT_CONNECT"},
                             {8, "CURLE_WEIRD_SERVER_REPLY"},
                             {16, "CURLE_HTTP2"},
                             {18, "CURLE_PARTIAL_FILE"},
                             {22, "CURLE_HTTP_RETURNED_ERROR"},
                             {23, "CURLE_WRITE_ERROR"},
                             {26, "CURLE_READ_ERROR"},
                             {27, "CURLE_OUT_OF_MEMORY"},
                             {28, "CURLE_OPERATION_TIMEDOUT"},
                             {33, "CURLE_RANGE_ERROR"},
                             {35, "CURLE_SSL_CONNECT_ERROR"},
                             {42, "CURLE_ABORTED_BY_CALLBACK"},
                             {45, "CURLE_INTERFACE_FAILED"},
                             {47, "CURLE_TOO_MANY_REDIRECTS"},
                             {52, "CURLE_GOT_NOTHING"},
                             {53, "CURLE_SSL_ENGINE_NOTFOUND"},
                             {55, "CURLE_SEND_ERROR"},
                             {56, "CURLE_RECV_ERROR"},
                             {58, "CURLE_SSL_CERTPROBLEM"},
                             {59, "CURLE_SSL_CIPHER"},
                             {60, "CURLE_PEER_FAILED_VERIFICATION"},
                             {61, "CURLE_BAD_CONTENT_ENCODING"},
                             {63, "CURLE_FILESIZE_EXCEEDED"},
                             {65, "CURLE_SEND_FAIL_REWIND"},
                             {77, "CURLE_SSL_CACERT_BADFILE"},
                             {80, "CURLE_SSL_SHUTDOWN_FAILED"},
                             {83, "CURLE_SSL_ISSUER_ERROR"},
                             {89, "CURLE_NO_CONNECTION_AVAILABLE"},
                             {90, "CURLE_SSL_PINNEDPUBKEYNOTMATCH"},
                             {91, "CURLE_SSL_INVALIDCERTSTATUS"},
                             {92, "CURLE_HTTP2_STREAM"},
                             {93, "CURLE_RECURSIVE_API_CALL"},
                             {95, "CURLE_HTTP3"},
                             {96, "CURLE_QUIC_CONNECT_ERROR"},
                             {97, "CURLE_PROXY"},
                             {98, "CURLE_SSL_CLIENTCERT"}};
  for (const Name& each : kNames) {
    if (each.code == code) return std::string(each.name);
  }
  return absl::StrCat("CURLE_", code);
}

}  // namespace telinject
