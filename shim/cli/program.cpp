#include "shim/cli/program.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shim/channel/syscall.h"
#include "shim/channel/text.h"
#include "shim/cli/warn.h"

namespace telinject {

namespace {

constexpr const char* kDefaultPath = "/bin:/usr/bin";  // confstr(_CS_PATH): execvp's, without PATH
constexpr const char* kShell = "/bin/sh";

int check_executable(const char* path) {
  struct stat status;
  if (stat(path, &status) != 0) return errno;
  if (S_ISDIR(status.st_mode)) return EACCES;
  return faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) == 0 ? 0 : errno;
}

bool is_searched_on(int error) {
  return error == ENOENT || error == ENOTDIR || error == EACCES || error == ESTALE ||
         error == ENODEV || error == ETIMEDOUT || error == ENAMETOOLONG;
}

// An executable in the working directory, named without it.
bool is_here(const char* name) {
  return strchr(name, '/') == nullptr && check_executable(name) == 0;
}

}  // namespace

int find_program(const char* name, char out[PATH_MAX]) {
  if (*name == 0) return ENOENT;
  if (strchr(name, '/') != nullptr) {
    TextBuffer text(out, PATH_MAX);
    if (text.add(name).overflow()) return ENAMETOOLONG;
    return check_executable(out);
  }
  const char* path = getenv("PATH");
  if (path == nullptr) path = kDefaultPath;
  int result = ENOENT;
  for (const char* p = path;; p++) {
    size_t length = strcspn(p, ":");
    TextBuffer text(out, PATH_MAX);
    text.add(p, length);
    if (length > 0) text.add('/');  // an empty entry is the working directory
    int error = text.add(name).overflow() ? ENAMETOOLONG : check_executable(out);
    if (error == 0 || !is_searched_on(error)) return error;
    if (error == EACCES) result = EACCES;
    p += length;
    if (*p == 0) return result;
  }
}

bool prepare_arguments(char** argv, Program* out) {
  size_t count = 0;
  while (argv[count] != nullptr) count++;
  out->argv = argv;
  out->shell_argv = static_cast<char**>(malloc((count + 2) * sizeof(char*)));
  if (out->shell_argv == nullptr) return false;
  out->shell_argv[0] = const_cast<char*>(kShell);
  out->shell_argv[1] = out->path;
  for (size_t i = 1; i <= count; i++) out->shell_argv[i + 1] = argv[i];
  return true;
}

int execute(const Program& program, char* const* envp) {
  long result =
      sys::call(SYS_execve, sys::arg(program.path), sys::arg(program.argv), sys::arg(envp));
  if (result == -ENOEXEC) {
    result = sys::call(SYS_execve, sys::arg(kShell), sys::arg(program.shell_argv), sys::arg(envp));
  }
  return static_cast<int>(-result);
}

int report_exec_failure(const char* name, int error) {
  char found[PATH_MAX];
  if (error == ENOENT && find_program(name, found) == 0) {
    warn("cannot execute ", name, ": its interpreter was not found");
  } else if (error == ENOENT && is_here(name)) {
    warn("cannot execute ", name, ": PATH has no such program; did you mean ./", name, "?");
  } else {
    warn("cannot execute ", name, ": ", strerror(error));
  }
  return error == ENOENT ? kExitNotFound : kExitCannotExecute;
}

}  // namespace telinject
