// An exception that nobody catches.
#include <sys/resource.h>

#include <cstdio>
#include <exception>
#include <stdexcept>

#include "../calls.h"

static volatile int sink;

NOINLINE static void after() {
  sink = 1;
}

[[noreturn]] static void quiet_end() {
  after();
  __builtin_trap();
}

struct Guard {
  UNTRACED Guard() {}
  NOINLINE ~Guard() { after(); }
};

NOINLINE static void inner() {
  Guard guard;
  after();
  throw std::runtime_error("nobody catches this");
}

NOINLINE static void outer() {
  inner();
  after();
}

int main() {
  rlimit none = {0, 0};
  setrlimit(RLIMIT_CORE, &none);
  std::set_terminate(quiet_end);
  outer();
}
