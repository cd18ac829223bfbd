// Where a view is written: a file, or standard output.
//
// A file appears under its name only when it is whole. It is compressed if its name ends in .gz or
// .zst.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "shim/sinks/compressor.h"

namespace telinject::views {

class ViewWriter {
 public:
  // `path` "-": standard output. Null if it cannot be written; *problem says why.
  static std::unique_ptr<ViewWriter> open(const std::string& path, std::string* problem);
  ~ViewWriter();
  ViewWriter(const ViewWriter&) = delete;
  ViewWriter& operator=(const ViewWriter&) = delete;

  // Append to this; it is written when there is enough of it.
  std::string& text() { return text_; }
  // Call this after each row, at most some kilobytes.
  void row() {
    if (text_.size() >= kBlockBytes) write_block();
  }
  // Writes the rest. False if anything could not be written; *problem says why.
  bool finish(std::string* problem);
  uint64_t bytes() const { return bytes_; }  // written, after compression

 private:
  static constexpr size_t kBlockBytes = 1 << 20;

  ViewWriter(int fd, std::string path, std::string temporary);
  void write_block();
  void put(std::string_view bytes);

  int fd_;
  std::string path_, temporary_;  // "": standard output
  std::unique_ptr<Compressor> compressor_;
  std::string text_, compressed_;
  uint64_t bytes_ = 0;
  int error_ = 0;  // errno of the first failure
};

}  // namespace telinject::views
