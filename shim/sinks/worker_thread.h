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

// The calling thread comes after the program and the collector from now on.
void give_way();

// A thread that no signal is delivered to. Where the system allows no more threads it is not
// joinable, and whoever wanted it goes on without.
std::thread start_worker(const Workers& workers, std::function<void()> work);

}  // namespace telinject
