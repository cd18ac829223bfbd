// Attributes of a span, a span event, a log record or a resource, in OTLP's encoding.
//
// Names and texts become valid UTF-8 of bounded length; a name occurs once, and the value that was
// set last counts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "shim/events/event.h"
#include "shim/events/otlp/proto_fields.h"

namespace telinject::otlp {

inline constexpr size_t kMostTextBytes = 4096;
inline constexpr size_t kMostNameBytes = 256;
inline constexpr size_t kMostAttributes = 128;

class AttributeSet {
 public:
  void clear() { all_.clear(); }
  bool empty() const { return all_.empty(); }
  size_t bytes() const;  // in memory, about
  // Empty texts are values, too.
  void text(std::string_view name, std::string_view value);
  void texts(std::string_view name, const std::vector<std::string_view>& values);
  void number(std::string_view name, int64_t value);
  void count(std::string_view name, uint64_t value);  // what is too large becomes the largest
  void real(std::string_view name, double value);
  void truth(std::string_view name, bool value);
  void value(std::string_view name, const AttributeValue& value);
  // Appends them as fields `tag` of a message, kMostAttributes at most. Returns how many it left
  // out.
  uint32_t append_to(std::string* message, field::Tag tag) const;

  // For a drain that goes on with what is open: all of them, and back. False if it is none.
  std::string save() const;
  bool restore(std::string_view saved);

 private:
  std::string* slot(std::string_view name);

  std::vector<std::pair<std::string, std::string>> all_;  // names, and encoded AnyValues
};

// A text as an AnyValue.
std::string text_value(std::string_view text);

}  // namespace telinject::otlp
