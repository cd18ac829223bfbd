#include "hooks/http/chunks.h"

#include "hooks/http/http1_start.h"

namespace telinject::program {

namespace {

constexpr uint64_t kMaxBeforeDigit = uint64_t{1} << 58;  // of a size: no body is longer

int digit_of(uint8_t byte) {
  if (byte >= '0' && byte <= '9') return byte - '0';
  uint8_t small = byte | 0x20;
  return small >= 'a' && small <= 'f' ? small - 'a' + 10 : -1;
}

bool is_blank(uint8_t byte) {
  return byte == ' ' || byte == '\t';
}

ChunkStep size_is_read(uint64_t size) {
  return size == 0 ? ChunkStep::kTrailer : ChunkStep::kData;
}

// Behind the digits of a size. kOver: what must not stand there.
ChunkStep behind_size(uint8_t byte, uint64_t size) {
  if (byte == '\n') return size_is_read(size);
  if (byte == '\r') return ChunkStep::kSizeEnd;
  return byte == ';' || is_blank(byte) ? ChunkStep::kExtension : ChunkStep::kOver;
}

// In the trailer section; kSize: what must not stand there.
ChunkStep in_trailer(ChunkStep step, uint8_t byte) {
  switch (step) {
    case ChunkStep::kTrailer:
      if (byte == '\r') return ChunkStep::kLastLineFeed;
      if (byte == '\n') return ChunkStep::kOver;
      if (is_token_character(byte)) return ChunkStep::kTrailerName;
      return is_blank(byte) ? ChunkStep::kTrailerValue : ChunkStep::kSize;
    case ChunkStep::kTrailerName:
      if (byte == ':') return ChunkStep::kTrailerValue;
      return is_token_character(byte) || is_blank(byte) ? step : ChunkStep::kSize;
    case ChunkStep::kTrailerValue:
      return byte == '\n' ? ChunkStep::kTrailer : step;
    default:
      return byte == '\n' ? ChunkStep::kOver : ChunkStep::kSize;
  }
}

}  // namespace

bool ChunkReader::skip(uint64_t size) {
  if (step != ChunkStep::kData || size > *left) return false;
  *left -= size;
  *data += size;
  if (*left == 0) step = ChunkStep::kDataEnd;
  return true;
}

void ChunkReader::take_size(uint8_t byte, bool* sound) {
  if (int digit = digit_of(byte); digit >= 0) {
    *sound = *left < kMaxBeforeDigit;
    *left = *left << 4 | static_cast<unsigned>(digit);
    step = ChunkStep::kMoreSize;
    return;
  }
  ChunkStep next = behind_size(byte, *left);
  *sound = step == ChunkStep::kMoreSize && next != ChunkStep::kOver;
  step = next;
}

void ChunkReader::take_framing(uint8_t byte, bool* sound) {
  switch (step) {
    case ChunkStep::kSize:
    case ChunkStep::kMoreSize:
      return take_size(byte, sound);
    case ChunkStep::kExtension:
      if (byte == '\r') step = ChunkStep::kSizeEnd;
      if (byte == '\n') step = size_is_read(*left);
      return;
    case ChunkStep::kSizeEnd:
      *sound = byte == '\n';
      step = size_is_read(*left);
      return;
    case ChunkStep::kDataEnd:
    case ChunkStep::kDataLineFeed:
      *sound = byte == '\n' || (byte == '\r' && step == ChunkStep::kDataEnd);
      step = byte == '\r' ? ChunkStep::kDataLineFeed : ChunkStep::kSize;
      return;
    default:
      step = in_trailer(step, byte);
      *sound = step != ChunkStep::kSize;
      return;
  }
}

size_t ChunkReader::take(const uint8_t* bytes, size_t size, bool* sound) {
  size_t at = 0;
  *sound = true;
  while (at < size && *sound) {
    if (step == ChunkStep::kData) {
      uint64_t part = size - at < *left ? size - at : *left;
      skip(part);
      at += part;
      continue;
    }
    take_framing(bytes[at++], sound);
    if (step == ChunkStep::kTrailer || step == ChunkStep::kOver) break;
  }
  return at;
}

}  // namespace telinject::program
