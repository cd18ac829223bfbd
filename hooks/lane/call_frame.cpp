#include "hooks/lane/call_frame.h"

#include "hooks/lane/dwarf_bytes.h"

namespace telinject::program {

namespace {

constexpr uint8_t kSortedTable = 0x3b;  // datarel | sdata4
constexpr int kMostInstructions = 4096;

// A common information entry, as far as it is needed.
struct Cie {
  uint64_t code_factor;
  int64_t data_factor;
  uint64_t return_register;
  uint8_t pointer_encoding = 0;
  bool augmented = false;
  bool signal_frame = false;
  DwarfBytes instructions{nullptr, nullptr};
};

// The entry at `at` without its length, which is also where it ends.
DwarfBytes open_entry(const unsigned char* at, const unsigned char* end) {
  DwarfBytes bytes(at, end);
  uint64_t length = bytes.take(4);
  if (length == 0xffffffff) length = bytes.take(8);
  const unsigned char* start = bytes.at();
  if (length > static_cast<uint64_t>(end - start)) return {end, end};
  return {start, start + length};
}

bool read_cie(const unsigned char* at, const unsigned char* end, Cie* cie) {
  DwarfBytes bytes = open_entry(at, end);
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
    DwarfBytes data = bytes;
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
  return bytes.good() && cie->return_register == arch::kPc;
}

// Runs call frame instructions up to `pc`.
class RowBuilder {
 public:
  RowBuilder(const Cie& cie, uintptr_t start, uintptr_t pc, FrameRow* row)
      : cie_(cie), location_(start), pc_(pc), row_(row) {}

