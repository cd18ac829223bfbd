#include "shim/http/exchange.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "shim/http/fields.h"
#include "shim/http/grpc.h"

namespace telinject {

namespace {

constexpr size_t kMaxNameBytes = 255;

std::string address_text(uint8_t family, const uint8_t (&address)[16]) {
  char text[INET6_ADDRSTRLEN] = {};
  if (family == AF_INET) {
    inet_ntop(AF_INET, address, text, sizeof text);
  } else if (family == AF_INET6) {
    in6_addr v6 = {};
    std::memcpy(&v6, address, sizeof v6);
    if (IN6_IS_ADDR_V4MAPPED(&v6)) {
      inet_ntop(AF_INET, address + 12, text, sizeof text);
    } else {
      inet_ntop(AF_INET6, address, text, sizeof text);
    }
  }
  return text;
}

bool is_set(const uint8_t (&address)[16]) {
  return std::any_of(std::begin(address), std::end(address),
                     [](uint8_t byte) { return byte != 0; });
}

// An address of a message as text; "" if it makes no sense.
std::string address_text(AddressForm form, std::string_view bytes) {
  if (form == AddressForm::kBinary && (bytes.size() == 4 || bytes.size() == 16)) {
    uint8_t address[16] = {};
    std::memcpy(address, bytes.data(), bytes.size());
    return address_text(bytes.size() == 4 ? AF_INET : AF_INET6, address);
  }
  if (form != AddressForm::kText) return "";
  return std::string(bytes);
}

bool is_name_character(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' ||
         c == '-' || c == '_' || c == ':';
}

int64_t parse_length(std::string_view text) {
  int64_t value = 0;
  if (text.empty() || text.size() > 18) return -1;
  for (char c : text) {
    if (c < '0' || c > '9') return -1;
    value = value * 10 + (c - '0');
  }
  return value;
}

void read_grpc_status(std::string_view fields, HttpExchange* exchange) {
  auto status = parse_grpc_status(find_field(fields, "grpc-status"));
  if (!status.has_value()) return;
  exchange->grpc_status = *status;
  exchange->grpc_message = find_field(fields, "grpc-message");
}

}  // namespace

bool HttpConnection::add(std::string_view message) {
  HttpConnectionMessage head;
  if (message.size() < sizeof head) return false;
  std::memcpy(&head, message.data(), sizeof head);
  message.remove_prefix(sizeof head);
  auto next = [&](size_t size) {
    std::string_view text = message.substr(0, size);
    message.remove_prefix(text.size());
    return text.substr(0, kMaxNameBytes);
  };
  std::string_view path = next(head.peer_path_bytes), name = next(head.server_name_bytes),
                   alpn = next(head.protocol_bytes);
  add_ends(head, next(head.client_bytes), next(head.target_bytes));
  if (head.role == HttpRole::kClient || head.role == HttpRole::kServer) role = head.role;
  layer = head.layer;
  proxied = proxied || head.proxied != 0;
  if (head.tls_version != 0) tls_version = head.tls_version;
  if (!name.empty()) server_name = name;
  if (!alpn.empty()) protocol = alpn;
  if (head.family == 0) return true;
  family = head.family;
  if (family == AF_UNIX) {
    // A name of the abstract namespace begins with a zero.
    peer_address = path.starts_with('\0') ? "@" + std::string(path.substr(1)) : std::string(path);
    return true;
  }
  if (head.peer_port != 0) peer_port = head.peer_port;
  if (head.local_port != 0) local_port = head.local_port;
  if (is_set(head.peer_address)) peer_address = address_text(family, head.peer_address);
  if (is_set(head.local_address)) local_address = address_text(family, head.local_address);
  return true;
}

// The peer wrote them: an address as text is one, a name has a name's characters.
void HttpConnection::add_ends(const HttpConnectionMessage& head, std::string_view client,
                              std::string_view target) {
  std::string address = address_text(head.client_form, client);
  in6_addr unused;
  if (inet_pton(AF_INET, address.c_str(), &unused) == 1 ||
      inet_pton(AF_INET6, address.c_str(), &unused) == 1) {
    client_address = address;
    client_port = head.client_port;
  }
  std::string host = address_text(head.target_form, target);
  if (!host.empty() && std::all_of(host.begin(), host.end(), is_name_character)) {
    target_host = host;
    target_port = head.target_port;
  }
}

std::string HttpConnection::proxy_target() const {
  if (target_host.empty()) return "";
  bool six = target_host.find(':') != std::string::npos;
  return (six ? "[" + target_host + "]" : target_host) + ":" + std::to_string(target_port);
}

HttpEnd http_end(HttpEndReason reason) {
  switch (reason) {
    case HttpEndReason::kComplete:
      return HttpEnd::kComplete;
    case HttpEndReason::kClosed:
      return HttpEnd::kClosed;
    case HttpEndReason::kReset:
      return HttpEnd::kReset;
    case HttpEndReason::kFailed:
      return HttpEnd::kFailed;
    case HttpEndReason::kUnparsed:
      return HttpEnd::kUnparsed;
    case HttpEndReason::kUpgraded:
      return HttpEnd::kUpgraded;
    case HttpEndReason::kReused:
      return HttpEnd::kReused;
  }
  return HttpEnd::kUnknown;
}

bool read_request(std::string_view fields, const HttpConnection& connection,
                  HttpExchange* exchange) {
  UrlParts parts;
  parts.scheme = connection.tls() ? "https" : "http";
  std::string_view agent;
  bool chunked = false;
  int64_t length = -1;
  NameValues headers;
  HttpField field;
  while (next_field(&fields, &field)) {
    if (field.name.starts_with(':')) {
      if (field.name == ":method") parts.method = field.value;
      if (field.name == ":target" || field.name == ":path") parts.target = field.value;
      if (field.name == ":scheme") parts.scheme = field.value;
      if (field.name == ":authority") parts.authority = field.value;
      if (field.name == ":version") exchange->version = field.value;
      continue;
    }
    headers.emplace_back(field.name, field.value);
    if (equal_ignoring_case(field.name, "host")) {
      if (parts.authority.empty()) parts.authority = field.value;
    } else if (equal_ignoring_case(field.name, "user-agent")) {
      agent = field.value;
    } else if (equal_ignoring_case(field.name, "content-length")) {
      length = parse_length(field.value);
    } else if (equal_ignoring_case(field.name, "transfer-encoding")) {
      chunked = true;
    } else if (exchange->http2 && equal_ignoring_case(field.name, "content-type")) {
      exchange->grpc = is_grpc_content(field.value);
    }
  }
  if (!is_http_token(parts.method) || parts.method.size() > kMaxNameBytes) return false;
  exchange->request_headers = std::move(headers);
  if (exchange->http2) exchange->version = "2";
  bool server = exchange->role == HttpRole::kServer;
  std::string name = connection.server_name;
  bool told = !server && !connection.target_host.empty();
  if (told) {
    if (name.empty()) name = connection.target_host;
    parts.fallback_port = connection.target_port;
  } else if (name.empty() && connection.family != AF_UNIX) {
    name = server ? connection.local_address : connection.peer_address;
    parts.fallback_port = server ? connection.local_port : connection.peer_port;
  } else if (!name.empty()) {
    parts.fallback_port = server ? connection.local_port : connection.peer_port;
  }
  parts.fallback_host = name;
  exchange->method = parts.method;
  exchange->url = make_url(parts);
  exchange->user_agent = agent.empty() ? "unknown" : agent;
  // An HTTP/2 request without a length may have a body.
  bool bodyless = exchange->http2 ? exchange->request_body_bytes == 0 : !chunked;
  exchange->request_body_bytes = length >= 0 ? length : bodyless ? 0 : -1;
  exchange->request_known = true;
  return true;
}

bool read_response(std::string_view fields, HttpExchange* exchange) {
  int64_t status = 0;
  NameValues headers;
  std::string_view content_type;
  HttpField field;
  for (std::string_view rest = fields; next_field(&rest, &field);) {
    if (field.name.starts_with(':')) {
      if (field.name == ":status") status = parse_length(field.value);
      continue;
    }
    headers.emplace_back(field.name, field.value);
    if (equal_ignoring_case(field.name, "content-type")) content_type = field.value;
  }
  if (status < 100 || status > 999) return false;
  exchange->status = static_cast<int>(status);
  exchange->response_headers = std::move(headers);
  exchange->content_type = content_type.empty() ? "unknown" : content_type;
  exchange->response_known = true;
  // A call that fails at once has its status here, and no trailers.
  read_grpc_status(fields, exchange);
  return true;
}

void read_trailers(std::string_view fields, bool of_request, HttpExchange* exchange) {
  bool& known = of_request ? exchange->request_trailers_known : exchange->response_trailers_known;
  if (known) return;
  known = true;
  HttpField field;
  for (std::string_view rest = fields; next_field(&rest, &field);) {
    if (field.name.starts_with(':')) continue;
    (of_request ? exchange->request_trailers : exchange->response_trailers)
        .emplace_back(field.name, field.value);
  }
  if (!of_request) read_grpc_status(fields, exchange);
}

TlsFacts read_tls(std::string_view fields, const HttpConnection& connection) {
  TlsFacts facts;
  facts.server_name = find_field(fields, ":server_name");
  facts.offered_version = find_field(fields, ":version");
  facts.offered_protocols = find_field(fields, ":protocols");
  facts.server = connection.role == HttpRole::kServer;
  facts.peer = HttpPeer(connection);
  return facts;
}

}  // namespace telinject
