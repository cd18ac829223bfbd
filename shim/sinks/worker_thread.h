// Threads beside the drain's own three, for what one core does too slowly: encoding, compressing.
#pragma once

#include <cstddef>
#include <functional>
#include <thread>

namespace telinject {

struct Workers {
  size_t most = 1;        // that work at the same time
  bool give_way = false;  // to a program that is being traced
};

// Of a thread that works off what the collector brings. Once that is much it comes after the
// others: after the collector above all, which has half a millisecond until a busy thread's ring is
// full, and after the program. Measured: with the drain on one core a call costs half as much in
// the blocking mode. Not before: a short program waits at its end for what is left.
class GivingWay {
 public:
  void took(size_t bytes);

 private:
  size_t taken_ = 0;
  bool gives_ = false;
};

// A thread that no signal is delivered to. Where the system allows no more threads it is not
// joinable, and whoever wanted it goes on without.
std::thread start_worker(const Workers& workers, std::function<void()> work);

}  // namespace telinject
