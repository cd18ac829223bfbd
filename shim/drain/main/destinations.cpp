#include "shim/drain/main/destinations.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "shim/channel/control.h"
#include "shim/drain/base/warn.h"
#include "shim/drain/main/outputs.h"
#include "shim/metadata/surroundings.h"
#include "shim/receivers/delivery_sink.h"
#include "shim/receivers/receiver.h"

namespace telinject::drain {

namespace {

class NoSink : public Sink {
 public:
  uint64_t write(std::string_view lines) override {
    return static_cast<uint64_t>(std::count(lines.begin(), lines.end(), '\n'));
  }
  std::string describe() const override { return "nowhere"; }
  bool hopeless() const override { return true; }
};

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
  return std::make_unique<NoSink>();
}

// Of what waits to be sent: less than what records may take.
uint64_t waiting_memory(const Settings& settings) {
  constexpr uint64_t kMost = 64 << 20, kLeast = 4 << 20;
  uint64_t queue = settings.number[kQueueBytes];
  return queue == 0 ? kMost : std::clamp(queue / 4, kLeast, kMost);
}

}  // namespace

Destinations Destinations::nowhere() {
  Destinations destinations;
  destinations.add(std::make_unique<NoSink>());
  return destinations;
}

void Destinations::add_stderr() {
  if (!std::exchange(stderr_, true)) add(open_stderr_sink());
}

void Destinations::add_file(const Settings& settings, const Options& options) {
  if (options.file.empty()) {
    bool to_stderr = settings.has_output(kOutputStderr);
    return warn("TELEMETRY_OUTPUT=file needs TELEMETRY_FILE=path (telrun -o path); ",
                to_stderr ? "events go to standard error" : "no file is written");
  }
  if (output_descriptor(settings) >= 0 && options.of == Of::kProgram) {
    return add(open_program_output(settings));
  }
  std::string problem;
  if (settings.number[kMaxFileSize] != 0 && settings.number[kDetail] == kDetailLean) {
    warn(
        "TELEMETRY_DETAIL=lean writes what events share once, into the first file: keep older "
        "files, "
        "which TELEMETRY_MAX_FILES=",
        settings.number[kMaxFiles], " removes");
  }
  Rotation rotation = {settings.number[kMaxFileSize], settings.number[kMaxFiles], warn_line};
  std::unique_ptr<Sink> sink =
      open_file_sink(options.file, &problem, options.workers, std::move(rotation));
  if (sink != nullptr) {
    if (!problem.empty()) warn(problem);
    return add(std::move(sink));
  }
  warn(why_not(problem, options.file),
       "; no events are written, the program runs on: choose another file");
  add(std::make_unique<NoSink>());
}

void Destinations::add_receiver(const Settings& settings, const Options& options) {
  std::string problem;
  std::optional<receivers::Receiver> receiver = receivers::make_receiver(settings, &problem);
  if (!receiver.has_value()) {
    if (all_.empty() && !settings.has_output(kOutputOtlp)) add_stderr();
    bool alone = all_.size() == 1 && stderr_;
    return warn(problem, alone ? "; events go to standard error" : "; no events are sent");
  }
  delivery::Delivery::Limits limits = receiver->limits;
  limits.spool_directory = options.directory;
  limits.spool_bytes = settings.number[kSpoolMax];
  limits.memory_bytes = waiting_memory(settings);
  receivers::DeliverySink::Patience patience;
  patience.end = std::chrono::milliseconds(settings.number[kExitWait]);
  patience.flush = std::min(patience.flush, patience.end);
  limits.patience = std::min(limits.patience, patience.end);
  patience.waits_for_room = options.of == Of::kConvert;
  // A request that gets no answer in time is sent once more before the receiver is given up.
  if (patience.waits_for_room) {
    limits.patience = std::max(limits.patience, 2 * receiver->endpoint.request_timeout);
  }
  auto delivery =
      std::make_unique<delivery::Delivery>(std::move(receiver->endpoint), limits, warn_line);
  // A receiver that takes nothing for so long is given up, however much there is.
  if (patience.waits_for_room) delivery->hurry(delivery::steady_clock::time_point::max());
  add(std::make_unique<receivers::DeliverySink>(std::move(delivery), receiver->framing, patience),
      /*full=*/true);
}

void Destinations::add_otlp(const Settings& settings, const Options& options) {
  otlp::Destination::Options how;
  how.limits.spool_directory = options.directory;
  how.limits.spool_bytes = settings.number[kSpoolMax];
  how.limits.memory_bytes = waiting_memory(settings);
  how.end = std::chrono::milliseconds(settings.number[kExitWait]);
  how.flush = std::min(how.flush, how.end);
  how.limits.patience = std::min(how.limits.patience, how.end);
  how.waits_for_room = options.of == Of::kConvert;
  how.budget = {settings.number[kOtlpTraceSpans], settings.number[kOtlpSpanRate]};
  how.metric_functions = settings.number[kOtlpMetricFunctions];
  Surroundings around = Surroundings::of(environ, "");
  std::string here = working_directory();
  otlp::Exporters exporters = otlp::read_exporters(
      [&](std::string_view name) { return around.get(name); },
      [&](const std::string& path) { return absolute(path, here); }, warn_line);
  otlp_ = std::make_unique<otlp::Destination>(std::move(exporters), how, warn_line);
}

Destinations Destinations::open(const Settings& settings, const Options& options) {
  Destinations destinations;
  if (options.to_stdout) destinations.add(open_stdout_sink());
  if (!options.to_stdout && settings.has_output(kOutputFile)) {
    destinations.add_file(settings, options);
  }
  if (settings.has_output(kOutputStderr) && !options.to_stdout) destinations.add_stderr();
  if (settings.has_output(kOutputHttp)) destinations.add_receiver(settings, options);
  if (settings.has_output(kOutputOtlp)) destinations.add_otlp(settings, options);
  return destinations;
}

void Destinations::stop() {
  for (One& one : all_) one.sink->stop();
  if (otlp_ != nullptr) otlp_->stop();
}

uint64_t Destinations::finish() {
  uint64_t missing = 0;
  for (One& one : all_) missing += one.sink->finish();
  if (otlp_ != nullptr) missing += otlp_->finish();
  return missing;
}

}  // namespace telinject::drain
