#include "shim/symbols/unpacked_file.h"

#include <elf.h>
#include <fcntl.h>
#include <gelf.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

namespace telinject {

namespace {

constexpr uint64_t kMaxBytes = uint64_t{64} << 30;
// What deflate can make of a byte; a header that claims more is damaged.
constexpr uint64_t kMostFromAByte = 1032;
constexpr size_t kChunkBytes = size_t{1} << 20;
constexpr size_t kPieceBytes = size_t{4} << 20;  // of what is stored
constexpr uint64_t kAlignment = 16;

// The others describe where variables are, macros, frames, or the same in another way.
constexpr std::array<std::string_view, 13> kWanted = {
    ".debug_info",   ".debug_types",    ".debug_abbrev", ".debug_addr",
    ".debug_line",   ".debug_line_str", ".debug_str",    ".debug_str_offsets",
    ".debug_ranges", ".debug_rnglists", ".debug_sup",    ".gnu_debugaltlink",
    ".shstrtab"};

Unpacking g_unpacking;

class TemporaryFile {
 public:
  TemporaryFile() {
    fd_ = ::open(g_unpacking.directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd_ >= 0 || (errno != EOPNOTSUPP && errno != EISDIR)) return;
    std::string name =
        g_unpacking.directory + "/telinject-names-XXXXXX";  // file systems without O_TMPFILE
    fd_ = mkostemp(name.data(), O_CLOEXEC);
    if (fd_ >= 0) unlink(name.c_str());
  }
  ~TemporaryFile() {
    if (fd_ >= 0) close(fd_);
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  int fd() const { return fd_; }

  // A twentieth of the disk, and a gigabyte, are left to others.
  bool has_room(uint64_t bytes) const {
    struct statvfs status;
    if (fstatvfs(fd_, &status) != 0) return false;
    uint64_t free = uint64_t{status.f_bavail} * status.f_frsize;
    uint64_t kept = std::max(uint64_t{status.f_blocks} * status.f_frsize / 20, uint64_t{1} << 30);
    return free > kept && free - kept > bytes;
  }

  bool write(const void* data, size_t bytes, uint64_t at) {
    auto* from = static_cast<const char*>(data);
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

 private:
  int fd_ = -1;
};

struct Part {
  std::string name;
  std::span<const uint8_t> stored;  // without the header that says how
  bool compressed = false;
  uint64_t bytes = 0;  // unpacked
  Elf64_Shdr header = {};
};

enum class Unpacked { kDone, kDamaged, kNoRoom };

Unpacked inflate_to(TemporaryFile* file, const FileImage& image, const Part& part, uint64_t at) {
  z_stream stream = {};
  if (inflateInit(&stream) != Z_OK) return Unpacked::kNoRoom;
  std::vector<unsigned char> chunk(kChunkBytes);
  std::span<const uint8_t> piece, left = part.stored;
  uint64_t done = 0;
  int result = Z_OK;
  Unpacked outcome = Unpacked::kDone;
  while (result == Z_OK && outcome == Unpacked::kDone) {
    if (stream.avail_in == 0 && !left.empty()) {
      g_unpacking.progress();
      image.forget(piece.data(), piece.size());
      piece = left.first(std::min(left.size(), kPieceBytes));
      left = left.subspan(piece.size());
      stream.next_in = const_cast<unsigned char*>(piece.data());
      stream.avail_in = static_cast<uInt>(piece.size());
    }
    stream.next_out = chunk.data();
    stream.avail_out = static_cast<uInt>(chunk.size());
    result = inflate(&stream, Z_NO_FLUSH);
    size_t made = chunk.size() - stream.avail_out;
    if (made > part.bytes - done) {
      outcome = Unpacked::kDamaged;
    } else if (!file->write(chunk.data(), made, at + done)) {
      outcome = Unpacked::kNoRoom;
    }
    done += made;
  }
  inflateEnd(&stream);
  image.forget(piece.data(), piece.size());
  if (outcome != Unpacked::kDone) return outcome;
  return result == Z_STREAM_END && done == part.bytes ? Unpacked::kDone : Unpacked::kDamaged;
}

// The sections that are wanted. False if one of them is compressed in a way that is left to libelf.
bool collect(const ElfFile& file, std::vector<Part>* parts) {
  bool ours = true;
  file.each_section([&](const ElfFile::Section& section) {
    if (section.name.starts_with(".zdebug_")) ours = false;
    if (std::find(kWanted.begin(), kWanted.end(), section.name) == kWanted.end()) return ours;
    if (section.name == kWanted.back()) return true;  // written anew
    GElf_Shdr header;
    Elf_Data* data = elf_rawdata(section.handle, nullptr);
    if (gelf_getshdr(section.handle, &header) == nullptr || data == nullptr) return ours = false;
    Part part;
    part.name = section.name;
    part.header = header;
    part.stored = {static_cast<const uint8_t*>(data->d_buf),
                   data->d_buf == nullptr ? 0 : data->d_size};
    part.bytes = part.stored.size();
    if ((section.flags & SHF_COMPRESSED) != 0) {
      Elf64_Chdr how;
      if (part.stored.size() < sizeof how) return ours = false;
      memcpy(&how, part.stored.data(), sizeof how);
      part.stored = part.stored.subspan(sizeof how);
      part.compressed = true;
      part.bytes = how.ch_size;
      ours = how.ch_type == ELFCOMPRESS_ZLIB && part.bytes / kMostFromAByte <= part.stored.size() &&
             part.bytes <= kMaxBytes;
    }
    parts->push_back(std::move(part));
    return ours;
  });
  return ours;
}

uint64_t aligned(uint64_t offset) {
  return (offset + kAlignment - 1) & ~(kAlignment - 1);
}

bool write_headers(TemporaryFile* file, const ElfFile& like, std::vector<Part>* parts,
                   uint64_t end) {
  std::string names(1, '\0');
  std::vector<Elf64_Shdr> headers(1);
  for (Part& part : *parts) {
    part.header.sh_name = static_cast<Elf64_Word>(names.size());
    names += part.name + '\0';
    headers.push_back(part.header);
  }
  Elf64_Shdr strings = {};
  strings.sh_name = static_cast<Elf64_Word>(names.size());
  names += ".shstrtab";
  names += '\0';
  strings.sh_type = SHT_STRTAB;
  strings.sh_offset = end;
  strings.sh_size = names.size();
  strings.sh_addralign = 1;
  headers.push_back(strings);
  Elf64_Ehdr elf;
  memcpy(&elf, like.image().data(), sizeof elf);
  elf.e_phoff = 0;
  elf.e_phnum = 0;
  elf.e_shoff = aligned(end + names.size());
  elf.e_shentsize = sizeof(Elf64_Shdr);
  elf.e_shnum = static_cast<Elf64_Half>(headers.size());
  elf.e_shstrndx = static_cast<Elf64_Half>(headers.size() - 1);
  return file->write(&elf, sizeof elf, 0) && file->write(names.data(), names.size(), end) &&
         file->write(headers.data(), headers.size() * sizeof headers[0], elf.e_shoff);
}

Unpacked write_all(TemporaryFile* file, const ElfFile& like, std::vector<Part>* parts) {
  uint64_t at = aligned(sizeof(Elf64_Ehdr));
  for (Part& part : *parts) {
    Unpacked outcome = Unpacked::kDone;
    if (part.compressed) {
      outcome = inflate_to(file, like.image(), part, at);
    } else if (!file->write(part.stored.data(), part.stored.size(), at)) {
      outcome = Unpacked::kNoRoom;
    }
    if (outcome != Unpacked::kDone) return outcome;
    part.header.sh_offset = at;
    part.header.sh_size = part.bytes;
    part.header.sh_flags &= ~uint64_t{SHF_COMPRESSED};
    part.header.sh_link = 0;
    part.header.sh_info = 0;
    part.header.sh_addralign = 1;
    at = aligned(at + part.bytes);
  }
  return write_headers(file, like, parts, at) ? Unpacked::kDone : Unpacked::kNoRoom;
}

}  // namespace

void set_unpacking(Unpacking unpacking) {
  g_unpacking = std::move(unpacking);
}

std::shared_ptr<ElfFile> unpack_debug_info(const ElfFile& file, std::string* problem) {
  std::vector<Part> parts;
  if (!collect(file, &parts)) return nullptr;
  uint64_t unpacked = 0, total = 0;
  for (const Part& part : parts) {
    if (part.compressed) unpacked += part.bytes;
    total += part.bytes;
  }
  if (unpacked == 0 || unpacked < g_unpacking.worth_bytes || total > kMaxBytes) return nullptr;
  const std::string& path = file.image().path();
  TemporaryFile to;
  Unpacked outcome = to.fd() >= 0 && to.has_room(total) ? Unpacked::kDone : Unpacked::kNoRoom;
  if (outcome == Unpacked::kDone) outcome = write_all(&to, file, &parts);
  if (outcome == Unpacked::kDone) {
    std::string reason;
    std::shared_ptr<FileImage> image = FileImage::of_descriptor(path, to.fd(), &reason);
    std::shared_ptr<ElfFile> opened =
        image == nullptr ? nullptr : ElfFile::open(image, ElfKind::kDebugInfo, &reason);
    if (opened != nullptr) return opened;
    *problem = path + ": cannot use its unpacked debug information (" + reason + ")";
  } else if (outcome == Unpacked::kNoRoom) {
    *problem = path + ": no room in " + g_unpacking.directory + " for " +
               std::to_string(total >> 20) +
               " MiB of unpacked debug information: it is kept in memory; choose another folder "
               "with TELEMETRY_SPOOL_DIR";
  }
  return nullptr;
}

}  // namespace telinject
