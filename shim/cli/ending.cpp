#include "shim/cli/ending.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "shim/channel/control.h"
#include "shim/channel/text.h"
#include "shim/cli/session_start.h"
#include "shim/cli/supervise.h"
#include "shim/cli/warn.h"

namespace telinject {

namespace {

// How long to wait for the end of a drain that has written all, so that the process that started
// telrun (a container's first process, a subreaper) does not inherit it.
constexpr int kLastBreathMs = 200;

ControlMessage make_message(ControlType type, pid_t pid, int status) {
  ControlMessage message = {};
  message.type = type;
  message.pid = pid;
  message.status = status;
  return message;
}

void tell(const Drain& drain, const ControlMessage& message) {
  if (drain.control >= 0) {
    send(drain.control, &message, sizeof message, MSG_NOSIGNAL | MSG_DONTWAIT);
  }
}

enum class Heard { kNothing, kWritten, kWrittenAndEnds, kSilence };

Heard hear(int control) {
  ControlMessage message;
  ssize_t n = recv(control, &message, sizeof message, MSG_DONTWAIT);
  // It has ended before it read all that we have sent; what it said last is still there.
  if (n < 0 && errno == ECONNRESET) n = recv(control, &message, sizeof message, MSG_DONTWAIT);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return Heard::kNothing;
  if (n < static_cast<ssize_t>(offsetof(ControlMessage, text))) return Heard::kSilence;
  if (message.type != ControlType::kWritten) return Heard::kNothing;
  return message.status == 1 ? Heard::kWrittenAndEnds : Heard::kWritten;
}

bool asks_to_stop(int signal) {
  return signal == SIGINT || signal == SIGTERM || signal == SIGQUIT;
}

bool is_stop(int signal) {
  return signal == SIGTSTP || signal == SIGTTIN || signal == SIGTTOU;
}

// What was waited for: one event at a time, for at most `timeout_ms` (-1: without bound).
struct Event {
  bool control;  // something from the drain, or its end
  int signal;
};

Event next_event(int control, int signal_fd, int timeout_ms) {
  pollfd ready[] = {{signal_fd, POLLIN, 0}, {control, POLLIN, 0}};
  poll(ready, 2, timeout_ms);
  Event event = {(ready[1].revents & (POLLIN | POLLHUP | POLLERR)) != 0, 0};
  signalfd_siginfo signal;
  if ((ready[0].revents & POLLIN) != 0 &&
      read(signal_fd, &signal, sizeof signal) == sizeof signal) {
    bool own = signal.ssi_code <= 0 && static_cast<pid_t>(signal.ssi_pid) == getpid();
    event.signal = own ? 0 : static_cast<int>(signal.ssi_signo);
  }
  return event;
}

void reap_all(Drain* drain) {
  pid_t pid;
  int status;
  while (reap_one(&pid, &status, drain)) {
  }
}

void wait_for_end(Drain* drain, int signal_fd) {
  double until = monotonic_seconds() + kLastBreathMs / 1e3;
  for (reap_all(drain); !drain->ended; reap_all(drain)) {
    int left_ms = static_cast<int>((until - monotonic_seconds()) * 1e3);
    if (left_ms <= 0) return;
    next_event(-1, signal_fd, left_ms);
  }
}

// How long after the start the drain has written to its file last; -1 if it never has, and all of
// the time if that cannot be told.
double wrote_until(const Drain& drain) {
  struct stat status;
  if (drain.file == nullptr || stat(drain.file, &status) != 0 || !S_ISREG(status.st_mode)) {
    return drain.ended_after;
  }
  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  double age = static_cast<double>(now.tv_sec - status.st_mtim.tv_sec) +
               static_cast<double>(now.tv_nsec - status.st_mtim.tv_nsec) / 1e9;
  double since_start = monotonic_seconds() - drain.started;
  if (status.st_size == 0 || age > since_start) return -1;
  return since_start - age < drain.ended_after ? since_start - age : drain.ended_after;
}

void report_early_end(const Drain& drain) {
  if (drain.ended && WIFEXITED(drain.status) && WEXITSTATUS(drain.status) == kDrainGaveUp) return;
  char how[40];
  TextBuffer text(how, sizeof how);
  if (drain.ended && WIFSIGNALED(drain.status)) {
    text.add(" (signal ").number(static_cast<uint64_t>(WTERMSIG(drain.status))).add(')');
  } else if (drain.ended) {
    text.add(" (status ").number(static_cast<uint64_t>(WEXITSTATUS(drain.status))).add(')');
  }
  if (!drain.ended) return warn("the drain gave no answer: events may be missing");
  double until = wrote_until(drain);
  if (until < 0) return warn("the drain ended early", how, ": no event was written");
  uint64_t tenths = static_cast<uint64_t>(until * 10);
  warn("the drain ended early", how, ": events after the first ", tenths / 10, ".", tenths % 10,
       " s may be missing");
}

}  // namespace

void tell_started(const Drain& drain, pid_t program, const char* path) {
  ControlMessage message = make_message(ControlType::kStarted, program, 0);
  TextBuffer text(message.text, sizeof message.text);
  // The drain changes directory; the program is where it was for us.
  char here[sizeof message.text];
  if (path[0] != '/' && getcwd(here, sizeof here) != nullptr && here[0] == '/') {
    text.add(here).add('/');
  }
  text.add(path);
  message.text_bytes = static_cast<uint32_t>(text.size());
  tell(drain, message);
}

namespace {

// Whether the drain may draw on the terminal: it is that of another session's.
bool in_foreground() {
  return isatty(STDERR_FILENO) != 0 && tcgetpgrp(STDERR_FILENO) == getpgrp();
}

void offer_terminal(const Drain& drain) {
  if (in_foreground()) tell(drain, make_message(ControlType::kForeground, 0, 1));
}

// The line that the drain has drawn must have gone before a shell writes its prompt there.
void clear_terminal(const Drain& drain) {
  constexpr int kPatienceMs = 300;
  if (!in_foreground()) return;
  ControlMessage message;
  while (recv(drain.control, &message, sizeof message, MSG_PEEK | MSG_DONTWAIT) > 0 &&
         message.type == ControlType::kForeground) {
    recv(drain.control, &message, sizeof message, MSG_DONTWAIT);
  }
  tell(drain, make_message(ControlType::kForeground, 0, 0));
  pollfd answer = {drain.control, POLLIN, 0};
  if (!drain.stopped) poll(&answer, 1, kPatienceMs);
}

}  // namespace

void tell_ended(const Drain& drain, pid_t program, int status) {
  tell(drain, make_message(ControlType::kEnded, program, status));
}

void wait_until_written(Drain* drain, int signal_fd, const Session& session) {
  bool stopping = false, told = false;
  offer_terminal(*drain);
  for (;;) {
    if (drain->stopped && !told) {
      warn("the drain (process ", drain->pid,
           ") is stopped: telrun waits until it is continued (kill -CONT ", drain->pid,
           ") and has written the events; interrupt telrun to stop waiting");
      told = true;
    }
    Heard heard = hear(drain->control);
    drain->has_written = heard == Heard::kWritten || heard == Heard::kWrittenAndEnds;
    if (heard == Heard::kWritten) return;
    if (heard == Heard::kWrittenAndEnds) return wait_for_end(drain, signal_fd);
    if (heard == Heard::kSilence) {
      wait_for_end(drain, signal_fd);
      report_early_end(*drain);
      if (drain->ended) remove_session_directory(session);
      return;
    }
    Event event = next_event(drain->control, signal_fd, -1);
    if (event.signal == SIGCHLD) {
      reap_all(drain);
    } else if (is_stop(event.signal)) {
      clear_terminal(*drain);
      stop_like(event.signal);
      offer_terminal(*drain);
    } else if (asks_to_stop(event.signal)) {
      if (stopping) {
        warn("gave up waiting for the drain: events may be missing");
        return;
      }
      stopping = true;
      tell(*drain, make_message(ControlType::kStop, 0, 0));
    }
  }
}

[[noreturn]] void end_like(int status) {
  if (WIFEXITED(status)) _exit(WEXITSTATUS(status));
  int signal = WTERMSIG(status);
  // The program has left a core if it was to leave one. Where cores go to a handler, the limit
  // alone does not stop ours.
  prctl(PR_SET_DUMPABLE, 0);
  rlimit none = {0, 0};
  setrlimit(RLIMIT_CORE, &none);
  struct sigaction standard = {};
  standard.sa_handler = SIG_DFL;
  sigaction(signal, &standard, nullptr);
  kill(getpid(), signal);
  sigset_t one;
  sigemptyset(&one);
  sigaddset(&one, signal);
  sigprocmask(SIG_UNBLOCK, &one, nullptr);
  // Only the first process of a PID namespace is still here: its signals are ignored by default.
  _exit(128 + signal);
}

}  // namespace telinject
