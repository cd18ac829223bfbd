// The interpreter on small functions, which are written here in assembly so that they are the same
// with every compiler and sanitizer.
#include <catch2/catch.hpp>
#include <cstdint>
#include <cstring>
#include <string>

#include "arch/x86_64/interpreter.h"

using namespace telinject::arch;

#define FUNCTION(name, code)                                                           \
  extern "C" const char name[];                                                        \
  __asm__(".pushsection .text\n.globl " #name "\n.hidden " #name "\n" #name ":\n" code \
          "\n"                                                                         \
          ".popsection\n")

FUNCTION(return_literal, "lea literal(%rip), %rax\nret\nliteral: .asciz \"a literal\"");
FUNCTION(return_member, "endbr64\nmov 8(%rdi), %rax\nret");
FUNCTION(read_elsewhere, "mov 8(%rdi), %rax\nmovslq (%rax), %rax\nret");
FUNCTION(call_another,
         "push %rbx\nsub $16, %rsp\nmov %rdi, %rbx\nmov %rdi, 8(%rsp)\nxor %edi, %edi\n"
         "mov 8(%rsp), %rdi\ncall return_member\nadd $16, %rsp\npop %rbx\nret");
FUNCTION(call_skipped, "push %rdi\ncall skipped\npop %rdi\njmp return_member");
FUNCTION(skipped, "ud2");
FUNCTION(choose,
         "mov (%rdi), %eax\ncmp $10, %eax\njae 1f\nmov $1, %eax\nret\n"
         "1: movzbl %al, %ecx\ntest %ecx, %ecx\nsete %al\nmovzbl %al, %eax\n"
         "mov $77, %edx\ncmove %edx, %eax\nshl $4, %rax\nret");
FUNCTION(with_frame,
         "push %rbp\nmov %rsp, %rbp\nsub $32, %rsp\nmovl $5, -4(%rbp)\n"
         "addl $3, -4(%rbp)\nmov -4(%rbp), %eax\nlea (%rax,%rax,4), %rax\nleave\nret");
FUNCTION(write_object, "movl $1, (%rdi)\nmov $1, %eax\nret");
FUNCTION(loop_for_ever, "1: jmp 1b");
FUNCTION(recurse_for_ever, "call recurse_for_ever\nret");
FUNCTION(use_sse, "movaps %xmm0, %xmm1\nret");
FUNCTION(use_high_byte, "mov %ah, %al\nret");
FUNCTION(lazily_bound, "push bound_module(%rip)\njmp *loader(%rip)");
FUNCTION(stub, "push $3\njmp lazily_bound");
FUNCTION(end_of_functions, ".fill 32, 1, 0xcc");

extern "C" const uintptr_t bound_module, loader;
const uintptr_t bound_module = 0x1234;
const uintptr_t loader = 0;  // the interpreter does not go there

namespace {

struct Object {
  uint32_t number;
  uint32_t unused;
  const void* member;
};

bool read(uintptr_t address, void* out, size_t bytes) {
  if (address < 4096) return false;
  std::memcpy(out, reinterpret_cast<const void*>(address), bytes);
  return true;
}
bool find_code(uintptr_t address, uintptr_t* start, uintptr_t* end) {
  *start = reinterpret_cast<uintptr_t>(return_literal);
  *end = reinterpret_cast<uintptr_t>(end_of_functions) + 32;
  return address >= *start && address < *end;
}
bool skips(uintptr_t function) {
  return function == reinterpret_cast<uintptr_t>(skipped);
}
uintptr_t bind_member(uintptr_t module, uint64_t number) {
  return module == 0x1234 && number == 3 ? reinterpret_cast<uintptr_t>(return_member) : 0;
}
constexpr InterpreterHost kHost = {read, find_code, skips, bind_member};

// What the function returns; -1 if the interpreter gives up.
int64_t run(const char* function, Object* object) {
  uintptr_t result;
  bool good = interpret(reinterpret_cast<uintptr_t>(function), reinterpret_cast<uintptr_t>(object),
                        kHost, &result);
  return good ? static_cast<int64_t>(result) : -1;
}
int64_t run(const char* function, uint32_t number = 0, const void* member = nullptr) {
  Object object = {number, 0, member};
  return run(function, &object);
}

}  // namespace

TEST_CASE("functions that return a literal or a member") {
  CHECK(std::string(reinterpret_cast<const char*>(run(return_literal))) == "a literal");
  CHECK(run(return_member, 0, &kHost) == reinterpret_cast<intptr_t>(&kHost));
  CHECK(run(with_frame) == 40);
}

TEST_CASE("memory beside the object is asked of the host") {
  int32_t number = -7;
  CHECK(run(read_elsewhere, 0, &number) == -7);
  CHECK(run(read_elsewhere, 0, nullptr) == -1);
}

TEST_CASE("calls are followed, unless the host skips them or binds them") {
  CHECK(run(call_another, 0, &kHost) == reinterpret_cast<intptr_t>(&kHost));
  CHECK(run(call_skipped, 0, &kHost) == reinterpret_cast<intptr_t>(&kHost));
  CHECK(run(stub, 0, &kHost) == reinterpret_cast<intptr_t>(&kHost));
}

TEST_CASE("conditions") {
  CHECK(run(choose, 9) == 1);
  CHECK(run(choose, 10) == 0);
  CHECK(run(choose, 0x100) == 77 << 4);
  CHECK(run(choose, 0xffffffff) == 0);
}

TEST_CASE("it gives up rather than write to the program's memory, or never end") {
  Object object = {5, 0, nullptr};
  CHECK(run(write_object, &object) == -1);
  CHECK(object.number == 5);
  CHECK(run(loop_for_ever) == -1);
  CHECK(run(recurse_for_ever) == -1);
}

TEST_CASE("it gives up at an unknown instruction, and outside of known code") {
  CHECK(run(use_sse) == -1);
  CHECK(run(use_high_byte) == -1);
  CHECK(run(skipped) == -1);
  CHECK(run(reinterpret_cast<const char*>(&kHost)) == -1);
}
