// How wrappers are defined: under a name of our own and with the symbol of the wrapped function, so
// that libc's headers, whose declarations differ in attributes and types, need not be seen.
#pragma once

#define TELINJECT_WRAPPER(result, name, ...)        \
  extern "C" __attribute__((visibility("default"))) \
  result wrap_##name(__VA_ARGS__) __asm__(#name);   \
  result wrap_##name(__VA_ARGS__)

// The wrapper's canonical frame address: its caller's stack pointer at the call.
#define TELINJECT_CALLER_SP() reinterpret_cast<uintptr_t>(__builtin_dwarf_cfa())

// Where the wrapper was called from: an address in the caller's code.
#define TELINJECT_CALL_SITE() __builtin_extract_return_addr(__builtin_return_address(0))
