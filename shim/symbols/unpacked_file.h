// Unpacks compressed debug information (as in distributions' debug files) into a file without a
// name.
//
// libdw would unpack all sections into memory at once, to whatever size they claim. For a large C++
// program that is gigabytes, perhaps within the memory limit of the traced container, and a third
// of it are sections that the drain does not read. The kernel can drop pages of a file when memory
// is short. So libdw never sees compressed sections. A section that claims to grow more than
// 64-fold is refused.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "shim/symbols/elf_file.h"

namespace telinject {

struct Unpacking {
  std::string directory = "/var/tmp";         // for such files, on a disk
  uint64_t worth_bytes = uint64_t{64} << 20;  // less is unpacked into memory
  // Called regularly, because a gigabyte takes seconds and the caller may have to show that it is
  // alive.
  std::function<void()> progress = [] {};
};
// For the whole process, before any module is opened.
void set_unpacking(Unpacking unpacking);

// Whether a debug section of the file is stored compressed.
bool is_compressed(const ElfFile& file);

// The total size that the compressed sections of the file claim.
uint64_t unpacked_bytes(const ElfFile& file);

// An ELF file with the debug sections of `file` that names and lines come from, unpacked; under the
// path of `file`. Null, with the reason in *problem, if they are damaged, too large, or there is no
// room. If only the folder has none, it is told, and up to a gigabyte is unpacked into memory.
std::shared_ptr<ElfFile> unpack_debug_info(const ElfFile& file, std::string* problem);

}  // namespace telinject
