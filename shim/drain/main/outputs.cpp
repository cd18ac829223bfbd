#include "shim/drain/main/outputs.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "shim/channel/control.h"
#include "shim/drain/base/warn.h"
#include "shim/events/json/json_lines.h"

namespace telinject::drain {

namespace {

// Events go nowhere; each is counted as lost.
class NoSink : public Sink {
 public:
  uint64_t write(std::string_view lines) override {
    return static_cast<uint64_t>(std::count(lines.begin(), lines.end(), '\n'));
  }
  std::string describe() const override { return "nowhere"; }
  bool hopeless() const override { return true; }
};

// The drain's own descriptors are not the program's.
bool is_descriptor_of_program(const char* totals) {
  if (descriptor_of_path(totals) < 0) return false;
  warn(
      "TELEMETRY_TOTALS_FILE=", totals,
      ": totals cannot be written to a descriptor of the program; none are written: choose a file");
  return true;
}

// The program of a bare preload, whose pidfd the drain has; the drain itself where there is none.
int started_by() {
  std::ifstream about(absl::StrCat("/proc/self/fdinfo/", kDrainPidfdFd));
  std::string word;
  int pid = 0;
  while (about >> word) {
    if (word == "Pid:" && about >> pid && pid > 0) return pid;
  }
  return getpid();
}

}  // namespace

// Empty if it has no path: deleted, or outside of what this process sees.
std::string working_directory() {
  std::error_code error;
  std::filesystem::path path = std::filesystem::current_path(error);
  return error || !path.is_absolute() ? "" : path.string();
}

// A relative path stays one where the directory has no path.
std::string absolute(const std::string& path, const std::string& directory) {
  if (path.empty() || path.front() == '/' || directory.empty()) return path;
  return absl::StrCat(directory, directory == "/" ? "" : "/", path);
}

// For what is opened after chdir("/").
std::string spool_directory(const Settings& settings, const std::string& directory) {
  std::string path = absolute(settings.text[kSpoolDirectory], directory);
  if (path.empty() || path.front() == '/') return path;
  const char* instead = kSettings[kSpoolDirectory].default_text;
  warn("TELEMETRY_SPOOL_DIR=", path, ": the working directory is deleted; ", instead,
       " is used: give a whole path");
  return instead;
}

// Why a file cannot be opened, with the reason behind the reason.
std::string why_not(const std::string& problem, const std::string& path) {
  bool relative = !path.empty() && path.front() != '/';
  return absl::StrCat(problem, relative ? " (the working directory is deleted)" : "");
}

std::unique_ptr<Sink> open_no_sink() {
  return std::make_unique<NoSink>();
}

// The program's, which it was started with, and which the drain was given.
std::unique_ptr<Sink> open_program_output(const Settings& settings) {
  int number = output_descriptor(settings);
  std::string name =
      number == STDOUT_FILENO ? "standard output" : absl::StrCat("descriptor ", number);
  std::unique_ptr<Sink> sink = open_descriptor_sink(kDrainOutputFd, name);
  close(kDrainOutputFd);
  if (sink != nullptr) return sink;
  warn("TELEMETRY_FILE=", settings.text[kFile], ": the program has no descriptor ", number,
       " that can be written to; no events are written, the program runs on: open it, or choose "
       "a file");
  return open_no_sink();
}

std::unique_ptr<Sink> open_sink(const Settings& settings, const std::string& file,
                                const Workers& workers) {
  if (settings.number[kOutput] == kOutputStderr) return open_stderr_sink();
  if (file.empty()) {
    warn("TELEMETRY_OUTPUT=file needs TELEMETRY_FILE=path; events go to standard error");
    return open_stderr_sink();
  }
  std::string problem;
  std::unique_ptr<Sink> sink = open_file_sink(file, &problem, workers);
  if (sink != nullptr) {
    if (!problem.empty()) warn(problem);
    return sink;
  }
  warn(why_not(problem, file), "; no events are written, the program runs on: choose another file");
  return open_no_sink();
}

EventOutputs make_outputs(std::unique_ptr<Sink> sink, const OutputChoice& choice,
                          const Workers& encoders) {
  EventOutputs outputs;
  outputs.push_back(
      std::make_unique<JsonLines>(std::move(sink), JsonLines::Options{choice.lean, encoders}));
  return outputs;
}

std::unique_ptr<DocumentFile> open_totals(const Settings& settings, const std::string& directory,
                                          TotalsOf of) {
  if (of != TotalsOf::kRecording && is_descriptor_of_program(settings.text[kTotalsFile]))
    return nullptr;
  std::string path = absolute(settings.text[kTotalsFile], directory), problem;
  if (path.empty()) return nullptr;
  std::string label = of == TotalsOf::kPreload ? std::to_string(started_by()) : "";
  std::unique_ptr<DocumentFile> file = DocumentFile::open(path, &problem, label);
  if (file == nullptr) {
    warn("TELEMETRY_TOTALS_FILE=", why_not(problem, path),
         "; no totals are written: choose another file");
  }
  return file;
}

}  // namespace telinject::drain
