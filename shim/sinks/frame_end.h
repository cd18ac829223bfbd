// The end of a compressed file: is it that of a frame, or was its writer killed within one?
//
// Frames (zstd) and members (gzip) do not say where they begin, and a file may be large. So the
// last bytes are searched for beginnings, from the end, until whole frames lead from one to the end
// or to a frame that breaks off.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace telinject {

class FrameFormat {
 public:
  virtual ~FrameFormat() = default;
  static constexpr size_t kBreaksOff = 0, kNoFrame = ~size_t{0};

  // A frame begins with these bytes; with fewer than it takes to say so, if they fit as far.
  virtual bool begins(std::string_view bytes) const = 0;
  // How long the frame at the front is: kBreaksOff if it is longer than the bytes are.
  virtual size_t frame_bytes(std::string_view bytes) const = 0;
  // What is in a frame that breaks off, as far as it can be told.
  virtual std::string unpack(std::string_view frame) const = 0;
};

const FrameFormat& zstd_frames();
const FrameFormat& gzip_members();

// How many bytes at the end of a file are a frame that breaks off, or zeros behind a whole one; 0
// if there are none, or it cannot be told. `whole`: the tail is all of the file.
size_t torn_bytes(std::string_view tail, bool whole, const FrameFormat& format);

}  // namespace telinject
