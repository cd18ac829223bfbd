// The environment of a program that this one executes: whether the library goes along, and which
// span the program's trace continues.
//
// Everything lives on the caller's stack, or in pages of its own where there are thousands of
// variables: these functions run in vfork children and in signal handlers.
#pragma once

#include <cstddef>
#include <cstdint>

namespace telinject::program {

// An edited copy of `envp` for executing `path` (relative to `dirfd`, AT_FDCWD, or with an empty
// path the open file `dirfd` itself). Where nothing has to change, or it cannot be done, entries()
// is `envp`.
class ExecEnvironment {
 public:
  // Room for about 500 variables; more are put into mapped pages.
  static constexpr size_t kInlineBytes = 8192;

  ExecEnvironment(int dirfd, const char* path, char* const* envp, uintptr_t sp);
  ~ExecEnvironment();
  ExecEnvironment(const ExecEnvironment&) = delete;
  ExecEnvironment& operator=(const ExecEnvironment&) = delete;

  char* const* entries() const { return entries_; }

 private:
  char* const* entries_;
  void* pages_ = nullptr;
  size_t page_bytes_ = 0;
  alignas(8) char inline_[kInlineBytes];
};

// For system() and popen(), which execute inside libc with `environ`: gives that the variables that
// an exec wrapper would set. Once a new array has been put in place it is kept, and TRACEPARENT's
// text is renewed in it; two threads that call system() at one moment may each name the other's
// span as the parent.
void update_own_environment(uintptr_t sp);

// libc's `environ`, or null if it is not there.
char*** environ_address();

}  // namespace telinject::program
