// A Dispatch with a clock and a net of the test's.
#pragma once

#include <algorithm>
#include <catch2/catch.hpp>
#include <set>
#include <string>
#include <vector>

#include "shim/delivery/dispatch.h"
#include "tests/unit/delivery/items.h"
#include "tests/unit/lib/workshop.h"

namespace telinject::test {
using namespace delivery;
using namespace std::chrono_literals;
using net::HttpFailure;
using net::HttpResponse;

class StatusesOfItems final : public AnswerReader {
 public:
  // Body: "rejected N" or "again I J ...".
  Verdict read(const Answer& answer, size_t) const override {
    Verdict verdict = read_status(answer);
    if (answer.body.starts_with("rejected ")) verdict.rejected = std::stoul(answer.body.substr(9));
    if (answer.body.starts_with("again ")) {
      for (char c : answer.body.substr(6)) {
        if (c != ' ') verdict.again.push_back(static_cast<size_t>(c - '0'));
      }
    }
    return verdict;
  }
};

inline HttpResponse status(int code, const std::string& body = "", const std::string& retry = "") {
  HttpResponse response;
  response.status = code;
  response.body = body;
  if (!retry.empty()) response.headers = {{"Retry-After", retry}};
  if (code > 299) response.failure = HttpFailure::kStatus;
  return response;
}

inline HttpResponse failed(HttpFailure failure, const std::string& reason) {
  HttpResponse response;
  response.failure = failure;
  response.reason = reason;
  return response;
}

struct Line {
  Endpoint endpoint;
  Delivery::Limits limits;
  std::vector<std::string> told;
  double random = 0.5;  // no spread
  steady_clock::time_point now{std::chrono::hours(1000)};
  std::unique_ptr<Dispatch> dispatch;

  Line() {
    endpoint.name = "test";
    endpoint.url = "http://user:password1@host:1/path?token=verysecret";
    endpoint.reader = std::make_shared<StatusesOfItems>();
    limits.body_items = 8;
    limits.spool_bytes = 0;
  }
  Dispatch& make() {
    dispatch = std::make_unique<Dispatch>(
        endpoint, limits, [this](const std::string& line) { told.push_back(line); },
        [this] { return random; });
    return *dispatch;
  }
  std::optional<Dispatch::Request> next() { return dispatch->next(now); }
  void answer(const Dispatch::Request& request, const HttpResponse& response) {
    Dispatch::Reading reading = dispatch->read(response, request.piece.items(), 0);
    dispatch->answered(request.id, reading, text(request).size(), now);
  }
  static std::string text(const Dispatch::Request& request) {
    std::string body;
    const Piece& piece = request.piece;
    piece.batch->framing->append_body(*piece.batch, piece.from, piece.to, &body);
    return body;
  }
  // Every request is answered by `server` until nothing is left; returns all bodies accepted.
  template <typename Server>
  std::vector<std::string> play(Server server) {
    std::vector<std::string> accepted;
    dispatch->set_flushing(true);
    for (int steps = 0; !dispatch->idle() && !dispatch->stopped() && steps < 10000; steps++) {
      std::vector<Dispatch::Request> batch;
      while (auto request = next()) batch.push_back(*request);
      for (const auto& request : batch) {
        HttpResponse response = server(text(request));
        if (response.status == 200) accepted.push_back(text(request));
        answer(request, response);
      }
      if (batch.empty()) now = std::max(now, dispatch->next_at());
    }
    return accepted;
  }
};

// "0;1;2;" as a set of its items, none twice.
inline std::set<std::string> split(const std::vector<std::string>& bodies) {
  std::set<std::string> all;
  for (const std::string& body : bodies) {
    for (size_t at = 0; at < body.size();) {
      size_t end = body.find(';', at);
      CHECK(all.insert(body.substr(at, end - at)).second);
      at = end + 1;
    }
  }
  return all;
}

}  // namespace telinject::test
