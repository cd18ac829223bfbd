// A blocking HTTP client for small requests, several at a time: for metadata services. For requests
// in the background see http_transfers.h.
//
// All requests of a client end by its deadline, whatever the server does.
#pragma once

#include <atomic>
#include <chrono>
#include <vector>

#include "shim/net/http_request.h"
#include "shim/net/http_transfers.h"

namespace telinject::net {

using Deadline = std::chrono::steady_clock::time_point;

// For one thread.
class HttpClient {
 public:
  // Setting `cancelled` ends all requests within 50 ms; null: they cannot be cancelled. It must
  // outlive the client.
  explicit HttpClient(Deadline deadline, const std::atomic<bool>* cancelled = nullptr);
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  // Sends all requests at once and returns the responses in the same order. Connections are kept
  // for the next call.
  std::vector<HttpResponse> send_all(const std::vector<HttpRequest>& requests);
  HttpResponse send(const HttpRequest& request) { return send_all({request}).front(); }

 private:
  void run(std::vector<HttpResponse>* responses, Deadline give_up);
  bool cancelled() const { return cancelled_ != nullptr && cancelled_->load(); }

  Deadline deadline_;
  const std::atomic<bool>* cancelled_;
  HttpTransfers transfers_;
};

}  // namespace telinject::net
