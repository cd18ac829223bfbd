#include "shim/receivers/raw_json.h"

#include <algorithm>
#include <cstring>

namespace telinject::receivers {

namespace {

// Each takes the position of its first byte and returns that behind its last one; npos if it does
// not end.
constexpr size_t kNone = std::string_view::npos;

size_t end_of_string(std::string_view text, size_t at) {
  for (at++; at < text.size(); at++) {
    if (text[at] == '"') return at + 1;
    if (text[at] == '\\') at++;
  }
  return kNone;
}

size_t end_of_nested(std::string_view text, size_t at) {
  size_t depth = 0;
  while (at < text.size()) {
    char c = text[at];
    if (c == '"') {
      at = end_of_string(text, at);
      if (at == kNone) return kNone;
      continue;
    }
    at++;
    if (c == '{' || c == '[') depth++;
    if ((c == '}' || c == ']') && --depth == 0) return at;
  }
  return kNone;
}

size_t end_of_value(std::string_view text, size_t at) {
  if (at >= text.size()) return kNone;
  if (text[at] == '"') return end_of_string(text, at);
  if (text[at] == '{' || text[at] == '[') return end_of_nested(text, at);
  size_t end = text.find_first_of(",}] \t\r\n", at);
  return end == at ? kNone : end;
}

size_t skip_space(std::string_view text, size_t at) {
  while (at < text.size() &&
         (text[at] == ' ' || text[at] == '\t' || text[at] == '\r' || text[at] == '\n')) {
    at++;
  }
  return at;
}

}  // namespace

RawObject::RawObject(std::string_view text) {
  constexpr size_t kUsual = 28;
  size_t at = skip_space(text, 0);
  if (at >= text.size() || text[at] != '{') return;
  members_.reserve(kUsual);
  at = skip_space(text, at + 1);
  while (at < text.size() && text[at] == '"') {
    size_t name_end = end_of_string(text, at);
    if (name_end == kNone) return;
    std::string_view name = text.substr(at + 1, name_end - at - 2);
    at = skip_space(text, name_end);
    if (at >= text.size() || text[at] != ':') return;
    at = skip_space(text, at + 1);
    size_t end = end_of_value(text, at);
    if (end == kNone) return;
    members_.emplace_back(name, text.substr(at, end - at));
    at = skip_space(text, end);
    if (at >= text.size() || text[at] != ',') return;
    at = skip_space(text, at + 1);
  }
}

std::string_view RawObject::get(std::string_view name) const {
  for (const auto& [key, value] : members_) {
    if (key == name) return value == "null" ? std::string_view() : value;
  }
  return {};
}

std::string_view within_quotes(std::string_view value) {
  if (value.size() < 2 || value.front() != '"') return {};
  return value.substr(1, value.size() - 2);
}

bool is_text(std::string_view value, std::string_view wanted) {
  return !value.empty() && value.front() == '"' && within_quotes(value) == wanted;
}

void NestedWriter::comma() {
  if (!begun_) out_->push_back('{');
  begun_ = true;
  if (!first_) out_->push_back(',');
  first_ = false;
}

void NestedWriter::name(std::string_view name) {
  std::vector<std::string_view> path;
  for (size_t dot; (dot = name.find('.')) != std::string_view::npos; name.remove_prefix(dot + 1)) {
    path.push_back(name.substr(0, dot));
  }
  size_t common = 0;
  while (common < path.size() && common < open_.size() && path[common] == open_[common]) common++;
  for (; open_.size() > common; open_.pop_back()) {
    out_->push_back('}');
    first_ = false;
  }
  auto put_name = [&](std::string_view part) {
    comma();
    out_->append("\"").append(part).append("\":");
  };
  for (size_t i = common; i < path.size(); i++) {
    put_name(path[i]);
    out_->push_back('{');
    open_.push_back(path[i]);
    first_ = true;
  }
  put_name(name);
}

void NestedWriter::put(std::string_view name, std::string_view value) {
  if (value.empty()) return;
  this->name(name);
  out_->append(value);
}

void NestedWriter::put_array(std::string_view name, std::string_view value) {
  if (value.empty()) return;
  this->name(name);
  out_->append("[").append(value).append("]");
}

void NestedWriter::put_text(std::string_view name, std::string_view plain) {
  if (plain.empty()) return;
  this->name(name);
  out_->append("\"").append(plain).append("\"");
}

void NestedWriter::end() {
  if (!begun_) out_->push_back('{');
  out_->append(open_.size() + 1, '}');
  open_.clear();
}

}  // namespace telinject::receivers
