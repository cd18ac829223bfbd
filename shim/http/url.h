// Makes the absolute URL of a request from its parts on the wire: RFC 9110, section 7.1.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace telinject {

struct UrlParts {
  std::string_view method;
  std::string_view target;     // origin-form, absolute-form, authority-form or "*"
  std::string_view scheme;     // "http" or "https", from TLS or :scheme; "" if unknown
  std::string_view authority;  // Host, :authority; "" if there is none
  // Used if there is no authority: the server name that the TLS client requested, or the server's
  // address.
  std::string_view fallback_host;
  uint16_t fallback_port = 0;
};

struct Url {
  std::string text;  // http://host/path?query: the port only if it is not the scheme's
  std::string scheme;
  std::string host;  // without brackets
  uint16_t port = 0;
  // In `text`.
  size_t path_at = 0, path_bytes = 0, query_at = 0;  // query_at 0: there is none

  std::string_view path() const { return std::string_view(text).substr(path_at, path_bytes); }
  std::string_view query() const {
    return query_at == 0 ? std::string_view() : std::string_view(text).substr(query_at);
  }
  // "host:port", as they stand in `text`.
  std::string_view authority() const {
    size_t start = text.find("://");
    if (start == text.npos) return "";
    auto place = std::string_view(text).substr(start + 3, path_at - (start + 3));
    return place.substr(place.rfind('@') + 1);  // npos + 1 is 0
  }
  // Without query and fragment.
  std::string_view without_query() const {
    return std::string_view(text).substr(0, path_at + path_bytes);
  }

  template <typename Archive>
  void io(Archive& a) {
    a(text, scheme, host, port, path_at, path_bytes, query_at);
    bool lie_in_it = path_at <= text.size() && path_bytes <= text.size() - path_at;
    if (!lie_in_it || query_at > text.size()) a.fail();
  }
};

// The result is a valid URL for any parts: bytes that a URL must not contain are written as %XX,
// and a malformed authority is replaced.
Url make_url(const UrlParts& parts);

}  // namespace telinject
