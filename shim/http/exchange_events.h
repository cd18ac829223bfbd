// The events of an exchange: its typed attributes, message and error. docs/http.md lists them.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "shim/events/event.h"
#include "shim/http/exchange.h"

namespace telinject {

// Each fills in an operation that refers to this object and the exchange; valid until the next
// call.
class ExchangeEvents {
 public:
  const Operation& request(const HttpExchange& exchange);
  // `first_byte_ns` < 0: unknown. Exchanges longer than `slow_ns` are warnings; 0: none.
  const Operation& response(const HttpExchange& exchange, int64_t duration_ns,
                            int64_t first_byte_ns, int64_t slow_ns);
  // The end of a TLS connection that was not decrypted.
  const Operation& tls(const TlsFacts& facts, uint64_t sent_bytes, uint64_t received_bytes,
                       int64_t duration_ns);
  // The headers of the last response.
  Severity severity() const { return severity_; }
  const ErrorInfo* error() const { return error_type_.empty() ? nullptr : &error_; }

 private:
  void add(std::string_view name, AttributeValue value) { attributes_.push_back({name, value}); }
  void add_text(std::string_view name, std::string_view value) {
    if (!value.empty()) add(name, value);
  }
  void add_both(const HttpExchange& exchange);
  void add_ends(const HttpPeer& peer, bool server);
  void add_peer(const HttpPeer& peer);
  void add_curl(const CurlFacts& curl);
  void add_grpc(const HttpExchange& exchange);
  void add_trailers(std::string_view prefix, const NameValues& trailers);
  void find_error(const HttpExchange& exchange);

  Operation operation_;
  std::vector<Attribute> attributes_;
  std::deque<std::string> names_;  // generated names of attributes
  std::string name_;
  std::string message_;
  HttpRequestInfo request_;
  HttpResponseInfo response_;
  Severity severity_ = Severity::kInfo;
  std::string error_type_, error_text_;
  ErrorInfo error_;
};

// "CURLE_COULDNT_CONNECT"; "CURLE_123" for one that is not listed here.
std::string curl_error_name(int code);
// "CANCEL", of RFC 9113, section 7.
std::string http2_error_name(uint32_t code);

}  // namespace telinject
