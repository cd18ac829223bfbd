/* An independent count of calls, to hold a trace against.
 *
 * Preloaded before libtelinject.so, it defines the hooks that instrumented code calls, counts each
 * call of the entry hook by function address, and passes both hooks on to the next definition by a
 * tail jump: the tracer reads its caller's stack pointer and return address, so it must see the
 * very ones that we were called with. That the compiler made it a jump is checked by a test on the
 * disassembly (tests/lib/test_count_hook.py); build it with -O2.
 *
 * Shares nothing with telinject. Async-signal-safe and lock-free: one open-addressing table of
 * atomic words, in memory that a forked child sees empty (MADV_WIPEONFORK), so a child counts its
 * own calls only. It works from the first call on, before any constructor has run.
 *
 * When the process ends by exit, return from main, quick_exit or _exit it appends to the file named
 * by COUNT_HOOK_FILE, in one write, a line for each function:
 *
 *     pid <tab> path of the module <tab> address in it as nm prints it, in hex <tab> calls
 *
 * Not counted: what runs after that write, processes that die of a signal or exec, and the child of
 * a vfork apart from its parent. A function of a module that was unloaded meanwhile has module "?"
 * and its run-time address.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SLOTS (1u << 18) /* functions; a power of two. 4 MiB of address space, touched as used */
#define MODULES 512
#define TEXT_BYTES (64u << 20)

typedef void Hook(void* function, void* call_site);
typedef struct {
  _Atomic(uintptr_t) function;
  _Atomic(uint64_t) calls;
} Slot;
typedef struct {
  Slot slots[SLOTS];
  _Atomic(uint64_t) overflow; /* calls of functions for which there was no slot */
  _Atomic(int) pid;           /* whose table it is: 0 in a forked child until it looks */
} Table;
typedef struct {
  uintptr_t start, end, bias;
  char path[512];
} Module;

static _Atomic(Table*) table;
static _Atomic(Hook*) next_enter;
static _Atomic(Hook*) next_exit;
static void (*next__exit)(int);
static char output[4096];

static int own_pid(void) {
  return (int)syscall(SYS_getpid);
}

static Table* find_table(void) {
  Table* t = atomic_load_explicit(&table, memory_order_acquire);
  if (t != NULL) return t;
  t = mmap(NULL, sizeof(Table), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
           -1, 0);
  if (t == MAP_FAILED) return NULL;
  madvise(t, (sizeof(Table) + 4095) & ~4095ul, MADV_WIPEONFORK);
  atomic_store(&t->pid, own_pid());
  Table* first = NULL;
  if (atomic_compare_exchange_strong(&table, &first, t)) return t;
  munmap(t, sizeof(Table)); /* another thread, or a handler in this one, was faster */
  return first;
}

__attribute__((noinline)) static void count(void* function) {
  Table* t = find_table();
  if (t == NULL) return;
  uintptr_t key = (uintptr_t)function;
  uint32_t index = (uint32_t)((key * 0x9e3779b97f4a7c15u) >> 46);
  for (uint32_t tried = 0; tried < SLOTS; tried++, index++) {
    Slot* slot = &t->slots[index & (SLOTS - 1)];
    uintptr_t found = atomic_load_explicit(&slot->function, memory_order_relaxed);
    if (found == 0 && atomic_compare_exchange_strong(&slot->function, &found, key)) found = key;
    if (found == key) {
      atomic_fetch_add_explicit(&slot->calls, 1, memory_order_relaxed);
      return;
    }
  }
  atomic_fetch_add(&t->overflow, 1);
}

/* libc has empty hooks of its own, so there always is a next definition. */
__attribute__((noinline, cold)) static Hook* resolve(_Atomic(Hook*)* where, const char* name) {
  Hook* hook = (Hook*)dlsym(RTLD_NEXT, name);
  atomic_store(where, hook);
  return hook;
}

void __cyg_profile_func_enter(void* function, void* call_site) {
  count(function);
  Hook* next = atomic_load_explicit(&next_enter, memory_order_relaxed);
  if (__builtin_expect(next == NULL, 0)) next = resolve(&next_enter, "__cyg_profile_func_enter");
  next(function, call_site);
}

void __cyg_profile_func_exit(void* function, void* call_site) {
  Hook* next = atomic_load_explicit(&next_exit, memory_order_relaxed);
  if (__builtin_expect(next == NULL, 0)) next = resolve(&next_exit, "__cyg_profile_func_exit");
  next(function, call_site);
}

/* The end. It may come in a signal handler or with the loader's lock held: system calls only. */

static char* put_text(char* p, const char* text) {
  size_t length = strlen(text);
  memcpy(p, text, length);
  return p + length;
}

static char* put_number(char* p, uint64_t value, unsigned base) {
  char digits[32];
  int count = 0;
  do digits[count++] = "0123456789abcdef"[value % base];
  while ((value /= base) != 0);
  while (count > 0) *p++ = digits[--count];
  return p;
}

/* What nm prints is relative to the module's load bias: where its first segment lies, less the
 * address that the segment has in the file. The file's first page, mapped, tells both. */
static uintptr_t load_bias(uintptr_t first_page) {
  const Elf64_Ehdr* header = (const Elf64_Ehdr*)first_page;
  if (memcmp(header->e_ident, ELFMAG, SELFMAG) != 0) return 0;
  const Elf64_Phdr* segment = (const Elf64_Phdr*)(first_page + header->e_phoff);
  for (int i = 0; i < header->e_phnum; i++) {
    if (segment[i].p_type == PT_LOAD && segment[i].p_offset == 0) {
      return first_page - (segment[i].p_vaddr & ~(uintptr_t)4095);
    }
  }
  return 0;
}

