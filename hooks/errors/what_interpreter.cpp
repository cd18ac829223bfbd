#include "hooks/errors/what_interpreter.h"

#include "hooks/lane/services.h"
#include "shim/channel/layout.h"

namespace telinject::program {

namespace {

constexpr int kMostSteps = 400;
constexpr uint32_t kStackWords = 64;
constexpr uint32_t kRax = 0, kRsp = 4, kRbp = 5, kRdi = 7;

class Interpreter {
 public:
  Interpreter(uintptr_t function, uintptr_t argument) : pc_(function), object_(argument) {
    registers_[kRdi] = argument;
    registers_[kRsp] = top() - 8;  // as after a call; the address to return to is 0
  }

  // Until the function returns. False if it does what is not understood.
  bool run() {
    for (int i = 0; i < kMostSteps; i++) {
      if (pc_ == 0) return true;
      if (!step()) return false;
    }
    return false;
  }
  uintptr_t result() const { return registers_[kRax]; }

 private:
  uintptr_t bottom() const { return reinterpret_cast<uintptr_t>(stack_); }
  uintptr_t top() const { return bottom() + sizeof stack_; }

  // ---- memory

  bool load(uintptr_t address, uint32_t bytes, uint64_t* value) {
    *value = 0;
    if (address >= bottom() && address <= top() - bytes) {
      __builtin_memcpy(value, reinterpret_cast<const void*>(address), bytes);
      return true;
    }
    // What shares a page with the object is there; all else is asked for, which takes a system
    // call.
    if (address / kPageBytes == object_ / kPageBytes &&
        (address + bytes - 1) / kPageBytes == object_ / kPageBytes) {
      __builtin_memcpy(value, reinterpret_cast<const void*>(address), bytes);
      return true;
    }
    return peek_memory(address, value, bytes);
  }
  bool store(uintptr_t address, uint32_t bytes, uint64_t value) {
    if (address < bottom() || address > top() - bytes) return false;
    __builtin_memcpy(reinterpret_cast<void*>(address), &value, bytes);
    return true;
  }
  bool push(uint64_t value) {
    registers_[kRsp] -= 8;
    return store(registers_[kRsp], 8, value);
  }
  bool pop(uint64_t* value) {
    bool good = load(registers_[kRsp], 8, value);
    registers_[kRsp] += 8;
    return good;
  }

  // ---- decoding

  struct Operand {
    bool memory;
    uint32_t reg;
    uintptr_t address;
  };

  uint8_t byte() { return code_[at_++]; }
  int64_t immediate(uint32_t bytes) {
    uint64_t value = 0;
    for (uint32_t i = 0; i < bytes; i++) value |= uint64_t{byte()} << (8 * i);
    uint32_t unused = 64 - 8 * bytes;
    return static_cast<int64_t>(value << unused) >> unused;
  }

  // ModRM and what follows; `tail` bytes of immediate come after it (for what is relative to pc).
  Operand modrm(uint32_t* reg, uint32_t tail) {
    uint8_t m = byte();
    *reg = (m >> 3 & 7) | (rex_ & 4 ? 8u : 0u);
    uint32_t mode = m >> 6, low = m & 7;
    if (mode == 3) return {false, low | (rex_ & 1 ? 8u : 0u), 0};
    uintptr_t address = 0;
    if (low == 4) {
      uint8_t sib = byte();
      uint32_t index = (sib >> 3 & 7) | (rex_ & 2 ? 8u : 0u);
      uint32_t base = (sib & 7) | (rex_ & 1 ? 8u : 0u);
      if ((sib & 7) == 5 && mode == 0) {
        address = static_cast<uintptr_t>(immediate(4));
      } else {
        address = registers_[base];
      }
      if (index != 4) address += registers_[index] << (sib >> 6);
    } else if (low == 5 && mode == 0) {
      int64_t distance = immediate(4);
      address = pc_ + at_ + tail + static_cast<uintptr_t>(distance);
      return {true, 0, address};
    } else {
      address = registers_[low | (rex_ & 1 ? 8u : 0u)];
    }
    if (mode == 1) address += static_cast<uintptr_t>(immediate(1));
    if (mode == 2) address += static_cast<uintptr_t>(immediate(4));
    return {true, 0, address};
  }
  uint32_t width() const { return rex_ & 8 ? 8 : 4; }
  // Byte registers ah, ch, dh and bh, without a REX prefix, are not known here.
  bool get(const Operand& operand, uint32_t bytes, uint64_t* value) {
    if (operand.memory) return load(operand.address, bytes, value);
    if (bytes == 1 && rex_ == 0 && operand.reg >= 4) return false;
    *value = registers_[operand.reg] & mask(bytes);
    return true;
  }
  bool put(const Operand& operand, uint32_t bytes, uint64_t value) {
    if (operand.memory) return store(operand.address, bytes, value);
    if (bytes == 1 && rex_ == 0 && operand.reg >= 4) return false;
    uint64_t& reg = registers_[operand.reg];
    if (bytes >= 4) {
      reg = value & mask(bytes);
    } else {
      reg = (reg & ~mask(bytes)) | (value & mask(bytes));
    }
    return true;
  }
  static uint64_t mask(uint32_t bytes) {
    return bytes == 8 ? ~uint64_t{0} : (uint64_t{1} << (8 * bytes)) - 1;
  }

