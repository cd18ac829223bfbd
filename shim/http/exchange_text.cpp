#include "shim/http/exchange_text.h"

#include <http_parser.h>
#include <string.h>
#include <sys/socket.h>

#include "absl/strings/str_cat.h"
#include "shim/events/json/json_text.h"
#include "shim/http/client_hello.h"
#include "shim/http/fields.h"

namespace telinject {

namespace {

constexpr size_t kMaxMessageUrlBytes = 200;
constexpr size_t kMaxErrorCharacters = 200;

void add(std::string* json, std::string_view name, std::string_view value) {
  if (!value.empty()) append_json_member(json, name, value);
}

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

std::string hundredths_of_ms(int64_t ns) {
  int64_t hundredths = (ns + 5000) / 10000;
  std::string text = absl::StrCat(hundredths / 100, ".");
  if (hundredths % 100 < 10) text += '0';
  return text + std::to_string(hundredths % 100);
}

// "GET http://host/path": escaped, without the query.
void append_operation(std::string* json, const HttpExchange& exchange) {
  append_json_escaped(json, exchange.method);
  *json += ' ';
  append_json_escaped(json, cut(exchange.url.without_query(), kMaxMessageUrlBytes));
}

void append_event(std::string* json, const HttpExchange& exchange, std::string_view type) {
  json->append("\",\"event\":{\"name\":\"");
  append_json_escaped(json, exchange.method);
  json->append("\",\"category\":\"network\",\"type\":\"").append(type).append("\"}");
}

}  // namespace

std::string common_attributes(const HttpExchange& exchange, const HttpConnection& connection) {
  std::string json;
  json.reserve(512);
  const Url& url = exchange.url;
  add(&json, "http.request.method", exchange.method);
  add(&json, "url.full", url.text);
  add(&json, "url.scheme", url.scheme);
  if (exchange.role == HttpRole::kServer) {
    add(&json, "url.path", url.path().empty() ? "/" : url.path());
    add(&json, "url.query", url.query());
  }
  add(&json, "server.address", url.host);
  append_json_member(&json, "server.port", uint64_t{url.port});
  json.append("\"network.protocol.name\":\"http\",");
  add(&json, "network.protocol.version", exchange.version);
  if (connection.family != 0) {
    json.append(connection.family == AF_UNIX ? "\"network.transport\":\"unix\","
                                             : "\"network.transport\":\"tcp\",");
  }
  add(&json, "network.peer.address", connection.peer_address);
  if (connection.peer_port != 0 && !connection.peer_address.empty()) {
    append_json_member(&json, "network.peer.port", uint64_t{connection.peer_port});
  }
  add(&json, "tls.protocol.version", tls_version_text(connection.tls_version));
  json.append(exchange.role == HttpRole::kServer ? "\"span.kind\":\"server\","
                                                 : "\"span.kind\":\"client\",");
  if (exchange.resend > 0) {
    append_json_member(&json, "http.request.resend_count", uint64_t{exchange.resend});
  }
  if (connection.proxied) json.append("\"telinject.http.proxied\":true,");
  return json;
}

std::string tls_attributes(std::string_view fields, const HttpConnection& connection,
                           std::string* name) {
  std::string json;
  std::string_view server = find_field(fields, ":server_name");
  *name = !server.empty() ? std::string(server) : connection.peer_address;
  if (name->empty()) *name = "an unknown server";
  add(&json, "server.address", server);
  add(&json, "network.protocol.name", "tls");
  if (connection.family != 0) {
    add(&json, "network.transport", connection.family == AF_UNIX ? "unix" : "tcp");
  }
  add(&json, "network.peer.address", connection.peer_address);
  if (connection.peer_port != 0 && !connection.peer_address.empty()) {
    append_json_member(&json, "network.peer.port", uint64_t{connection.peer_port});
  }
  add(&json, "telinject.tls.offered_version", find_field(fields, ":version"));
  add(&json, "telinject.tls.offered_protocols", find_field(fields, ":protocols"));
  add(&json, "span.kind", connection.role == HttpRole::kServer ? "server" : "client");
  return json;
}

SpanEvent ExchangeText::tls(const std::string& name, const std::string& attributes,
                            uint64_t sent_bytes, uint64_t received_bytes, int64_t duration_ns) {
  message_.assign(",\"message\":\"TLS connection, not decrypted: ");
  append_json_escaped(&message_, cut(name, kMaxMessageUrlBytes));
  message_.append(" (").append(hundredths_of_ms(duration_ns)).append("ms)");
  message_.append("\",\"event\":{\"name\":\"TLS\",\"category\":\"network\",\"type\":\"end\"}");
  attributes_.clear();
  append_json_member(&attributes_, "telinject.tls.sent_bytes", sent_bytes);
  append_json_member(&attributes_, "telinject.tls.received_bytes", received_bytes);
  SpanEvent event;
  event.type_and_severity = ",\"event_type\":\"tls_connection\",\"severity\":\"INFO\"";
  event.duration_ns = duration_ns;
  event.message_and_event = message_;
  event.attributes = attributes;
  event.more_attributes = attributes_;
  event.correlation_prefix = "tls_";
  return event;
}

SpanEvent ExchangeText::request(const HttpExchange& exchange) {
  message_.assign(",\"message\":\"");
  append_operation(&message_, exchange);
  append_event(&message_, exchange, "start");
  attributes_.clear();
  if (exchange.truncated) attributes_.append("\"telinject.http.truncated\":true,");
  more_.assign(",\"http\":{\"request\":{\"method\":\"");
  append_json_escaped(&more_, exchange.method);
  more_.append("\",\"url\":\"");
  append_json_escaped(&more_, exchange.url.text);
  more_.append("\",\"headers\":").append(exchange.request_headers).append(",\"body_bytes\":");
  more_.append(std::to_string(exchange.request_body_bytes >= 0
                                  ? static_cast<uint64_t>(exchange.request_body_bytes)
                                  : exchange.request_bytes()));
  more_.append(",\"user_agent\":\"").append(exchange.user_agent).append("\"}}");
  SpanEvent event;
  event.type_and_severity = ",\"event_type\":\"http_request\",\"severity\":\"INFO\"";
  event.function = exchange.span.function;
  event.message_and_event = message_;
  event.attributes = exchange.attributes;
  event.more_attributes = attributes_;
  event.correlation_prefix = "http_";
  event.more = more_;
  return event;
}

void ExchangeText::find_error(const HttpExchange& exchange) {
  error_type_.clear();
  error_text_.clear();
  bool server = exchange.role == HttpRole::kServer;
  int status = exchange.status;
  if (!exchange.transfer_error.empty()) {
    error_type_ = exchange.transfer_error;
    error_text_ = exchange.transfer_error_text;
    return;
  }
  // After an answer that is whole as far as anybody can tell, its status counts.
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
  } else if (status == 0) {
    error_type_ = "no_response";
    error_text_ = "no response was seen";
  }
}

