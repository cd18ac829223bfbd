#include "shim/symbols/elf_file.h"

#include <elf.h>
#include <elfutils/libdwelf.h>
#include <gelf.h>

#include <algorithm>
#include <cstring>
#include <utility>

namespace telinject {

namespace {

constexpr uint64_t kPageBytes = 4096;
constexpr size_t kMaxProgramHeaders = 4096;
constexpr size_t kMaxNeeded = 4096;
// libelf makes 300 bytes of each.
constexpr uint64_t kMaxSections = uint64_t{1} << 18;
constexpr uint64_t kMaxNoteBytes = uint64_t{16} << 20;
constexpr ssize_t kMaxBuildId = 64;

bool is_x86_64(const FileImage& image, ElfKind kind) {
  Elf64_Ehdr header;
  if (image.size() < sizeof header) return false;
  memcpy(&header, image.data(), sizeof header);
  return memcmp(header.e_ident, ELFMAG, SELFMAG) == 0 && header.e_ident[EI_CLASS] == ELFCLASS64 &&
         header.e_ident[EI_DATA] == ELFDATA2LSB && header.e_machine == EM_X86_64 &&
         (header.e_type == ET_EXEC || header.e_type == ET_DYN || kind == ElfKind::kDebugInfo);
}

// Where there are more than fit into the header, their number is in the first one.
uint64_t section_count(const FileImage& image) {
  Elf64_Ehdr header;
  memcpy(&header, image.data(), sizeof header);
  Elf64_Shdr first;
  bool elsewhere = header.e_shnum == 0 && header.e_shoff != 0 &&
                   header.e_shoff <= image.size() - sizeof first && image.size() >= sizeof first;
  if (!elsewhere) return header.e_shnum;
  memcpy(&first, image.data() + header.e_shoff, sizeof first);
  return first.sh_size;
}

}  // namespace

std::shared_ptr<ElfFile> ElfFile::open(std::shared_ptr<FileImage> image, ElfKind kind,
                                       std::string* error) {
  if (!is_x86_64(*image, kind)) {
    *error = "not an ELF file for x86-64";
    return nullptr;
  }
  if (section_count(*image) > kMaxSections) {
    *error = "it has more sections than any program";
    return nullptr;
  }
  static const bool version_known = elf_version(EV_CURRENT) != EV_NONE;
  std::shared_ptr<ElfFile> file(new ElfFile);
  file->image_ = std::move(image);
  file->elf_ = version_known ? elf_memory(file->image_->data(), file->image_->size()) : nullptr;
  if (file->elf_ == nullptr || elf_kind(file->elf_) != ELF_K_ELF) {
    *error = "the ELF header is damaged";
    return nullptr;
  }
  file->read_segments();
  if (kind == ElfKind::kProgram && file->segments_.empty()) {
    *error = "the ELF program headers are damaged";
    return nullptr;
  }
  if (!file->has_short_notes()) {
    *error = "its notes are larger than those of any program";
    return nullptr;
  }
  const void* id = nullptr;
  ssize_t bytes = dwelf_elf_gnu_build_id(file->elf_, &id);
  if (bytes > 0 && bytes <= kMaxBuildId)
    file->build_id_.assign(static_cast<const char*>(id), static_cast<size_t>(bytes));
  return file;
}

ElfFile::~ElfFile() {
  if (elf_ != nullptr) elf_end(elf_);
}

void ElfFile::read_segments() {
  size_t count = 0;
  if (elf_getphdrnum(elf_, &count) != 0) count = 0;
  for (size_t i = 0; i < count && i < kMaxProgramHeaders; i++) {
    GElf_Phdr header;
    if (gelf_getphdr(elf_, static_cast<int>(i), &header) == nullptr) break;
    if (header.p_type != PT_LOAD || header.p_vaddr + header.p_memsz < header.p_vaddr) continue;
    segments_.push_back({header.p_offset, header.p_vaddr, header.p_filesz, header.p_memsz,
                         (header.p_flags & PF_X) != 0});
  }
}

// All of them are read to find the build id.
bool ElfFile::has_short_notes() const {
  uint64_t bytes = 0;
  auto add = [&](uint64_t more) { bytes += std::min(more, kMaxNoteBytes + 1); };
  size_t count = 0;
  if (elf_getphdrnum(elf_, &count) != 0) count = 0;
  for (size_t i = 0; i < count && bytes <= kMaxNoteBytes; i++) {
    GElf_Phdr header;
    if (gelf_getphdr(elf_, static_cast<int>(i), &header) == nullptr) break;
    if (header.p_type == PT_NOTE) add(header.p_filesz);
  }
  each_section([&](const Section& section) {
    if (section.type == SHT_NOTE) add(section.bytes);
    return bytes <= kMaxNoteBytes;
  });
  return bytes <= kMaxNoteBytes;
}

std::optional<uint64_t> ElfFile::vaddr_of(uint64_t file_offset) const {
  for (bool executable : {true, false}) {
    for (const Segment& segment : segments_) {
      uint64_t begin = segment.file_offset & ~(kPageBytes - 1);
      uint64_t end = segment.file_offset + segment.file_bytes;
      if (segment.executable == executable && file_offset >= begin && file_offset < end) {
        return segment.vaddr - segment.file_offset + file_offset;
      }
    }
  }
  return std::nullopt;
}

bool ElfFile::is_code(uint64_t vaddr) const {
  if (vaddr == 0) return false;
  for (const Segment& segment : segments_) {
    if (segment.executable && vaddr >= segment.vaddr &&
        vaddr - segment.vaddr < segment.memory_bytes) {
      return true;
    }
  }
  return false;
}

void ElfFile::each_section(const std::function<bool(const Section&)>& visit) const {
  size_t names = 0;
  if (elf_getshdrstrndx(elf_, &names) != 0) return;
  for (Elf_Scn* section = elf_nextscn(elf_, nullptr); section != nullptr;
       section = elf_nextscn(elf_, section)) {
    GElf_Shdr header;
    if (gelf_getshdr(section, &header) == nullptr || header.sh_type == SHT_NOBITS) continue;
    const char* name = elf_strptr(elf_, names, header.sh_name);
    if (name == nullptr) continue;
    if (!visit({name, section, header.sh_type, header.sh_link, header.sh_flags, header.sh_size,
                header.sh_entsize})) {
      return;
    }
  }
}

std::span<const uint8_t> ElfFile::section(std::string_view name) const {
  std::span<const uint8_t> bytes;
  each_section([&](const Section& found) {
    if (found.name != name) return true;
    if ((found.flags & SHF_COMPRESSED) != 0) return false;
    Elf_Data* data = elf_getdata(found.handle, nullptr);
    if (data != nullptr && data->d_buf != nullptr) {
      bytes = {static_cast<const uint8_t*>(data->d_buf), data->d_size};
    }
    return false;
  });
  return bytes;
}

bool ElfFile::has_section(std::string_view name) const {
  bool found = false;
  std::string zdebug;
  if (name.starts_with(".debug_")) zdebug = ".z" + std::string(name.substr(1));
  each_section([&](const Section& section) {
    found = section.name == name || (!zdebug.empty() && section.name == zdebug);
    return !found;
  });
  return found;
}

std::optional<ElfFile::DebugLink> ElfFile::debug_link() const {
  GElf_Word crc = 0;
  const char* name = dwelf_elf_gnu_debuglink(elf_, &crc);
  if (name == nullptr || *name == 0) return std::nullopt;
  return DebugLink{name, crc};
}

std::vector<std::string> ElfFile::needed() const {
  std::vector<std::string> names;
  each_section([&](const Section& section) {
    if (section.type != SHT_DYNAMIC) return true;
    Elf_Data* data = elf_getdata(section.handle, nullptr);
    if (data == nullptr || data->d_buf == nullptr) return false;
    size_t count = data->d_size / sizeof(Elf64_Dyn);
    for (size_t i = 0; i < count && names.size() < kMaxNeeded; i++) {
      GElf_Dyn entry;
      if (gelf_getdyn(data, static_cast<int>(i), &entry) == nullptr || entry.d_tag == DT_NULL)
        break;
      if (entry.d_tag != DT_NEEDED) continue;
      const char* name = elf_strptr(elf_, section.link, entry.d_un.d_val);
      if (name != nullptr) names.emplace_back(name);
    }
    return false;
  });
  return names;
}

}  // namespace telinject