  // ---- arithmetic

  void set_logic_flags(uint64_t result, uint32_t bytes) {
    zero_ = (result & mask(bytes)) == 0;
    sign_ = (result >> (8 * bytes - 1) & 1) != 0;
    carry_ = overflow_ = false;
  }
  // 0 add, 1 or, 4 and, 5 sub, 6 xor, 7 cmp; adc and sbb are not known.
  bool arithmetic(uint32_t what, uint64_t a, uint64_t b, uint32_t bytes, uint64_t* result) {
    a &= mask(bytes);
    b &= mask(bytes);
    uint64_t sign_bit = uint64_t{1} << (8 * bytes - 1);
    switch (what) {
      case 0:
        *result = (a + b) & mask(bytes);
        set_logic_flags(*result, bytes);
        carry_ = *result < a;
        overflow_ = (~(a ^ b) & (a ^ *result) & sign_bit) != 0;
        return true;
      case 1:
        *result = a | b;
        break;
      case 4:
        *result = a & b;
        break;
      case 5:
      case 7:
        *result = (a - b) & mask(bytes);
        set_logic_flags(*result, bytes);
        carry_ = a < b;
        overflow_ = ((a ^ b) & (a ^ *result) & sign_bit) != 0;
        return true;
      case 6:
        *result = a ^ b;
        break;
      default:
        return false;
    }
    set_logic_flags(*result, bytes);
    return true;
  }
  bool condition(uint32_t code) const {
    bool value = false;
    switch (code >> 1) {
      case 0:
        value = overflow_;
        break;
      case 1:
        value = carry_;
        break;
      case 2:
        value = zero_;
        break;
      case 3:
        value = carry_ || zero_;
        break;
      case 4:
        value = sign_;
        break;
      case 6:
        value = sign_ != overflow_;
        break;
      case 7:
        value = zero_ || sign_ != overflow_;
        break;
      default:
        break;
    }
    return value != ((code & 1) != 0);
  }

  // ---- instructions

  bool go(uintptr_t target) {
    pc_ = target;
    return true;
  }
  bool next() { return go(pc_ + at_); }

  bool call(uintptr_t target) {
    if (is_hook(target)) return next();
    return push(pc_ + at_) && go(target);
  }
  // A jump through memory: as a rule a procedure linkage table's. One that has not been bound yet
  // leads to the loader, with the module and the function's number on the stack.
  bool jump(uintptr_t target, bool after_push) {
    if (after_push) {
      uint64_t module, number;
      if (!pop(&module) || !pop(&number)) return false;
      target = bind_function(module, number);
      if (target == 0) return false;
    }
    if (is_hook(target)) return leave_function();
    return go(target);
  }
  bool leave_function() {
    uint64_t to;
    return pop(&to) && go(to);
  }

  // The instruction at pc_. Only code of modules that are known is looked at, and that is there.
  bool fetch() {
    bool near = pc_ - module_.start < module_.end - module_.start;
    if (!near && !find_module(pc_, &module_)) return false;
    if (module_.end - pc_ < kCodeBytes) return false;
    __builtin_memcpy(code_, reinterpret_cast<const void*>(pc_), kCodeBytes);
    return true;
  }

