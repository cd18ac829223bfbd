// The exec family, posix_spawn, system and popen.
//
// execve and its kin are async-signal-safe and may be called in the child of vfork, so are these.
#include <fcntl.h>
#include <stdarg.h>

#include "hooks/calls/unwind.h"
#include "preload/process/exec_environment.h"
#include "preload/real/export.h"
#include "preload/real/resolve.h"
#include "preload/start/startup.h"
#include "shim/channel/layout.h"
#include "shim/channel/syscall.h"
#include "shim/channel/text.h"

namespace telinject::program {

namespace {

using Arguments = char* const*;

char* const* own_environment() {
  char*** environ = environ_address();
  return environ != nullptr ? *environ : nullptr;
}

// An execution that returned has failed; whatever it was prepared for did not happen.
int failed_exec(int result, uintptr_t sp) {
  if (tracing()) note_event(ControlKind::kExecFailed, 0, sp);
  return result;
}

int execute(const char* path, Arguments argv, Arguments envp, uintptr_t sp) {
  ExecEnvironment environment(AT_FDCWD, path, envp, sp);
  auto function = real<int (*)(const char*, Arguments, Arguments)>(kReal_execve);
  return failed_exec(function(path, argv, environment.entries()), sp);
}

// The file that a search of PATH will find first. Which of several the real execvpe takes in the
// end (it goes on after EACCES and ENOEXEC) matters little here: this is for reading its ELF
// header.
bool search_path(const char* file, char* out, size_t capacity) {
  for (const char* p = file; *p != 0; p++) {
    if (*p == '/') {
      TextBuffer(out, capacity).add(file);
      return true;
    }
  }
  const char* path = env_find(own_environment(), "PATH");
  if (path == nullptr) path = "/bin:/usr/bin";
  for (;;) {
    size_t length = 0;
    while (path[length] != 0 && path[length] != ':') length++;
    TextBuffer text(out, capacity);
    text.add(path, length).add(length > 0 ? "/" : "./").add(file);
    if (!text.overflow() &&
        !sys::failed(sys::call(SYS_faccessat, AT_FDCWD, sys::arg(out), 1 /* X_OK */))) {
      return true;
    }
    if (path[length] == 0) return false;
    path += length + 1;
  }
}

constexpr size_t kSearchBytes = 1024;

int execute_file(const char* file, Arguments argv, Arguments envp, uintptr_t sp) {
  char found[kSearchBytes];
  ExecEnvironment environment(AT_FDCWD, search_path(file, found, sizeof found) ? found : file, envp,
                              sp);
  auto function = real<int (*)(const char*, Arguments, Arguments)>(kReal_execvpe);
  return failed_exec(function(file, argv, environment.entries()), sp);
}

// The arguments of execl and its kin: counted, then copied to the stack.
size_t count_arguments(va_list list) {
  size_t count = 1;
  while (va_arg(list, char*) != nullptr) count++;
  return count;
}

}  // namespace

}  // namespace telinject::program

using namespace telinject;
using namespace telinject::program;

TELINJECT_WRAPPER(int, execve, const char* path, char* const* argv, char* const* envp) {
  return execute(path, argv, envp, TELINJECT_CALLER_SP());
}

TELINJECT_WRAPPER(int, execv, const char* path, char* const* argv) {
  return execute(path, argv, own_environment(), TELINJECT_CALLER_SP());
}

TELINJECT_WRAPPER(int, execvp, const char* file, char* const* argv) {
  return execute_file(file, argv, own_environment(), TELINJECT_CALLER_SP());
}

TELINJECT_WRAPPER(int, execvpe, const char* file, char* const* argv, char* const* envp) {
  return execute_file(file, argv, envp, TELINJECT_CALLER_SP());
}

#define COLLECT_ARGUMENTS(first, list, argv)                                         \
  va_list list;                                                                      \
  va_start(list, first);                                                             \
  size_t argv##_count = count_arguments(list) + 1;                                   \
  va_end(list);                                                                      \
  auto** argv = static_cast<char**>(__builtin_alloca(argv##_count * sizeof(char*))); \
  va_start(list, first);                                                             \
  argv[0] = const_cast<char*>(first);                                                \
  for (size_t i = 1; i < argv##_count; i++) argv[i] = va_arg(list, char*)

TELINJECT_WRAPPER(int, execl, const char* path, const char* first, ...) {
  COLLECT_ARGUMENTS(first, list, argv);
  va_end(list);
  return execute(path, argv, own_environment(), TELINJECT_CALLER_SP());
}

TELINJECT_WRAPPER(int, execlp, const char* file, const char* first, ...) {
  COLLECT_ARGUMENTS(first, list, argv);
  va_end(list);
  return execute_file(file, argv, own_environment(), TELINJECT_CALLER_SP());
}

TELINJECT_WRAPPER(int, execle, const char* path, const char* first, ...) {
  COLLECT_ARGUMENTS(first, list, argv);
  char* const* envp = va_arg(list, char* const*);
  va_end(list);
  return execute(path, argv, envp, TELINJECT_CALLER_SP());
}

TELINJECT_WRAPPER(int, fexecve, int fd, char* const* argv, char* const* envp) {
  uintptr_t sp = TELINJECT_CALLER_SP();
  ExecEnvironment environment(fd, "", envp, sp);
  auto function = real<int (*)(int, Arguments, Arguments)>(kReal_fexecve);
  return failed_exec(function(fd, argv, environment.entries()), sp);
}

TELINJECT_WRAPPER(int, execveat, int dirfd, const char* path, char* const* argv, char* const* envp,
                  int flags) {
  uintptr_t sp = TELINJECT_CALLER_SP();
  ExecEnvironment environment(dirfd, path, envp, sp);
  auto function = real<int (*)(int, const char*, Arguments, Arguments, int)>(kReal_execveat);
  return failed_exec(function(dirfd, path, argv, environment.entries(), flags), sp);
}

// The parent goes on: no exec of its own has happened.
using Spawn = int (*)(int*, const char*, const void*, const void*, Arguments, Arguments);

TELINJECT_WRAPPER(int, posix_spawn, int* pid, const char* path, const void* actions,
                  const void* attributes, char* const* argv, char* const* envp) {
  uintptr_t sp = TELINJECT_CALLER_SP();
  ExecEnvironment environment(AT_FDCWD, path, envp, sp);
  return failed_exec(
      real<Spawn>(kReal_posix_spawn)(pid, path, actions, attributes, argv, environment.entries()),
      sp);
}

TELINJECT_WRAPPER(int, posix_spawnp, int* pid, const char* file, const void* actions,
                  const void* attributes, char* const* argv, char* const* envp) {
  uintptr_t sp = TELINJECT_CALLER_SP();
  char found[kSearchBytes];
  ExecEnvironment environment(AT_FDCWD, search_path(file, found, sizeof found) ? found : file, envp,
                              sp);
  return failed_exec(
      real<Spawn>(kReal_posix_spawnp)(pid, file, actions, attributes, argv, environment.entries()),
      sp);
}

TELINJECT_WRAPPER(int, system, const char* command) {
  if (command != nullptr) update_own_environment(TELINJECT_CALLER_SP());
  return real<int (*)(const char*)>(kReal_system)(command);
}

TELINJECT_WRAPPER(void*, popen, const char* command, const char* type) {
  update_own_environment(TELINJECT_CALLER_SP());
  return real<void* (*)(const char*, const char*)>(kReal_popen)(command, type);
}
