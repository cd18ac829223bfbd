// The file of what could not be delivered, which `telinject convert FILE --output=...` sends.
//
// It has batches, with what makes their framing, and knows neither endpoint nor secrets. Made with
// mode 0600. Anybody may have written it: a damaged file is a problem, never a crash.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "shim/delivery/batch.h"

namespace telinject::delivery {

class LeftWriter {
 public:
  // In a directory, under a new name that ends in ".telleft"; null, with a reason, if that fails.
  static std::unique_ptr<LeftWriter> create(const std::string& directory, std::string* problem);
  ~LeftWriter();
  LeftWriter(const LeftWriter&) = delete;
  LeftWriter& operator=(const LeftWriter&) = delete;
  // False, with errno, if that is not possible; what was written before stays valid.
  bool write(const Batch& batch);
  const std::string& path() const { return path_; }

 private:
  LeftWriter(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
  bool put(std::string_view bytes);

  int fd_;
  std::string path_;
  uint64_t end_ = 0;
};

class LeftReader {
 public:
  static bool is_left_file(const std::string& path);
  // Null, with a reason, if it cannot be opened or is none.
  static std::unique_ptr<LeftReader> open(const std::string& path, std::string* problem);
  ~LeftReader();
  LeftReader(const LeftReader&) = delete;
  LeftReader& operator=(const LeftReader&) = delete;

  // Goes to the next batch; false at the end, or where it is damaged (problem()).
  bool next();
  // Of the batch: its framing's kind and text (Framing::save), and its items. The framing is null.
  const std::string& kind() const { return kind_; }
  const std::string& text() const { return text_; }
  Batch& batch() { return *batch_; }

  const std::string& problem() const { return problem_; }  // "the file is cut off; ..."

 private:
  LeftReader(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
  bool load();
  bool fail(const char* how);

  int fd_;
  std::string path_, problem_, kind_, text_;
  std::string frame_;  // unpacked
  std::optional<Batch> batch_;
};

}  // namespace telinject::delivery
