#include "shim/net/http_client.h"

#include <algorithm>
#include <utility>

namespace telinject::net {

namespace {

using std::chrono::duration_cast;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kSlice{50};  // between looks at `cancelled`

}  // namespace

HttpClient::HttpClient(Deadline deadline, const std::atomic<bool>* cancelled)
    : deadline_(deadline), cancelled_(cancelled) {}

void HttpClient::run(std::vector<HttpResponse>* responses, Deadline give_up) {
  auto done = [&](uint64_t i, HttpResponse response) { (*responses)[i] = std::move(response); };
  while (transfers_.under_way() > 0 && !cancelled() && steady_clock::now() < give_up) {
    transfers_.run(kSlice, -1, done);
  }
  transfers_.cancel_all(done);
}

std::vector<HttpResponse> HttpClient::send_all(const std::vector<HttpRequest>& requests) {
  std::vector<HttpResponse> responses(requests.size());
  auto left = duration_cast<milliseconds>(deadline_ - steady_clock::now());
  milliseconds longest{0};
  for (size_t i = 0; i < requests.size(); i++) {
    if (left.count() <= 0) {
      responses[i].reason = "not sent: the time for all requests is over";
      responses[i].problem = about(requests[i]) + responses[i].reason;
      responses[i].failure = HttpFailure::kNotSent;
      continue;
    }
    HttpRequest request = requests[i];
    request.timeout = std::min(left, request.timeout);
    longest = std::max(longest, request.timeout);
    transfers_.start(i, std::move(request));
  }
  // libcurl ends each transfer at its limit; this is for the case that it does not.
  run(&responses, steady_clock::now() + longest + kSlice);
  return responses;
}

}  // namespace telinject::net
