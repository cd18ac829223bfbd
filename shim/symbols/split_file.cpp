#include "shim/symbols/split_file.h"

#include <dwarf.h>
#include <elf.h>
#include <gelf.h>

#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "shim/symbols/abbreviations.h"
#include "shim/symbols/die.h"
#include "shim/symbols/elf_file.h"
#include "shim/symbols/file_image.h"
#include "shim/symbols/unpacked_file.h"
#include "shim/symbols/unpacked_section.h"

namespace telinject {

namespace {

constexpr uint64_t kMaxUnpacked = uint64_t{256} << 20;  // real ones have a few megabytes

// The bytes of a section, unpacked if it is stored compressed; none if it is damaged.
class Section {
 public:
  Section(const ElfFile& file, std::string_view name) : bytes_(file.section(name)) {
    file.each_section([&](const ElfFile::Section& section) {
      bool compressed = section.name == name && (section.flags & SHF_COMPRESSED) != 0;
      if (compressed) unpack(file, section.handle);
      return !compressed;
    });
  }
  std::span<const uint8_t> bytes() const { return bytes_; }

 private:
  void unpack(const ElfFile& file, Elf_Scn* handle) {
    Elf_Data* data = elf_rawdata(handle, nullptr);
    Compressed how;
    if (data == nullptr || data->d_buf == nullptr ||
        !read_compressed({static_cast<const uint8_t*>(data->d_buf), data->d_size}, &how)) {
      return;
    }
    auto take = [&](const void* piece, size_t bytes) {
      auto* begin = static_cast<const uint8_t*>(piece);
      unpacked_.insert(unpacked_.end(), begin, begin + bytes);
      return unpacked_.size() <= kMaxUnpacked;
    };
    unpack_section(file.image(), how, take, [] {});
    bytes_ = unpacked_;
  }

  std::vector<uint8_t> unpacked_;
  std::span<const uint8_t> bytes_;
};

}  // namespace

std::string split_file_of(const Dwarf_Die& unit) {
  std::string_view name = die_text(unit, DW_AT_dwo_name);
  if (name.empty()) name = die_text(unit, DW_AT_GNU_dwo_name);
  if (name.empty() || name.front() == '/') return std::string(name);
  std::string_view directory = die_text(unit, DW_AT_comp_dir);
  if (!directory.starts_with('/')) return "";
  return std::string(directory) + "/" + std::string(name);
}

std::optional<uint64_t> abbreviations_of_split_file(const std::string& path) {
  std::string ignored;
  std::shared_ptr<FileImage> image = FileImage::open(path, &ignored);
  if (image == nullptr) return std::nullopt;
  std::shared_ptr<ElfFile> file = ElfFile::open(image, ElfKind::kDebugInfo, &ignored);
  if (file == nullptr || unpacked_bytes(*file) > kMaxUnpacked) return std::nullopt;
  Section section(*file, ".debug_abbrev.dwo");
  Abbreviations tables(section.bytes());
  uint64_t largest = 0;
  uint64_t headers = tables.count_of_headers(Section(*file, ".debug_info.dwo").bytes(), &largest);
  return headers + largest;
}

std::span<const uint8_t> section_of_split_file(Elf* elf, std::string_view name) {
  size_t names = 0;
  if (elf == nullptr || elf_getshdrstrndx(elf, &names) != 0) return {};
  for (Elf_Scn* s = elf_nextscn(elf, nullptr); s != nullptr; s = elf_nextscn(elf, s)) {
    GElf_Shdr header;
    if (gelf_getshdr(s, &header) == nullptr) continue;
    const char* text = elf_strptr(elf, names, header.sh_name);
    if (text == nullptr || text != name) continue;
    Elf_Data* data = elf_getdata(s, nullptr);
    if (data == nullptr || data->d_buf == nullptr) continue;
    return {static_cast<const uint8_t*>(data->d_buf), data->d_size};
  }
  return {};
}

}  // namespace telinject
