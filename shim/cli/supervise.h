// The supervisor while the program runs: passes signals on, stops and continues with it, reaps.
#pragma once

#include <sys/signalfd.h>
#include <sys/types.h>

#include "shim/cli/drain_start.h"
#include "shim/cli/terminal.h"
#include "shim/cli/witness.h"

namespace telinject {

class Supervisor {
 public:
  // Every signal is blocked and read from `signal_fd`.
  Supervisor(pid_t program, int signal_fd, Drain* drain, Witness* witness, Terminal* terminal)
      : program_(program),
        signal_fd_(signal_fd),
        drain_(drain),
        witness_(witness),
        terminal_(terminal) {}

  // What was sent to telrun, or by the terminal to its group, while there was no program yet. To be
  // called at once: a signal that the program got as well does no harm the second time, for it has
  // no handler yet.
  void hand_over_early_signals();

  // Returns the program's status, as of wait(2), when it has ended.
  int run();

 private:
  void pass_on(const signalfd_siginfo& signal);
  void merge_repeated(const signalfd_siginfo& signal);
  void mirror_stop(int signal);
  void resume(pid_t group);
  bool program_goes_on() const;
  bool reap(int* status);

  pid_t program_;
  int signal_fd_;
  Drain* drain_;
  Witness* witness_;
  Terminal* terminal_;
};

// Reaps any child, ours or (as PID 1) an orphan; notes the drain's end. False if there was none.
bool reap_one(pid_t* pid, int* status, Drain* drain);

}  // namespace telinject
