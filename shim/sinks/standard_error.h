// The drain's hold on standard error, for events and for its own messages.
#pragma once

#include <atomic>
#include <mutex>
#include <string_view>

#include "shim/sinks/stream.h"

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

  // As Stream::write.
  bool write(std::string_view text, int patience_ms, size_t* done = nullptr);
  // On a terminal: a line that is drawn over and over, until it is taken away ("" does that). What
  // is written meanwhile comes in its place. Never waits.
  void show_status(std::string_view text);
  size_t columns();  // of the terminal, at least 20
  // False if there is nothing that can be written to.
  bool usable() const { return stream_.usable(); }
  // Whether writes larger than PIPE_BUF may be interleaved with other writers'.
  bool is_pipe_like() const { return stream_.is_pipe_like(); }

 private:
  void erase_status();

  Stream stream_;
  int kept_ = -1;  // until let_go()
  std::mutex status_mutex_;
  std::atomic<bool> status_used_{false};
  bool status_drawn_ = false;
};

}  // namespace telinject
