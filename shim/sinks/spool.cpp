#include "shim/sinks/spool.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"

namespace telinject {

Spool::Spool(std::string directory, uint64_t limit_bytes, Tell tell)
    : directory_(std::move(directory)), limit_bytes_(limit_bytes), tell_(std::move(tell)) {}

Spool::~Spool() {
  if (fd_ >= 0) close(fd_);
}

bool Spool::has_room() const {
  std::lock_guard lock(mutex_);
  return !failed_ && left_ < limit_bytes_;
}

uint64_t Spool::bytes() const {
  std::lock_guard lock(mutex_);
  return left_;
}

void Spool::give_up(const char* what, int error) {
  tell_(absl::StrCat("cannot ", what, " a spool file in ", directory_, ": ", strerror(error),
                     "; waiting data stays in memory: choose another directory with "
                     "TELEMETRY_SPOOL_DIR"));
  std::lock_guard lock(mutex_);
  failed_ = true;
}

bool Spool::open() {
  if (fd_ >= 0) return true;
  fd_ = ::open(directory_.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (fd_ < 0 && (errno == EOPNOTSUPP || errno == EISDIR)) {  // a file system without O_TMPFILE
    std::string name = directory_ + "/telinject-spool-XXXXXX";
    fd_ = mkostemp(name.data(), O_CLOEXEC);
    if (fd_ >= 0) unlink(name.c_str());
  }
  if (fd_ < 0) give_up("make", errno);
  return fd_ >= 0;
}

bool Spool::write(std::span<const std::byte> bytes, uint64_t* offset) {
  if (!open()) return false;
  {
    std::lock_guard lock(mutex_);
    if (left_ == 0) end_ = 0;  // all was read, and its space given back
    *offset = end_;
    end_ += bytes.size();
    left_ += bytes.size();
  }
  for (size_t done = 0; done < bytes.size();) {
    ssize_t n =
        pwrite(fd_, bytes.data() + done, bytes.size() - done, static_cast<off_t>(*offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      give_up("write", n < 0 ? errno : ENOSPC);
      std::lock_guard lock(mutex_);
      left_ -= bytes.size();
      return false;
    }
    done += static_cast<size_t>(n);
  }
  return true;
}

size_t Spool::read(uint64_t offset, size_t size, std::byte* to) {
  size_t done = 0;
  while (done < size) {
    ssize_t n = pread(fd_, to + done, size - done, static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      tell_(absl::StrCat("cannot read the spool file in ", directory_, ": ",
                         strerror(n < 0 ? errno : EIO), "; ", size - done,
                         " bytes of waiting data are lost"));
      break;
    }
    done += static_cast<size_t>(n);
  }
  drop(offset, size);
  return done;
}

void Spool::drop(uint64_t offset, size_t size) {
  fallocate(fd_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(offset),
            static_cast<off_t>(size));
  std::lock_guard lock(mutex_);
  left_ -= size;
}

}  // namespace telinject