static const char* read_hex(const char* p, uint64_t* value) {
  for (*value = 0;; p++) {
    if (*p >= '0' && *p <= '9')
      *value = *value << 4 | (uint64_t)(*p - '0');
    else if (*p >= 'a' && *p <= 'f')
      *value = *value << 4 | (uint64_t)(*p - 'a' + 10);
    else
      return p;
  }
}

/* One line of /proc/self/maps: "start-end rwxp offset dev inode   /path". Adds or extends a module;
 * the mappings of one file follow each other, the one at offset 0 first. */
static int add_mapping(Module* modules, int count_of, const char* line, size_t length) {
  uint64_t start, end, offset;
  const char* p = read_hex(line, &start);
  p = read_hex(p + 1, &end);
  int readable = p[1] == 'r';
  p = read_hex(p + 6, &offset);
  const char* path = memchr(p, '/', length - (size_t)(p - line));
  if (path == NULL) return count_of;
  size_t path_length = length - (size_t)(path - line);
  if (path_length >= sizeof modules->path) return count_of;
  Module* last = count_of > 0 ? &modules[count_of - 1] : NULL;
  if (last != NULL && offset != 0 && strncmp(last->path, path, path_length) == 0 &&
      last->path[path_length] == 0) {
    last->end = end;
    return count_of;
  }
  if (offset != 0 || !readable || count_of == MODULES) return count_of;
  Module* module = &modules[count_of];
  module->start = start;
  module->end = end;
  module->bias = load_bias(start);
  memcpy(module->path, path, path_length);
  module->path[path_length] = 0;
  return count_of + 1;
}

static int read_modules(Module* modules, char* text, size_t capacity) {
  int fd = (int)syscall(SYS_openat, AT_FDCWD, "/proc/self/maps", O_RDONLY | O_CLOEXEC, 0);
  if (fd < 0) return 0;
  size_t length = 0;
  for (;;) {
    long got = syscall(SYS_read, fd, text + length, capacity - length);
    if (got <= 0) break;
    length += (size_t)got;
  }
  syscall(SYS_close, fd);
  int found = 0;
  for (char *line = text, *newline; (newline = memchr(line, '\n', length - (size_t)(line - text)));
       line = newline + 1) {
    found = add_mapping(modules, found, line, (size_t)(newline - line));
  }
  return found;
}

static char* put_slot(char* p, int pid, const Module* modules, int found, uintptr_t function,
                      uint64_t calls) {
  const char* path = "?";
  for (int i = 0; i < found; i++) {
    if (function >= modules[i].start && function < modules[i].end) {
      path = modules[i].path;
      function -= modules[i].bias;
      break;
    }
  }
  p = put_number(p, (uint64_t)pid, 10);
  *p++ = '\t';
  p = put_text(p, path);
  *p++ = '\t';
  p = put_number(p, function, 16);
  *p++ = '\t';
  p = put_number(p, calls, 10);
  *p++ = '\n';
  return p;
}

static void write_counts(void) {
  Table* t = find_table();
  if (t == NULL || output[0] == 0) return;
  int pid = own_pid(), owner = 0;
  /* The child of a vfork ends in its parent's memory: the counts are not its own. */
  if (!atomic_compare_exchange_strong(&t->pid, &owner, pid) && owner != pid) return;
  char* text = mmap(NULL, TEXT_BYTES, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  Module* modules = mmap(NULL, MODULES * sizeof(Module), PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (text == MAP_FAILED || modules == MAP_FAILED) return;
  int found = read_modules(modules, text, TEXT_BYTES);
  char* p = text;
  for (uint32_t i = 0; i < SLOTS && p < text + TEXT_BYTES - 2048; i++) {
    uintptr_t function = atomic_load(&t->slots[i].function);
    if (function == 0) continue;
    uint64_t calls = atomic_exchange(&t->slots[i].calls, 0);
    if (calls != 0) p = put_slot(p, pid, modules, found, function, calls);
  }
  if (atomic_load(&t->overflow) != 0) {
    p = put_slot(p, pid, modules, 0, 0, atomic_exchange(&t->overflow, 0));
  }
  int fd =
      (int)syscall(SYS_openat, AT_FDCWD, output, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (fd >= 0) {
    if (p > text && syscall(SYS_write, fd, text, p - text) < 0) { /* the test misses the lines */
    }
    syscall(SYS_close, fd);
  }
  munmap(text, TEXT_BYTES);
  munmap(modules, MODULES * sizeof(Module));
}

static void write_counts_at_exit(void* unused) {
  (void)unused;
  write_counts();
}

int __cxa_atexit(void (*function)(void*), void* argument, void* dso);

/* First of ours, in case a library's constructors are instrumented. Registered here, before the
 * program's own start, the exit function runs after all destructors. */
__attribute__((constructor(101))) static void start(void) {
  resolve(&next_enter, "__cyg_profile_func_enter");
  resolve(&next_exit, "__cyg_profile_func_exit");
  next__exit = (void (*)(int))dlsym(RTLD_NEXT, "_exit");
  const char* file = getenv("COUNT_HOOK_FILE");
  if (file == NULL || strlen(file) >= sizeof output) return;
  strcpy(output, file);
  find_table();
  __cxa_atexit(write_counts_at_exit, NULL, NULL);
  at_quick_exit(write_counts);
}

/* exit(3) ends in libc's own _exit, not in these. The tracer has its own, which we pass on to. */
__attribute__((noreturn)) void _exit(int status) {
  write_counts();
  if (next__exit != NULL) next__exit(status);
  for (;;) syscall(SYS_exit_group, status);
}
__attribute__((noreturn, alias("_exit"))) void _Exit(int status);
