// Applies the rules for names, and those that the user adds. Caches its answers, because names
// repeat.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "shim/redaction/names.h"

namespace telinject::redaction {

class NameJudge {
 public:
  // Each list: names separated by commas, in any case, `*` standing for anything.
  explicit NameJudge(std::string_view headers = {}, std::string_view query = {});

  Secrecy judge(std::string_view name);

 private:
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };

  bool is_users(std::string_view name) const;

  std::vector<std::string> patterns_;
  absl::flat_hash_map<std::string, Secrecy, Hash, std::equal_to<>> known_;  // as it was written
};

}  // namespace telinject::redaction
