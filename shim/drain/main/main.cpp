// telinject-drain: the process that turns records into events.
//
//   telinject-drain --session    started by telrun (shim/cli/README.md says with what)
//   telinject-drain --preload    started by libtelinject.so in a program without telrun
//   telinject-drain convert PATH...    started by telinject convert
//   telinject-drain dump PID           started by telinject dump
#include <fcntl.h>
#include <limits.h>
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <system_error>
#include <thread>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "shim/channel/clock.h"
#include "shim/channel/control.h"
#include "shim/channel/limits.h"
#include "shim/channel/session.h"
#include "shim/channel/settings.h"
#include "shim/drain/base/text_of_file.h"
#include "shim/drain/base/warn.h"
#include "shim/drain/collect/collector.h"
#include "shim/drain/collect/control.h"
#include "shim/drain/main/convert.h"
#include "shim/drain/main/destinations.h"
#include "shim/drain/main/doctor_command.h"
#include "shim/drain/main/dump_command.h"
#include "shim/drain/main/dumps.h"
#include "shim/drain/main/exit_status.h"
#include "shim/drain/main/give_up.h"
#include "shim/drain/main/left_over.h"
#include "shim/drain/main/outputs.h"
#include "shim/drain/main/recorded_facts.h"
#include "shim/drain/main/schema_command.h"
#include "shim/drain/main/validate_command.h"
#include "shim/drain/main/view_commands.h"
#include "shim/drain/main/view_report.h"
#include "shim/drain/recording/recorder.h"
#include "shim/drain/report/progress_bar.h"
#include "shim/drain/spans/operation_kinds.h"
#include "shim/drain/spans/processor.h"
#include "shim/messages/text_messages.h"
#include "shim/metadata/metadata_thread.h"
#include "shim/sinks/new_file.h"
#include "shim/sinks/printable_text.h"
#include "shim/sinks/sink.h"
#include "shim/sinks/standard_error.h"
#include "shim/symbols/unpacked_file.h"

