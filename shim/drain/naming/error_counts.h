// Tables of errors by their type. Types come from programs, so each table is bounded.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "shim/events/totals.h"

namespace telinject::drain {

inline constexpr std::string_view kOtherErrors = "_OTHER";  // as the semantic conventions have it

// Adds to a table of at most `most` types and one for all others.
inline void count_error(CountsByType* counts, std::string_view type, uint64_t count, size_t most) {
  std::string name(type);
  if (!counts->contains(name) && counts->size() >= most) name = kOtherErrors;
  (*counts)[name] += count;
}

}  // namespace telinject::drain
