#include "shim/symbols/module_files.h"

#include <elf.h>

#include <utility>

#include "shim/symbols/debug_files.h"
#include "shim/symbols/hex.h"

namespace telinject {

namespace {

constexpr std::string_view kDeleted = " (deleted)";  // as the kernel ends names in /proc/PID/maps

std::string base_name(std::string_view path) {
  if (path.ends_with(kDeleted)) path.remove_suffix(kDeleted.size());
  std::string_view name = path.substr(path.rfind('/') + 1);
  return name.empty() ? "unknown" : std::string(name);
}

// Empty if the file is the one that was mapped, else why it cannot be.
std::string difference(const ElfFile& file, const ModuleIdentity& identity) {
  const std::string another = "is another file than the one that was loaded (";
  if (!identity.build_id.empty() && !file.build_id().empty()) {
    if (identity.build_id == file.build_id()) return {};
    return another + "build id " + hex_digits(file.build_id()) + ", not " +
           hex_digits(identity.build_id) + ")";
  }
  // Not the device: overlay and btrfs file systems give another one to stat() than to
  // /proc/PID/maps.
  uint64_t inode = file.image().inode();
  if (identity.inode != 0 && identity.inode != inode) {
    return another + "inode " + std::to_string(inode) + ", not " + std::to_string(identity.inode) +
           ")";
  }
  if (identity.mapped_at_ns != 0 && file.image().modified_ns() > identity.mapped_at_ns) {
    return "was written to after it was loaded";
  }
  return {};
}

}  // namespace

ModuleFiles::ModuleFiles(const ModuleIdentity& identity)
    : access_(identity.access),
      root_(identity.root),
      path_(identity.path),
      short_name_(base_name(identity.path)) {
  FileAccess::Scope scope(access_.get(), root_);
  bool confined = access_ != nullptr && access_->confined();
  std::string error;
  if (!confined && try_open(identity.path, identity, &error)) return;
  std::string ignored;
  std::string* told = confined ? &error : &ignored;
  if (!root_.empty() && try_open(root_ + identity.path, identity, told)) return;
  problem_ = (path_.empty() ? "a module without a name" : path_) + " " + error +
             ": its functions are called " + short_name_ +
             "+0x...; keep the file in place until the trace is written";
}

bool ModuleFiles::try_open(const std::string& path, const ModuleIdentity& identity,
                           std::string* error) {
  std::string reason;
  std::shared_ptr<FileImage> image = FileImage::open(path, &reason);
  std::shared_ptr<ElfFile> file =
      image == nullptr ? nullptr : ElfFile::open(image, ElfKind::kProgram, &reason);
  if (file == nullptr) {
    *error = "cannot be read (" + reason + ")";
    return false;
  }
  *error = difference(*file, identity);
  if (!error->empty()) return false;
  program_ = std::move(file);
  return true;
}

std::string ModuleFiles::problem() const {
  if (!problem_.empty() || dwarf_ == nullptr) return problem_;
  return dwarf_->problem();
}

void ModuleFiles::note_problem(const std::string& what) {
  if (problem_.empty()) problem_ = path_ + ": " + what;
}

void ModuleFiles::give_up_dwarf(const std::string& why) {
  const char* instead =
      without_dwarf_ ? "functions are called " : "names come from the symbol table";
  if (problem_.empty() || without_dwarf_) {
    problem_ = path_ + ": its " + (without_dwarf_ ? "symbols are" : "debug information is") +
               " left out from here on (" + why + "): " + instead +
               (without_dwarf_ ? short_name_ + "+0x..." : "") + "; build the file again";
  }
  if (without_dwarf_) return drop();
  without_dwarf_ = true;
  dwarf_.reset();
}

bool ModuleFiles::begin_question(bool* dropped) {
  if (program_ == nullptr || !still_intact()) return false;
  if (!loaded_) load();
  *dropped = dwarf_ != nullptr && dwarf_->begin_question();
  return true;
}

bool ModuleFiles::still_intact() {
  if (program_ == nullptr) return false;
  for (const ElfFile* file : {program_.get(), debug_.get()}) {
    if (file == nullptr || file->image().intact()) continue;
    std::string path = file->image().path();
    drop();
    problem_ = path + " was written to while its symbols were read: functions are called " +
               short_name_ + "+0x... from then on; replace files by renaming new ones";
    return false;
  }
  return true;
}

void ModuleFiles::drop() {
  symbols_ = SymbolTable();
  dwarf_.reset();
  debug_.reset();
  program_.reset();
}

void ModuleFiles::load_dwarf() {
  std::string problem;
  if (!program_->has_section(".debug_info")) {
    debug_ = find_debug_file(*program_, root_, &problem);
  }
  dwarf_ = DwarfIndex::open(debug_ == nullptr ? program_ : debug_, program_, root_, &problem);
  if (!problem.empty() && problem_.empty()) problem_ = problem;
}

void ModuleFiles::load() {
  if (!without_dwarf_) load_dwarf();
  auto is_code = [&](uint64_t vaddr) { return program_->is_code(vaddr); };
  SymbolTable symbols;
  size_t found = symbols.add(program_, SHT_SYMTAB, is_code);
  if (found == 0 && debug_ != nullptr) found = symbols.add(debug_, SHT_SYMTAB, is_code);
  if (found == 0) {
    // Both: the packed table leaves out what is in the dynamic one.
    symbols.add(program_, SHT_DYNSYM, is_code);
    if (std::shared_ptr<ElfFile> packed = unpack_mini_debug_info(*program_)) {
      symbols.add(packed, SHT_SYMTAB, is_code);
    }
  }
  symbols.sort();
  symbols_ = std::move(symbols);
  loaded_ = true;
}

}  // namespace telinject
