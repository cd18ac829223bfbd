#include "shim/sinks/printable_text.h"

#include <algorithm>

#include "shim/channel/printable.h"

namespace telinject {

std::string printable(std::string_view text, size_t most) {
  constexpr std::string_view kCut = "...";
  std::string made;
  size_t fits = 0;  // of `made`, with room for the mark
  char step[kPrintableBytes];
  while (!text.empty()) {
    PrintableStep next = make_printable(text.data(), text.size(), step);
    if (made.size() + next.made > most) {
      made.resize(fits);
      return made.append(kCut);
    }
    made.append(step, next.made);
    text.remove_prefix(next.taken);
    if (made.size() + kCut.size() <= most) fits = made.size();
  }
  return made;
}

std::string printable_lines(std::string_view text) {
  std::string made;
  while (!text.empty()) {
    size_t end = std::min(text.find('\n'), text.size());
    made.append(printable(text.substr(0, end), kMostOfALine)).append("\n");
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return made;
}

}  // namespace telinject
