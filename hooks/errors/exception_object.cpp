#include "hooks/errors/exception_object.h"

#include "hooks/errors/error_records.h"
#include "hooks/errors/what_interpreter.h"
#include "shim/channel/text.h"

namespace telinject::program {

namespace {

// Exception classes, as integers; the last byte is 1 for a dependent exception, one that
// std::rethrow_exception made to refer to another.
constexpr uint64_t kGnu = 0x474e5543432b2b00, kLlvm = 0x434c4e47432b2b00;

// From the unwinder's header: __cxa_exception lies before it, the thrown object behind it.
constexpr uintptr_t kHeaderBytes = 32;
constexpr uintptr_t kTypeBefore = 80, kLlvmPrimaryBefore = 88;

uintptr_t word_at(uintptr_t address) {
  return *reinterpret_cast<const uintptr_t*>(address);
}

// A std::type_info: a vtable, a name; and for classes, their bases.
class TypeInfo {
 public:
  explicit TypeInfo(uintptr_t address) : address_(address) {}

  const char* name() const {
    auto* name = reinterpret_cast<const char*>(word_at(address_ + 8));
    return *name == '*' ? name + 1 : name;  // libstdc++: of a type with internal linkage
  }
  // The name of the type_info's own class: the same in every copy of the runtime.
  const char* kind() const {
    uintptr_t own = word_at(word_at(address_) - 8);
    return own != 0 ? TypeInfo(own).name() : "";
  }
  bool is_single() const { return text_equal(kind(), "N10__cxxabiv120__si_class_type_infoE"); }
  bool is_multiple() const { return text_equal(kind(), "N10__cxxabiv121__vmi_class_type_infoE"); }
  TypeInfo base() const { return TypeInfo(word_at(address_ + 16)); }
  uint32_t base_count() const { return *reinterpret_cast<const uint32_t*>(address_ + 20); }
  struct Base {
    uintptr_t type;
    long flags;  // offset << 8 | public 2 | virtual 1
  };
  const Base* bases() const { return reinterpret_cast<const Base*>(address_ + 24); }

 private:
  uintptr_t address_;
};

// The std::exception in an object, by its public bases; 0 if there is none.
uintptr_t find_std_exception(TypeInfo type, uintptr_t object, int depth) {
  constexpr int kMostLevels = 16;
  if (text_equal(type.name(), "St9exception")) return object;
  if (depth == kMostLevels) return 0;
  if (type.is_single()) return find_std_exception(type.base(), object, depth + 1);
  if (!type.is_multiple()) return 0;
  for (uint32_t i = 0; i < type.base_count(); i++) {
    const TypeInfo::Base& base = type.bases()[i];
    if ((base.flags & 2) == 0) continue;
    long offset = base.flags >> 8;
    if ((base.flags & 1) != 0) offset = static_cast<long>(word_at(word_at(object) + offset));
    uintptr_t found = find_std_exception(TypeInfo(base.type), object + offset, depth + 1);
    if (found != 0) return found;
  }
  return 0;
}

bool is_integer(const char* type, size_t* bytes, bool* is_signed) {
  if (type[0] == 0 || type[1] != 0) return false;
  constexpr char kNames[] = "bcahstijlmxy";
  constexpr uint8_t kBytes[] = {1, 1, 1, 1, 2, 2, 4, 4, 8, 8, 8, 8};
  constexpr bool kSigned[] = {false, true,  true, false, true, false,
                              true,  false, true, false, true, false};
  for (size_t i = 0; kNames[i] != 0; i++) {
    if (kNames[i] != type[0]) continue;
    *bytes = kBytes[i];
    *is_signed = kSigned[i];
    return true;
  }
  return false;
}

// Writes the value of an exception that is no std::exception: an integer, or a text.
void inspect_value(uintptr_t object, ExceptionObject* thrown, char* text, size_t capacity) {
  size_t bytes;
  bool is_signed;
  if (is_integer(thrown->type, &bytes, &is_signed)) {
    uint64_t value = 0;
    for (size_t i = bytes; i-- > 0;) {
      value = value << 8 | *reinterpret_cast<const unsigned char*>(object + i);
    }
    uint32_t unused = static_cast<uint32_t>(64 - 8 * bytes);
    if (is_signed) value = static_cast<uint64_t>(static_cast<int64_t>(value << unused) >> unused);
    TextBuffer out(text, capacity);
    if (is_signed && static_cast<int64_t>(value) < 0) {
      out.add('-');
      value = ~value + 1;
    }
    out.number(value);
    thrown->text_bytes = text_length(text);
    thrown->has_text = true;
    return;
  }
  bool pointer = text_equal(thrown->type, "PKc") || text_equal(thrown->type, "Pc");
  bool string = text_equal(thrown->type, "NSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEE");
  if (!pointer && !string) return;
  thrown->text_bytes = copy_string(word_at(object), text, capacity);
  thrown->has_text = thrown->text_bytes > 0;
}

}  // namespace

ExceptionObject inspect_exception(const void* exception, char* text, size_t capacity) {
  ExceptionObject thrown;
  auto header = reinterpret_cast<uintptr_t>(exception);
  uint64_t runtime = word_at(header);
  bool llvm = (runtime & ~uint64_t{0xff}) == kLlvm;
  if (!llvm && (runtime & ~uint64_t{0xff}) != kGnu) {
    thrown.foreign = true;
    return thrown;
  }
  uintptr_t object = header + kHeaderBytes;
  if ((runtime & 0xff) != 0) {
    object = word_at(header - (llvm ? kLlvmPrimaryBefore : kTypeBefore));
    header = object - kHeaderBytes;
  }
  TypeInfo type(word_at(header - kTypeBefore));
  thrown.type = type.name();
  uintptr_t standard = find_std_exception(type, object, 0);
  if (standard == 0) {
    inspect_value(object, &thrown, text, capacity);
  } else if (uintptr_t said = read_what(standard)) {
    thrown.text_bytes = copy_string(said, text, capacity);
    thrown.has_text = true;
  }
  return thrown;
}

}  // namespace telinject::program
