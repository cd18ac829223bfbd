#include "shim/drain/main/doctor_command.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>
#include <set>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "shim/channel/clock.h"
#include "shim/channel/limits.h"
#include "shim/channel/settings.h"
#include "shim/channel/target.h"
#include "shim/drain/base/figures.h"
#include "shim/drain/base/find_program.h"
#include "shim/drain/base/warn.h"
#include "shim/drain/main/exit_status.h"
#include "shim/drain/main/outputs.h"
#include "shim/drain/report/program_check.h"
#include "shim/events/otlp/exporters.h"
#include "shim/metadata/surroundings.h"
#include "shim/receivers/receiver.h"
#include "shim/sinks/printable_text.h"
#include "shim/sinks/sink.h"
#include "shim/sinks/standard_error.h"

namespace telinject::drain {

namespace {

namespace fs = std::filesystem;

constexpr int kWorks = 0, kDoesNot = 1;

constexpr const char* kHelp =
    "Usage: telinject doctor [PROGRAM]\n"
    "\n"
    "Says whether a program can be traced on this machine with the settings of the environment,\n"
    "what will be recorded, and where events go. Nothing is run.\n"
    "\n"
    "The exit status is 0 if tracing works, 1 if something prevents it.\n";

// What was found, line by line.
class Findings {
 public:
  void good(const char* about, const std::string& text) { add("ok    ", about, text); }
  // Works, but less is told, or it may not last.
  void note(const char* about, const std::string& text, const std::string& advice = "") {
    add("note  ", about, text);
    advise(advice);
  }
  void bad(const char* about, const std::string& text, const std::string& advice = "") {
    add("BAD   ", about, text);
    advise(advice);
    all_good_ = false;
  }
  const std::string& text() const { return text_; }
  bool all_good() const { return all_good_; }

 private:
  static constexpr size_t kWidth = 12;
  void add(const char* mark, std::string about, const std::string& text) {
    about.resize(kWidth, ' ');
    absl::StrAppend(&text_, mark, about, printable(text, kMostOfALine / 2), "\n");
  }
  void advise(const std::string& advice) {
    if (!advice.empty()) absl::StrAppend(&text_, "        to do     ", advice, "\n");
  }

