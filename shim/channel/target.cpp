#include "shim/channel/target.h"

#include <elf.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "shim/channel/syscall.h"
#include "shim/channel/text.h"

namespace telinject {

namespace {

constexpr int kMaxScriptDepth = 4;        // the kernel's own limit (BINPRM_MAX_RECURSION)
constexpr size_t kScriptLineBytes = 256;  // BINPRM_BUF_SIZE
constexpr int kMaxDynamicEntries = 1024;
constexpr int kMaxProgramHeaders = 256;

class File {
 public:
  File(int dirfd, const char* path) {
    // O_NONBLOCK: a FIFO by that name must not hang us.
    fd_ = *path == 0 && dirfd >= 0
              ? sys::call(SYS_fcntl, dirfd, F_DUPFD_CLOEXEC, 0)
              : sys::call(SYS_openat, dirfd, sys::arg(path), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  }
  ~File() {
    if (ok()) sys::close(static_cast<int>(fd_));
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  bool ok() const { return fd_ >= 0; }
  int fd() const { return static_cast<int>(fd_); }
  size_t read(void* out, size_t bytes, uint64_t offset) const {
    long n = sys::call(SYS_pread64, fd_, sys::arg(out), static_cast<long>(bytes),
                       static_cast<long>(offset));
    return n > 0 ? static_cast<size_t>(n) : 0;
  }
  template <typename T>
  bool read(T* out, uint64_t offset) const {
    return read(out, sizeof *out, offset) == sizeof *out;
  }

 private:
  long fd_;
};

class ProgramHeaders {
 public:
  ProgramHeaders(const File& file, const Elf64_Ehdr& header)
      : file_(file),
        offset_(header.e_phoff),
        count_(header.e_phentsize == sizeof(Elf64_Phdr)
                   ? (header.e_phnum < kMaxProgramHeaders ? header.e_phnum : kMaxProgramHeaders)
                   : 0) {}

  bool find(uint32_t type, Elf64_Phdr* out) const {
    for (int i = 0; i < count_; i++) {
      if (at(i, out) && out->p_type == type) return true;
    }
    return false;
  }
  // The place in the file of a virtual address; false if no segment holds it.
  bool file_offset(uint64_t address, uint64_t* offset) const {
    Elf64_Phdr header;
    for (int i = 0; i < count_; i++) {
      if (at(i, &header) && header.p_type == PT_LOAD && address >= header.p_vaddr &&
          address - header.p_vaddr < header.p_filesz) {
        *offset = header.p_offset + (address - header.p_vaddr);
        return true;
      }
    }
    return false;
  }

 private:
  bool at(int index, Elf64_Phdr* out) const {
    return file_.read(out, offset_ + static_cast<uint64_t>(index) * sizeof *out);
  }
  const File& file_;
  uint64_t offset_;
  int count_;
};

// True if a DT_NEEDED entry names gcc's shared address sanitizer runtime.
bool needs_shared_asan(const File& file, const ProgramHeaders& headers) {
  Elf64_Phdr dynamic;
  if (!headers.find(PT_DYNAMIC, &dynamic)) return false;
  uint64_t strings = 0, strings_offset = 0;
  Elf64_Dyn entry;
  auto each = [&](auto&& visit) {
    for (int i = 0; i < kMaxDynamicEntries; i++) {
      if (!file.read(&entry, dynamic.p_offset + static_cast<uint64_t>(i) * sizeof entry) ||
          entry.d_tag == DT_NULL || visit()) {
        return;
      }
    }
  };
  each([&] { return entry.d_tag == DT_STRTAB ? (strings = entry.d_un.d_ptr, true) : false; });
  if (strings == 0 || !headers.file_offset(strings, &strings_offset)) return false;
  bool found = false;
  each([&] {
    if (entry.d_tag != DT_NEEDED) return false;
    char name[12] = {};
    file.read(name, sizeof name - 1, strings_offset + entry.d_un.d_val);
    return found = text_starts(name, "libasan.so");
  });
  return found;
}

// The interpreter of a "#!" line, in place; null if the line names none.
char* script_interpreter(char* line, size_t bytes) {
  line[bytes] = 0;
  char* p = line + 2;
  while (*p == ' ' || *p == '\t') p++;
  char* start = p;
  while (*p != 0 && *p != ' ' && *p != '\t' && *p != '\n') p++;
  *p = 0;
  return p == start ? nullptr : start;
}

void examine_elf(const File& file, Target* target) {
  Elf64_Ehdr header;
  if (!file.read(&header, 0) || header.e_ident[0] != ELFMAG0 || header.e_ident[1] != ELFMAG1 ||
      header.e_ident[2] != ELFMAG2 || header.e_ident[3] != ELFMAG3) {
    return;
  }
  if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_machine != EM_X86_64) {
    target->kind = TargetKind::kOtherMachine;
    return;
  }
  ProgramHeaders headers(file, header);
  Elf64_Phdr interpreter;
  if (!headers.find(PT_INTERP, &interpreter)) {
    target->kind = TargetKind::kStatic;
    return;
  }
  size_t want = interpreter.p_filesz < sizeof target->loader ? interpreter.p_filesz
                                                             : sizeof target->loader - 1;
  target->loader[file.read(target->loader, want, interpreter.p_offset)] = 0;
  const char* base = target->loader;
  for (const char* p = target->loader; *p != 0; p++) {
    if (*p == '/') base = p + 1;
  }
  if (!text_starts(base, "ld-linux-x86-64.so") && !text_starts(base, "ld-2.")) {
    target->kind = TargetKind::kOtherLoader;
    return;
  }
  target->kind = TargetKind::kDynamic;
  target->needs_asan = needs_shared_asan(file, headers);
}

}  // namespace

Target examine_target(int dirfd, const char* path) {
  Target target = {};
  char line[kScriptLineBytes + 1];
  for (int depth = 0; depth <= kMaxScriptDepth; depth++) {
    File file(dirfd, path);
    if (!file.ok()) return target;
    struct stat status;
    size_t n = file.read(line, kScriptLineBytes, 0);
    if (n < 3 || line[0] != '#' || line[1] != '!') {
      // The kernel ignores the set-user-ID bits of a script.
      if (!sys::failed(sys::call(SYS_fstat, file.fd(), sys::arg(&status)))) {
        target.set_id = (status.st_mode & (S_ISUID | S_ISGID)) != 0;
      }
      target.has_capabilities =
          sys::call(SYS_fgetxattr, file.fd(), sys::arg("security.capability"), 0, 0) > 0;
      examine_elf(file, &target);
      return target;
    }
    target.script = true;
    path = script_interpreter(line, n);
    dirfd = AT_FDCWD;
    if (path == nullptr) return target;
  }
  return target;
}

}  // namespace telinject
