#include "shim/delivery/left_file.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "shim/delivery/batch_bytes.h"
#include "shim/sinks/compressor.h"

namespace telinject::delivery {

namespace {

constexpr std::string_view kMagic = "TELLEFT1";
constexpr char kSuffix[] = ".telleft";
constexpr char kDamaged[] = "the file is damaged";
constexpr uint64_t kMostBytes = uint64_t{256} << 20;  // of a frame, unpacked

// Before each frame's bytes.
struct FrameHead {
  uint64_t packed = 0, unpacked = 0;
  uint64_t crc = 0;  // of the packed bytes
};

uint64_t crc_of(std::string_view bytes) {
  return crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size());
}

// How much was read: less than `size` at the end.
size_t read_all(int fd, char* to, size_t size) {
  size_t done = 0;
  while (done < size) {
    ssize_t n = read(fd, to + done, size - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    done += static_cast<size_t>(n);
  }
  return done;
}

// Memory grows with what is there, not with what is said to be.
bool read_bytes(int fd, uint64_t size, std::string* bytes) {
  constexpr uint64_t kStep = 1 << 20;
  while (bytes->size() < size) {
    size_t before = bytes->size();
    bytes->resize(before + std::min(kStep, size - before));
    size_t n = read_all(fd, bytes->data() + before, bytes->size() - before);
    if (n < bytes->size() - before) return false;
  }
  return true;
}

}  // namespace

std::unique_ptr<LeftWriter> LeftWriter::create(const std::string& directory, std::string* problem) {
  std::string path = absl::StrCat(directory, "/telinject-XXXXXX", kSuffix);
  int fd = mkostemps(path.data(), sizeof kSuffix - 1, O_CLOEXEC);
  if (fd < 0) {
    *problem = absl::StrCat("cannot make a file in ", directory, ": ", strerror(errno));
    return nullptr;
  }
  std::unique_ptr<LeftWriter> writer(new LeftWriter(fd, path));
  if (writer->put(kMagic)) return writer;
  *problem = absl::StrCat("cannot write ", path, ": ", strerror(errno));
  unlink(path.c_str());
  return nullptr;
}

LeftWriter::~LeftWriter() {
  if (fd_ >= 0) close(fd_);
}

// All or nothing.
bool LeftWriter::put(std::string_view bytes) {
  for (size_t done = 0; done < bytes.size();) {
    ssize_t n =
        pwrite(fd_, bytes.data() + done, bytes.size() - done, static_cast<off_t>(end_ + done));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      int error = n < 0 ? errno : ENOSPC;
      if (ftruncate(fd_, static_cast<off_t>(end_)) != 0) fd_ = (close(fd_), -1);
      errno = error;
      return false;
    }
    done += static_cast<size_t>(n);
  }
  end_ += bytes.size();
  return true;
}

bool LeftWriter::write(const Batch& batch) {
  std::string bytes, packed;
  append_text({batch.framing->kind()}, &bytes);
  append_text(batch.framing->save(), &bytes);
  append_batch(batch, &bytes);
  if (!make_zstd()->compress(bytes, &packed)) return errno = ENOMEM, false;
  FrameHead head = {packed.size(), bytes.size(), crc_of(packed)};
  std::string frame(reinterpret_cast<const char*>(&head), sizeof head);
  return put(frame += packed);
}

bool LeftReader::is_left_file(const std::string& path) {
  int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return false;
  char magic[kMagic.size()];
  bool is = read_all(fd, magic, sizeof magic) == sizeof magic &&
            std::string_view(magic, sizeof magic) == kMagic;
  close(fd);
  return is;
}

std::unique_ptr<LeftReader> LeftReader::open(const std::string& path, std::string* problem) {
  int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    *problem = absl::StrCat(path, ": ", strerror(errno));
    return nullptr;
  }
  std::unique_ptr<LeftReader> reader(new LeftReader(fd, path));
  char magic[kMagic.size()];
  if (read_all(fd, magic, sizeof magic) != sizeof magic ||
      std::string_view(magic, sizeof magic) != kMagic) {
    *problem = absl::StrCat(path, ": is not a file of events that could not be sent (.telleft)");
    return nullptr;
  }
  return reader;
}

LeftReader::~LeftReader() {
  if (fd_ >= 0) close(fd_);
}

bool LeftReader::fail(const char* how) {
  problem_ = absl::StrCat(how, "; the events before that place were read");
  return false;
}

bool LeftReader::load() {
  FrameHead head;
  size_t n = read_all(fd_, reinterpret_cast<char*>(&head), sizeof head);
  if (n == 0) return false;
  std::string packed;
  if (n < sizeof head || head.packed > kMostBytes || head.unpacked > kMostBytes ||
      !read_bytes(fd_, head.packed, &packed)) {
    return fail("the file is cut off");
  }
  if (crc_of(packed) != head.crc) return fail(kDamaged);
  // As many bytes as the frame itself says, so that a damaged head cannot ask for more.
  if (ZSTD_getFrameContentSize(packed.data(), packed.size()) != head.unpacked) {
    return fail(kDamaged);
  }
  frame_.resize(head.unpacked);
  size_t size = ZSTD_decompress(frame_.data(), frame_.size(), packed.data(), packed.size());
  return size == head.unpacked || fail(kDamaged);
}

bool LeftReader::next() {
  batch_.reset();
  kind_.clear();
  text_.clear();
  if (!problem_.empty() || !load()) return false;
  std::string_view bytes = frame_, kind, text;
  if (take_text(&bytes, &kind) && take_text(&bytes, &text)) batch_ = read_batch(bytes);
  if (!batch_.has_value()) return fail(kDamaged);
  kind_ = kind;
  text_ = text;
  return true;
}

}  // namespace telinject::delivery
