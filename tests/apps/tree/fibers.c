/* fibers SWITCH LAYOUT SCENARIO NUMBER
 *
 * SWITCH     ucontext, or "written": a few instructions that nobody can know about
 * LAYOUT     carved out of one block, or apart, each with unused memory around it
 * SCENARIO   round: NUMBER are alive at once, and resumed in turn
 *            direct: the same by main itself, without a call that would tell where control is
 *            deep: the same, with many calls on each
 *            nested: each resumes the next one
 *            threads: two threads resume them by turns
 *            finished: one after another on the same stack
 *            abandoned: the same, but none comes to its end
 */
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "../calls.h"

COUNTED(body);
COUNTED(deep);
COUNTED(leaf);
COUNTED(resume);

enum { kGap = 65536, kRounds = 3 };

struct fiber {
  int number, begun;
  void *sp, *back;
  ucontext_t context, caller;
};

static struct fiber* fibers;
static size_t stack_bytes = 16384;
static int count, written, nested, more;
static char* block;
static pthread_barrier_t turn;

void switch_stacks(void** from, void* to);
void first_instruction(void);
__asm__(
    ".text\n"
    "switch_stacks:\n"
    "  push %rbp\n  push %rbx\n  push %r12\n  push %r13\n  push %r14\n  push %r15\n"
    "  mov %rsp, (%rdi)\n"
    "  mov %rsi, %rsp\n"
    "  pop %r15\n  pop %r14\n  pop %r13\n  pop %r12\n  pop %rbx\n  pop %rbp\n"
    "  ret\n"
    "first_instruction:\n"
    "  mov %r12, %rdi\n"
    "  jmp run_fiber\n");

UNTRACED static void go_on(struct fiber* fiber) {
  if (written) {
    switch_stacks(&fiber->back, fiber->sp);
  } else {
    swapcontext(&fiber->caller, &fiber->context);
  }
}

UNTRACED static void yield(struct fiber* fiber) {
  if (written) {
    switch_stacks(&fiber->sp, fiber->back);
  } else {
    swapcontext(&fiber->context, &fiber->caller);
  }
}

NOINLINE static void leaf(void) {
  CALLED(leaf);
}

NOINLINE static void resume(struct fiber* fiber) {
  CALLED(resume);
  fiber->begun = 1;
  go_on(fiber);
}

NOINLINE static void deep(struct fiber* fiber, int depth) {
  volatile char room[512] = {0};
  CALLED(deep);
  (void)room;
  if (depth > 0) {
    deep(fiber, depth - 1);
    leaf();
  } else {
    if (nested && fiber->number + 1 < count && !fiber[1].begun) resume(fiber + 1);
    yield(fiber);
  }
}

NOINLINE static void body(struct fiber* fiber) {
  CALLED(body);
  for (int i = 0; i < kRounds; i++) deep(fiber, more + 1 + fiber->number % 5);
}

__attribute__((used)) UNTRACED static void run_fiber(struct fiber* fiber) {
  body(fiber);
  yield(fiber);
  abort();
}

UNTRACED static void run_context(unsigned low, unsigned high) {
  run_fiber((struct fiber*)((uintptr_t)high << 32 | low));
}

UNTRACED static void make(struct fiber* fiber, char* stack) {
  if (written) {
    void** top = (void**)(stack + stack_bytes) - 8;
    memset(top, 0, 8 * sizeof *top);
    top[3] = fiber;             /* r12 */
    top[6] = first_instruction; /* and above it, where that would return to: nowhere */
    fiber->sp = top;
  } else {
    uintptr_t address = (uintptr_t)fiber;
    getcontext(&fiber->context);
    fiber->context.uc_stack.ss_sp = stack;
    fiber->context.uc_stack.ss_size = stack_bytes;
    fiber->context.uc_link = NULL;
    makecontext(&fiber->context, (void (*)(void))run_context, 2, (unsigned)address,
                (unsigned)(address >> 32));
  }
}

static void* worker(void* argument) {
  for (int round = 0; round <= kRounds; round++) {
    for (int i = 0; i < count; i++) {
      if ((i + round) % 2 == (argument != NULL)) resume(&fibers[i]);
    }
    pthread_barrier_wait(&turn);
  }
  return NULL;
}

UNTRACED static char* stack_of(int i, int apart) {
  if (!apart) return block + (size_t)i * stack_bytes;
  return (char*)mmap(NULL, stack_bytes + 2 * kGap, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) +
         kGap;
}

int main(int argc, char** argv) {
  if (argc < 5) return 2;
  written = strcmp(argv[1], "written") == 0;
  int apart = strcmp(argv[2], "apart") == 0;
  const char* scenario = argv[3];
  count = atoi(argv[4]);
  nested = strcmp(scenario, "nested") == 0;
  if (strcmp(scenario, "deep") == 0) {
    more = 200;
    stack_bytes = 262144;
  }
  int one_stack = strcmp(scenario, "finished") == 0 || strcmp(scenario, "abandoned") == 0;
  fibers = calloc((size_t)count, sizeof *fibers);
  block = mmap(NULL, (size_t)count * stack_bytes, PROT_READ | PROT_WRITE,
               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  for (int i = 0; i < count; i++) {
    fibers[i].number = i;
    if (!one_stack) make(&fibers[i], stack_of(i, apart));
  }
  if (one_stack) {
    for (int i = 0; i < count; i++) {
      make(&fibers[i], block);
      for (int round = 0; round <= (scenario[0] == 'f' ? kRounds : 1); round++) resume(&fibers[i]);
    }
  } else if (nested) {
    resume(&fibers[0]);
    for (int round = 1; round <= kRounds; round++) {
      for (int i = 0; i < count; i++) resume(&fibers[i]);
    }
  } else if (strcmp(scenario, "threads") == 0) {
    pthread_t other;
    pthread_barrier_init(&turn, NULL, 2);
    pthread_create(&other, NULL, worker, &turn);
    worker(NULL);
    pthread_join(other, NULL);
  } else {
    for (int round = 0; round <= kRounds; round++) {
      for (int i = 0; i < count; i++) {
        if (strcmp(scenario, "direct") == 0) {
          go_on(&fibers[i]);
        } else {
          resume(&fibers[i]);
        }
      }
    }
  }
  TELL(body);
  TELL(deep);
  TELL(leaf);
  TELL(resume);
  puts("main 1");
  return 0;
}
