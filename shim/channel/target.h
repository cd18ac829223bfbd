// Can the library be preloaded into the program that is about to be executed?
//
// The dynamic loader prints an ERROR line to the program's stderr for a preload that does not fit
// (another class, another C library, a path that is gone after chroot). So telrun and the library's
// exec wrappers look first, and leave the preload out where that line would appear.
#pragma once

#include <cstddef>
#include <cstdint>

namespace telinject {

enum class TargetKind : uint32_t {
  kUnknown,       // not found, not readable, or no ELF file: let exec decide
  kDynamic,       // x86-64, glibc's loader: fits
  kStatic,        // no interpreter: the preload is ignored, silently
  kOtherMachine,  // another class or machine (i386, x32, arm64)
  kOtherLoader,   // another loader than glibc's (musl)
};

inline constexpr size_t kInterpreterBytes = 128;

struct Target {
  TargetKind kind;
  bool set_id;            // set-user-ID or set-group-ID: the loader ignores the preload
  bool has_capabilities;  // of its file (setcap): as set_id, unless root executes it
  bool needs_asan;        // linked to gcc's dynamic libasan, which insists on being first
  bool script;            // the path given is a script; the rest is said of its interpreter
  char loader[kInterpreterBytes];  // PT_INTERP, "" if none
};

// Reads the ELF header of `path` relative to `dirfd` (AT_FDCWD, or a directory; with an empty path,
// the file itself), following `#!` at most four times as the kernel does. Raw system calls only,
// less than 1 KiB of stack, no lock: safe in a vfork child and in a signal handler.
Target examine_target(int dirfd, const char* path);

// False where the loader would print an error for our preload.
inline bool accepts_preload(const Target& target) {
  return target.kind != TargetKind::kOtherMachine && target.kind != TargetKind::kOtherLoader;
}

}  // namespace telinject
