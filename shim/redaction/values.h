// Judges values by their shape, whatever name precedes them.
#pragma once

#include <cstddef>
#include <string_view>

namespace telinject::redaction {

// True for a value that is no secret whatever its name: empty, REDACTED, true, none, ${NAME}, ****.
bool is_plain_value(std::string_view value);

// True for a long value of lower-case letters, capitals and digits that is no number, path or host.
// After a name that announces a secret only on the wire, such a value counts as one elsewhere, too.
bool looks_like_token(std::string_view value);

// True for mixed letters and digits of at least so many characters: generated secrets look like
// this, and few words do.
bool looks_random(std::string_view value, size_t at_least);

}  // namespace telinject::redaction
