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

// Lowers this thread's priority once it has processed much data, so that the program and the
// collector run first: the collector has half a millisecond until a busy thread's ring is full.
// Measured: with the drain on one core, a call in blocking mode costs half as much. Short programs,
// which wait at their end for what is left, do not reach the threshold.
class GivingWay {
 public:
  void took(size_t bytes);

 private:
  size_t taken_ = 0;
  bool gives_ = false;
};

// Starts a thread that no signal is delivered to. If the system allows no more threads, the result
// is not joinable, and the caller goes on without it.
std::thread start_worker(const Workers& workers, std::function<void()> work);

}  // namespace telinject
