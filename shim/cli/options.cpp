#include "shim/cli/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "shim/channel/settings.h"
#include "shim/cli/nearest.h"
#include "shim/cli/warn.h"

namespace telinject {

namespace {

// Numbers above those of letters; a setting's option is kSettingBase and its id.
enum OwnOption {
  kQuietOption = 1000,
  kSummaryOption,
  kInPlaceOption,
  kReportOption,
  kHelpOption,
  kVersionOption,
  kSettingBase = 2000,
};

constexpr const char* kOwnShort = "qDhV";
const option kOwnLong[] = {
    {"quiet", no_argument, nullptr, kQuietOption},
    {"summary", no_argument, nullptr, kSummaryOption},
    {"detach-in-place", no_argument, nullptr, kInPlaceOption},
    {"report", optional_argument, nullptr, kReportOption},
    {"help", no_argument, nullptr, kHelpOption},
    {"version", no_argument, nullptr, kVersionOption},
};

// "+": the first word that is no option is the program; ":": errors are said by us, on one line.
constexpr size_t kShortBytes = 2 + sizeof "qDhV" + 2 * kSettingCount;
constexpr size_t kLongOptions = kSettingCount + sizeof kOwnLong / sizeof *kOwnLong + 1;

void list_options(char (&shorts)[kShortBytes], option (&longs)[kLongOptions]) {
  TextBuffer text(shorts, sizeof shorts);
  text.add("+:").add(kOwnShort);
  size_t count = 0;
  for (const option& own : kOwnLong) longs[count++] = own;
  for (const Setting& setting : kSettings) {
    bool has_value = setting.placeholder != nullptr;
    if (setting.option != 0) {
      text.add(setting.option);
      if (has_value) text.add(':');
    }
    if (setting.long_option != nullptr) {
      longs[count++] = {setting.long_option, has_value ? required_argument : no_argument, nullptr,
                        kSettingBase + static_cast<int>(setting.id)};
    }
  }
  longs[count] = {};
}

// A short option's number is its letter; this makes it that of the long one.
int unify(int code) {
  switch (code) {
    case 'q':
      return kQuietOption;
    case 'D':
      return kInPlaceOption;
    case 'h':
      return kHelpOption;
    case 'V':
      return kVersionOption;
    default:
      break;
  }
  for (const Setting& setting : kSettings) {
    if (setting.option != 0 && code == setting.option) {
      return kSettingBase + static_cast<int>(setting.id);
    }
  }
  return code;
}

bool set(const Setting& setting, const char* value) {
  if (setenv(setting.name, value, 1) == 0) return true;
  warn("cannot set ", setting.name, ": ", strerror(errno));
  return false;
}

// The value of an option: what makes no sense stops telrun, for there is someone to ask.
bool set_option(const Setting& setting, const char* typed, const char* value, const char* help) {
  if (*value == 0) return set(setting, value);  // as good as none: "$RATE" that is not set
  uint64_t number;
  if (!parse_setting(setting, value, &number)) {
    char line[kLineBytes];
    describe_value(setting, value, line, sizeof line);
    warn(typed, ": ", line, "; try ", help);
    return false;
  }
  bool is_dash = setting.id == kFile && strcmp(value, "-") == 0;
  return set(setting, is_dash ? "/dev/stdout" : value);
}

// An option as it was typed: "-r", "--sample-rate".
struct TypedOption {
  char text[64] = {};

  TypedOption(const Setting& setting, bool is_short) {
    TextBuffer buffer(text, sizeof text);
    if (is_short) {
      buffer.add('-').add(setting.option);
    } else {
      buffer.add("--").add(setting.long_option);
    }
  }
};

// What an unknown long option may have been meant to be; null if nothing is like it.
const char* nearest_option(const char* typed) {
  static char word[64];
  TextBuffer name(word, sizeof word);
  name.add(typed, strcspn(typed, "="));
  Nearest nearest(word);
  for (const option& own : kOwnLong) nearest.offer(own.name);
  for (const Setting& setting : kSettings) {
    if (setting.long_option != nullptr) nearest.offer(setting.long_option);
  }
  return nearest.word();
}

void complain(int code, char** argv, const char* help) {
  // getopt tells the letter of an unknown short option, but of a long one only its position.
  char letter[] = {'-', static_cast<char>(optopt), 0};
  bool is_short = optopt > 0 && optopt < kQuietOption;
  const char* word = is_short ? letter : argv[optind - 1];
  if (code == ':') {
    warn("option ", word, " needs a value; try ", help);
  } else if (!is_short && optopt != 0) {
    warn("option ", word, " takes no value; try ", help);
  } else if (const char* meant = is_short ? nullptr : nearest_option(word + 2)) {
    warn("there is no option ", word, "; did you mean --", meant, "?");
  } else {
    warn("there is no option ", word, "; try ", help);
  }
}

}  // namespace

Parsed parse_run_options(int argc, char** argv, const char* missing, const char* help,
                         RunOptions* out) {
  *out = {};
  char shorts[kShortBytes];
  option longs[kLongOptions];
  list_options(shorts, longs);
  int code;
  while ((code = getopt_long(argc, argv, shorts, longs, nullptr)) != -1) {
    int option = unify(code);
    bool fine = true;
    switch (option) {
      case kQuietOption:
        fine = set(kSettings[kSummary], "never");
        break;
      case kSummaryOption:
        fine = set(kSettings[kSummary], "always");
        break;
      case kReportOption:
        fine = set(kSettings[kReport], optarg != nullptr ? optarg : "auto");
        break;
      case kInPlaceOption:
        out->in_place = true;
        break;
      case kHelpOption:
        return Parsed::kHelp;
      case kVersionOption:
        return Parsed::kVersion;
      case '?':
      case ':':
        complain(code, argv, help);
        return Parsed::kBad;
      default: {
        const Setting& setting = kSettings[option - kSettingBase];
        TypedOption typed(setting, /*is_short=*/code < kQuietOption);
        fine = set_option(setting, typed.text, optarg != nullptr ? optarg : "true", help);
      }
    }
    if (!fine) return Parsed::kBad;
  }
  if (argv[optind] == nullptr) {
    warn("no ", missing, " given; try ", help);
    return Parsed::kBad;
  }
  out->program = argv + optind;
  return Parsed::kRun;
}

}  // namespace telinject
