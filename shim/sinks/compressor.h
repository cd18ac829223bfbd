// Compresses text into independent frames. Both formats allow any number of frames in a row, and
// readers (zstd -d, zcat) print them as one text. So a file is valid after each frame, can be
// appended to, and loses only the damaged frame if it is damaged.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace telinject {

class Compressor {
 public:
  virtual ~Compressor() = default;
  // Puts one frame (zstd) or member (gzip) with all of `text` into `out`; false if there is not
  // enough memory.
  virtual bool compress(std::string_view text, std::string* out) = 0;
};

// Both use their fastest ordinary level: events are so repetitive that higher levels gain little
// (zstd: level 1 makes them 40 times smaller at 2 GB/s, level 3 38 times at 1.6).
std::unique_ptr<Compressor> make_zstd();
std::unique_ptr<Compressor> make_gzip();

// One piece, back. False if it is damaged, or longer than `most_bytes`.
bool unpack_zstd(std::string_view packed, size_t most_bytes, std::string* text);
bool unpack_gzip(std::string_view packed, size_t most_bytes, std::string* text);

}  // namespace telinject
