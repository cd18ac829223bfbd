#include "shim/http/url.h"

#include <algorithm>

#include "shim/http/fields.h"

namespace telinject {

namespace {

constexpr size_t kMaxHostBytes = 255;

bool starts_with_scheme(std::string_view text, std::string_view scheme) {
  return text.size() > scheme.size() && equal_ignoring_case(text.substr(0, scheme.size()), scheme);
}

bool is_host_char(char c) {
  // RFC 3986's reg-name, and what servers in the field are called besides.
  return (lower_letter(c) >= 'a' && lower_letter(c) <= 'z') || (c >= '0' && c <= '9') ||
         std::string_view("-._~!$&'()*+,;=%").find(c) != std::string_view::npos;
}

bool is_address_char(char c) {
  return (lower_letter(c) >= 'a' && lower_letter(c) <= 'z') || (c >= '0' && c <= '9') || c == ':' ||
         c == '.' || c == '%' || c == '-' || c == '_';
}

struct Authority {
  std::string user;  // with its @, or empty
  std::string host;  // without brackets
  bool brackets = false;
  uint16_t port = 0;
};

// host, host:port, [address]:port, user@host. False if it makes no sense.
bool split_authority(std::string_view text, Authority* out) {
  *out = {};
  if (size_t sign = text.rfind('@'); sign != text.npos) {
    // Redacted before; anything else does not belong into a Host header.
    std::string_view user = text.substr(0, sign);
    if (user == "REDACTED" || user == "REDACTED:REDACTED") out->user = std::string(user) + "@";
    text.remove_prefix(sign + 1);
  }
  std::string_view host = text, port;
  if (text.starts_with('[')) {
    size_t close = text.find(']');
    if (close == text.npos) return false;
    host = text.substr(1, close - 1);
    port = text.substr(close + 1);
    if (!port.empty() && port[0] != ':') return false;
    out->brackets = true;
  } else if (size_t colon = text.rfind(':'); colon != text.npos) {
    host = text.substr(0, colon);
    port = text.substr(colon);
  }
  bool fits = out->brackets ? std::all_of(host.begin(), host.end(), is_address_char)
                            : std::all_of(host.begin(), host.end(), is_host_char);
  if (host.empty() || host.size() > kMaxHostBytes || !fits) return false;
  if (port.size() > 6) return false;
  uint32_t number = 0;
  for (char c : port.substr(std::min<size_t>(1, port.size()))) {
    if (c < '0' || c > '9') return false;
    number = number * 10 + static_cast<uint32_t>(c - '0');
  }
  if (number > 65535) return false;
  out->host = host;
  out->port = static_cast<uint16_t>(number);
  return true;
}

void append_encoded(std::string* out, std::string_view text) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  for (char c : text) {
    auto byte = static_cast<unsigned char>(c);
    if (byte > ' ' && byte < 0x7f) {
      *out += c;
    } else {
      *out += '%';
      *out += kDigits[byte >> 4];
      *out += kDigits[byte & 15];
    }
  }
}

uint16_t default_port(std::string_view scheme) {
  return scheme == "https" ? 443 : 80;
}

}  // namespace

Url make_url(const UrlParts& parts) {
  std::string scheme = parts.scheme == "https" ? "https" : "http";
  std::string_view authority = parts.authority, rest = parts.target;
  if (parts.method == "CONNECT") {
    // A tunnel to there, for TLS as a rule.
    authority = parts.target.empty() ? parts.authority : parts.target;
    rest = {};
    if (authority.ends_with(":443")) scheme = "https";
  } else if (bool https = starts_with_scheme(rest, "https://");
             https || starts_with_scheme(rest, "http://")) {
    scheme = https ? "https" : "http";
    rest.remove_prefix(scheme.size() + 3);
    size_t end = std::min(rest.find_first_of("/?#"), rest.size());
    authority = rest.substr(0, end);
    rest.remove_prefix(end);
  } else if (rest == "*") {
    rest = {};
  }

  Authority place;
  if (!split_authority(authority, &place)) {
    place = {};
    place.host = parts.fallback_host;
    place.brackets = place.host.find(':') != std::string::npos;
    place.port = parts.fallback_port;
    auto fits = [&](char c) { return place.brackets ? is_address_char(c) : is_host_char(c); };
    if (place.host.empty() || !std::all_of(place.host.begin(), place.host.end(), fits)) {
      place = {};
      place.host = "localhost";
    }
  }

  Url url;
  url.scheme = scheme;
  url.port = place.port != 0 ? place.port : default_port(scheme);
  url.text.reserve(scheme.size() + place.host.size() + rest.size() + 16);
  url.text.append(scheme).append("://").append(place.user);
  if (place.brackets) url.text += '[';
  url.text += place.host;
  if (place.brackets) url.text += ']';
  if (url.port != default_port(scheme)) url.text.append(":").append(std::to_string(url.port));
  url.host = std::move(place.host);
  url.path_at = url.text.size();
  if (!rest.empty() && rest[0] != '/' && rest[0] != '?' && rest[0] != '#') url.text += '/';
  size_t cut = std::min(rest.find_first_of("?#"), rest.size());
  append_encoded(&url.text, rest.substr(0, cut));
  url.path_bytes = url.text.size() - url.path_at;
  if (cut < rest.size()) {
    size_t mark = url.text.size();
    append_encoded(&url.text, rest.substr(cut));
    if (rest[cut] == '?') url.query_at = mark + 1;
  }
  return url;
}

}  // namespace telinject
