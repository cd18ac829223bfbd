// Closes what came from other processes, on a thread of its own.
//
// close(2) waits if it is the last one of a socket that lingers (SO_LINGER), and such sockets lie
// in other sockets' queues, too: whoever may connect to us can have that wait happen wherever we
// close his connection. A signal ends it, so each close here is interrupted after a moment.
#pragma once

#include <cstddef>
#include <memory>

namespace telinject::drain {

class Closer {
 public:
  Closer();
  // Leaves the thread behind if it hangs: the process is about to end, and that never lingers.
  ~Closer();
  Closer(const Closer&) = delete;
  Closer& operator=(const Closer&) = delete;

  // The descriptor is not the caller's any more, but its number stays in use for a moment. The
  // first call starts the thread; where none is to be had, it is closed here.
  void close(int fd);
  // How many have not been closed yet.
  size_t waiting() const;

 private:
  struct State;
  static void run(State* state);
  std::shared_ptr<State> state_;
  bool started_ = false;
};

}  // namespace telinject::drain
