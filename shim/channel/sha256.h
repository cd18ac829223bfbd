// SHA-256 (FIPS 180-4), for code that has neither a heap nor a library to ask: the traced program's
// and telrun's. Async-signal-safe.
#pragma once

#include <cstddef>
#include <cstdint>

namespace telinject {

inline constexpr size_t kSha256Bytes = 32;

struct Sha256Digest {
  uint8_t bytes[kSha256Bytes];
};

// Of `size` bytes. In constant time for a given size.
Sha256Digest sha256(const void* data, size_t size);

}  // namespace telinject
