#include "shim/events/otlp/attribute_set.h"

#include <algorithm>
#include <limits>
#include <protozero/pbf_reader.hpp>
#include <protozero/pbf_writer.hpp>

#include "shim/events/utf8.h"

namespace telinject::otlp {

namespace {

using protozero::pbf_reader;
using protozero::pbf_writer;

std::string clean(std::string_view text, size_t most_bytes) {
  std::string valid;
  append_utf8(&valid, text, most_bytes);
  return valid;
}

std::string int_value(int64_t number) {
  std::string value;
  pbf_writer(value).add_int64(field::any_value::kInt, number);
  return value;
}

void append_key_value(std::string* message, field::Tag tag, std::string_view name,
                      std::string_view value) {
  pbf_writer outer(*message);
  pbf_writer key_value(outer, tag);
  key_value.add_string(field::key_value::kKey, name.data(), name.size());
  key_value.add_message(field::key_value::kValue, value.data(), value.size());
}

}  // namespace

std::string text_value(std::string_view text) {
  std::string value;
  pbf_writer(value).add_string(field::any_value::kString, clean(text, kMostTextBytes));
  return value;
}

std::string* AttributeSet::slot(std::string_view name) {
  auto found = std::find_if(all_.begin(), all_.end(),
                            [&](const auto& attribute) { return attribute.first == name; });
  if (found == all_.end()) return &all_.emplace_back(name, std::string()).second;
  found->second.clear();
  return &found->second;
}

void AttributeSet::text(std::string_view name, std::string_view value) {
  *slot(clean(name, kMostNameBytes)) = text_value(value);
}

void AttributeSet::texts(std::string_view name, const std::vector<std::string_view>& values) {
  std::string* encoded = slot(clean(name, kMostNameBytes));
  pbf_writer value(*encoded);
  pbf_writer array(value, field::any_value::kArray);
  for (std::string_view one : values) {
    array.add_message(field::any_value::kArrayValues, text_value(one));
  }
}

void AttributeSet::number(std::string_view name, int64_t value) {
  *slot(name) = int_value(value);
}

void AttributeSet::count(std::string_view name, uint64_t value) {
  constexpr uint64_t kMost = std::numeric_limits<int64_t>::max();
  number(name, static_cast<int64_t>(std::min(value, kMost)));
}

void AttributeSet::real(std::string_view name, double value) {
  pbf_writer(*slot(name)).add_double(field::any_value::kDouble, value);
}

void AttributeSet::truth(std::string_view name, bool value) {
  pbf_writer(*slot(name)).add_bool(field::any_value::kBool, value);
}

void AttributeSet::value(std::string_view name, const AttributeValue& value) {
  if (const auto* words = std::get_if<std::string_view>(&value)) {
    text(name, *words);
  } else if (const auto* signed_number = std::get_if<int64_t>(&value)) {
    number(name, *signed_number);
  } else if (const auto* unsigned_number = std::get_if<uint64_t>(&value)) {
    count(name, *unsigned_number);
  } else if (const auto* yes = std::get_if<bool>(&value)) {
    truth(name, *yes);
  } else {
    // In milliseconds, as v3 has it.
    constexpr double kUsPerMs = 1000;
    auto us = std::get<std::chrono::microseconds>(value).count();
    real(name, static_cast<double>(us) / kUsPerMs);
  }
}

size_t AttributeSet::bytes() const {
  size_t bytes = 0;
  for (const auto& attribute : all_) {
    bytes += sizeof attribute + attribute.first.size() + attribute.second.size();
  }
  return bytes;
}

uint32_t AttributeSet::append_to(std::string* message, field::Tag tag) const {
  size_t kept = std::min(all_.size(), kMostAttributes);
  for (size_t i = 0; i < kept; i++) append_key_value(message, tag, all_[i].first, all_[i].second);
  return static_cast<uint32_t>(all_.size() - kept);
}

std::string AttributeSet::save() const {
  std::string saved;
  for (const auto& [name, value] : all_) {
    append_key_value(&saved, field::resource::kAttributes, name, value);
  }
  return saved;
}

// What is kept is copied as it is: whether it is sound shows where it is decoded.
bool AttributeSet::restore(std::string_view saved) {
  clear();
  try {
    pbf_reader reader(saved.data(), saved.size());
    while (reader.next()) {
      if (reader.tag() != field::resource::kAttributes) return false;
      pbf_reader attribute = reader.get_message();
      std::string name, value;
      while (attribute.next()) {
        (attribute.tag() == field::key_value::kKey ? name : value) = attribute.get_string();
      }
      *slot(clean(name, kMostNameBytes)) = value;
    }
  } catch (const protozero::exception&) {
    return false;
  }
  return true;
}

}  // namespace telinject::otlp
