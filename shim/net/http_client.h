// An HTTP client for small requests, several at a time: metadata services, sinks.
//
// A request ends within its timeout, and all requests of a client end by its deadline, whatever the
// server does. No proxy is used and no redirect followed, because requests may carry secrets. No
// signal is raised.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace telinject::net {

using Deadline = std::chrono::steady_clock::time_point;

struct HttpRequest {
  std::string url;                        // http, or https if there is a ca_file
  std::vector<std::string> headers = {};  // "Name: value"
  std::string method = "GET";
  std::string body = {};        // its Content-Type belongs into `headers`
  std::string ca_file = {};     // the certificates (PEM) that a server of https must be signed by
  size_t max_bytes = 64 << 10;  // of the response's body; a larger one is a problem
  std::chrono::milliseconds timeout{1000};
};

struct HttpResponse {
  int status = 0;                                                 // 0: none was received
  std::vector<std::pair<std::string, std::string>> headers = {};  // as received, 64 KiB at most
  std::string body = {};
  // "" for a status of 2xx. Else the request, without user and password, and what went wrong:
  // "GET http://...: status 404".
  std::string problem = {};

  bool ok() const { return problem.empty(); }
  // The value of the first header of that name, in any case. "" if there is none.
  std::string_view header(std::string_view name) const;
};

// For one thread.
class HttpClient {
 public:
  // Setting `cancelled` ends all requests within 50 ms; null: they cannot be cancelled. It must
  // outlive the client.
  explicit HttpClient(Deadline deadline, const std::atomic<bool>* cancelled = nullptr);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  // Sends all requests at once and returns the responses in the same order. Connections are kept
  // for the next call.
  std::vector<HttpResponse> send_all(const std::vector<HttpRequest>& requests);
  HttpResponse send(const HttpRequest& request) { return send_all({request}).front(); }

 private:
  class Engine;  // libcurl's headers are seen by its file only
  std::unique_ptr<Engine> engine_;
};

}  // namespace telinject::net