  std::string text_;
  bool all_good_ = true;
};

// False if there is nothing more to say of it.
bool check_target(const std::string& path, const Target& target, Findings* found) {
  if (target.kind == TargetKind::kUnknown) {
    found->bad("program", path + " is no program that can be examined");
    return false;
  }
  std::optional<Obstacle> obstacle = obstacle_of(path, target);
  if (obstacle.has_value()) {
    bool harmless = obstacle->for_users_only && geteuid() == 0;
    if (!harmless) found->bad("program", obstacle->reason, obstacle->advice);
    if (!obstacle->for_users_only) return false;
    if (!harmless) return !target.script;
  }
  found->good("program", path + (target.script ? " is a script: its interpreter is traced"
                                               : " is dynamically linked to glibc"));
  return !target.script;
}

void check_code(const std::string& path, Findings* found) {
  const char* rebuild = "build it with CC=telcc CXX=telc++";
  switch (hook_use(path)) {
    case HookUse::kImported:
      found->good("calls", "it is instrumented: every call is recorded");
      break;
    case HookUse::kDefined:
      found->note("calls", "it brings hooks of its own, which come before ours: no calls",
                  "leave __cyg_profile_func_enter and _exit out of the program");
      break;
    case HookUse::kNone:
    case HookUse::kUnknown:
      found->note("calls", "it is not instrumented: HTTP is recorded, function calls are not",
                  rebuild);
      return;
  }
  switch (debug_info_of(path)) {
    case DebugInfo::kOwn:
      found->good("names", "it has debug information: functions, parameters, files and lines");
      break;
    case DebugInfo::kSeparate:
      found->good("names", "its debug information is in a separate file");
      break;
    case DebugInfo::kSymbolsOnly:
      found->note("names", "it has no debug information: functions, but no files and lines",
                  "build it with -g");
      break;
    case DebugInfo::kNone:
    case DebugInfo::kUnknown:
      found->note("names", "it is stripped: functions that it does not export have no name",
                  "do not strip it, or keep its debug file beside it");
      break;
  }
}

void check_program(const std::string& name, Findings* found) {
  std::string path = name.find('/') != std::string::npos ? name : find_on_path(name);
  if (path.empty()) {
    return found->bad("program", name + " is not found on PATH",
                      "name it with its path: ./" + name);
  }
  if (access(path.c_str(), F_OK) != 0) {
    return found->bad("program", absl::StrCat(path, ": ", strerror(errno)));
  }
  if (fs::is_directory(path)) return found->bad("program", path + " is a folder");
  if (access(path.c_str(), X_OK) != 0) {
    return found->bad("program", path + " cannot be executed: " + strerror(errno),
                      "chmod +x " + path);
  }
  Target target = examine_target(AT_FDCWD, path.c_str());
  if (check_target(path, target, found)) check_code(path, found);
}

void check_machine(Findings* found) {
  if (tsc_is_trustworthy()) {
    found->good("clock", "the processor's counter (TSC)");
  } else {
    found->note("clock",
                "the kernel does not trust the TSC: each call costs a system call's time more");
  }
  int memfd = memfd_create("telinject-doctor", MFD_CLOEXEC);
  if (memfd < 0) {
    found->bad("memory", absl::StrCat("memfd_create is denied (", strerror(errno), ")"),
               "allow it in the seccomp profile");
  } else {
    close(memfd);
    found->good("memory", absl::StrCat("records that wait may take ", size_text(waiting_bytes(0)),
                                       " of ", size_text(memory_limit())));
  }
  constexpr rlim_t kFew = 256;
  rlimit files = {};
  getrlimit(RLIMIT_NOFILE, &files);
  if (files.rlim_max < kFew) {
    found->note("descriptors", absl::StrCat("ulimit -Hn is ", files.rlim_max,
                                            ": so many programs at once at most"));
  }
}

Settings check_settings(Findings* found) {
  constexpr size_t kMostProblems = 16;
  SettingProblem problems[kMostProblems];
  Settings settings;
  size_t count = read_settings(environ, &settings, problems, kMostProblems);
  for (size_t i = 0; i < std::min(count, kMostProblems); i++) {
    char line[kMostOfALine / 2];
    describe_problem(problems[i], line, sizeof line);
    found->note("settings", line, "telinject help settings");
  }
  if (count == 0) found->good("settings", "those that are set make sense");
  return settings;
}

struct FreeAddresses {
  void operator()(addrinfo* list) const { freeaddrinfo(list); }
};

// "" if it takes connections.
std::string why_unreachable(const std::string& host, const std::string& port) {
  constexpr int kPatienceMs = 2000;
  addrinfo hints = {}, *list = nullptr;
  hints.ai_socktype = SOCK_STREAM;
  int error = getaddrinfo(host.c_str(), port.c_str(), &hints, &list);
  if (error != 0) return gai_strerror(error);
  std::unique_ptr<addrinfo, FreeAddresses> free(list);
  std::string why = "no address";
  for (const addrinfo* each = list; each != nullptr; each = each->ai_next) {
    int fd = socket(each->ai_family, each->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) continue;
    int problem = connect(fd, each->ai_addr, each->ai_addrlen) == 0 ? 0 : errno;
    if (problem == EINPROGRESS) {
      pollfd ready = {fd, POLLOUT, 0};
      socklen_t size = sizeof problem;
      problem = ETIMEDOUT;
      if (poll(&ready, 1, kPatienceMs) == 1) getsockopt(fd, SOL_SOCKET, SO_ERROR, &problem, &size);
    }
    close(fd);
    if (problem == 0) return "";
    why = strerror(problem);
  }
  return why;
}

void check_url(const char* about, const std::string& url, Findings* found) {
  std::string told = delivery::url_to_tell(url);
  size_t scheme = told.find("://");
  std::string rest = scheme == std::string::npos ? told : told.substr(scheme + 3);
  rest = rest.substr(0, rest.find('/'));
  size_t colon = rest.rfind(':');
  bool has_port = colon != std::string::npos && rest.find(']', colon) == std::string::npos;
  std::string host = rest.substr(0, has_port ? colon : std::string::npos);
  std::string port = has_port ? rest.substr(colon + 1) : told.substr(0, scheme);
  if (host.size() > 1 && host[0] == '[') host = host.substr(1, host.size() - 2);
  std::string why = why_unreachable(host, port);
  if (why.empty()) return found->good(about, told + " takes connections");
  found->bad(about, absl::StrCat(told, " cannot be reached: ", why),
             "start the receiver, or correct the address; until then events are kept, then lost");
}

void check_file(const std::string& file, Findings* found) {
  std::error_code ignored;
  std::string folder = fs::path(file).parent_path();
  bool there = fs::exists(file, ignored);
  if (access(there ? file.c_str() : folder.c_str(), W_OK) == 0) {
    return found->good("output", file + (there ? " exists: events are appended" : " can be made"));
  }
  found->bad("output", absl::StrCat(there ? file : folder, ": ", strerror(errno)),
             "choose another file: telrun -o FILE");
}

void check_otlp(Findings* found) {
  Surroundings around = Surroundings::of(environ, "");
  otlp::Exporters exporters = otlp::read_exporters(
      [&](std::string_view name) { return around.get(name); },
      [](const std::string& path) { return absolute(path, working_directory()); },
      [&](const std::string& problem) { found->note("settings", problem); });
  std::set<std::string> urls;
  for (const auto* exporter : {&exporters.traces, &exporters.logs, &exporters.metrics}) {
    if (exporter->has_value()) urls.insert((*exporter)->endpoint.url);
  }
  for (const std::string& url : urls) check_url("otlp", url, found);
}

void check_outputs(const Settings& settings, Findings* found) {
  if (settings.has_output(kOutputFile) && settings.text[kFile][0] != '\0') {
    check_file(absolute(settings.text[kFile], working_directory()), found);
  }
  if (settings.has_output(kOutputStderr)) {
    found->good("output",
                "standard error, beside what the program says; telrun -o FILE keeps them apart");
  }
  if (settings.has_output(kOutputHttp)) {
    std::string problem;
    std::optional<receivers::Receiver> receiver = receivers::make_receiver(settings, &problem);
    if (!receiver.has_value()) {
      found->bad("http", problem);
    } else {
      check_url("http", receiver->endpoint.url, found);
    }
  }
  if (settings.has_output(kOutputOtlp)) check_otlp(found);
}

}  // namespace

int doctor_command(const std::vector<std::string>& words) {
  StandardError::use();
  std::unique_ptr<Sink> output = open_stdout_sink();
  if (output == nullptr) return kUsage;
  if (!words.empty() && (words[0] == "--help" || words[0] == "-h")) {
    return output->write(kHelp) == 0 ? kWorks : kUsage;
  }
  if (words.size() > 1 || (!words.empty() && words[0].starts_with('-'))) {
    warn("doctor takes one program: telinject doctor ./app");
    return kUsage;
  }
  Findings found;
  if (!words.empty()) check_program(words[0], &found);
  check_machine(&found);
  check_outputs(check_settings(&found), &found);
  if (output->write(found.text()) != 0) return kUsage;
  return found.all_good() ? kWorks : kDoesNot;
}

}  // namespace telinject::drain
