// A file that is appended to, maybe by several at once, and that may have no room left.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace telinject {

class AppendFile {
 public:
  // Made with mode 0644 if it is not there. Null, with one line of reason, if it cannot be opened.
  static std::unique_ptr<AppendFile> open(const std::string& path, std::string* problem);
  ~AppendFile();
  AppendFile(const AppendFile&) = delete;
  AppendFile& operator=(const AppendFile&) = delete;

  // Returns how many bytes went out: less than all if there is no room, or no reader. Waits for the
  // reader of a FIFO.
  size_t append(std::string_view bytes);

  // Cuts the last `bytes` that were appended, unless somebody has appended behind them meanwhile or
  // it is no file that could be cut.
  bool take_back(size_t bytes);

  const std::string& path() const { return path_; }

 private:
  AppendFile(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}

  int fd_;
  std::string path_;
};

}  // namespace telinject
