#include "shim/http/hpack.h"

#include <nghttp2/nghttp2.h>

namespace telinject {

namespace {

// What a peer may allow the other side's encoder to use. The setting is in frames that are not
// read; 4 KiB is the default, browsers and servers go up to 64.
constexpr size_t kMaxTableBytes = 64 * 1024;

}  // namespace

HpackDecoder::HpackDecoder() {
  if (nghttp2_hd_inflate_new(&inflater_) != 0) {
    inflater_ = nullptr;
    return;
  }
  nghttp2_hd_inflate_change_table_size(inflater_, kMaxTableBytes);
}

HpackDecoder::~HpackDecoder() {
  nghttp2_hd_inflate_del(inflater_);
}

HpackDecoder::Step HpackDecoder::next(std::string_view* name, std::string_view* value) {
  if (inflater_ == nullptr) return Step::kBad;
  for (;;) {
    nghttp2_nv pair = {};
    int flags = 0;
    const auto* bytes = reinterpret_cast<const uint8_t*>(rest_.data());
    ssize_t used =
        nghttp2_hd_inflate_hd2(inflater_, &pair, &flags, bytes, rest_.size(), /*in_final=*/1);
    if (used < 0) return Step::kBad;
    rest_.remove_prefix(static_cast<size_t>(used));
    if ((flags & NGHTTP2_HD_INFLATE_EMIT) != 0) {
      *name = {reinterpret_cast<const char*>(pair.name), pair.namelen};
      *value = {reinterpret_cast<const char*>(pair.value), pair.valuelen};
      return Step::kField;
    }
    if ((flags & NGHTTP2_HD_INFLATE_FINAL) != 0) {
      nghttp2_hd_inflate_end_headers(inflater_);
      return Step::kEnd;
    }
    if (used == 0) return Step::kBad;
  }
}

}  // namespace telinject
