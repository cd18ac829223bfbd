#include "hooks/http/parser_guard.h"

namespace telinject::program {

namespace {

// Where __assert_fail goes. A signal handler's own parsing saves and restores it.
__thread void** t_escape __attribute__((tls_model("initial-exec")));

}  // namespace

__attribute__((noinline)) bool guarded_execute(http_parser* parser,
                                               const http_parser_settings* settings,
                                               const uint8_t* data, size_t size, size_t* taken) {
  void* here[5];
  void** volatile outer = t_escape;
  if (__builtin_setjmp(here) != 0) {
    t_escape = outer;
    return false;
  }
  t_escape = here;
  *taken = http_parser_execute(parser, settings, reinterpret_cast<const char*>(data), size);
  t_escape = outer;
  return true;
}

}  // namespace telinject::program

// Hidden: the program's own is libc's.
extern "C" __attribute__((noreturn, visibility("hidden"))) void __assert_fail(const char*,
                                                                              const char*, unsigned,
                                                                              const char*) {
  if (telinject::program::t_escape != nullptr) __builtin_longjmp(telinject::program::t_escape, 1);
  __builtin_trap();  // not reached: only the parser calls this
}
