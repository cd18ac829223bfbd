#include "hooks/lane/frame_expression.h"

#include "hooks/lane/dwarf_bytes.h"

namespace telinject::program {

namespace {

constexpr int kMostOperations = 4096;
constexpr uint64_t kLongest = 4096;

class Evaluation {
 public:
  Evaluation(const unsigned char* begin, const unsigned char* end, const arch::Registers& registers)
      : begin_(begin), end_(end), bytes_(begin, end), registers_(registers) {}

  void push(uintptr_t value) { stack_[depth_++] = value; }

  bool run(ReadWord read, const void* reader, uintptr_t* result) {
    for (int i = 0; i < kMostOperations && bytes_.good(); i++) {
      auto op = static_cast<uint8_t>(bytes_.take(1));
      if (depth_ >= kDepth) return false;
      bool good = op == kDeref ? depth_ > 0 && read(reader, stack_[depth_ - 1], &stack_[depth_ - 1])
                  : is_push(op)  ? push_operand(op)
                  : is_jump(op)  ? jump(op)
                  : is_unary(op) ? unary(op)
                                 : op == kNop || binary(op);
      if (!good) return false;
    }
    if (depth_ == 0) return false;
    *result = stack_[depth_ - 1];
    return true;
  }

 private:
  static constexpr uint8_t kDeref = 0x06, kNop = 0x96, kBranch = 0x28, kSkip = 0x2f;
  static constexpr uint32_t kDepth = 16;

  static bool is_push(uint8_t op) {
    return (op >= 0x08 && op <= 0x11) || (op >= 0x30 && op <= 0x4f) || (op >= 0x70 && op <= 0x8f);
  }
  static bool is_jump(uint8_t op) { return op == kBranch || op == kSkip; }
  static bool is_unary(uint8_t op) {
    return op == 0x12 || op == 0x13 || op == 0x1f || op == 0x20 || op == 0x23;
  }

  bool push_operand(uint8_t op) {
    if (op >= 0x70) {  // breg: a register plus an offset
      int64_t offset = bytes_.sleb();
      if (op - 0x70u >= arch::kRegisters) return false;
      push(registers_.value[op - 0x70u] + static_cast<uintptr_t>(offset));
    } else if (op >= 0x30) {  // lit
      push(op - 0x30u);
    } else if (op >= 0x10) {  // constu, consts
      push(op == 0x10 ? bytes_.uleb() : static_cast<uintptr_t>(bytes_.sleb()));
    } else {  // const1u, const1s, ... const8s
      uint32_t size = 1u << ((op - 0x08u) / 2);
      bool is_unsigned = (op & 1) == 0;
      push(is_unsigned ? bytes_.take(size) : static_cast<uintptr_t>(bytes_.take_signed(size)));
    }
    return true;
  }

  bool jump(uint8_t op) {
    int64_t distance = bytes_.take_signed(2);
    if (op == kBranch) {
      if (depth_ == 0) return false;
      if (stack_[--depth_] == 0) return true;
    }
    const unsigned char* target = bytes_.at() + distance;
    if (target < begin_ || target > end_) return false;
    bytes_ = DwarfBytes(target, end_);
    return true;
  }

  bool unary(uint8_t op) {
    if (depth_ == 0) return false;
    uintptr_t& top = stack_[depth_ - 1];
    switch (op) {
      case 0x12:  // dup
        push(top);
        return true;
      case 0x13:  // drop
        depth_--;
        return true;
      case 0x1f:  // neg
        top = ~top + 1;
        return true;
      case 0x20:  // not
        top = ~top;
        return true;
      default:  // plus_uconst
        top += bytes_.uleb();
        return true;
    }
  }

  bool binary(uint8_t op) {
    if (depth_ < 2) return false;
    uintptr_t right = stack_[--depth_], left = stack_[depth_ - 1];
    if (op == 0x16) {  // swap
      stack_[depth_ - 1] = right;
      push(left);
      return true;
    }
    return op >= 0x29 ? compare(op, left, right) : calculate(op, left, right);
  }

  bool calculate(uint8_t op, uintptr_t left, uintptr_t right) {
    uintptr_t& result = stack_[depth_ - 1];
    switch (op) {
      case 0x1a:
        result = left & right;
        return true;
      case 0x1c:
        result = left - right;
        return true;
      case 0x1e:
        result = left * right;
        return true;
      case 0x21:
        result = left | right;
        return true;
      case 0x22:
        result = left + right;
        return true;
      case 0x24:
        result = right < 64 ? left << right : 0;
        return true;
      case 0x25:
        result = right < 64 ? left >> right : 0;
        return true;
      case 0x27:
        result = left ^ right;
        return true;
      default:
        return false;
    }
  }

  bool compare(uint8_t op, uintptr_t left, uintptr_t right) {
    uintptr_t& result = stack_[depth_ - 1];
    auto a = static_cast<intptr_t>(left), b = static_cast<intptr_t>(right);
    switch (op) {
      case 0x29:
        result = a == b;
        return true;
      case 0x2a:
        result = a >= b;
        return true;
      case 0x2b:
        result = a > b;
        return true;
      case 0x2c:
        result = a <= b;
        return true;
      case 0x2d:
        result = a < b;
        return true;
      case 0x2e:
        result = a != b;
        return true;
      default:
        return false;
    }
  }

  const unsigned char* begin_;
  const unsigned char* end_;
  DwarfBytes bytes_;
  const arch::Registers& registers_;
  uintptr_t stack_[kDepth + 1];
  uint32_t depth_ = 0;
};

}  // namespace

bool evaluate(const unsigned char* at, const arch::Registers& registers, const uintptr_t* first,
              ReadWord read, const void* reader, uintptr_t* result) {
  DwarfBytes bytes(at, at + 16);
  uint64_t length = bytes.uleb();
  if (length > kLongest) return false;
  Evaluation evaluation(bytes.at(), bytes.at() + length, registers);
  if (first != nullptr) evaluation.push(*first);
  return evaluation.run(read, reader, result);
}

}  // namespace telinject::program
