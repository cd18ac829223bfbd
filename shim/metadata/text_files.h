// Small text files of the system: read whole, bounded, and never waited for.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace telinject {

inline constexpr size_t kSmallFileBytes = 64 << 10;

// The content; "" if the file is missing, unreadable, no regular file (a FIFO would hang us) or
// larger than the limit: half of a document is none.
std::string read_small_file(const std::string& path, size_t limit = kSmallFileBytes);

// Without white space at both ends.
std::string_view trimmed(std::string_view text);

}  // namespace telinject
