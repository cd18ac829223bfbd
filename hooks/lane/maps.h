// Reads /proc/self/maps without a heap: a line at a time, with raw system calls, into a small
// buffer on the stack. Async-signal-safe. Takes about 20 us. Must not be called under a seccomp
// filter.
#pragma once

#include <fcntl.h>

#include <cstdint>

#include "shim/channel/syscall.h"
#include "shim/channel/text.h"

namespace telinject::program {

struct Mapping {
  uintptr_t start, end;
  uint64_t offset;
  uint64_t inode;
  uint32_t device_major, device_minor;
  bool executable;
  size_t path_bytes;  // 0: anonymous
};

class MapsReader {
 public:
  MapsReader()
      : fd_(sys::call(SYS_openat, AT_FDCWD, sys::arg("/proc/self/maps"), O_RDONLY | O_CLOEXEC)) {}
  ~MapsReader() {
    if (fd_ >= 0) sys::close(static_cast<int>(fd_));
  }
  MapsReader(const MapsReader&) = delete;
  MapsReader& operator=(const MapsReader&) = delete;

  bool ok() const { return fd_ >= 0; }
  // Reads the next mapping. Copies its path, cut to `capacity`, to `path` unless that is null.
  bool next(Mapping* mapping, char* path, size_t capacity);

 private:
  int get();
  bool number(uint64_t* value, unsigned base, char* after);
  long fd_;
  long size_ = 0, position_ = 0;
  char buffer_[512];
};

// Finds the mapping that contains an address. False if there is none or /proc cannot be read.
bool find_mapping(uintptr_t address, Mapping* mapping);

}  // namespace telinject::program
