// telinject-drain: the process that turns records into events.
//
//   telinject-drain --session    started by telrun (shim/cli/README.md says with what)
//   telinject-drain --preload    started by libtelinject.so in a program without telrun
//   telinject-drain convert PATH...    started by telinject convert
#include <fcntl.h>
#include <limits.h>
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
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

#include "absl/strings/str_cat.h"
#include "shim/channel/clock.h"
#include "shim/channel/control.h"
#include "shim/channel/session.h"
#include "shim/channel/settings.h"
#include "shim/drain/base/warn.h"
#include "shim/drain/collect/collector.h"
#include "shim/drain/collect/control.h"
#include "shim/drain/main/convert.h"
#include "shim/drain/main/give_up.h"
#include "shim/drain/main/left_over.h"
#include "shim/drain/main/outputs.h"
#include "shim/drain/main/recorded_facts.h"
#include "shim/drain/recording/recorder.h"
#include "shim/drain/report/progress_bar.h"
#include "shim/drain/spans/processor.h"
#include "shim/http/digest.h"
#include "shim/messages/text_messages.h"
#include "shim/metadata/metadata_thread.h"
#include "shim/sinks/sink.h"
#include "shim/sinks/standard_error.h"
#include "shim/symbols/unpacked_file.h"

namespace telinject::drain {

namespace {

constexpr int kUsage = 2;
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
  return settings;
}

size_t drain_threads(const Settings& settings) {
  uint64_t wanted = settings.number[kDrainThreads];
  if (wanted != 0) return wanted;
  constexpr int kMost = 64;  // as the setting has it
  cpu_set_t cores;
  // A machine may have more of them than the set.
  if (sched_getaffinity(0, sizeof cores, &cores) != 0) return kMost;
  return static_cast<size_t>(std::clamp(CPU_COUNT(&cores), 1, kMost));
}

// The program's limits are not ours, nor is its priority or its way of dying.
void settle_process() {
  for (int signal : {SIGHUP, SIGINT, SIGTERM, SIGQUIT, SIGPIPE, SIGXFSZ, SIGTSTP}) {
    ::signal(signal, SIG_IGN);
  }
  for (int resource : {RLIMIT_AS, RLIMIT_DATA, RLIMIT_FSIZE, RLIMIT_NOFILE, RLIMIT_CPU}) {
    rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};
    if (setrlimit(resource, &limit) == 0) continue;
    // Without the privilege to go beyond the hard limit.
    if (getrlimit(resource, &limit) != 0) continue;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(resource, &limit);
  }
  prctl(PR_SET_NAME, "telinject-drain");
  // Batches are large and short-lived: they shall not be mapped and unmapped each time.
  mallopt(M_MMAP_THRESHOLD, 64 << 20);
  mallopt(M_TRIM_THRESHOLD, 256 << 20);
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

OutputChoice own_choice(const Settings& settings) {
  auto text = [&](SettingId id) { return std::string(settings.text[id]); };
  return {settings.number[kDetail] == kDetailLean,
          settings.number[kMinDuration],
          settings.number[kMaxDepth],
          text(kInclude),
          text(kExclude),
          text(kIncludeFiles),
          text(kExcludeFiles),
          text(kIncludeModules),
          text(kExcludeModules),
          settings.number[kHttpSlow]};
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

// One for each kind of operation, and one for texts.
MessageRedactors redactors_of(const Settings& settings) {
  MessageRedactors redactors;
  redactors.push_back(std::make_unique<HttpDigester>(redactor_of(settings)));
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
    Collector own(queue, session.clock, session.waiting_bytes, progress, redactors_of(settings),
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
  OutputChoice choice = own_choice(settings);
  options.filter = filter_of(choice);
  options.operations.slow_http_ns = static_cast<int64_t>(choice.slow_http_ns);
  Workers workers = {.most = drain_threads(settings), .give_way = true};
  TotalsOf of = under_telrun ? TotalsOf::kTelrun : TotalsOf::kPreload;
  if (record.empty()) options.totals = open_totals(settings, directory, of);
  options.totals_when_flushed = !under_telrun;
  bool to_descriptor = output_descriptor(settings) >= 0;
  bool to_file = settings.number[kOutput] == kOutputFile && !to_descriptor;
  if (to_file) options.output = file;
  std::unique_ptr<Sink> sink;
  std::unique_ptr<RecordingWriter> recording;
  if (!record.empty()) recording = open_recording(record, session);
  if (record.empty()) {
    sink = to_descriptor ? open_program_output(settings) : open_sink(settings, file, workers);
  } else if (recording == nullptr) {
    sink = open_no_sink();
  }
  // A folder that we stand in cannot be unmounted.
  [[maybe_unused]] int changed = chdir("/");

  std::string disk = spool_directory(settings, directory);
  Spool spool(disk, settings.number[kSpoolMax]);
  // The other half is for lanes, and so is what is not used of this one.
  BatchQueue queue(session.waiting_bytes / 2, &spool);
  Control* control = nullptr;
  std::atomic<uint64_t> progress{0};
  set_unpacking({.directory = disk, .progress = [&] { progress.fetch_add(1); }});
  auto watch = [&](SegmentId segment, int pid) { control->watch(segment, pid); };
  auto written = [&] { control->written(); };
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
  Control::Hooks hooks = {[] {}, [&] { bar.begin(); },
                          [&](bool may) { bar.allow(may && bar_wanted); }, [&] { bar.tick(); }};
  auto encoded = [&] { bar.end(); };
  if (recording != nullptr) {
    Recorder recorder(&queue, session.clock, std::move(recording), facts(), start,
                      {watch, written, &progress, more_facts, encoded});
    run_threads(session, settings, under_telrun, &queue, &progress, &control, hooks,
                [&] { recorder.run(); });
  } else {
    std::string totals = options.totals != nullptr ? options.totals->path() : "";
    std::string output = options.output;
    processor = std::make_unique<Processor>(
        &queue, &clock, make_outputs(std::move(sink), choice, workers), std::move(options),
        Processor::Hooks{watch, written, &progress, encoded});
    hooks.stop = [&] { processor->stop(); };
    auto leave = [&](Batch first) {
      known.goes_on = choice;
      leave_rest({disk, output, totals, facts(), start}, session, &queue, processor.get(),
                 std::move(first), {watch, written, &progress, more_facts, encoded});
    };
    run_threads(session, settings, under_telrun, &queue, &progress, &control, hooks, [&] {
      if (auto first = processor->run(/*leave_when_stopped=*/true)) leave(std::move(*first));
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
  set_unpacking({.directory = spool_directory(settings, directory)});
  ConvertOptions options;
  options.choice = own_choice(settings);
  options.threads = drain_threads(settings);
  options.totals = open_totals(settings, directory, TotalsOf::kRecording);
  if (settings.number[kOutput] == kOutputFile && !to_stdout) options.output = file;
  options.summary = wants_summary(settings, terminal);
  // Not among events.
  bool on_terminal = to_stdout ? isatty(STDOUT_FILENO) : settings.number[kOutput] == kOutputStderr;
  options.progress = terminal && !on_terminal;
  std::unique_ptr<Sink> sink =
      to_stdout ? open_stdout_sink() : open_sink(settings, file, {.most = options.threads});
  return convert(std::vector<std::string>(paths, paths + count), std::move(sink),
                 std::move(options));
}

}  // namespace

}  // namespace telinject::drain

int main(int argc, char** argv) {
  std::string mode = argc >= 2 ? argv[1] : "";
  if (mode == "--session" || mode == "--preload")
    return telinject::drain::run_drain(mode == "--session");
  if (mode == "convert") return telinject::drain::run_convert(argc - 2, argv + 2);
  fprintf(stderr, "telinject: unknown command '%s'; 'telinject help' lists them\n", mode.c_str());
  return telinject::drain::kUsage;
}
