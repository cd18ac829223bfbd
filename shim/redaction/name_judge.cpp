#include "shim/redaction/name_judge.h"

#include <fnmatch.h>

#include <algorithm>

#include "shim/redaction/characters.h"
#include "shim/redaction/percent.h"

namespace telinject::redaction {

namespace {

// Names that are new each time shall not fill the memory.
constexpr size_t kMaxKnownNames = 2048;
constexpr size_t kLongestKnownName = 128;

void split_names(std::string_view list, std::vector<std::string>* names) {
  while (!list.empty()) {
    size_t comma = std::min(list.find(','), list.size());
    std::string_view name = list.substr(0, comma);
    while (name.starts_with(' ')) name.remove_prefix(1);
    while (name.ends_with(' ')) name.remove_suffix(1);
    if (!name.empty()) names->push_back(normalised_name(name));
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
}

}  // namespace

NameJudge::NameJudge(std::string_view headers, std::string_view query) {
  split_names(headers, &patterns_);
  split_names(query, &patterns_);
}

bool NameJudge::is_users(std::string_view name) const {
  if (patterns_.empty()) return false;
  std::string text = normalised_name(name);
  return std::any_of(patterns_.begin(), patterns_.end(), [&](const std::string& pattern) {
    return fnmatch(pattern.c_str(), text.c_str(), 0) == 0;
  });
}

Secrecy NameJudge::judge(std::string_view name) {
  auto found = known_.find(name);
  if (found != known_.end()) return found->second;
  std::string text = percent_decoded(name);  // access%5Ftoken
  Secrecy secrecy = secrecy_of(text);
  if (secrecy < Secrecy::kAnywhere && is_users(text)) secrecy = Secrecy::kAnywhere;
  if (known_.size() < kMaxKnownNames && name.size() <= kLongestKnownName) {
    known_.emplace(name, secrecy);
  }
  return secrecy;
}

}  // namespace telinject::redaction
