#include "shim/channel/sampling_rules.h"

#include "shim/channel/settings.h"
#include "shim/channel/text.h"

namespace telinject {

namespace {

constexpr uint64_t kSecondNs = 1000000000;
constexpr uint64_t kMegabyte = 1000000;
constexpr uint64_t kLeastMemory = kMegabyte, kMostMemory = 16000 * kMegabyte;
constexpr uint64_t kLeastWaitNs = kSecondNs / 100, kMostWaitNs = 3600 * kSecondNs;

// A word of the list, as a text of its own.
class Word {
 public:
  // Returns what is behind the word and its comma; null if the word is too long.
  const char* take(const char* list) {
    TextBuffer text(text_, sizeof text_);
    while (*list == ' ') list++;
    begin_ = list;
    while (*list != 0 && *list != ',') text.add(*list++);
    bytes_ = static_cast<size_t>(list - begin_);
    while (bytes_ > 0 && begin_[bytes_ - 1] == ' ') text_[--bytes_] = 0;
    if (text.overflow()) return nullptr;
    return *list == ',' ? list + 1 : list;
  }
  const char* text() const { return text_; }
  // Behind "name="; null if that is not its name.
  const char* value(const char* name) const {
    const char* found = env_value(text_, name);
    return found != nullptr && *found != 0 ? found : nullptr;
  }
  RulesWord after(const char* value) const {
    auto skipped = static_cast<size_t>(value - text_);
    return {begin_ + skipped, bytes_ - skipped};
  }

 private:
  static constexpr size_t kMost = 256;
  char text_[kMost];
  const char* begin_ = nullptr;
  size_t bytes_ = 0;
};

bool parse_memory(const char* text, uint64_t* bytes) {
  return parse_size(text, bytes) && *bytes >= kLeastMemory && *bytes <= kMostMemory;
}

// "p99", "p99.9": 1/100,000.
bool parse_rank(const char* text, uint64_t* rank) {
  if (text[0] != 'p') return false;
  uint64_t whole;
  const char* p = parse_number(text + 1, &whole);
  if (p == nullptr || whole > 99) return false;
  uint64_t unit = 1000;
  *rank = whole * unit;
  if (*p == '.') {
    for (p++; *p >= '0' && *p <= '9' && unit >= 10; p++) {
      unit /= 10;
      *rank += static_cast<uint64_t>(*p - '0') * unit;
    }
  }
  return *p == 0 && *rank > 0;
}

bool take_tail_word(const Word& word, TailRules* out) {
  if (text_equal(word.text(), "errors")) return out->errors = true;
  if (const char* slow = word.value("slow")) {
    if (parse_rank(slow, &out->slow_rank)) return true;
    return out->slow = parse_duration(slow, &out->slow_ns);
  }
  if (const char* rate = word.value("rate")) return parse_rate(rate, &out->rate);
  if (const char* wait = word.value("wait")) {
    return parse_duration(wait, &out->wait_ns) && out->wait_ns >= kLeastWaitNs &&
           out->wait_ns <= kMostWaitNs;
  }
  if (const char* memory = word.value("memory")) return parse_memory(memory, &out->memory_bytes);
  const char* root = word.value("roots");
  if (root == nullptr || out->root_count == TailRules::kMostRoots) return false;
  out->roots[out->root_count++] = word.after(root);
  return true;
}

bool take_recorder_word(const Word& word, RecorderRules* out, bool* triggers) {
  const char* slow = word.value("slow");
  bool trigger = true;
  if (text_equal(word.text(), "errors")) {
    out->errors = true;
  } else if (text_equal(word.text(), "crash")) {
    out->crashes = true;
  } else if (text_equal(word.text(), "slow")) {
    out->slow = true;  // than TELEMETRY_HTTP_SLOW
  } else if (slow != nullptr) {
    if (!parse_duration(slow, &out->slow_ns) || out->slow_ns == 0) return false;
    out->slow = true;
  } else if (!text_equal(word.text(), "asked")) {
    trigger = false;
  }
  *triggers = *triggers || trigger;
  if (trigger) return true;
  if (parse_duration(word.text(), &out->keep_ns) && out->keep_ns != 0) return true;
  return parse_memory(word.text(), &out->memory_bytes);
}

template <typename Take>
bool each_word(const char* text, Take take) {
  if (*text == 0) return false;
  for (const char* left = text;;) {
    Word word;
    const char* next = word.take(left);
    if (next == nullptr || !take(word)) return false;
    if (*next == 0) return next == left || next[-1] != ',';
    left = next;
  }
}

}  // namespace

bool parse_tail_rules(const char* text, TailRules* out) {
  *out = {};
  out->wait_ns = 30 * kSecondNs;
  out->memory_bytes = 64 * kMegabyte;
  bool good = each_word(text, [&](const Word& word) { return take_tail_word(word, out); });
  return good && (out->errors || out->slow || out->slow_rank != 0 || out->rate != 0);
}

bool parse_recorder_rules(const char* text, RecorderRules* out) {
  *out = {};
  out->memory_bytes = 64 * kMegabyte;
  bool triggers = false;
  bool good =
      each_word(text, [&](const Word& word) { return take_recorder_word(word, out, &triggers); });
  if (!triggers) out->errors = out->crashes = out->slow = true;
  return good;
}

}  // namespace telinject
