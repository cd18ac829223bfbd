// Events appended to a file, in whole lines, also when several drains write to it or the disk is
// full.
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "shim/sinks/append_file.h"
#include "shim/sinks/compressing_sink.h"
#include "shim/sinks/sink.h"

namespace telinject {

namespace {

class FileSink : public Sink {
 public:
  explicit FileSink(std::unique_ptr<AppendFile> file) : file_(std::move(file)) {}

  uint64_t write(std::string_view lines) override {
    AppendFile::Turn turn(file_.get());
    if (turn.others_wrote()) end_torn_line();
    size_t done = file_->append(lines);
    if (done < lines.size()) done = take_back_partial_line(lines, done);
    bytes_written_ += done;
    return count_lines(lines.substr(done));
  }
  std::string describe() const override { return absl::StrCat("file ", file_->path()); }

  // A writer that was killed may have left part of a line: it stays as it is. True if there was
  // one.
  bool end_torn_line() {
    std::string last = file_->tail(1);
    return !last.empty() && last != "\n" && file_->append("\n") == 1;
  }
  bool begin() {
    AppendFile::Turn turn(file_.get(), /*mends=*/true);
    return end_torn_line();
  }

 private:
  // The disk is full: cuts a line that is only partly written. If another process has appended
  // behind it meanwhile, a newline ends it, if there is room for that.
  size_t take_back_partial_line(std::string_view lines, size_t done) {
    size_t whole = lines.rfind('\n', done == 0 ? 0 : done - 1);
    whole = done == 0 || whole == std::string_view::npos ? 0 : whole + 1;
    if (whole != done && !file_->take_back(done - whole)) file_->append("\n");
    return whole;
  }

  std::unique_ptr<AppendFile> file_;
};

}  // namespace

std::unique_ptr<Sink> open_file_sink(const std::string& path, std::string* problem,
                                     const Workers& workers, Rotation rotation) {
  std::unique_ptr<AppendFile> file = AppendFile::open(path, problem, std::move(rotation));
  if (file == nullptr) return nullptr;
  if (absl::EndsWith(path, ".zst")) {
    return make_compressing_sink(std::move(file), make_zstd, zstd_frames(), workers, problem);
  }
  if (absl::EndsWith(path, ".gz")) {
    return make_compressing_sink(std::move(file), make_gzip, gzip_members(), workers, problem);
  }
  auto sink = std::make_unique<FileSink>(std::move(file));
  if (sink->begin()) {
    *problem = absl::StrCat("TELEMETRY_FILE=", path,
                            ": ends in a torn line (a drain was killed?): it stays, and events "
                            "begin on a new line");
  }
  return sink;
}

}  // namespace telinject
