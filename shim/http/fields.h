// Header fields, and the form in which they wait in a digest (digest.h):
//
//   { u16 bytes of the name, u16 bytes of the value, name, value }, one behind the other
//
// What is no field of its own has a name with a colon: ":method", ":target" and ":version" of an
// HTTP/1 request line, ":status", and HTTP/2's pseudo headers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace telinject {

struct HttpField {
  std::string_view name, value;
};

// Of a digest's fields: what an event shall carry at most.
inline constexpr size_t kMaxFieldsBytes = 16 * 1024;

class FieldWriter {
 public:
  // Appends to `out`; keeps it within kMaxFieldsBytes. False if the field did not fit or is none.
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

// Takes the next field off. False at the end, or where the bytes make no sense.
bool next_field(std::string_view* bytes, HttpField* field);

// The first field of that name, lower case; nullptr data if there is none.
std::string_view find_field(std::string_view bytes, std::string_view lower_name);

// A token of RFC 9110: methods and field names.
bool is_http_token(std::string_view text);
bool same_letters(std::string_view a, std::string_view b);  // of the same length
inline bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return a.size() == b.size() && same_letters(a, b);
}

}  // namespace telinject
