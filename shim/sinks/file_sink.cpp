// Events appended to a file, in whole lines, also when several drains write to it or the disk is
// full.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "shim/sinks/sink.h"

namespace telinject {

namespace {

uint64_t count_lines(std::string_view text) {
  return static_cast<uint64_t>(std::count(text.begin(), text.end(), '\n'));
}

class FileSink : public Sink {
 public:
  FileSink(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
  ~FileSink() override { close(fd_); }

  uint64_t write(std::string_view lines) override {
    size_t done = 0;
    while (done < lines.size()) {
      ssize_t n = ::write(fd_, lines.data() + done, lines.size() - done);
      if (n > 0) {
        done += static_cast<size_t>(n);
      } else if (n < 0 && errno == EAGAIN) {
        // A FIFO given as the file.
        pollfd ready = {fd_, POLLOUT, 0};
        poll(&ready, 1, 1000);
      } else if (n < 0 && errno != EINTR) {
        break;
      }
    }
    if (done < lines.size()) done = take_back_partial_line(lines, done);
    bytes_written_ += done;
    return count_lines(lines.substr(done));
  }
  std::string describe() const override { return absl::StrCat("file ", path_); }

 private:
  // The disk is full: cuts a line that is only partly there, unless somebody has appended behind it
  // meanwhile; then a newline ends it, if there is room for that.
  size_t take_back_partial_line(std::string_view lines, size_t done) {
    size_t whole = lines.rfind('\n', done == 0 ? 0 : done - 1);
    whole = done == 0 || whole == std::string_view::npos ? 0 : whole + 1;
    if (whole == done) return done;
    struct stat status = {};
    off_t end = lseek(fd_, 0, SEEK_CUR);
    if (fstat(fd_, &status) == 0 && end == status.st_size &&
        ftruncate(fd_, end - static_cast<off_t>(done - whole)) == 0) {
      return whole;
    }
    [[maybe_unused]] ssize_t n = ::write(fd_, "\n", 1);
    return whole;
  }

  int fd_;
  std::string path_;
};

}  // namespace

std::unique_ptr<Sink> open_file_sink(const std::string& path, std::string* problem) {
  // A FIFO that nobody reads would keep us here for ever.
  constexpr int kFlags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
  int fd = open(path.c_str(), kFlags, 0644);
  if (fd < 0) {
    bool nobody = errno == ENXIO;
    *problem = absl::StrCat("TELEMETRY_FILE=", path, ": ",
                            nobody ? "a FIFO that nobody reads, or a socket" : strerror(errno));
    return nullptr;
  }
  return std::make_unique<FileSink>(fd, path);
}

}  // namespace telinject
