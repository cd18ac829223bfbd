// The drain's standard error: events and messages go through here.
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
  // Call when the drain has started. Until then the original descriptor stays open: otherwise the
  // reader of a short program's output could leave before it receives an error message.
  static void let_go();
  // For commands that a user runs and waits for: leaves descriptor 2 as it is.
  static void use();
  static StandardError& get();

  // Writes lines for people, each ended by a newline, and makes them printable (printable_text.h).
  // A name that may contain a newline must be made printable before. Patience: see Stream::write.
  bool tell(std::string_view lines, int patience_ms);
  // The same for lines that are printable already; allocates nothing.
  bool tell_printable(std::string_view lines, int patience_ms);
  // Writes events unchanged; as Stream::write.
  bool write_events(std::string_view lines, int patience_ms, size_t* done);
  // On a terminal: shows a status line that each call replaces; "" removes it. Other output is
  // written above it. Never waits.
  void show_status(std::string_view text);
  size_t columns();  // of the terminal, at least 20
  // False if there is no standard error that can be written to.
  bool usable() const { return stream_.usable(); }
  // Whether writes larger than PIPE_BUF may be interleaved with other writers'.
  bool is_pipe_like() const { return stream_.is_pipe_like(); }

 private:
  bool write(std::string_view text, int patience_ms, size_t* done);
  void erase_status();

  Stream stream_;
  int kept_ = -1;  // until let_go()
  std::mutex status_mutex_;
  std::atomic<bool> status_used_{false};
  bool status_drawn_ = false;
};

}  // namespace telinject
