#include "shim/cli/child.h"

#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include "shim/channel/syscall.h"

namespace telinject {

namespace {

struct Child {
  int (*body)(void*);
  void* argument;
  volatile int error;
};

int run_child(void* argument) {
  Child* child = static_cast<Child*>(argument);
  child->error = child->body(child->argument);
  sys::call(SYS_exit_group, 127);
  return 0;
}

alignas(16) char g_stack[32 * 1024];

}  // namespace

pid_t start_child(int (*body)(void*), void* argument, int* error) {
  Child child = {body, argument, 0};
  pid_t pid = clone(run_child, g_stack + sizeof g_stack, CLONE_VM | CLONE_VFORK | SIGCHLD, &child);
  *error = child.error;
  return pid;
}

void keep_only(std::initializer_list<int> fds) {
  int first = STDERR_FILENO + 1;
  for (;;) {
    int next = -1;
    for (int fd : fds) {
      if (fd >= first && (next < 0 || fd < next)) next = fd;
    }
    if (next < 0) return sys::close_range(first);
    sys::close_range(first, next - 1);
    first = next + 1;
  }
}

}  // namespace telinject
