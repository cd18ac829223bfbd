// Any number of concurrent HTTP requests, owned by one thread.
//
// A request ends within its timeout, whatever the server does. No proxy is used and no redirect
// followed, because requests may carry secrets. No signal is raised. Connections are kept.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>

#include "shim/net/http_request.h"

namespace telinject::net {

// Whether requests to one server over HTTP/2 may share a connection.
enum class Connections : uint8_t {
  kShared,
  // libcurl 7.88 breaks off large requests that share one.
  kOneEach,
};

class HttpTransfers {
 public:
  using Done = std::function<void(uint64_t id, HttpResponse response)>;

  explicit HttpTransfers(Connections connections = Connections::kShared);
  ~HttpTransfers();  // aborts all requests; `done` is not called for them
  HttpTransfers(const HttpTransfers&) = delete;
  HttpTransfers& operator=(const HttpTransfers&) = delete;

  // `id` is the caller's. A request that cannot be made is answered by the next run(), too.
  void start(uint64_t id, HttpRequest request);
  // Works for as long as `wait`, or until something was answered or `wake_fd` (-1: none) can be
  // read. `done` is called for each answer, within this call, and may start requests.
  void run(std::chrono::milliseconds wait, int wake_fd, const Done& done);
  size_t under_way() const;
  // Aborts all requests. `done` is called for each, as if it had timed out (kTimeout, "given up").
  void cancel_all(const Done& done);

 private:
  class Engine;  // only its source file includes libcurl's headers
  std::unique_ptr<Engine> engine_;
};

}  // namespace telinject::net
