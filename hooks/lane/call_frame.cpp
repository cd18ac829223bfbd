#include "hooks/lane/call_frame.h"

namespace telinject::program {

namespace {

// Encodings of pointers (DW_EH_PE_...).
constexpr uint8_t kOmit = 0xff, kPcRelative = 0x10, kDataRelative = 0x30;
constexpr uint8_t kSortedTable = 0x3b;  // datarel | sdata4
constexpr int kMostInstructions = 4096;

// A cursor over unaligned, little endian data that never passes `end`.
class Bytes {
 public:
  Bytes(const unsigned char* at, const unsigned char* end) : at_(at), end_(end) {}
  const unsigned char* at() const { return at_; }
  bool good() const { return at_ < end_; }
  void skip(uint64_t bytes) {
    at_ = bytes <= static_cast<uint64_t>(end_ - at_) ? at_ + bytes : end_;
  }
  uint64_t take(uint32_t bytes) {
    uint64_t value = 0;
    for (uint32_t i = 0; i < bytes && at_ < end_; i++) value |= uint64_t{*at_++} << (8 * i);
    return value;
  }
  int64_t take_signed(uint32_t bytes) {
    uint32_t unused = 64 - 8 * bytes;
    return static_cast<int64_t>(take(bytes) << unused) >> unused;
  }
  uint64_t uleb() {
    uint64_t value = 0;
    for (uint32_t shift = 0; at_ < end_; shift += 7) {
      uint8_t byte = *at_++;
      if (shift < 64) value |= uint64_t{byte & 0x7fu} << shift;
      if ((byte & 0x80) == 0) break;
    }
    return value;
  }
  int64_t sleb() {
    uint64_t value = 0;
    uint32_t shift = 0;
    while (at_ < end_) {
      uint8_t byte = *at_++;
      if (shift < 64) value |= uint64_t{byte & 0x7fu} << shift;
      shift += 7;
      if ((byte & 0x80) != 0) continue;
      if ((byte & 0x40) != 0 && shift < 64) value |= ~uint64_t{0} << shift;
      break;
    }
    return static_cast<int64_t>(value);
  }
  // A pointer in one of .eh_frame's encodings; what is relative to text is not used on x86-64.
  uintptr_t pointer(uint8_t encoding, uintptr_t data) {
    if (encoding == kOmit) return 0;
    auto base = reinterpret_cast<uintptr_t>(at_);
    uintptr_t value = 0;
    switch (encoding & 0x0f) {
      case 0x00:
      case 0x04:
      case 0x0c:
        value = take(8);
        break;
      case 0x01:
        value = uleb();
        break;
      case 0x02:
        value = take(2);
        break;
      case 0x03:
        value = take(4);
        break;
      case 0x09:
        value = static_cast<uintptr_t>(sleb());
        break;
      case 0x0a:
        value = static_cast<uintptr_t>(take_signed(2));
        break;
      case 0x0b:
        value = static_cast<uintptr_t>(take_signed(4));
        break;
      default:
        at_ = end_;
        return 0;
    }
    switch (encoding & 0x70) {
      case kPcRelative:
        return value + base;
      case kDataRelative:
        return value + data;
      default:
        return value;
    }
  }

 private:
  const unsigned char* at_;
  const unsigned char* end_;
};

// A common information entry, as far as it is needed.
struct Cie {
  uint64_t code_factor;
  int64_t data_factor;
  uint64_t return_register;
  uint8_t pointer_encoding = 0;
  bool augmented = false;
  bool signal_frame = false;
  Bytes instructions{nullptr, nullptr};
};

// The entry at `at` without its length, which is also where it ends.
Bytes open_entry(const unsigned char* at, const unsigned char* end) {
  Bytes bytes(at, end);
  uint64_t length = bytes.take(4);
  if (length == 0xffffffff) length = bytes.take(8);
  const unsigned char* start = bytes.at();
  if (length > static_cast<uint64_t>(end - start)) return {end, end};
  return {start, start + length};
}

bool read_cie(const unsigned char* at, const unsigned char* end, Cie* cie) {
  Bytes bytes = open_entry(at, end);
  if (!bytes.good() || bytes.take(4) != 0) return false;
  uint64_t version = bytes.take(1);
  if (version != 1 && version != 3) return false;
  const unsigned char* augmentation = bytes.at();
  while (bytes.good() && bytes.take(1) != 0) {
  }
  cie->code_factor = bytes.uleb();
  cie->data_factor = bytes.sleb();
  cie->return_register = version == 1 ? bytes.take(1) : bytes.uleb();
  if (*augmentation == 'z') {
    cie->augmented = true;
    uint64_t size = bytes.uleb();
    Bytes data = bytes;
    bytes.skip(size);
    for (const unsigned char* letter = augmentation + 1; *letter != 0; letter++) {
      if (*letter == 'R') {
        cie->pointer_encoding = static_cast<uint8_t>(data.take(1));
      } else if (*letter == 'P') {
        auto encoding = static_cast<uint8_t>(data.take(1));
        data.pointer(encoding, 0);
      } else if (*letter == 'L') {
        data.take(1);
      } else if (*letter == 'S') {
        cie->signal_frame = true;
      } else {
        break;
      }
    }
  } else if (*augmentation != 0) {
    return false;
  }
  cie->instructions = bytes;
  return bytes.good() && cie->return_register == kPc;
}

// Runs call frame instructions up to `pc`.
class RowBuilder {
 public:
  RowBuilder(const Cie& cie, uintptr_t start, uintptr_t pc, FrameRow* row)
      : cie_(cie), location_(start), pc_(pc), row_(row) {}

