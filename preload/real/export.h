// How wrappers are defined: under a name of our own and with the symbol of the wrapped function, so
// that libc's headers, whose declarations differ in attributes and types, need not be seen.
//
// Each has a row in interposed.def. Without one the wrapper does not compile; a row without a
// wrapper does not link, for want of the symbol that TELINJECT_INTERPOSES defines.
#pragma once

#include "shim/channel/text.h"

namespace telinject::program {

constexpr bool is_interposed(const char* name) {
  constexpr const char* kExported[] = {
#define TELINJECT_EXPORTED(name) #name,
#include "preload/real/interposed.def"
  };
  for (const char* exported : kExported) {
    if (text_equal(exported, name)) return true;
  }
  return false;
}

}  // namespace telinject::program

// For a wrapper that is written in assembly; the others have it of TELINJECT_WRAPPER. The symbol
// has no address: debuggers would take it for the wrapper's name.
#define TELINJECT_INTERPOSES(name)                                                            \
  static_assert(telinject::program::is_interposed(#name),                                     \
                "the wrapper of " #name " has no row in preload/real/interposed.def");        \
  __asm__(".globl wrapper_of_" #name "\n.hidden wrapper_of_" #name "\n.set wrapper_of_" #name \
          ", "                                                                                \
          "0")

#define TELINJECT_WRAPPER(result, name, ...)        \
  TELINJECT_INTERPOSES(name);                       \
  extern "C" __attribute__((visibility("default"))) \
  result wrap_##name(__VA_ARGS__) __asm__(#name);   \
  result wrap_##name(__VA_ARGS__)

// The wrapper's canonical frame address: its caller's stack pointer at the call.
#define TELINJECT_CALLER_SP() reinterpret_cast<uintptr_t>(__builtin_dwarf_cfa())

// Where the wrapper was called from: an address in the caller's code.
#define TELINJECT_CALL_SITE() __builtin_extract_return_addr(__builtin_return_address(0))
