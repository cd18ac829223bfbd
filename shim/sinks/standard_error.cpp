#include "shim/sinks/standard_error.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <string>

#include "shim/sinks/printable_text.h"

namespace telinject {

StandardError& StandardError::get() {
  // Never destroyed: a thread may have something to say while the process ends.
  static auto* instance = new StandardError;
  return *instance;
}

void StandardError::take_over() {
  StandardError& self = get();
  self.stream_.adopt(2);
  if (self.stream_.is_reopened()) self.kept_ = fcntl(2, F_DUPFD_CLOEXEC, 16);
  int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  if (null >= 0) {
    dup2(null, 2);
    if (null > 2) close(null);
  }
}

void StandardError::let_go() {
  StandardError& self = get();
  if (self.kept_ >= 0) close(self.kept_);
  self.kept_ = -1;
}

void StandardError::use() {
  get().stream_.use(2);
}

bool StandardError::tell(std::string_view lines, int patience_ms) {
  return write(printable_lines(lines), patience_ms, nullptr);
}

bool StandardError::tell_printable(std::string_view lines, int patience_ms) {
  return write(lines, patience_ms, nullptr);
}

bool StandardError::write_events(std::string_view lines, int patience_ms, size_t* done) {
  return write(lines, patience_ms, done);
}

bool StandardError::write(std::string_view text, int patience_ms, size_t* done) {
  if (!status_used_.load()) return stream_.write(text, patience_ms, done);
  std::lock_guard lock(status_mutex_);
  erase_status();
  return stream_.write(text, patience_ms, done);
}

void StandardError::erase_status() {
  if (status_drawn_) stream_.write("\r\033[K", 0, nullptr);
  status_drawn_ = false;
}

void StandardError::show_status(std::string_view text) {
  std::lock_guard lock(status_mutex_);
  if (text.empty()) return erase_status();
  std::string line;
  // What stands in the last line without a newline stays: blanks, a line's length but one, lead to
  // the next line from anywhere but its beginning.
  if (!status_used_.exchange(true)) line.append(columns() - 1, ' ');
  line.append("\r").append(printable(text, kMostOfALine)).append("\033[K");
  stream_.write(line, 0, nullptr);
  status_drawn_ = true;
}

size_t StandardError::columns() {
  constexpr size_t kUsual = 80, kFewest = 20;
  size_t known = stream_.columns();
  return known > 0 ? std::max(known, kFewest) : kUsual;
}

}  // namespace telinject
