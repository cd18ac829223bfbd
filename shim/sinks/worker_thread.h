// Worker threads for work that is too slow on one core: encoding and compressing.
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
// collector run first. Measured: with the drain on one core, a call in blocking mode costs half as
// much. Short programs, which wait at their end for the rest, do not reach the threshold.
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
