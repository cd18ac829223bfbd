// What values look like, whatever the name that they stand behind.
#pragma once

#include <cstddef>
#include <string_view>

namespace telinject::redaction {

// True for a value that is no secret whatever its name: empty, REDACTED, true, none, ${NAME}, ****.
bool is_plain_value(std::string_view value);

// A long value of small letters, capitals and digits that is no number, path or host: what stands
// behind a name that is a secret's only on the wire counts elsewhere if it looks so.
bool looks_like_token(std::string_view value);

// Letters and digits mixed, at least so many characters: what generated secrets look like, and few
// words of a language.
bool looks_random(std::string_view value, size_t at_least);

}  // namespace telinject::redaction
