#include "shim/cli/supervise.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "shim/cli/warn.h"

namespace telinject {

namespace {

// The terminal sends these to a whole group, so the program has them if it is in that group. Others
// that the kernel sends were meant for this process, whose place the program has now.
bool comes_from_terminal(const signalfd_siginfo& signal) {
  if (signal.ssi_code <= 0) return false;
  switch (signal.ssi_signo) {
    case SIGHUP:
    case SIGINT:
    case SIGQUIT:
    case SIGTSTP:
    case SIGTTIN:
    case SIGTTOU:
    case SIGCONT:
    case SIGWINCH:
      return true;
    default:
      return false;
  }
}

void send_signal(pid_t pid, const signalfd_siginfo& signal) {
  int number = static_cast<int>(signal.ssi_signo);
  if (signal.ssi_code == SI_QUEUE) {
    siginfo_t info = {};
    info.si_signo = number;
    info.si_code = SI_QUEUE;
    info.si_pid = static_cast<pid_t>(signal.ssi_pid);
    info.si_uid = signal.ssi_uid;
    info.si_value.sival_ptr = reinterpret_cast<void*>(signal.ssi_ptr);
    if (syscall(SYS_rt_sigqueueinfo, pid, number, &info) == 0) return;
  }
  kill(pid, number);
}

}  // namespace

bool reap_one(pid_t* pid, int* status, Drain* drain) {
  *pid = waitpid(-1, status, WNOHANG | WUNTRACED | WCONTINUED);
  if (*pid <= 0) return false;
  if (*pid == drain->pid) drain->stopped = WIFSTOPPED(*status);
  if (drain->stopped) take_hold_of_stderr();  // at the program's end there may be words
  if (*pid == drain->pid && (WIFEXITED(*status) || WIFSIGNALED(*status))) {
    drain->ended = true;
    drain->status = *status;
    drain->ended_after = monotonic_seconds() - drain->started;
    if (!drain->has_written) take_hold_of_stderr();  // the program may still run: said at its end
  }
  return true;
}

void Supervisor::hand_over_early_signals() {
  signalfd_siginfo signal;
  while (read(signal_fd_, &signal, sizeof signal) == sizeof signal) {
    bool own = signal.ssi_code <= 0 && static_cast<pid_t>(signal.ssi_pid) == getpid();
    if (signal.ssi_signo != SIGCHLD && !own) send_signal(program_, signal);
  }
}

int Supervisor::run() {
  int status;
  while (!reap(&status)) {
    pollfd ready = {signal_fd_, POLLIN, 0};
    poll(&ready, 1, -1);
    signalfd_siginfo signal;
    while (read(signal_fd_, &signal, sizeof signal) == sizeof signal) {
      if (signal.ssi_signo != SIGCHLD) pass_on(signal);
    }
  }
  return status;
}

bool Supervisor::reap(int* status) {
  pid_t pid;
  while (reap_one(&pid, status, drain_)) {
    if (pid != program_ || WIFCONTINUED(*status)) continue;
    if (!WIFSTOPPED(*status)) return true;
    mirror_stop(WSTOPSIG(*status));
  }
  return false;
}

void Supervisor::pass_on(const signalfd_siginfo& signal) {
  bool by_terminal = comes_from_terminal(signal);
  pid_t sender = signal.ssi_code <= 0 ? static_cast<pid_t>(signal.ssi_pid) : 0;
  if (sender == getpid()) return;  // SIGPIPE, from a line of ours
  bool to_group = witness_->saw(signal, !by_terminal);
  if (by_terminal) return;
  if (to_group) merge_repeated(signal);
  if (to_group && getpgid(program_) == getpgrp()) return;
  if (sender == program_) {
    // It signals its parent ("I am ready"): that is who would be its parent without us.
    if (!to_group && getppid() > 1) send_signal(getppid(), signal);
    return;
  }
  send_signal(program_, signal);
}

// timeout(1) signals the process it started and then its group: two for telrun, one for the program
// if it is quick to take the first. The second, if it came while the witness was asked, is dropped.
void Supervisor::merge_repeated(const signalfd_siginfo& signal) {
  int number = static_cast<int>(signal.ssi_signo);
  if (number >= SIGRTMIN) return;  // these are queued, each counts
  sigset_t one;
  sigemptyset(&one);
  sigaddset(&one, number);
  timespec now = {};
  siginfo_t again;
  if (sigtimedwait(&one, &again, &now) == number &&
      again.si_pid != static_cast<pid_t>(signal.ssi_pid)) {
    kill(program_, number);
  }
}

void Supervisor::mirror_stop(int signal) {
  pid_t group = getpgid(program_), ours = getpgrp();
  if (group < 0) return;
  if (group != ours && terminal_->foreground() == group) terminal_->give_to(ours);
  witness_->guard(program_);
  stop_like(signal);
  witness_->stand_down();
  witness_->forget(SIGCONT);
  resume(group);
}

// True if the program has ended, or another process has already continued it.
bool Supervisor::program_goes_on() const {
  siginfo_t info = {};
  waitid(P_PID, static_cast<id_t>(program_), &info, WCONTINUED | WEXITED | WNOHANG | WNOWAIT);
  return info.si_pid != 0;
}

void Supervisor::resume(pid_t group) {
  pid_t ours = getpgrp();
  if (group != ours) {
    if (terminal_->foreground() == ours) terminal_->give_to(group);
    if (!program_goes_on()) kill(-group, SIGCONT);
    return;
  }
  // A shell continues the whole group, the program included: a second SIGCONT would reach its
  // handler. The kernel goes through the group, we may be first.
  for (int tries = 0; !program_goes_on() && tries < 20; tries++) poll(nullptr, 0, 1);
  if (!program_goes_on()) kill(program_, SIGCONT);
}

}  // namespace telinject