  bool run(Bytes bytes, bool initial) {
    initial_ = initial;
    for (int i = 0; i < kMostInstructions && bytes.good(); i++) {
      auto op = static_cast<uint8_t>(bytes.take(1));
      uint32_t low = op & 0x3f;
      bool reached = false;
      switch (op & 0xc0) {
        case 0x40:
          reached = advance(low);
          break;
        case 0x80:
          set_offset(low, static_cast<int64_t>(bytes.uleb()), FrameRule::kOffset);
          break;
        case 0xc0:
          restore(low);
          break;
        default:
          if (!extended(op, &bytes, &reached)) return false;
      }
      if (reached) return true;
    }
    return !bytes.good();
  }
  void end_of_initial() { first_ = compact(); }

 private:
  // Of the rules only what registers a caller may need: the stack of remembered states is ours.
  struct State {
    FrameRule rules[kRegisters];
    const unsigned char* cfa_expression;
    uint32_t cfa_register;
    int64_t cfa_offset;
  };
  State compact() const {
    State state;
    for (uint32_t i = 0; i < kRegisters; i++) state.rules[i] = row_->rules[i];
    state.cfa_expression = row_->cfa_expression;
    state.cfa_register = row_->cfa_register;
    state.cfa_offset = row_->cfa_offset;
    return state;
  }
  // True once the row is past the wanted instruction.
  bool advance(uint64_t units) {
    location_ += units * cie_.code_factor;
    return !initial_ && location_ > pc_;
  }
  void set(uint64_t number, FrameRule::Kind kind, int64_t offset = 0) {
    if (number >= kRegisters) return;
    row_->rules[number] = {kind, static_cast<int32_t>(offset)};
  }
  void set_offset(uint64_t number, int64_t factored, FrameRule::Kind kind) {
    set(number, kind, factored * cie_.data_factor);
  }
  void restore(uint64_t number) {
    if (number < kRegisters) row_->rules[number] = first_.rules[number];
  }
  bool extended(uint8_t op, Bytes* bytes, bool* reached) {
    switch (op) {
      case 0x00:  // nop
        return true;
      case 0x01:  // set_loc
        location_ = bytes->pointer(cie_.pointer_encoding, 0);
        *reached = location_ > pc_;
        return true;
      case 0x02:
        *reached = advance(bytes->take(1));
        return true;
      case 0x03:
        *reached = advance(bytes->take(2));
        return true;
      case 0x04:
        *reached = advance(bytes->take(4));
        return true;
      case 0x05: {  // offset_extended
        uint64_t number = bytes->uleb();
        set_offset(number, static_cast<int64_t>(bytes->uleb()), FrameRule::kOffset);
        return true;
      }
      case 0x06:  // restore_extended
        restore(bytes->uleb());
        return true;
      case 0x07:
        set(bytes->uleb(), FrameRule::kUndefined);
        return true;
      case 0x08:
        set(bytes->uleb(), FrameRule::kSame);
        return true;
      case 0x09: {  // register
        uint64_t number = bytes->uleb();
        set(number, FrameRule::kRegister, static_cast<int64_t>(bytes->uleb()));
        return true;
      }
      case 0x0a:
        if (depth_ == kMostStates) return false;
        states_[depth_++] = compact();
        return true;
      case 0x0b:
        if (depth_ == 0) return false;
        restore_state(states_[--depth_]);
        return true;
      case 0x0c:  // def_cfa
        row_->cfa_register = static_cast<uint32_t>(bytes->uleb());
        row_->cfa_offset = static_cast<int64_t>(bytes->uleb());
        row_->cfa_expression = nullptr;
        return true;
      case 0x0d:
        row_->cfa_register = static_cast<uint32_t>(bytes->uleb());
        row_->cfa_expression = nullptr;
        return true;
      case 0x0e:
        row_->cfa_offset = static_cast<int64_t>(bytes->uleb());
        return true;
      case 0x0f:  // def_cfa_expression
        row_->cfa_expression = bytes->at();
        bytes->skip(bytes->uleb());
        return true;
      case 0x10:
      case 0x16: {  // expression, val_expression
        uint64_t number = bytes->uleb();
        set(number, op == 0x10 ? FrameRule::kExpression : FrameRule::kValue);
        if (number < kRegisters) row_->expressions[number] = bytes->at();
        bytes->skip(bytes->uleb());
        return true;
      }
      case 0x11: {  // offset_extended_sf
        uint64_t number = bytes->uleb();
        set_offset(number, bytes->sleb(), FrameRule::kOffset);
        return true;
      }
      case 0x12:  // def_cfa_sf
        row_->cfa_register = static_cast<uint32_t>(bytes->uleb());
        row_->cfa_offset = bytes->sleb() * cie_.data_factor;
        row_->cfa_expression = nullptr;
        return true;
      case 0x13:
        row_->cfa_offset = bytes->sleb() * cie_.data_factor;
        return true;
      case 0x14: {  // val_offset
        uint64_t number = bytes->uleb();
        set_offset(number, static_cast<int64_t>(bytes->uleb()), FrameRule::kValueOffset);
        return true;
      }
      case 0x15: {  // val_offset_sf
        uint64_t number = bytes->uleb();
        set_offset(number, bytes->sleb(), FrameRule::kValueOffset);
        return true;
      }
      case 0x2e:  // GNU_args_size
        bytes->uleb();
        return true;
      case 0x2f: {  // GNU_negative_offset_extended
        uint64_t number = bytes->uleb();
        set_offset(number, -static_cast<int64_t>(bytes->uleb()), FrameRule::kOffset);
        return true;
      }
      default:
        return false;
    }
  }
  void restore_state(const State& state) {
    for (uint32_t i = 0; i < kRegisters; i++) row_->rules[i] = state.rules[i];
    row_->cfa_expression = state.cfa_expression;
    row_->cfa_register = state.cfa_register;
    row_->cfa_offset = state.cfa_offset;
  }

