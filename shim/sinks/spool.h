// A file for data that does not fit in the drain's memory: records, and batches to be sent.
//
// The file has no name, so nothing is left behind however the drain ends. Disk space is freed as
// data is read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <span>
#include <string>

namespace telinject {

class Spool {
 public:
  // Keeps at most `limit_bytes` (0: no spool) in a file in `directory`, made when it is first
  // needed.
  // `tell` receives one line for the user about each problem.
  using Tell = std::function<void(const std::string& line)>;
  Spool(
      std::string directory, uint64_t limit_bytes, Tell tell = [](const std::string&) {});
  ~Spool();
  Spool(const Spool&) = delete;
  Spool& operator=(const Spool&) = delete;

  // Whether there is room for more, as far as is known. From any thread.
  bool has_room() const;

  // Appends the bytes. False if that is not possible (full disk, unwritable folder); the user is
  // told once, and has_room() is false from then on. One thread at a time.
  bool write(std::span<const std::byte> bytes, uint64_t* offset);

  // Reads what was written there; it can be read only once. Returns how many bytes were read: all
  // of them, unless reading fails (the user is told). One thread at a time.
  size_t read(uint64_t offset, size_t size, std::byte* to);
  // Gives its space back unread, in place of read().
  void drop(uint64_t offset, size_t size);

  uint64_t bytes() const;  // that are still to be read

 private:
  bool open();
  void give_up(const char* what, int error);

  const std::string directory_;
  const uint64_t limit_bytes_;
  const Tell tell_;
  mutable std::mutex mutex_;
  int fd_ = -1;
  uint64_t end_ = 0;   // of the file
  uint64_t left_ = 0;  // bytes not read yet
  bool failed_ = false;
};

}  // namespace telinject
