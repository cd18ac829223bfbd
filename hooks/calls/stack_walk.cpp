#include "hooks/calls/stack_walk.h"

#include "hooks/lane/call_frame.h"
#include "hooks/lane/frame_expression.h"
#include "hooks/lane/services.h"
#include "hooks/lane/state.h"
#include "shim/channel/syscall.h"

namespace telinject::program {

namespace {

struct Reader {
  uintptr_t lo, hi;  // readable without asking
};

bool read_word(const void* reader, uintptr_t address, uintptr_t* value) {
  const auto* direct = static_cast<const Reader*>(reader);
  if (address >= direct->lo && address < direct->hi && direct->hi - address >= sizeof(uintptr_t)) {
    *value = *reinterpret_cast<const uintptr_t*>(address);
    return true;
  }
  return peek_memory(address, value, sizeof *value);
}

// The caller's registers. False where the stack ends or cannot be followed.
bool step(const FrameRow& row, const Reader& reader, arch::Registers* registers) {
  uintptr_t cfa;
  if (row.cfa_expression != nullptr) {
    if (!evaluate(row.cfa_expression, *registers, nullptr, read_word, &reader, &cfa)) return false;
  } else {
    if (row.cfa_register >= arch::kRegisters) return false;
    cfa = registers->value[row.cfa_register] + static_cast<uintptr_t>(row.cfa_offset);
  }
  if (row.rules[arch::kPc].kind == FrameRule::kUndefined) return false;
  arch::Registers caller = *registers;
  caller.value[arch::kRsp] = cfa;
  for (uint32_t i = 0; i < arch::kRegisters; i++) {
    const FrameRule& rule = row.rules[i];
    uintptr_t& value = caller.value[i];
    uintptr_t near = cfa + static_cast<uintptr_t>(static_cast<intptr_t>(rule.offset));
    switch (rule.kind) {
      case FrameRule::kSame:
        break;
      case FrameRule::kUndefined:
        value = 0;
        break;
      case FrameRule::kOffset:
        if (!read_word(&reader, near, &value)) return false;
        break;
      case FrameRule::kValueOffset:
        value = near;
        break;
      case FrameRule::kRegister:
        if (static_cast<uint32_t>(rule.offset) >= arch::kRegisters) return false;
        value = registers->value[rule.offset];
        break;
      case FrameRule::kExpression:
      case FrameRule::kValue: {
        uintptr_t result;
        if (!evaluate(row.expressions[i], *registers, &cfa, read_word, &reader, &result)) {
          return false;
        }
        if (rule.kind == FrameRule::kValue) {
          value = result;
        } else if (!read_word(&reader, result, &value)) {
          return false;
        }
        break;
      }
    }
  }
  *registers = caller;
  return true;
}

// Undoes a call of an address where there is no code: the return address is on top of the stack.
bool step_out_of_nowhere(const Reader& reader, arch::Registers* registers) {
  uintptr_t return_address;
  if (!read_word(&reader, registers->value[arch::kRsp], &return_address)) return false;
  registers->value[arch::kRsp] += sizeof(uintptr_t);
  registers->value[arch::kPc] = return_address;
  return true;
}

}  // namespace

size_t walk_stack(const arch::Registers& start, bool exact, const StackBounds& bounds,
                  uint64_t* addresses, size_t capacity) {
  arch::Registers registers = start;
  Reader reader = {bounds.lo, bounds.hi};
  uintptr_t sp = start.value[arch::kRsp];
  if (sp < bounds.lo || sp >= bounds.hi) {
    reader = {0, 0};
  } else {
    reader.lo = sp;
  }
  bool asked = false;  // for modules that are not known yet
  size_t count = 0;
  while (count < capacity) {
    uintptr_t pc = registers.value[arch::kPc];
    if (pc == 0 && count > 0) break;
    addresses[count++] = pc | (exact ? kExactAddress : 0);
    uintptr_t inside = exact ? pc : pc - 1;
    UnwindTable table;
    bool known = find_unwind_table(inside, &table);
    if (!known && !asked) {
      asked = true;
      record_module_changes();
      known = find_unwind_table(inside, &table);
    }
    FrameRow row;
    uintptr_t before = registers.value[arch::kRsp];
    if (known && find_frame_row(table, inside, &row)) {
      if (!step(row, reader, &registers)) break;
      exact = row.signal_frame;
    } else if (!known && count == 1 && exact) {
      if (!step_out_of_nowhere(reader, &registers)) break;
      exact = false;
    } else {
      break;
    }
    // A stack that does not grow upwards is broken, save where a signal handler ran on another.
    if (registers.value[arch::kRsp] <= before && !exact) break;
  }
  return count;
}

bool step_out(arch::Registers* registers, bool* exact, const StackBounds& bounds) {
  uintptr_t pc = registers->value[arch::kPc], inside = *exact ? pc : pc - 1;
  UnwindTable table;
  FrameRow row;
  if (!find_unwind_table(inside, &table) || !find_frame_row(table, inside, &row)) return false;
  uintptr_t before = registers->value[arch::kRsp];
  if (!step(row, Reader{bounds.lo, bounds.hi}, registers)) return false;
  *exact = row.signal_frame;
  return registers->value[arch::kRsp] > before || *exact;
}

}  // namespace telinject::program
