#include "shim/symbols/file_image.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "shim/symbols/file_access.h"

namespace telinject {

namespace {

constexpr size_t kPage = 4096;
constexpr off_t kLargestFile = off_t{64} << 30;
constexpr uint64_t kMostUnpacked = uint64_t{2} << 30;  // in memory, of all files together
std::atomic<uint64_t> unpacked_total{0};
constexpr size_t kZeroBytes = 16 * kPage;  // after the file; more than any unchecked read of libdw

constexpr size_t round_up(size_t bytes) {
  return (bytes + kPage - 1) & ~(kPage - 1);
}

int64_t nanoseconds(const timespec& time) {
  return time.tv_sec * 1000000000 + time.tv_nsec;
}

// Mapped files, for the SIGBUS handler: nothing but atomics, as it may interrupt anything.
struct GuardedRange {
  std::atomic<uintptr_t> begin{0};  // 0: a free slot
  std::atomic<uintptr_t> end{0};
  std::atomic<bool> damaged{false};
};
constexpr size_t kNoGuard = 0;
std::array<GuardedRange, 4096> guarded;  // slot 0 stays free: it means "none"
struct sigaction previous_action;

enum class OtherFiles : int { kNotRead, kRead, kCutShort };
thread_local std::atomic<OtherFiles> other_files{OtherFiles::kNotRead};

bool put_zeros(uintptr_t address) {
  void* page = reinterpret_cast<void*>(address & ~(kPage - 1));
  return mmap(page, kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
              0) != MAP_FAILED;
}

void on_bus_error(int signal, siginfo_t* info, void* context) {
  int saved_errno = errno;
  uintptr_t address = reinterpret_cast<uintptr_t>(info->si_addr);
  for (GuardedRange& range : guarded) {
    uintptr_t begin = range.begin.load(std::memory_order_acquire);
    if (begin == 0 || address < begin || address >= range.end.load(std::memory_order_relaxed)) {
      continue;
    }
    if (!put_zeros(address)) break;
    range.damaged.store(true, std::memory_order_relaxed);
    errno = saved_errno;
    return;  // and read zeros
  }
  if (info->si_code == BUS_ADRERR &&
      other_files.load(std::memory_order_relaxed) != OtherFiles::kNotRead && put_zeros(address)) {
    other_files.store(OtherFiles::kCutShort, std::memory_order_relaxed);
    errno = saved_errno;
    return;
  }
  errno = saved_errno;
  if ((previous_action.sa_flags & SA_SIGINFO) != 0) {
    previous_action.sa_sigaction(signal, info, context);
  } else if (previous_action.sa_handler != SIG_DFL && previous_action.sa_handler != SIG_IGN) {
    previous_action.sa_handler(signal);
  } else {
    ::signal(SIGBUS, SIG_DFL);  // on return the access is repeated, and ends us as it should
  }
}

void install_handler_once() {
  static const bool installed = [] {
    struct sigaction action = {};
    action.sa_sigaction = on_bus_error;
    action.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK | SA_NODEFER;
    sigemptyset(&action.sa_mask);
    return sigaction(SIGBUS, &action, &previous_action) == 0;
  }();
  static_cast<void>(installed);
}

// Without a free slot the image goes unguarded: 4,095 files at once are more than we ever map.
size_t guard(const char* data, size_t bytes) {
  install_handler_once();
  for (size_t i = 1; i < guarded.size(); i++) {
    uintptr_t expected = 0;
    if (guarded[i].begin.load(std::memory_order_relaxed) != 0) continue;
    guarded[i].end.store(0, std::memory_order_relaxed);
    if (guarded[i].begin.compare_exchange_strong(expected, reinterpret_cast<uintptr_t>(data))) {
      guarded[i].damaged.store(false, std::memory_order_relaxed);
      guarded[i].end.store(reinterpret_cast<uintptr_t>(data) + bytes, std::memory_order_release);
      return i;
    }
  }
  return kNoGuard;
}

void release_guard(size_t slot) {
  if (slot != kNoGuard) guarded[slot].begin.store(0, std::memory_order_release);
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

}  // namespace

std::shared_ptr<FileImage> FileImage::open(const std::string& path, std::string* error) {
  Descriptor file(FileAccess::open_file(path, error));
  return file.get() < 0 ? nullptr : of_descriptor(path, file.get(), error);
}

std::shared_ptr<FileImage> FileImage::of_descriptor(const std::string& name, int fd,
                                                    std::string* error) {
  std::shared_ptr<FileImage> image(new FileImage);
  return image->map(name, fd, error) ? image : nullptr;
}

bool FileImage::map(const std::string& name, int fd, std::string* error) {
  auto fail = [&](const char* reason) {
    *error = reason;
    return false;
  };
  struct stat status;
  if (fd < 0 || fstat(fd, &status) != 0) return fail(strerror(errno));
  if (!S_ISREG(status.st_mode)) return fail("not a regular file");
  if (status.st_size <= 0) return fail("the file is empty");
  if (status.st_size > kLargestFile) return fail(kTooLarge);

  size_t size = static_cast<size_t>(status.st_size);
  size_t total = round_up(size) + kZeroBytes;
  // The zeros first, then the file over their beginning. MAP_NORESERVE: what libelf writes is a few
  // pages, the size of the file must not count as memory.
  void* base = mmap(nullptr, total, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (base == MAP_FAILED) return fail(strerror(errno));
  data_ = static_cast<char*>(base);
  mapped_bytes_ = total;
  if (mmap(base, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE, fd, 0) ==
      MAP_FAILED) {
    return fail(strerror(errno));
  }
  path_ = name;
  size_ = size;
  guard_ = guard(data_, round_up(size));
  inode_ = status.st_ino;
  device_ = status.st_dev;
  device_major_ = major(status.st_dev);
  device_minor_ = minor(status.st_dev);
  modified_ns_ = nanoseconds(status.st_mtim);
  return true;
}

std::shared_ptr<FileImage> FileImage::of_bytes(const std::string& name, std::vector<char> bytes) {
  if (unpacked_total.fetch_add(bytes.size()) + bytes.size() > kMostUnpacked) {
    unpacked_total.fetch_sub(bytes.size());
    return nullptr;
  }
  std::shared_ptr<FileImage> image(new FileImage);
  image->path_ = name;
  image->size_ = bytes.size();
  image->bytes_ = std::move(bytes);
  image->bytes_.resize(image->size_ + kPage);  // zeros
  image->data_ = image->bytes_.data();
  return image;
}

FileImage::~FileImage() {
  release_guard(guard_);
  if (mapped_bytes_ != 0) munmap(data_, mapped_bytes_);
  if (!bytes_.empty()) unpacked_total.fetch_sub(size_);
}

void FileImage::forget(const void* bytes, size_t size) const {
  auto* from = static_cast<const char*>(bytes);
  if (mapped_bytes_ == 0 || from < data_ || from > data_ + size_) return;  // libelf's, perhaps
  // Pages that hold something else besides stay.
  uintptr_t begin = round_up(reinterpret_cast<uintptr_t>(bytes));
  uintptr_t end = (reinterpret_cast<uintptr_t>(bytes) + size) & ~(kPage - 1);
  if (begin < end) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
}

bool FileImage::intact() const {
  if (mapped_bytes_ == 0) return true;
  if (guard_ != kNoGuard && guarded[guard_].damaged.load(std::memory_order_relaxed)) return false;
  struct stat status;
  // Another file, or none, by that name now: the one we have mapped is as it was.
  if (stat(path_.c_str(), &status) != 0 || status.st_ino != inode_ || status.st_dev != device_) {
    return true;
  }
  return nanoseconds(status.st_mtim) == modified_ns_ &&
         static_cast<size_t>(status.st_size) == size_;
}

FileReading::FileReading() {
  install_handler_once();
  other_files.store(OtherFiles::kRead, std::memory_order_relaxed);
}

FileReading::~FileReading() {
  other_files.store(OtherFiles::kNotRead, std::memory_order_relaxed);
}

bool FileReading::cut_short() const {
  return other_files.load(std::memory_order_relaxed) == OtherFiles::kCutShort;
}

}  // namespace telinject
