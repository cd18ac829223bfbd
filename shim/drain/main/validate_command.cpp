#include "shim/drain/main/validate_command.h"

#include <errno.h>
#include <string.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "shim/drain/base/figures.h"
#include "shim/drain/base/warn.h"
#include "shim/drain/main/exit_status.h"
#include "shim/sinks/printable_text.h"
#include "shim/sinks/sink.h"
#include "shim/sinks/standard_error.h"
#include "shim/validate/event_file.h"

namespace telinject::drain {

namespace {

constexpr int kValid = 0, kNotValid = 1;

constexpr std::string_view kValidateHelp =
    "Usage: telinject validate FILE...\n"
    "\n"
    "Checks files of events (JSON lines; - for standard input): the fields of each event and "
    "their\n"
    "types, that each span has one start and one end which agree, parents, sequence numbers, "
    "times\n"
    "and durations. Prints the first fault of each kind, with its line.\n"
    "\n"
    "The exit status is 0 if all files are valid, 1 if one is not, 2 if one cannot be read.\n";

std::string counted(uint64_t count, std::string_view one, std::string_view many) {
  return absl::StrCat(grouped(count), " ", std::string(count == 1 ? one : many));
}

void add_note(uint64_t count, std::string_view one, std::string_view many, std::string* text) {
  if (count > 0) absl::StrAppend(text, "  note: ", counted(count, one, many), "\n");
}

// What is said of one file.
std::string verdict(const std::string& name, const validate::EventFile& file) {
  const validate::TraceChecker::Notes& notes = file.notes();
  std::string text, shown = printable(name);
  uint64_t all = 0;
  for (const validate::Fault& fault : file.first_faults()) {
    uint64_t count = file.faults().find(fault.rule)->second;
    all += count;
    absl::StrAppend(&text, shown, ":", fault.line, ": ", std::string(fault.rule), ": ",
                    printable(fault.text, kMostOfALine / 2));
    if (count > 1) absl::StrAppend(&text, " (and ", grouped(count - 1), " more of this kind)");
    text += '\n';
  }
  absl::StrAppend(&text, shown, ": ",
                  all == 0 ? "valid" : absl::StrCat("not valid, ", counted(all, "fault", "faults")),
                  ": ", counted(file.events(), "event", "events"), ", ",
                  counted(notes.spans, "span", "spans"), ", ",
                  counted(notes.processes, "process", "processes"), ", ",
                  counted(notes.traces, "trace", "traces"), "\n");
  add_note(notes.lost_calls, "call was lost, as telemetry_loss tells",
           "calls were lost, as telemetry_loss tells", &text);
  add_note(notes.never_ended,
           "span has no end: its program still runs, or was killed together with its drain",
           "spans have no end: their program still runs, or was killed together with its drain",
           &text);
  add_note(notes.foreign_parents, "span has a parent that is not in this file",
           "spans have parents that are not in this file", &text);
  add_note(notes.not_nested, "call is not nested in the innermost one of its thread (a coroutine?)",
           "calls are not nested in the innermost one of their thread (coroutines?)", &text);
  if (file.last_line_is_torn()) text += "  note: the last line is not complete\n";
  return text;
}

struct CloseFile {
  void operator()(FILE* file) const {
    if (file != stdin) fclose(file);
  }
};

int check_file(const std::string& name, Sink* output) {
  std::unique_ptr<FILE, CloseFile> file(name == "-" ? stdin : fopen(name.c_str(), "re"));
  if (file == nullptr) {
    warn(printable(name), " cannot be opened: ", strerror(errno));
    return kUsage;
  }
  validate::EventFile events;
  std::string problem;
  if (!events.read(file.get(), &problem)) {
    warn(printable(name), " ", problem);
    return kUsage;
  }
  std::string shown = name == "-" ? "standard input" : name;
  if (output->write(verdict(shown, events)) != 0) return kUsage;
  return events.faults().empty() ? kValid : kNotValid;
}

}  // namespace

int validate_command(const std::vector<std::string>& words) {
  StandardError::use();
  std::unique_ptr<Sink> output = open_stdout_sink();
  if (output == nullptr) return kUsage;
  if (words.empty()) {
    warn("validate needs files of events, or - for standard input");
    return kUsage;
  }
  for (const std::string& word : words) {
    if (word == "--help" || word == "-h") {
      return output->write(kValidateHelp) == 0 ? kValid : kUsage;
    }
    if (word.size() > 1 && word[0] == '-') {
      warn("validate has no option ", printable(word), ": telinject validate --help");
      return kUsage;
    }
  }
  if (std::count(words.begin(), words.end(), "-") > 1) {
    warn("standard input can be read once only");
    return kUsage;
  }
  int status = kValid;
  for (const std::string& word : words) status = std::max(status, check_file(word, output.get()));
  return status;
}

}  // namespace telinject::drain
