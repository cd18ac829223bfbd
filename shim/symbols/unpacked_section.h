// Unpacks one compressed section.
#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include "shim/symbols/file_image.h"

namespace telinject {

// The header of a compressed section (Elf64_Chdr).
struct Compressed {
  uint32_t type = 0;  // ELFCOMPRESS_...
  uint64_t bytes = 0;
  std::span<const uint8_t> stored;  // behind the header
};

// Reads a section's bytes as they are in the file. False if they have no header of a known
// compression (zlib, zstd), or claim a size that they cannot have.
bool read_compressed(std::span<const uint8_t> section, Compressed* out);
// The same for a section compressed in GNU's older way (.zdebug_...): "ZLIB", the size, big-endian.
bool read_compressed_gnu(std::span<const uint8_t> section, Compressed* out);

bool is_zstd(const Compressed& section);

enum class Unpacked { kDone, kDamaged, kNoRoom };

// Passes the unpacked bytes to `take` in pieces; `take` returns false to stop (kNoRoom). `progress`
// is called regularly. Pages of the image that were read are dropped from memory.
Unpacked unpack_section(const FileImage& image, const Compressed& section,
                        const std::function<bool(const void*, size_t)>& take,
                        const std::function<void()>& progress);

}  // namespace telinject
