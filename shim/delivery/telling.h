// What is said of an endpoint: its address and its words without secrets, and loss when it begins
// and when it ends.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "shim/delivery/delivery.h"
#include "shim/delivery/endpoint.h"

namespace telinject::delivery {

// A receiver's words for a line of text: secrets of the endpoint's headers and URL that it repeats
// are taken out, what is not printable ASCII is escaped, and it is cut after 200 bytes. In quotes;
// "" if there are none.
std::string words_to_tell(const Endpoint& endpoint, std::string_view words);

// What became of the items: "12 spans sent, 3 rejected". `what`: "spans", or "" for none.
std::string outcome_of(const Totals& totals, std::string_view what);

enum class Loss : uint8_t { kRejected, kOversize, kTimeout, kSinkError };
inline constexpr size_t kLosses = 4;

// For one thread at a time. Tells once that loss begins, and once that it is over: when nothing was
// lost for ten seconds while something was accepted, or at the end.
class LossLines {
 public:
  using Tell = std::function<void(const std::string& line)>;
  using TimePoint = std::chrono::steady_clock::time_point;

  // `who`: "http http://host/path".
  LossLines(std::string who, Tell tell) : who_(std::move(who)), tell_(std::move(tell)) {}

  // `detail`: "" or why, as a part of a sentence.
  void lost(Loss loss, uint64_t items, const std::string& detail, TimePoint now);
  void accepted(TimePoint now);
  void end();

 private:
  std::string who_;
  Tell tell_;
  std::array<uint64_t, kLosses> told_ = {};  // since it began
  bool losing_ = false;
  TimePoint last_loss_;
};

}  // namespace telinject::delivery
