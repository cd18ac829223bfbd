// Values to bytes and back, for the state that one processor leaves to another
// (processor_state.cpp).
//
// A class says once what it consists of, for both directions:
//
//   template <typename Archive> void io(Archive& a) { a(name_, frames_, number_); }
//
// Pointers are passed as numbers: what is pointed to is enrolled first, in the same order on both
// sides. Little-endian, as x86-64 lays values out; the same release reads what it wrote.
//
// What is read may be anything: after the end, or a count or number that cannot be, good() is false
// and all that follows is zero or empty. The state is of no use then.
#pragma once

#include <cstdint>
#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/base/config.h"
#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_map.h"

namespace telinject::drain {

// Reminds those who add a member to a class. Sizes are known for certain libraries only.
template <size_t actual, size_t known>
constexpr bool is_as_known() {
#if defined(__GLIBCXX__) && defined(__x86_64__) && ABSL_LTS_RELEASE_VERSION == 20220623
  static_assert(actual == known, "something was added to it: is it in its io()?");
#endif
  return true;
}

template <typename Self>
class Archive {
 public:
  template <typename... Values>
  void operator()(Values&... values) {
    (io(values), ...);
  }

 protected:
  template <typename T>
  void io(T& value) {
    if constexpr (requires { value.io(self()); }) {
      value.io(self());
    } else {
      static_assert(std::is_trivially_copyable_v<T> && !std::is_pointer_v<T>);
      self().raw(&value, sizeof value);
    }
  }
  // Any byte may come, and not any is a bool.
  void io(bool& value) {
    uint8_t byte = value;
    io(byte);
    value = byte != 0;
  }
  void io(std::string& text) {
    uint64_t size = self().count(text.size());
    if (Self::kReads) text.resize(size);
    self().raw(text.data(), text.size());
  }
  template <typename T>
  void io(std::vector<T>& all) {
    list(all);
  }
  template <typename T>
  void io(std::deque<T>& all) {
    list(all);
  }
  template <typename T>
  void io(std::set<T>& all) {
    std::vector<T> list(all.begin(), all.end());
    io(list);
    if (Self::kReads) all = std::set<T>(list.begin(), list.end());
  }
  template <typename K, typename V>
  void io(std::map<K, V>& all) {
    table(all);
  }
  template <typename K, typename V>
  void io(absl::flat_hash_map<K, V>& all) {
    table(all);
  }
  template <typename K, typename V>
  void io(absl::btree_map<K, V>& all) {
    table(all);
  }
  template <typename A, typename B>
  void io(std::pair<A, B>& both) {
    io(both.first);
    io(both.second);
  }
  template <typename T>
  void io(std::optional<T>& value) {
    uint8_t there = value.has_value();
    io(there);
    if (Self::kReads) value = there != 0 ? std::optional<T>(std::in_place) : std::nullopt;
    if (value.has_value()) io(*value);
  }

 private:
  Self& self() { return static_cast<Self&>(*this); }

  template <typename List>
  void list(List& all) {
    uint64_t size = self().count(all.size());
    if constexpr (Self::kReads) {
      all.clear();
      for (uint64_t i = 0; i < size && self().good(); i++) io(all.emplace_back());
    } else {
      for (auto& each : all) io(each);
    }
  }
  template <typename Table>
  void table(Table& all) {
    uint64_t size = self().count(all.size());
    if constexpr (Self::kReads) {
      all.clear();
      for (uint64_t i = 0; i < size && self().good(); i++) {
        typename Table::key_type key = {};
        io(key);
        io(all[key]);
      }
    } else {
      for (auto& [key, value] : all) {
        auto copy = key;
        io(copy);
        io(value);
      }
    }
  }
};

class ArchiveWriter : public Archive<ArchiveWriter> {
 public:
  static constexpr bool kReads = false;

  void raw(const void* data, size_t bytes) { text_.append(static_cast<const char*>(data), bytes); }
  uint64_t count(uint64_t count) {
    raw(&count, sizeof count);
    return count;
  }
  void fail() {}
  bool good() const { return true; }

  void enroll(const void* pointer) {
    uint32_t number = static_cast<uint32_t>(numbers_.size()) + 1;
    numbers_.emplace(pointer, number);
  }
  // Also as a Base, which is its first one.
  template <typename Base, typename T>
  void enroll_as(T* pointer) {
    enroll(static_cast<Base*>(pointer));
  }
  template <typename T>
  void refer(T*& pointer) {
    auto found = numbers_.find(pointer);
    uint32_t number = found != numbers_.end() ? found->second : 0;
    raw(&number, sizeof number);
  }

  std::string take() { return std::move(text_); }

 private:
  std::string text_;
  absl::flat_hash_map<const void*, uint32_t> numbers_;
};

class ArchiveReader : public Archive<ArchiveReader> {
 public:
  static constexpr bool kReads = true;

  explicit ArchiveReader(std::string_view text) : text_(text) {}

  void raw(void* data, size_t bytes) {
    if (bytes > text_.size()) fail();
    size_t there = good_ ? bytes : 0;
    if (there != 0) std::memcpy(data, text_.data(), there);
    if (bytes > there) std::memset(data, 0, bytes);
    text_.remove_prefix(there);
  }
  // How many follow, of things that take a byte each at least.
  uint64_t count(uint64_t) {
    uint64_t count;
    raw(&count, sizeof count);
    if (count > text_.size()) fail();
    return good_ ? count : 0;
  }
  void fail() {
    good_ = false;
    text_ = {};
  }
  bool good() const { return good_; }
  bool at_end() const { return text_.empty(); }

  template <typename T>
  void enroll(T* pointer) {
    pointers_.push_back({const_cast<std::remove_const_t<T>*>(pointer), kind<T>()});
  }
  template <typename Base, typename T>
  void enroll_as(T* pointer) {
    pointers_.push_back({pointer, kind<T>(), static_cast<Base*>(pointer), kind<Base>()});
  }
  template <typename T>
  void refer(T*& pointer) {
    uint32_t number;
    raw(&number, sizeof number);
    pointer = nullptr;
    if (number == 0) return;
    if (number > pointers_.size()) return fail();
    const Enrolled& found = pointers_[number - 1];
    void* there = found.kind == kind<T>()        ? found.pointer
                  : found.base_kind == kind<T>() ? found.base
                                                 : nullptr;
    if (there == nullptr) return fail();
    pointer = static_cast<std::remove_const_t<T>*>(there);
  }

 private:
  // One address for each type.
  template <typename T>
  static const void* kind() {
    static const char here = 0;
    if constexpr (std::is_const_v<T>) {
      return kind<std::remove_const_t<T>>();
    } else {
      return &here;
    }
  }

  std::string_view text_;
  bool good_ = true;
  struct Enrolled {
    void* pointer;
    const void* kind;
    void* base = nullptr;
    const void* base_kind = nullptr;
  };
  std::vector<Enrolled> pointers_;
};

}  // namespace telinject::drain
