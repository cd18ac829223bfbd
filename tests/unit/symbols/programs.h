// What the test programs are made of.
#pragma once

namespace telinject::test {

// Functions of every kind that C has names for.
inline constexpr const char* kCProgram = R"(#include <stdio.h>
#include <stdlib.h>
static int twice(int value) { return value * 2; }
static inline int thrice(int value) { return twice(value) + value; }
__attribute__((noinline)) int visible(int first, const char* second) {
  return thrice(first) + (int)second[0];
}
__attribute__((noinline)) static int hidden(void) { return rand(); }
int renamed(int x) __asm__("assembler_name");
__attribute__((noinline)) int renamed(int x) { return x + 1; }
__attribute__((noinline)) int variadic(const char* format, ...) { return format[0]; }
__attribute__((noinline)) static int recursive(int depth) {
  return depth < 1 ? hidden() : recursive(depth - 1) + thrice(depth);
}
__attribute__((cold, noinline)) static void complain(int code) { printf("%d\n", code); }
int other_unit(int value);
static int seldom(int value) {
  if (__builtin_expect(value == 12345, 0)) {
    complain(value);
    abort();
  }
  return value + other_unit(value);
}
int aliased(int a) { return a + 3; }
int public_alias(int a) __attribute__((alias("aliased")));
int main(int argc, char** argv) {
  return (visible(argc, argv[0]) + recursive(argc) + seldom(argc) + renamed(argc) +
          variadic("%d", argc) + aliased(argc)) & 0;
}
)";

inline constexpr const char* kCOther = R"(
static int twice(int other_name) { return other_name * 4; }
static inline int shared_name(int value) { return twice(value) - 1; }
__attribute__((noinline)) int other_unit(int value) { return shared_name(value) + twice(value); }
)";

// Shared by both C++ units: inline functions and templates, of which the linker keeps one copy.
// Without std::string: clang 14 instruments its always_inline members, takes their addresses, and
// the program then does not link with libstdc++ 12.
inline constexpr const char* kCppHeader = R"(#pragma once
#include <utility>
#include <vector>
struct Counter {
  int value = 0;
  Counter() { add(1); }
  explicit Counter(int start) : value(start) { add(2); }
  ~Counter() { add(-1); }
  void add(int step) { value += scaled(step); }
  static int scaled(int step) { return step * 3; }
  bool operator<(const Counter& other) const { return value < other.value; }
  int operator()(int argument) { add(argument); return value; }
  operator int() const { return value; }
};
template <typename T, typename F> T apply(T initial, F function) { return function(initial); }
template <typename... Parts> int count(Parts... parts) { return (0 + ... + int(parts)); }
template <int (*Function)(int)> int through(int argument) { return Function(argument); }
int elsewhere(int value);
)";

inline constexpr const char* kCppProgram = R"(#include "shared.h"
namespace ns {
namespace {
int hidden(int secret) { Counter c(secret); return c(secret); }
}
inline namespace v1 {
struct Base { virtual ~Base(); virtual int f(int) const; int v = 1; };
Base::~Base() { v = 0; }
int Base::f(int x) const { return x + v; }
struct Derived : virtual Base {
  explicit Derived(int start);
  ~Derived() override;
  int f(int) const override;
  int conversion() const& { return v; }
};
Derived::Derived(int start) { v = start; }
Derived::~Derived() { v = 2; }
int Derived::f(int unnamed_in_class) const { return unnamed_in_class * v; }
}  // namespace v1
static int internal(int a, int) { return hidden(a) + 1; }
[[gnu::abi_tag("tag")]] int tagged(const char* text) { return text[0]; }
}  // namespace ns
extern "C" int c_linkage(int number) { return number; }
int takes_function(int (*function)(int), int argument) { return function(argument); }
int square(int x) { return x * x; }
int main(int argc, char** argv) {
  struct Local {
    int method(int b) { return Counter(b) + b; }
  } local;
  int captured = argc;
  auto closure = [captured](int c) { Counter counter(c); return int(counter) + captured; };
  std::vector<std::pair<int, Counter>> list;
  for (int i = 0; i < 3; i++) list.emplace_back(i, Counter(i));
  Counter a, b(2);
  ns::Derived derived(argc);
  ns::Base* base = &derived;
  int sum = local.method(argc) + apply(argc, closure) + apply(2.0, [](double d) { return d; }) +
            ns::internal(argc, 1) + base->f(3) + derived.conversion() + count(1, 2.0, 'c') +
            through<square>(argc) + takes_function(square, argc) + c_linkage(argc) +
            elsewhere(argc) + (a < b) + a(1) + int(b) + ns::tagged(argv[0]);
  return sum == 12345;
}
)";

inline constexpr const char* kCppOther = R"(#include "shared.h"
static int internal(int value) { Counter c; return c(value); }
int elsewhere(int value) {
  Counter counter(value);
  return internal(value) + apply(value, [](int v) { return v + 1; }) + counter(3);
}
)";

// Instrumentation hooks that note each (function, own return address) once, as addresses of the
// file, and write them to hooks.out at exit.
inline constexpr const char* kHooks = R"(#define _GNU_SOURCE
#include <link.h>
#include <stdint.h>
#include <stdio.h>
#define PLAIN __attribute__((no_instrument_function))
static struct { uintptr_t function, ra; } seen[4096];
static int count;
PLAIN void __cyg_profile_func_enter(void* function, void* site) {
  uintptr_t f = (uintptr_t)function, ra = (uintptr_t)__builtin_return_address(0);
  for (int i = 0; i < count; i++) if (seen[i].function == f && seen[i].ra == ra) return;
  if (count < 4096) { seen[count].function = f; seen[count++].ra = ra; }
}
PLAIN void __cyg_profile_func_exit(void* function, void* site) {}
PLAIN static int base_of_program(struct dl_phdr_info* info, size_t size, void* base) {
  *(uintptr_t*)base = info->dlpi_addr;
  return 1;
}
PLAIN __attribute__((destructor)) static void write_all(void) {
  uintptr_t base = 0;
  dl_iterate_phdr(base_of_program, &base);
  FILE* out = fopen("hooks.out", "w");
  for (int i = 0; i < count; i++) {
    fprintf(out, "%lx %lx\n", (long)(seen[i].function - base), (long)(seen[i].ra - base));
  }
  fclose(out);
}
)";

}  // namespace telinject::test
