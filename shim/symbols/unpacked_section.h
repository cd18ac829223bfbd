// A section that is stored compressed, as its bytes.
#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include "shim/symbols/file_image.h"

namespace telinject {

// What the header of a compressed section (Elf64_Chdr) says of it.
struct Compressed {
  uint32_t type = 0;  // ELFCOMPRESS_...
  uint64_t bytes = 0;
  std::span<const uint8_t> stored;  // behind the header
};

// Reads a section's bytes as they are in the file. False if they have no header of a known
// compression (zlib, zstd), or claim a size that they cannot have.
bool read_compressed(std::span<const uint8_t> section, Compressed* out);

// elfutils 0.188 cannot unpack those.
bool is_zstd(const Compressed& section);

enum class Unpacked { kDone, kDamaged, kNoRoom };

// Hands the bytes over in pieces; `take` returns false to stop (kNoRoom). `progress` is called
// every now and then. What was read of the image is forgotten.
Unpacked unpack_section(const FileImage& image, const Compressed& section,
                        const std::function<bool(const void*, size_t)>& take,
                        const std::function<void()>& progress);

}  // namespace telinject
