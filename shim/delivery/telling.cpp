#include "shim/delivery/telling.h"

#include <algorithm>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "shim/delivery/header_list.h"
#include "shim/net/http_request.h"

namespace telinject::delivery {

namespace {

constexpr std::chrono::seconds kQuiet{10};

constexpr std::array<std::string_view, kLosses> kWhat = {
    "refused by the receiver", "too large for the receiver", "not answered in time",
    "no room left in memory and spool"};
constexpr std::array<std::string_view, kLosses> kNames = {"rejected", "oversize", "timeout",
                                                          "sink_error"};

std::string_view view(absl::string_view text) {
  return {text.data(), text.size()};
}

absl::string_view abseil(std::string_view text) {
  return {text.data(), text.size()};
}

// What a receiver might repeat that nobody else should read.
class Secrets {
 public:
  explicit Secrets(const Endpoint& endpoint) {
    for (const std::string& header : endpoint.headers) add_header(header);
    add_url(endpoint.url);
    // The longest first: one may be part of another.
    std::sort(all_.begin(), all_.end(),
              [](const auto& a, const auto& b) { return a.size() > b.size(); });
  }
  const std::vector<std::string>& all() const { return all_; }

 private:
  void add(std::string_view text) {
    constexpr size_t kShortest = 5;  // else ordinary words are taken out
    if (text.size() >= kShortest) all_.emplace_back(text);
  }

  void add_header(std::string_view header) {
    size_t colon = header.find(':');
    absl::string_view name = abseil(header.substr(0, colon));
    auto is = [&](absl::string_view other) { return absl::EqualsIgnoreCase(name, other); };
    bool harmless = is("Content-Type") || is("Accept") || is("grpc-encoding") ||
                    is("grpc-accept-encoding") || is("TE");
    if (colon == std::string_view::npos || harmless) return;
    std::vector<std::string> words =
        absl::StrSplit(abseil(header.substr(colon + 1)), ' ', absl::SkipEmpty());
    // "Basic", "Bearer" or the like is before the secret, and an ordinary word.
    bool scheme = (is("Authorization") || is("Proxy-Authorization")) && words.size() > 1;
    for (size_t i = scheme ? 1 : 0; i < words.size(); i++) add(words[i]);
    std::string user;
    if (scheme && absl::EqualsIgnoreCase(words[0], "Basic") &&
        absl::Base64Unescape(words[1], &user)) {
      add_user(user);
    }
  }

  // "user:password"
  void add_user(std::string_view user) {
    size_t colon = std::min(user.find(':'), user.size());
    add(user.substr(0, colon));
    add(user.substr(std::min(colon + 1, user.size())));
  }

  void add_url(std::string_view url) {
    size_t scheme = url.find("://"), from = scheme == std::string_view::npos ? 0 : scheme + 3;
    std::string_view rest = url.substr(from);
    size_t at = rest.substr(0, rest.find_first_of("/?#")).rfind('@');
    if (at != std::string_view::npos) {
      std::string user = percent_decoded(rest.substr(0, at));
      add_user(rest.substr(0, at));
      add_user(user);
      add(absl::Base64Escape(user));  // as it is sent
    }
    size_t query = rest.find('?');
    if (query == std::string_view::npos) return;
    for (absl::string_view pair : absl::StrSplit(abseil(rest.substr(query + 1)), '&')) {
      add(view(pair).substr(pair.find('=') + 1));
    }
  }

  std::vector<std::string> all_;
};

}  // namespace

std::string url_to_tell(std::string_view url) {
  std::string plain = net::without_user(url);
  return absl::CHexEscape(plain.substr(0, plain.find_first_of("?#")));
}

std::string words_to_tell(const Endpoint& endpoint, std::string_view words) {
  constexpr size_t kMostRead = 4096, kMost = 200;
  std::string text(words.substr(0, kMostRead));
  const Secrets secrets(endpoint);
  for (const std::string& secret : secrets.all()) {
    text = absl::StrReplaceAll(text, {{secret, "REDACTED"}});
  }
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  if (text.empty()) return "";
  bool cut = text.size() > kMost || words.size() > kMostRead;
  return absl::StrCat("\"", absl::CHexEscape(text.substr(0, kMost)), cut ? "...\"" : "\"");
}

std::string outcome_of(const Totals& totals, std::string_view what) {
  std::string text = absl::StrCat(totals.sent, what.empty() ? "" : " ", abseil(what), " sent");
  auto add = [&](uint64_t count, const char* fate) {
    if (count > 0) absl::StrAppend(&text, ", ", count, " ", fate);
  };
  add(totals.rejected, "rejected");
  add(totals.oversize, "too large");
  add(totals.timeout, "not answered in time");
  add(totals.sink_error, "without room");
  add(totals.left, "kept for later");
  add(totals.waiting, "waiting");
  return text;
}

void LossLines::lost(Loss loss, uint64_t items, const std::string& detail, TimePoint now) {
  auto i = static_cast<size_t>(loss);
  told_[i] += items;
  last_loss_ = now;
  if (losing_) return;
  losing_ = true;
  tell_(absl::StrCat(who_, ": losing events, ", items, " so far: ", abseil(kWhat[i]),
                     detail.empty() ? "" : " (", detail, detail.empty() ? "" : ")",
                     "; they are counted, and the program runs on"));
}

void LossLines::accepted(TimePoint now) {
  if (losing_ && now - last_loss_ > kQuiet) end();
}

void LossLines::end() {
  if (!losing_) return;
  losing_ = false;
  std::string counts;
  uint64_t all = 0;
  for (size_t i = 0; i < kLosses; i++) {
    if (told_[i] == 0) continue;
    absl::StrAppend(&counts, counts.empty() ? "" : ", ", abseil(kNames[i]), " ", told_[i]);
    all += told_[i];
  }
  told_ = {};
  tell_(absl::StrCat(who_, ": events are no longer lost; ", all, " were lost (", counts, ")"));
}

}  // namespace telinject::delivery
