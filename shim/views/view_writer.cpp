#include "shim/views/view_writer.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "shim/sinks/new_file.h"

namespace telinject::views {

std::unique_ptr<ViewWriter> ViewWriter::open(const std::string& path, std::string* problem) {
  if (path == "-") {
    return std::unique_ptr<ViewWriter>(new ViewWriter(STDOUT_FILENO, path, ""));
  }
  // A link is followed; what is no regular file (a FIFO, a device) is not replaced.
  std::error_code error;
  std::string target = std::filesystem::weakly_canonical(path, error);
  if (error) target = path;
  std::filesystem::file_type type = std::filesystem::status(target, error).type();
  bool replace =
      type == std::filesystem::file_type::not_found || type == std::filesystem::file_type::regular;
  std::string temporary = replace ? absl::StrCat(target, ".", getpid(), ".part") : "";
  // Not a file or link that another user has put there.
  if (replace) unlink(temporary.c_str());
  int fd = open_or_make(replace ? temporary : target,
                        O_WRONLY | O_CLOEXEC | (replace ? O_NOFOLLOW : O_TRUNC));
  if (fd < 0) {
    *problem = absl::StrCat("cannot write ", path, ": ", strerror(errno));
    return nullptr;
  }
  return std::unique_ptr<ViewWriter>(new ViewWriter(fd, target, temporary));
}

ViewWriter::ViewWriter(int fd, std::string path, std::string temporary)
    : fd_(fd), path_(std::move(path)), temporary_(std::move(temporary)) {
  if (absl::EndsWith(path_, ".zst")) compressor_ = make_zstd();
  if (absl::EndsWith(path_, ".gz")) compressor_ = make_gzip();
  text_.reserve(kBlockBytes + kBlockBytes / 4);
}

ViewWriter::~ViewWriter() {
  if (temporary_.empty()) return;
  close(fd_);
  unlink(temporary_.c_str());
}

void ViewWriter::write_block() {
  if (compressor_ == nullptr) {
    put(text_);
  } else if (compressor_->compress(text_, &compressed_)) {
    put(compressed_);
  } else if (error_ == 0) {
    error_ = ENOMEM;
  }
  text_.clear();
}

void ViewWriter::put(std::string_view bytes) {
  while (error_ == 0 && !bytes.empty()) {
    ssize_t n = write(fd_, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      error_ = n < 0 ? errno : ENOSPC;
      break;
    }
    bytes_ += static_cast<uint64_t>(n);
    bytes.remove_prefix(static_cast<size_t>(n));
  }
}

bool ViewWriter::finish(std::string* problem) {
  // A compressed file of no text is a frame of none.
  if (!text_.empty() || (compressor_ != nullptr && bytes_ == 0)) write_block();
  if (error_ == 0 && !temporary_.empty()) {
    if (rename(temporary_.c_str(), path_.c_str()) != 0) {
      error_ = errno;
    } else {
      close(fd_);
      temporary_.clear();
    }
  }
  if (error_ == 0) return true;
  *problem = absl::StrCat("cannot write ", path_ == "-" ? "standard output" : path_, ": ",
                          strerror(error_));
  return false;
}

}  // namespace telinject::views
