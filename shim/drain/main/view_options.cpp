#include "shim/drain/main/view_options.h"

#include <array>
#include <string_view>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "shim/channel/settings.h"
#include "shim/sinks/printable_text.h"

namespace telinject::drain {

namespace {

bool parse_share(std::string_view text, double* share) {
  bool percent = text.ends_with('%');
  if (percent) text.remove_suffix(1);
  if (!absl::SimpleAtod(std::string(text), share) || !(*share >= 0)) return false;
  if (percent) *share /= 100;
  return true;
}

bool set_format(const std::string& value, ViewOptions* options) {
  options->format = views::parse_format(value);
  return options->format.has_value();
}
bool set_output(const std::string& value, ViewOptions* options) {
  options->output = value;
  return !value.empty();
}
bool set_focus(const std::string& value, ViewOptions* options) {
  options->text.focus = Globs(value);
  return !value.empty();
}
bool set_min_duration(const std::string& value, ViewOptions* options) {
  uint64_t ns = 0;
  if (!parse_duration(value.c_str(), &ns)) return false;
  options->text.min_duration_ns = static_cast<int64_t>(ns);
  return true;
}
bool set_budget(const std::string& value, ViewOptions* options) {
  constexpr uint64_t kMost = 1000000000;
  uint64_t bytes = 0;
  if (!parse_size(value.c_str(), &bytes) || bytes == 0 || bytes > kMost) return false;
  options->report.budget_bytes = bytes;
  return true;
}
bool set_min_share(const std::string& value, ViewOptions* options) {
  return parse_share(value, &options->text.min_share);
}
bool set_count(const std::string& value, ViewOptions* options) {
  return absl::SimpleAtoi(value, &options->text.count);
}
bool set_by(const std::string& value, ViewOptions* options) {
  options->text.by = value;
  return views::is_order(value);
}
bool set_fail_above(const std::string& value, ViewOptions* options) {
  double share = 0;
  if (!parse_share(value, &share)) return false;
  options->fail_above = share;
  return true;
}

struct Option {
  const char *name, *commands;  // commands: between spaces, those that have it
  const char *values, *help;
  bool (*set)(const std::string& value, ViewOptions* options);
};

constexpr std::array<Option, 9> kOptions = {{
    {"--format", " export ",
     "perfetto, chrome, folded, speedscope, speedscope-calls, callgrind, csv", "the format",
     set_format},
    {"--output", " report export top graph tree diff ", "a path; - is standard output",
     "where it is written (or -o); compressed if it ends in .gz or .zst", set_output},
    {"--budget", " report ", "a size such as 8MB",
     "so much of the file may be single calls (default 8MB); tables count all in any case",
     set_budget},
    {"--focus", " top graph tree diff ", "globs, separated by commas",
     "only functions with such names; graph and tree: and what they call", set_focus},
    {"--min-duration", " tree ", "a duration such as 1ms", "leaves out shorter calls",
     set_min_duration},
    {"--min-share", " graph ", "a share such as 0.5%",
     "leaves out what took less of the whole time (default 0.5%)", set_min_share},
    {"--count", " top diff ", "a number", "so many rows at most (default 30); 0: all", set_count},
    {"--by", " top ", "own, total, calls, p50, p99, max", "the order (default own)", set_by},
    {"--fail-above", " diff ", "a share such as 10%",
     "exit with 1 if functions became slower by more than this share of the old run",
     set_fail_above},
}};

bool has(const Option& option, const std::string& command) {
  return absl::StrContains(option.commands, absl::StrCat(" ", command, " "));
}

const Option* option_of(const std::string& command, std::string_view name) {
  for (const Option& option : kOptions) {
    if (name == option.name && has(option, command)) return &option;
  }
  return nullptr;
}

}  // namespace

std::optional<ViewOptions> parse_view_options(const std::string& command,
                                              const std::vector<std::string>& words,
                                              std::string* problem) {
  ViewOptions options;
  bool only_paths = false;
  for (size_t i = 0; i < words.size(); i++) {
    const std::string& word = words[i];
    if (only_paths || word.size() < 2 || word[0] != '-') {
      options.paths.push_back(word);
      continue;
    }
    if (word == "--") {
      only_paths = true;
    } else if (word == "--help" || word == "-h") {
      options.help = true;
    } else if (word == "--json" && command != "export" && command != "report") {
      options.text.json = true;
    } else {
      size_t equals = word.find('=');
      std::string name = word.substr(0, equals);
      if (name == "-o") name = "--output";
      const Option* option = option_of(command, name);
      if (option == nullptr) {
        *problem = absl::StrCat(command, " has no option ", printable(word), "; telinject ",
                                command, " --help lists them");
        return std::nullopt;
      }
      bool attached = equals != std::string::npos;
      if (!attached && i + 1 == words.size()) {
        *problem = absl::StrCat(printable(word), " needs a value: ", option->values);
        return std::nullopt;
      }
      std::string value = attached ? word.substr(equals + 1) : words[++i];
      if (!option->set(value, &options)) {
        *problem = absl::StrCat(name, " ", printable(value), ": must be ", option->values);
        return std::nullopt;
      }
    }
  }
  return options;
}

std::string view_help(const std::string& command) {
  constexpr std::array<std::pair<const char*, const char*>, 6> kAbout = {{
      {"report", "Makes one HTML file that shows recordings; it needs no network."},
      {"top", "Shows the functions of recordings, those that took most time first."},
      {"graph", "Shows the call tree of recordings: who called what, how often, how long."},
      {"tree", "Shows every call of recordings in the order of time; repetitions are folded."},
      {"diff", "Shows what differs between two recordings, the largest difference first."},
      {"export", "Writes recordings in the format of another tool."},
  }};
  std::string text =
      absl::StrCat("Usage: telinject ", command, command == "export" ? " --format=FORMAT" : "",
                   " [options] ", command == "diff" ? "old new" : "path...", "\n\n");
  for (const auto& [name, about] : kAbout) {
    if (command == name) absl::StrAppend(&text, about, "\n\n");
  }
  absl::StrAppend(&text,
                  "A path is a recording (telrun --record=FOLDER ./app), or a folder of them.\n\n");
  for (const Option& option : kOptions) {
    if (!has(option, command)) continue;
    absl::StrAppend(&text, "  ", option.name, "=...  ", option.help, "\n      ", option.values,
                    "\n");
  }
  if (command != "export" && command != "report")
    absl::StrAppend(&text, "  --json  one JSON object for each row\n");
  return text;
}

}  // namespace telinject::drain
