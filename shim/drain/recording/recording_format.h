// What a recording's writer and its reader have in common; recording.h describes the file.
#pragma once

#include <cstddef>
#include <cstdint>

namespace telinject::drain::recording {

constexpr char kMagic[] = "TELREC4\n";
constexpr size_t kMagicBytes = sizeof kMagic - 1;
constexpr size_t kMagicOfAnyVersion = 6;  // bytes

enum FrameKind : uint32_t { kFacts = 1, kAnchor = 2, kBatch = 3, kState = 4, kLost = 5, kEnd = 6 };

struct FrameHead {
  uint32_t kind, reserved;
  uint64_t bytes;
};

}  // namespace telinject::drain::recording
