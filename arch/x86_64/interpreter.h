// Executes a function's machine instructions without running them: for a function that may not be
// called, as it could throw, crash, print, wait for a lock or never return.
//
// Knows the integer instructions that compilers use for short functions. Writes only to a stack of
// its own, and gives up at an instruction that it does not know, and after some hundred steps.
// Async-signal-safe if the host's functions are. Uses 1 KiB of stack.
#pragma once

#include <cstddef>
#include <cstdint>

namespace telinject::arch {

// What the interpreter needs to know of the process.
struct InterpreterHost {
  // Copies memory without faulting. False if not all of it can be read.
  bool (*read)(uintptr_t address, void* out, size_t bytes);
  // Finds the executable mapping that contains the address. False if there is none.
  bool (*find_code)(uintptr_t address, uintptr_t* start, uintptr_t* end);
  // True for a function that is to be skipped: it returns at once.
  bool (*skips)(uintptr_t function);
  // Finds the function that a lazily bound call leads to. `module` is the loader's link_map,
  // `number` the relocation's. 0 if it cannot be found.
  uintptr_t (*bind)(uintptr_t module, uint64_t number);
};

// Executes `function` with one argument: the address of an object, of which at least one byte can
// be read. True if the function returned; its value is in *result.
bool interpret(uintptr_t function, uintptr_t argument, const InterpreterHost& host,
               uintptr_t* result);

}  // namespace telinject::arch
