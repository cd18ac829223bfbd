#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/time/time.h"
#include "shim/delivery/endpoint.h"

namespace telinject::delivery {

namespace {

using std::chrono::seconds;

constexpr seconds kLongest{30};
constexpr int kBadRequest = 400, kUnauthorized = 401, kForbidden = 403, kNotFound = 404,
              kPayloadTooLarge = 413, kTooMany = 429, kBadGateway = 502, kUnavailable = 503,
              kGatewayTimeout = 504;

std::string_view find(const std::vector<std::pair<std::string, std::string>>& fields,
                      std::string_view name) {
  for (const auto& [key, value] : fields) {
    if (absl::EqualsIgnoreCase({key.data(), key.size()}, {name.data(), name.size()})) return value;
  }
  return {};
}

std::optional<milliseconds> until(int64_t moment, int64_t now) {
  if (moment <= now) return milliseconds(0);
  return std::min<int64_t>(moment - now, kLongest.count()) * milliseconds(1000);
}

}  // namespace

std::string_view Answer::field(std::string_view name) const {
  std::string_view value = find(trailers, name);
  return value.empty() ? find(headers, name) : value;
}

// The three forms that HTTP has had for dates; all are in GMT.
std::optional<milliseconds> parse_retry_after(std::string_view value, int64_t now_seconds) {
  constexpr size_t kMostBytes = 64;
  absl::string_view text = absl::StripAsciiWhitespace({value.data(), value.size()});
  if (text.empty() || text.size() > kMostBytes) return std::nullopt;
  if (std::all_of(text.begin(), text.end(), absl::ascii_isdigit)) {
    int64_t number;
    if (!absl::SimpleAtoi(text, &number)) return kLongest;  // more than fits
    return std::min(seconds(std::min(number, kLongest.count())), kLongest);
  }
  // What is no date, but a word of absl's, begins with another letter.
  if (!absl::ascii_isupper(static_cast<unsigned char>(text[0]))) return std::nullopt;
  for (const char* form :
       {"%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %d %H:%M:%S %Y"}) {
    absl::Time time;
    std::string problem;
    if (absl::ParseTime(form, text, absl::UTCTimeZone(), &time, &problem)) {
      return until(absl::ToUnixSeconds(time), now_seconds);
    }
  }
  return std::nullopt;
}

std::optional<milliseconds> retry_after(const Answer& answer) {
  std::string_view value = answer.field("Retry-After");
  return value.empty() ? std::nullopt : parse_retry_after(value, answer.now_seconds);
}

Verdict read_status(const Answer& answer) {
  Verdict verdict;
  if (answer.status >= 200 && answer.status <= 299) return verdict;
  verdict.message = answer.body;
  switch (answer.status) {
    case kTooMany:
    case kBadGateway:
    case kUnavailable:
    case kGatewayTimeout:
      verdict.kind = Verdict::kRetry;
      verdict.retry_after = retry_after(answer);
      return verdict;
    case kPayloadTooLarge:
      verdict.kind = Verdict::kTooLarge;
      return verdict;
    case kUnauthorized:
    case kForbidden:
    case kNotFound:
      verdict.kind = Verdict::kStop;
      return verdict;
    default: {
      bool large = answer.status == kBadRequest &&
                   absl::StrContains(absl::AsciiStrToLower(answer.body), "too large");
      verdict.kind = large ? Verdict::kTooLarge : Verdict::kRefused;
      return verdict;
    }
  }
}

}  // namespace telinject::delivery
