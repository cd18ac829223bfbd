// Events on standard error, among the program's own output.
//
// A write to a pipe is kept whole by the kernel up to PIPE_BUF bytes; so lines are written in
// pieces of whole lines up to that, and a longer line by itself.
#include <algorithm>
#include <climits>

#include "shim/sinks/sink.h"
#include "shim/sinks/standard_error.h"

namespace telinject {

namespace {

constexpr int kForEver = -1;
constexpr int kHurryMs = 2000;

uint64_t count_lines(std::string_view text) {
  return static_cast<uint64_t>(std::count(text.begin(), text.end(), '\n'));
}

class StderrSink : public Sink {
 public:
  uint64_t write(std::string_view lines) override {
    StandardError& out = StandardError::get();
    if (!out.is_pipe_like()) return write_piece(lines);
    uint64_t lost = 0;
    while (!lines.empty()) {
      std::string_view piece = next_piece(lines);
      lost += write_piece(piece);
      lines.remove_prefix(piece.size());
    }
    return lost;
  }
  std::string describe() const override { return "standard error"; }
  void hurry() override { patience_ms_ = kHurryMs; }

 private:
  static std::string_view next_piece(std::string_view lines) {
    if (lines.size() <= PIPE_BUF) return lines;
    size_t end = lines.rfind('\n', PIPE_BUF - 1);
    if (end == std::string_view::npos) end = lines.find('\n');
    return lines.substr(0, end == std::string_view::npos ? lines.size() : end + 1);
  }
  uint64_t write_piece(std::string_view piece) {
    if (gone_) return count_lines(piece);
    size_t done = 0;
    if (StandardError::get().write(piece, patience_ms_, &done)) {
      bytes_written_ += done;
      return 0;
    }
    // No reader, or none that reads: what has not gone out is lost, and so is all that follows once
    // there is no hurry to wait for it.
    if (patience_ms_ != kForEver || done == 0) gone_ = true;
    bytes_written_ += done;
    return count_lines(piece.substr(done));
  }

  int patience_ms_ = kForEver;
  bool gone_ = false;
};

}  // namespace

std::unique_ptr<Sink> open_stderr_sink() {
  return std::make_unique<StderrSink>();
}

}  // namespace telinject