  bool step() {
    if (!fetch()) return false;
    at_ = 0;
    rex_ = 0;
    bool after_push = pushed_memory_;
    pushed_memory_ = false;
    uint8_t op = byte();
    bool short_operand = false, repeat = false;
    while (op == 0x66 || op == 0xf2 || op == 0xf3 || op == 0x2e || op == 0x3e) {
      if (op == 0x66) short_operand = true;
      if (op == 0xf3) repeat = true;
      if (at_ > 4) return false;
      op = byte();
    }
    if (op >= 0x40 && op <= 0x4f) {
      rex_ = op;
      op = byte();
    }
    if (op == 0x0f) return two_byte(byte(), short_operand, repeat);
    if (short_operand) return op == 0x90 && next();
    if (op >= 0x50 && op <= 0x57) {
      return push(registers_[(op & 7) | (rex_ & 1 ? 8u : 0u)]) && next();
    }
    if (op >= 0x58 && op <= 0x5f) {
      return pop(&registers_[(op & 7) | (rex_ & 1 ? 8u : 0u)]) && next();
    }
    if (op >= 0x70 && op <= 0x7f) {
      int64_t distance = immediate(1);
      return go(pc_ + at_ + (condition(op & 15) ? static_cast<uintptr_t>(distance) : 0));
    }
    if (op >= 0xb8 && op <= 0xbf) {
      uint64_t value = rex_ & 8 ? static_cast<uint64_t>(immediate(8))
                                : static_cast<uint64_t>(immediate(4)) & mask(4);
      registers_[(op & 7) | (rex_ & 1 ? 8u : 0u)] = value;
      return next();
    }
    if (op < 0x40 && (op & 7) < 6) return arithmetic_instruction(op);
    uint32_t reg;
    uint64_t a, b, result;
    switch (op) {
      case 0x68:
        return push(static_cast<uint64_t>(immediate(4))) && next();
      case 0x6a:
        return push(static_cast<uint64_t>(immediate(1))) && next();
      case 0x80:
      case 0x81:
      case 0x83: {
        uint32_t bytes = op == 0x80 ? 1 : width();
        uint32_t size = op == 0x81 ? 4 : 1;
        Operand to = modrm(&reg, size);
        auto value = static_cast<uint64_t>(immediate(size));
        if (!get(to, bytes, &a) || !arithmetic(reg & 7, a, value, bytes, &result)) return false;
        return ((reg & 7) == 7 || put(to, bytes, result)) && next();
      }
      case 0x84:
      case 0x85: {
        uint32_t bytes = op == 0x84 ? 1 : width();
        Operand to = modrm(&reg, 0);
        if (!get(to, bytes, &a) || !get({false, reg, 0}, bytes, &b)) return false;
        set_logic_flags(a & b, bytes);
        return next();
      }
      case 0x88:
      case 0x89: {
        uint32_t bytes = op == 0x88 ? 1 : width();
        Operand to = modrm(&reg, 0);
        return get({false, reg, 0}, bytes, &a) && put(to, bytes, a) && next();
      }
      case 0x8a:
      case 0x8b: {
        uint32_t bytes = op == 0x8a ? 1 : width();
        Operand from = modrm(&reg, 0);
        return get(from, bytes, &a) && put({false, reg, 0}, bytes, a) && next();
      }
      case 0x8d: {
        Operand from = modrm(&reg, 0);
        return from.memory && put({false, reg, 0}, width(), from.address) && next();
      }
      case 0x63: {  // movsxd
        Operand from = modrm(&reg, 0);
        if (!get(from, 4, &a)) return false;
        auto extended = static_cast<int64_t>(static_cast<int32_t>(a));
        return put({false, reg, 0}, width(), static_cast<uint64_t>(extended)) && next();
      }
      case 0x90:
        return next();
      case 0xc1: {  // shifts: shl 4, shr 5
        Operand to = modrm(&reg, 1);
        auto count = static_cast<uint32_t>(immediate(1)) & (rex_ & 8 ? 63u : 31u);
        if (!get(to, width(), &a) || ((reg & 7) != 4 && (reg & 7) != 5)) return false;
        result = (reg & 7) == 4 ? a << count : a >> count;
        set_logic_flags(result, width());
        return put(to, width(), result) && next();
      }
      case 0xc3:
        return leave_function();
      case 0xc6:
      case 0xc7: {
        uint32_t bytes = op == 0xc6 ? 1 : width();
        uint32_t size = op == 0xc6 ? 1 : 4;
        Operand to = modrm(&reg, size);
        return put(to, bytes, static_cast<uint64_t>(immediate(size))) && next();
      }
      case 0xc9:
        registers_[kRsp] = registers_[kRbp];
        return pop(&registers_[kRbp]) && next();
      case 0xe8: {
        int64_t distance = immediate(4);
        return call(pc_ + at_ + static_cast<uintptr_t>(distance));
      }
      case 0xe9:
      case 0xeb: {
        int64_t distance = immediate(op == 0xe9 ? 4 : 1);
        uintptr_t target = pc_ + at_ + static_cast<uintptr_t>(distance);
        return is_hook(target) ? leave_function() : go(target);
      }
      case 0xf6:
      case 0xf7: {  // test only
        uint32_t bytes = op == 0xf6 ? 1 : width(), size = op == 0xf6 ? 1 : 4;
        Operand to = modrm(&reg, size);
        if ((reg & 7) != 0 || !get(to, bytes, &a)) return false;
        set_logic_flags(a & static_cast<uint64_t>(immediate(size)), bytes);
        return next();
      }
      case 0xff: {
        Operand to = modrm(&reg, 0);
        if (!get(to, 8, &a)) {
          return false;
        }
        switch (reg & 7) {
          case 2:
            return call(a);
          case 4:
            return jump(a, after_push && to.memory);
          case 6:
            pushed_memory_ = to.memory;
            return push(a) && next();
          default:
            return false;
        }
      }
      default:
        return false;
    }
  }

