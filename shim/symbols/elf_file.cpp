#include "shim/symbols/elf_file.h"

#include <elf.h>
#include <elfutils/libdwelf.h>
#include <gelf.h>

#include <cstring>
#include <utility>

namespace telinject {

namespace {

constexpr uint64_t kPage = 4096;
constexpr size_t kMaxProgramHeaders = 4096;
constexpr size_t kMaxNeeded = 4096;
// libelf unpacks a compressed section whole, into memory. A real one is well below this.
constexpr uint64_t kMaxInflatedBytes = uint64_t{8} << 30;

bool is_x86_64(const FileImage& image, ElfKind kind) {
  Elf64_Ehdr header;
  if (image.size() < sizeof header) return false;
  memcpy(&header, image.data(), sizeof header);
  return memcmp(header.e_ident, ELFMAG, SELFMAG) == 0 && header.e_ident[EI_CLASS] == ELFCLASS64 &&
         header.e_ident[EI_DATA] == ELFDATA2LSB && header.e_machine == EM_X86_64 &&
         (header.e_type == ET_EXEC || header.e_type == ET_DYN || kind == ElfKind::kDebugInfo);
}

// Makes libelf unpack the section if it is compressed; false if that fails.
bool inflate(Elf_Scn* section, const GElf_Shdr& header, std::string_view name) {
  if ((header.sh_flags & SHF_COMPRESSED) != 0) {
    GElf_Chdr compressed;
    return gelf_getchdr(section, &compressed) != nullptr &&
           compressed.ch_size <= kMaxInflatedBytes && elf_compress(section, 0, 0) >= 0;
  }
  // GNU's older way, by name; libdw may have unpacked it before us, then this fails harmlessly.
  if (name.starts_with(".zdebug_")) elf_compress_gnu(section, 0, 0);
  return true;
}

}  // namespace

std::shared_ptr<ElfFile> ElfFile::open(std::shared_ptr<FileImage> image, ElfKind kind,
                                       std::string* error) {
  if (!is_x86_64(*image, kind)) {
    *error = "not an ELF file for x86-64";
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
  const void* id = nullptr;
  ssize_t bytes = dwelf_elf_gnu_build_id(file->elf_, &id);
  if (bytes > 0) file->build_id_.assign(static_cast<const char*>(id), static_cast<size_t>(bytes));
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

std::optional<uint64_t> ElfFile::vaddr_of(uint64_t file_offset) const {
  for (bool executable : {true, false}) {
    for (const Segment& segment : segments_) {
      uint64_t begin = segment.file_offset & ~(kPage - 1);
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
  std::string zdebug;
  if (name.starts_with(".debug_")) zdebug = ".z" + std::string(name.substr(1));
  each_section([&](const Section& found) {
    if (found.name != name && (zdebug.empty() || found.name != zdebug)) return true;
    GElf_Shdr header;
    if (gelf_getshdr(found.handle, &header) == nullptr ||
        !inflate(found.handle, header, found.name)) {
      return false;
    }
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
