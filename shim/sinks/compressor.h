// Compressed pieces that stand by themselves. Both formats allow any number of them in a row, and
// readers (zstd -d, zcat) print them as one: so a file is valid after each piece, can be appended
// to, and loses one piece, not its rest, where it is damaged.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace telinject {

class Compressor {
 public:
  virtual ~Compressor() = default;
  // A frame (zstd) or member (gzip) of its own with all of `text`, in `out`; false if there is no
  // memory for it.
  virtual bool compress(std::string_view text, std::string* out) = 0;
};

// At their fastest ordinary level: events repeat themselves so much that higher ones gain little
// (zstd: level 1 makes them 40 times smaller at 2 GB/s, level 3 38 times at 1.6).
std::unique_ptr<Compressor> make_zstd();
std::unique_ptr<Compressor> make_gzip();

}  // namespace telinject
