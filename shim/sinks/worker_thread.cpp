#include "shim/sinks/worker_thread.h"

#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <system_error>
#include <utility>

namespace telinject {

namespace {

void give_way() {
  constexpr int kNicer = 10;
  auto thread = static_cast<id_t>(gettid());
  setpriority(PRIO_PROCESS, thread, getpriority(PRIO_PROCESS, thread) + kNicer);
  // Nor is the program interrupted at the moment when there is something for us.
  constexpr sched_param kNone = {};
  sched_setscheduler(0, SCHED_BATCH, &kNone);
}

bool has_given_way() {
  return sched_getscheduler(0) == SCHED_BATCH;
}

}  // namespace

void GivingWay::took(size_t bytes) {
  constexpr size_t kMuch = 1 << 20;
  if (gives_) return;
  taken_ += bytes;
  gives_ = taken_ >= kMuch;
  if (gives_ && !has_given_way()) give_way();
}

std::thread start_worker(const Workers& workers, std::function<void()> work) {
  // A thread inherits the signal mask and the priority of the thread that starts it.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  std::thread thread;
  try {
    bool has_to = workers.give_way && !has_given_way();
    thread = std::thread([has_to, work = std::move(work)] {
      if (has_to) give_way();
      work();
    });
  } catch (const std::system_error&) {
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return thread;
}

}  // namespace telinject
