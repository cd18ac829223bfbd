// Redacts nested percent-encoded texts, such as a URL as the value of another URL's parameter.
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace telinject::redaction {

// How many levels of encoding are decoded.
inline constexpr int kMaxEncodings = 3;

// With each %XX as the byte that it stands for; what is no such code stays.
std::string percent_decoded(std::string_view text);

// Decodes each run of `text` that is percent-encoded and holds more than a word, passes it to
// `redact` (false: no secret), and encodes the result. False if nothing was replaced.
bool redact_encoded(std::string_view text,
                    const std::function<bool(std::string_view decoded, std::string* out)>& redact,
                    std::string* out);

}  // namespace telinject::redaction
