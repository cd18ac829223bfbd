// Makes foreign text safe to show to people (shim/channel/printable.h).
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace telinject {

inline constexpr size_t kMostOfALine = 2000;
inline constexpr size_t kMostOfAName = 200;
inline constexpr size_t kMostOfAValue = 100;  // of a setting

// At most `most` bytes long; "..." marks a cut. Printable text that is short enough is unchanged.
std::string printable(std::string_view text, size_t most = kMostOfAName);

// Makes each of several lines printable; each ends with a newline.
std::string printable_lines(std::string_view text);

}  // namespace telinject
