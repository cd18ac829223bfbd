// Events on standard output, for `telinject convert | ...`: written as they are, however long it
// takes.
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "shim/sinks/sink.h"

namespace telinject {

namespace {

class StdoutSink : public Sink {
 public:
  uint64_t write(std::string_view lines) override {
    while (!gone_ && !lines.empty()) {
      ssize_t n = ::write(STDOUT_FILENO, lines.data(), lines.size());
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) {
        // Half a line may be there, so that nothing can follow.
        gone_ = true;
        break;
      }
      bytes_written_ += static_cast<uint64_t>(n);
      lines.remove_prefix(static_cast<size_t>(n));
    }
    return static_cast<uint64_t>(std::count(lines.begin(), lines.end(), '\n'));
  }
  std::string describe() const override { return "standard output"; }

 private:
  bool gone_ = false;
};

}  // namespace

std::unique_ptr<Sink> open_stdout_sink() {
  return std::make_unique<StdoutSink>();
}

}  // namespace telinject
