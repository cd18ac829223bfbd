#include "shim/sinks/shell_word.h"

#include "absl/strings/str_format.h"
#include "shim/sinks/printable_text.h"

namespace telinject {

std::string shell_word(std::string_view word) {
  constexpr char kPlain[] =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./,:=@%+";
  if (word.find_first_not_of(kPlain) == word.npos && !word.empty()) return std::string(word);
  bool all_printable = printable(word, word.npos) == word;
  std::string quoted = all_printable ? "'" : "$'";
  for (char c : word) {
    bool plain = c >= ' ' && c <= '~' && c != '\\';
    if (c == '\'') {
      quoted += all_printable ? "'\\''" : "\\'";
    } else if (all_printable || plain) {
      quoted += c;
    } else {
      // Three octal digits: a byte whatever follows it.
      absl::StrAppendFormat(&quoted, "\\%03o", static_cast<unsigned char>(c));
    }
  }
  return quoted + "'";
}

}  // namespace telinject
