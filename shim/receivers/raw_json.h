// The members of a JSON object as they are written, without parsing their values: events are turned
// into other documents by copying, at the speed of reading them.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace telinject::receivers {

// Refers to the text, which may be any bytes. Text that is not an object has no members; a damaged
// object has the members before the damage.
class RawObject {
 public:
  explicit RawObject(std::string_view text);

  // A member's value as it is written: `"text"` with its quotes and escapes, `12`, `{...}`. "" if
  // there is none, or it is null. `name` without escapes.
  std::string_view get(std::string_view name) const;
  RawObject object(std::string_view name) const { return RawObject(get(name)); }
  // Names and values; names without quotes, as they are escaped.
  const std::vector<std::pair<std::string_view, std::string_view>>& members() const {
    return members_;
  }

 private:
  std::vector<std::pair<std::string_view, std::string_view>> members_;
};

// The content of a string, without its quotes; "" if the value is not a string.
std::string_view within_quotes(std::string_view value);
// Whether a value is `"wanted"`.
bool is_text(std::string_view value, std::string_view wanted);

// Writes nested objects from dotted names. Names with a common prefix must follow each other:
// "a.b", "a.c.d", "a.c.e", "f".
class NestedWriter {
 public:
  explicit NestedWriter(std::string* out) : out_(out) {}
  // Writes nothing for an empty value.
  void put(std::string_view name, std::string_view value);
  // Writes an array with that one value.
  void put_array(std::string_view name, std::string_view value);
  void put_text(std::string_view name, std::string_view plain);  // that needs no escapes
  void end();

 private:
  void name(std::string_view name);
  void comma();

  std::string* out_;
  std::vector<std::string_view> open_;
  bool first_ = true, begun_ = false;
};

}  // namespace telinject::receivers