namespace telinject::drain {

namespace {

constexpr int kForeverMs = 3600000;  // for what has a limit of its own

Settings read_own_settings(bool tell_problems) {
  Settings settings;
  SettingProblem problems[kSettingCount];
  size_t count = read_settings(environ, &settings, problems, kSettingCount);
  for (size_t i = 0; tell_problems && i < count; i++) {
    char line[512];
    describe_problem(problems[i], line, sizeof line);
    warn(line);
  }
  set_new_file_mode(static_cast<mode_t>(settings.number[kFileMode]));
  if (settings.given[kTailSampling] && settings.given[kFlightRecorder]) {
    warn(
        "TELEMETRY_TAIL_SAMPLING is not used with TELEMETRY_FLIGHT_RECORDER, which writes all "
        "that it keeps");
  }
  return settings;
}

// Each takes some megabytes, more of which wait for the one before.
size_t threads_that_fit() {
  constexpr uint64_t kForEach = uint64_t{64} << 20;
  return std::max<uint64_t>(memory_limit() / kForEach, 1);
}

size_t drain_threads(const Settings& settings) {
  uint64_t wanted = settings.number[kDrainThreads];
  if (wanted != 0) return std::min<size_t>(wanted, threads_that_fit());
  constexpr int kMost = 64;  // as the setting has it
  cpu_set_t cores;
  // A machine may have more of them than the set.
  if (sched_getaffinity(0, sizeof cores, &cores) != 0) return kMost;
  auto count = static_cast<size_t>(std::clamp(CPU_COUNT(&cores), 1, kMost));
  return std::min(count, threads_that_fit());
}

// That the kernel lets any process have.
rlim_t most_descriptors() {
  constexpr rlim_t kUsual = 1 << 20;
  rlim_t most = 0;
  return absl::SimpleAtoi(text_of_file("/proc/sys/fs/nr_open"), &most) ? most : kUsual;
}

// The program's limits, priority and way of dying are not ours. Dumps takes SIGUSR1 later.
void settle_process() {
  for (int signal : {SIGHUP, SIGINT, SIGTERM, SIGQUIT, SIGPIPE, SIGXFSZ, SIGTSTP, SIGUSR1}) {
    ::signal(signal, SIG_IGN);
  }
  for (int resource : {RLIMIT_AS, RLIMIT_DATA, RLIMIT_FSIZE, RLIMIT_NOFILE, RLIMIT_CPU}) {
    rlim_t most = resource == RLIMIT_NOFILE ? most_descriptors() : RLIM_INFINITY;
    rlimit limit = {most, most};
    if (setrlimit(resource, &limit) == 0) continue;
    // Without the privilege to go beyond the hard limit.
    if (getrlimit(resource, &limit) != 0) continue;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(resource, &limit);
  }
  prctl(PR_SET_NAME, "telinject-drain");
  // Batches are large and short-lived: they shall not be mapped and unmapped each time, where there
  // is memory.
  constexpr uint64_t kMapped = 64 << 20, kKept = 256 << 20, kLeast = 1 << 20, kShare = 32;
  uint64_t share = std::max(memory_limit() / kShare, kLeast);
  mallopt(M_MMAP_THRESHOLD, static_cast<int>(std::min(share, kMapped)));
  mallopt(M_TRIM_THRESHOLD, static_cast<int>(std::min(share, kKept)));
}

// Of compressed debug information: what is larger is unpacked into a file.
uint64_t unpacked_in_memory() {
  constexpr uint64_t kShare = 32;
  return std::min(Unpacking().worth_bytes, memory_limit() / kShare);
}

// Our threads' stacks count against the program's limits on memory. They recurse nowhere.
constexpr size_t kThreadStackBytes = 512 << 10;

template <typename Function>
std::thread start_thread(Function function) {
  pthread_attr_t attributes;
  if (pthread_attr_init(&attributes) == 0) {
    pthread_attr_setstacksize(&attributes, kThreadStackBytes);
    pthread_setattr_default_np(&attributes);
    pthread_attr_destroy(&attributes);
  }
  try {
    return std::thread(std::move(function));
  } catch (const std::system_error& error) {
    give_up(absl::StrCat("cannot start the drain's threads (", error.code().message(),
                         "); nothing is traced, the program runs on: raise the limit on processes "
                         "(ulimit -u) or on memory (ulimit -v)"));
  }
}

bool wants_summary(const Settings& settings, bool terminal) {
  switch (settings.number[kSummary]) {
    case kSummaryAlways:
      return true;
    case kSummaryNever:
      return false;
    default:
      return terminal;
  }
}

MetadataOptions metadata_options(const Settings& settings, const std::string& directory) {
  MetadataOptions options;
  options.service_name = settings.text[kServiceName];
  options.service_version = settings.text[kServiceVersion];
  if (settings.given[kEnvironment]) options.environment = settings.text[kEnvironment];
  options.directory = directory.empty() ? "/" : directory;
  options.around = Surroundings::of(environ, settings.text[kSystemRoot]);
  options.cloud = settings.number[kCloudMetadata] != 0;
  options.kubernetes = settings.given[kKubernetesMetadata]
                           ? settings.number[kKubernetesMetadata] != 0
                           : options.cloud;
  options.kubernetes_api = settings.number[kNoKubernetesApi] == 0;
  // Not if the program has more rights than the user who started it: HOME is that user's.
  const char* home = secure_getenv("HOME");
  if (settings.number[kNoMetadataCache] == 0 && home != nullptr && home[0] == '/') {
    options.cache_path = absl::StrCat(home, "/.telemetry_metadata.json");
  }
  options.limit = std::chrono::milliseconds(settings.number[kMetadataWait]);
  return options;
}

bool is_socket(int fd) {
  struct stat status = {};
  return fstat(fd, &status) == 0 && S_ISSOCK(status.st_mode);
}

std::unique_ptr<RecordingWriter> open_recording(const std::string& folder, const Session& session) {
  std::error_code error;
  std::filesystem::create_directory(folder, error);
  std::string problem;
  auto writer = RecordingWriter::create(recording_path(folder, session), &problem);
  if (writer == nullptr) {
    warn(why_not(problem, folder),
         "; nothing is recorded, the program runs on: choose another folder");
  }
  return writer;
}

redaction::Redactor redactor_of(const Settings& settings) {
  return redaction::Redactor(settings.text[kRedactHeaders], settings.text[kRedactQuery]);
}

// Those of all kinds of operations, and one for texts.
MessageRedactors redactors_of(const Settings& settings) {
  MessageRedactors redactors = operation_redactors(redactor_of(settings));
  redactors.push_back(std::make_unique<TextMessages>(redactor_of(settings)));
  return redactors;
}

// Starts the threads beside the processor (or recorder), which `consume` runs here.
void run_threads(const Session& session, const Settings& settings, bool under_telrun,
                 BatchQueue* queue, std::atomic<uint64_t>* progress, Control** control,
                 Control::Hooks hooks, const std::function<void()>& consume) {
  Collector* collector = nullptr;
  // The collector's robust list belongs to its thread, so it is made there.
  std::atomic<bool> ready{false};
  std::thread collecting = start_thread([&] {
    WaitingBytes waiting = {session.waiting_bytes, settings.number[kQueueBytes] != 0};
    Collector own(queue, session.clock, waiting, progress, redactors_of(settings),
                  redactor_of(settings));
    collector = &own;
    ready.store(true);
    ready.notify_one();
    own.run();
  });
  ready.wait(false);
  ControlFds fds;
  if (under_telrun) fds.supervisor = kDrainControlFd;
  if (is_socket(kDrainListenFd)) fds.listener = kDrainListenFd;
  if (is_socket(kDrainAbstractFd)) fds.abstract_listener = kDrainAbstractFd;
  Control own_control(fds, session, collector, std::move(hooks));
  *control = &own_control;
  if (!under_telrun) own_control.add_program(kDrainSegmentFd, kDrainPidfdFd);
  std::thread controlling = start_thread([&] { own_control.run(); });
  StandardError::let_go();
  has_started();
  consume();
  controlling.join();
  collecting.join();
}

Dumps::Of kept_of(const OutputChoice& choice, bool recorded) {
  if (recorded) return Dumps::Of::kRecording;
  if (!choice.flight_recorder.empty()) return Dumps::Of::kFlightRecorder;
  return choice.tail_sampling.empty() ? Dumps::Of::kNothing : Dumps::Of::kTailSampling;
}

int run_drain(bool under_telrun) {
  bool terminal = isatty(2);
  StandardError::take_over();
  settle_process();
  Session session = {};
  const char* text = getenv(kSessionVariable);
  if (text == nullptr || !parse_session(text, &session)) {
    warn("is started by telrun or by libtelinject.so, not by hand (no ", kSessionVariable, ")");
    return kUsage;
  }
  prepare_to_give_up(session, under_telrun ? -1 : kDrainSegmentFd);
  ClockAnchor start = ClockMap::take_anchor(session.clock);
  int64_t start_realtime_ns = clock_ns(CLOCK_REALTIME);
  ClockKeeper clock(session.clock);
  Settings settings = read_own_settings(/*tell_problems=*/!under_telrun);
  std::string directory = working_directory();
  std::string file = absolute(settings.text[kFile], directory);
  std::string record = absolute(settings.text[kRecord], directory);
  Processor::Options options;
  bool diagnostics = settings.number[kDiagnostics] != 0;
  MetadataThread finder(
      metadata_options(settings, directory), [](const std::string& line) { warn(line); },
      [diagnostics](const std::string& line) {
        if (diagnostics) warn(line);
      });
  options.finder = &finder;
  options.sample_rate = settings.number[kSampleRate];
  options.exact_totals = settings.number[kTotals] == kTotalsExact;
  options.summary = under_telrun && wants_summary(settings, terminal);
  OutputChoice choice = OutputChoice::of(settings);
  options.filter = filter_of(choice);
  options.operations = choice.operations;
  Workers workers = {.most = drain_threads(settings), .give_way = true};
  TotalsOf of = under_telrun ? TotalsOf::kTelrun : TotalsOf::kPreload;
  if (record.empty()) options.totals = open_totals(settings, directory, of);
  options.totals_when_flushed = !under_telrun;
  options.started_ns = start_realtime_ns;
  bool to_descriptor = output_descriptor(settings) >= 0;
  bool to_file = settings.has_output(kOutputFile) && !to_descriptor;
  if (to_file) options.output = file;
  std::string disk = spool_directory(settings, directory);
  std::unique_ptr<RecordingWriter> recording;
  if (!record.empty()) recording = open_recording(record, session);
  std::unique_ptr<LiveReport> report = LiveReport::make(settings, directory);
  bool report_alone = report != nullptr && !settings.given[kOutput] && !settings.given[kFile];
  Destinations destinations = report_alone || !record.empty()
                                  ? Destinations::nowhere()
                                  : Destinations::open(settings, {file, workers, disk});
  // A folder that we stand in cannot be unmounted.
  [[maybe_unused]] int changed = chdir("/");

  Spool spool(disk, settings.number[kSpoolMax], warn_line);
  // The other half is for lanes, and so is what is not used of this one.
  BatchQueue queue(session.waiting_bytes / 2, &spool);
  Control* control = nullptr;
  std::atomic<uint64_t> progress{0};
  set_unpacking({.directory = disk, .worth_bytes = unpacked_in_memory(), .progress = [&] {
                   progress.fetch_add(1);
                 }});
  auto watch = [&](SegmentId segment, int pid) { control->watch(segment, pid); };
  auto written = [&] {
    if (report != nullptr) report->write();
    control->written();
  };
  RecordedFacts known = {
      session.clock, start_realtime_ns, {}, options.sample_rate, options.exact_totals};
  auto facts = [&] {
    known.metadata = finder.current();
    return facts_to_json(known);
  };
  auto more_facts = [&](bool last) {
    finder.start();
    bool found = finder.wait(std::chrono::milliseconds(last ? kForeverMs : 0));
    return found ? facts() : "";
  };
  bool bar_wanted =
      terminal && settings.number[kSummary] != kSummaryNever && (recording != nullptr || to_file);
  std::unique_ptr<Processor> processor;
  ProgressBar bar(recording != nullptr ? "telrun: writing the recording" : "telrun: writing events",
                  [&] {
                    return Work{queue.done_bytes(), queue.left_bytes(),
                                processor != nullptr ? processor->events_written() : 0};
                  });
  Dumps dumps(kept_of(choice, /*recorded=*/recording != nullptr));
  Control::Hooks hooks = {[] {},
                          [&] { bar.begin(); },
                          [&](bool may) { bar.allow(may && bar_wanted); },
                          [&] { bar.tick(); },
                          [&](int connection) { dumps.asked(connection); },
                          [&] { return dumps.notices(); }};
  auto encoded = [&] { bar.end(); };
  if (recording != nullptr) {
    Recorder recorder(&queue, session.clock, std::move(recording), facts(), start,
                      {watch, written, &progress, more_facts, encoded});
    run_threads(session, settings, under_telrun, &queue, &progress, &control, hooks,
                [&] { recorder.run(); });
  } else {
    std::string totals = options.totals != nullptr ? options.totals->path() : "";
    std::string output = options.output;
    EventOutputs event_outputs;
    if (!report_alone) event_outputs = make_outputs(destinations, choice, workers, /*live=*/true);
    if (report != nullptr) event_outputs.push_back(report->make_output());
    processor =
        std::make_unique<Processor>(&queue, &clock, std::move(event_outputs), std::move(options),
                                    Processor::Hooks{watch, written, &progress, encoded});
    hooks.stop = [&] {
      processor->stop();
      destinations.stop();
    };
    auto leave = [&](Batch first) {
      known.goes_on = choice;
      bool several = settings.has_output(kOutputHttp) || settings.has_output(kOutputOtlp);
      std::string outputs = several ? settings.text[kOutput] : "";
      leave_rest({disk, output, totals, outputs, facts(), start}, session, &queue, processor.get(),
                 std::move(first), {watch, written, &progress, more_facts, encoded});
    };
    run_threads(session, settings, under_telrun, &queue, &progress, &control, hooks, [&] {
      // A report alone is what the processor has come to: there is nothing to be converted later.
      if (auto first = processor->run(/*leave_when_stopped=*/!report_alone))
        leave(std::move(*first));
      if (report != nullptr) report->write();
      destinations.finish();
    });
  }
  remove_session_files();
  // A thread that hangs in a file system would see statics disappear.
  if (!finder.finished()) _exit(0);
  return 0;
}

// Events go to standard output if nothing else is said: with a reader that has had enough
// (`| head`) it ends as other filters do.
int run_convert(int count, char** paths) {
  bool terminal = isatty(2);
  StandardError::use();
  Settings settings = read_own_settings(/*tell_problems=*/true);
  bool nothing_said = !settings.given[kOutput] && !settings.given[kFile];
  bool to_stdout = nothing_said || output_descriptor(settings) == STDOUT_FILENO;
  ::signal(SIGPIPE, to_stdout ? SIG_DFL : SIG_IGN);
  if (count == 0) {
    warn("convert needs a recording, or the folder that telrun --record was given");
    return kUsage;
  }
  if (to_stdout && fcntl(STDOUT_FILENO, F_GETFD) < 0) {
    warn("events go to standard output, which is closed: open it, or give a file (-o)");
    return kUsage;
  }
  std::string directory = working_directory();
  std::string file = absolute(settings.text[kFile], directory);
  set_unpacking(
      {.directory = spool_directory(settings, directory), .worth_bytes = unpacked_in_memory()});
  ConvertOptions options;
  options.choice = OutputChoice::of(settings);
  options.threads = drain_threads(settings);
  options.totals = open_totals(settings, directory, TotalsOf::kRecording);
  if (settings.has_output(kOutputFile) && !to_stdout) options.output = file;
  options.summary = wants_summary(settings, terminal);
  // Not among events.
  bool on_terminal = to_stdout ? isatty(STDOUT_FILENO) : settings.has_output(kOutputStderr);
  options.progress = terminal && !on_terminal;
  Destinations destinations =
      Destinations::open(settings, {.file = file,
                                    .workers = {.most = options.threads},
                                    .directory = spool_directory(settings, directory),
                                    .to_stdout = to_stdout,
                                    .of = Destinations::Of::kConvert});
  return convert(std::vector<std::string>(paths, paths + count), &destinations, std::move(options));
}

}  // namespace

}  // namespace telinject::drain

int main(int argc, char** argv) {
  std::string mode = argc >= 2 ? argv[1] : "";
  if (mode == "--session" || mode == "--preload")
    return telinject::drain::run_drain(mode == "--session");
  if (mode == "schema") return telinject::drain::print_schema(argc >= 3 ? argv[2] : "");
  if (mode == "dump") return telinject::drain::dump_command(argc - 2, argv + 2);
  if (mode == "convert") return telinject::drain::run_convert(argc - 2, argv + 2);
  if (mode == "doctor") return telinject::drain::doctor_command({argv + 2, argv + argc});
  if (mode == "validate") return telinject::drain::validate_command({argv + 2, argv + argc});
  if (telinject::drain::is_view_command(mode)) {
    return telinject::drain::run_view(mode, {argv + 2, argv + argc});
  }
  telinject::StandardError::use();
  telinject::drain::warn("unknown command '", telinject::printable(mode),
                         "'; 'telinject help' lists them");
  return telinject::drain::kUsage;
}
