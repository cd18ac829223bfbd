// What does not fit in the drain's memory waits in a file.
//
// The file has no name, so that nothing is left behind however the drain ends. Its space is given
// back as records are read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <span>
#include <string>

namespace telinject::drain {

class Spool {
 public:
  // Keeps at most `limit_bytes` (0: no spool) in a file in `directory`, made when it is first
  // needed.
  Spool(std::string directory, uint64_t limit_bytes);
  ~Spool();
  Spool(const Spool&) = delete;
  Spool& operator=(const Spool&) = delete;

  // There is room for more, as far as is known. From any thread.
  bool has_room() const;

  // Appends them. False if that was not possible (a full disk, a folder that cannot be written),
  // and then there is no room any more, which is told to the user once. One thread at a time.
  bool write(std::span<const std::byte> bytes, uint64_t* offset);

  // What was written there, for the first and last time. Returns how much of it there is: all, but
  // for a failure, which is told. One thread at a time.
  size_t read(uint64_t offset, size_t size, std::byte* to);

  uint64_t bytes() const;  // that wait

 private:
  bool open();
  void give_up(const char* what, int error);

  const std::string directory_;
  const uint64_t limit_bytes_;
  mutable std::mutex mutex_;
  int fd_ = -1;
  uint64_t end_ = 0;   // of the file
  uint64_t left_ = 0;  // bytes not read yet
  bool failed_ = false;
};

}  // namespace telinject::drain
