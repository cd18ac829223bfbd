// Debug information that is stored compressed, as distributions' debug files are, in a file of its
// own without a name.
//
// libdw unpacks all sections of a file into memory at once. For a large C++ program these are
// gigabytes, perhaps in the memory limit of the traced container, and a third of it are sections
// that are not read here. In a file they are pages that the kernel reads when they are needed and
// drops when memory is short.
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
  // Called every now and then, because a gigabyte takes seconds and the caller may need to show
  // that it is alive.
  std::function<void()> progress = [] {};
};
// For the whole process, before any module is opened.
void set_unpacking(Unpacking unpacking);

// An ELF file with the debug sections of `file` that names and lines come from, unpacked; under the
// path of `file`. Null if nothing is compressed, or so little, and in such a way, that it is left
// to libelf; and, with the reason in *problem, if the folder has no room for it or the sections are
// damaged. What libelf cannot unpack (zstd) is then unpacked into memory here, up to a gigabyte.
std::shared_ptr<ElfFile> unpack_debug_info(const ElfFile& file, std::string* problem);

}  // namespace telinject
