#include "hooks/calls/stack_origin.h"

#include "hooks/calls/stack_walk.h"
#include "hooks/lane/services.h"

namespace telinject::program {

namespace {

// Code may only be executable, and an address that was found on a stack anything.
bool read_code(uintptr_t at, unsigned char* out, size_t bytes) {
  CodeRange range;
  if (find_module(at, &range) && at + bytes <= range.end) {
    for (size_t i = 0; i < bytes; i++) out[i] = reinterpret_cast<const unsigned char*>(at)[i];
    return true;
  }
  return peek_memory(at, out, bytes);
}

// call rel32, or `ff /2` with any operand.
bool follows_call(uintptr_t address) {
  constexpr size_t kLongest = 7;
  unsigned char code[kLongest];
  if (address < kPageBytes || !read_code(address - kLongest, code, kLongest)) return false;
  if (code[kLongest - 5] == 0xe8) return true;
  for (size_t bytes : {2, 3, 4, 6, 7}) {
    const unsigned char* call = code + kLongest - bytes;
    if (call[0] == 0xff && (call[1] & 0x38) == 0x10) return true;
  }
  return false;
}

// ud2, hlt, int3: what has to follow the call that begins a coroutine.
bool is_trap(uintptr_t address) {
  unsigned char code[2];
  if (address < kPageBytes || !read_code(address, code, sizeof code)) return false;
  return code[0] == 0xf4 || code[0] == 0xcc || (code[0] == 0x0f && code[1] == 0x0b);
}

}  // namespace

StackOrigin find_origin(Lane* lane, uintptr_t sp, Stack* (*known)(Lane*, uintptr_t)) {
  constexpr int kFrames = 64;
  constexpr uintptr_t kLeast = 64;
  arch::Registers registers = arch::current_registers();
  bool exact = true;
  // The page that the call stands in is there.
  StackBounds readable = {registers.value[arch::kRsp], (sp | (kPageBytes - 1)) + 1};
  StackOrigin origin = {nullptr, sp + kLeast, false};
  for (int i = 0; i < kFrames; i++) {
    if (!step_out(&registers, &exact, readable)) {
      origin.certain = i > 0 && is_trap(registers.value[arch::kPc]);
      break;
    }
    uintptr_t caller_sp = registers.value[arch::kRsp], caller = registers.value[arch::kPc];
    if (caller_sp <= sp) continue;  // we are in the library still
    if (Stack* stack = known(lane, caller_sp)) {
      origin.joins = stack;
      break;
    }
    if (caller_sp > origin.end) origin.end = caller_sp;
    origin.certain = !exact && !follows_call(caller);
    if (origin.certain) break;
  }
  return origin;
}

}  // namespace telinject::program