SpanEvent ExchangeText::response(const HttpExchange& exchange, int64_t duration_ns,
                                 int64_t first_byte_ns, int64_t slow_ns) {
  find_error(exchange);
  bool slow = (slow_ns > 0 && duration_ns > slow_ns) || exchange.end == HttpEnd::kLost;
  message_.assign(",\"message\":\"");
  append_operation(&message_, exchange);
  if (exchange.status != 0) message_.append(" ").append(std::to_string(exchange.status));
  if (failed() && error_type_ != std::to_string(exchange.status)) {
    message_.append(" failed: ");
    append_json_escaped(&message_, error_type_);
  }
  message_.append(" (").append(hundredths_of_ms(duration_ns)).append("ms)");
  append_event(&message_, exchange, "end");

  attributes_.clear();
  if (exchange.status != 0) {
    append_json_member(&attributes_, "http.response.status_code",
                       static_cast<uint64_t>(exchange.status));
  }
  append_json_member(&attributes_, "http.request.body.size", exchange.request_bytes());
  append_json_member(&attributes_, "http.response.body.size", exchange.response_bytes());
  if (first_byte_ns >= 0) {
    append_json_member(&attributes_, "telinject.http.first_byte_ns",
                       static_cast<uint64_t>(first_byte_ns));
  }
  add(&attributes_, "telinject.http.end", end_name(exchange.end));
  add(&attributes_, "error.type", error_type_);
  if (exchange.truncated) attributes_.append("\"telinject.http.truncated\":true,");
  attributes_.append(exchange.transfer_attributes);

  more_.assign(",\"http\":{\"response\":{");
  if (exchange.status != 0) {
    more_.append("\"status_code\":").append(std::to_string(exchange.status)).append(",");
  }
  more_.append("\"headers\":");
  more_.append(exchange.response_known ? exchange.response_headers : "{}");
  more_.append(",\"body_bytes\":").append(std::to_string(exchange.response_bytes()));
  more_.append(",\"content_type\":\"");
  more_.append(exchange.response_known ? exchange.content_type : "unknown").append("\"}}");
  if (failed()) {
    more_.append(",\"error\":{\"type\":\"");
    append_json_escaped(&more_, error_type_);
    more_.append("\",\"message\":\"");
    append_json_escaped(&more_, cut(error_text_, kMaxErrorCharacters));
    more_.append("\"}");
  }
  SpanEvent event;
  event.type_and_severity = failed() ? ",\"event_type\":\"http_response\",\"severity\":\"ERROR\""
                            : slow   ? ",\"event_type\":\"http_response\",\"severity\":\"WARN\""
                                     : ",\"event_type\":\"http_response\",\"severity\":\"INFO\"";
  event.function = exchange.span.function;
  event.duration_ns = duration_ns;
  event.message_and_event = message_;
  event.attributes = exchange.attributes;
  event.more_attributes = attributes_;
  event.correlation_prefix = "http_";
  event.more = more_;
  return event;
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
