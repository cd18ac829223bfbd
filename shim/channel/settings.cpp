#include "shim/channel/settings.h"

#include "shim/channel/text.h"

namespace telinject {

const Setting kSettings[kSettingCount] = {
    {kDebug, "DEBUG", nullptr, SettingType::kBool, "true", "", 0, nullptr, nullptr,
     "false, 0, no or off: no tracing at all. Unset means on"},
    {kServiceName, "SERVICE_NAME", "OTEL_SERVICE_NAME", SettingType::kText, "", "", 's', "service",
     "NAME", "service.name of every event; default: the name of the working directory"},
    {kServiceVersion, "SERVICE_VERSION", nullptr, SettingType::kText, "", "", 0, "service-version",
     "VERSION",
     "service.version; default: git's short commit id of the working directory, else the program's "
     "build id"},
    {kEnvironment, "ENVIRONMENT", nullptr, SettingType::kText, "dev", "", 'e', "environment",
     "NAME", "environment of every event: dev, staging, prod"},
    {kOutput, "TELEMETRY_OUTPUT", nullptr, SettingType::kChoice, "stderr", "stderr|file", 'O',
     "output", "KIND", "where events go; file needs TELEMETRY_FILE"},
    {kFile, "TELEMETRY_FILE", nullptr, SettingType::kPath, "", "", 'o', "file", "PATH",
     "append events to this file, compressed if it ends in .zst or .gz; given alone it implies "
     "TELEMETRY_OUTPUT=file"},
    {kSampleRate, "SAMPLE_RATE", nullptr, SettingType::kRate, "1.0", "", 'r', "sample-rate", "RATE",
     "share of traces to keep, decided where a trace starts; 0 means off"},
    {kStacktraces, "ENABLE_STACKTRACES", nullptr, SettingType::kBool, "true", "", 0, nullptr,
     nullptr,
     "stacks of exceptions and crashes. For crashes the library handles fatal signals that the "
     "program leaves alone; the program does not see these handlers"},
    {kOnFull, "TELEMETRY_ON_FULL", nullptr, SettingType::kChoice, "drop", "drop|block", 0,
     "on-full", "WHAT",
     "when records come faster than the drain takes them: drop whole calls and count them, or "
     "block the thread and lose nothing"},
    {kThreads, "TELEMETRY_THREADS", nullptr, SettingType::kChoice, "continue", "continue|root", 0,
     "threads", "WHAT",
     "a thread created inside a span continues its trace, or starts one of its own"},
    {kHttp, "TELEMETRY_HTTP", nullptr, SettingType::kBool, "true", "", 0, nullptr, nullptr,
     "trace HTTP requests and responses through libcurl, TLS libraries and sockets; false leaves "
     "their functions alone"},
    {kSummary, "TELEMETRY_SUMMARY", nullptr, SettingType::kChoice, "auto", "auto|always|never", 0,
     nullptr, nullptr, "telrun's summary on stderr; auto: if stderr is a terminal"},
    {kQueueBytes, "TELEMETRY_QUEUE_BYTES", nullptr, SettingType::kNumber, "",
     "1048576..17179869184", 0, "queue-bytes", "BYTES",
     "memory for waiting records, in the program's lanes and in the drain together; default: an "
     "eighth of the memory of the machine or the control group, at most 256 MiB"},
    {kSpoolMax, "TELEMETRY_SPOOL_MAX", nullptr, SettingType::kNumber, "1073741824",
     "0..1099511627776", 0, "spool-max", "BYTES",
     "disk space for waiting records beyond TELEMETRY_QUEUE_BYTES; when it is full too, "
     "TELEMETRY_ON_FULL applies"},
    {kSpoolDirectory, "TELEMETRY_SPOOL_DIR", "TMPDIR", SettingType::kPath, "/var/tmp", "", 0,
     "spool-dir", "PATH",
     "folder for waiting records and for large unpacked debug information; should be on a disk, "
     "not "
     "in memory"},
    {kRecord, "TELEMETRY_RECORD", nullptr, SettingType::kPath, "", "", 0, "record", "DIRECTORY",
     "write a recording into this folder instead of events; telinject convert makes events of it "
     "later, on any machine"},
    {kDetail, "TELEMETRY_DETAIL", nullptr, SettingType::kChoice, "full", "full|lean", 0, "detail",
     "WHAT",
     "lean: fields that are the same for all events of a process or a call site are written once "
     "and referred to; a third of the bytes (docs/output.md)"},
    {kDrainThreads, "TELEMETRY_DRAIN_THREADS", nullptr, SettingType::kNumber, "1", "0..64", 0,
     "drain-threads", "N",
     "encode, and compress, with up to this many threads; 0: one for each core that they may run "
     "on"},
    {kMinDuration, "TELEMETRY_MIN_DURATION", nullptr, SettingType::kDuration, "0", "", 0,
     "min-duration", "TIME",
     "leave out calls shorter than this (10us, 1.5ms), and so all calls below them"},
    {kMaxDepth, "TELEMETRY_MAX_DEPTH", nullptr, SettingType::kNumber, "0", "0..1000000000", 0,
     "max-depth", "N",
     "leave out calls deeper than this; a thread's outermost call has depth 1; 0: no limit"},
    {kInclude, "TELEMETRY_INCLUDE", nullptr, SettingType::kText, "", "", 0, "include", "GLOBS",
     "write calls of these functions only: globs, separated by commas ('parse_*,*::area')"},
    {kExclude, "TELEMETRY_EXCLUDE", nullptr, SettingType::kText, "", "", 0, "exclude", "GLOBS",
     "leave out calls of these functions; the calls that they make move up to their callers"},
    {kIncludeFiles, "TELEMETRY_INCLUDE_FILES", nullptr, SettingType::kText, "", "", 0,
     "include-files", "GLOBS", "write functions defined in these source files only ('src/*.c')"},
    {kExcludeFiles, "TELEMETRY_EXCLUDE_FILES", nullptr, SettingType::kText, "", "", 0,
     "exclude-files", "GLOBS", "leave out functions defined in these source files"},
    {kIncludeModules, "TELEMETRY_INCLUDE_MODULES", nullptr, SettingType::kText, "", "", 0,
     "include-modules", "GLOBS",
     "write functions of these programs and libraries only ('libfoo.so*')"},
    {kExcludeModules, "TELEMETRY_EXCLUDE_MODULES", nullptr, SettingType::kText, "", "", 0,
     "exclude-modules", "GLOBS", "leave out functions of these programs and libraries"},
    {kTotalsFile, "TELEMETRY_TOTALS_FILE", nullptr, SettingType::kPath, "", "", 0, "totals", "PATH",
     "write each function's calls, times and percentiles to this file, as JSON, at the end; the "
     "filters above do not change them"},
    {kTotals, "TELEMETRY_TOTALS", nullptr, SettingType::kChoice, "estimate", "estimate|exact", 0,
     nullptr, nullptr,
     "if SAMPLE_RATE is below 1: exact records and counts all calls, but writes only the sample's "
     "events; it costs the program what recording every call costs (docs/output.md)"},
    {kHttpTraceparent, "TELEMETRY_HTTP_TRACEPARENT", nullptr, SettingType::kChoice, "libraries",
     "libraries|sockets", 0, "http-traceparent", "WHERE",
     "which requests get a traceparent: libraries: those of libcurl and nghttp2; sockets: also "
     "HTTP/1 requests that the program writes to a socket itself (docs/http.md)"},
    {kHttpSlow, "TELEMETRY_HTTP_SLOW", nullptr, SettingType::kDuration, "1s", "", 0, "http-slow",
     "TIME", "HTTP responses that take longer get severity WARN; 0: none"},
    {kRedactHeaders, "TELEMETRY_REDACT_HEADERS", nullptr, SettingType::kText, "", "", 0,
     "redact-headers", "NAMES",
     "more names whose values are REDACTED, besides those that always are (docs/redaction.md): "
     "separated by commas, `*` for anything. As headers, parameters, options and in texts"},
    {kRedactQuery, "TELEMETRY_REDACT_QUERY", nullptr, SettingType::kText, "", "", 0, "redact-query",
     "NAMES", "the same: both lists apply to all carriers"},
    {kExitWait, "TELEMETRY_EXIT_WAIT", nullptr, SettingType::kNumber, "10000", "0..600000", 0,
     nullptr, nullptr,
     "without telrun: how many milliseconds a program's end waits at most until its events are "
     "written"},
    {kClock, "TELEMETRY_CLOCK", nullptr, SettingType::kChoice, "auto", "auto|tsc|monotonic", 0,
     nullptr, nullptr,
     "auto: the TSC if the processor and the kernel trust it, else CLOCK_MONOTONIC (slower)"},
    {kCloudMetadata, "ENABLE_CLOUD_METADATA", nullptr, SettingType::kBool, "false", "", 0, nullptr,
     nullptr,
     "ask the cloud's metadata service which machine, task or function this is. The answer is kept "
     "in ~/.telemetry_metadata.json. Outside a cloud nothing is sent"},
    {kKubernetesMetadata, "ENABLE_K8S_METADATA", nullptr, SettingType::kBool, "", "", 0, nullptr,
     nullptr,
     "find out which pod this is, from its environment, its service account and the cluster's API; "
     "default: as ENABLE_CLOUD_METADATA"},
    {kNoKubernetesApi, "DISABLE_K8S_API", nullptr, SettingType::kBool, "false", "", 0, nullptr,
     nullptr, "use only the pod's environment and files; do not ask the cluster's API"},
    {kNoMetadataCache, "DISABLE_METADATA_CACHE", nullptr, SettingType::kBool, "false", "", 0,
     nullptr, nullptr, "neither read nor write ~/.telemetry_metadata.json"},
    {kMetadataWait, "TELEMETRY_METADATA_WAIT", nullptr, SettingType::kNumber, "2000", "1..5000", 0,
     nullptr, nullptr,
     "milliseconds to find all metadata; events wait at most that long, the program does not "
     "wait"},
    {kAzureEndpoint, "TELEMETRY_AZURE_METADATA_ENDPOINT", nullptr, SettingType::kText, "", "", 0,
     nullptr, nullptr,
     "address of Azure's metadata service, for tests and proxies; default: "
     "http://169.254.169.254"},
    {kSystemRoot, "TELEMETRY_SYSTEM_ROOT", nullptr, SettingType::kPath, "", "", 0, nullptr, nullptr,
     "for tests: a folder whose sys/, proc/, var/ and etc/ are read for metadata instead of the "
     "system's"},
    {kDiagnostics, "TELEMETRY_DIAGNOSTICS", nullptr, SettingType::kBool, "false", "", 0, nullptr,
     nullptr,
     "write a line to standard error that says where metadata came from, how long it took and what "
     "failed"},
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

bool parse_choice(const char* values, const char* text, uint64_t* value) {
  uint64_t index = 0;
  for (const char* p = values; *p != 0; index++) {
    const char* t = text;
    while (*p != 0 && *p != '|' && *p == *t) p++, t++;
    if ((*p == 0 || *p == '|') && *t == 0) return *value = index, true;
    while (*p != 0 && *p != '|') p++;
    if (*p == '|') p++;
  }
  return false;
}

bool parse_bounded(const char* values, const char* text, uint64_t* value) {
  uint64_t low, high, v;
  const char* dots = parse_number(values, &low);
  if (dots == nullptr || parse_number(dots + 2, &high) == nullptr) return false;
  const char* end = parse_number(text, &v);
  if (end == nullptr || *end != 0 || v < low || v > high) return false;
  return *value = v, true;
}

const char* expected(const Setting& setting) {
  switch (setting.type) {
    case SettingType::kBool:
      return "true or false";
    case SettingType::kRate:
      return "a number from 0 to 1";
    case SettingType::kChoice:
      return "one of ";
    case SettingType::kNumber:
      return "a whole number in ";
    case SettingType::kDuration:
      return "a time such as 10us, 1.5ms, 2s";
    case SettingType::kText:
    case SettingType::kPath:
      return "a text that is not empty";
  }
  return "";
}

}  // namespace

bool parse_setting(const Setting& setting, const char* text, uint64_t* value) {
  switch (setting.type) {
    case SettingType::kBool:
      return parse_bool(text, value);
    case SettingType::kRate:
      return parse_rate(text, value);
    case SettingType::kChoice:
      return parse_choice(setting.values, text, value);
    case SettingType::kNumber:
      return parse_bounded(setting.values, text, value);
    case SettingType::kDuration:
      return parse_duration(text, value);
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
  if (out->given[kFile] && !out->given[kOutput]) out->number[kOutput] = kOutputFile;
  bool file = out->number[kOutput] == kOutputFile;
  if (file && descriptor_of_path(out->text[kFile]) == 2) out->number[kOutput] = kOutputStderr;
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
  if (settings.number[kOutput] != kOutputFile) return -1;
  return descriptor_of_path(settings.text[kFile]);
}

void describe_problem(const SettingProblem& problem, char* line, size_t capacity) {
  TextBuffer text(line, capacity);
  text.add(problem.name).add('=');
  // One line, and room for what is wrong: whatever the value is.
  size_t shown = 0;
  for (const char* p = problem.value; *p != 0 && shown < kShownBytes; p++, shown++) {
    bool control = static_cast<unsigned char>(*p) < 0x20 || *p == 0x7f;
    text.add(control ? '?' : *p);
  }
  text.add(problem.value[shown] != 0 ? "..." : "").add(" is not ").add(problem.expected);
  if (problem.setting->type == SettingType::kChoice ||
      problem.setting->type == SettingType::kNumber) {
    for (const char* p = problem.setting->values; *p != 0; p++) {
      if (*p == '|') {
        text.add(", ");
      } else {
        text.add(*p);
      }
    }
  }
  bool derived = problem.setting->default_text[0] == 0;
  text.add("; using ").add(derived ? "the default" : problem.setting->default_text);
}

}  // namespace telinject
