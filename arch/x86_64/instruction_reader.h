// Reads the parts of one machine instruction: prefixes, opcode, operands, immediate values.
#pragma once

#include <cstdint>

#include "arch/x86_64/arithmetic.h"

namespace telinject::arch {

// Registers by the numbers that instructions use, which are not DWARF's.
struct MachineRegisters {
  enum Number : uint32_t { kRax = 0, kRsp = 4, kRbp = 5, kRdi = 7 };
  uint64_t value[16] = {};
};

struct Operand {
  bool memory;
  uint32_t reg;       // if it is not in memory
  uintptr_t address;  // if it is
};

class InstructionReader {
 public:
  static constexpr uint32_t kMostBytes = 16;  // no instruction is longer

  // `code` is a copy of kMostBytes at `pc`.
  InstructionReader(const unsigned char* code, uintptr_t pc) : pc_(pc) {
    __builtin_memcpy(code_, code, kMostBytes);
  }

  // Reads prefixes and the opcode. False if there are too many prefixes.
  bool begin(uint8_t* opcode) {
    *opcode = byte();
    while (*opcode == 0x66 || *opcode == 0xf2 || *opcode == 0xf3 || *opcode == 0x2e ||
           *opcode == 0x3e) {
      if (*opcode == 0x66) short_operand_ = true;
      if (*opcode == 0xf3) repeat_ = true;
      if (at_ > 4) return false;
      *opcode = byte();
    }
    if (*opcode >= 0x40 && *opcode <= 0x4f) {
      rex_ = *opcode;
      *opcode = byte();
    }
    return true;
  }
  bool short_operand() const { return short_operand_; }
  bool repeat() const { return repeat_; }
  bool has_rex() const { return rex_ != 0; }
  bool is_wide() const { return (rex_ & 8) != 0; }
  uint32_t width() const { return is_wide() ? 8 : 4; }  // bytes of an operand

  uint8_t byte() { return code_[at_++]; }
  // A signed value.
  int64_t immediate(uint32_t bytes) {
    uint64_t value = 0;
    for (uint32_t i = 0; i < bytes; i++) value |= uint64_t{byte()} << (8 * i);
    return static_cast<int64_t>(sign_extended(value, bytes));
  }
  // The register in the opcode's low bits.
  uint32_t register_in(uint8_t opcode) const { return (opcode & 7) | (rex_ & 1 ? 8u : 0u); }
  // The instruction behind this one, of which all has been read.
  uintptr_t next_pc() const { return pc_ + at_; }

  // ModRM and what follows. `tail` bytes of immediate come behind it: an address relative to the
  // pc counts from the end of the instruction.
  Operand modrm(const MachineRegisters& registers, uint32_t* reg, uint32_t tail) {
    uint8_t m = byte();
    *reg = (m >> 3 & 7) | (rex_ & 4 ? 8u : 0u);
    uint32_t mode = m >> 6, low = m & 7;
    if (mode == 3) return {false, low | (rex_ & 1 ? 8u : 0u), 0};
    uintptr_t address = 0;
    if (low == 4) {
      address = scaled_address(registers, mode);
    } else if (low == 5 && mode == 0) {
      int64_t distance = immediate(4);
      return {true, 0, pc_ + at_ + tail + static_cast<uintptr_t>(distance)};
    } else {
      address = registers.value[low | (rex_ & 1 ? 8u : 0u)];
    }
    if (mode == 1) address += static_cast<uintptr_t>(immediate(1));
    if (mode == 2) address += static_cast<uintptr_t>(immediate(4));
    return {true, 0, address};
  }

 private:
  // By a SIB byte: base + index * scale.
  uintptr_t scaled_address(const MachineRegisters& registers, uint32_t mode) {
    uint8_t sib = byte();
    uint32_t index = (sib >> 3 & 7) | (rex_ & 2 ? 8u : 0u);
    uint32_t base = (sib & 7) | (rex_ & 1 ? 8u : 0u);
    bool no_base = (sib & 7) == 5 && mode == 0;
    uintptr_t address = no_base ? static_cast<uintptr_t>(immediate(4)) : registers.value[base];
    if (index != 4) address += registers.value[index] << (sib >> 6);
    return address;
  }

  uintptr_t pc_;
  unsigned char code_[kMostBytes + 8] = {};
  uint32_t at_ = 0;
  uint8_t rex_ = 0;
  bool short_operand_ = false, repeat_ = false;
};

}  // namespace telinject::arch
