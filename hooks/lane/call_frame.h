// Call frame information (.eh_frame): how to get from a function's registers to its caller's.
//
// We have our own reader because existing ones cannot run in a traced program's thread. libunwind's
// static library (Debian's 1.6.2) is not position independent, and brings malloc, pipes and
// liblzma. _Unwind_Backtrace exists only where libgcc_s is loaded, and may take the loader's lock,
// which a signal handler must not do.
//
// Async-signal-safe: no allocation, no lock, no call into libc. Reads only a module's loaded
// segments. Trusts the information as far as the program's own unwinder does; every loop over it is
// bounded. Uses less than 1 KiB of stack.
#pragma once

#include <cstdint>

#include "arch/x86_64/registers.h"

namespace telinject::program {

// A module's table, and an upper bound of its end.
struct UnwindTable {
  const unsigned char* header;  // .eh_frame_hdr
  const unsigned char* end;     // of the segment that holds it
};

struct FrameRule {
  enum Kind : uint8_t { kSame, kUndefined, kOffset, kValueOffset, kRegister, kExpression, kValue };
  Kind kind = kSame;
  int32_t offset = 0;  // kOffset, kValueOffset; kRegister: its number
};

// The rules for unwinding from one instruction.
struct FrameRow {
  FrameRule rules[arch::kRegisters];
  const unsigned char*
      expressions[arch::kRegisters];    // kExpression, kValue: a length, and the operations
  const unsigned char* cfa_expression;  // null: cfa_register + cfa_offset
  uint32_t cfa_register;
  int64_t cfa_offset;
  bool signal_frame;  // the caller was interrupted: its pc is exact, not a return address
};

// Finds the row for `pc`. False if the module has none.
bool find_frame_row(const UnwindTable& table, uintptr_t pc, FrameRow* row);

}  // namespace telinject::program
