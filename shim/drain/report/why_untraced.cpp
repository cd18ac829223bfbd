#include "shim/drain/report/why_untraced.h"

#include <fcntl.h>
#include <gelf.h>
#include <libelf.h>
#include <unistd.h>

#include <vector>

#include "absl/strings/str_cat.h"
#include "shim/channel/target.h"
#include "shim/drain/report/summary.h"

namespace telinject::drain {

namespace {

constexpr const char* kAdvice =
    "  to do      build it with CC=telcc CXX=telc++, or add -finstrument-functions -g to its "
    "compiler's flags\n";

enum class HookUse { kUnknown, kImported, kDefined, kNone };

// Whether an ELF file calls the hooks: as an import, or as a function of its own.
HookUse hook_use(const std::string& path) {
  elf_version(EV_CURRENT);
  int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return HookUse::kUnknown;
  Elf* elf = elf_begin(fd, ELF_C_READ_MMAP, nullptr);
  HookUse use = HookUse::kUnknown;
  Elf_Scn* section = nullptr;
  while (elf != nullptr && (section = elf_nextscn(elf, section)) != nullptr) {
    GElf_Shdr header;
    if (gelf_getshdr(section, &header) == nullptr) break;
    if (header.sh_type != SHT_DYNSYM && header.sh_type != SHT_SYMTAB) continue;
    if (use == HookUse::kUnknown) use = HookUse::kNone;
    Elf_Data* data = elf_getdata(section, nullptr);
    size_t count = header.sh_entsize != 0 ? header.sh_size / header.sh_entsize : 0;
    for (size_t i = 0; data != nullptr && i < count; i++) {
      GElf_Sym symbol;
      if (gelf_getsym(data, static_cast<int>(i), &symbol) == nullptr) break;
      const char* name = elf_strptr(elf, header.sh_link, symbol.st_name);
      if (name == nullptr || std::string(name) != "__cyg_profile_func_enter") continue;
      use = symbol.st_shndx == SHN_UNDEF ? HookUse::kImported : HookUse::kDefined;
    }
    if (use == HookUse::kImported || use == HookUse::kDefined) break;
  }
  if (elf != nullptr) elf_end(elf);
  close(fd);
  return use;
}

std::string because(const std::string& reason, const std::string& advice = "") {
  return absl::StrCat("  because    ", reason, "\n", advice);
}

}  // namespace

std::string why_untraced(const SummaryFacts& facts) {
  const std::string& path = facts.program;
  std::string untraced;
  if (!facts.untraced.empty()) untraced = because(facts.untraced.front());
  if (path.empty()) return untraced;
  Target target = examine_target(AT_FDCWD, path.c_str());
  switch (target.kind) {
    case TargetKind::kStatic:
      return because(absl::StrCat(path, " is statically linked: nothing can be preloaded into it"),
                     "  to do      link it without -static or -static-pie\n");
    case TargetKind::kOtherMachine:
      return because(absl::StrCat(path, " is not an x86-64 program"));
    case TargetKind::kOtherLoader:
      return because(absl::StrCat(path, " uses another C library (", target.loader,
                                  "); telinject needs glibc"));
    case TargetKind::kDynamic:
    case TargetKind::kUnknown:
      break;
  }
  std::string file = target.script ? absl::StrCat("the interpreter of ", path) : path;
  if (target.set_id && facts.joined == 0) {
    return because(absl::StrCat(file,
                                " is set-user-ID or set-group-ID: the dynamic loader ignores "
                                "the preload"),
                   "  to do      run a copy without these bits: cp it, then telrun the copy\n");
  }
  if (target.has_capabilities && facts.joined == 0) {
    return because(
        absl::StrCat(file,
                     " has file capabilities (setcap): the dynamic loader ignores the "
                     "preload"),
        "  to do      run a copy without them: cp it, then telrun the copy; or as root\n");
  }
  if (!untraced.empty()) return untraced;
  switch (hook_use(path)) {
    case HookUse::kImported:
      if (facts.joined == 0) {
        return because(absl::StrCat(path,
                                    " is instrumented, but the library was not loaded into it "
                                    "(did it clear LD_PRELOAD, or end before it started?)"));
      }
      return because(absl::StrCat(path,
                                  " is instrumented, but made no call (SAMPLE_RATE? an early "
                                  "exit?)"));
    case HookUse::kDefined:
      return because(absl::StrCat(path, " brings hooks of its own, which come before ours"),
                     "  to do      leave __cyg_profile_func_enter and _exit out of the program\n");
    case HookUse::kNone:
    case HookUse::kUnknown:
      break;
  }
  return because(absl::StrCat(path, " was not compiled with -finstrument-functions"), kAdvice);
}

}  // namespace telinject::drain
