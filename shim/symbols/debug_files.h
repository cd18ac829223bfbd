// Finds debug information in separate files, as distributions split it off programs.
//
// Reads local files only. elfutils' own search is not used: it asks debuginfod servers if
// DEBUGINFOD_URLS is set, and a tracer must not reveal to the network what it traces.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "shim/symbols/elf_file.h"

namespace telinject {

// The separate debug file of `program`: by build id (/usr/lib/debug/.build-id/ab/cdef.debug), then
// by .gnu_debuglink (beside the program, in .debug/ beside it, under /usr/lib/debug). Each place is
// tried as it is and below `root`. A file is taken only if its build id is the program's or, where
// one of the two has none, the checksum of the link fits. Null if there is none; a file that is
// there but does not fit is told in *problem.
std::shared_ptr<ElfFile> find_debug_file(const ElfFile& program, const std::string& root,
                                         std::string* problem);

// The file that several debug files share (`dwz -m`, .gnu_debugaltlink), found in the same way.
std::shared_ptr<ElfFile> find_alternate_file(const ElfFile& debug_file,
                                             const std::string& link_name,
                                             const std::string& build_id, const std::string& root,
                                             std::string* problem);

// The symbol table that Fedora and others leave in stripped files (.gnu_debugdata: an ELF file,
// xz-compressed). Null if there is none, or if this program was built without liblzma.
std::shared_ptr<ElfFile> unpack_mini_debug_info(const ElfFile& program);

}  // namespace telinject
