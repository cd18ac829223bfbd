// Text that others have made (names of files, functions and threads, values of variables, answers
// of servers) as it may be shown to people: no terminal acts on it, and one line stays one line.
//
// Escaped, as C writes it: control characters (C0, DEL, and C1, also in UTF-8: "\x1b", "\n",
// "\u009b"), bytes that are not UTF-8 ("\xff"), ends of lines and paragraphs, characters that
// change the direction of text or cannot be seen ("\u202e", "\u200b"). All else stays.
#pragma once

#include <cstddef>

#include "shim/channel/text.h"

namespace telinject {

inline constexpr size_t kPrintableBytes = 10;  // at most, of what one character becomes

// The first character of `text` (`bytes` > 0): how many bytes of the text it is, and how many of
// `out` it has become.
struct PrintableStep {
  size_t taken, made;
};
PrintableStep make_printable(const char* text, size_t bytes, char (&out)[kPrintableBytes]);

// Appends the text. False if there is not room for all of it; it is cut between characters.
bool add_printable(TextBuffer* out, const char* text, size_t bytes);
inline bool add_printable(TextBuffer* out, const char* text) {
  return add_printable(out, text, text_length(text));
}

}  // namespace telinject
