// The drain's hold on standard error, for events and for its own messages.
//
// A pipe must not be kept open for writing: whoever reads it waits for its end, and the drain may
// outlive the program by far. So a pipe, like a terminal, is held as a mere path (O_PATH) and
// opened anew for each write. A regular file is kept, for its offset is shared with the program's
// own descriptor, and so are a socket, which cannot be opened again, and a pipe or terminal that
// another user made (sudo, su, setpriv), which only that user can open again.
#pragma once

#include <atomic>
#include <mutex>
#include <string_view>

namespace telinject {

class StandardError {
 public:
  // Takes descriptor 2 over and puts /dev/null in its place. Once, early in main().
  static void take_over();
  // The drain has started: what was found at the beginning stays open as it was until then, for a
  // reader that sees the end of a short program would leave before it is told what is wrong.
  static void let_go();
  // For a command that a user runs and waits for: descriptor 2 stays what it is.
  static void use();
  static StandardError& get();

  // Writes all of it, or returns false: closed, full, no reader, or not ready within `patience_ms`
  // (negative: for ever). SIGPIPE has to be ignored. `*done` is set to the bytes that were written.
  bool write(std::string_view text, int patience_ms, size_t* done = nullptr);
  // On a terminal: a line that is drawn over and over, until it is taken away ("" does that). What
  // is written meanwhile comes in its place. Never waits.
  void show_status(std::string_view text);
  size_t columns();  // of the terminal, at least 20
  // False if there is nothing that can be written to.
  bool usable() const { return fd_ >= 0; }
  // Whether writes larger than PIPE_BUF may be interleaved with other writers'.
  bool is_pipe_like() const { return pipe_like_; }

 private:
  int open_for_writing();
  bool write_all(std::string_view text, int patience_ms, size_t* done);
  void erase_status();

  int fd_ = -1;
  int kept_ = -1;  // until let_go()
  bool pipe_like_ = false;
  bool reopen_ = false;
  std::mutex status_mutex_;
  std::atomic<bool> status_used_{false};
  bool status_drawn_ = false;
};

}  // namespace telinject
