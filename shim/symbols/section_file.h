// Builds an ELF file from sections of other files: in a file without a name, or in memory.
#pragma once

#include <elf.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "shim/symbols/elf_file.h"

namespace telinject {

class SectionFile {
 public:
  // A file in that folder, removed at once.
  static SectionFile in_folder(const std::string& folder);
  static SectionFile in_memory() { return SectionFile(-1, true); }

  ~SectionFile();
  SectionFile(SectionFile&& other) noexcept;
  SectionFile& operator=(SectionFile&&) = delete;
  SectionFile(const SectionFile&) = delete;
  SectionFile& operator=(const SectionFile&) = delete;

  // Whether so many bytes fit; leaves a twentieth of the disk plus a gigabyte free.
  bool has_room(uint64_t bytes) const;

  // A section's bytes come between these two, in any number of pieces. False if there is no room.
  void begin_section(const std::string& name, uint32_t type = SHT_PROGBITS);
  bool write(const void* data, size_t bytes);
  // Bytes of the section so far.
  uint64_t written() const { return at_ - begin_; }
  void end_section();

  // The file, for debug information of the same machine as `like`, under the path `name`. Null,
  // with the reason, if there is no room for the headers, or it cannot be opened.
  std::shared_ptr<ElfFile> finish(const ElfFile& like, const std::string& name,
                                  std::string* reason);

 private:
  SectionFile(int fd, bool memory) : fd_(fd), memory_(memory) {}
  bool write_at(const void* data, size_t bytes, uint64_t at);

  int fd_;
  bool memory_;
  std::vector<char> bytes_;
  uint64_t begin_ = 0, at_ = sizeof(Elf64_Ehdr);
  std::string names_ = std::string(1, '\0');
  std::vector<Elf64_Shdr> headers_ = std::vector<Elf64_Shdr>(1);
};

}  // namespace telinject
