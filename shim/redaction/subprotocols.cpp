#include "shim/redaction/subprotocols.h"

#include <algorithm>

#include "shim/redaction/characters.h"
#include "shim/redaction/names.h"
#include "shim/redaction/scan.h"
#include "shim/redaction/values.h"

namespace telinject::redaction {

bool is_subprotocols(std::string_view name) {
  return same_ignoring_case(name, "sec-websocket-protocol");
}

std::string redact_subprotocols(std::string_view value) {
  constexpr std::string_view kBearer = "base64url.bearer.authorization.k8s.io.";
  constexpr size_t kShortest = 10;
  std::string out;
  bool next_is_secret = false;
  for (;;) {
    size_t end = std::min(value.find(','), value.size());
    std::string_view item = value.substr(0, end);
    size_t blanks = std::min(item.find_first_not_of(' '), item.size());
    out.append(item.substr(0, blanks));
    item.remove_prefix(blanks);
    Secrecy secrecy = secrecy_of(item);
    if (item.starts_with(kBearer)) {
      out.append(kBearer).append(kRedacted);
    } else if (next_is_secret || (looks_random(item, kShortest) && secrecy != Secrecy::kNone)) {
      out.append(is_plain_value(item) ? item : kRedacted);
    } else if (looks_random(item, 2 * kShortest)) {
      out.append(kRedacted);
    } else {
      out.append(item);
    }
    next_is_secret = secrecy != Secrecy::kNone && !looks_random(item, kShortest);
    if (end == value.size()) return out;
    out += ',';
    value.remove_prefix(end + 1);
  }
}

}  // namespace telinject::redaction
