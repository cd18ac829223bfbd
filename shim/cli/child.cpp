#include "shim/cli/child.h"

#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include "shim/channel/syscall.h"

namespace telinject {

namespace {

constexpr unsigned kMostDescriptors = 1 << 16;  // where the kernel has no close_range (before 5.9)

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

void close_range_of(int first, int last) {
  if (first > last || !sys::failed(sys::call(SYS_close_range, first, last, 0))) return;
  rlimit limit = {kMostDescriptors, 0};
  sys::call(SYS_prlimit64, 0, RLIMIT_NOFILE, 0, sys::arg(&limit));
  rlim_t end = limit.rlim_cur < kMostDescriptors ? limit.rlim_cur : kMostDescriptors;
  for (int fd = first; fd <= last && static_cast<rlim_t>(fd) < end; fd++) sys::close(fd);
}

void keep_only(std::initializer_list<int> fds) {
  int first = STDERR_FILENO + 1;
  for (;;) {
    int next = -1;
    for (int fd : fds) {
      if (fd >= first && (next < 0 || fd < next)) next = fd;
    }
    if (next < 0) return close_range_of(first);
    close_range_of(first, next - 1);
    first = next + 1;
  }
}

}  // namespace telinject
