// Header fields, and their encoding in a digest (digest.h):
//
//   { u16 bytes of the name, u16 bytes of the value, name, value }, one behind the other
//
// Names with a colon are not real fields: ":method", ":target" and ":version" of an HTTP/1 request
// line, ":status", and HTTP/2's pseudo headers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace telinject {

struct HttpField {
  std::string_view name, value;
};

// The most fields of a digest that an event carries.
inline constexpr size_t kMaxFieldsBytes = 16 * 1024;

class FieldWriter {
 public:
  // Appends to `out`, up to kMaxFieldsBytes. False if the field is invalid or does not fit.
  explicit FieldWriter(std::string* out) : out_(out), start_(out->size()) {}

  bool add(std::string_view name, std::string_view value);
  // True if something was left out.
  bool cut() const { return cut_; }
  size_t size() const { return out_->size() - start_; }

 private:
  std::string* out_;
  size_t start_;
  bool cut_ = false;
};

// Removes and returns the next field. False at the end, or if the bytes are malformed.
bool next_field(std::string_view* bytes, HttpField* field);

// The first field of that name, lower case; nullptr data if there is none.
std::string_view find_field(std::string_view bytes, std::string_view lower_name);

// Of ASCII.
char lower_letter(char c);

// A token of RFC 9110: methods and field names.
bool is_http_token(std::string_view text);
bool same_letters(std::string_view a, std::string_view b);  // of the same length
inline bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return a.size() == b.size() && same_letters(a, b);
}

}  // namespace telinject