  // Compilers remember a state around an epilogue, and do not nest that.
  static constexpr int kMostStates = 2;
  const Cie& cie_;
  uintptr_t location_, pc_;
  FrameRow* row_;
  bool initial_ = true;
  State first_ = {};
  State states_[kMostStates];
  int depth_ = 0;
};

// The description of the function at `pc`, by the sorted table in .eh_frame_hdr.
const unsigned char* find_description(const UnwindTable& table, uintptr_t pc) {
  Bytes header(table.header, table.end);
  uint64_t version = header.take(1);
  auto frame_encoding = static_cast<uint8_t>(header.take(1));
  auto count_encoding = static_cast<uint8_t>(header.take(1));
  uint64_t table_encoding = header.take(1);
  if (version != 1 || count_encoding == kOmit || table_encoding != kSortedTable) return nullptr;
  auto base = reinterpret_cast<uintptr_t>(table.header);
  header.pointer(frame_encoding, base);
  uintptr_t count = header.pointer(count_encoding, base);
  const unsigned char* entries = header.at();
  if (count == 0 || count > static_cast<uintptr_t>(table.end - entries) / 8) return nullptr;
  auto at = [&](uintptr_t index, uintptr_t half) {
    return base +
           static_cast<uintptr_t>(Bytes(entries + 8 * index + 4 * half, table.end).take_signed(4));
  };
  if (pc < at(0, 0)) return nullptr;
  uintptr_t low = 0, high = count;  // the last entry not above pc is in [low, high)
  while (high - low > 1) {
    uintptr_t middle = low + (high - low) / 2;
    (at(middle, 0) <= pc ? low : high) = middle;
  }
  return reinterpret_cast<const unsigned char*>(at(low, 1));
}

}  // namespace

bool find_frame_row(const UnwindTable& table, uintptr_t pc, FrameRow* row) {
  const unsigned char* description = find_description(table, pc);
  if (description == nullptr || description >= table.end) return false;
  Bytes bytes = open_entry(description, table.end);
  const unsigned char* self = bytes.at();
  uint64_t back = bytes.take(4);
  if (!bytes.good() || back == 0) return false;
  Cie cie;
  if (!read_cie(self - back, table.end, &cie)) return false;
  uintptr_t start = bytes.pointer(cie.pointer_encoding, 0);
  uintptr_t size = bytes.pointer(cie.pointer_encoding & 0x0f, 0);
  if (pc - start >= size) return false;
  if (cie.augmented) bytes.skip(bytes.uleb());
  *row = {};
  row->signal_frame = cie.signal_frame;
  RowBuilder builder(cie, start, pc, row);
  if (!builder.run(cie.instructions, /*initial=*/true)) return false;
  builder.end_of_initial();
  return builder.run(bytes, /*initial=*/false);
}

bool evaluate(const unsigned char* at, const Registers& registers, const uintptr_t* first,
              ReadWord read, const void* reader, uintptr_t* result) {
  constexpr uint32_t kDepth = 16;
  constexpr uint64_t kLongest = 4096;
  uintptr_t stack[kDepth + 1];
  uint32_t depth = 0;
  Bytes bytes(at, at + 16);
  uint64_t length = bytes.uleb();
  if (length > kLongest) return false;
  const unsigned char* begin = bytes.at();
  const unsigned char* end = begin + length;
  bytes = Bytes(begin, end);
  if (first != nullptr) stack[depth++] = *first;
  for (int i = 0; i < kMostInstructions && bytes.good(); i++) {
    auto op = static_cast<uint8_t>(bytes.take(1));
    if (depth >= kDepth) return false;
    auto push = [&](uintptr_t value) { stack[depth++] = value; };
    if (op >= 0x30 && op <= 0x4f) {  // lit
      push(op - 0x30u);
      continue;
    }
    if (op >= 0x70 && op <= 0x8f) {  // breg
      int64_t offset = bytes.sleb();
      if (op - 0x70u >= kRegisters) return false;
      push(registers.value[op - 0x70u] + static_cast<uintptr_t>(offset));
      continue;
    }
    if (op >= 0x08 && op <= 0x0f) {  // const1u, const1s, ... const8s
      uint32_t size = 1u << ((op - 0x08u) / 2);
      push((op & 1) == 0 ? bytes.take(size) : static_cast<uintptr_t>(bytes.take_signed(size)));
      continue;
    }
    if (op == 0x10 || op == 0x11) {
      push(op == 0x10 ? bytes.uleb() : static_cast<uintptr_t>(bytes.sleb()));
      continue;
    }
    if (op == 0x2f || op == 0x28) {  // skip, bra
      int64_t distance = bytes.take_signed(2);
      if (op == 0x28) {
        if (depth == 0) return false;
        if (stack[--depth] == 0) continue;
      }
      const unsigned char* target = bytes.at() + distance;
      if (target < begin || target > end) return false;
      bytes = Bytes(target, end);
      continue;
    }
    if (op == 0x96) continue;  // nop
    if (depth == 0) return false;
    uintptr_t& top = stack[depth - 1];
    switch (op) {
      case 0x06:  // deref
        if (!read(reader, top, &top)) return false;
        continue;
      case 0x12:
        push(top);
        continue;
      case 0x13:
        depth--;
        continue;
      case 0x1f:
        top = ~top + 1;
        continue;
      case 0x20:
        top = ~top;
        continue;
      case 0x23:
        top += bytes.uleb();
        continue;
      default:
        break;
    }
    if (depth < 2) return false;
    uintptr_t right = stack[--depth];
    uintptr_t& left = stack[depth - 1];
    auto left_signed = static_cast<intptr_t>(left), right_signed = static_cast<intptr_t>(right);
    switch (op) {
      case 0x16: {  // swap
        uintptr_t below = left;
        left = right;
        push(below);
        break;
      }
      case 0x1a:
        left &= right;
        break;
      case 0x1c:
        left -= right;
        break;
      case 0x1e:
        left *= right;
        break;
      case 0x21:
        left |= right;
        break;
      case 0x22:
        left += right;
        break;
      case 0x24:
        left = right < 64 ? left << right : 0;
        break;
      case 0x25:
        left = right < 64 ? left >> right : 0;
        break;
      case 0x27:
        left ^= right;
        break;
      case 0x29:
        left = left == right;
        break;
      case 0x2a:
        left = left_signed >= right_signed;
        break;
      case 0x2b:
        left = left_signed > right_signed;
        break;
      case 0x2c:
        left = left_signed <= right_signed;
        break;
      case 0x2d:
        left = left_signed < right_signed;
        break;
      case 0x2e:
        left = left != right;
        break;
      default:
        return false;
    }
  }
  if (depth == 0) return false;
  *result = stack[depth - 1];
  return true;
}

}  // namespace telinject::program
