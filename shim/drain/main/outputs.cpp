#include "shim/drain/main/outputs.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "shim/channel/control.h"
#include "shim/channel/sampling_rules.h"
#include "shim/drain/base/warn.h"
#include "shim/drain/sampling/flight_recorder.h"
#include "shim/drain/sampling/tail_sampler.h"
#include "shim/events/json/json_lines.h"

namespace telinject::drain {

namespace {

// A sink for one of several processors that share it.
class BorrowedSink final : public Sink {
 public:
  explicit BorrowedSink(Sink* sink) : sink_(sink), before_(sink->bytes_written()) {}
  uint64_t write(std::string_view lines) override { return count(sink_->write(lines)); }
  uint64_t flush() override { return count(sink_->flush()); }
  std::string describe() const override { return sink_->describe(); }
  bool hopeless() const override { return sink_->hopeless(); }
  void hurry() override { sink_->hurry(); }
  bool tells_losses() const override { return sink_->tells_losses(); }
  std::string outcome() const override { return sink_->outcome(); }

 private:
  uint64_t count(uint64_t lost) {
    bytes_written_ = sink_->bytes_written() - before_;
    return lost;
  }

  Sink* sink_;
  uint64_t before_;
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

// One output before all the others, or these.
EventOutputs keep_before(EventOutputs outputs, const OutputChoice& choice, bool live) {
  TailRules tail;
  RecorderRules recorder;
  std::unique_ptr<EventOutput> keeping;
  if (outputs.empty()) return outputs;
  if (parse_recorder_rules(choice.flight_recorder.c_str(), &recorder)) {
    if (recorder.slow_ns == 0) recorder.slow_ns = choice.operations.slow_http_ns;
    keeping = std::make_unique<FlightRecorder>(std::move(outputs), recorder, live);
  } else if (parse_tail_rules(choice.tail_sampling.c_str(), &tail)) {
    keeping = std::make_unique<TailSampler>(std::move(outputs), tail, live);
  } else {
    return outputs;
  }
  EventOutputs all;
  all.push_back(std::move(keeping));
  return all;
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

EventOutputs make_outputs(const Destinations& destinations, const OutputChoice& choice,
                          const Workers& encoders, bool live) {
  EventOutputs outputs;
  for (const Destinations::One& one : destinations.all()) {
    JsonLines::Options options = {choice.lean && !one.full, encoders};
    outputs.push_back(
        std::make_unique<JsonLines>(std::make_unique<BorrowedSink>(one.sink.get()), options));
  }
  auto add = [&](std::unique_ptr<EventOutput> output) {
    if (output != nullptr) outputs.push_back(std::move(output));
  };
  if (destinations.otlp() != nullptr) add(destinations.otlp()->make_output(choice.lean));
  outputs = keep_before(std::move(outputs), choice, live);
  // Metrics count all calls, whichever traces are kept.
  if (destinations.otlp() != nullptr) add(destinations.otlp()->make_metrics_output());
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
