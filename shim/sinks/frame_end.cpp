#include "shim/sinks/frame_end.h"

#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include <algorithm>
#include <memory>

namespace telinject {

namespace {

constexpr size_t kMostUnpacked = size_t{64} << 20;  // a frame of ours holds some two megabytes
constexpr size_t kChunk = size_t{128} << 10;

class ZstdFrames final : public FrameFormat {
 public:
  bool begins(std::string_view bytes) const override {
    constexpr std::string_view kMagic = "\x28\xb5\x2f\xfd";
    return !bytes.empty() && kMagic.starts_with(bytes.substr(0, kMagic.size()));
  }
  size_t frame_bytes(std::string_view bytes) const override {
    size_t size = ZSTD_findFrameCompressedSize(bytes.data(), bytes.size());
    if (ZSTD_isError(size) == 0) return size;
    return ZSTD_getErrorCode(size) == ZSTD_error_srcSize_wrong ? kBreaksOff : kNoFrame;
  }
  std::string unpack(std::string_view frame) const override {
    std::unique_ptr<ZSTD_DStream, decltype(&ZSTD_freeDStream)> stream(ZSTD_createDStream(),
                                                                      ZSTD_freeDStream);
    std::string text;
    ZSTD_inBuffer in = {frame.data(), frame.size(), 0};
    while (stream != nullptr && text.size() < kMostUnpacked) {
      size_t before = text.size(), taken = in.pos;
      text.resize(before + kChunk);
      ZSTD_outBuffer out = {text.data() + before, kChunk, 0};
      size_t result = ZSTD_decompressStream(stream.get(), &out, &in);
      text.resize(before + out.pos);
      if (ZSTD_isError(result) != 0 || (out.pos == 0 && in.pos == taken)) break;
    }
    return text;
  }
};

class GzipMembers final : public FrameFormat {
 public:
  bool begins(std::string_view bytes) const override {
    constexpr std::string_view kMagic = "\x1f\x8b\x08";
    constexpr unsigned kReserved = 0xe0;
    return !bytes.empty() && kMagic.starts_with(bytes.substr(0, kMagic.size())) &&
           (bytes.size() <= kMagic.size() ||
            (static_cast<unsigned char>(bytes[kMagic.size()]) & kReserved) == 0);
  }
  size_t frame_bytes(std::string_view bytes) const override {
    size_t left = 0;
    int result = inflate_all(bytes, nullptr, &left);
    if (result == Z_STREAM_END) return bytes.size() - left;
    return result == Z_BUF_ERROR ? kBreaksOff : kNoFrame;
  }
  std::string unpack(std::string_view frame) const override {
    std::string text;
    size_t left = 0;
    inflate_all(frame, &text, &left);
    return text;
  }

 private:
  // Z_BUF_ERROR: the bytes end before the member does.
  static int inflate_all(std::string_view bytes, std::string* text, size_t* left) {
    constexpr int kGzipWindow = 15 + 16;
    z_stream stream = {};
    if (inflateInit2(&stream, kGzipWindow) != Z_OK) return Z_MEM_ERROR;
    auto room = std::make_unique<Bytef[]>(kChunk);
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
    stream.avail_in = static_cast<uInt>(bytes.size());
    int result = Z_OK;
    for (size_t all = 0; result == Z_OK && all < kMostUnpacked;) {
      stream.next_out = room.get();
      stream.avail_out = static_cast<uInt>(kChunk);
      result = inflate(&stream, Z_NO_FLUSH);
      size_t made = kChunk - stream.avail_out;
      all += made;
      if (text != nullptr) text->append(reinterpret_cast<char*>(room.get()), made);
      if (result == Z_OK && stream.avail_in == 0 && stream.avail_out != 0) result = Z_BUF_ERROR;
    }
    *left = stream.avail_in;
    inflateEnd(&stream);
    return result;
  }
};

bool all_zeros(std::string_view bytes) {
  return bytes.find_first_not_of('\0') == std::string_view::npos;
}

}  // namespace

const FrameFormat& zstd_frames() {
  static const ZstdFrames format;
  return format;
}

const FrameFormat& gzip_members() {
  static const GzipMembers format;
  return format;
}

size_t torn_bytes(std::string_view tail, bool whole, const FrameFormat& format) {
  for (size_t start = tail.size(); start-- > 0;) {
    if (!format.begins(tail.substr(start))) continue;
    std::string_view rest = tail.substr(start);
    size_t frames = 0, size = 0;
    while (!rest.empty()) {
      size = format.begins(rest) ? format.frame_bytes(rest) : FrameFormat::kNoFrame;
      if (size == FrameFormat::kBreaksOff || size == FrameFormat::kNoFrame) break;
      frames++;
      rest = rest.substr(size);
    }
    if (rest.empty()) return 0;
    // What looks like a beginning may be any bytes within a frame; two in a row are not.
    bool certain = frames > 0 || (whole && start == 0);
    if (certain && (size == FrameFormat::kBreaksOff || all_zeros(rest))) return rest.size();
  }
  return 0;
}

}  // namespace telinject
