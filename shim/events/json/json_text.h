// Writes the JSON text of events. Documents (metadata, configuration) use nlohmann_json.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>

#include "shim/events/event.h"

namespace telinject {

// A text that grows. Clearing it keeps its memory.
//
// One rule for commas: members each end in one, and end_members() takes the last one off.
class JsonText {
 public:
  void clear() { size_ = 0; }
  std::string_view view() const { return {bytes_.get(), size_}; }

  // As it is.
  JsonText& raw(std::string_view text) {
    char* out = room(text.size());
    if (!text.empty()) std::memcpy(out, text.data(), text.size());
    size_ += text.size();
    return *this;
  }
  // Appends a string's content with JSON escapes, without quotes. Bytes that are not UTF-8 become
  // U+FFFD, one for each maximal subpart (Unicode standard, section 3.9).
  JsonText& escaped(std::string_view text);

  // `"name":"value",`, `"name":number,`, and `"name":{"content-type":"text/html",...},`. `name` is
  // one of ours and needs no escapes; values and the names in an object get theirs.
  void member(std::string_view name, std::string_view value);
  void member(std::string_view name, uint64_t value);
  void member(const Attribute& attribute);
  void object(std::string_view name, const NameValues& values);
  void end_members() {
    if (size_ > 0 && bytes_[size_ - 1] == ',') size_--;
  }

 private:
  char* room(size_t bytes) {
    if (size_ + bytes > capacity_) grow(bytes);
    return bytes_.get() + size_;
  }
  void grow(size_t bytes);
  void name_of_member(std::string_view name);

  std::unique_ptr<char[]> bytes_;
  size_t size_ = 0, capacity_ = 0;
};

// JsonText::escaped's text alone.
std::string json_escaped(std::string_view text);

// Foreign JSON text: control characters that a terminal would act on are escaped, too.
std::string with_terminal_escapes(std::string_view json);

}  // namespace telinject
