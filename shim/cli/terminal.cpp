#include "shim/cli/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

namespace telinject {

void Terminal::open() {
  fd_ = ::open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
}

pid_t Terminal::foreground() const {
  return fd_ < 0 ? -1 : tcgetpgrp(fd_);
}

void Terminal::give_to(pid_t group) const {
  if (fd_ >= 0) tcsetpgrp(fd_, group);
}

void Terminal::take_from_the_dead() const {
  pid_t group = foreground();
  if (group > 0 && group != getpgrp() && kill(-group, 0) != 0 && errno == ESRCH) give_to(getpgrp());
}

void stop_like(int signal) {
  bool by_terminal = signal == SIGTSTP || signal == SIGTTIN || signal == SIGTTOU;
  if (!by_terminal) {
    kill(getpid(), SIGSTOP);
  } else {
    struct sigaction standard = {}, old;
    standard.sa_handler = SIG_DFL;
    sigaction(signal, &standard, &old);
    sigset_t one;
    sigemptyset(&one);
    sigaddset(&one, signal);
    kill(getpid(), signal);
    sigprocmask(SIG_UNBLOCK, &one, nullptr);  // stopped here
    sigprocmask(SIG_BLOCK, &one, nullptr);
    sigaction(signal, &old, nullptr);
  }
  // The SIGCONT that woke us was for this stop; the program gets its own.
  sigset_t resumed;
  sigemptyset(&resumed);
  sigaddset(&resumed, SIGCONT);
  timespec now = {};
  while (sigtimedwait(&resumed, nullptr, &now) == SIGCONT) {
  }
}

}  // namespace telinject
