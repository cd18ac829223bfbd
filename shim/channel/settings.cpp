#include "shim/channel/settings.h"

#include "shim/channel/printable.h"
#include "shim/channel/sampling_rules.h"
#include "shim/channel/text.h"

namespace telinject {

const Setting kSettings[kSettingCount] = {
#define SETTING(id, ...) {id, __VA_ARGS__},
#include "shim/channel/settings.def"
#undef SETTING
};

namespace {

constexpr size_t kShownBytes = 100;  // of a value that makes no sense

bool equal_ignoring_case(const char* a, const char* b) {
  auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  while (*a != 0 && lower(*a) == lower(*b)) a++, b++;
  return lower(*a) == lower(*b);
}

bool parse_bool(const char* text, uint64_t* value) {
  for (const char* word : {"true", "1", "yes", "on"}) {
    if (equal_ignoring_case(text, word)) return *value = 1, true;
  }
  for (const char* word : {"false", "0", "no", "off"}) {
    if (equal_ignoring_case(text, word)) return *value = 0, true;
  }
  return false;
}

}  // namespace

// A decimal fraction from 0 to 1, to nine digits: no exponent, no sign, no locale. Only zero itself
// means off, so the least rate above it is a billionth.
bool parse_rate(const char* text, uint64_t* value) {
  uint64_t whole = 0, fraction = 0;
  const char* p = text;
  bool digits = false, above_zero = false;
  for (; *p >= '0' && *p <= '9'; p++, digits = true) {
    whole = whole * 10 + static_cast<uint64_t>(*p - '0');
    if (whole > 1) return false;
  }
  if (*p == '.') {
    p++;
    uint64_t unit = kRateOne;
    for (; *p >= '0' && *p <= '9'; p++, digits = true) {
      unit /= 10;
      above_zero = above_zero || *p != '0';
      fraction += unit * static_cast<uint64_t>(*p - '0');
    }
  }
  uint64_t rate = whole * kRateOne + fraction;
  if (rate == 0 && above_zero) rate = 1;
  if (*p != 0 || !digits || rate > kRateOne) return false;
  return *value = rate, true;
}

// "10us", "1.5ms", "0": a decimal fraction and ns, us, ms or s; in nanoseconds, cut.
bool parse_duration(const char* text, uint64_t* value) {
  uint64_t whole = 0;
  const char* p = parse_number(text, &whole);
  if (p == nullptr) return false;
  const char* fraction = p;
  if (*p == '.') {
    fraction = ++p;
    while (*p >= '0' && *p <= '9') p++;
    if (p == fraction) return false;
  }
  uint64_t unit = text_equal(p, "ns")   ? 1
                  : text_equal(p, "us") ? 1000
                  : text_equal(p, "ms") ? 1000000
                  : text_equal(p, "s")  ? 1000000000
                                        : 0;
  if (unit == 0) {
    if (*p != 0 || whole != 0 || fraction != p) return false;
    return *value = 0, true;
  }
  constexpr uint64_t kMax = uint64_t{1} << 62;
  if (whole > kMax / unit) return false;
  uint64_t ns = whole * unit;
  for (uint64_t part = unit / 10; fraction != p && *fraction >= '0' && *fraction <= '9' && part > 0;
       fraction++, part /= 10) {
    ns += part * static_cast<uint64_t>(*fraction - '0');
  }
  return *value = ns, true;
}

bool parse_size(const char* text, uint64_t* bytes) {
  uint64_t number;
  const char* unit = parse_number(text, &number);
  if (unit == nullptr) return false;
  uint64_t factor = text_equal(unit, "kB")   ? 1000
                    : text_equal(unit, "MB") ? 1000000
                    : text_equal(unit, "GB") ? 1000000000
                                             : 0;
  return factor != 0 && !__builtin_mul_overflow(number, factor, bytes);
}

namespace {

// Three octal digits, with a zero before them or without.
bool parse_mode(const char* text, uint64_t* value) {
  constexpr size_t kDigits = 3;
  size_t length = text_length(text);
  if (length == kDigits + 1 && *text == '0') text++, length--;
  if (length != kDigits) return false;
  uint64_t mode = 0;
  for (; *text != 0; text++) {
    if (*text < '0' || *text > '7') return false;
    mode = mode << 3 | static_cast<uint64_t>(*text - '0');
  }
  return *value = mode, true;
}

// The text ends at `end`.
bool parse_choice(const char* values, const char* text, const char* end, uint64_t* value) {
  uint64_t index = 0;
  for (const char* p = values; *p != 0; index++) {
    const char* t = text;
    while (*p != 0 && *p != '|' && t != end && *p == *t) p++, t++;
    if ((*p == 0 || *p == '|') && t == end) return *value = index, true;
    while (*p != 0 && *p != '|') p++;
    if (*p == '|') p++;
  }
  return false;
}

// "file,http": a bit for each, in any order; blanks around them do not matter.
bool parse_choices(const char* values, const char* text, uint64_t* value) {
  uint64_t bits = 0;
  for (const char* p = text;; p++) {
    while (*p == ' ') p++;
    const char* word = p;
    while (*p != 0 && *p != ',') p++;
    const char* end = p;
    while (end > word && end[-1] == ' ') end--;
    uint64_t index;
    if (!parse_choice(values, word, end, &index)) return false;
    bits |= uint64_t{1} << index;
    if (*p == 0) break;
  }
  return *value = bits, true;
}

bool parse_bounded(const char* values, const char* text, uint64_t* value) {
  uint64_t low, high, v;
  const char* dots = parse_number(values, &low);
  if (dots == nullptr || parse_number(dots + 2, &high) == nullptr) return false;
  const char* end = parse_number(text, &v);
  if (end == nullptr || *end != 0 || v < low || v > high) return false;
  return *value = v, true;
}

// A size in bytes, without a unit.
bool parse_bytes(const char* text, uint64_t* value) {
  uint64_t bytes;
  const char* end = parse_number(text, &bytes);
  if (end == nullptr || *end != 0) return false;
  return *value = bytes, true;
}

const char* expected(const Setting& setting) {
  switch (setting.type) {
    case SettingType::kBool:
      return "true or false";
    case SettingType::kRate:
      return "a number from 0 to 1";
    case SettingType::kChoice:
      return "one of ";
    case SettingType::kChoices:
      return "one or several, separated by commas, of ";
    case SettingType::kNumber:
      return "a whole number in ";
    case SettingType::kDuration:
      return "a time such as 10us, 1.5ms, 2s";
    case SettingType::kSize:
      return "a size such as 64MB, 1GB or 1000000";
    case SettingType::kMode:
      return "permissions in octal, such as 0640";
    case SettingType::kTailRules:
      return "a list such as errors,slow=250ms,slow=p99,rate=0.01 (docs/sampling.md)";
    case SettingType::kRecorderRules:
      return "a list such as 30s,64MB (docs/sampling.md)";
    case SettingType::kText:
    case SettingType::kPath:
      return "a text that is not empty";
  }
  return "";
}

// "banana is not one of full, lean". One line, and room for what is wrong: whatever the value is.
void add_wrong_value(TextBuffer* text, const Setting& setting, const char* value,
                     const char* wanted) {
  char shown[kShownBytes];
  TextBuffer buffer(shown, sizeof shown);
  bool whole = add_printable(&buffer, value);
  text->add(shown).add(whole ? "" : "...").add(" is not ").add(wanted);
  bool listed = setting.type == SettingType::kChoice || setting.type == SettingType::kChoices ||
                setting.type == SettingType::kNumber;
  for (const char* p = setting.values; listed && *p != 0; p++) {
    if (*p == '|') {
      text->add(", ");
    } else {
      text->add(*p);
    }
  }
}

bool is_set(char* const* envp, const char* name) {
  const char* value = env_find(envp, name);
  return value != nullptr && *value != 0;
}

// OpenTelemetry's name for SAMPLE_RATE, which goes before it, even if it makes no sense: its
// default is used then, as the user is told. Returns how many problems there were.
size_t read_sampler(char* const* envp, Settings* out, SettingProblem* problems, size_t capacity,
                    size_t count) {
  constexpr const char* kSampler = "OTEL_TRACES_SAMPLER";
  constexpr const char* kArgument = "OTEL_TRACES_SAMPLER_ARG";
  if (is_set(envp, kSettings[kSampleRate].name) || !is_set(envp, kSampler)) return 0;
  const char* sampler = env_find(envp, kSampler);
  auto tell = [&](const char* name, const char* value, const char* wanted) -> size_t {
    if (problems != nullptr && count < capacity) {
      problems[count] = {&kSettings[kSampleRate], name, value, wanted};
    }
    return 1;
  };
  const char* kind = text_starts(sampler, "parentbased_") ? sampler + 12 : sampler;
  uint64_t* rate = &out->number[kSampleRate];
  if (text_equal(kind, "always_on")) return *rate = kRateOne, 0;
  if (text_equal(kind, "always_off")) return *rate = 0, 0;
  if (!text_equal(kind, "traceidratio")) {
    return tell(kSampler, sampler,
                "always_on, always_off, traceidratio, or one of these behind parentbased_");
  }
  const char* argument = env_find(envp, kArgument);
  if (argument == nullptr || *argument == 0 || parse_rate(argument, rate)) return 0;
  return tell(kArgument, argument, "a number from 0 to 1");
}

}  // namespace

bool parse_setting(const Setting& setting, const char* text, uint64_t* value) {
  switch (setting.type) {
    case SettingType::kBool:
      return parse_bool(text, value);
    case SettingType::kRate:
      return parse_rate(text, value);
    case SettingType::kChoice:
      return parse_choice(setting.values, text, text + text_length(text), value);
    case SettingType::kChoices:
      return parse_choices(setting.values, text, value);
    case SettingType::kNumber:
      return parse_bounded(setting.values, text, value);
    case SettingType::kDuration:
      return parse_duration(text, value);
    case SettingType::kSize:
      return parse_bytes(text, value) || parse_size(text, value);
    case SettingType::kMode:
      return parse_mode(text, value);
    case SettingType::kTailRules: {
      TailRules rules;
      return text[0] == 0 || parse_tail_rules(text, &rules);
    }
    case SettingType::kRecorderRules: {
      RecorderRules rules;
      return text[0] == 0 || parse_recorder_rules(text, &rules);
    }
    case SettingType::kText:
    case SettingType::kPath:
      return true;
  }
  return false;
}

size_t read_settings(char* const* envp, Settings* out, SettingProblem* problems, size_t capacity) {
  size_t count = 0;
  for (const Setting& setting : kSettings) {
    uint64_t& number = out->number[setting.id];
    out->given[setting.id] = false;
    out->text[setting.id] = setting.default_text;
    number = 0;
    parse_setting(setting, setting.default_text, &number);
    const char* name = setting.name;
    const char* value = env_find(envp, name);
    if ((value == nullptr || *value == 0) && setting.alias != nullptr) {
      name = setting.alias;
      value = env_find(envp, name);
    }
    // An empty variable is as good as none, as OpenTelemetry's specification has it.
    if (value == nullptr || *value == 0) continue;
    if (parse_setting(setting, value, &number)) {
      out->given[setting.id] = true;
      out->text[setting.id] = value;
    } else {
      if (problems != nullptr && count < capacity) {
        problems[count] = {&setting, name, value, expected(setting)};
      }
      count++;
    }
  }
  // OpenTelemetry's switch: only the word "true" (in any case) turns things off.
  const char* disabled = env_find(envp, "OTEL_SDK_DISABLED");
  if (disabled != nullptr && equal_ignoring_case(disabled, "true") && !out->given[kDebug]) {
    out->number[kDebug] = 0;
  }
  count += read_sampler(envp, out, problems, capacity, count);
  if (out->given[kFile] && !out->given[kOutput]) out->number[kOutput] = kOutputFile;
  // If no output has an address, events go to standard error: telrun keeps it open for them.
  uint64_t usable = out->number[kOutput];
  if (!out->given[kFile]) usable &= ~uint64_t{kOutputFile};
  if (!out->given[kReceiverUrl]) usable &= ~uint64_t{kOutputHttp};
  if (usable == 0) out->number[kOutput] |= kOutputStderr;
  bool file = out->has_output(kOutputFile);
  if (file && descriptor_of_path(out->text[kFile]) == 2) {
    out->number[kOutput] &= ~uint64_t{kOutputFile};
    out->number[kOutput] |= kOutputStderr;
  }
  return count;
}

int descriptor_of_path(const char* path) {
  constexpr const char* kNames[] = {"/dev/stdin", "/dev/stdout", "/dev/stderr"};
  for (int i = 0; i < 3; i++) {
    if (text_equal(path, kNames[i])) return i;
  }
  constexpr int kMost = 1 << 20;
  for (const char* folder : {"/dev/fd/", "/proc/self/fd/", "/proc/thread-self/fd/"}) {
    if (!text_starts(path, folder)) continue;
    uint64_t number;
    const char* end = parse_number(path + text_length(folder), &number);
    if (end != nullptr && *end == 0 && number < kMost) return static_cast<int>(number);
  }
  return -1;
}

int output_descriptor(const Settings& settings) {
  if (!settings.has_output(kOutputFile)) return -1;
  return descriptor_of_path(settings.text[kFile]);
}

void describe_value(const Setting& setting, const char* value, char* line, size_t capacity) {
  TextBuffer text(line, capacity);
  add_wrong_value(&text, setting, value, expected(setting));
}

void describe_problem(const SettingProblem& problem, char* line, size_t capacity) {
  TextBuffer text(line, capacity);
  text.add(problem.name).add('=');
  add_wrong_value(&text, *problem.setting, problem.value, problem.expected);
  bool derived = problem.setting->default_text[0] == 0;
  text.add("; using ");
  if (problem.setting->id == kOutput) text.add("TELEMETRY_FILE if it is set, else ");
  text.add(derived ? "the default" : problem.setting->default_text);
}

}  // namespace telinject
