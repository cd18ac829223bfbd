// What of a header or a URL is a secret: requirements H04 and H05, and what the user adds
// (TELEMETRY_REDACT_HEADERS, TELEMETRY_REDACT_QUERY). docs/http.md lists the rules.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"

namespace telinject {

class HttpRedaction {
 public:
  // Names separated by commas, in any case, `*` standing for anything. They add to our own.
  explicit HttpRedaction(std::string_view headers = {}, std::string_view query = {});

  bool secret_header(std::string_view name);
  bool secret_query(std::string_view name);

  // A header's value as it may be written; `out` is replaced.
  void header(std::string_view name, std::string_view value, std::string* out);
  // A URL, a request target or a text with URLs in it: the same without user information and
  // without the values of secret parameters; `out` is replaced.
  void url(std::string_view text, std::string* out);

 private:
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  using Names = absl::flat_hash_map<std::string, bool, Hash, std::equal_to<>>;
  static bool judge(std::string_view name, const std::vector<std::string>& globs, Names* known,
                    bool (*secret)(const std::string& normalised));

  std::vector<std::string> header_globs_, query_globs_;
  // By name as it was sent: names come again and again, and telling takes longer than looking up.
  Names headers_, queries_;
};

}  // namespace telinject
