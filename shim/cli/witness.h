// A second process of ours in telrun's process group, with every signal blocked, for two questions
// that telrun cannot answer alone.
//
// Was this signal sent to telrun, or to its whole group? The kernel does not say. A signal to
// telrun alone has to be passed on to the program; one to the group has reached the program
// already, and passed on it would be delivered twice: programs that exit gently at the first
// SIGTERM and at once at the second would notice. The witness is in the group: what it has got too
// was for the group.
//
// Has the stopped program been continued? telrun stops when the program stops, so that the shell
// sees it. If the program alone is then continued or killed (`kill -CONT`), a stopped telrun cannot
// notice. The witness, which only SIGSTOP stops, wakes it.
#pragma once

#include <sys/signalfd.h>
#include <sys/types.h>

namespace telinject {

class Witness {
 public:
  // Called by main, before anything changes argv.
  static void note_command_line(int argc, char** argv);

  // Without a witness (no more processes allowed) each signal counts as sent to telrun alone.
  void start();

  // True if the group got the signal that telrun has read. With `patient`, gives a sender who goes
  // through the group one by one the time to do so. Forgets the signal.
  bool saw(const signalfd_siginfo& signal, bool patient);
  void forget(int signal);

  // Between these two, SIGCONT is sent to telrun once the program is not stopped any more.
  void guard(pid_t program);
  void stand_down();

  void end();

  int socket() const { return socket_; }
  pid_t pid() const { return pid_; }

 private:
  bool ask(int signal, signalfd_siginfo* seen);
  int socket_ = -1;
  pid_t pid_ = -1;
  unsigned asked_ = 0;
};

}  // namespace telinject
