#include "arch/x86_64/interpreter.h"

#include "arch/x86_64/arithmetic.h"
#include "arch/x86_64/instruction_reader.h"

namespace telinject::arch {

namespace {

constexpr int kMostSteps = 400;
constexpr uint32_t kStackWords = 64;
constexpr uintptr_t kPage = 4096;
using Number = MachineRegisters::Number;

// The memory that the interpreted function sees: the process's to read, and a stack to write.
class Memory {
 public:
  Memory(const InterpreterHost& host, uintptr_t object) : host_(host), object_(object) {}

  uintptr_t top() const { return bottom() + sizeof stack_; }
  bool load(uintptr_t address, uint32_t bytes, uint64_t* value) const {
    *value = 0;
    bool own = address >= bottom() && address <= top() - bytes;
    // The page of the object can be read. All else takes a system call.
    bool near =
        address / kPage == object_ / kPage && (address + bytes - 1) / kPage == object_ / kPage;
    if (!own && !near) return host_.read(address, value, bytes);
    __builtin_memcpy(value, reinterpret_cast<const void*>(address), bytes);
    return true;
  }
  bool store(uintptr_t address, uint32_t bytes, uint64_t value) {
    if (address < bottom() || address > top() - bytes) return false;
    __builtin_memcpy(reinterpret_cast<void*>(address), &value, bytes);
    return true;
  }

 private:
  uintptr_t bottom() const { return reinterpret_cast<uintptr_t>(stack_); }

  const InterpreterHost& host_;
  uintptr_t object_;
  uint64_t stack_[kStackWords] = {};
};

class Interpreter {
 public:
  Interpreter(uintptr_t function, uintptr_t argument, const InterpreterHost& host)
      : host_(host), memory_(host, argument), pc_(function) {
    registers_.value[Number::kRdi] = argument;
    // As after a call; the return address is 0.
    registers_.value[Number::kRsp] = memory_.top() - 8;
  }

  // Runs until the function returns. False at the first step that is not understood.
  bool run() {
    for (int i = 0; i < kMostSteps; i++) {
      if (pc_ == 0) return true;
      if (!step()) return false;
    }
    return false;
  }
  uintptr_t result() const { return registers_.value[Number::kRax]; }

 private:
  // ---- registers and memory

  bool push(uint64_t value) {
    registers_.value[Number::kRsp] -= 8;
    return memory_.store(registers_.value[Number::kRsp], 8, value);
  }
  bool pop(uint64_t* value) {
    bool good = memory_.load(registers_.value[Number::kRsp], 8, value);
    registers_.value[Number::kRsp] += 8;
    return good;
  }
  // Byte registers ah, ch, dh and bh, which need an instruction without REX prefix, are not known.
  static bool is_high_byte(const InstructionReader& code, const Operand& operand, uint32_t bytes) {
    return bytes == 1 && !code.has_rex() && operand.reg >= 4;
  }
  bool get(const InstructionReader& code, const Operand& operand, uint32_t bytes, uint64_t* value) {
    if (operand.memory) return memory_.load(operand.address, bytes, value);
    if (is_high_byte(code, operand, bytes)) return false;
    *value = registers_.value[operand.reg] & low_bytes(bytes);
    return true;
  }
  bool put(const InstructionReader& code, const Operand& operand, uint32_t bytes, uint64_t value) {
    if (operand.memory) return memory_.store(operand.address, bytes, value);
    if (is_high_byte(code, operand, bytes)) return false;
    uint64_t& reg = registers_.value[operand.reg];
    // Writing four bytes clears the upper four.
    uint64_t kept = bytes >= 4 ? 0 : reg & ~low_bytes(bytes);
    reg = kept | (value & low_bytes(bytes));
    return true;
  }

  // ---- control flow

  bool go(uintptr_t target) {
    pc_ = target;
    return true;
  }
  bool go_relative(InstructionReader& code, uint32_t bytes, bool taken) {
    int64_t distance = code.immediate(bytes);
    return go(code.next_pc() + (taken ? static_cast<uintptr_t>(distance) : 0));
  }
  bool call(const InstructionReader& code, uintptr_t target) {
    if (host_.skips(target)) return go(code.next_pc());
    return push(code.next_pc()) && go(target);
  }
  bool leave_function() {
    uint64_t to;
    return pop(&to) && go(to);
  }
  bool jump(uintptr_t target) { return host_.skips(target) ? leave_function() : go(target); }
  // A jump through memory is usually one of a procedure linkage table. If its function has not been
  // bound yet, it leads to the loader, with the module and the function's number on the stack.
  bool jump_to_loader() {
    uint64_t module, number;
    if (!pop(&module) || !pop(&number)) return false;
    uintptr_t target = host_.bind(module, number);
    return target != 0 && jump(target);
  }

  // ---- instructions

