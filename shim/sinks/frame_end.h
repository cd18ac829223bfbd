// Finds out whether a compressed file ends with a whole frame, or its writer was killed within one.
//
// A file may be large, and frames (zstd) and members (gzip) cannot be found from its end. So the
// last bytes are searched backwards for a possible beginning, until whole frames lead from there to
// the end or to an incomplete frame.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace telinject {

class FrameFormat {
 public:
  virtual ~FrameFormat() = default;
  static constexpr size_t kBreaksOff = 0, kNoFrame = ~size_t{0};

  // Whether a frame begins with these bytes. If there are too few to tell: whether they may begin
  // one.
  virtual bool begins(std::string_view bytes) const = 0;
  // The length of the frame at the front; kBreaksOff if it is longer than the bytes.
  virtual size_t frame_bytes(std::string_view bytes) const = 0;
  // The content of an incomplete frame, as far as it can be unpacked.
  virtual std::string unpack(std::string_view frame) const = 0;
};

const FrameFormat& zstd_frames();
const FrameFormat& gzip_members();

// How many bytes at the end of a file are an incomplete frame, or zeros behind a whole one; 0 if
// there are none or it is unclear. `whole`: the tail is all of the file.
size_t torn_bytes(std::string_view tail, bool whole, const FrameFormat& format);

}  // namespace telinject
