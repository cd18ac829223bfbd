// The absolute URL of a request, from what the wire says of it: RFC 9110, section 7.1.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace telinject {

struct UrlParts {
  std::string_view method;
  std::string_view target;     // origin-form, absolute-form, authority-form or "*"
  std::string_view scheme;     // "http" or "https" as far as it is known: by TLS, :scheme
  std::string_view authority;  // Host, :authority; "" if there is none
  // Instead of the authority, if there is none: the name that the TLS client asked for, or the
  // address of the server.
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

// Whatever the parts are, the result is a URL: bytes that may not stand in one are written as %XX,
// and an authority that makes no sense is replaced.
Url make_url(const UrlParts& parts);

}  // namespace telinject