  // Only known code is executed, of which kMostBytes can be read.
  bool step() {
    bool near = pc_ - code_start_ < code_end_ - code_start_;
    if (!near && !host_.find_code(pc_, &code_start_, &code_end_)) return false;
    if (code_end_ - pc_ < InstructionReader::kMostBytes) return false;
    InstructionReader code(reinterpret_cast<const unsigned char*>(pc_), pc_);
    uint8_t op;
    if (!code.begin(&op)) return false;
    bool after_push = pushed_memory_;
    pushed_memory_ = false;
    if (op == 0x0f) return two_byte(code);
    if (code.short_operand()) return op == 0x90 && go(code.next_pc());
    if (op < 0x40 && (op & 7) < 6) return arithmetic(code, op);
    if (op >= 0x50 && op <= 0x5f) return push_or_pop(code, op);
    if (op >= 0x70 && op <= 0x7f) return go_relative(code, 1, flags_.holds(op & 15));
    if (op == 0xff) return indirect(code, after_push);
    return is_flow(op) ? flow(code, op) : plain(code, op) && go(code.next_pc());
  }

  bool push_or_pop(InstructionReader& code, uint8_t op) {
    uint64_t& reg = registers_.value[code.register_in(op)];
    return (op < 0x58 ? push(reg) : pop(&reg)) && go(code.next_pc());
  }

  static bool is_flow(uint8_t op) { return op == 0xc3 || op == 0xe8 || op == 0xe9 || op == 0xeb; }
  bool flow(InstructionReader& code, uint8_t op) {
    if (op == 0xc3) return leave_function();
    int64_t distance = code.immediate(op == 0xeb ? 1 : 4);
    uintptr_t target = code.next_pc() + static_cast<uintptr_t>(distance);
    return op == 0xe8 ? call(code, target) : jump(target);
  }

  // Calls, jumps and pushes through r/m.
  bool indirect(InstructionReader& code, bool after_push) {
    uint32_t reg;
    uint64_t value;
    Operand to = code.modrm(registers_, &reg, 0);
    if (!get(code, to, 8, &value)) return false;
    switch (reg & 7) {
      case 2:
        return call(code, value);
      case 4:
        return after_push && to.memory ? jump_to_loader() : jump(value);
      case 6:
        pushed_memory_ = to.memory;
        return push(value) && go(code.next_pc());
      default:
        return false;
    }
  }

  // Instructions of one byte of opcode that go on with the next one.
  bool plain(InstructionReader& code, uint8_t op) {
    if (op >= 0xb8 && op <= 0xbf) return move_immediate(code, op);
    switch (op) {
      case 0x63:
      case 0x88:
      case 0x89:
      case 0x8a:
      case 0x8b:
      case 0x8d:
      case 0xc6:
      case 0xc7:
        return move(code, op);
      case 0x68:
        return push(static_cast<uint64_t>(code.immediate(4)));
      case 0x6a:
        return push(static_cast<uint64_t>(code.immediate(1)));
      case 0x80:
      case 0x81:
      case 0x83:
        return arithmetic_immediate(code, op);
      case 0x84:
      case 0x85:
      case 0xf6:
      case 0xf7:
        return test(code, op);
      case 0x90:
        return true;
      case 0xc1:
        return shift(code);
      case 0xc9:  // leave
        registers_.value[Number::kRsp] = registers_.value[Number::kRbp];
        return pop(&registers_.value[Number::kRbp]);
      default:
        return false;
    }
  }

  bool move_immediate(InstructionReader& code, uint8_t op) {
    auto value = static_cast<uint64_t>(code.immediate(code.width()));
    registers_.value[code.register_in(op)] = value & low_bytes(code.width());
    return true;
  }

  // mov, lea, movsxd
  bool move(InstructionReader& code, uint8_t op) {
    uint32_t reg, bytes = op == 0x88 || op == 0x8a || op == 0xc6 ? 1 : code.width();
    uint32_t immediate = op == 0xc6 ? 1 : op == 0xc7 ? 4 : 0;
    Operand other = code.modrm(registers_, &reg, immediate), own = {false, reg, 0};
    uint64_t value;
    switch (op) {
      case 0x63:
        return get(code, other, 4, &value) && put(code, own, bytes, sign_extended(value, 4));
      case 0x88:
      case 0x89:
        return get(code, own, bytes, &value) && put(code, other, bytes, value);
      case 0x8a:
      case 0x8b:
        return get(code, other, bytes, &value) && put(code, own, bytes, value);
      case 0x8d:
        return other.memory && put(code, own, bytes, other.address);
      default:
        return put(code, other, bytes, static_cast<uint64_t>(code.immediate(immediate)));
    }
  }

