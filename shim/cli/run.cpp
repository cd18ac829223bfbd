#include "shim/cli/run.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shim/channel/control.h"
#include "shim/channel/session.h"
#include "shim/channel/settings.h"
#include "shim/channel/syscall.h"
#include "shim/channel/traceparent.h"
#include "shim/cli/child.h"
#include "shim/cli/drain_start.h"
#include "shim/cli/ending.h"
#include "shim/cli/help.h"
#include "shim/cli/installation.h"
#include "shim/cli/nearest.h"
#include "shim/cli/options.h"
#include "shim/cli/program.h"
#include "shim/cli/program_start.h"
#include "shim/cli/session_start.h"
#include "shim/cli/supervise.h"
#include "shim/cli/terminal.h"
#include "shim/cli/warn.h"
#include "shim/cli/witness.h"

namespace telinject {

namespace {

int run_in_place(const Program& program, char* const* envp) {
  return report_exec_failure(program.argv[0], execute(program, envp));
}

int run_untraced(const Program& program) {
  return run_in_place(program, environ);
}

// Variables that are like one of ours. Others may have names that begin so, too.
void report_mistyped() {
  constexpr const char* kPrefix = "TELEMETRY_";
  for (char** variable = environ; *variable != nullptr; variable++) {
    if (strncmp(*variable, kPrefix, strlen(kPrefix)) != 0) continue;
    char name[64];
    TextBuffer text(name, sizeof name);
    if (text.add(*variable, strcspn(*variable, "=")).overflow()) continue;
    Nearest nearest(name + strlen(kPrefix));  // all begin so
    bool known = false;
    for (const Setting& setting : kSettings) {
      known = known || strcmp(setting.name, name) == 0 ||
              (setting.alias != nullptr && strcmp(setting.alias, name) == 0);
      if (strncmp(setting.name, kPrefix, strlen(kPrefix)) == 0) {
        nearest.offer(setting.name + strlen(kPrefix));
      }
    }
    if (known || nearest.word() == nullptr) continue;
    warn(name, " is not a setting; did you mean ", kPrefix, nearest.word(), "?");
  }
}

void report_problems(const SettingProblem* problems, size_t count) {
  for (size_t i = 0; i < count && i < kSettingCount; i++) {
    char line[kLineBytes];
    describe_problem(problems[i], line, sizeof line);
    warn(line);
  }
  report_mistyped();
  const char* traceparent = getenv(kTraceparentVariable);
  TraceContext context;
  if (traceparent != nullptr && *traceparent != 0 && !parse_traceparent(traceparent, &context)) {
    warn(kTraceparentVariable, "=", traceparent, " is not a trace context; starting new traces");
  }
}

// True if the library is there and LD_PRELOAD can name it; else says why not.
bool find_library(char library[PATH_MAX]) {
  if (!find_part(kLibraryPart, library)) {
    warn(library, "; running untraced");
    return false;
  }
  if (strpbrk(library, " :") == nullptr) return true;
  warn("LD_PRELOAD cannot carry a path with a space or colon: ", library, "; running untraced");
  return false;
}

// Opens /dev/null, as none of the first three descriptors. Those that were closed at our start are
// filled, so that no socket of ours becomes the program's stdout; they are closed on exec, so the
// program finds them closed.
int open_null() {
  int fd;
  do fd = open("/dev/null", O_RDWR | O_CLOEXEC);
  while (fd >= 0 && fd <= STDERR_FILENO);
  return fd;
}

// The descriptor that events go to instead of a file, if the program has it: what is closed on exec
// is ours.
int program_output(const Settings& settings) {
  int fd = output_descriptor(settings);
  int flags = fd < 0 ? -1 : fcntl(fd, F_GETFD);
  return flags < 0 || (flags & FD_CLOEXEC) != 0 ? -1 : fd;
}

// Everything of a session that telrun holds. One for the process; descriptors end with it.
struct Supervision {
  NewSession session;
  Drain drain;
  Witness witness;
  Terminal terminal;
  Inherited inherited;
  int null_fd = -1;
  int signal_fd = -1;
  int output = -1;
};

const char* prepare(const Settings& settings, const char* drain_file, Supervision* all) {
  all->null_fd = open_null();
  if (all->null_fd < 0) return "open /dev/null";
  sigset_t every;
  memset(&every, 0xff, sizeof every);
  all->signal_fd = signalfd(-1, &every, SFD_CLOEXEC | SFD_NONBLOCK);
  if (all->signal_fd < 0) return "make a signalfd";
  all->output = program_output(settings);
  if (const char* failed = start_session(settings, &all->session)) return failed;
  const char* failed = start_drain(drain_file, all->session, all->output, &all->drain);
  int error = errno;
  if (failed != nullptr) remove_session_directory(all->session.session);
  close_listeners(&all->session);
  errno = error;
  return failed;
}

// No program came of it: nothing was recorded, so nothing has to be written. True if the drain has
// given up meanwhile and said why: `patience_ms` is its time to end after it has said so.
bool call_off(Supervision* all, int patience_ms = 0) {
  constexpr int kTryMs = 5;
  int status = 0;
  bool ended = false;
  for (int waited = 0; waited < patience_ms && !ended; waited += kTryMs) {
    ended = waitpid(all->drain.pid, &status, WNOHANG) == all->drain.pid;
    if (!ended) poll(nullptr, 0, kTryMs);
  }
  if (!ended) {
    kill(all->drain.pid, SIGKILL);
    waitpid(all->drain.pid, &status, 0);
  }
  remove_session_directory(all->session.session);
  leave_supervision(all->inherited);
  return WIFEXITED(status) && WEXITSTATUS(status) == kDrainGaveUp;
}

// Of the file of events, which is looked at in the end, from another directory. Null if there is
// none.
const char* output_file(const Settings& settings) {
  static char path[PATH_MAX];
  const char* file = settings.text[kFile];
  bool to_file = settings.number[kOutput] == kOutputFile && settings.text[kRecord][0] == 0;
  if (!to_file || *file == 0 || output_descriptor(settings) >= 0) return nullptr;
  TextBuffer text(path, sizeof path);
  if (file[0] != '/') {
    char here[PATH_MAX];
    if (getcwd(here, sizeof here) == nullptr || here[0] != '/') return nullptr;
    text.add(here).add('/');
  }
  text.add(file);
  return text.overflow() ? nullptr : path;
}

// Lets go of what others may wait for or want back: pipes, locks, the working directory. Events or
// a summary on stderr are worth waiting for, and so are events on another descriptor.
void let_go(const Settings& settings, Supervision* all) {
  for (int fd : {STDIN_FILENO, STDOUT_FILENO}) {
    if (fd != all->output) dup2(all->null_fd, fd);
  }
  bool speaks = settings.has_output(kOutputStderr) || settings.number[kSummary] == kSummaryAlways;
  int held = speaks ? -1 : let_go_of_stderr(all->null_fd);
  keep_only({all->signal_fd, all->drain.control, all->witness.socket(), all->terminal.fd(), held,
             all->output});
  all->drain.file = output_file(settings);
  if (chdir("/") != 0) return;
}

int supervise(const Settings& settings, const Program& program, char* const* envp,
              Supervision* all) {
  int error = 0;
  pid_t pid = start_program(program, envp, all->inherited, &error);
  if (pid == 0) {
    call_off(all);
    return report_exec_failure(program.argv[0], error);
  }
  if (pid < 0) {
    error = errno;
    bool told = call_off(all, 100);  // what fails here may fail there
    if (!told) warn("cannot start a process: ", strerror(error), "; running untraced");
    return run_untraced(program);
  }
  Supervisor supervisor(pid, all->signal_fd, &all->drain, &all->witness, &all->terminal);
  supervisor.hand_over_early_signals();
  tell_started(all->drain, pid, program.path);
  all->witness.start();
  all->terminal.open();
  let_go(settings, all);

  int status = supervisor.run();

  all->terminal.take_from_the_dead();
  tell_ended(all->drain, pid, status);
  all->witness.end();
  wait_until_written(&all->drain, all->signal_fd, all->session.session);
  end_like(status);
}

}  // namespace

int run(int argc, char** argv) {
  RunOptions options;
  switch (parse_run_options(argc, argv, "program", "telrun --help", &options)) {
    case Parsed::kHelp:
      return print_run_help();
    case Parsed::kVersion:
      return print_version();
    case Parsed::kBad:
      return kExitOwnFailure;
    case Parsed::kRun:
      break;
  }
  Program program;
  if (int error = find_program(options.program[0], program.path)) {
    return report_exec_failure(options.program[0], error);
  }
  if (!prepare_arguments(options.program, &program)) {
    warn("out of memory");
    return kExitOwnFailure;
  }

  Settings settings;
  SettingProblem problems[kSettingCount];
  size_t count = read_settings(environ, &settings, problems, kSettingCount);
  if (settings.off()) return run_in_place(program, environ);
  report_problems(problems, count);

  char library[PATH_MAX], drain[PATH_MAX];
  if (!find_library(library)) return run_untraced(program);
  if (options.in_place) {
    // A session that we were started in has its own drain; who asks for telrun asks for another.
    unsetenv(kSessionVariable);
    char** envp = program_environment(program.path, library, nullptr);
    return run_in_place(program, envp != nullptr ? envp : environ);
  }
  if (!find_part(kDrainPart, drain)) {
    warn(drain, "; running untraced");
    return run_untraced(program);
  }

  Supervision all;
  enter_supervision(&all.inherited);
  const char* failed = prepare(settings, drain, &all);
  char** envp = nullptr;
  if (failed == nullptr) {
    envp = program_environment(program.path, library, all.session.text);
    if (envp == nullptr) {
      call_off(&all);
      failed = "get memory for the environment";
    }
  }
  if (failed != nullptr) {
    int error = errno;
    leave_supervision(all.inherited);
    warn("cannot ", failed, ": ", strerror(error), "; running untraced");
    return run_untraced(program);
  }
  return supervise(settings, program, envp, &all);
}

}  // namespace telinject
