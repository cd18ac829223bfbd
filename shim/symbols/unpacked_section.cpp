#include "shim/symbols/unpacked_section.h"

#include <elf.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

#include "shim/symbols/reading_budget.h"

namespace telinject {

namespace {

#ifndef ELFCOMPRESS_ZSTD
constexpr uint32_t ELFCOMPRESS_ZSTD = 2;
#endif

// What deflate can make of a byte; a header that claims more is damaged. zstd can make more of a
// byte, but not of debug information.
constexpr uint64_t kMostDeflated = 1032;
constexpr size_t kChunkBytes = size_t{1} << 20;
constexpr size_t kPieceBytes = size_t{4} << 20;  // of what is stored

enum class Step { kMore, kEnd, kDamaged, kNoMemory };

class Decoder {
 public:
  virtual ~Decoder() = default;
  // Takes from the front of *from, writes to the front of *to. kMore without having taken or
  // written anything means that input is missing.
  virtual Step step(std::span<const uint8_t>* from, std::span<uint8_t>* to) = 0;
};

class Zlib final : public Decoder {
 public:
  Zlib() { good_ = inflateInit(&stream_) == Z_OK; }
  ~Zlib() override {
    if (good_) inflateEnd(&stream_);
  }
  Zlib(const Zlib&) = delete;
  Zlib& operator=(const Zlib&) = delete;

  Step step(std::span<const uint8_t>* from, std::span<uint8_t>* to) override {
    if (!good_) return Step::kNoMemory;
    stream_.next_in = const_cast<Bytef*>(from->data());
    stream_.avail_in = static_cast<uInt>(from->size());
    stream_.next_out = to->data();
    stream_.avail_out = static_cast<uInt>(to->size());
    int result = inflate(&stream_, Z_NO_FLUSH);
    *from = from->last(stream_.avail_in);
    *to = to->last(stream_.avail_out);
    if (result == Z_STREAM_END) return Step::kEnd;
    return result == Z_OK || result == Z_BUF_ERROR ? Step::kMore : Step::kDamaged;
  }

 private:
  z_stream stream_ = {};
  bool good_ = false;
};

class Zstd final : public Decoder {
 public:
  ~Zstd() override { ZSTD_freeDStream(stream_); }
  Zstd() = default;
  Zstd(const Zstd&) = delete;
  Zstd& operator=(const Zstd&) = delete;

  Step step(std::span<const uint8_t>* from, std::span<uint8_t>* to) override {
    if (stream_ == nullptr) return Step::kNoMemory;
    ZSTD_inBuffer in = {from->data(), from->size(), 0};
    ZSTD_outBuffer out = {to->data(), to->size(), 0};
    size_t result = ZSTD_decompressStream(stream_, &out, &in);
    *from = from->subspan(in.pos);
    *to = to->subspan(out.pos);
    if (ZSTD_isError(result) != 0) return Step::kDamaged;
    return result == 0 ? Step::kEnd : Step::kMore;
  }

 private:
  ZSTD_DStream* stream_ = ZSTD_createDStream();  // its window is 128 MiB at most
};

}  // namespace

bool read_compressed(std::span<const uint8_t> section, Compressed* out) {
  Elf64_Chdr header;
  if (section.size() < sizeof header) return false;
  memcpy(&header, section.data(), sizeof header);
  *out = {header.ch_type, header.ch_size, section.subspan(sizeof header)};
  return (out->type == ELFCOMPRESS_ZLIB || is_zstd(*out)) &&
         out->bytes / kMostDeflated <= out->stored.size();
}

bool read_compressed_gnu(std::span<const uint8_t> section, Compressed* out) {
  constexpr std::string_view kMagic = "ZLIB";
  constexpr size_t kHeaderBytes = 12;
  if (section.size() < kHeaderBytes || memcmp(section.data(), kMagic.data(), kMagic.size()) != 0) {
    return false;
  }
  uint64_t bytes = 0;
  for (size_t i = kMagic.size(); i < kHeaderBytes; i++) bytes = bytes << 8 | section[i];
  *out = {ELFCOMPRESS_ZLIB, bytes, section.subspan(kHeaderBytes)};
  return bytes / kMostDeflated <= out->stored.size();
}

bool is_zstd(const Compressed& section) {
  return section.type == ELFCOMPRESS_ZSTD;
}

Unpacked unpack_section(const FileImage& image, const Compressed& section,
                        const std::function<bool(const void*, size_t)>& take,
                        const std::function<void()>& progress) {
  std::unique_ptr<Decoder> decoder;
  if (is_zstd(section)) {
    decoder = std::make_unique<Zstd>();
  } else {
    decoder = std::make_unique<Zlib>();
  }
  std::vector<uint8_t> chunk(kChunkBytes);
  std::span<const uint8_t> piece, from, left = section.stored;
  uint64_t done = 0;
  Step step = Step::kMore;
  Unpacked outcome = Unpacked::kDone;
  while (step == Step::kMore && outcome == Unpacked::kDone) {
    if (from.empty() && !left.empty()) {
      progress();
      image.forget(piece.data(), piece.size());
      from = piece = left.first(std::min(left.size(), kPieceBytes));
      left = left.subspan(piece.size());
    }
    ReadingBudget::spend();
    std::span<uint8_t> room(chunk);
    size_t before = from.size();
    step = decoder->step(&from, &room);
    size_t made = chunk.size() - room.size();
    bool breaks_off = step == Step::kMore && made == 0 && before == from.size() && left.empty();
    if (made > section.bytes - done || breaks_off) {
      outcome = Unpacked::kDamaged;
    } else if (!take(chunk.data(), made)) {
      outcome = Unpacked::kNoRoom;
    }
    done += made;
  }
  image.forget(piece.data(), piece.size());
  if (outcome != Unpacked::kDone) return outcome;
  if (step == Step::kNoMemory) return Unpacked::kNoRoom;
  return step == Step::kEnd && done == section.bytes ? Unpacked::kDone : Unpacked::kDamaged;
}

}  // namespace telinject
