// Addresses of one ELF module (a program or shared library) as names.
//
//   std::string problem;
//   std::shared_ptr<Module> module = Module::open(identity, &problem);
//   uint64_t vaddr = *module->vaddr_of(address - mapping_start + mapping_file_offset);
//   module->function(vaddr).name
//
// Sources, in this order: DWARF in the file; DWARF of a separate debug file; .symtab;
// .gnu_debugdata and .dynsym; "libfoo.so+0x1234". Nothing is ever fetched from a network.
//
// Opening reads headers only. Symbols and debug information are read at the first question, and of
// the debug information no more than the units asked about. Answers are not kept: ask once for each
// address. Nothing throws on account of the file; one that is damaged gives fewer answers, and
// `problem`. Memory: the symbol table (24 bytes each), the address ranges of all units (24 bytes
// each), some 1 KiB a unit in libdw, and caches of at most about 300 MB; sections that are stored
// compressed are unpacked into memory, or if they are large into a file (unpacked_file.h).
//
// Not safe for threads: one at a time. A module keeps its files mapped, but no descriptor open; it
// installs a SIGBUS handler (file_image.h).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "shim/symbols/file_access.h"
#include "shim/symbols/runtime.h"
#include "shim/symbols/source_line.h"

namespace telinject {

struct FunctionDescription {
  // Demangled, without arguments, template arguments kept: "std::vector<int>::push_back". Never
  // empty: "libfoo.so+0x1234" (an address in the module's own space) if nothing is known.
  std::string name;
  std::string linkage_name;       // mangled; empty if it is the same as `name`, or not known
  std::string parameters;         // names of the formal parameters, "a, b"; without artificial
                                  // ones (this) and unnamed ones
  bool parameters_known = false;  // DWARF told them; so that "" means: takes none
  SourceLine declared;            // where it is defined, else declared, else where its code begins
  uint64_t id = 0;                // as in InlineFrame; 0 unknown
};

// One function at an address: the physical one, whose frame it is, or one inlined there.
struct InlineFrame {
  // Identity of the function within the module: equal for its out-of-line copy, each inlined copy
  // and clones (.cold, .part, .constprop). 0: unknown.
  uint64_t id = 0;
  std::string name, linkage_name;  // as in FunctionDescription
  SourceLine called_from;          // where the inlined call stands in its caller; empty for the
                                   // physical function
};

// As the program recorded it. What is not known is left zero or empty.
struct ModuleIdentity {
  std::string path;
  std::string build_id;  // raw bytes
  uint64_t inode = 0;    // with the device, of the file that was mapped
  uint64_t device_major = 0, device_minor = 0;
  int64_t mapped_at_ns = 0;            // since the epoch: a file written to later is another one
  std::string root;                    // "" or "/proc/PID/root": tried where `path` is not the file
  std::shared_ptr<FileAccess> access;  // with whose rights; null: our own
};

class Module {
 public:
  // Never null. A file that cannot be opened, is no ELF file, or is another one than was mapped
  // gives a module that knows no names, and one line in *problem: what, where, what to do. The file
  // is taken for the one that was mapped if its build id is the same; where one of the two has
  // none, if the inode is, and it was not written to since.
  static std::shared_ptr<Module> open(const ModuleIdentity& identity, std::string* problem);
  ~Module();
  Module(const Module&) = delete;
  Module& operator=(const Module&) = delete;

  // The address, in the ELF file's own address space, of a byte of the file that is mapped
  // executable. Nullopt if it is in no segment. For a module that could not be opened it is the
  // offset itself, so that names can be made of it.
  std::optional<uint64_t> vaddr_of(uint64_t file_offset) const;

  // The function that starts at (or holds) the address.
  FunctionDescription function(uint64_t vaddr);

  // The functions at the call before a return address: the physical one first, then those inlined
  // into each other around the call. Empty when nothing is known.
  std::vector<InlineFrame> frames(uint64_t return_vaddr);

  // The line of that call, in the innermost of these functions.
  SourceLine call_line(uint64_t return_vaddr);

  Runtime runtime();

  const std::string& short_name() const;  // "libfoo.so.1"

  // The first thing found wrong, at open() or later (most of the file is read when it is asked
  // about): one line, empty if there is nothing. That a file has no debug information is not wrong.
  std::string problem() const;
  // The same, once: empty if open() or an earlier call has given it.
  std::string untold_problem();

 private:
  class Reader;
  explicit Module(std::unique_ptr<Reader> reader);
  std::unique_ptr<Reader> reader_;
  bool told_ = false;
};

}  // namespace telinject
