#include "shim/cli/help.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "shim/channel/settings.h"
#include "shim/cli/program.h"
#include "shim/cli/warn.h"

namespace telinject {

namespace {

constexpr size_t kWidth = 90;

// Words of `text`, broken before `kWidth`, each line but the first behind `indent` spaces. `column`
// is where the first one begins.
void print_wrapped(const char* text, size_t indent, size_t column) {
  while (*text != 0) {
    size_t word = strcspn(text, " ");
    if (column > indent && column + 1 + word > kWidth) {
      printf("\n%*s", static_cast<int>(indent), "");
      column = indent;
    } else if (column > indent) {
      putchar(' ');
      column++;
    }
    printf("%.*s", static_cast<int>(word), text);
    column += word;
    text += word;
    while (*text == ' ') text++;
  }
  putchar('\n');
}

void print_option(const char* option, const char* help) {
  constexpr size_t kIndent = 32;
  int n = printf("  %s", option);
  if (n > static_cast<int>(kIndent) - 2) n = printf("\n") - 1;
  printf("%*s", static_cast<int>(kIndent) - n, "");
  print_wrapped(help, kIndent, kIndent);
}

// "-s, --service=NAME"
void describe_option(const Setting& setting, char (&out)[64]) {
  TextBuffer text(out, sizeof out);
  if (setting.option != 0) {
    text.add('-').add(setting.option).add(", ");
  } else {
    text.add("    ");
  }
  text.add("--").add(setting.long_option);
  if (setting.placeholder != nullptr) text.add('=').add(setting.placeholder);
}

// In words, what a value may be; "" for a text.
void describe_values(const Setting& setting, char (&out)[128]) {
  TextBuffer text(out, sizeof out);
  switch (setting.type) {
    case SettingType::kBool:
      text.add("true, false");
      break;
    case SettingType::kRate:
      text.add("0..1");
      break;
    case SettingType::kNumber:
      text.add(setting.values);
      break;
    case SettingType::kDuration:
      text.add("a number and ns, us, ms or s");
      break;
    case SettingType::kSize:
      text.add("a number and kB, MB or GB");
      break;
    case SettingType::kMode:
      text.add("three octal digits");
      break;
    case SettingType::kTailRules:
    case SettingType::kRecorderRules:
      text.add("a list of words");
      break;
    case SettingType::kChoice:
    case SettingType::kChoices:
      for (const char* p = setting.values; *p != 0; p++) {
        if (*p == '|') {
          text.add(", ");
        } else {
          text.add(*p);
        }
      }
      break;
    case SettingType::kText:
    case SettingType::kPath:
      break;
  }
}

int finish() {
  if (fflush(stdout) == 0 && ferror(stdout) == 0) return 0;
  warn("cannot write to stdout: ", strerror(errno));
  return kExitOwnFailure;
}

}  // namespace

int print_version() {
  puts("telinject " TELINJECT_VERSION);
  return finish();
}

int print_commands() {
  fputs(
      "Usage: telinject <command> [arguments...]\n"
      "\n"
      "  run [options] [--] program...  run a program and trace it: the same as telrun\n"
      "  convert [options] path...      make events of recordings (telrun --record)\n"
      "  report -o x.html path...       make one HTML file that shows recordings\n"
      "  top|graph|tree path...         show recordings as text: functions, call tree, every call\n"
      "  diff old new                   compare two recordings\n"
      "  export --format=F path...      write recordings for other tools: perfetto, chrome, "
      "folded,\n"
      "                                 speedscope, callgrind, csv (telinject export --help)\n"
      "  dump PID                       write what the flight recorder of that process keeps\n"
      "  doctor [PROGRAM]               can it be traced here, and where would its events go\n"
      "  validate FILE...               check files of events; exit status 1 if one is not valid\n"
      "  schema [--json|--otel]         events and attributes, and their OpenTelemetry names\n"
      "  help                           this text\n"
      "  help run                       telrun's options\n"
      "  help convert                   convert's options\n"
      "  help settings [--markdown]     the environment variables, with defaults and values\n"
      "  version                        the version\n",
      stdout);
  return finish();
}

int print_run_help() {
  fputs(
      "Usage: telrun [options] [--] program [arguments...]\n"
      "\n"
      "Runs a program as if telrun were not there, and writes what it did as v3 telemetry events, "
      "one\n"
      "JSON object a line. The exit status is the program's; 125 if telrun itself fails, 126 if "
      "the\n"
      "program cannot be executed, 127 if it is not found.\n"
      "\n"
      "  telrun -o trace.jsonl ./app --its-option    events to a file\n"
      "  telrun -r 0.1 --summary -- make test        a tenth of the traces, a summary at the end\n"
      "\n"
      "Each option sets the environment variable of the same meaning, for the program too:\n"
      "\n",
      stdout);
  for (const Setting& setting : kSettings) {
    if (setting.long_option == nullptr) continue;
    char option[64], help[512];
    describe_option(setting, option);
    TextBuffer text(help, sizeof help);
    text.add(setting.help).add(" [").add(setting.name);
    if (setting.default_text[0] != 0) text.add(", default ").add(setting.default_text);
    text.add(']');
    print_option(option, help);
  }
  char quiet[64];
  TextBuffer(quiet, sizeof quiet).add("no summary [").add(kSettings[kSummary].name).add("=never]");
  char always[64];
  TextBuffer(always, sizeof always)
      .add("summary in any case [")
      .add(kSettings[kSummary].name)
      .add("=always]");
  print_option("-q, --quiet", quiet);
  print_option("    --summary", always);
  char report[160];
  TextBuffer(report, sizeof report)
      .add(
          "write a report of the run: one HTML file to open in a browser, named after the program "
          "unless FILE is given [")
      .add(kSettings[kReport].name)
      .add("]");
  print_option("    --report[=FILE]", report);
  putchar('\n');
  print_option("-D, --detach-in-place",
               "become the program instead of staying its parent: for programs whose process id or "
               "group leadership matters; telrun then neither waits for the events nor reports");
  print_option("-h, --help", "this text");
  print_option("-V, --version", "the version");
  fputs("\nAll settings: telinject help settings\n", stdout);
  return finish();
}

int print_convert_help() {
  fputs(
      "Usage: telinject convert [options] path...\n"
      "\n"
      "Makes events of recordings: the files, or all those in the folders, that telrun --record\n"
      "left. They are the events that the program would have had; files of the modules are looked\n"
      "for by path and build id on this machine. They go to standard output, or to a file (-o).\n"
      "Files of what a receiver could not be sent (.telleft) are sent (--output=http).\n"
      "\n"
      "  telrun --record trace ./app\n"
      "  telinject convert -o trace.jsonl trace\n"
      "\n"
      "  -o, --file=PATH               append events to this file, compressed if it ends in .zst\n"
      "                                or .gz [TELEMETRY_FILE]\n"
      "      --file-mode=MODE          its permissions if it is made, in octal "
      "[TELEMETRY_FILE_MODE,\n"
      "                                default 0600]\n"
      "  -O, --output=KIND             stderr, file, http, or several, separated by commas\n"
      "                                [TELEMETRY_OUTPUT, default standard output]\n"
      "      --drain-threads=N         encode, and compress, with up to so many threads; 0: with "
      "one\n"
      "                                for each core [TELEMETRY_DRAIN_THREADS, default 1]\n"
      "  -q, --quiet, --summary        no summary, or one in any case [TELEMETRY_SUMMARY]\n"
      "\n"
      "The status is 1 if something could not be read or written.\n",
      stdout);
  return finish();
}

int print_settings() {
  fputs("Settings: environment variables, and the telrun options that set them.\n", stdout);
  for (const Setting& setting : kSettings) {
    printf("\n  %s", setting.name);
    if (setting.alias != nullptr) printf(" (or %s)", setting.alias);
    if (setting.long_option != nullptr) {
      char option[64];
      describe_option(setting, option);
      printf("   telrun %s", option + strspn(option, " "));
    }
    printf("\n      ");
    print_wrapped(setting.help, 6, 6);
    char values[128];
    describe_values(setting, values);
    if (values[0] != 0) printf("      values: %s\n", values);
    if (setting.default_text[0] != 0) printf("      default: %s\n", setting.default_text);
  }
  return finish();
}

int print_settings_markdown() {
  fputs(
      "| Variable | telrun | Values | Default | Meaning |\n"
      "|---|---|---|---|---|\n",
      stdout);
  for (const Setting& setting : kSettings) {
    printf("| `%s`", setting.name);
    if (setting.alias != nullptr) printf(", `%s`", setting.alias);
    fputs(" | ", stdout);
    if (setting.long_option != nullptr) {
      char option[64];
      describe_option(setting, option);
      printf("`%s`", option + strspn(option, " "));
    }
    char values[128];
    describe_values(setting, values);
    printf(" | %s | ", values);
    if (setting.default_text[0] != 0) printf("`%s`", setting.default_text);
    printf(" | %s |\n", setting.help);
  }
  return finish();
}

}  // namespace telinject
