// Reads small text files of the system: whole, bounded, and without waiting.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace telinject {

inline constexpr size_t kSmallFileBytes = 64 << 10;
inline constexpr size_t kMountTableBytes = 1 << 20;  // /proc/*/mountinfo

// The content; "" if the file is missing, unreadable, not a regular file (a FIFO would wait) or
// larger than the limit.
std::string read_small_file(const std::string& path, size_t limit = kSmallFileBytes);

// Without white space at both ends.
std::string_view trimmed(std::string_view text);

}  // namespace telinject
