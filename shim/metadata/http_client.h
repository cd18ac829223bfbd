// Questions to metadata services: small, over HTTP, several at once.
//
// Whatever is at the other end: an answer is there within a second, or there is none; all of a
// client's questions end by its deadline. No proxy (it would answer for another machine, or carry
// our tokens there), no redirect followed, no signal raised, no more read than `max_bytes`.
#pragma once

#include <atomic>
#include <chrono>
#include <string>
#include <vector>

#include "shim/metadata/curl_library.h"

namespace telinject {

using Deadline = std::chrono::steady_clock::time_point;

struct HttpRequest {
  std::string url;
  std::vector<std::string> headers = {};  // "Name: value"
  std::string method = "GET";
  std::string ca_file = {};  // https: who must have signed the server's certificate
  size_t max_bytes = 64 << 10;
};

struct HttpAnswer {
  int status = 0;  // 0: none
  std::string body;
  std::string metadata_flavor;  // that header, which Google's servers set
  // "" for a status of 2xx; else what was asked, and what went wrong: "GET http://...: status 404".
  std::string problem;
  bool ok() const { return problem.empty(); }
};

class HttpClient {
 public:
  static constexpr std::chrono::milliseconds kCallLimit{1000};

  // `cancelled` makes the client give up within 50 ms. Must outlive it, as everything here.
  HttpClient(Deadline deadline, const std::atomic<bool>* cancelled)
      : deadline_(deadline), cancelled_(cancelled) {}
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  // All at once; the answers are in the order of the questions. Connections are kept for the next
  // call.
  std::vector<HttpAnswer> ask_all(const std::vector<HttpRequest>& requests);
  HttpAnswer ask(const HttpRequest& request) { return ask_all({request}).front(); }

 private:
  Deadline deadline_;
  const std::atomic<bool>* cancelled_;
  const CurlLibrary* curl_ = nullptr;
  CURLM* multi_ = nullptr;
};

}  // namespace telinject
