// Dies in the way that its argument names.
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cassert>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <stdexcept>

#define KEEP __attribute__((noinline))

volatile int zero, sink;
int* volatile null_pointer;
void (*volatile nowhere)();

KEEP static void segv() {
  *null_pointer = 1;
}
KEEP static void jump() {
  nowhere();
  sink = 1;
}
KEEP static void general_protection() {
  *reinterpret_cast<volatile int*>(0x8000000000000000) = 1;
}
KEEP static void fpe() {
  sink = 100 / zero;
}
KEEP static void ill() {
  __asm__ volatile("ud2");
  sink = 1;
}
KEEP static void bus() {
  int fd = memfd_create("empty", 0);
  void* map = mmap(nullptr, 4096, PROT_READ, MAP_SHARED, fd, 0);
  sink = *static_cast<volatile char*>(map);
}
KEEP static void failed_assert() {
  assert(zero == 1);
}
KEEP static void aborts() {
  abort();
}
KEEP static void double_free() {
  void* volatile p = malloc(100);
  free(p);
  free(p);
}
KEEP static void smash() {
  volatile char small[8];
  for (int i = 0; i < 64; i++) small[i + zero] = 1;
  sink = small[zero];
}
KEEP static void uncaught() {
  throw std::runtime_error("nobody catches this");
}
KEEP int overflow(int n) {
  volatile char large[1000];
  large[n % 1000] = 1;
  return overflow(n + 1) + large[3];
}
KEEP static void overflows() {
  sink = overflow(1);
}
KEEP static void killed() {
  kill(getpid(), SIGKILL);
}
KEEP static void terminated() {
  raise(SIGTERM);
}
KEEP static void raised() {
  raise(SIGSEGV);
}
KEEP static void* work(void*) {
  segv();
  return nullptr;
}
KEEP static void in_a_thread() {
  pthread_t thread;
  pthread_create(&thread, nullptr, work, nullptr);
  pthread_join(thread, nullptr);
}

// ---- with handlers of the program's own

static void leave(int) {
  static const char kText[] = "own handler\n";
  sink = static_cast<int>(write(1, kText, sizeof kText - 1));
  _exit(7);
}
KEEP static void own_handler() {
  struct sigaction action = {}, old = {};
  action.sa_handler = leave;
  if (sigaction(SIGSEGV, &action, &old) != 0 || old.sa_handler != SIG_DFL || old.sa_flags != 0) {
    puts("there was a handler");
  }
  segv();
}
// As crash reporters do: say something, and die of the signal.
static void report(int number) {
  static const char kText[] = "reported\n";
  sink = static_cast<int>(write(1, kText, sizeof kText - 1));
  signal(number, SIG_DFL);
  raise(number);
}
KEEP static void reporter() {
  if (signal(SIGSEGV, report) != SIG_DFL) puts("there was a handler");
  segv();
}
KEEP static void alternate_stack() {
  stack_t stack = {};
  sigaltstack(nullptr, &stack);
  if (stack.ss_flags != SS_DISABLE) puts("there was an alternate stack");
  stack = {};
  stack.ss_size = 1 << 16;
  stack.ss_sp = malloc(stack.ss_size);
  sigaltstack(&stack, nullptr);
  overflows();
}
KEEP static void ignores() {
  signal(SIGFPE, SIG_IGN);
  raise(SIGFPE);
  if (signal(SIGFPE, SIG_DFL) != SIG_IGN) puts("it was not ignored");
  raise(SIGFPE);
}
KEEP static void looks() {
  for (int number : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT}) {
    struct sigaction old;
    memset(&old, 0xff, sizeof old);
    sigaction(number, nullptr, &old);
    printf("%d %d %x %d\n", number, old.sa_handler == SIG_DFL, static_cast<unsigned>(old.sa_flags),
           sigismember(&old.sa_mask, SIGUSR1));
    printf("%d\n", signal(number, SIG_DFL) == SIG_DFL);
  }
}

struct Case {
  const char* name;
  void (*run)();
};
const Case kCases[] = {
    {"segv", segv},
    {"jump", jump},
    {"general_protection", general_protection},
    {"fpe", fpe},
    {"ill", ill},
    {"bus", bus},
    {"failed_assert", failed_assert},
    {"aborts", aborts},
    {"double_free", double_free},
    {"smash", smash},
    {"uncaught", uncaught},
    {"overflows", overflows},
    {"killed", killed},
    {"terminated", terminated},
    {"raised", raised},
    {"in_a_thread", in_a_thread},
    {"own_handler", own_handler},
    {"reporter", reporter},
    {"alternate_stack", alternate_stack},
    {"ignores", ignores},
    {"looks", looks},
};

KEEP static void dies(const char* how) {
  for (const Case& c : kCases) {
    if (strcmp(c.name, how) == 0) c.run();
  }
  sink = 1;
}

int main(int, char** arguments) {
  dies(arguments[1]);
  return 0;
}
