// Evaluates DWARF expressions of call frame information: where a register was saved, or what it
// was.
//
// Async-signal-safe: no allocation, no lock, no call into libc. Every loop is bounded.
#pragma once

#include <cstdint>

#include "arch/x86_64/registers.h"

namespace telinject::program {

// Reads a word of the program's memory. False if it cannot be read.
using ReadWord = bool (*)(const void* reader, uintptr_t address, uintptr_t* value);

// Evaluates the expression at `at` (its length, then the operations). `first` is on the stack at
// the beginning, if it is not null. *result is the value on top of the stack at the end. False if
// the expression is longer than 4 KiB, needs more than 16 values, or has an unknown operation.
bool evaluate(const unsigned char* at, const arch::Registers& registers, const uintptr_t* first,
              ReadWord read, const void* reader, uintptr_t* result);

}  // namespace telinject::program
