// An HTTP request and its response.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace telinject::net {

struct HttpRequest {
  std::string url;                        // http, or https if there is a ca_file or `system_tls`
  std::vector<std::string> headers = {};  // "Name: value"
  std::string method = "GET";
  std::string body = {};        // its Content-Type belongs in `headers`
  std::string ca_file = {};     // PEM file of the certificate authorities for https
  size_t max_bytes = 64 << 10;  // of the response's body; a larger one is a problem
  std::chrono::milliseconds timeout{1000};
  std::chrono::milliseconds connect_timeout{0};          // part of it; 0: all of it
  bool system_tls = false;                               // the system's certificates are trusted
  std::string client_certificate = {}, client_key = {};  // PEM files; "": none
  bool insecure = false;                                 // any https server is trusted
  bool http2_at_once = false;                            // over http: HTTP/2 without asking
};

enum class HttpFailure : uint8_t {
  kNone,
  kStatus,         // other than 2xx
  kNotSent,        // no connection: the request did not reach the server
  kTls,            // no connection that is trusted; likewise
  kTimeout,        // the server may have processed the request
  kTooLarge,       // the response's body, which is there up to the limit; so is the status
  kStreamRefused,  // HTTP/2: the server reset the stream
  kBroken,         // the connection ended too soon, or the answer was not HTTP; may be processed
  kUnusable,       // no URL, no library, no certificate file
};

struct HttpResponse {
  int status = 0;                                                  // 0: none was received
  std::vector<std::pair<std::string, std::string>> headers = {};   // as received, 64 KiB at most
  std::vector<std::pair<std::string, std::string>> trailers = {};  // behind the body; likewise
  std::string body = {};
  // "" for a status of 2xx. Else the request, without user and password, and what went wrong:
  // "GET http://...: status 404".
  std::string problem = {};
  std::string reason = {};  // the same without the request: "status 404"
  HttpFailure failure = HttpFailure::kNone;

  bool ok() const { return problem.empty(); }
  // The value of the first header of that name, in any case. "" if there is none.
  std::string_view header(std::string_view name) const;
};

// A URL without its user and password.
std::string without_user(std::string_view url);
// How messages name a request: "POST http://host/path: ", without user and password.
std::string about(const HttpRequest& request);

}  // namespace telinject::net
