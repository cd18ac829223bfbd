// The one table of settings (its rows are in settings.def): name, type, default, values, a line of
// help. `telinject help settings`, telrun's options, the documentation (docs/settings.md) and both
// readers come from it.
//
// Read by the library inside the traced program, by the supervisor and by the drain, so it needs
// libc's headers only: no heap, no stdio, no locale, errno untouched, async-signal-safe.
#pragma once

#include <cstddef>
#include <cstdint>

#include "shim/channel/layout.h"

namespace telinject {

// kChoices: some of the choices, separated by commas. kTailRules, kRecorderRules: sampling_rules.h.
enum class SettingType {
  kBool,
  kRate,
  kChoice,
  kChoices,
  kText,
  kPath,
  kNumber,
  kDuration,
  kSize,
  kMode,
  kTailRules,
  kRecorderRules,
};

enum SettingId : uint32_t {
#define SETTING(id, ...) id,
#include "shim/channel/settings.def"
#undef SETTING
  kSettingCount,
};

struct Setting {
  SettingId id;
  const char* name;   // the environment variable
  const char* alias;  // a second variable, used when the first is not set, or null
  SettingType type;
  const char* default_text;  // as a user would write it; "" is "derived, see help"
  const char* values;        // for kChoice, kChoices: "a|b|c"; for kNumber: "lowest..highest"
  char option;               // telrun's short option, or 0
  const char* long_option;   // telrun's long option, or null
  const char* placeholder;   // of the option's value in the help, or null if it takes none
  const char* help;
};

extern const Setting kSettings[kSettingCount];

// Bits: there may be several.
enum OutputKind : uint64_t { kOutputStderr = 1, kOutputFile = 2, kOutputHttp = 4, kOutputOtlp = 8 };
enum ReceiverFormat : uint64_t {
  kReceiverEvent,
  kReceiverNdjson,
  kReceiverHec,
  kReceiverElasticsearch,
  kReceiverDatadogLogs,
};
enum CompressionChoice : uint64_t { kCompressNone, kCompressGzip, kCompressZstd };
enum OnFull : uint64_t { kDrop, kBlock };
enum Threads : uint64_t { kContinueTrace, kNewTrace };
enum SummaryMode : uint64_t { kSummaryAuto, kSummaryAlways, kSummaryNever };
enum TotalsKind : uint64_t { kTotalsEstimate, kTotalsExact };
enum TraceparentPlace : uint64_t { kTraceparentLibraries, kTraceparentSockets };
enum Detail : uint64_t { kDetailFull, kDetailLean };
enum ClockChoice : uint64_t { kClockAuto, kClockTsc, kClockMonotonic };

// Sampling probabilities are kept exactly as written, in billionths.
inline constexpr uint64_t kRateOne = 1000000000;

// The threshold of ids.h: traces whose random bits are below it are dropped.
constexpr uint64_t sampling_threshold(uint64_t rate) {
  return static_cast<uint64_t>(static_cast<unsigned __int128>(kRateOne - rate) *
                               (uint64_t{1} << 56) / kRateOne);
}

// Of a share (`then`) of what was sampled already (`first`). Never 0, which means off.
constexpr uint64_t rate_of_both(uint64_t first, uint64_t then) {
  auto rate = static_cast<uint64_t>(static_cast<unsigned __int128>(first) * then / kRateOne);
  return rate == 0 ? 1 : rate;
}

struct Settings {
  // kBool 0/1; kRate billionths; kChoice its index in `values`; kChoices a bit for each of those;
  // kNumber and kMode itself; kDuration nanoseconds; kSize bytes; texts unused.
  uint64_t number[kSettingCount];
  // kText, kPath and rules: points into the environment, never null. Valid as long as the
  // environment is.
  const char* text[kSettingCount];
  bool given[kSettingCount];  // set in the environment, to something that makes sense

  bool has_output(OutputKind kind) const { return (number[kOutput] & kind) != 0; }
  bool off() const { return number[kDebug] == 0 || number[kSampleRate] == 0; }
};

// What is wrong with a value, for one line to the user: "NAME=value is not ...; using default".
struct SettingProblem {
  const Setting* setting;
  const char* name;  // the variable that carried it: the setting's name or its alias
  const char* value;
  const char* expected;  // "a number from 0 to 1", ...
};

// Reads all settings from an environment; a value that makes no sense is reported and the default
// used. `problems` may be null. Returns how many problems there were (at most `capacity` stored).
size_t read_settings(char* const* envp, Settings* out, SettingProblem* problems, size_t capacity);

// One line without newline: "SAMPLE_RATE=banana is not a number from 0 to 1; using 1.0". A long
// value is cut, its control characters shown as question marks.
void describe_problem(const SettingProblem& problem, char* line, size_t capacity);

// What is wrong with a value that parse_setting() does not take: "banana is not a number from 0 to
// 1". One line, as above.
void describe_value(const Setting& setting, const char* value, char* line, size_t capacity);

// The number of a descriptor of the program that TELEMETRY_FILE may name instead of a file
// (/dev/stdout, /dev/fd/3, /proc/self/fd/3); -1 if the path is none of these.
int descriptor_of_path(const char* path);
// The one that events go to, if it is not standard error, which is an output of its own; else -1.
int output_descriptor(const Settings& settings);

// True, and *value set, if `text` is a value of `setting`.
bool parse_setting(const Setting& setting, const char* text, uint64_t* value);
// The values of SettingType::kRate (in billionths) and kDuration (in nanoseconds), and sizes:
// "64kB", "64MB", "1GB", in powers of a thousand. False if it is none.
bool parse_rate(const char* text, uint64_t* value);
bool parse_duration(const char* text, uint64_t* value);
bool parse_size(const char* text, uint64_t* bytes);

}  // namespace telinject
