#include "shim/symbols/section_file.h"

#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace telinject {

namespace {

constexpr uint64_t kAlignment = 16;

uint64_t aligned(uint64_t offset) {
  return (offset + kAlignment - 1) & ~(kAlignment - 1);
}

}  // namespace

SectionFile SectionFile::in_folder(const std::string& folder) {
  int fd = ::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR)) {  // file systems without O_TMPFILE
    std::string name = folder + "/telinject-names-XXXXXX";
    fd = mkostemp(name.data(), O_CLOEXEC);
    if (fd >= 0) unlink(name.c_str());
  }
  return SectionFile(fd, false);
}

SectionFile::SectionFile(SectionFile&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      memory_(other.memory_),
      bytes_(std::move(other.bytes_)),
      begin_(other.begin_),
      at_(other.at_),
      names_(std::move(other.names_)),
      headers_(std::move(other.headers_)) {}

SectionFile::~SectionFile() {
  if (fd_ >= 0) close(fd_);
}

bool SectionFile::has_room(uint64_t bytes) const {
  if (memory_) return true;
  struct statvfs status;
  if (fd_ < 0 || fstatvfs(fd_, &status) != 0) return false;
  uint64_t free = uint64_t{status.f_bavail} * status.f_frsize;
  uint64_t kept = std::max(uint64_t{status.f_blocks} * status.f_frsize / 20, uint64_t{1} << 30);
  return free > kept && free - kept > bytes;
}

bool SectionFile::write_at(const void* data, size_t bytes, uint64_t at) {
  auto* from = static_cast<const char*>(data);
  if (memory_) {
    if (bytes_.size() < at + bytes) bytes_.resize(at + bytes);
    if (bytes != 0) memcpy(bytes_.data() + at, from, bytes);
    return true;
  }
  while (bytes > 0) {
    ssize_t n = pwrite(fd_, from, bytes, static_cast<off_t>(at));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    from += n;
    at += static_cast<uint64_t>(n);
    bytes -= static_cast<size_t>(n);
  }
  return true;
}

void SectionFile::begin_section(const std::string& name, uint32_t type) {
  Elf64_Shdr header = {};
  header.sh_name = static_cast<Elf64_Word>(names_.size());
  names_ += name + '\0';
  header.sh_type = type;
  header.sh_addralign = 1;
  begin_ = at_ = aligned(at_);
  header.sh_offset = begin_;
  headers_.push_back(header);
}

bool SectionFile::write(const void* data, size_t bytes) {
  if (!write_at(data, bytes, at_)) return false;
  at_ += bytes;
  return true;
}

void SectionFile::end_section() {
  headers_.back().sh_size = written();
}

std::shared_ptr<ElfFile> SectionFile::finish(const ElfFile& like, const std::string& name,
                                             std::string* reason) {
  begin_section(".shstrtab", SHT_STRTAB);
  bool fits = write(names_.data(), names_.size());
  end_section();
  Elf64_Ehdr elf;
  memcpy(&elf, like.image().data(), sizeof elf);
  elf.e_phoff = 0;
  elf.e_phnum = 0;
  elf.e_shoff = aligned(at_);
  elf.e_shentsize = sizeof(Elf64_Shdr);
  elf.e_shnum = static_cast<Elf64_Half>(headers_.size());
  elf.e_shstrndx = static_cast<Elf64_Half>(headers_.size() - 1);
  if (!fits || !write_at(&elf, sizeof elf, 0) ||
      !write_at(headers_.data(), headers_.size() * sizeof headers_[0], elf.e_shoff)) {
    *reason = "no room";
    return nullptr;
  }
  std::shared_ptr<FileImage> image = memory_ ? FileImage::of_bytes(name, std::move(bytes_))
                                             : FileImage::of_descriptor(name, fd_, reason);
  if (memory_ && image == nullptr) *reason = "too much is unpacked already";
  return image == nullptr ? nullptr : ElfFile::open(image, ElfKind::kDebugInfo, reason);
}

}  // namespace telinject
