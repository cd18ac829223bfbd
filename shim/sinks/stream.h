// A descriptor that the drain was given to write to: standard error, or another of the program's.
//
// A pipe must not be kept open for writing, because its reader waits for its end, and the drain may
// outlive the program. So a pipe or terminal is kept as a path (O_PATH) and reopened for each
// write. A regular file is kept, because its offset is shared with the
// program's own descriptor. So are a socket, which cannot be opened again, and a pipe or terminal
// that another user made (sudo, su, setpriv), which only that user can open again.
#pragma once

#include <cstddef>
#include <string_view>

namespace telinject {

class Stream {
 public:
  Stream() = default;
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  // Keeps the file behind the descriptor, which it leaves as it is. Not usable() if the file cannot
  // be written to.
  void adopt(int fd);
  // Writes to the descriptor itself while it is open.
  void use(int fd) { fd_ = fd; }

  // Writes all of it, or returns false: closed, full, no reader, or not ready within `patience_ms`
  // (negative: for ever). SIGPIPE has to be ignored. `*done` is set to the bytes that were written.
  bool write(std::string_view text, int patience_ms, size_t* done = nullptr);
  // False if there is no file that can be written to.
  bool usable() const { return fd_ >= 0; }
  // Whether writes larger than PIPE_BUF may be interleaved with other writers'.
  bool is_pipe_like() const { return pipe_like_; }
  // Whether it is kept as a path.
  bool is_reopened() const { return reopen_; }
  // The width of the terminal; 0 if it is not a terminal.
  size_t columns();

 private:
  int open_for_writing();

  int fd_ = -1;
  bool owned_ = false;
  bool pipe_like_ = false;
  bool socket_ = false;
  bool reopen_ = false;
};

}  // namespace telinject
