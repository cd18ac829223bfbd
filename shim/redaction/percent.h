// Texts within texts: a URL as the value of another's parameter, percent-encoded once or more.
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace telinject::redaction {

// How often something may be encoded and still be looked into.
inline constexpr int kMaxEncodings = 3;

// Decodes each run of `text` that is percent-encoded and holds more than a word, passes it to
// `redact` (false: nothing to hide), and encodes what comes back. False if nothing was replaced.
bool redact_encoded(std::string_view text,
                    const std::function<bool(std::string_view decoded, std::string* out)>& redact,
                    std::string* out);

}  // namespace telinject::redaction
