#include "shim/redaction/shapes.h"

#include <algorithm>

#include "shim/redaction/characters.h"

namespace telinject::redaction {

namespace {

// What issuers put before their tokens, and how many characters follow at least. Digits and letters
// are among them: no word of a language is a token.
struct Shape {
  std::string_view prefix;
  size_t at_least;
  bool wide = false;  // + / and = are in it
};
constexpr Shape kShapes[] = {
    // clouds
    {"AKIA", 16},
    {"ASIA", 16},
    {"ABIA", 16},
    {"ACCA", 16},
    {"IQoJb3JpZ2lu", 40, true},
    {"FwoGZXIvYXdz", 40, true},
    {"amzn.mws.", 30},
    {"AIza", 30},
    {"ya29.", 20},
    {"GOCSPX-", 20},
    {"1//0", 30},
    {"dop_v1_", 30},
    {"doo_v1_", 30},
    {"dor_v1_", 30},
    {"pul-", 36},
    {"dapi", 32},
    {"hvs.", 20},
    {"hvb.", 20},
    {"hvr.", 20},
    {"dp.pt.", 30},
    {"dp.st.", 30},
    {"fo1_", 30},
    {"nfp_", 30},
    {"sbp_", 30},
    {"pscale_tkn_", 30},
    {"pscale_pw_", 30},
    {"LTAI", 16},
    // code and packages
    {"ghp_", 20},
    {"gho_", 20},
    {"ghu_", 20},
    {"ghs_", 20},
    {"ghr_", 20},
    {"github_pat_", 20},
    {"glpat-", 16},
    {"gldt-", 16},
    {"glrt-", 16},
    {"glcbt-", 16},
    {"glptt-", 16},
    {"glft-", 16},
    {"glimt-", 16},
    {"gloas-", 16},
    {"glagent-", 16},
    {"ATATT3", 30, true},
    {"ATBB", 28},
    {"BBDC-", 30, true},
    {"npm_", 30},
    {"pypi-", 20},
    {"rubygems_", 30},
    {"oy2", 40},
    {"dckr_pat_", 20},
    {"dckr_oat_", 20},
    {"CCIPAT_", 30},
    {"AKCp", 40},
    {"cmVmdGtu", 40},
    {"sntrys_", 30, true},
    {"sntryu_", 30},
    {"sgp_", 30},
    {"PMAK-", 30},
    // chats and mail
    {"xoxa-", 10},
    {"xoxb-", 10},
    {"xoxe-", 10},
    {"xoxe.", 10},
    {"xoxo-", 10},
    {"xoxp-", 10},
    {"xoxr-", 10},
    {"xoxs-", 10},
    {"xoxc-", 10},
    {"xoxd-", 10, true},
    {"xapp-", 10},
    {"SG.", 30},
    {"mfa.", 60},
    {"key-", 32},
    {"re_", 24},
    {"xkeysib-", 40},
    // payments and shops
    {"sk_live_", 10},
    {"sk_test_", 10},
    {"rk_live_", 10},
    {"rk_test_", 10},
    {"whsec_", 20, true},
    {"sq0atp-", 20},
    {"sq0csp-", 20},
    {"shpat_", 30},
    {"shpss_", 30},
    {"shpca_", 30},
    {"shppa_", 30},
    {"EZAK", 50},
    // models
    {"sk-", 20},
    {"hf_", 30},
    {"gsk_", 40},
    {"xai-", 40},
    {"r8_", 30},
    {"pplx-", 40},
    {"tvly-", 20},
    {"lsv2_", 30},
    // observability and others
    {"glsa_", 30},
    {"glc_", 30},
    {"NRAK-", 20},
    {"NRJS-", 15},
    {"dt0c01.", 40},
    {"phx_", 30},
    {"lin_api_", 30},
    {"ntn_", 30},
    {"secret_", 40},
    {"figd_", 30},
    {"ops_eyJ", 30},
    {"tk-us-", 30},
    {"AGE-SECRET-KEY-1", 40},
    {"eyJ", 30}};

constexpr std::string_view kHashes[] = {"$1$", "$2a$", "$2b$", "$2y$",     "$5$",
                                        "$6$", "$y$",  "$7$",  "$argon2i", "$apr1$"};

constexpr ByFirstCharacter kShapesByFirst(kShapes, [](const Shape& shape) { return shape.prefix; });

constexpr bool is_token_char(char c, bool wide) {
  return is(c, kName) || (wide && (c == '+' || c == '/' || c == '='));
}

}  // namespace

size_t Shapes::token_end(size_t at) {
  if (at >= text_.size() || at < no_token_until_) return 0;
  std::string_view rest = text_.substr(at);
  for (const Shape& shape : kShapesByFirst.of(rest[0])) {
    if (!rest.starts_with(shape.prefix)) continue;
    size_t end = at + shape.prefix.size();
    bool digits = false, letters = false;
    for (; end < text_.size() && is_token_char(text_[end], shape.wide); end++) {
      digits = digits || is(text_[end], kDigit);
      letters = letters || is(text_[end], kLetter);
    }
    if (!digits || !letters) {
      no_token_until_ = end;  // and so it is of any part of it
      return 0;
    }
    if (end - at - shape.prefix.size() < shape.at_least) continue;
    while (text_[end - 1] == '.' || text_[end - 1] == '-') end--;  // a sentence's
    return end;
  }
  return is(text_[at], kDigit) ? bot_end(at) : 0;
}

// 123456789:AAH...: the number of a bot of Telegram and its key.
size_t Shapes::bot_end(size_t at) const {
  constexpr size_t kNumber = 12, kKey = 30, kLongest = 64;
  size_t colon = at;
  while (colon < text_.size() && colon - at <= kNumber && is(text_[colon], kDigit)) colon++;
  if (colon >= text_.size() || text_[colon] != ':' || colon - at < 6) return 0;
  size_t end = colon + 1;
  while (end < text_.size() && end - colon <= kLongest &&
         (is(text_[end], kWordStart) || text_[end] == '-')) {
    end++;
  }
  return end - colon > kKey ? end : 0;
}

size_t Shapes::private_key_end(size_t at) const {
  constexpr std::string_view kBegin = "-----BEGIN ", kEnd = "-----END ", kWhat = "PRIVATE KEY";
  constexpr size_t kLongestLabel = 64;
  if (!text_.substr(at).starts_with(kBegin)) return 0;
  std::string_view label = text_.substr(at + kBegin.size(), kLongestLabel);
  label = label.substr(0, label.find("-----"));
  if (label.find(kWhat) == kNotFound) return 0;
  size_t end = text_.find(kEnd, at + kBegin.size());
  if (end == kNotFound) return text_.size();
  size_t dashes = text_.find("-----", end + kEnd.size());
  return dashes == kNotFound ? text_.size() : dashes + 5;
}

size_t Shapes::hash_end(size_t at) const {
  constexpr size_t kShortest = 22;
  std::string_view rest = text_.substr(at);
  bool begins = std::any_of(std::begin(kHashes), std::end(kHashes),
                            [&](std::string_view prefix) { return rest.starts_with(prefix); });
  if (!begins) return 0;
  size_t end = at;
  auto is_hash_char = [](char c) {
    return is(c, kLetter | kDigit) || std::string_view("$./=,+").find(c) != kNotFound;
  };
  while (end < text_.size() && is_hash_char(text_[end])) end++;
  return end - at >= kShortest ? end : 0;
}

}  // namespace telinject::redaction
