#include "shim/cli/witness.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <initializer_list>

#include "shim/channel/syscall.h"
#include "shim/channel/text.h"

namespace telinject {

namespace {

constexpr const char* kName = "group-witness";
constexpr int kAnswerMs = 200;  // a witness that was stopped gives no answer
constexpr int kFirstWatchMs = 10, kSlowestWatchMs = 200;

// Where /proc/self/cmdline is read from.
char* g_command_line = nullptr;
char* g_command_line_end = nullptr;

enum class Question : uint32_t { kSignal, kGuard, kStandDown };

struct Asked {
  Question question;
  unsigned number;
  int32_t value;  // the signal, or the program's pid
};

struct Answer {
  unsigned number;
  int32_t seen;
  int32_t code;
  int32_t sender;
};

// The third field of /proc/<pid>/stat, behind the name in parentheses; 0 if the process is gone.
char process_state(pid_t pid) {
  char path[32], text[512];
  TextBuffer(path, sizeof path).add("/proc/").number(static_cast<uint64_t>(pid)).add("/stat");
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  ssize_t n = read(fd, text, sizeof text - 1);
  close(fd);
  if (n <= 0) return 0;
  text[n] = 0;
  const char* end_of_name = strrchr(text, ')');
  return end_of_name != nullptr && end_of_name[1] == ' ' ? end_of_name[2] : '\0';
}

Answer take_pending(const Asked& asked) {
  sigset_t one;
  sigemptyset(&one);
  sigaddset(&one, asked.value);
  siginfo_t info = {};
  timespec now = {};
  if (sigtimedwait(&one, &info, &now) != asked.value) return {asked.number, 0, 0, 0};
  return {asked.number, 1, info.si_code, info.si_pid};
}

[[noreturn]] void be_witness(int socket, pid_t supervisor) {
  pid_t guarded = 0;
  int wait_ms = -1;
  for (;;) {
    pollfd ready = {socket, POLLIN, 0};
    if (poll(&ready, 1, wait_ms) == 0) {
      char state = process_state(guarded);
      // Again and again until told to stand down: the first ones may come before telrun has
      // stopped.
      if (state != 'T' && state != 't') kill(supervisor, SIGCONT);
      if (wait_ms < kSlowestWatchMs) wait_ms *= 2;
      continue;
    }
    Asked asked;
    if (recv(socket, &asked, sizeof asked, 0) != sizeof asked) _exit(0);
    switch (asked.question) {
      case Question::kSignal: {
        Answer answer = take_pending(asked);
        send(socket, &answer, sizeof answer, MSG_NOSIGNAL);
        break;
      }
      case Question::kGuard:
        guarded = asked.value;
        wait_ms = kFirstWatchMs;
        break;
      case Question::kStandDown:
        wait_ms = -1;
        break;
    }
  }
}

// `pkill telrun` and `pkill -f` mean telrun: they must not hit the witness too, for it would then
// look as if the whole group had got the signal.
void rename_process() {
  prctl(PR_SET_NAME, kName);
  size_t size = static_cast<size_t>(g_command_line_end - g_command_line);
  memset(g_command_line, 0, size);
  TextBuffer(g_command_line, size).add(kName);
}

}  // namespace

void Witness::note_command_line(int argc, char** argv) {
  g_command_line = g_command_line_end = argv[0];
  for (int i = 0; i < argc && argv[i] == g_command_line_end; i++) {
    g_command_line_end += strlen(argv[i]) + 1;
  }
}

void Witness::start() {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) return;
  pid_t supervisor = getpid();
  pid_t pid = fork();
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != supervisor) _exit(0);
    rename_process();
    dup2(pair[1], 0);
    sys::close_range(1);
    be_witness(0, supervisor);
  }
  close(pair[1]);
  if (pid < 0) {
    close(pair[0]);
    return;
  }
  socket_ = pair[0];
  pid_ = pid;
}

bool Witness::ask(int signal, signalfd_siginfo* seen) {
  if (socket_ < 0) return false;
  Asked asked = {Question::kSignal, ++asked_, signal};
  if (send(socket_, &asked, sizeof asked, MSG_NOSIGNAL | MSG_DONTWAIT) != sizeof asked)
    return false;
  pollfd ready = {socket_, POLLIN, 0};
  while (poll(&ready, 1, kAnswerMs) == 1) {
    Answer answer;
    if (recv(socket_, &answer, sizeof answer, MSG_DONTWAIT) != sizeof answer) return false;
    if (answer.number != asked.number) continue;  // late, from when it was stopped
    seen->ssi_code = answer.code;
    seen->ssi_pid = static_cast<uint32_t>(answer.sender);
    return answer.seen != 0;
  }
  return false;
}

bool Witness::saw(const signalfd_siginfo& signal, bool patient) {
  for (int pause_ms : {0, 1, 10}) {
    if (pause_ms != 0) poll(nullptr, 0, pause_ms);
    signalfd_siginfo seen;
    if (ask(static_cast<int>(signal.ssi_signo), &seen)) {
      return seen.ssi_code == signal.ssi_code && seen.ssi_pid == signal.ssi_pid;
    }
    if (!patient || socket_ < 0) return false;
  }
  return false;
}

void Witness::forget(int signal) {
  signalfd_siginfo seen;
  ask(signal, &seen);
}

void Witness::guard(pid_t program) {
  Asked asked = {Question::kGuard, ++asked_, program};
  if (socket_ >= 0) send(socket_, &asked, sizeof asked, MSG_NOSIGNAL | MSG_DONTWAIT);
}

void Witness::stand_down() {
  Asked asked = {Question::kStandDown, ++asked_, 0};
  if (socket_ >= 0) send(socket_, &asked, sizeof asked, MSG_NOSIGNAL | MSG_DONTWAIT);
}

void Witness::end() {
  if (pid_ < 0) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
  close(socket_);
  pid_ = socket_ = -1;
}

}  // namespace telinject
