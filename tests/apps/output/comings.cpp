// Threads that come and go, each with names of its own, calls and exceptions.
//
//     comings ROUNDS
#include <pthread.h>
#include <stdlib.h>

#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace {

int descend(int depth) {
  return depth == 0 ? 0 : 1 + descend(depth - 1);
}

void refuse(int depth) {
  if (depth == 0) throw std::runtime_error("refused");
  refuse(depth - 1);
}

void attempt() {
  try {
    refuse(3);
  } catch (const std::runtime_error&) {
  }
}

void work(int round, int number) {
  for (int part = 0; part < 3; part++) {
    std::string name = "w" + std::to_string(round) + "." + std::to_string(number * 3 + part);
    pthread_setname_np(pthread_self(), name.c_str());
    descend(20);
    if (number == part) attempt();
  }
}

void play(int round) {
  std::vector<std::thread> threads;
  for (int number = 0; number < 8; number++) threads.emplace_back(work, round, number);
  for (std::thread& thread : threads) thread.join();
}

}  // namespace

int main(int argc, char** argv) {
  int rounds = argc > 1 ? atoi(argv[1]) : 1;
  for (int round = 0; round < rounds; round++) play(round);
}