  // add, or, and, sub, xor, cmp: of a register and r/m, or of rax and an immediate value.
  bool arithmetic(InstructionReader& code, uint8_t op) {
    uint32_t form = op & 7, bytes = (form & 1) == 0 ? 1 : code.width();
    uint64_t b;
    Operand to = {false, Number::kRax, 0};
    if (form >= 4) {
      b = static_cast<uint64_t>(code.immediate(form == 4 ? 1 : 4));
    } else {
      uint32_t reg;
      Operand other = code.modrm(registers_, &reg, 0), own = {false, reg, 0};
      to = form < 2 ? other : own;
      if (!get(code, form < 2 ? own : other, bytes, &b)) return false;
    }
    return compute(code, op >> 3, to, b, bytes) && go(code.next_pc());
  }
  bool arithmetic_immediate(InstructionReader& code, uint8_t op) {
    uint32_t reg, bytes = op == 0x80 ? 1 : code.width(), size = op == 0x81 ? 4 : 1;
    Operand to = code.modrm(registers_, &reg, size);
    return compute(code, reg & 7, to, static_cast<uint64_t>(code.immediate(size)), bytes);
  }
  bool compute(InstructionReader& code, uint32_t operation, const Operand& to, uint64_t b,
               uint32_t bytes) {
    uint64_t a, result;
    if (!get(code, to, bytes, &a) || !flags_.compute(operation, a, b, bytes, &result)) return false;
    return operation == Arithmetic::kCompare || put(code, to, bytes, result);
  }

  // test: of two operands, or (f6, f7) of one and an immediate value.
  bool test(InstructionReader& code, uint8_t op) {
    uint32_t reg, bytes = (op & 1) == 0 ? 1 : code.width();
    bool by_immediate = op >= 0xf6;
    uint32_t size = !by_immediate ? 0 : op == 0xf6 ? 1 : 4;
    Operand to = code.modrm(registers_, &reg, size);
    uint64_t a, b = 0;
    if ((by_immediate && (reg & 7) != 0) || !get(code, to, bytes, &a)) return false;
    if (by_immediate) b = static_cast<uint64_t>(code.immediate(size));
    if (!by_immediate && !get(code, {false, reg, 0}, bytes, &b)) return false;
    flags_.set_flags(a & b, bytes);
    return true;
  }

  bool shift(InstructionReader& code) {
    constexpr uint32_t kLeft = 4, kRight = 5;
    uint32_t reg;
    Operand to = code.modrm(registers_, &reg, 1);
    auto count = static_cast<uint32_t>(code.immediate(1)) & (code.is_wide() ? 63u : 31u);
    uint32_t direction = reg & 7;
    uint64_t value;
    if (!get(code, to, code.width(), &value)) return false;
    if (direction != kLeft && direction != kRight) return false;
    value = direction == kLeft ? value << count : value >> count;
    flags_.set_flags(value, code.width());
    return put(code, to, code.width(), value);
  }

  bool two_byte(InstructionReader& code) {
    uint32_t reg;
    uint8_t op = code.byte();
    if (op == 0x1e && code.repeat()) {  // endbr64
      code.byte();
      return go(code.next_pc());
    }
    if (op == 0x1f) {  // nop, of any length
      code.modrm(registers_, &reg, 0);
      return go(code.next_pc());
    }
    if (code.short_operand()) return false;
    bool condition = flags_.holds(op & 15);
    if (op >= 0x80 && op <= 0x8f) return go_relative(code, 4, condition);
    bool is_move = (op & 0xf0) == 0x40, is_set = (op & 0xf0) == 0x90;
    bool extends = op == 0xb6 || op == 0xb7 || op == 0xbe || op == 0xbf;
    if (!is_move && !is_set && !extends) return false;
    Operand other = code.modrm(registers_, &reg, 0), own = {false, reg, 0};
    if (is_set) return put(code, other, 1, condition ? 1 : 0) && go(code.next_pc());
    uint32_t bytes = is_move ? code.width() : (op & 1) == 0 ? 1 : 2;
    uint64_t value;
    if (!get(code, other, bytes, &value)) return false;
    if (is_move && !condition) value = registers_.value[reg];
    if (op >= 0xbe) value = sign_extended(value, bytes);
    return put(code, own, code.width(), value) && go(code.next_pc());
  }

  const InterpreterHost& host_;
  Memory memory_;
  MachineRegisters registers_;
  Arithmetic flags_;
  uintptr_t pc_;
  uintptr_t code_start_ = 0, code_end_ = 0;  // of the mapping that was looked up last
  bool pushed_memory_ = false;
};

}  // namespace

bool interpret(uintptr_t function, uintptr_t argument, const InterpreterHost& host,
               uintptr_t* result) {
  Interpreter interpreter(function, argument, host);
  if (!interpreter.run()) return false;
  *result = interpreter.result();
  return true;
}

}  // namespace telinject::arch
