#include "shim/drain/report/program_check.h"

#include <elf.h>
#include <gelf.h>
#include <string.h>

#include <algorithm>
#include <memory>

#include "absl/strings/str_cat.h"
#include "shim/symbols/debug_files.h"
#include "shim/symbols/elf_file.h"
#include "shim/symbols/file_image.h"

namespace telinject::drain {

namespace {

std::shared_ptr<ElfFile> open_program(const std::string& path) {
  std::string ignored;
  std::shared_ptr<FileImage> image = FileImage::open(path, &ignored);
  return image == nullptr ? nullptr : ElfFile::open(image, ElfKind::kProgram, &ignored);
}

}  // namespace

std::optional<Obstacle> obstacle_of(const std::string& path, const Target& target) {
  switch (target.kind) {
    case TargetKind::kStatic:
      return Obstacle{path + " is statically linked: nothing can be preloaded into it",
                      "link it without -static or -static-pie"};
    case TargetKind::kOtherMachine:
      return Obstacle{path + " is not an x86-64 program", ""};
    case TargetKind::kOtherLoader:
      return Obstacle{absl::StrCat(path, " uses another C library (", target.loader,
                                   "); telinject needs glibc"),
                      ""};
    case TargetKind::kDynamic:
    case TargetKind::kUnknown:
      break;
  }
  std::string file = target.script ? "the interpreter of " + path : path;
  if (target.set_id) {
    return Obstacle{
        file + " is set-user-ID or set-group-ID: the dynamic loader ignores the preload",
        "run a copy without these bits: cp it, then telrun the copy", true};
  }
  if (target.has_capabilities) {
    return Obstacle{
        file + " has file capabilities (setcap): the dynamic loader ignores the preload",
        "run a copy without them: cp it, then telrun the copy; or as root", true};
  }
  return std::nullopt;
}

HookUse hook_use(const std::string& path) {
  constexpr size_t kMostSymbols = size_t{1} << 25;
  std::shared_ptr<ElfFile> file = open_program(path);
  if (file == nullptr) return HookUse::kUnknown;
  HookUse use = HookUse::kUnknown;
  file->each_section([&](const ElfFile::Section& section) {
    if (section.type != SHT_DYNSYM && section.type != SHT_SYMTAB) return true;
    if (use == HookUse::kUnknown) use = HookUse::kNone;
    Elf_Data* data = elf_getdata(section.handle, nullptr);
    size_t count = std::min(section.bytes / sizeof(Elf64_Sym), kMostSymbols);
    for (size_t i = 0; data != nullptr && i < count; i++) {
      GElf_Sym symbol;
      if (gelf_getsym(data, static_cast<int>(i), &symbol) == nullptr) break;
      const char* name = elf_strptr(file->handle(), section.link, symbol.st_name);
      if (name == nullptr || strcmp(name, "__cyg_profile_func_enter") != 0) continue;
      use = symbol.st_shndx == SHN_UNDEF ? HookUse::kImported : HookUse::kDefined;
    }
    return use != HookUse::kImported && use != HookUse::kDefined;
  });
  return use;
}

DebugInfo debug_info_of(const std::string& path) {
  std::shared_ptr<ElfFile> file = open_program(path);
  if (file == nullptr) return DebugInfo::kUnknown;
  if (file->has_section(".debug_info")) return DebugInfo::kOwn;
  std::string ignored;
  if (find_debug_file(*file, "", &ignored) != nullptr) return DebugInfo::kSeparate;
  return file->has_section(".symtab") || file->has_section(".gnu_debugdata")
             ? DebugInfo::kSymbolsOnly
             : DebugInfo::kNone;
}

}  // namespace telinject::drain
