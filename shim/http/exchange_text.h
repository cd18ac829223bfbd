// The events of an exchange, as JSON text for the encoder: docs/http.md lists the attributes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "shim/events/json/event_encoder.h"
#include "shim/http/exchange.h"

namespace telinject {

// What both events have: method, URL, server, peer, protocol, TLS; JSON members, each ended by a
// comma.
std::string common_attributes(const HttpExchange& exchange, const HttpConnection& connection);

// Of a TLS connection, from the fields of its digest; `name` is what it is called.
std::string tls_attributes(std::string_view fields, const HttpConnection& connection,
                           std::string* name);

// Each fills in all but the thread and owns the text until the next call.
class ExchangeText {
 public:
  SpanEvent request(const HttpExchange& exchange);
  // `first_byte_ns` < 0: not known. `slow_ns`: what is longer is a warning.
  SpanEvent response(const HttpExchange& exchange, int64_t duration_ns, int64_t first_byte_ns,
                     int64_t slow_ns);
  // Of a TLS connection that is not decrypted, at its end.
  SpanEvent tls(const std::string& name, const std::string& attributes, uint64_t sent_bytes,
                uint64_t received_bytes, int64_t duration_ns);
  // True if the last response was an error.
  bool failed() const { return !error_type_.empty(); }

 private:
  void find_error(const HttpExchange& exchange);

  std::string message_, attributes_, more_, error_type_, error_text_;
};

// "CURLE_COULDNT_CONNECT"; "CURLE_123" for one that is not listed here.
std::string curl_error_name(int code);
// "CANCEL", of RFC 9113, section 7.
std::string http2_error_name(uint32_t code);

}  // namespace telinject
