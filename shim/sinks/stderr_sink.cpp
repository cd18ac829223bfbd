// Events on standard error or another descriptor of the program, among its own output.
//
// A write to a pipe is kept whole by the kernel up to PIPE_BUF bytes; so lines are written in
// pieces of whole lines up to that, and a longer line by itself.
#include <algorithm>
#include <climits>
#include <utility>

#include "shim/sinks/sink.h"
#include "shim/sinks/standard_error.h"

namespace telinject {

namespace {

constexpr int kForEver = -1;
constexpr int kHurryMs = 2000;

bool put(StandardError* out, std::string_view lines, int patience_ms, size_t* done) {
  return out->write_events(lines, patience_ms, done);
}
bool put(Stream* out, std::string_view lines, int patience_ms, size_t* done) {
  return out->write(lines, patience_ms, done);
}

// `Out` is a StandardError or a Stream.
template <typename Out>
class StreamSink : public Sink {
 public:
  StreamSink(Out* out, std::string name) : out_(out), name_(std::move(name)) {}

  uint64_t write(std::string_view lines) override {
    if (!out_->is_pipe_like()) return write_piece(lines);
    uint64_t lost = 0;
    while (!lines.empty()) {
      std::string_view piece = next_piece(lines);
      lost += write_piece(piece);
      lines.remove_prefix(piece.size());
    }
    return lost;
  }
  std::string describe() const override { return name_; }
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
    if (put(out_, piece, patience_ms_, &done)) {
      bytes_written_ += done;
      return 0;
    }
    // No reader, or none that reads: what has not gone out is lost, and so is all that follows once
    // there is no hurry to wait for it.
    if (patience_ms_ != kForEver || done == 0) gone_ = true;
    bytes_written_ += done;
    return count_lines(piece.substr(done));
  }

  Out* out_;
  std::string name_;
  int patience_ms_ = kForEver;
  bool gone_ = false;
};

class DescriptorSink final : public StreamSink<Stream> {
 public:
  DescriptorSink(std::unique_ptr<Stream> stream, std::string name)
      : StreamSink(stream.get(), std::move(name)), stream_(std::move(stream)) {}

 private:
  std::unique_ptr<Stream> stream_;
};

}  // namespace

std::unique_ptr<Sink> open_stderr_sink() {
  return std::make_unique<StreamSink<StandardError>>(&StandardError::get(), "standard error");
}

std::unique_ptr<Sink> open_descriptor_sink(int fd, const std::string& name) {
  auto stream = std::make_unique<Stream>();
  stream->adopt(fd);
  if (!stream->usable()) return nullptr;
  return std::make_unique<DescriptorSink>(std::move(stream), name);
}

}  // namespace telinject
