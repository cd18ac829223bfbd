// A body in chunks (RFC 9112, section 7.1): where it ends, and how long it is without its framing.
//
// Takes what servers and clients take: line feeds alone, blanks behind a size, extensions of any
// form. Incremental, without memory of its own; async-signal-safe; reads no byte but the framing's.
#pragma once

#include <cstddef>
#include <cstdint>

namespace telinject::program {

// Where in the body a direction is. All zero before its first byte.
enum class ChunkStep : uint8_t {
  kSize,       // the next chunk's first digit
  kMoreSize,   // another digit, or what is behind the size
  kExtension,  // up to the line's end
  kSizeEnd,    // the line feed behind a carriage return
  kData,       // `left` bytes
  kDataEnd,    // the line's end behind them
  kDataLineFeed,
  kTrailer,      // a line of the trailer section, or the empty one that ends it
  kTrailerName,  // in the field's name
  kTrailerValue,
  kLastLineFeed,
  kOver,
};

struct ChunkReader {
  ChunkStep step;
  uint64_t* left;  // of the chunk's data
  uint64_t* data;  // bytes of all chunks so far

  // How many bytes it took: fewer than there are before each line of the trailer section (step
  // kTrailer), and behind the end (kOver). *sound is false if that is no body in chunks.
  size_t take(const uint8_t* bytes, size_t size, bool* sound);
  // Data that is not at hand. False: it cannot be data.
  bool skip(uint64_t size);

 private:
  void take_framing(uint8_t byte, bool* sound);
  void take_size(uint8_t byte, bool* sound);
};

}  // namespace telinject::program
