// Makes valid UTF-8 of programs' texts, which may be any bytes.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace telinject {

// The length of the well-formed UTF-8 sequence at the start of `text`; 0 if there is none, and then
// *skip is how many bytes one replacement character stands for (the substitution of maximal
// subparts; table 3-7 of the Unicode standard).
size_t utf8_sequence(std::string_view text, size_t* skip);

// Appends at most `most_bytes` of the text, cut at a character, with U+FFFD for bytes that are not
// UTF-8.
void append_utf8(std::string* out, std::string_view text, size_t most_bytes);

}  // namespace telinject
