#include "shim/delivery/batch_bytes.h"

#include <cstring>

namespace telinject::delivery {

namespace {

template <typename Value>
void append_values(const std::vector<Value>& values, std::string* bytes) {
  append_text({reinterpret_cast<const char*>(values.data()), values.size() * sizeof(Value)}, bytes);
}

template <typename Value>
bool take_values(std::string_view* bytes, std::vector<Value>* values) {
  std::string_view text;
  if (!take_text(bytes, &text) || text.size() % sizeof(Value) != 0) return false;
  values->resize(text.size() / sizeof(Value));
  if (!text.empty()) std::memcpy(values->data(), text.data(), text.size());
  return true;
}

bool is_sound(const Batch& batch) {
  uint32_t before = 0;
  for (uint32_t end : batch.ends) {
    if (end < before) return false;
    before = end;
  }
  return before == batch.encoded.size() && batch.traces.size() == batch.size() &&
         (batch.groups.empty() || batch.groups.size() == batch.size());
}

}  // namespace

void append_number(uint64_t number, std::string* bytes) {
  bytes->append(reinterpret_cast<const char*>(&number), sizeof number);
}

void append_text(std::string_view text, std::string* bytes) {
  append_number(text.size(), bytes);
  bytes->append(text);
}

bool take_number(std::string_view* bytes, uint64_t* number) {
  if (bytes->size() < sizeof *number) return false;
  std::memcpy(number, bytes->data(), sizeof *number);
  bytes->remove_prefix(sizeof *number);
  return true;
}

bool take_text(std::string_view* bytes, std::string_view* text) {
  uint64_t size;
  if (!take_number(bytes, &size) || size > bytes->size()) return false;
  *text = bytes->substr(0, size);
  bytes->remove_prefix(size);
  return true;
}

void append_batch(const Batch& batch, std::string* bytes) {
  append_values(batch.ends, bytes);
  append_values(batch.traces, bytes);
  append_values(batch.groups, bytes);
  append_text(batch.encoded, bytes);
}

std::optional<Batch> read_batch(std::string_view bytes) {
  Batch batch;
  std::string_view encoded;
  bool whole = take_values(&bytes, &batch.ends) && take_values(&bytes, &batch.traces) &&
               take_values(&bytes, &batch.groups) && take_text(&bytes, &encoded);
  if (!whole || !bytes.empty()) return std::nullopt;
  batch.encoded = encoded;
  if (!is_sound(batch)) return std::nullopt;
  return batch;
}

}  // namespace telinject::delivery