  bool run(DwarfBytes bytes, bool initial) {
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
  // A row without its expressions, as remembered states take room on the program's stack.
  struct State {
    FrameRule rules[arch::kRegisters];
    const unsigned char* cfa_expression;
    uint32_t cfa_register;
    int64_t cfa_offset;
  };
  State compact() const {
    State state;
    for (uint32_t i = 0; i < arch::kRegisters; i++) state.rules[i] = row_->rules[i];
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
    if (number >= arch::kRegisters) return;
    row_->rules[number] = {kind, static_cast<int32_t>(offset)};
  }
  void set_offset(uint64_t number, int64_t factored, FrameRule::Kind kind) {
    set(number, kind, factored * cie_.data_factor);
  }
  void restore(uint64_t number) {
    if (number < arch::kRegisters) row_->rules[number] = first_.rules[number];
  }
  // Instructions with an opcode of their own, by what they change. False if the instruction is not
  // known.
  bool extended(uint8_t op, DwarfBytes* bytes, bool* reached) {
    if (op <= 0x04) {
      *reached = advance_by(op, bytes);
      return true;
    }
    if (op == 0x0a || op == 0x0b) return op == 0x0a ? remember_state() : restore_state();
    if (op == 0x2e) {  // GNU_args_size
      bytes->uleb();
      return true;
    }
    return change_cfa(op, bytes) || change_rule(op, bytes);
  }
  bool advance_by(uint8_t op, DwarfBytes* bytes) {
    switch (op) {
      case 0x01:  // set_loc
        location_ = bytes->pointer(cie_.pointer_encoding, 0);
        return location_ > pc_;
      case 0x02:
        return advance(bytes->take(1));
      case 0x03:
        return advance(bytes->take(2));
      case 0x04:
        return advance(bytes->take(4));
      default:  // nop
        return false;
    }
  }
  bool change_cfa(uint8_t op, DwarfBytes* bytes) {
    switch (op) {
      case 0x0c:  // def_cfa
        set_cfa_register(bytes->uleb());
        row_->cfa_offset = static_cast<int64_t>(bytes->uleb());
        return true;
      case 0x0d:  // def_cfa_register
        set_cfa_register(bytes->uleb());
        return true;
      case 0x0e:  // def_cfa_offset
        row_->cfa_offset = static_cast<int64_t>(bytes->uleb());
        return true;
      case 0x0f:  // def_cfa_expression
        row_->cfa_expression = bytes->at();
        bytes->skip(bytes->uleb());
        return true;
      case 0x12:  // def_cfa_sf
        set_cfa_register(bytes->uleb());
        row_->cfa_offset = bytes->sleb() * cie_.data_factor;
        return true;
      case 0x13:  // def_cfa_offset_sf
        row_->cfa_offset = bytes->sleb() * cie_.data_factor;
        return true;
      default:
        return false;
    }
  }
  void set_cfa_register(uint64_t number) {
    row_->cfa_register = static_cast<uint32_t>(number);
    row_->cfa_expression = nullptr;
  }
  bool change_rule(uint8_t op, DwarfBytes* bytes) {
    bool known = (op >= 0x05 && op <= 0x09) || op == 0x10 || op == 0x11 ||
                 (op >= 0x14 && op <= 0x16) || op == 0x2f;
    if (!known) return false;
    uint64_t number = bytes->uleb();
    switch (op) {
      case 0x05:  // offset_extended
        set_offset(number, static_cast<int64_t>(bytes->uleb()), FrameRule::kOffset);
        return true;
      case 0x06:  // restore_extended
        restore(number);
        return true;
      case 0x07:
        set(number, FrameRule::kUndefined);
        return true;
      case 0x08:
        set(number, FrameRule::kSame);
        return true;
      case 0x09:  // register
        set(number, FrameRule::kRegister, static_cast<int64_t>(bytes->uleb()));
        return true;
      case 0x10:  // expression
        set_expression(number, bytes, FrameRule::kExpression);
        return true;
      case 0x11:  // offset_extended_sf
        set_offset(number, bytes->sleb(), FrameRule::kOffset);
        return true;
      case 0x14:  // val_offset
        set_offset(number, static_cast<int64_t>(bytes->uleb()), FrameRule::kValueOffset);
        return true;
      case 0x15:  // val_offset_sf
        set_offset(number, bytes->sleb(), FrameRule::kValueOffset);
        return true;
      case 0x16:  // val_expression
        set_expression(number, bytes, FrameRule::kValue);
        return true;
      default:  // GNU_negative_offset_extended
        set_offset(number, -static_cast<int64_t>(bytes->uleb()), FrameRule::kOffset);
        return true;
    }
  }
  void set_expression(uint64_t number, DwarfBytes* bytes, FrameRule::Kind kind) {
    set(number, kind);
    if (number < arch::kRegisters) row_->expressions[number] = bytes->at();
    bytes->skip(bytes->uleb());
  }
  bool remember_state() {
    if (depth_ == kMostStates) return false;
    states_[depth_++] = compact();
    return true;
  }
  bool restore_state() {
    if (depth_ == 0) return false;
    const State& state = states_[--depth_];
    for (uint32_t i = 0; i < arch::kRegisters; i++) row_->rules[i] = state.rules[i];
    row_->cfa_expression = state.cfa_expression;
    row_->cfa_register = state.cfa_register;
    row_->cfa_offset = state.cfa_offset;
    return true;
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
  DwarfBytes header(table.header, table.end);
  uint64_t version = header.take(1);
  auto frame_encoding = static_cast<uint8_t>(header.take(1));
  auto count_encoding = static_cast<uint8_t>(header.take(1));
  uint64_t table_encoding = header.take(1);
  if (version != 1 || count_encoding == DwarfBytes::kOmit || table_encoding != kSortedTable)
    return nullptr;
  auto base = reinterpret_cast<uintptr_t>(table.header);
  header.pointer(frame_encoding, base);
  uintptr_t count = header.pointer(count_encoding, base);
  const unsigned char* entries = header.at();
  if (count == 0 || count > static_cast<uintptr_t>(table.end - entries) / 8) return nullptr;
  auto at = [&](uintptr_t index, uintptr_t half) {
    return base + static_cast<uintptr_t>(
                      DwarfBytes(entries + 8 * index + 4 * half, table.end).take_signed(4));
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
  DwarfBytes bytes = open_entry(description, table.end);
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

}  // namespace telinject::program
