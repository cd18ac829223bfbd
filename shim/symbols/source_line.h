#pragma once

#include <cstdint>
#include <string>

namespace telinject {

// A place in the source, as far as it is known.
struct SourceLine {
  std::string file;   // absolute (compilation directory joined) and normalised where DWARF tells
                      // the directory, else as the compiler was given it; "" unknown
  uint32_t line = 0;  // from 1; 0 unknown
};

}  // namespace telinject
