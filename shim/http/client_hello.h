// Reads the unencrypted fields of a TLS ClientHello: RFC 8446, section 4.1.2, and RFC 6066.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace telinject {

struct ClientHello {
  std::string server_name;  // "" if it names none
  std::string protocols;    // ALPN: "h2,http/1.1"
  uint16_t version = 0;     // the highest that the client offers: 0x0304 is TLS 1.3
};

// `bytes` begin with the record's header and may be cut off anywhere: the fields before the cut are
// returned. False if this is not a ClientHello.
bool parse_client_hello(std::string_view bytes, ClientHello* out);

// "1.2", "1.3", ...; "" if unknown.
std::string_view tls_version_text(uint16_t version);

}  // namespace telinject
