// One ELF file for x86-64: headers checked, sections by name.
#pragma once

#include <libelf.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "shim/symbols/file_image.h"

namespace telinject {

struct Segment {  // a PT_LOAD program header
  uint64_t file_offset, vaddr, file_bytes, memory_bytes;
  bool executable;
};

enum class ElfKind {
  kProgram,    // a program or shared library: must have segments
  kDebugInfo,  // holds debug information only; dwz writes a relocatable file without any segment
};

class ElfFile {
 public:
  // Null, and the reason in *error, if the image is no ELF file of this machine and kind.
  static std::shared_ptr<ElfFile> open(std::shared_ptr<FileImage> image, ElfKind kind,
                                       std::string* error);
  ~ElfFile();
  ElfFile(const ElfFile&) = delete;
  ElfFile& operator=(const ElfFile&) = delete;

  const FileImage& image() const { return *image_; }
  Elf* handle() const { return elf_; }
  const std::vector<Segment>& segments() const { return segments_; }
  const std::string& build_id() const { return build_id_; }  // raw bytes; empty if it has none

  // Where a byte of the file is in the file's own address space. The kernel maps whole pages, so a
  // page of the file may be part of two segments: the executable one is preferred.
  std::optional<uint64_t> vaddr_of(uint64_t file_offset) const;
  // In a segment that holds code. 0 never is: it is what linkers leave in the debug information of
  // functions they have dropped.
  bool is_code(uint64_t vaddr) const;

  // The (first) section of that name; empty if there is none, or it is stored compressed
  // (unpacked_file.h has those). Points into the image, and lives as long as this object.
  std::span<const uint8_t> section(std::string_view name) const;
  // Also under GNU's older name for one that is compressed (.zdebug_...).
  bool has_section(std::string_view name) const;

  // Calls `visit` for each section that is in the file, until it returns false.
  struct Section {
    std::string_view name;
    Elf_Scn* handle;
    uint32_t type, link;
    uint64_t flags, bytes, entry_bytes;
  };
  void each_section(const std::function<bool(const Section&)>& visit) const;

  // The name and checksum in .gnu_debuglink, if there is one.
  struct DebugLink {
    std::string name;
    uint32_t crc;
  };
  std::optional<DebugLink> debug_link() const;

  // DT_NEEDED: "libstdc++.so.6", ...
  std::vector<std::string> needed() const;

 private:
  ElfFile() = default;
  void read_segments();
  bool has_short_notes() const;

  std::shared_ptr<FileImage> image_;
  Elf* elf_ = nullptr;
  std::vector<Segment> segments_;
  std::string build_id_;
};

}  // namespace telinject
