// The controlling terminal: whose process group is in the foreground.
//
// A program with job control of its own (a shell) makes its own group and takes the terminal for
// it. telrun is the one that the outer shell sees, so when the program stops telrun takes the
// terminal over, and hands it back when it is continued in the foreground.
#pragma once

#include <sys/types.h>

namespace telinject {

class Terminal {
 public:
  void open();  // without effect if there is none
  int fd() const { return fd_; }
  // The foreground group; -1 if there is no terminal.
  pid_t foreground() const;
  // Signals must be blocked: from the background this raises SIGTTOU otherwise.
  void give_to(pid_t group) const;
  // For ctrl-C to reach us again after a group that had the terminal is gone.
  void take_from_the_dead() const;

 private:
  int fd_ = -1;
};

// Stops this process as `signal` has stopped the program, and returns when it is continued; at once
// where the kernel discards the signal, as it then would for the program (orphaned group, PID 1).
void stop_like(int signal);

}  // namespace telinject
