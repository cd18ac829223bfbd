#include "shim/sinks/compressor.h"

#include <zlib.h>
#include <zstd.h>

#include <cstddef>
#include <memory>

namespace telinject {

namespace {

// Room for the worst case, of which little is used, and which is not cleared each time.
class Room {
 public:
  char* at_least(size_t bytes) {
    if (bytes > size_) {
      memory_ = std::make_unique_for_overwrite<char[]>(bytes);
      size_ = bytes;
    }
    return memory_.get();
  }

 private:
  std::unique_ptr<char[]> memory_;
  size_t size_ = 0;
};

class Zstd final : public Compressor {
 public:
  Zstd() { ZSTD_CCtx_setParameter(context_, ZSTD_c_compressionLevel, 1); }
  ~Zstd() override { ZSTD_freeCCtx(context_); }
  Zstd(const Zstd&) = delete;
  Zstd& operator=(const Zstd&) = delete;

  bool compress(std::string_view text, std::string* out) override {
    if (context_ == nullptr) return false;
    size_t most = ZSTD_compressBound(text.size());
    char* room = room_.at_least(most);
    size_t size = ZSTD_compress2(context_, room, most, text.data(), text.size());
    if (ZSTD_isError(size) != 0) return false;
    out->assign(room, size);
    return true;
  }

 private:
  ZSTD_CCtx* context_ = ZSTD_createCCtx();
  Room room_;
};

class Gzip final : public Compressor {
 public:
  Gzip() {
    constexpr int kGzipWindow = 15 + 16, kMemory = 9;
    good_ = deflateInit2(&stream_, Z_BEST_SPEED, Z_DEFLATED, kGzipWindow, kMemory,
                         Z_DEFAULT_STRATEGY) == Z_OK;
  }
  ~Gzip() override {
    if (good_) deflateEnd(&stream_);
  }
  Gzip(const Gzip&) = delete;
  Gzip& operator=(const Gzip&) = delete;

  bool compress(std::string_view text, std::string* out) override {
    if (!good_ || deflateReset(&stream_) != Z_OK) return false;
    size_t most = deflateBound(&stream_, text.size());
    char* room = room_.at_least(most);
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
    stream_.avail_in = static_cast<uInt>(text.size());
    stream_.next_out = reinterpret_cast<Bytef*>(room);
    stream_.avail_out = static_cast<uInt>(most);
    if (deflate(&stream_, Z_FINISH) != Z_STREAM_END) return false;
    out->assign(room, stream_.total_out);
    return true;
  }

 private:
  z_stream stream_ = {};
  Room room_;
  bool good_ = false;
};

}  // namespace

std::unique_ptr<Compressor> make_zstd() {
  return std::make_unique<Zstd>();
}

std::unique_ptr<Compressor> make_gzip() {
  return std::make_unique<Gzip>();
}

bool unpack_zstd(std::string_view packed, size_t most_bytes, std::string* text) {
  text->resize(most_bytes);
  size_t size = ZSTD_decompress(text->data(), text->size(), packed.data(), packed.size());
  bool good = ZSTD_isError(size) == 0;
  text->resize(good ? size : 0);
  return good;
}

bool unpack_gzip(std::string_view packed, size_t most_bytes, std::string* text) {
  constexpr int kGzipWindow = 15 + 16;
  z_stream stream = {};
  text->clear();
  if (inflateInit2(&stream, kGzipWindow) != Z_OK) return false;
  text->resize(most_bytes);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  stream.avail_in = static_cast<uInt>(packed.size());
  stream.next_out = reinterpret_cast<Bytef*>(text->data());
  stream.avail_out = static_cast<uInt>(text->size());
  bool good = inflate(&stream, Z_FINISH) == Z_STREAM_END;
  text->resize(good ? stream.total_out : 0);
  inflateEnd(&stream);
  return good;
}

}  // namespace telinject