  // add, or, and, sub, xor, cmp: with a register and r/m, or an immediate.
  bool arithmetic_instruction(uint8_t op) {
    uint32_t what = op >> 3, form = op & 7;
    uint32_t bytes = (form & 1) == 0 ? 1 : width();
    uint64_t a, b, result;
    if (form >= 4) {
      b = static_cast<uint64_t>(immediate(form == 4 ? 1 : 4));
      Operand to = {false, kRax, 0};
      if (!get(to, bytes, &a) || !arithmetic(what, a, b, bytes, &result)) return false;
      return (what == 7 || put(to, bytes, result)) && next();
    }
    uint32_t reg;
    Operand other = modrm(&reg, 0), own = {false, reg, 0};
    const Operand& to = form < 2 ? other : own;
    const Operand& from = form < 2 ? own : other;
    if (!get(to, bytes, &a) || !get(from, bytes, &b)) return false;
    if (!arithmetic(what, a, b, bytes, &result)) return false;
    return (what == 7 || put(to, bytes, result)) && next();
  }

  bool two_byte(uint8_t op, bool short_operand, bool repeat) {
    uint32_t reg;
    uint64_t a;
    if (op == 0x1e && repeat) {  // endbr64
      byte();
      return next();
    }
    if (op == 0x1f) {  // nop, of any length
      modrm(&reg, 0);
      return next();
    }
    if (short_operand) return false;
    if (op >= 0x40 && op <= 0x4f) {  // cmov
      Operand from = modrm(&reg, 0);
      if (!get(from, width(), &a)) return false;
      uint64_t old = registers_[reg];
      return put({false, reg, 0}, width(), condition(op & 15) ? a : old) && next();
    }
    if (op >= 0x80 && op <= 0x8f) {
      int64_t distance = immediate(4);
      return go(pc_ + at_ + (condition(op & 15) ? static_cast<uintptr_t>(distance) : 0));
    }
    if (op >= 0x90 && op <= 0x9f) {
      Operand to = modrm(&reg, 0);
      return put(to, 1, condition(op & 15) ? 1 : 0) && next();
    }
    if (op == 0xb6 || op == 0xb7 || op == 0xbe || op == 0xbf) {
      Operand from = modrm(&reg, 0);
      uint32_t bytes = (op & 1) == 0 ? 1 : 2;
      if (!get(from, bytes, &a)) return false;
      if (op >= 0xbe) {
        uint32_t unused = 64 - 8 * bytes;
        a = static_cast<uint64_t>(static_cast<int64_t>(a << unused) >> unused);
      }
      return put({false, reg, 0}, width(), a) && next();
    }
    return false;
  }

  uintptr_t pc_, object_;
  CodeRange module_ = {0, 0};
  uint64_t registers_[16] = {};
  uint64_t stack_[kStackWords] = {};
  static constexpr uint32_t kCodeBytes = 16;  // no instruction is longer
  unsigned char code_[kCodeBytes + 8] = {};
  uint32_t at_ = 0;
  uint8_t rex_ = 0;
  bool zero_ = false, sign_ = false, carry_ = false, overflow_ = false;
  bool pushed_memory_ = false;
};

}  // namespace

uintptr_t read_what(uintptr_t exception) {
  // A thrown object is whole: it has a vtable. what() comes behind the two destructors.
  auto* table = *reinterpret_cast<const uintptr_t* const*>(exception);
  Interpreter interpreter(table[2], exception);
  return interpreter.run() ? interpreter.result() : 0;
}

}  // namespace telinject::program
